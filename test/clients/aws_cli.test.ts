// The test store judged by the AWS CLI: objects, lists, keys, tags, versions and signatures.
import { join } from "node:path";
import { readFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import {
  MiB,
  api,
  attempt,
  aws,
  configure,
  directory,
  file,
  md5,
  multipartEtag,
  run,
  sample,
  store,
} from "./aws.ts";

describe("aws s3 cp", () => {
  test("brings a small object there and back with its attributes", async () => {
    const source = file("small", sample(1000));
    await aws(
      "s3",
      "cp",
      source,
      "s3://bucket/dir/sm all+%é.txt",
      "--content-type",
      "text/x-story",
      "--metadata",
      "a=1,b=2",
      "--cache-control",
      "no-store",
      "--storage-class",
      "STANDARD_IA",
    );
    const object = store.get("bucket", "dir/sm all+%é.txt");
    expect(object?.etag).toBe(md5(sample(1000)).toString("hex"));
    expect(object?.attributes).toMatchObject({
      contentType: "text/x-story",
      metadata: { a: "1", b: "2" },
      headers: { "cache-control": "no-store" },
      storageClass: "STANDARD_IA",
    });
    await aws("s3", "cp", "s3://bucket/dir/sm all+%é.txt", join(directory, "back"));
    expect(readFileSync(join(directory, "back")).equals(sample(1000))).toBe(true);
  });

  test("brings an empty object there and back", async () => {
    await aws("s3", "cp", file("empty", Buffer.alloc(0)), "s3://bucket/empty");
    await aws("s3", "cp", "s3://bucket/empty", join(directory, "back"));
    expect([store.get("bucket", "empty")?.size, readFileSync(join(directory, "back")).length]).toEqual([
      0, 0,
    ]);
  });

  test.each([5 * MiB, 5 * MiB + 1, 5_600_000])(
    "brings 17,000,003 bytes there and back in parts of %d",
    async (partBytes) => {
      configure(["multipart_threshold = 5MB", `multipart_chunksize = ${partBytes}`]);
      const bytes = sample(17_000_003);
      await aws("s3", "cp", file("big", bytes), "s3://bucket/big");
      const head = await api("head-object", "--key", "big");
      expect([head["ContentLength"], head["ETag"]]).toEqual([bytes.length, multipartEtag(bytes, partBytes)]);
      await aws("s3", "cp", "s3://bucket/big", join(directory, "back"));
      expect(readFileSync(join(directory, "back")).equals(bytes)).toBe(true);
      expect(store.uploads()).toEqual([]);
    },
  );

  test("copies a multipart object between buckets part by part", async () => {
    configure(["multipart_threshold = 5MB", "multipart_chunksize = 5MB"]);
    store.putGenerated("bucket", "server-side", { size: 12_000_001, seed: "cli" });
    const before = store.count("UploadPartCopy");
    await aws("s3", "cp", "s3://bucket/server-side", "s3://other/copied");
    expect(store.count("UploadPartCopy") - before).toBe(3);
    expect(store.get("other", "copied")?.etag).toBe(
      multipartEtag(sample(12_000_001), 5 * MiB).replaceAll('"', ""),
    );
    expect(store.bytes("other", "copied").equals(sample(12_000_001))).toBe(true);
  });
});

describe("aws s3api", () => {
  test("puts, reads and heads with ranges, digests and conditions", async () => {
    const body = file("ten", Buffer.from("0123456789"));
    const digest = md5(Buffer.from("0123456789"));
    const put = await api(
      "put-object",
      "--key",
      "ten",
      "--body",
      body,
      "--content-md5",
      digest.toString("base64"),
      "--expires",
      "2033-12-01T16:00:00Z",
    );
    expect(put["ETag"]).toBe(`"${digest.toString("hex")}"`);
    const range = await api("get-object", "--key", "ten", "--range", "bytes=2-4", join(directory, "out"));
    expect([range["ContentRange"], readFileSync(join(directory, "out"), "utf8")]).toEqual([
      "bytes 2-4/10",
      "234",
    ]);
    const wrong = await attempt([
      "s3api",
      "put-object",
      "--bucket",
      "bucket",
      "--key",
      "ten",
      "--body",
      body,
      "--content-md5",
      md5(Buffer.from("x")).toString("base64"),
    ]);
    expect(wrong.stderr).toContain("(BadDigest)");
    const outside = await attempt([
      "s3api",
      "get-object",
      "--bucket",
      "bucket",
      "--key",
      "ten",
      "--range",
      "bytes=10-",
      join(directory, "out"),
    ]);
    expect(outside.stderr).toContain("(InvalidRange)");
    const changed = await attempt([
      "s3api",
      "head-object",
      "--bucket",
      "bucket",
      "--key",
      "ten",
      "--if-match",
      '"other"',
    ]);
    expect(changed.stderr).toContain("(412)");
    const unchanged = await attempt([
      "s3api",
      "head-object",
      "--bucket",
      "bucket",
      "--key",
      "ten",
      "--if-none-match",
      `"${digest.toString("hex")}"`,
    ]);
    expect(unchanged.stderr).toContain("(304)");
    const missing = await attempt(["s3api", "head-object", "--bucket", "bucket", "--key", "none"]);
    expect(missing.stderr).toContain("(404)");
  });

  test.each(["CRC32", "SHA1", "SHA256"])(
    "has its %s checksum accepted, stored and given back",
    async (algorithm) => {
      const body = file("summed", sample(100_000));
      const put = await api(
        "put-object",
        "--key",
        "summed",
        "--body",
        body,
        "--checksum-algorithm",
        algorithm,
      );
      const head = await api("head-object", "--key", "summed", "--checksum-mode", "ENABLED");
      expect(head[`Checksum${algorithm}`]).toBe(put[`Checksum${algorithm}`]);
      if (algorithm !== "CRC32") {
        expect(head[`Checksum${algorithm}`]).toBe(
          createHash(algorithm.toLowerCase()).update(sample(100_000)).digest("base64"),
        );
      }
      const id = String(
        (await api("create-multipart-upload", "--key", "parts", "--checksum-algorithm", algorithm))[
          "UploadId"
        ],
      );
      const part = await api(
        "upload-part",
        "--key",
        "parts",
        "--upload-id",
        id,
        "--part-number",
        "1",
        "--body",
        body,
        "--checksum-algorithm",
        algorithm,
      );
      const structure = JSON.stringify({
        Parts: [
          { PartNumber: 1, ETag: part["ETag"], [`Checksum${algorithm}`]: part[`Checksum${algorithm}`] },
        ],
      });
      const completed = await api(
        "complete-multipart-upload",
        "--key",
        "parts",
        "--upload-id",
        id,
        "--multipart-upload",
        structure,
      );
      expect(completed[`Checksum${algorithm}`]).toMatch(/-1$/);
    },
  );

  test("lists all pages in order, with and without a delimiter", async () => {
    const keys = [
      "list/a b",
      "list/a+b",
      "list/a&b<c>",
      "list/sub/1",
      "list/sub/2",
      "list/é",
      "list/Ｚ",
      "list/😀a",
      "list/\u0001",
    ];
    for (const key of keys) store.put("bucket", key, key);
    const sorted = keys.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    const all = JSON.parse(
      await aws(
        "s3api",
        "list-objects-v2",
        "--bucket",
        "bucket",
        "--prefix",
        "list/",
        "--page-size",
        "2",
        "--query",
        "Contents[].Key",
      ),
    ) as unknown;
    expect(all).toEqual(sorted);
    const old = JSON.parse(
      await aws(
        "s3api",
        "list-objects",
        "--bucket",
        "bucket",
        "--prefix",
        "list/",
        "--page-size",
        "2",
        "--query",
        "Contents[].Key",
      ),
    ) as unknown;
    expect(old).toEqual(sorted);
    const folded = JSON.parse(
      await aws(
        "s3api",
        "list-objects-v2",
        "--bucket",
        "bucket",
        "--prefix",
        "list/",
        "--delimiter",
        "/",
        "--page-size",
        "3",
        "--query",
        "[Contents[].Key, CommonPrefixes[].Prefix]",
      ),
    ) as unknown;
    expect(folded).toEqual([sorted.filter((key) => !key.startsWith("list/sub/")), ["list/sub/"]]);
    const after = JSON.parse(
      await aws(
        "s3api",
        "list-objects-v2",
        "--bucket",
        "bucket",
        "--prefix",
        "list/",
        "--start-after",
        "list/sub/1",
        "--query",
        "Contents[].Key",
      ),
    ) as unknown;
    expect(after).toEqual(sorted.slice(sorted.indexOf("list/sub/2")));
  });

  test("reaches every awkward key, and only that one", async () => {
    const keys = [
      "/x",
      "//x",
      "x",
      "a//b",
      "a/b",
      "a/../b",
      "b",
      "a+b",
      "a b",
      "a%2Bb",
      "dir/",
      "dir",
      "e\u0301",
      "é",
      "😀",
      "-",
      "k=v/a@b!'(c)*",
    ];
    for (const key of keys)
      await api("put-object", "--key", key, "--body", file("body", Buffer.from(`<${key}>`)));
    for (const key of keys) expect(store.bytes("bucket", key).toString()).toBe(`<${key}>`);
    for (const key of ["//x", "a/../b", "a%2Bb", "e\u0301"]) {
      await api("get-object", "--key", key, join(directory, "out"));
      expect(readFileSync(join(directory, "out"), "utf8")).toBe(`<${key}>`);
    }
    const objects = JSON.stringify({ Objects: keys.map((Key) => ({ Key })) });
    const deleted = await api("delete-objects", "--delete", objects);
    expect(deleted["Deleted"]).toEqual(keys.map((Key) => ({ Key })));
    for (const key of keys) expect(store.get("bucket", key)).toBeUndefined();
  });

  test("puts, gets and deletes tags", async () => {
    store.put("bucket", "tagged", "x");
    await api("put-object-tagging", "--key", "tagged", "--tagging", "TagSet=[{Key=k & k,Value=v+1}]");
    expect(await api("get-object-tagging", "--key", "tagged")).toMatchObject({
      TagSet: [{ Key: "k & k", Value: "v+1" }],
    });
    await api("delete-object-tagging", "--key", "tagged");
    expect(await api("get-object-tagging", "--key", "tagged")).toMatchObject({ TagSet: [] });
  });

  test("copies an object, with and without replacing its metadata", async () => {
    store.put("bucket", "copy+me", "tale", { contentType: "text/x", metadata: { a: "1" } });
    const copied = await api("copy-object", "--key", "copied", "--copy-source", "bucket/copy+me");
    expect(copied["CopyObjectResult"]).toMatchObject({
      ETag: `"${md5(Buffer.from("tale")).toString("hex")}"`,
    });
    expect(await api("head-object", "--key", "copied")).toMatchObject({
      ContentType: "text/x",
      Metadata: { a: "1" },
    });
    await api(
      "copy-object",
      "--key",
      "copied",
      "--copy-source",
      "bucket/copy+me",
      "--metadata-directive",
      "REPLACE",
      "--metadata",
      "b=2",
    );
    expect(await api("head-object", "--key", "copied")).toMatchObject({ Metadata: { b: "2" } });
  });

  test("reads older versions of a versioned bucket", async () => {
    await aws("s3api", "create-bucket", "--bucket", "versions");
    await aws(
      "s3api",
      "put-bucket-versioning",
      "--bucket",
      "versions",
      "--versioning-configuration",
      "Status=Enabled",
    );
    for (const text of ["one", "two"])
      await aws(
        "s3api",
        "put-object",
        "--bucket",
        "versions",
        "--key",
        "k",
        "--body",
        file("body", Buffer.from(text)),
      );
    await aws("s3api", "delete-object", "--bucket", "versions", "--key", "k");
    const listed = JSON.parse(await aws("s3api", "list-object-versions", "--bucket", "versions")) as {
      Versions: { VersionId: string }[];
      DeleteMarkers: unknown[];
    };
    expect([listed.Versions.length, listed.DeleteMarkers.length]).toEqual([2, 1]);
    await aws(
      "s3api",
      "get-object",
      "--bucket",
      "versions",
      "--key",
      "k",
      "--version-id",
      listed.Versions[1]?.VersionId ?? "",
      join(directory, "out"),
    );
    expect(readFileSync(join(directory, "out"), "utf8")).toBe("one");
  });
});

describe("authentication", () => {
  test("a presigned URL works in curl", async () => {
    store.put("bucket", "pre signed+", "by hand");
    configure(["signature_version = s3v4"]);
    const url = (await aws("s3", "presign", "s3://bucket/pre signed+", "--expires-in", "60")).trim();
    expect((await run("curl", ["-sS", url])).stdout).toBe("by hand");
    expect((await run("curl", ["-sS", url.replace("pre%20", "pro%20")])).stdout).toMatch(
      /<Code>(SignatureDoesNotMatch|AccessDenied)</,
    );
  });

  test("a wrong secret, an unknown key and an unwanted token are refused", async () => {
    const list = ["s3api", "list-objects-v2", "--bucket", "bucket"];
    expect((await attempt(list, { AWS_SECRET_ACCESS_KEY: "wrong" })).stderr).toContain(
      "(SignatureDoesNotMatch)",
    );
    expect((await attempt(list, { AWS_ACCESS_KEY_ID: "AKIAUNKNOWN" })).stderr).toContain(
      "(InvalidAccessKeyId)",
    );
    expect((await attempt(list, { AWS_SESSION_TOKEN: "token" })).stderr).toContain("(InvalidToken)");
  });

  test("a wrong region is named, and corrected by the CLI itself", async () => {
    const put = ["s3api", "list-buckets"];
    expect((await attempt(put, { AWS_DEFAULT_REGION: "eu-west-1" })).stderr).toContain(
      "expecting 'us-east-1'",
    );
    store.put("bucket", "elsewhere", "x");
    const redirected = await attempt(["s3api", "head-object", "--bucket", "bucket", "--key", "elsewhere"], {
      AWS_DEFAULT_REGION: "eu-west-1",
    });
    expect([redirected.exitCode, redirected.stderr]).toEqual([0, ""]);
  });
});
