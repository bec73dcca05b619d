// What can be read from an ETag: how many parts it counts, of what size they probably are, and what is only
// its dress.
import { describe, expect, test } from "vitest";
import { MIB } from "../../../src/http/fields.ts";
import { guessPartBytes } from "../../../src/object/proof.ts";
import { bareEtag, isMd5Etag, partCountOf } from "../../../src/s3/digest.ts";

const MD5 = "9a0364b9e99bb480dd25e1f0284c8555";

describe("guessPartBytes()", () => {
  test.each([
    [100 * MIB + 1, 13, 8 * MIB],
    [100 * MIB, 13, 8 * MIB],
    [12 * 8 * MIB, 12, 8 * MIB],
    [12 * 8 * MIB + 1, 13, 8 * MIB],
    [20_000_000, 4, 5_000_000],
    [200_000_000, 40, 5_000_000],
    [3_000_000_000, 30, 100_000_000],
    [3 * 1024 * MIB - 5, 3, 1024 * MIB],
    [5 * 2 ** 40, 9_987, 525 * MIB],
    [1000, 7, null],
    [0, 1, null],
    [1, 1, 8 * MIB],
  ])("%d bytes in %d parts: %j", (sizeBytes, partCount, partBytes) => {
    expect(guessPartBytes(sizeBytes, partCount)).toBe(partBytes);
  });

  test("guesses nothing that would make another number of parts", () => {
    for (let partCount = 1; partCount <= 300; partCount++) {
      const sizeBytes = 987_654_321;
      const guess = guessPartBytes(sizeBytes, partCount);
      if (guess !== null) expect(Math.ceil(sizeBytes / guess)).toBe(partCount);
    }
  });
});

describe("ETags", () => {
  test.each([
    [`"${MD5}-13"`, 13],
    [`${MD5}-1`, 1],
    [`"${MD5.toUpperCase()}-10000"`, 10_000],
    [`"${MD5}"`, null],
    [`"abc-13"`, null],
    [`"${MD5}-x"`, null],
    ["", null],
  ])("partCountOf(%s) is %j", (etag, count) => {
    expect(partCountOf(etag)).toBe(count);
  });

  test.each([
    [`"${MD5}"`, MD5],
    [MD5, MD5],
    [`&quot;${MD5}&quot;`, MD5],
    [`W/"${MD5}"`, MD5],
    ['"a"b"', 'a"b'],
    ["", ""],
  ])("bareEtag(%s) is %s", (etag, bare) => {
    expect(bareEtag(etag)).toBe(bare);
  });

  test("isMd5Etag() goes by shape: 32 hex digits, with or without a count", () => {
    expect([`"${MD5}"`, `${MD5}-2`, MD5.toUpperCase()].every(isMd5Etag)).toBe(true);
    expect(['"abc"', MD5.slice(1), `${MD5}0`, `${MD5}-`, ""].some(isMd5Etag)).toBe(false);
  });
});
