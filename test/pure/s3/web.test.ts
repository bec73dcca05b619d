// What a store of kind https is asked, and what its answers mean.
import { describe, expect, test } from "vitest";
import { UnaddressableKeyError } from "../../../src/s3/url.ts";
import {
  headersOfObject,
  redirectOf,
  timeOfTag,
  validatorOf,
  webUrl,
  withCondition,
} from "../../../src/s3/web.ts";

const BASE = "https://downloads.example.org/pub";

describe("webUrl()", () => {
  test.each([
    ["a", "a"],
    ["2026/a b.txt", "2026/a%20b.txt"],
    ["50%25?x=1#y", "50%2525%3Fx%3D1%23y"],
    ["é/ü+&;,'()!*~", "%C3%A9/%C3%BC%2B%26%3B%2C%27%28%29%21%2A~"],
    ["folder/", "folder/"],
    ["a//b", "a//b"],
    ["..a/b..", "..a/b.."],
  ])("of %j", (key, path) => {
    const url = webUrl(BASE, "", key);
    expect(url).toBe(`${BASE}/${path}`);
    expect(new URL(url).href).toBe(url);
  });

  test("puts the store's query behind each", () => {
    expect(webUrl(BASE, "sv=1&sig=a%2Bb", "a?b")).toBe(`${BASE}/a%3Fb?sv=1&sig=a%2Bb`);
  });

  test.each([".", "..", "a/./b", "../a", "a/..", "", "k".repeat(1025), "\ud800"])(
    "refuses the key %j",
    (key) => {
      expect(() => webUrl(BASE, "", key)).toThrow(UnaddressableKeyError);
    },
  );
});

const NOW = Date.parse("2026-11-29T12:00:00Z");
const PAST = "Sun, 01 Nov 2026 12:00:00 GMT";
const TAG = '"last-modified-2026-11-01T12:00:00Z"';

const validator = (headers: Record<string, string>) => validatorOf(new Headers(headers), NOW);

describe("validatorOf()", () => {
  test("a strong ETag comes first", () => {
    expect(validator({ etag: '"a b"', "last-modified": PAST })).toEqual({
      ok: true,
      kind: "etag",
      etag: '"a b"',
    });
  });

  test.each([{}, { etag: 'W/"a"' }, { etag: "a" }, { etag: '""' }, { etag: '"a", "b"' }, { etag: TAG }])(
    "else a past Last-Modified does: %j",
    (more: Record<string, string>) => {
      expect(validator({ ...more, "last-modified": PAST })).toEqual({ ok: true, kind: "time", etag: TAG });
    },
  );

  test.each([
    [{}, "no ETag and no Last-Modified"],
    [{ etag: 'W/"a"' }, "a weak ETag and no Last-Modified"],
    [{ etag: "a" }, "an ETag of no known form and no Last-Modified"],
    [{ "last-modified": "yesterday" }, "no ETag and a Last-Modified that is no time"],
    [{ "last-modified": "Thu, 01 Jan 1970 00:00:01 GMT" }, "no ETag and a Last-Modified that is no time"],
    [{ "last-modified": "Sun, 29 Nov 2026 12:00:00 GMT" }, "no ETag and a Last-Modified that is not past"],
    [{ "last-modified": "Mon, 29 Nov 2027 12:00:00 GMT" }, "no ETag and a Last-Modified that is not past"],
    [{ "last-modified": PAST, date: PAST }, "no ETag and a Last-Modified that is not past"],
  ])("%j is none", (headers: Record<string, string>, why) => {
    expect(validator(headers)).toEqual({ ok: false, why });
  });

  test("the second of Last-Modified must be over by the server's own clock, if it tells it", () => {
    expect(
      validator({ "last-modified": "Mon, 29 Nov 2027 12:00:00 GMT", date: "Mon, 29 Nov 2027 12:00:01 GMT" })
        .ok,
    ).toBe(true);
  });
});

test("a condition is that of its validator", () => {
  expect(withCondition({ range: "bytes=0-0", "if-match": '"a"' })).toEqual({
    range: "bytes=0-0",
    "if-match": '"a"',
  });
  expect(withCondition({ "if-match": TAG })).toEqual({ "if-unmodified-since": PAST });
  expect(withCondition({})).toEqual({});
  expect([timeOfTag(TAG), timeOfTag('"a"')]).toEqual([Date.parse("2026-11-01T12:00:00Z"), null]);
});

test("an object has of an answer what the file is, not what the server says of the way", () => {
  const answer = {
    "content-type": "text/csv",
    "content-encoding": "gzip",
    "content-length": "5",
    "cache-control": "no-store",
    expires: "0",
    "set-cookie": "a=b",
    "x-amz-meta-a": "b",
    "x-amz-storage-class": "GLACIER",
    etag: 'W/"a"',
  };
  expect(Object.fromEntries(headersOfObject(new Headers(answer), TAG))).toEqual({
    "content-type": "text/csv",
    "content-encoding": "gzip",
    "content-length": "5",
    etag: TAG,
  });
});

describe("redirectOf()", () => {
  const of = (location: string | null, redirects: string[] = [], endpoint = BASE) =>
    redirectOf({ endpoint, redirects }, `${BASE}/folder/a`, location);

  test.each([
    ["b", `${BASE}/folder/b`],
    ["/x#y", "https://downloads.example.org/x"],
    ["https://downloads.example.org:443/x?y", "https://downloads.example.org/x?y"],
  ])("%s is the server's own", (location, url) => {
    expect(of(location)).toEqual({ ok: true, url, isOwn: true });
  });

  test("hosts of the same service, and named origins, are asked without the secrets", () => {
    for (const url of ["https://m1.downloads.example.org/a", "https://mirror.example.org/a"])
      expect(of(url)).toEqual({ ok: true, url, isOwn: false });
    const url = "https://objects.example.net/a?X-Amz-Signature=1";
    expect(of(url, ["https://objects.example.net"])).toEqual({ ok: true, url, isOwn: false });
  });

  test.each([
    "https://example.net/a",
    "https://downloads.example.org.example.net/a",
    "http://downloads.example.org/a",
    "https://downloads.example.org:8443/a",
    "https://m1.example.org:8443/a",
    "http://169.254.169.254/latest/meta-data",
    "https://10.0.0.1/a",
    "https://[::1]/a",
    "http://localhost/a",
    "https://me:pw@downloads.example.org/a",
    "file:///etc/passwd",
    "data:text/plain,a",
  ])("%s is refused", (location) => {
    expect(of(location, ["https://objects.example.net"]).ok).toBe(false);
  });

  test("so is what is no URL", () => {
    expect([of(null), of("https://")]).toEqual([
      { ok: false, to: null },
      { ok: false, to: null },
    ]);
  });

  test("an address has no service around it", () => {
    expect(of("http://10.0.0.2/a", [], "http://10.0.0.1").ok).toBe(false);
    expect(of("http://127.0.0.2/a", [], "http://127.0.0.1").ok).toBe(false);
  });
});
