// Ids that sort by time: 48 bits of milliseconds, then 80 random bits, in Crockford's base 32 (a ULID in
// lower case, https://github.com/ulid/spec). Pure: clock and randomness are arguments.

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";

const RANDOM_BYTES = 10;

/**
 * Makes an id of 26 characters.
 *
 * @param randomBytes ten random bytes
 */
export function makeId(atMs: number, randomBytes: Uint8Array): string {
  if (randomBytes.length !== RANDOM_BYTES) {
    throw new RangeError(`Cannot make an id of ${randomBytes.length} random bytes: it takes ${RANDOM_BYTES}`);
  }
  let value = BigInt(atMs);
  for (const byte of randomBytes) value = (value << 8n) | BigInt(byte);
  let id = "";
  for (let digit = 0; digit < 26; digit++, value >>= 5n) id = ALPHABET.charAt(Number(value & 31n)) + id;
  return id;
}

export function isId(text: string): boolean {
  return /^[0-7][0-9a-hjkmnp-tv-z]{25}$/.test(text);
}
