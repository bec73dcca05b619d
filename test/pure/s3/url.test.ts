// Keys in URLs: what fetch would put on the wire, decoded as S3 decodes it, is the very key that was asked
// for.
import { describe, expect, test } from "vitest";
import {
  type BucketAddress,
  encodeRfc3986,
  MAX_KEY_BYTES,
  parseContentRange,
  queryString,
  rangeHeader,
  s3Url,
  UnaddressableKeyError,
  utf8Bytes,
} from "../../../src/s3/url.ts";
import { seeded } from "../samples.ts";

const PATH: BucketAddress = { endpoint: "https://s3.example.com", style: "path", bucket: "bucket" };
const VIRTUAL: BucketAddress = { ...PATH, style: "virtual" };
const STYLES = [PATH, VIRTUAL];

/**
 * What S3 reads from the request line: the parsed URL's path, percent-decoded once, without the bucket; else
 * null.
 */
function keyOnTheWire(address: BucketAddress, url: string): string | null {
  const { href, host, hash, pathname } = new URL(url);
  const path = decodeURIComponent(pathname);
  const prefix = address.style === "path" ? `/${address.bucket}/` : "/";
  const expectedHost = address.style === "path" ? "s3.example.com" : "bucket.s3.example.com";
  const unchanged = href === url && host === expectedHost && hash === "";
  return unchanged && path.startsWith(prefix) ? path.slice(prefix.length) : null;
}

describe("s3Url() names exactly the key that was asked for", () => {
  const awkward = [
    "a+b",
    "a b",
    "é//10+2.jpg",
    "country_iso=ETH/a@b!'(c)*.pmtiles",
    "/x",
    "//x",
    "a//b",
    "a/b",
    "a/",
    "/",
    "//",
    "über/日本/😀.bin",
    "\u00e9",
    "e\u0301",
    "100%",
    "%41",
    "%2F",
    "%252e",
    "a?b#c",
    "a\\b",
    "\t\r\n",
    " leading and trailing ",
    "..",
    ".",
    "../x",
    "./x",
    "a/../b",
    "a/./b",
    "a/..",
    "a/.",
    "../..",
    "a/../../b",
    "..a",
    "a..",
    "...",
    "%2e%2e/x",
    ".%2e",
    "a/%2E./b",
    "https://other.example.com/x",
    "user:password@host/x",
    "~-_.AZaz09",
    '`^{}|[]<>"',
    ";,:&=$!*'()",
    "\u0001\u007f",
    "\u2028",
    "x".repeat(MAX_KEY_BYTES),
    "é".repeat(MAX_KEY_BYTES / 2),
  ];
  const unaddressable = new Set([".", ".."]);

  test.each(awkward)("in path style: %j", (key) => {
    expect(keyOnTheWire(PATH, s3Url(PATH, key))).toBe(key);
  });

  test.each(awkward.filter((key) => !unaddressable.has(key)))("in virtual style: %j", (key) => {
    expect(keyOnTheWire(VIRTUAL, s3Url(VIRTUAL, key))).toBe(key);
  });

  test("gives different keys different URLs", () => {
    expect(new Set(awkward.map((key) => s3Url(PATH, key))).size).toBe(awkward.length);
  });

  test("for thousands of random keys in both styles, or refuses the key", () => {
    const random = seeded(2);
    const alphabet = [..."ab./.. +%2eE?#&=\\~*'()!;:@,$^|<>\"\t\r\né日😀%/", "..", "/../", "%2F", "e\u0301"];
    const wrong: string[] = [];
    for (let round = 0; round < 4000; round++) {
      let key = "";
      const length = 1 + Math.floor(random() * 12);
      for (let index = 0; index < length; index++) key += alphabet[Math.floor(random() * alphabet.length)];
      const address = STYLES[round % 2] as BucketAddress;
      const bare = address.style === "virtual" && unaddressable.has(key);
      try {
        if (keyOnTheWire(address, s3Url(address, key, { uploadId: key })) !== key || bare) wrong.push(key);
      } catch (error) {
        if (!(error instanceof UnaddressableKeyError && bare)) wrong.push(key);
      }
    }
    expect(wrong).toEqual([]);
  });

  test.each([
    ["a/../b", "https://s3.example.com/bucket/a/..%2Fb"],
    ["../x", "https://s3.example.com/bucket/..%2Fx"],
    ["a/..", "https://s3.example.com/bucket/a%2F.."],
    ["..", "https://s3.example.com/bucket%2F.."],
    ["a b+c", "https://s3.example.com/bucket/a%20b%2Bc"],
    ["//x", "https://s3.example.com/bucket///x"],
    ["a@b!'(c)*", "https://s3.example.com/bucket/a%40b%21%27%28c%29%2A"],
  ])("writes %j as %s", (key, url) => {
    expect(s3Url(PATH, key)).toBe(url);
  });

  test("keeps an endpoint's port, and the one path that an endpoint may have", () => {
    expect(s3Url({ ...PATH, endpoint: "http://127.0.0.1:9000" }, "k")).toBe("http://127.0.0.1:9000/bucket/k");
    expect(s3Url({ ...VIRTUAL, endpoint: "http://localhost:9000" }, "k")).toBe(
      "http://bucket.localhost:9000/k",
    );
    const local = { ...PATH, endpoint: "http://localhost:8787/cdn-cgi/local/r2/s3" };
    expect(s3Url(local, "a b")).toBe("http://localhost:8787/cdn-cgi/local/r2/s3/bucket/a%20b");
  });

  test("names the bucket when there is no key", () => {
    expect(s3Url(PATH, null, { uploads: "" })).toBe("https://s3.example.com/bucket?uploads=");
    expect(s3Url(VIRTUAL, null, { uploads: "" })).toBe("https://bucket.s3.example.com/?uploads=");
  });

  test("keeps a bucket with dots in the path", () => {
    expect(s3Url({ ...PATH, bucket: "my.dotted.bucket" }, "k")).toBe(
      "https://s3.example.com/my.dotted.bucket/k",
    );
  });
});

describe("s3Url() refuses what no URL can carry", () => {
  test.each([
    ["", "Cannot address an object with an empty key"],
    [
      "x".repeat(MAX_KEY_BYTES + 1),
      "Cannot address a key of 1025 bytes: S3 keys have at most 1024 bytes of UTF-8",
    ],
    [
      "é".repeat(MAX_KEY_BYTES / 2) + "x",
      "Cannot address a key of 1025 bytes: S3 keys have at most 1024 bytes of UTF-8",
    ],
    ["a\ud800b", 'Cannot encode "a\\ud800b": it holds a lone surrogate, which has no UTF-8 form'],
  ])("%j", (key, message) => {
    for (const address of STYLES)
      expect(() => s3Url(address, key)).toThrow(new UnaddressableKeyError(message));
  });

  test.each([".", ".."])('the key "%s" in virtual style, and says what to do', (key) => {
    expect(() => s3Url(VIRTUAL, key)).toThrow(
      `Cannot address key "${key}" in bucket "bucket" in virtual style: a URL would name "/" instead; use path style`,
    );
  });
});

describe("queryString()", () => {
  test.each([
    [{ uploads: "" }, "uploads="],
    [
      { partNumber: 7, uploadId: "2~XlNd+M+261dHJobVe9J/iszJktw==" },
      "partNumber=7&uploadId=2~XlNd%2BM%2B261dHJobVe9J%2FiszJktw%3D%3D",
    ],
    [{ prefix: "my dir/~x*" }, "prefix=my%20dir%2F~x%2A"],
    [{ "a&b": "c=d#é%" }, "a%26b=c%3Dd%23%C3%A9%25"],
    [{}, ""],
  ])("writes %j as %s", (query, text) => {
    expect(queryString(query)).toBe(text);
    expect(new URL(s3Url(PATH, "k", query)).search).toBe(text === "" ? "" : `?${text}`);
  });
});

test("utf8Bytes() counts what an encoder would write", () => {
  for (const text of ["", "a/b c", "\u007f", "\u0080", "é", "日本", "😀", "a\ud800", "\udc00b", "\uffff"])
    expect([text, utf8Bytes(text)]).toEqual([text, new TextEncoder().encode(text).length]);
});

test("encodeRfc3986() leaves only the unreserved characters raw, byte by byte", () => {
  for (let code = 0; code < 128; code++) {
    const character = String.fromCharCode(code);
    const hex = code.toString(16).toUpperCase().padStart(2, "0");
    expect(encodeRfc3986(character)).toBe(/[A-Za-z0-9\-._~]/.test(character) ? character : `%${hex}`);
  }
  expect(encodeRfc3986("é😀")).toBe("%C3%A9%F0%9F%98%80");
});

describe("Range and Content-Range", () => {
  test.each([
    [0, 1, "bytes=0-0"],
    [0, 5, "bytes=0-4"],
    [2 ** 45, 2 ** 30, "bytes=35184372088832-35185445830655"],
  ])("rangeHeader(%d, %d) is inclusive at both ends: %s", (offset, length, header) => {
    expect(rangeHeader(offset, length)).toBe(header);
    const range = parseContentRange(`${header.replace("=", " ")}/${offset + length}`);
    expect(range).toEqual({ offset, length, totalBytes: offset + length });
  });

  test.each([
    null,
    "",
    "bytes 0-4/*",
    "bytes */10",
    "bytes 4-0/10",
    "bytes=0-4/10",
    "bytes 0-4/10, 6-7/10",
    "bytes 0-4",
    "items 0-4/10",
    "bytes -1-4/10",
  ])("parseContentRange(%j) is null", (value) => {
    expect(parseContentRange(value)).toBeNull();
  });
});
