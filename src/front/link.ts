// The signature of a link: an HMAC-SHA256 over kind, id and end. The key is made of two halves: a random one
// that the registry keeps, so that a link is no way to try out tokens, and API_TOKEN, so that the registry's
// storage alone signs nothing.

import { z } from "zod";
import { Span } from "../http/fields.ts";
import type { WorkKind } from "../schedule/kinds.ts";

const DAY_S = 24 * 3600;

export const LONGEST_S = 7 * DAY_S;

export const LinkRequestSchema = z.strictObject({
  expiresInSeconds: Span({ min: 60, max: LONGEST_S }).default(DAY_S),
});

/** What a link opens. */
interface Linked {
  readonly kind: WorkKind;
  readonly id: string;
  /** Seconds since 1970. */
  readonly expiresS: number;
}

/** Both halves of the key. */
interface Halves {
  readonly salt: string;
  readonly token: string;
}

/** 43 characters, which an address carries as they are. */
export async function signLink(linked: Linked, halves: Halves): Promise<string> {
  const signature = await crypto.subtle.sign("HMAC", await keyOf(halves), contentOf(linked));
  const text = btoa(String.fromCharCode(...new Uint8Array(signature)));
  return text.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/** In constant time. */
export async function isSigned(linked: Linked, sig: string, halves: Halves): Promise<boolean> {
  if (!/^[A-Za-z0-9_-]{43}$/.test(sig)) return false;
  const text = atob(sig.replaceAll("-", "+").replaceAll("_", "/"));
  const signature = Uint8Array.from(text, (character) => character.charCodeAt(0));
  return await crypto.subtle.verify("HMAC", await keyOf(halves), signature, contentOf(linked));
}

type Key = Awaited<ReturnType<typeof crypto.subtle.importKey>>;

async function keyOf({ salt, token }: Halves): Promise<Key> {
  const half = await hmacKey(new Uint8Array(new TextEncoder().encode(salt)), ["sign"]);
  const bytes = await crypto.subtle.sign("HMAC", half, new TextEncoder().encode(`links\n${token}`));
  return await hmacKey(new Uint8Array(bytes), ["sign", "verify"]);
}

async function hmacKey(bytes: Uint8Array<ArrayBuffer>, uses: ("sign" | "verify")[]): Promise<Key> {
  return await crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, uses);
}

function contentOf({ kind, id, expiresS }: Linked): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new TextEncoder().encode(`${kind}\n${id}\n${expiresS}`));
}
