// The test store judged by the real AWS CLI, so that the store and this project's own client cannot share a
// misunderstanding of S3. Needs `aws` (1.x or 2.x) and `curl` on the PATH and fails without them.
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { generatedBytes, startStore, type TestStore } from "../store/store.ts";

const MiB = 1024 * 1024;
let store: TestStore;
let directory: string;

interface Outcome {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(
  program: string,
  args: readonly string[],
  settings: Record<string, string> = {},
): Promise<Outcome> {
  const {
    AWS_CA_BUNDLE: _bundle,
    AWS_PROFILE: _profile,
    AWS_SESSION_TOKEN: _token,
    ...inherited
  } = process.env;
  const env = {
    ...inherited,
    AWS_ACCESS_KEY_ID: store.credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: store.credentials.secretAccessKey,
    AWS_DEFAULT_REGION: store.region,
    AWS_CONFIG_FILE: join(directory, "config"),
    AWS_SHARED_CREDENTIALS_FILE: join(directory, "none"),
    AWS_EC2_METADATA_DISABLED: "true",
    AWS_PAGER: "",
    AWS_MAX_ATTEMPTS: "1",
    ...settings,
  };
  return new Promise((resolve, reject) => {
    execFile(program, args, { env, cwd: directory, maxBuffer: 64 * MiB }, (error, stdout, stderr) => {
      if (error === null) resolve({ exitCode: 0, stdout, stderr });
      else if (typeof error.code === "number") resolve({ exitCode: error.code, stdout, stderr });
      else if (error.code === "ENOENT") reject(new Error(`${program} is not installed: this suite needs it`));
      else reject(error);
    });
  });
}

/** Runs the CLI against the store; never throws for what the store answers. */
async function attempt(args: readonly string[], settings: Record<string, string> = {}): Promise<Outcome> {
  return run("aws", ["--endpoint-url", store.endpoint, "--output", "json", ...args], settings);
}

/** Runs the CLI, which must succeed; returns what it printed. */
async function aws(...args: readonly string[]): Promise<string> {
  const outcome = await attempt(args);
  if (outcome.exitCode !== 0) throw new Error(`aws ${args.join(" ")}: ${outcome.stderr}`);
  return outcome.stdout;
}

/** Runs an `s3api` command on the bucket and parses its JSON. */
async function api(command: string, ...args: readonly string[]): Promise<Record<string, unknown>> {
  const text = await aws("s3api", command, "--bucket", "bucket", ...args);
  const parsed: unknown = text === "" ? {} : JSON.parse(text);
  return parsed as Record<string, unknown>;
}

function file(name: string, bytes: Buffer): string {
  const path = join(directory, name);
  writeFileSync(path, bytes);
  return path;
}

function configure(lines: readonly string[]): void {
  const s3 = lines.length === 0 ? [] : ["s3 =", ...lines.map((line) => `  ${line}`)];
  file("config", Buffer.from(["[default]", ...s3, ""].join("\n")));
}

const md5 = (bytes: Buffer) => createHash("md5").update(bytes).digest();

function multipartEtag(bytes: Buffer, partBytes: number): string {
  const digests: Buffer[] = [];
  for (let start = 0; start < bytes.length; start += partBytes)
    digests.push(md5(bytes.subarray(start, start + partBytes)));
  return `"${md5(Buffer.concat(digests)).toString("hex")}-${digests.length}"`;
}

/** Bytes drawn from the generator: neither compressible nor repeating. */
const sample = (size: number) => generatedBytes("cli", 0, size);

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "aws-cli-test-"));
  store = await startStore({ buckets: ["bucket", "other"] });
  const version = await run("aws", ["--version"]);
  expect(version.stdout + version.stderr).toMatch(/^aws-cli\/[12]\./);
});

beforeEach(() => configure([]));

afterAll(async () => {
  expect(store.failures).toEqual([]);
  await store.stop();
  rmSync(directory, { recursive: true, force: true });
});

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
  test("uploads unequal parts, lists them page by page and completes", async () => {
    const bytes = sample(11 * MiB + 4);
    const created = await api(
      "create-multipart-upload",
      "--key",
      "m/p art",
      "--metadata",
      "k=v",
      "--content-type",
      "text/x",
      "--tagging",
      "t=1",
    );
    const id = String(created["UploadId"]);
    const cuts = [0, 5 * MiB + 1, 11 * MiB + 1, 11 * MiB + 4];
    const etags: string[] = [];
    for (let n = 1; n <= 3; n++) {
      const body = file("part", bytes.subarray(cuts[n - 1], cuts[n]));
      const part = await api(
        "upload-part",
        "--key",
        "m/p art",
        "--upload-id",
        id,
        "--part-number",
        String(n),
        "--body",
        body,
      );
      etags.push(String(part["ETag"]));
    }
    const uploads = await api("list-multipart-uploads", "--prefix", "m/");
    expect(uploads["Uploads"]).toMatchObject([{ Key: "m/p art", UploadId: id }]);
    const listed = await api("list-parts", "--key", "m/p art", "--upload-id", id, "--page-size", "2");
    expect(listed["Parts"]).toMatchObject([
      { PartNumber: 1, Size: 5 * MiB + 1, ETag: etags[0] },
      { PartNumber: 2, Size: 6 * MiB, ETag: etags[1] },
      { PartNumber: 3, Size: 3, ETag: etags[2] },
    ]);
    const structure = JSON.stringify({
      Parts: etags.map((ETag, index) => ({ PartNumber: index + 1, ETag })),
    });
    const completed = await api(
      "complete-multipart-upload",
      "--key",
      "m/p art",
      "--upload-id",
      id,
      "--multipart-upload",
      structure,
    );
    const digests = [1, 2, 3].map((n) => md5(bytes.subarray(cuts[n - 1], cuts[n])));
    expect(completed["ETag"]).toBe(`"${md5(Buffer.concat(digests)).toString("hex")}-3"`);
    expect(store.bytes("bucket", "m/p art").equals(bytes)).toBe(true);
    expect(await api("get-object-tagging", "--key", "m/p art")).toMatchObject({
      TagSet: [{ Key: "t", Value: "1" }],
    });
    const second = await api("head-object", "--key", "m/p art", "--part-number", "2");
    expect(second).toMatchObject({
      ContentLength: 6 * MiB,
      PartsCount: 3,
      Metadata: { k: "v" },
      ContentType: "text/x",
    });
    const attributes = await api(
      "get-object-attributes",
      "--key",
      "m/p art",
      "--object-attributes",
      "ETag",
      "ObjectSize",
      "ObjectParts",
    );
    expect(attributes).toMatchObject({ ObjectSize: bytes.length, ObjectParts: { TotalPartsCount: 3 } });
  });

  test("copies ranges as parts under a condition, and aborts", async () => {
    store.putGenerated("bucket", "range source", { size: 12 * MiB, seed: "cli", computeEtag: true });
    const etag = store.get("bucket", "range source")?.etag ?? "";
    const id = String((await api("create-multipart-upload", "--key", "ranges"))["UploadId"]);
    const part = [
      "--key",
      "ranges",
      "--upload-id",
      id,
      "--part-number",
      "1",
      "--copy-source",
      "bucket/range source",
    ];
    const copied = await api(
      "upload-part-copy",
      ...part,
      "--copy-source-range",
      `bytes=1-${6 * MiB}`,
      "--copy-source-if-match",
      etag,
    );
    const expected = md5(generatedBytes("cli", 1, 6 * MiB + 1)).toString("hex");
    expect(copied["CopyPartResult"]).toMatchObject({ ETag: `"${expected}"` });
    const refused = await attempt([
      "s3api",
      "upload-part-copy",
      "--bucket",
      "bucket",
      ...part,
      "--copy-source-if-match",
      "other",
    ]);
    expect(refused.stderr).toContain("(PreconditionFailed)");
    await api("abort-multipart-upload", "--key", "ranges", "--upload-id", id);
    const gone = await attempt([
      "s3api",
      "list-parts",
      "--bucket",
      "bucket",
      "--key",
      "ranges",
      "--upload-id",
      id,
    ]);
    expect(gone.stderr).toContain("(NoSuchUpload)");
  });

  test("is told which list of parts is wrong", async () => {
    const id = String((await api("create-multipart-upload", "--key", "small parts"))["UploadId"]);
    const body = file("tiny", Buffer.from("tiny"));
    const etags: string[] = [];
    for (const n of ["1", "2"]) {
      etags.push(
        String(
          (
            await api(
              "upload-part",
              "--key",
              "small parts",
              "--upload-id",
              id,
              "--part-number",
              n,
              "--body",
              body,
            )
          )["ETag"],
        ),
      );
    }
    const complete = async (numbers: readonly number[]) =>
      attempt([
        "s3api",
        "complete-multipart-upload",
        "--bucket",
        "bucket",
        "--key",
        "small parts",
        "--upload-id",
        id,
        "--multipart-upload",
        JSON.stringify({ Parts: numbers.map((n) => ({ PartNumber: n, ETag: etags[0] })) }),
      ]);
    expect((await complete([1, 2])).stderr).toContain("(EntityTooSmall)");
    expect((await complete([2, 1])).stderr).toContain("(InvalidPartOrder)");
    expect((await complete([1, 3])).stderr).toContain("(InvalidPart)");
    await api("abort-multipart-upload", "--key", "small parts", "--upload-id", id);
  });

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
