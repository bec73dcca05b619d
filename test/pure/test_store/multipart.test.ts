// Multipart uploads and listings over real HTTP.
import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { generatedBytes, startStore, type TestStore } from "../../store/store.ts";
import { call, complete, createUpload, partQuery, putPart, tagText, tagTexts } from "./client.ts";

let store: TestStore;

beforeAll(async () => {
  store = await startStore({ buckets: ["bucket"], minPartBytes: 5 });
});

afterAll(async () => {
  expect(store.failures).toEqual([]);
  await store.stop();
});

const md5 = (data: string | Buffer) => createHash("md5").update(data).digest();

/** Uploads these parts and returns what Complete answers. */
async function uploadAll(
  to: TestStore,
  path: string,
  parts: readonly (string | Buffer)[],
  headers: Record<string, string> = {},
) {
  const id = await createUpload(to, path);
  const etags: [number, string][] = [];
  for (const [index, body] of parts.entries())
    etags.push([index + 1, await putPart(to, path, id, index + 1, body)]);
  return { id, etags, answer: await complete(to, path, id, etags, headers) };
}

const bare = (text: string) => (tagText(text, "ETag") ?? "").replaceAll("&quot;", '"');

describe("a multipart upload", () => {
  test("joins its parts, keeps the attributes of Create and has the ETag of S3's arithmetic", async () => {
    const id = await createUpload(store, "/bucket/joined", {
      "content-type": "text/x",
      "cache-control": "no-store",
      "x-amz-meta-a": "1",
      "x-amz-tagging": "t=v",
    });
    const second = await putPart(store, "/bucket/joined", id, 2, "BB");
    const first = await putPart(store, "/bucket/joined", id, 1, "AAAAA");
    expect(store.uploads().map((one) => one.id)).toContain(id);
    const answer = await complete(store, "/bucket/joined", id, [
      [1, first],
      [2, second],
    ]);
    const etag = `${md5(Buffer.concat([md5("AAAAA"), md5("BB")])).toString("hex")}-2`;
    expect([answer.status, tagText(answer.text, "ETag")]).toEqual([200, `&quot;${etag}&quot;`]);
    expect(store.bytes("bucket", "joined").toString()).toBe("AAAAABB");
    expect(store.get("bucket", "joined")?.attributes).toMatchObject({
      contentType: "text/x",
      headers: { "cache-control": "no-store" },
      metadata: { a: "1" },
      tags: [{ key: "t", value: "v" }],
    });
    expect(store.uploads()).toEqual([]);
  });

  test("keeps the ETag arithmetic of a published example", () => {
    const digests = ["bce6bf66aeb76c7040fdd5f4eccb78e6", "8165449fc15bbf43d3b674595cbcc406"];
    expect(md5(Buffer.from(digests.join(""), "hex")).toString("hex")).toBe(
      "f77dc0eecdebcd774a2a22cb393ad2ff",
    );
  });

  test("takes the last attempt of a part", async () => {
    const id = await createUpload(store, "/bucket/again");
    await putPart(store, "/bucket/again", id, 1, "first");
    const etag = await putPart(store, "/bucket/again", id, 1, "second");
    await complete(store, "/bucket/again", id, [[1, etag]]);
    expect(store.bytes("bucket", "again").toString()).toBe("second");
  });

  test("refuses wrong lists of parts and survives the refusal", async () => {
    const id = await createUpload(store, "/bucket/refused");
    const one = await putPart(store, "/bucket/refused", id, 1, "1111");
    const two = await putPart(store, "/bucket/refused", id, 2, "22222");
    const three = await putPart(store, "/bucket/refused", id, 3, "333333");
    const code = async (parts: [number, string][], headers = {}) =>
      (await complete(store, "/bucket/refused", id, parts, headers)).code;
    expect(
      await code([
        [3, three],
        [2, two],
      ]),
    ).toBe("InvalidPartOrder");
    expect(
      await code([
        [2, two],
        [2, two],
      ]),
    ).toBe("InvalidPartOrder");
    expect(
      await code([
        [2, three],
        [3, three],
      ]),
    ).toBe("InvalidPart");
    expect(
      await code([
        [2, two],
        [4, three],
      ]),
    ).toBe("InvalidPart");
    expect(
      await code([
        [1, one],
        [2, two],
      ]),
    ).toBe("EntityTooSmall");
    expect(await code([])).toBe("MalformedXML");
    expect(
      await code(
        [
          [2, two],
          [3, three],
        ],
        { "x-amz-mp-object-size": "10" },
      ),
    ).toBe("InvalidRequest");
    expect(
      await code(
        [
          [2, two],
          [3, three],
        ],
        { "x-amz-mp-object-size": "11" },
      ),
    ).toBeUndefined();
    expect(store.bytes("bucket", "refused").toString()).toBe("22222333333");
    expect(store.get("bucket", "refused")?.parts.map((part) => part.number)).toEqual([1, 2]);
  });

  test("refuses part numbers out of range and uploads it does not know", async () => {
    const id = await createUpload(store, "/bucket/numbers");
    expect((await call(store, "PUT", `/bucket/numbers${partQuery(id, 10_001)}`, { body: "x" })).code).toBe(
      "InvalidArgument",
    );
    expect((await call(store, "PUT", `/bucket/numbers${partQuery(id, 0)}`, { body: "x" })).code).toBe(
      "InvalidArgument",
    );
    expect((await call(store, "PUT", `/bucket/another-key${partQuery(id, 1)}`, { body: "x" })).code).toBe(
      "NoSuchUpload",
    );
    expect((await call(store, "DELETE", `/bucket/numbers?uploadId=${id}`)).status).toBe(204);
    expect((await call(store, "DELETE", `/bucket/numbers?uploadId=${id}`)).code).toBe("NoSuchUpload");
    expect((await call(store, "PUT", `/bucket/numbers${partQuery(id, 1)}`, { body: "x" })).code).toBe(
      "NoSuchUpload",
    );
  });

  test("may be completed twice on AWS, once elsewhere", async () => {
    const { id, etags, answer } = await uploadAll(store, "/bucket/twice", ["only"]);
    const again = await complete(store, "/bucket/twice", id, etags);
    expect([again.status, tagText(again.text, "ETag")]).toEqual([200, tagText(answer.text, "ETag")]);
    await using forgetful = await startStore({ buckets: ["bucket"], idempotentComplete: false });
    const once = await uploadAll(forgetful, "/bucket/once", ["only"]);
    expect((await complete(forgetful, "/bucket/once", once.id, once.etags)).code).toBe("NoSuchUpload");
  });

  test("is refused at Complete when the object exists and must not", async () => {
    store.put("bucket", "taken", "old");
    const { answer } = await uploadAll(store, "/bucket/taken", ["new"], { "if-none-match": "*" });
    expect([answer.status, answer.code]).toEqual([412, "PreconditionFailed"]);
    expect(store.bytes("bucket", "taken").toString()).toBe("old");
  });

  test("must have equal parts where the store says so", async () => {
    await using r2 = await startStore({ buckets: ["bucket"], minPartBytes: 1, equalParts: true });
    expect((await uploadAll(r2, "/bucket/equal", ["aaa", "bbb", "c"])).answer.status).toBe(200);
    const unequal = (await uploadAll(r2, "/bucket/unequal", ["aaa", "bb", "ccc"])).answer;
    expect([unequal.code, tagText(unequal.text, "Message")]).toEqual([
      "InvalidPart",
      "All non-trailing parts must have the same length.",
    ]);
    expect((await uploadAll(r2, "/bucket/long-tail", ["aaa", "bbbb"])).answer.code).toBe("InvalidPart");
  });

  test("can have an id full of characters that need encoding", async () => {
    await using ceph = await startStore({ buckets: ["bucket"], uploadIds: "symbols" });
    const { id, answer } = await uploadAll(ceph, "/bucket/k", ["x"]);
    for (const symbol of "+/=~") expect(id).toContain(symbol);
    expect(answer.status).toBe(200);
  });

  test("sends spaces before the result when told to keep the connection alive", async () => {
    await using slow = await startStore({ buckets: ["bucket"], completeSpaces: 100 });
    const { answer } = await uploadAll(slow, "/bucket/k", ["x"]);
    expect(answer.text).toMatch(/^<\?xml[^>]*\?>\n {100}<CompleteMultipartUploadResult/);
  });

  test("checks and combines checksums of parts", async () => {
    const id = await createUpload(store, "/bucket/summed", {
      "x-amz-checksum-algorithm": "CRC32C",
      "x-amz-checksum-type": "FULL_OBJECT",
    });
    const wrong = await call(store, "PUT", `/bucket/summed${partQuery(id, 1)}`, {
      body: "12345",
      headers: { "x-amz-checksum-crc32c": "AAAAAA==" },
    });
    expect(wrong.code).toBe("BadDigest");
    const mismatched = await call(store, "PUT", `/bucket/summed${partQuery(id, 1)}`, {
      body: "12345",
      headers: { "x-amz-checksum-crc32": "y/XGhw==" },
    });
    expect(mismatched.code).toMatch(/InvalidRequest|BadDigest/);
    const one = await putPart(store, "/bucket/summed", id, 1, "12345");
    const two = await putPart(store, "/bucket/summed", id, 2, "6789");
    const bad = await complete(
      store,
      "/bucket/summed",
      id,
      [
        [1, one],
        [2, two],
      ],
      { "x-amz-checksum-crc32c": "AAAAAA==" },
    );
    expect(bad.code).toBe("BadDigest");
    const good = await complete(
      store,
      "/bucket/summed",
      id,
      [
        [1, one],
        [2, two],
      ],
      { "x-amz-checksum-crc32c": "4waSgw==" },
    );
    expect([tagText(good.text, "ChecksumCRC32C"), tagText(good.text, "ChecksumType")]).toEqual([
      "4waSgw==",
      "FULL_OBJECT",
    ]);
  });

  test("copies ranges of other objects as parts", async () => {
    store.put("bucket", "src", "0123456789");
    const etag = store.get("bucket", "src")?.etag ?? "";
    const id = await createUpload(store, "/bucket/assembled");
    const copy = async (number: number, headers: Record<string, string>) =>
      call(store, "PUT", `/bucket/assembled${partQuery(id, number)}`, {
        headers: { "x-amz-copy-source": "/bucket/src", ...headers },
      });
    const one = await copy(1, { "x-amz-copy-source-range": "bytes=5-9", "x-amz-copy-source-if-match": etag });
    const two = await copy(2, { "x-amz-copy-source-range": "bytes=0-1" });
    expect(tagText(one.text, "ETag")).toBe(`&quot;${md5("56789").toString("hex")}&quot;`);
    expect((await copy(3, { "x-amz-copy-source-range": "bytes=5-10" })).code).toBe("InvalidArgument");
    expect((await copy(3, { "x-amz-copy-source-if-match": '"x"' })).code).toBe("PreconditionFailed");
    await complete(store, "/bucket/assembled", id, [
      [1, bare(one.text)],
      [2, bare(two.text)],
    ]);
    expect(store.bytes("bucket", "assembled").toString()).toBe("5678901");
  });

  test("ETags can be opaque, unquoted, upper case, or empty in Complete's answer", async () => {
    await using odd = await startStore({
      buckets: ["bucket"],
      etags: "opaque",
      etagQuotes: "unquoted",
      etagCase: "upper",
      completeEtag: "empty",
    });
    const id = await createUpload(odd, "/bucket/k");
    const first = await putPart(odd, "/bucket/k", id, 1, "same");
    const second = await putPart(odd, "/bucket/k", id, 1, "same");
    expect(first).toMatch(/^[0-9A-F]{32}$/);
    expect(second).not.toBe(first);
    expect((await complete(odd, "/bucket/k", id, [[1, first]])).code).toBe("InvalidPart");
    const answer = await complete(odd, "/bucket/k", id, [[1, second]]);
    expect([answer.status, tagText(answer.text, "ETag")]).toEqual([200, ""]);
  });

  test("ETags can be bare in headers and quoted in XML", async () => {
    await using mixed = await startStore({ buckets: ["bucket"], etagQuotes: "unquoted-headers" });
    const id = await createUpload(mixed, "/bucket/k");
    const etag = await putPart(mixed, "/bucket/k", id, 1, "x");
    expect(etag).toBe(md5("x").toString("hex"));
    const { text } = await call(mixed, "GET", `/bucket/k?uploadId=${id}`);
    expect(tagText(text, "ETag")).toBe(`&quot;${etag}&quot;`);
    expect((await complete(mixed, "/bucket/k", id, [[1, etag]])).status).toBe(200);
  });

  test("takes parts by the thousand", async () => {
    await using many = await startStore({ buckets: ["bucket"], minPartBytes: 1, etags: "opaque" });
    const size = 1100 * 7;
    many.swallow({ verifyAgainst: { seed: "many", size } });
    const id = await createUpload(many, "/bucket/k");
    const etags: [number, string][] = [];
    const lane = async (first: number) => {
      for (let n = first; n <= 1100; n += 8) {
        etags[n - 1] = [
          n,
          await putPart(many, "/bucket/k", id, n, generatedBytes("many", (n - 1) * 7, n * 7)),
        ];
      }
    };
    await Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map(lane));
    expect((await complete(many, "/bucket/k", id, etags)).status).toBe(200);
    expect(many.mismatches).toEqual([]);
    expect(many.get("bucket", "k")).toMatchObject({ size, body: { kind: "generated", start: 0, size } });
    expect(many.count("UploadPart")).toBe(1100);
  }, 60_000);

  test("a part landing after the abort is refused, or kept where that costs money", async () => {
    for (const lateParts of ["refused", "kept"] as const) {
      await using late = await startStore({ buckets: ["bucket"], lateParts });
      const id = await createUpload(late, "/bucket/k");
      const gate = late.hold({ operation: "UploadPart" }, "before-work");
      const part = call(late, "PUT", `/bucket/k${partQuery(id, 1)}`, { body: "late" });
      await late.waitFor(() => gate.waiting.length === 1);
      await call(late, "DELETE", `/bucket/k?uploadId=${id}`);
      expect(late.uploads()).toEqual([]);
      gate.release();
      expect((await part).status).toBe(lateParts === "kept" ? 200 : 404);
      expect(late.uploads().length).toBe(lateParts === "kept" ? 1 : 0);
    }
  });
});

describe("ListParts", () => {
  test("pages through all parts", async () => {
    const id = await createUpload(store, "/bucket/paged");
    for (const number of [7, 1, 3]) await putPart(store, "/bucket/paged", id, number, `part ${number}`);
    const page = async (marker: string) =>
      (await call(store, "GET", `/bucket/paged?max-parts=2&part-number-marker=${marker}&uploadId=${id}`))
        .text;
    const first = await page("");
    expect([
      tagTexts(first, "PartNumber"),
      tagTexts(first, "Size"),
      tagText(first, "IsTruncated"),
      tagText(first, "NextPartNumberMarker"),
    ]).toEqual([["1", "3"], ["6", "6"], "true", "3"]);
    const last = await page("3");
    expect([tagTexts(last, "PartNumber"), tagText(last, "IsTruncated")]).toEqual([["7"], "false"]);
    await call(store, "DELETE", `/bucket/paged?uploadId=${id}`);
  });

  test("gives at most 1,000 parts a page", async () => {
    await using many = await startStore({ buckets: ["bucket"] });
    const id = await createUpload(many, "/bucket/k");
    const upload = many.uploads()[0];
    for (let number = 1; number <= 1229; number++) {
      upload?.parts.set(number, {
        number,
        size: 1,
        etag: "0".repeat(32),
        body: { kind: "discarded", size: 1 },
        digest: undefined,
        lastModified: 0,
      });
    }
    const first = await call(many, "GET", `/bucket/k?max-parts=5000&uploadId=${id}`);
    expect([tagTexts(first.text, "PartNumber").length, tagText(first.text, "NextPartNumberMarker")]).toEqual([
      1000,
      "1000",
    ]);
    const second = await call(many, "GET", `/bucket/k?part-number-marker=1000&uploadId=${id}`);
    expect([tagTexts(second.text, "PartNumber").length, tagText(second.text, "IsTruncated")]).toEqual([
      229,
      "false",
    ]);
  });
});

describe("ListMultipartUploads", () => {
  test("pages by key and upload id, with prefix and delimiter", async () => {
    await using fresh = await startStore({ buckets: ["bucket"] });
    const ids = [];
    for (const key of ["a", "a", "a", "d/1", "d/2", "e b"])
      ids.push(await createUpload(fresh, `/bucket/${encodeURIComponent(key)}`));
    const seen: string[] = [];
    let markers = "";
    for (;;) {
      const { text } = await call(fresh, "GET", `/bucket?encoding-type=url&max-uploads=2&uploads=${markers}`);
      seen.push(...tagTexts(text, "UploadId"));
      if (tagText(text, "IsTruncated") === "false") break;
      markers = `&key-marker=${tagText(text, "NextKeyMarker")}&upload-id-marker=${tagText(text, "NextUploadIdMarker")}`;
    }
    expect(seen.toSorted()).toEqual(ids.toSorted());
    const folded = (await call(fresh, "GET", "/bucket?delimiter=%2F&encoding-type=url&uploads=")).text;
    expect([tagTexts(folded, "Key"), /<CommonPrefixes><Prefix>([^<]*)/.exec(folded)?.[1]]).toEqual([
      ["a", "a", "a", "e+b"],
      "d/",
    ]);
    expect(tagTexts((await call(fresh, "GET", "/bucket?prefix=d%2F&uploads=")).text, "Key")).toEqual([
      "d/1",
      "d/2",
    ]);
  });
});

describe("listing objects", () => {
  const keys = ["a b.txt", "a&b<c>.txt", "a+b.txt", "dir/1", "dir/2", "é", "Ｚ", "😀a"];
  let listed: TestStore;

  beforeAll(async () => {
    listed = await startStore({ buckets: ["bucket"] });
    for (const key of keys) listed.put("bucket", key, key);
  });
  afterAll(async () => listed.stop());

  test("V2 gives all keys in UTF-8 byte order, a page at a time", async () => {
    const seen: string[] = [];
    let token = "";
    for (;;) {
      const { text } = await call(listed, "GET", `/bucket?list-type=2&encoding-type=url&max-keys=3${token}`);
      seen.push(...tagTexts(text, "Key").map((key) => decodeURIComponent(key.replaceAll("+", " "))));
      const next = tagText(text, "NextContinuationToken");
      expect(tagText(text, "IsTruncated")).toBe(String(next !== undefined));
      if (next === undefined) break;
      token = `&continuation-token=${encodeURIComponent(next)}`;
    }
    expect(seen).toEqual(keys.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))));
  });

  test("V2 folds at a delimiter, counts prefixes as keys, starts after a key", async () => {
    const { text } = await call(
      listed,
      "GET",
      "/bucket?list-type=2&delimiter=%2F&start-after=a%2Bb.txt&max-keys=2",
    );
    expect([
      tagTexts(text, "Key"),
      text.includes("<CommonPrefixes><Prefix>dir/</Prefix></CommonPrefixes>"),
      tagText(text, "KeyCount"),
    ]).toEqual([["é"], true, "2"]);
  });

  test("V1 gives NextMarker with a delimiter only", async () => {
    const plain = (await call(listed, "GET", "/bucket?max-keys=2")).text;
    expect([tagTexts(plain, "Key"), tagText(plain, "NextMarker")]).toEqual([
      ["a b.txt", "a&amp;b&lt;c&gt;.txt"],
      undefined,
    ]);
    const folded = (await call(listed, "GET", "/bucket?delimiter=%2F&marker=a%2Bb.txt&max-keys=1")).text;
    expect(tagText(folded, "NextMarker")).toBe("dir/");
    const next = (await call(listed, "GET", "/bucket?delimiter=%2F&marker=dir%2F&max-keys=1")).text;
    expect(tagTexts(next, "Key")).toEqual(["é"]);
  });

  test("names are spelled plainly where encoding-type is ignored", async () => {
    await using old = await startStore({ buckets: ["bucket"], encodingType: "ignored" });
    old.put("bucket", "a+b c", "x");
    const { text } = await call(old, "GET", "/bucket?list-type=2&encoding-type=url");
    expect([tagTexts(text, "Key"), text.includes("EncodingType")]).toEqual([["a+b c"], false]);
  });

  test("a wrong token is refused", async () => {
    expect((await call(listed, "GET", "/bucket?list-type=2&continuation-token=x")).code).toBe(
      "InvalidArgument",
    );
  });
});

describe("swallowing", () => {
  const size = 300_007;
  const partBytes = 100_000;
  const part = (number: number) =>
    generatedBytes("big", (number - 1) * partBytes, Math.min(size, number * partBytes));

  test("discards bytes after comparing them, yet serves the object again", async () => {
    const rule = store.swallow({ bucket: "bucket", key: /^swallowed/, verifyAgainst: { seed: "big", size } });
    const { answer } = await uploadAll(store, "/bucket/swallowed", [1, 2, 3, 4].map(part));
    expect([answer.status, store.mismatches]).toEqual([200, []]);
    expect(store.get("bucket", "swallowed")?.body.kind).toBe("generated");
    expect(
      (await call(store, "GET", "/bucket/swallowed", { headers: { range: "bytes=299999-" } })).bytes,
    ).toEqual(generatedBytes("big", 299_999, size));
    rule.remove();
  });

  test("reports a part of wrong bytes and a right part in the wrong place", async () => {
    const rule = store.swallow({ key: "swapped", verifyAgainst: { seed: "big", size } });
    const broken = part(3);
    broken[17] = (broken[17] ?? 0) ^ 1;
    await uploadAll(store, "/bucket/swapped", [part(1), part(4), broken]);
    const found = store.mismatches.map(({ partNumber, byte }) => [partNumber, byte]);
    expect(found).toEqual([
      [3, 200_017],
      [2, 100_000],
    ]);
    rule.remove();
    store.mismatches.splice(0);
  });

  test("without a pattern keeps the size only", async () => {
    const rule = store.swallow({ key: "counted" });
    await call(store, "PUT", "/bucket/counted", { body: "12345" });
    expect(store.get("bucket", "counted")).toMatchObject({ size: 5, etag: md5("12345").toString("hex") });
    expect((await call(store, "GET", "/bucket/counted")).status).toBe(501);
    rule.remove();
  });
});
