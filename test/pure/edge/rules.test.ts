import { expect, test } from "vitest";
import {
  accepts,
  edgeErrorOf,
  eventOf,
  headerOf,
  headersToOrigin,
  headersToWorker,
  isAddress,
  isEligible,
  lifetimeMs,
  packingOf,
} from "../../edge/rules.ts";

test.for([
  ["GET", "/b/a.zip", true],
  ["HEAD", "/b/a.zip", true],
  ["GET", "/b/a.ZIP", true],
  ["GET", "/b/a.tar.gz", true],
  ["GET", "/b/robots.txt", true],
  ["GET", "/b/a.dat", false],
  ["GET", "/b/a.txt", false],
  ["GET", "/b/zip", false],
  ["GET", "/b/a.zip/", false],
  ["GET", "/b.zip/a", false],
  ["PUT", "/b/a.zip", false],
  ["POST", "/b/a.zip", false],
  ["DELETE", "/b/a.zip", false],
] as const)("the cache is in the way of %s %s: %s", ([method, path, eligible]) => {
  expect(isEligible(method, path, {})).toBe(eligible);
});

test("a request that bypasses the cache is never in its way; one that revalidates is", () => {
  expect(isEligible("GET", "/b/a.zip", { cacheLevel: "bypass" })).toBe(false);
  expect(isEligible("GET", "/b/a.zip", { cacheForceRevalidate: true })).toBe(true);
});

const REQUEST = [
  ["Host", "proxy"],
  ["edge-cf", "{}"],
  ["Accept-Encoding", "identity"],
  ["Range", "bytes=0-3"],
  ["If-Match", '"e"'],
  ["Connection", "keep-alive"],
  ["Authorization", "AWS4"],
  ["X-Amz-Meta-A", "1"],
].flat();

test("the store gets all headers but those of the hop, and the edge's own Host and Accept-Encoding", () => {
  const sent = headersToOrigin(REQUEST, { eligible: false, host: "store:1", ray: "r" });
  expect(sent).toEqual(
    [
      ["Host", "store:1"],
      ["Accept-Encoding", "gzip, br"],
      ["CF-Ray", "r"],
      ["CDN-Loop", "cloudflare; loops=1"],
      ["Range", "bytes=0-3"],
      ["If-Match", '"e"'],
      ["Authorization", "AWS4"],
      ["X-Amz-Meta-A", "1"],
    ].flat(),
  );
});

test("what the cache is in the way of loses its range and its conditions", () => {
  const sent = headersToOrigin(REQUEST, { eligible: true, host: "store:1", ray: "r" });
  for (const name of ["range", "if-match"]) expect(headerOf(sent, name)).toBeUndefined();
  expect(headerOf(sent, "authorization")).toBe("AWS4");
});

test.for([
  ["gzip", "gzip", true],
  ["gzip, br", "br", true],
  ["identity", "gzip", false],
  ["", "gzip", false],
  [undefined, "gzip", false],
  ["*", "zstd", true],
  ["*, gzip;q=0", "gzip", false],
  ["GZIP;q=0.5", "gzip", true],
] as const)("Accept-Encoding %s takes %s: %s", ([header, coding, taken]) => {
  expect(accepts(header, coding)).toBe(taken);
});

const GZIPPED = ["Content-Encoding", "gzip", "Content-Length", "90", "Content-Type", "text/plain"];
const TEXT = ["Content-Length", "90", "Content-Type", "text/plain; charset=utf-8"];

test("a body is unpacked for who does not accept its coding, unless it is a part of one", () => {
  const identity = { accepted: "identity", packs: false };
  expect(packingOf(200, GZIPPED, identity)).toEqual({ kind: "unpack", coding: "gzip" });
  expect(packingOf(200, GZIPPED, { accepted: "gzip, br", packs: true })).toEqual({ kind: "as-is" });
  expect(packingOf(200, GZIPPED, { accepted: "br", packs: false }).kind).toBe("unpack");
  expect(packingOf(206, GZIPPED, identity)).toEqual({ kind: "as-is" });
  expect(packingOf(200, ["Content-Encoding", "aws-chunked"], identity)).toEqual({ kind: "as-is" });
  expect(packingOf(200, TEXT, identity)).toEqual({ kind: "as-is" });
});

test("a host behind Cloudflare's proxy packs text for who accepts it", () => {
  expect(packingOf(200, TEXT, { accepted: "gzip", packs: true })).toEqual({ kind: "pack", coding: "gzip" });
  expect(packingOf(200, TEXT, { accepted: "gzip, br", packs: true })).toEqual({ kind: "pack", coding: "br" });
  for (const [headers, accepted, packs] of [
    [TEXT, "gzip", false],
    [TEXT, "identity", true],
    [["Content-Length", "9", "Content-Type", "text/plain"], "gzip", true],
    [["Content-Length", "90", "Content-Type", "application/zip"], "gzip", true],
    [[...TEXT, "Cache-Control", "no-transform"], "gzip", true],
  ] as const) {
    expect(packingOf(200, headers, { accepted, packs })).toEqual({ kind: "as-is" });
  }
});

test("a body of other bytes than the store's has neither their length nor their strong ETag", () => {
  const stored = ["ETag", '"e"', "X-Amz-Meta-A", "1", "Transfer-Encoding", "chunked", ...GZIPPED];
  const given = (packing: Parameters<typeof headersToWorker>[1]["packing"]) =>
    headersToWorker(stored, { packing, ray: "r", cacheStatus: "DYNAMIC" });
  const unpacked = given({ kind: "unpack", coding: "gzip" });
  expect(headerOf(unpacked, "etag")).toBe('W/"e"');
  for (const name of ["content-length", "content-encoding", "transfer-encoding"])
    expect(headerOf(unpacked, name)).toBeUndefined();
  expect(headerOf(given({ kind: "pack", coding: "br" }), "content-encoding")).toBe("br");
  const names = ["etag", "content-length", "x-amz-meta-a", "cf-ray"];
  expect(names.map((name) => headerOf(given({ kind: "as-is" }), name))).toEqual(['"e"', "90", "1", "r"]);
});

test.for([
  ["public, max-age=60", true, 60_000],
  ["max-age=60", true, null],
  ["max-age=60", false, 60_000],
  ["must-revalidate, max-age=60", true, 60_000],
  ["s-maxage=5, max-age=60", true, 5_000],
  ['public, max-age="60"', true, 60_000],
  ["public, max-age=0", true, null],
  ["public, max-age=soon", true, null],
  ["public, no-store", true, null],
  ["public, no-cache", true, null],
  ["private", false, null],
  ["public", true, 7_200_000],
  [null, true, null],
  [null, false, 7_200_000],
] as const)("an answer with Cache-Control %s, asked for with credentials (%s), is kept for %s ms", (row) => {
  const [cacheControl, authorized, expected] = row;
  const headers = cacheControl === null ? [] : ["Cache-Control", cacheControl];
  expect(lifetimeMs(200, headers, { authorized, now: 0 })).toBe(expected);
});

test("only a 200 without a cookie is kept; without max-age Expires tells how long", () => {
  const at = { authorized: false, now: 10_000 };
  expect(lifetimeMs(404, [], at)).toBeNull();
  expect(lifetimeMs(200, ["Set-Cookie", "a=b"], at)).toBeNull();
  expect(lifetimeMs(200, ["Expires", new Date(15_000).toUTCString()], at)).toBe(5_000);
  expect(lifetimeMs(200, ["Expires", new Date(5_000).toUTCString()], at)).toBeNull();
});

test.for([
  ["ECONNREFUSED", 521, 521],
  ["ETIMEDOUT", 522, 522],
  ["EHOSTUNREACH", 523, 523],
  ["EPROTO", 525, 525],
  ["ERR_TLS_CERT_ALTNAME_INVALID", 526, 526],
  ["CERT_HAS_EXPIRED", 526, 526],
  ["DEPTH_ZERO_SELF_SIGNED_CERT", 526, 526],
  ["ENOTFOUND", 530, 1016],
  ["ECONNRESET", 520, 520],
  ["HPE_INVALID_CONSTANT", 520, 520],
] as const)("%s is answered with %s, error code %s", ([code, status, number]) => {
  expect(edgeErrorOf(Object.assign(new Error(code), { code }))).toEqual({ status, code: number });
});

test("addresses are told from names", () => {
  for (const address of ["127.0.0.1", "203.0.113.7", "[::1]", "[2001:db8::1]"])
    expect(isAddress(address)).toBe(true);
  for (const name of ["localhost", "s3.example.com", "1.example.com", "203.0.113.7.example.com"])
    expect(isAddress(name)).toBe(false);
});

test("the event of a request is its lane's, its coordinator's or its sync's; nobody else's is known", () => {
  for (const event of [
    "bucket-brigade copy/1 lane/0",
    "bucket-brigade sync/1 lane/12",
    "bucket-brigade copy/1 coordinator",
    "bucket-brigade sync/1",
  ])
    expect(eventOf(event)).toBe(event);
  for (const other of [undefined, "curl/8", "bucket-brigade", "bucket-brigade check"])
    expect(eventOf(other)).toBeNull();
});

test("a Content-Disposition stands before the length, after which Node would change its bytes", () => {
  const headers = ["Content-Length", "1", "Content-Disposition", "x"];
  const given = headersToWorker(headers, { packing: { kind: "as-is" }, ray: "r", cacheStatus: "DYNAMIC" });
  expect(given.slice(0, 2)).toEqual(["Content-Disposition", "x"]);
});
