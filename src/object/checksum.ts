// Full-object CRCs from the CRCs of parts. Pure.
//
// A CRC of A‖B follows from crc(A), crc(B) and the length of B. So the copiers of the parts can compute CRCs
// in any order, and they are combined here: no byte is read twice. MD5 cannot be combined. S3's multipart
// ETag is the MD5 of the parts' MD5s instead
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html, 2026-11;
// s3/digest.ts).

import type { Checksum } from "./proof.ts";
import { hexOfBase64 } from "../s3/digest.ts";
import { type ChecksumAlgorithm, CHECKSUMS } from "../store/profiles.ts";

/** Reflected polynomials. Check values for "123456789": cbf43926, e3069283, ae8b14860a799888. */
const POLYNOMIALS: Readonly<
  Record<ChecksumAlgorithm, { readonly polynomial: bigint; readonly bits: number }>
> = {
  crc32: { polynomial: 0xedb88320n, bits: 32 },
  crc32c: { polynomial: 0x82f63b78n, bits: 32 },
  crc64nvme: { polynomial: 0x9a6c9329ac4bc9b5n, bits: 64 },
};

/**
 * The CRC of concatenated parts, as lower-case hex.
 *
 * @param parts in the object's order, each with its CRC in hex and its length in bytes
 */
export function combineCrcs(
  algorithm: ChecksumAlgorithm,
  parts: Iterable<{ readonly crc: string; readonly length: number }>,
): string {
  const { polynomial, bits } = POLYNOMIALS[algorithm];
  // All parts but the last have one length, so for 10,000 parts the shift is computed twice.
  const shifts = new Map<number, bigint>();
  let combined = 0n; // the CRC of nothing
  for (const { crc, length } of parts) {
    let shift = shifts.get(length);
    if (shift === undefined) shifts.set(length, (shift = powerOfX(BigInt(length) * 8n, polynomial, bits)));
    combined = multiply(combined, shift, polynomial, bits) ^ BigInt(`0x${crc}`);
  }
  return combined.toString(16).padStart(bits / 4, "0");
}

// a·b mod P in the reflected field, where the top bit is x^0 and a right shift multiplies by x.
function multiply(a: bigint, b: bigint, polynomial: bigint, bits: number): bigint {
  let product = 0n;
  for (let bit = 1n << BigInt(bits - 1); bit > 0n && a !== 0n; bit >>= 1n) {
    if ((b & bit) !== 0n) product ^= a;
    a = (a & 1n) === 1n ? (a >> 1n) ^ polynomial : a >> 1n;
  }
  return product;
}

// x^exponent mod P, by squaring.
function powerOfX(exponent: bigint, polynomial: bigint, bits: number): bigint {
  let power = 1n << BigInt(bits - 1);
  let square = 1n << BigInt(bits - 2);
  for (; exponent > 0n; exponent >>= 1n) {
    if ((exponent & 1n) === 1n) power = multiply(power, square, polynomial, bits);
    square = multiply(square, square, polynomial, bits);
  }
  return power;
}

/** Checksums of the whole object. Composite ones depend on part boundaries and are left out. */
export function fullObjectChecksums(headers: Headers): Checksum[] {
  const checksums: Checksum[] = [];
  // Absent where a store knows no others.
  const composite = !/^(full_object)?$/i.test(headers.get("x-amz-checksum-type") ?? "");
  for (const algorithm of CHECKSUMS) {
    const value = headers.get(`x-amz-checksum-${algorithm}`);
    const hex = value === null || composite ? null : hexOfBase64(value);
    if (hex !== null && hex.length === (algorithm === "crc64nvme" ? 16 : 8))
      checksums.push({ algorithm, hex });
  }
  const google = /(?:^|,\s*)crc32c=([A-Za-z0-9+/=]+)/.exec(headers.get("x-goog-hash") ?? "")?.[1];
  const hex = google === undefined ? null : hexOfBase64(google);
  if (hex !== null && hex.length === 8) checksums.push({ algorithm: "crc32c", hex });
  // Two of one algorithm that differ contradict each other.
  return checksums.filter(({ algorithm, hex: own }) =>
    checksums.every((other) => other.algorithm !== algorithm || other.hex === own),
  );
}
