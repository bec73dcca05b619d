// Checks who has sent events: the signature of SNS by the certificate that AWS publishes, that of B2 by the
// secret of the rule. And answers a confirmation of SNS.
//
// Invariant: nothing is fetched but from sns.<region>.amazonaws.com (sns.ts), without redirects, up to a
// bound.

import { importX509 } from "jose";
import { Problem } from "../http/problem.ts";
import { readAtMost } from "../s3/body.ts";
import { type SnsMessage, certificateUrl, confirmationUrl, signedText } from "./sns.ts";

/** Fetches as `fetch` does; tests stand in for AWS. */
type Fetch = (url: URL, init: RequestInit) => Promise<Response>;

const FETCH_LIMIT_MS = 5_000;

/** Real ones have 2 KiB. */
const MAX_CERTIFICATE_BYTES = 16 * 1024;

type Hash = "SHA-1" | "SHA-256";

type Key = Awaited<ReturnType<typeof crypto.subtle.importKey>>;

/** Keys by hash and address, which has the digest of the certificate in it: what is there never changes. */
const keys = new Map<string, Key>();

const MAX_KEYS = 50;

/** @throws {Problem} 401 for a wrong signature, 503 when AWS does not hand out the certificate */
export async function checkSns(message: SnsMessage, fetchFrom: Fetch = fetch): Promise<void> {
  const hash = message.SignatureVersion === "1" ? "SHA-1" : "SHA-256";
  const key = await keyAt(certificateUrl(message), hash, fetchFrom);
  const text = new TextEncoder().encode(signedText(message));
  if (await crypto.subtle.verify(RSA, key, bytesOf(message.Signature, atob), new Uint8Array(text))) return;
  throw new Problem(401, "signature_wrong", "The signature is not that of SNS over this message");
}

const RSA = "RSASSA-PKCS1-v1_5";

/** @throws {Problem} 401 for an address that is not SNS's, 503 when SNS does not take it */
export async function confirm(
  message: Extract<SnsMessage, { SubscribeURL: string }>,
  fetchFrom: Fetch = fetch,
): Promise<void> {
  await fetchText(confirmationUrl(message), fetchFrom);
}

async function keyAt(url: URL, hash: Hash, fetchFrom: Fetch): Promise<Key> {
  const own = `${hash} ${url.href}`;
  const known = keys.get(own);
  if (known !== undefined) return known;
  const key = await keyIn(await fetchText(url, fetchFrom), hash);
  if (key === null) throw unreachable(url, "has answered with what is no certificate");
  if (keys.size >= MAX_KEYS) keys.clear();
  keys.set(own, key);
  return key;
}

/** The public key of a certificate. Null: it is none. */
async function keyIn(certificate: string, hash: Hash): Promise<Key | null> {
  try {
    // jose knows no SHA-1. The key is the same for both.
    const published = await importX509(certificate, "RS256", { extractable: true });
    const spki = (await crypto.subtle.exportKey("spki", published)) as ArrayBuffer;
    return await crypto.subtle.importKey("spki", spki, { name: RSA, hash }, false, ["verify"]);
  } catch {
    return null;
  }
}

async function fetchText(url: URL, fetchFrom: Fetch): Promise<string> {
  const signal = AbortSignal.timeout(FETCH_LIMIT_MS);
  let response: Response;
  try {
    response = await fetchFrom(url, { redirect: "manual", signal });
  } catch (error) {
    const name = error instanceof Error ? error.name : "Error";
    throw unreachable(url, `could not be reached (${name})`);
  }
  const text = await readAtMost(response.body, MAX_CERTIFICATE_BYTES);
  if (response.status === 200) return text;
  throw unreachable(url, `has answered ${response.status}`);
}

/** The query has the token of the confirmation. */
function unreachable({ host }: URL, what: string): Problem {
  return new Problem(503, "sender_unreachable", `${host} ${what}; the sender will try again`, {
    "retry-after": "30",
  });
}

/**
 * `v1=` and the HMAC-SHA256 of the body, in hexadecimal digits.
 * https://www.backblaze.com/docs/cloud-storage-event-notifications-reference-guide
 *
 * @param secrets of the rules; any of them may have signed
 * @throws {Problem} 401
 */
export async function checkB2(
  header: string | null,
  body: Uint8Array<ArrayBuffer>,
  secrets: readonly string[],
): Promise<void> {
  const digits = /^v1=([0-9a-f]{64})$/i.exec(header?.trim() ?? "")?.[1];
  if (digits === undefined) {
    const detail =
      'Events of B2 need the header "x-bz-event-notification-signature: v1=<64 hexadecimal digits>"';
    throw new Problem(401, "signature_wrong", `${detail}, because BACKBLAZE_EVENTS_SECRET is set`);
  }
  const signature = bytesOf(digits, (text) =>
    text.replaceAll(/../g, (pair) => String.fromCharCode(Number.parseInt(pair, 16))),
  );
  for (const secret of secrets) {
    const bytes = new TextEncoder().encode(secret);
    const algorithm = { name: "HMAC", hash: "SHA-256" };
    const key = await crypto.subtle.importKey("raw", bytes, algorithm, false, ["verify"]);
    if (await crypto.subtle.verify("HMAC", key, signature, body)) return;
  }
  const detail = "The signature is not that of BACKBLAZE_EVENTS_SECRET over this body";
  throw new Problem(401, "signature_wrong", `${detail}: set it to the signing secret of the rule`);
}

/**
 * The secret BACKBLAZE_EVENTS_SECRET: one, or several with commas between them, as while a rule gets another.
 *
 * @throws {Problem} 503
 */
export function b2Secrets(env: Readonly<Record<string, unknown>>): readonly string[] {
  const { BACKBLAZE_EVENTS_SECRET: value } = env;
  if (value === undefined || value === "") return [];
  const secrets = String(value)
    .split(",")
    .map((secret) => secret.trim());
  if (secrets.every((secret) => /^[\x21-\x7e]{16,}$/.test(secret))) return secrets;
  const rule = "must be signing secrets of B2, of 16 characters or more, with commas between them";
  throw new Problem(503, "misconfigured", `The secret BACKBLAZE_EVENTS_SECRET ${rule}`);
}

function bytesOf(text: string, decode: (text: string) => string): Uint8Array<ArrayBuffer> {
  try {
    return Uint8Array.from(decode(text), (character) => character.charCodeAt(0));
  } catch {
    return new Uint8Array();
  }
}
