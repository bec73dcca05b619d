// Sizes as people write them: bytes, or a number with a unit. Pure.

const UNIT_BYTES: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
};

/** `67108864`, `"67108864"`, `"64MiB"`, `"1.5 GB"` in bytes; null when it is no size or no whole number of bytes. */
export function parseSize(value: string | number): number | null {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(String(value).trim());
  if (match === null) return null;
  const [, digits = "", unit = ""] = match;
  const unitBytes = unit === "" ? 1 : UNIT_BYTES[unit.toLowerCase()];
  if (unitBytes === undefined) return null;
  // In whole numbers, since 8.03 * 1000 is not 8030 in binary fractions.
  const [whole = "", fraction = ""] = digits.split(".");
  const sizeBytes = (Number(whole + fraction) * unitBytes) / 10 ** fraction.length;
  return Number.isSafeInteger(sizeBytes) ? sizeBytes : null;
}
