// Prefixes: the name that a key gets at the other side, and which pairs of prefixes may not be copied onto
// each other. Pure.
//
// A prefix is a string, not a folder. The name of a key is what remains without the source prefix, and the
// destination key is the destination prefix followed by that name. No slash is added, removed or doubled.
//
//   `logs/` → `old/`   copies `logs/a` to `old/a`, and `logs/` itself to `old/`
//   `logs`  → `old`    copies `logs/a` to `old/a`, and `logs-2/b` to `old-2/b`
//   `logs`  → `old/`   copies `logs/a` to `old//a`

import { MAX_KEY_BYTES, utf8Bytes } from "../s3/url.ts";
import type { PrefixRef } from "../store/address.ts";

/**
 * The key without its prefix. @throws {RangeError} if it does not begin with it; in a checked listing every
 * key does
 */
export function nameOf(key: string, prefix: string): string {
  if (key.startsWith(prefix)) return key.slice(prefix.length);
  throw new RangeError(`The key ${JSON.stringify(key)} does not begin with ${JSON.stringify(prefix)}`);
}

export type DestinationKey =
  | { readonly ok: true; readonly key: string }
  | { readonly ok: false; readonly code: "key_too_long" | "empty_key"; readonly message: string };

/**
 * The key of a name at the destination. A key that no object can have is found here, before anything is sent.
 */
export function destinationKey(
  prefix: string,
  name: string,
  maxKeyBytes: number = MAX_KEY_BYTES,
): DestinationKey {
  const key = prefix + name;
  if (key === "") {
    const message =
      "the source object's key is the source prefix itself, and the destination prefix is empty: " +
      "no key is left for it";
    return { ok: false, code: "empty_key", message };
  }
  const keyBytes = utf8Bytes(key);
  if (keyBytes <= maxKeyBytes) return { ok: true, key };
  const message = `the destination key would have ${keyBytes} bytes, more than the ${maxKeyBytes} that the store accepts`;
  return { ok: false, code: "key_too_long", message };
}

/**
 * Why no key can begin with a prefix; null: some can.
 *
 * @param nameBytes that a name under it takes at least
 */
export function prefixFault(prefix: string, nameBytes: number): string | null {
  if (!prefix.isWellFormed()) return "it has half of a surrogate pair, which no key can have";
  const room = MAX_KEY_BYTES - nameBytes;
  const prefixBytes = utf8Bytes(prefix);
  return prefixBytes <= room
    ? null
    : `it has ${prefixBytes} bytes, and at most ${room} leave room for a name`;
}

/**
 * Why two prefixes may not be copied onto each other, or null.
 *
 * @param isSameBucket both are one bucket of one service, whatever the stores are called
 */
export function overlapOf(
  source: PrefixRef,
  destination: PrefixRef,
  { isSameBucket, deletes }: { isSameBucket: boolean; deletes: boolean },
): string | null {
  if (!isSameBucket) return null;
  const [from, to] = [JSON.stringify(source.prefix), JSON.stringify(destination.prefix)];
  if (source.prefix === destination.prefix) {
    return `source and destination are the same prefix ${from} of one bucket: nothing to copy`;
  }
  if (destination.prefix.startsWith(source.prefix)) {
    return `the destination prefix ${to} lies under the source prefix ${from} of the same bucket: what is copied would be listed and copied again, endlessly`;
  }
  if (deletes && source.prefix.startsWith(destination.prefix)) {
    return `the source prefix ${from} lies under the destination prefix ${to} of the same bucket: deleting what is only at the destination would delete the source`;
  }
  return null;
}
