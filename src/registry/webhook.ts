// Webhooks by the Standard Webhooks specification (https://github.com/standard-webhooks/standard-webhooks,
// 1.0): the receiver, the signature, and one delivery. outbox.ts decides when to send.
//
// What it needs: the secrets NOTIFY_URL and NOTIFY_SECRET. The receiver verifies the signature, which covers
// id, time and body, and ignores an id that it has seen. So a notice keeps its id however often it is sent.
//
// Invariant: no message contains the secret or the URL, which may hold a token of the receiver's.

import { isIpAddress, isLoopback } from "../store/stores.ts";

export type Receiver =
  | { readonly state: "off" }
  | { readonly state: "on"; readonly url: string; readonly key: Uint8Array<ArrayBuffer> }
  | { readonly state: "misconfigured"; readonly error: string };

export type Delivery =
  | { readonly kind: "delivered" }
  | { readonly kind: "failed"; readonly reason: string }
  /** The receiver answered 410 Gone: it wants no more of this notice. */
  | { readonly kind: "gone" };

export interface Notice {
  readonly id: string;
  readonly body: string;
}

const DELIVERY_LIMIT_MS = 15_000;

/** The specification requires 24 to 64 bytes. */
const KEY_BYTES = { min: 24, max: 64 };

export function readReceiver(env: Readonly<Record<string, unknown>>): Receiver {
  const { NOTIFY_URL: url, NOTIFY_SECRET: secret } = env;
  if (url === undefined || url === "") return { state: "off" };
  const parsed = typeof url === "string" ? URL.parse(url) : null;
  if (parsed === null || typeof url !== "string") return bad("NOTIFY_URL is not a URL");
  if (parsed.username !== "" || parsed.password !== "") {
    return bad("NOTIFY_URL must not contain a user name or password");
  }
  const isLocal = parsed.protocol === "http:" && isLoopback(parsed.hostname);
  if (parsed.protocol !== "https:" && !isLocal) return bad("NOTIFY_URL must begin with https://");
  if (isIpAddress(parsed.hostname) && !isLoopback(parsed.hostname)) {
    return bad("NOTIFY_URL has an IP address for a host, and a Worker reaches no IP address: use a name");
  }
  const key = typeof secret === "string" ? keyOf(secret) : null;
  if (key === null) {
    return bad(
      `NOTIFY_SECRET must be "whsec_" and the base64 of ${KEY_BYTES.min} to ${KEY_BYTES.max} random bytes: ` +
        'echo "whsec_$(openssl rand -base64 32)"',
    );
  }
  return { state: "on", url, key };
}

/** The receiver as `GET /stores` shows it. */
export function describeReceiver(receiver: Receiver): Record<string, unknown> {
  return receiver.state === "on" ? { state: "on", host: new URL(receiver.url).host } : receiver;
}

/** Sends a notice once. */
export async function deliver({ id, body }: Notice, receiver: Receiver, now: number): Promise<Delivery> {
  if (receiver.state === "off") return { kind: "gone" };
  if (receiver.state === "misconfigured") return { kind: "failed", reason: receiver.error };
  const timestamp = String(Math.floor(now / 1000));
  let response: Response;
  try {
    response = await fetch(receiver.url, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        "user-agent": "bucket-brigade",
        "webhook-id": id,
        "webhook-timestamp": timestamp,
        "webhook-signature": `v1,${await signatureOf(`${id}.${timestamp}.${body}`, receiver.key)}`,
      },
      body,
      // A redirect leads to a place that the operator did not configure.
      redirect: "manual",
      signal: AbortSignal.timeout(DELIVERY_LIMIT_MS),
    });
  } catch (error) {
    const isLate = error instanceof Error && error.name === "TimeoutError";
    return { kind: "failed", reason: isLate ? `no answer in ${DELIVERY_LIMIT_MS / 1000} s` : "not reached" };
  }
  await response.body?.cancel();
  if (response.ok) return { kind: "delivered" };
  if (response.status === 410) return { kind: "gone" };
  return { kind: "failed", reason: `answered ${response.status}` };
}

async function signatureOf(content: string, keyBytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", keyBytes, algorithm, false, ["sign"]);
  const signature = await crypto.subtle.sign("HMAC", key, new TextEncoder().encode(content));
  return btoa(String.fromCharCode(...new Uint8Array(signature)));
}

function bad(error: string): Receiver {
  return { state: "misconfigured", error };
}

function keyOf(secret: string): Uint8Array<ArrayBuffer> | null {
  const text = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(secret)?.[1];
  if (text === undefined || text.length % 4 !== 0) return null;
  const key = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  return key.length >= KEY_BYTES.min && key.length <= KEY_BYTES.max ? key : null;
}
