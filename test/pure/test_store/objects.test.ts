// Operations on single objects and buckets over real HTTP.
import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { generatedBytes, startStore, type TestStore } from "../../store/store.ts";
import { call, send, signedHeaders, tagText, tagTexts } from "./client.ts";

let store: TestStore;

beforeAll(async () => {
  store = await startStore({ buckets: ["bucket", "other"] });
});

afterAll(async () => {
  expect(store.failures).toEqual([]);
  await store.stop();
});

const md5 = (data: string | Buffer) => createHash("md5").update(data).digest();

const keyPath = (key: string) => `/bucket/${encodeURIComponent(key).replaceAll(".", "%2E")}`;
// WHATWG URLs fold dot segments, even encoded ones, so the signer must see them glued; the store reads both
// alike.
const dotless = (path: string) => path.replaceAll("%2E", ".").replace(/^\/bucket\/(?=\.)/, "/bucket%2F");

describe("keys", () => {
  test("awkward keys are all distinct objects", async () => {
    const keys = [
      "/x",
      "//x",
      "x",
      "a//b",
      "a/b",
      "a/../b",
      "b",
      "dir/",
      "dir",
      "a+b",
      "a b",
      "a%2Bb",
      "%",
      "\u0001",
      "😀",
      "é",
      "e\u0301",
      "..",
      ".",
      "a/..",
      "\\",
      "?#&=;,:@$|[]^",
    ];
    for (const key of keys) {
      const answer = await call(store, "PUT", keyPath(key), {
        body: `<${key}>`,
        signedPath: dotless(keyPath(key)),
      });
      expect([key, answer.status, answer.text]).toEqual([key, 200, ""]);
    }
    for (const key of keys) {
      expect((await call(store, "GET", keyPath(key), { signedPath: dotless(keyPath(key)) })).text).toBe(
        `<${key}>`,
      );
      expect(store.bytes("bucket", key).toString()).toBe(`<${key}>`);
    }
    for (const key of keys) store.delete("bucket", key);
    expect(store.objects("bucket")).toEqual([]);
  });
});

describe("PutObject, HeadObject and GetObject", () => {
  test("keep every attribute", async () => {
    const customerKey = Buffer.alloc(32, 7);
    const sent = {
      "content-type": "text/x-story",
      "content-encoding": "gzip",
      "content-disposition": 'attachment; filename="a b"',
      "content-language": "de",
      "cache-control": "max-age=60",
      expires: "Thu, 01 Dec 2033 16:00:00 GMT",
      "x-amz-meta-one": "1",
      "x-amz-meta-two": "=?UTF-8?B?w6k=?=",
      "x-amz-storage-class": "STANDARD_IA",
      "x-amz-website-redirect-location": "/elsewhere",
      "x-amz-server-side-encryption-customer-algorithm": "AES256",
      "x-amz-server-side-encryption-customer-key": customerKey.toString("base64"),
      "x-amz-server-side-encryption-customer-key-md5": md5(customerKey).toString("base64"),
    };
    const put = await call(store, "PUT", "/bucket/all", {
      body: "tale",
      headers: { ...sent, "x-amz-tagging": "a=1&b%26=2" },
    });
    expect(put.status).toBe(200);
    expect(put.headers.etag).not.toBe(`"${md5("tale").toString("hex")}"`);
    const key = Object.fromEntries(Object.entries(sent).filter(([name]) => name.includes("customer")));
    const { "x-amz-server-side-encryption-customer-key": _secret, ...shown } = sent;
    for (const method of ["HEAD", "GET"]) {
      const answer = await call(store, method, "/bucket/all", { headers: key });
      expect(answer.headers).toMatchObject({ ...shown, "content-length": "4", "x-amz-tagging-count": "2" });
    }
    expect((await call(store, "HEAD", "/bucket/all")).status).toBe(400);
    const tags = await call(store, "GET", "/bucket/all?tagging=");
    expect([tagTexts(tags.text, "Key"), tagTexts(tags.text, "Value")]).toEqual([
      ["a", "b&amp;"],
      ["1", "2"],
    ]);
  });

  test("default the type, and return raw non-ASCII metadata as an RFC 2047 word", async () => {
    store.put("bucket", "plain", "x", { metadata: { name: Buffer.from("é").toString("latin1") } });
    const head = await call(store, "HEAD", "/bucket/plain");
    expect(head.headers["content-type"]).toBe("binary/octet-stream");
    expect(head.headers["x-amz-meta-name"]).toBe("=?UTF-8?B?w6k=?=");
    expect(head.headers["x-amz-request-id"]).toMatch(/^[0-9A-F]{16}$/);
    expect(head.headers.date).toBeDefined();
  });

  test("range requests answer 206, 416 or the whole", async () => {
    store.put("bucket", "digits", "0123456789");
    const get = async (range: string) => call(store, "GET", "/bucket/digits", { headers: { range } });
    const part = await get("bytes=2-4");
    expect([part.status, part.text, part.headers["content-range"]]).toEqual([206, "234", "bytes 2-4/10"]);
    const beyond = await get("bytes=10-");
    expect([beyond.status, beyond.code, tagText(beyond.text, "ActualObjectSize")]).toEqual([
      416,
      "InvalidRange",
      "10",
    ]);
    expect((await get("bytes=4-2")).status).toBe(200);
    store.put("bucket", "empty", "");
    const empty = await call(store, "GET", "/bucket/empty", { headers: { range: "bytes=0-0" } });
    expect([empty.status, empty.code]).toEqual([416, "InvalidRange"]);
  });

  test("conditions are honoured in S3's order", async () => {
    const { etag, lastModified } = store.put("bucket", "conditional", "x");
    const before = new Date(lastModified - 5000).toUTCString();
    const status = async (headers: Record<string, string>) =>
      (await call(store, "GET", "/bucket/conditional", { headers })).status;
    expect(await status({ "if-match": `"${etag}"` })).toBe(200);
    expect(await status({ "if-match": etag })).toBe(200);
    expect(await status({ "if-match": '"other"' })).toBe(412);
    expect(await status({ "if-none-match": `"${etag}"` })).toBe(304);
    expect(await status({ "if-none-match": '"other"' })).toBe(200);
    expect(await status({ "if-unmodified-since": before })).toBe(412);
    expect(await status({ "if-unmodified-since": before, "if-match": etag })).toBe(200);
    expect(await status({ "if-modified-since": new Date(lastModified).toUTCString() })).toBe(304);
    expect(await status({ "if-modified-since": before })).toBe(200);
    expect(await status({ "if-modified-since": before, "if-none-match": etag })).toBe(304);
  });

  test("partNumber gives the part's bytes and the number of parts", async () => {
    store.put("bucket", "parts", "aaaabbbbcc", { parts: 4 });
    const head = await call(store, "HEAD", "/bucket/parts?partNumber=3");
    expect([
      head.status,
      head.headers["content-length"],
      head.headers["content-range"],
      head.headers["x-amz-mp-parts-count"],
    ]).toEqual([206, "2", "bytes 8-9/10", "3"]);
    expect((await call(store, "GET", "/bucket/parts?partNumber=2")).text).toBe("bbbb");
    const digests = Buffer.concat([md5("aaaa"), md5("bbbb"), md5("cc")]);
    expect(head.headers.etag).toBe(`"${md5(digests).toString("hex")}-3"`);
    expect((await call(store, "GET", "/bucket/parts?partNumber=4")).code).toBe("InvalidPartNumber");
    const both = await call(store, "GET", "/bucket/parts?partNumber=1", { headers: { range: "bytes=0-0" } });
    expect(both.code).toBe("InvalidRequest");
  });

  test("digests are checked", async () => {
    const put = async (headers: Record<string, string>) =>
      call(store, "PUT", "/bucket/digest", { body: "123456789", headers });
    expect((await put({ "content-md5": md5("123456789").toString("base64") })).status).toBe(200);
    expect((await put({ "content-md5": md5("other").toString("base64") })).code).toBe("BadDigest");
    expect((await put({ "content-md5": "nonsense" })).code).toBe("InvalidDigest");
    expect((await put({ "x-amz-checksum-crc32c": "4waSgw==" })).headers["x-amz-checksum-crc32c"]).toBe(
      "4waSgw==",
    );
    expect((await put({ "x-amz-checksum-crc32c": "AAAAAA==" })).code).toBe("BadDigest");
    expect(
      (await put({ "x-amz-checksum-crc32c": "4waSgw==", "x-amz-checksum-crc32": "y/Q5Jg==" })).code,
    ).toBe("InvalidRequest");
    await put({ "x-amz-checksum-crc64nvme": "rosUhgp5mIg=" });
    const head = await call(store, "HEAD", "/bucket/digest", {
      headers: { "x-amz-checksum-mode": "ENABLED" },
    });
    expect([head.headers["x-amz-checksum-crc64nvme"], head.headers["x-amz-checksum-type"]]).toEqual([
      "rosUhgp5mIg=",
      "FULL_OBJECT",
    ]);
    expect((await call(store, "HEAD", "/bucket/digest")).headers["x-amz-checksum-crc64nvme"]).toBeUndefined();
  });

  test("a body without a length is 411, and 501 where AWS is imitated", async () => {
    const headers = await signedHeaders(store, "PUT", "/bucket/chunked");
    const answer = await send(
      store,
      "PUT",
      "/bucket/chunked",
      { ...headers, "transfer-encoding": "chunked" },
      "x",
    );
    expect([answer.status, answer.code]).toEqual([411, "MissingContentLength"]);
    await using aws = await startStore({ buckets: ["bucket"], chunkedBodies: "501" });
    const signed = await signedHeaders(aws, "PUT", "/bucket/chunked");
    expect(
      (await send(aws, "PUT", "/bucket/chunked", { ...signed, "transfer-encoding": "chunked" }, "x")).status,
    ).toBe(501);
  });

  test("conditional writes create only, or replace only", async () => {
    expect((await putCas({ "if-match": '"x"' })).status).toBe(404);
    expect((await putCas({ "if-none-match": "*" })).status).toBe(200);
    const conflict = await putCas({ "if-none-match": "*" });
    expect([conflict.status, conflict.code, tagText(conflict.text, "Condition")]).toEqual([
      412,
      "PreconditionFailed",
      "If-None-Match",
    ]);
    expect((await putCas({ "if-match": md5("x").toString("hex") })).status).toBe(200);
    expect((await putCas({ "if-match": '"other"' })).status).toBe(412);
  });

  test("limits on metadata and keys are enforced", async () => {
    const big = await call(store, "PUT", "/bucket/meta", {
      body: "",
      headers: { "x-amz-meta-a": "x".repeat(2048) },
    });
    expect(big.code).toBe("MetadataTooLarge");
    expect((await call(store, "PUT", `/bucket/${"k".repeat(1025)}`, { body: "" })).code).toBe(
      "KeyTooLongError",
    );
    expect((await call(store, "PUT", `/bucket/${"k".repeat(1024)}`, { body: "" })).status).toBe(200);
  });

  test("large bodies go through a file and come back whole, by range as well", async () => {
    const body = generatedBytes("file", 0, 3_000_001);
    const put = await call(store, "PUT", "/bucket/file", { body });
    expect(put.headers.etag).toBe(`"${md5(body).toString("hex")}"`);
    expect((await call(store, "GET", "/bucket/file")).bytes.equals(body)).toBe(true);
    const range = await call(store, "GET", "/bucket/file", { headers: { range: "bytes=2999000-3000000" } });
    expect(range.bytes.equals(body.subarray(2_999_000))).toBe(true);
  });

  test("generated objects of terabytes serve any range", async () => {
    const size = 5 * 2 ** 40;
    store.putGenerated("bucket", "huge", { size, seed: "h" });
    const range = await call(store, "GET", "/bucket/huge", { headers: { range: `bytes=${size - 10}-` } });
    expect(range.bytes.equals(generatedBytes("h", size - 10, size))).toBe(true);
    expect(range.headers["content-range"]).toBe(`bytes ${size - 10}-${size - 1}/${size}`);
  });

  test("unknown things are 404, and HEAD has no body", async () => {
    expect((await call(store, "GET", "/bucket/none")).code).toBe("NoSuchKey");
    expect((await call(store, "GET", "/nobucket/none")).code).toBe("NoSuchBucket");
    const head = await call(store, "HEAD", "/bucket/none");
    expect([head.status, head.text]).toEqual([404, ""]);
  });
});

async function putCas(headers: Record<string, string>) {
  return call(store, "PUT", "/bucket/cas", { body: "x", headers });
}

const restoreRequest = (tier: string, days?: number) =>
  `<RestoreRequest>${days === undefined ? "" : `<Days>${days}</Days>`}<GlacierJobParameters><Tier>${tier}</Tier></GlacierJobParameters></RestoreRequest>`;
const restore = async (key: string, body: string) => {
  const { status, code } = await call(store, "POST", `/bucket/${key}?restore=`, { body });
  return code ?? status;
};
const head = async (key: string) => (await call(store, "HEAD", `/bucket/${key}`)).headers;

describe("archived objects", () => {
  test("can be read only after they were restored, and until the restored copy is gone", async () => {
    store.put("bucket", "cold", "ice", { storageClass: "DEEP_ARCHIVE" });
    expect((await head("cold"))["x-amz-storage-class"]).toBe("DEEP_ARCHIVE");
    const refused = await call(store, "GET", "/bucket/cold");
    expect([refused.status, refused.code]).toEqual([403, "InvalidObjectState"]);
    expect(await restore("cold", restoreRequest("Bulk", 1))).toBe(202);
    expect(await restore("cold", restoreRequest("Bulk", 1))).toBe("RestoreAlreadyInProgress");
    expect((await head("cold"))["x-amz-restore"]).toBe('ongoing-request="true"');
    store.finishRestore("bucket", "cold");
    expect((await call(store, "GET", "/bucket/cold")).text).toBe("ice");
    expect((await head("cold"))["x-amz-restore"]).toMatch(
      /^ongoing-request="false", expiry-date=".* 00:00:00 GMT"$/,
    );
    expect(await restore("cold", restoreRequest("Standard", 9))).toBe(200);
    store.archiveAgain("bucket", "cold");
    expect((await call(store, "GET", "/bucket/cold")).code).toBe("InvalidObjectState");
  });

  test("of an archive tier are restored for good, and without days", async () => {
    store.put("bucket", "tier", "ice", {
      storageClass: "INTELLIGENT_TIERING",
      archiveTier: "ARCHIVE_ACCESS",
    });
    expect((await head("tier"))["x-amz-archive-status"]).toBe("ARCHIVE_ACCESS");
    expect(await restore("tier", restoreRequest("Standard", 1))).toBe("InvalidArgument");
    expect(await restore("tier", restoreRequest("Expedited"))).toBe(202);
    store.finishRestore("bucket", "tier");
    expect(await head("tier")).not.toHaveProperty("x-amz-archive-status");
    expect(await restore("tier", restoreRequest("Standard"))).toBe("InvalidObjectState");
  });

  test.each([
    ["no days", "GLACIER", restoreRequest("Bulk"), "MalformedXML"],
    ["another tier", "GLACIER", restoreRequest("Fast", 1), "MalformedXML"],
    ["no fast way", "DEEP_ARCHIVE", restoreRequest("Expedited", 1), "InvalidArgument"],
    ["nothing archived", "STANDARD", restoreRequest("Bulk", 1), "InvalidObjectState"],
  ])("are not restored: %s", async (_what, storageClass, body, code) => {
    store.put("bucket", "k", "v", { storageClass });
    expect(await restore("k", body)).toBe(code);
  });
});

describe("requester pays", () => {
  test("every call needs the header", async () => {
    store.createBucket("paid", { requesterPays: true });
    store.put("paid", "k", "v");
    for (const [method, path] of [
      ["HEAD", "/paid/k"],
      ["GET", "/paid/k"],
      ["GET", "/paid?list-type=2"],
    ] as const) {
      expect((await call(store, method, path)).status).toBe(403);
      expect(
        (await call(store, method, path, { headers: { "x-amz-request-payer": "requester" } })).status,
      ).toBe(200);
    }
  });
});

describe("CopyObject", () => {
  test("takes attributes along unless told to replace them", async () => {
    store.put("bucket", "a+b c", "copy me", {
      contentType: "text/x",
      metadata: { m: "1" },
      tags: [{ key: "t", value: "v" }],
    });
    const source = "/bucket/a%2Bb%20c";
    const copied = await call(store, "PUT", "/other/copied", { headers: { "x-amz-copy-source": source } });
    expect([copied.status, tagText(copied.text, "ETag")]).toEqual([
      200,
      `&quot;${md5("copy me").toString("hex")}&quot;`,
    ]);
    expect(store.get("other", "copied")?.attributes).toMatchObject({
      contentType: "text/x",
      metadata: { m: "1" },
      tags: [{ key: "t", value: "v" }],
    });
    await call(store, "PUT", "/other/replaced", {
      headers: {
        "x-amz-copy-source": source,
        "x-amz-metadata-directive": "REPLACE",
        "content-type": "text/y",
      },
    });
    expect(store.get("other", "replaced")?.attributes).toMatchObject({ contentType: "text/y", metadata: {} });
    expect(store.bytes("other", "replaced").toString()).toBe("copy me");
  });

  test("honours source conditions and refuses to copy onto itself", async () => {
    store.put("bucket", "self", "x");
    const copy = async (headers: Record<string, string>) =>
      call(store, "PUT", "/bucket/self", { headers: { "x-amz-copy-source": "bucket/self", ...headers } });
    expect((await copy({})).code).toBe("InvalidRequest");
    expect((await copy({ "x-amz-copy-source-if-match": '"x"' })).code).toBe("PreconditionFailed");
    expect((await copy({ "x-amz-metadata-directive": "REPLACE" })).status).toBe(200);
    expect(
      (await call(store, "PUT", "/bucket/y", { headers: { "x-amz-copy-source": "bucket/none" } })).code,
    ).toBe("NoSuchKey");
  });

  test("turns a multipart object into a plain one with another ETag", async () => {
    store.put("bucket", "multi", "aaaabbbb", { parts: 4 });
    await call(store, "PUT", "/bucket/single", { headers: { "x-amz-copy-source": "/bucket/multi" } });
    expect(store.get("bucket", "single")?.etag).toBe(md5("aaaabbbb").toString("hex"));
  });
});

describe("deleting", () => {
  test("DeleteObject answers 204 whether or not the object was there", async () => {
    store.put("bucket", "gone", "x");
    expect((await call(store, "DELETE", "/bucket/gone")).status).toBe(204);
    expect((await call(store, "DELETE", "/bucket/gone")).status).toBe(204);
    expect(store.get("bucket", "gone")).toBeUndefined();
  });

  test("DeleteObjects needs a digest and deletes exactly the keys named", async () => {
    for (const key of [" a ", "a", "<b>&\u0001"]) store.put("other", key, "x");
    const body =
      "<Delete><Object><Key> a </Key></Object><Object><Key>&lt;b&gt;&amp;&#x1;</Key></Object></Delete>";
    expect((await call(store, "POST", "/other?delete=", { body })).code).toBe("InvalidRequest");
    const headers = { "content-md5": md5(body).toString("base64") };
    const answer = await call(store, "POST", "/other?delete=", { body, headers });
    expect(tagTexts(answer.text, "Key")).toEqual([" a ", "&lt;b&gt;&amp;&#x1;"]);
    expect(store.get("other", "a")).toBeDefined();
    expect(store.get("other", " a ")).toBeUndefined();
    const quiet = body.replace("<Delete>", "<Delete><Quiet>true</Quiet>");
    const silent = await call(store, "POST", "/other?delete=", {
      body: quiet,
      headers: { "content-md5": md5(quiet).toString("base64") },
    });
    expect(silent.text).not.toContain("<Deleted>");
  });
});

describe("tagging, attributes and ACL", () => {
  test("tags are put, read and deleted", async () => {
    store.put("bucket", "tagged", "x");
    const body = "<Tagging><TagSet><Tag><Key>k &amp; k</Key><Value>v</Value></Tag></TagSet></Tagging>";
    expect((await call(store, "PUT", "/bucket/tagged?tagging=", { body })).code).toBe("InvalidRequest");
    const headers = { "content-md5": md5(body).toString("base64") };
    expect((await call(store, "PUT", "/bucket/tagged?tagging=", { body, headers })).status).toBe(200);
    expect((await call(store, "GET", "/bucket/tagged?tagging=")).text).toContain(
      "<Tag><Key>k &amp; k</Key><Value>v</Value></Tag>",
    );
    expect((await call(store, "DELETE", "/bucket/tagged?tagging=")).status).toBe(204);
    expect((await call(store, "HEAD", "/bucket/tagged")).headers["x-amz-tagging-count"]).toBeUndefined();
    const many = Array.from({ length: 11 }, (_, i) => `k${i}=v`).join("&");
    expect(
      (await call(store, "PUT", "/bucket/x", { body: "", headers: { "x-amz-tagging": many } })).code,
    ).toBe("InvalidTag");
  });

  test("GetObjectAttributes gives size, unquoted ETag and the number of parts", async () => {
    const { etag } = store.put("bucket", "attributes", "aaaabb", { parts: 4 });
    const headers = { "x-amz-object-attributes": "ETag,ObjectParts,ObjectSize,StorageClass" };
    const { text } = await call(store, "GET", "/bucket/attributes?attributes=", { headers });
    expect([tagText(text, "ETag"), tagText(text, "PartsCount"), tagText(text, "ObjectSize")]).toEqual([
      etag,
      "2",
      "6",
    ]);
    expect((await call(store, "GET", "/bucket/attributes?attributes=")).code).toBe("InvalidRequest");
  });

  test("features that are missing answer 501", async () => {
    await using plain = await startStore({
      buckets: ["bucket"],
      without: ["tagging", "attributes", "checksums", "acl"],
    });
    plain.put("bucket", "k", "v");
    expect((await call(plain, "GET", "/bucket/k?tagging=")).status).toBe(501);
    expect((await call(plain, "GET", "/bucket/k?attributes=")).status).toBe(501);
    expect(
      (await call(plain, "PUT", "/bucket/k", { body: "", headers: { "x-amz-checksum-crc32": "AAAAAA==" } }))
        .status,
    ).toBe(501);
    const acl = await call(plain, "PUT", "/bucket/k", { body: "", headers: { "x-amz-acl": "public-read" } });
    expect([acl.status, acl.code]).toEqual([400, "AccessControlListNotSupported"]);
  });

  test("an ACL is owner-only and can only be set to that", async () => {
    store.put("bucket", "acl", "x");
    const { text } = await call(store, "GET", "/bucket/acl?acl=");
    expect(text).toContain("<Permission>FULL_CONTROL</Permission>");
    expect((await call(store, "PUT", "/bucket/acl?acl=", { body: text })).status).toBe(200);
    const read = text.replace("FULL_CONTROL", "READ");
    expect((await call(store, "PUT", "/bucket/acl?acl=", { body: read })).code).toBe(
      "AccessControlListNotSupported",
    );
  });
});

describe("buckets", () => {
  test("are created, found, listed and deleted when empty", async () => {
    expect((await call(store, "PUT", "/fresh", { body: "" })).status).toBe(200);
    expect((await call(store, "HEAD", "/fresh")).headers["x-amz-bucket-region"]).toBe("us-east-1");
    expect(tagTexts((await call(store, "GET", "/")).text, "Name")).toContain("fresh");
    expect((await call(store, "GET", "/fresh?location=")).text).toContain("LocationConstraint");
    store.put("fresh", "k", "v");
    expect((await call(store, "DELETE", "/fresh")).code).toBe("BucketNotEmpty");
    store.delete("fresh", "k");
    expect((await call(store, "DELETE", "/fresh")).status).toBe(204);
    expect((await call(store, "HEAD", "/fresh")).status).toBe(404);
  });
});

describe("versions", () => {
  test("older versions stay readable by id, and a deletion only hides them", async () => {
    store.createBucket("versioned", { versioning: true });
    const first = (await call(store, "PUT", "/versioned/k", { body: "one" })).headers["x-amz-version-id"];
    await call(store, "PUT", "/versioned/k", { body: "two" });
    expect((await call(store, "GET", "/versioned/k")).text).toBe("two");
    expect((await call(store, "GET", `/versioned/k?versionId=${first}`)).text).toBe("one");
    const deleted = await call(store, "DELETE", "/versioned/k");
    expect(deleted.headers["x-amz-delete-marker"]).toBe("true");
    expect((await call(store, "GET", "/versioned/k")).headers["x-amz-delete-marker"]).toBe("true");
    expect((await call(store, "GET", `/versioned/k?versionId=${first}`)).text).toBe("one");
    expect(
      (await call(store, "HEAD", `/versioned/k?versionId=${deleted.headers["x-amz-version-id"]}`)).status,
    ).toBe(405);
    expect(tagTexts((await call(store, "GET", "/versioned?versions=")).text, "IsLatest")).toEqual([
      "true",
      "false",
      "false",
    ]);
    expect(tagTexts((await call(store, "GET", "/versioned?list-type=2")).text, "Key")).toEqual([]);
  });
});
