// Webhooks by the Standard Webhooks specification (https://github.com/standard-webhooks/standard-webhooks,
// 1.0): the signatures, and one delivery. outbox.ts decides when to send, receivers.ts to whom.
//
// The receiver verifies the signature, which covers id, time and body, and ignores an id that it has seen. So
// a notice keeps its id however often it is sent.
//
// Invariant: no message contains a secret or a URL.

import type { Receiver } from "./receivers.ts";

export type Delivery = { readonly status: number | null } & (
  | { readonly kind: "delivered" }
  | { readonly kind: "failed"; readonly reason: string }
  /** The receiver wants no more of this notice: it answered 410 Gone, or is not configured any more. */
  | { readonly kind: "gone"; readonly reason: string }
);

export interface Notice {
  readonly id: string;
  readonly body: string;
}

const DELIVERY_LIMIT_MS = 15_000;

/** Sends a notice once. @param receiver null: it is not configured any more */
export async function deliver(
  { id, body }: Notice,
  receiver: Receiver | null,
  now: number,
): Promise<Delivery> {
  if (receiver === null)
    return { kind: "gone", status: null, reason: "no receiver of that name is configured any more" };
  if (receiver.state === "misconfigured") return { kind: "failed", status: null, reason: receiver.error };
  const timestamp = String(Math.floor(now / 1000));
  const content = `${id}.${timestamp}.${body}`;
  const signatures = await Promise.all(receiver.keys.map(async (key) => await signatureOf(content, key)));
  let response: Response;
  try {
    response = await fetch(receiver.url, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        "user-agent": "bucket-brigade",
        "webhook-id": id,
        "webhook-timestamp": timestamp,
        "webhook-signature": signatures.map((signature) => `v1,${signature}`).join(" "),
      },
      body,
      // A redirect leads to a place that the operator did not configure.
      redirect: "manual",
      signal: AbortSignal.timeout(DELIVERY_LIMIT_MS),
    });
  } catch (error) {
    const isLate = error instanceof Error && error.name === "TimeoutError";
    const reason = isLate ? `no answer in ${DELIVERY_LIMIT_MS / 1000} s` : "not reached";
    return { kind: "failed", status: null, reason };
  }
  await response.body?.cancel();
  const { status } = response;
  if (response.ok) return { kind: "delivered", status };
  if (status === 410) return { kind: "gone", status, reason: "the receiver answered 410 Gone" };
  return { kind: "failed", status, reason: `answered ${status}` };
}

async function signatureOf(content: string, keyBytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", keyBytes, algorithm, false, ["sign"]);
  const signature = await crypto.subtle.sign("HMAC", key, new TextEncoder().encode(content));
  return btoa(String.fromCharCode(...new Uint8Array(signature)));
}
