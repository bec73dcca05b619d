// MD5s of parts make S3's multipart ETag; digests as hex and as base64.
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { describe, expect, test } from "vitest";
import { bareEtag, base64OfHex, bytesToHex, hexOfBase64, multipartEtag } from "../../../src/s3/digest.ts";

const md5 = async (bytes: Uint8Array) => createHash("md5").update(bytes).digest("hex");
const ascii = (text: string) => new TextEncoder().encode(text);

describe("multipartEtag()", () => {
  test("is the MD5 of the parts' raw MD5s, and their number", async () => {
    const md5s = ["bce6bf66aeb76c7040fdd5f4eccb78e6", "8165449fc15bbf43d3b674595cbcc406"];
    expect(await multipartEtag(md5s, md5)).toBe("f77dc0eecdebcd774a2a22cb393ad2ff-2");
  });

  test("counts also a single part", async () => {
    const one = await md5(ascii("x"));
    expect(await multipartEtag([one], md5)).toBe(`${await md5(Buffer.from(one, "hex"))}-1`);
  });

  test("takes 10,000 parts", async () => {
    const etag = await multipartEtag(Array<string>(10_000).fill("bce6bf66aeb76c7040fdd5f4eccb78e6"), md5);
    expect(etag).toMatch(/^[0-9a-f]{32}-10000$/);
  });
});

test.each([
  ['"abc"', "abc"],
  ["abc", "abc"],
  ['W/"abc"', "abc"],
  ["&quot;abc&quot;", "abc"],
  ['"a&quot;b"', 'a"b'],
  ['"a"b"', 'a"b'],
  ['"a&b"', "a&b"],
  ['""', ""],
  ['"', ""],
  ['"abc', "abc"],
  ["", ""],
])("the ETag %j is %j without what surrounds it", (etag, bare) => {
  expect(bareEtag(etag)).toBe(bare);
});

describe("hex and base64", () => {
  test.each([
    ["NjowIA==", "363a3020"],
    ["rosUhgp5mIg=", "ae8b14860a799888"],
    ["AAAAAA==", "00000000"],
    ["", ""],
  ])("%j is %j", (base64, hex) => {
    expect(hexOfBase64(base64)).toBe(hex);
    expect(base64OfHex(hex)).toBe(base64);
  });

  test("crc32 of hello is what S3 shows for it", () => {
    expect(base64OfHex(crc32("hello\n").toString(16))).toBe("NjowIA==");
  });

  test.each(["NjowIA==-5", "not base64!", "é"])("hexOfBase64(%j) is null", (text) => {
    expect(hexOfBase64(text)).toBeNull();
  });

  test("bytes survive the way to hex and back", () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);
    expect(bytesToHex(bytes)).toBe(Buffer.from(bytes).toString("hex"));
    expect(hexOfBase64(base64OfHex(bytesToHex(bytes)))).toBe(bytesToHex(bytes));
  });
});
