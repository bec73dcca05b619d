// CRCs of parts, combined, are the CRC of the whole.
import { crc32 } from "node:zlib";
import { describe, expect, test } from "vitest";
import { combineCrcs } from "../../../src/object/checksum.ts";
import { type ChecksumAlgorithm, CHECKSUMS } from "../../../src/store/profiles.ts";
import { seeded } from "../samples.ts";

/** By the definition, bit by bit: slow, and independent of the code under test. */
function slowCrc(bytes: Uint8Array, polynomial: bigint, bits: bigint): string {
  const ones = (1n << bits) - 1n;
  let crc = ones;
  for (const byte of bytes) {
    crc ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1n) === 1n ? (crc >> 1n) ^ polynomial : crc >> 1n;
  }
  return (crc ^ ones).toString(16).padStart(Number(bits) / 4, "0");
}

const CRC: Readonly<Record<ChecksumAlgorithm, (bytes: Uint8Array) => string>> = {
  crc32: (bytes) => crc32(bytes).toString(16).padStart(8, "0"),
  crc32c: (bytes) => slowCrc(bytes, 0x82f63b78n, 32n),
  crc64nvme: (bytes) => slowCrc(bytes, 0x9a6c9329ac4bc9b5n, 64n),
};
const CHECK = { crc32: "cbf43926", crc32c: "e3069283", crc64nvme: "ae8b14860a799888" } as const;
const OF_NOTHING = { crc32: "00000000", crc32c: "00000000", crc64nvme: "0000000000000000" } as const;
const ascii = (text: string) => new TextEncoder().encode(text);

function combine(algorithm: ChecksumAlgorithm, parts: readonly Uint8Array[]): string {
  return combineCrcs(
    algorithm,
    parts.map((bytes) => ({ crc: CRC[algorithm](bytes), length: bytes.length })),
  );
}

describe.each(CHECKSUMS)("combineCrcs(%s)", (algorithm) => {
  test('of "123456789", wherever it is cut, is the published check value', () => {
    const bytes = ascii("123456789");
    expect(CRC[algorithm](bytes)).toBe(CHECK[algorithm]);
    for (let cut = 0; cut <= 9; cut++) {
      expect(combine(algorithm, [bytes.subarray(0, cut), bytes.subarray(cut)])).toBe(CHECK[algorithm]);
    }
    expect(
      combine(
        algorithm,
        Array.from(bytes, (byte) => Uint8Array.of(byte)),
      ),
    ).toBe(CHECK[algorithm]);
  });

  test("of no parts, and of empty parts, is the CRC of nothing", () => {
    expect(combineCrcs(algorithm, [])).toBe(OF_NOTHING[algorithm]);
    expect(combine(algorithm, [new Uint8Array(), new Uint8Array()])).toBe(OF_NOTHING[algorithm]);
  });

  test("of random bytes at random cuts is the CRC of them all", () => {
    const random = seeded(5);
    for (let round = 0; round < 30; round++) {
      const bytes = Uint8Array.from({ length: Math.floor(random() * 300) }, () => Math.floor(random() * 256));
      const cuts = Array.from({ length: 4 }, () => Math.floor(random() * (bytes.length + 1)));
      const edges = [0, ...cuts.toSorted((a, b) => a - b), bytes.length];
      const parts = edges.slice(1).map((edge, index) => bytes.subarray(edges[index], edge));
      expect(combine(algorithm, parts)).toBe(CRC[algorithm](bytes));
    }
  });

  test("keeps the order of the parts, and their leading zeros", () => {
    const [a, b] = [ascii("first"), ascii("second")];
    expect(combine(algorithm, [a, b])).not.toBe(combine(algorithm, [b, a]));
    const zeros = new Uint8Array(7);
    expect(combine(algorithm, [zeros, a])).toBe(CRC[algorithm](new Uint8Array([...zeros, ...a])));
  });

  test("takes lengths beyond 32 bits", () => {
    // Zeros by the terabyte: as one part, and as four parts of its quarters.
    const nothing = OF_NOTHING[algorithm];
    const tib = 2 ** 40;
    const seed = { crc: CHECK[algorithm], length: 9 };
    const whole = combineCrcs(algorithm, [seed, { crc: nothing, length: tib }]);
    const quarters = Array.from({ length: 4 }, () => ({ crc: nothing, length: tib / 4 }));
    expect(combineCrcs(algorithm, [seed, ...quarters])).toBe(whole);
    expect(whole).not.toBe(CHECK[algorithm]);
  });
});

const equalParts = (count: number) =>
  Array.from({ length: count }, () => ({ crc: CHECK.crc64nvme, length: 2 ** 26 }));

test("combineCrcs() of 10,000 parts is that of its two halves", () => {
  const half = { crc: combineCrcs("crc64nvme", equalParts(5000)), length: 5000 * 2 ** 26 };
  expect(combineCrcs("crc64nvme", equalParts(10_000))).toBe(combineCrcs("crc64nvme", [half, half]));
});
