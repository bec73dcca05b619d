// Authentication over real HTTP, with a signer this project did not write.
import { AwsV4Signer } from "aws4fetch";
import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startStore, type TestStore } from "../../store/store.ts";
import { call, send, signedHeaders, tagText } from "./client.ts";

let store: TestStore;

beforeAll(async () => {
  store = await startStore({ buckets: ["bucket"] });
});

afterAll(async () => {
  expect(store.failures).toEqual([]);
  await store.stop();
});

describe("the store", () => {
  test("refuses a request without a signature", async () => {
    const answer = await send(store, "GET", "/bucket/k", {});
    expect([answer.status, answer.code]).toEqual([403, "AccessDenied"]);
  });

  test("refuses a wrong secret", async () => {
    const credentials = { ...store.credentials, secretAccessKey: "wrong" };
    const answer = await call(store, "GET", "/bucket?list-type=2", { credentials });
    expect([answer.status, answer.code]).toEqual([403, "SignatureDoesNotMatch"]);
    expect(tagText(answer.text, "CanonicalRequest")).toContain("list-type=2");
  });

  test("accepts a key with dot segments glued by %2F, signed as /a/../b", async () => {
    const sent = "/bucket/a/..%2Fb";
    expect((await call(store, "PUT", sent, { body: "dots" })).status).toBe(200);
    expect(store.get("bucket", "a/../b")?.size).toBe(4);
    expect((await call(store, "GET", sent)).text).toBe("dots");
  });

  test("refuses a query value signed with a space as %20 and sent as a plus", async () => {
    const headers = await signedHeaders(store, "GET", "/bucket?list-type=2&prefix=my%20dir");
    const answer = await send(store, "GET", "/bucket?list-type=2&prefix=my+dir", headers);
    expect([answer.status, answer.code]).toEqual([403, "SignatureDoesNotMatch"]);
  });

  test("refuses a body that is not the one that was hashed", async () => {
    const hash = createHash("sha256").update("").digest("hex");
    const answer = await call(store, "PUT", "/bucket/hashed", {
      body: "x",
      headers: { "x-amz-content-sha256": hash },
    });
    expect([answer.status, answer.code]).toEqual([400, "XAmzContentSHA256Mismatch"]);
    expect(store.get("bucket", "hashed")).toBeUndefined();
  });

  test("accepts a body whose hash is signed", async () => {
    const hash = createHash("sha256").update("x").digest("hex");
    const answer = await call(store, "PUT", "/bucket/hashed", {
      body: "x",
      headers: { "x-amz-content-sha256": hash },
    });
    expect(answer.status).toBe(200);
  });

  test("refuses an x-amz header added after signing", async () => {
    const answer = await call(store, "PUT", "/bucket/k", { body: "", unsigned: { "x-amz-meta-late": "1" } });
    expect([answer.status, answer.code]).toEqual([403, "AccessDenied"]);
    expect(tagText(answer.text, "HeadersNotSigned")).toBe("x-amz-meta-late");
  });

  test("takes other headers unsigned", async () => {
    store.put("bucket", "k", "0123456789");
    const answer = await call(store, "GET", "/bucket/k", {
      unsigned: { "accept-encoding": "identity", range: "bytes=0-1" },
    });
    expect([answer.status, answer.text]).toEqual([206, "01"]);
  });

  test("refuses a request signed 16 minutes ago", async () => {
    const datetime = new Date(Date.now() - 16 * 60_000).toISOString().replaceAll(/[:-]|\.\d{3}/g, "");
    const answer = await call(store, "GET", "/bucket/k", { datetime });
    expect([answer.status, answer.code]).toEqual([403, "RequestTimeTooSkewed"]);
  });

  test("names its region to a client that signed for another", async () => {
    const answer = await call(store, "GET", "/bucket?list-type=2", { region: "eu-central-1" });
    expect([answer.status, answer.code, tagText(answer.text, "Region")]).toEqual([
      400,
      "AuthorizationHeaderMalformed",
      "us-east-1",
    ]);
  });

  test("answers 301 without Location for a bucket elsewhere, and serves it once signed for there", async () => {
    store.createBucket("moved", { region: "eu-west-3" });
    store.put("moved", "k", "here");
    const head = await call(store, "HEAD", "/moved/k");
    expect([head.status, head.headers.location, head.headers["x-amz-bucket-region"], head.text]).toEqual([
      301,
      undefined,
      "eu-west-3",
      "",
    ]);
    expect((await call(store, "GET", "/moved/k")).code).toBe("PermanentRedirect");
    expect((await call(store, "GET", "/moved/k", { region: "eu-west-3" })).text).toBe("here");
  });

  test("serves a presigned URL until it expires", async () => {
    store.put("bucket", "signed url", "yes");
    const url = `${store.endpoint}/bucket/signed%20url?X-Amz-Expires=60`;
    const signer = new AwsV4Signer({
      url,
      ...store.credentials,
      service: "s3",
      region: store.region,
      signQuery: true,
    });
    const signed = (await signer.sign()).url;
    expect((await send(store, "GET", signed.pathname + signed.search, {})).text).toBe("yes");
    const past = new AwsV4Signer({
      url,
      ...store.credentials,
      service: "s3",
      region: store.region,
      signQuery: true,
      datetime: new Date(Date.now() - 61_000).toISOString().replaceAll(/[:-]|\.\d{3}/g, ""),
    });
    const expired = (await past.sign()).url;
    const answer = await send(store, "GET", expired.pathname + expired.search, {});
    expect([answer.status, tagText(answer.text, "Message")]).toEqual([403, "Request has expired"]);
  });

  test("takes an aws-chunked body with a checksum trailer and stores the payload only", async () => {
    const body = "5\r\nhello\r\n6\r\n world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n";
    const headers = {
      "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
      "x-amz-decoded-content-length": "11",
      "x-amz-trailer": "x-amz-checksum-crc32",
      "content-encoding": "gzip,aws-chunked",
    };
    const good = await call(store, "PUT", "/bucket/chunked", { body, headers });
    expect([good.status, good.headers["x-amz-checksum-crc32"]]).toEqual([200, "DUoRhQ=="]);
    expect(store.bytes("bucket", "chunked").toString()).toBe("hello world");
    expect(store.get("bucket", "chunked")?.attributes.headers).toEqual({ "content-encoding": "gzip" });
    const bad = await call(store, "PUT", "/bucket/chunked", {
      body: body.replace("DUoRhQ", "AAAAAA"),
      headers,
    });
    expect([bad.status, bad.code]).toEqual([400, "BadDigest"]);
  });
});

describe("session tokens", () => {
  test("must be there, be the right one and be alive", async () => {
    let now = Date.now();
    const credentials = {
      accessKeyId: "ASIATEST",
      secretAccessKey: "s",
      sessionToken: "to/ken+==",
      expiresAt: now + 60_000,
    };
    await using guarded = await startStore({ buckets: ["bucket"], credentials, clock: () => now });
    expect((await call(guarded, "GET", "/bucket?list-type=2")).status).toBe(200);
    const missing = await call(guarded, "GET", "/bucket?list-type=2", {
      credentials: { accessKeyId: "ASIATEST", secretAccessKey: "s" },
    });
    expect([missing.status, missing.code]).toEqual([403, "InvalidToken"]);
    const wrong = await call(guarded, "GET", "/bucket?list-type=2", {
      credentials: { ...credentials, sessionToken: "x" },
    });
    expect([wrong.status, wrong.code]).toEqual([403, "InvalidToken"]);
    now += 60_000;
    const expired = await call(guarded, "GET", "/bucket?list-type=2");
    expect([expired.status, expired.code]).toEqual([400, "ExpiredToken"]);
    guarded.setCredentials({ ...credentials, sessionToken: "newer", expiresAt: now + 60_000 });
    expect((await call(guarded, "GET", "/bucket?list-type=2")).status).toBe(200);
  });
});

describe("dialects", () => {
  test('canonicalPath "raw" takes the path as it was sent', async () => {
    await using raw = await startStore({ buckets: ["bucket"], canonicalPath: "raw" });
    expect((await call(raw, "PUT", "/bucket/plain", { body: "x" })).status).toBe(200);
    const answer = await call(raw, "PUT", "/bucket/a/..%2Fb", { body: "x" });
    expect([answer.status, answer.code]).toEqual([403, "SignatureDoesNotMatch"]);
  });

  test('style "virtual" refuses path style and serves the bucket in the host name', async () => {
    await using virtual = await startStore({ buckets: ["my.bucket"], style: "virtual" });
    virtual.put("my.bucket", "k", "v");
    const path = await call(virtual, "GET", "/my.bucket/k");
    expect([path.status, path.code]).toEqual([403, "SecondLevelDomainForbidden"]);
    const host = `my.bucket.localhost:${virtual.port}`;
    expect((await call(virtual, "GET", "/k", { host })).text).toBe("v");
    expect((await call(virtual, "GET", "/other/k", { host })).code).toBe("NoSuchKey");
  });

  test("an Accept-Encoding rewritten on the way breaks the signature only if it was signed", async () => {
    await using gcs = await startStore({ buckets: ["bucket"] });
    gcs.put("bucket", "k", "v");
    gcs.fault({}, { kind: "rewrite-accept-encoding" });
    const signed = await call(gcs, "GET", "/bucket/k", { headers: { "accept-encoding": "identity" } });
    expect(signed.code).toBe("SignatureDoesNotMatch");
    const unsigned = await call(gcs, "GET", "/bucket/k", { unsigned: { "accept-encoding": "identity" } });
    expect(unsigned.text).toBe("v");
  });
});
