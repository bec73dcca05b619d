// Encryption at rest, as requests ask for it and as answers confirm it.
//
// Invariant: an encryption counts as applied only if an answer says so. A store that knows no SSE-C ignores
// the headers and keeps the bytes in the clear. S3 repeats them in its answers to PutObject,
// CreateMultipartUpload, CopyObject and HeadObject
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/ServerSideEncryptionCustomerKeys.html, 2026-11).

import { base64OfHex, md5Hex } from "./digest.ts";
import { keepSecrets } from "../store/secrets.ts";
import type { Encryption } from "../store/stores.ts";

const SSE = "x-amz-server-side-encryption";

const CUSTOMER = `${SSE}-customer`;

/** A customer's key (SSE-C) is sent with every request that touches the object's bytes. */
export async function customerKeyHeaders(
  encryption: Encryption | undefined,
  prefix = CUSTOMER,
): Promise<Record<string, string>> {
  if (encryption?.kind !== "customer") return {};
  return {
    [`${prefix}-algorithm`]: "AES256",
    [`${prefix}-key`]: encryption.key,
    [`${prefix}-key-md5`]: await keyMd5(encryption.key),
  };
}

/**
 * Do the headers of an answer confirm the encryption that a store is configured to use? Without one there is
 * nothing to confirm. A store may encrypt with a key although AES256 was asked for.
 */
export async function confirmsEncryption(
  encryption: Encryption | undefined,
  headers: Headers,
): Promise<boolean> {
  switch (encryption?.kind) {
    case undefined:
      return true;
    case "customer": {
      const md5 = headers.get(`${CUSTOMER}-key-md5`);
      const isOurKey = md5 === null || md5 === (await keyMd5(encryption.key));
      return headers.get(`${CUSTOMER}-algorithm`) === "AES256" && isOurKey;
    }
    case "AES256":
      return /^(AES256|aws:kms(:dsse)?)$/.test(headers.get(SSE) ?? "");
    case "aws:kms":
      return /^aws:kms(:dsse)?$/.test(headers.get(SSE) ?? "");
  }
}

/**
 * Whether an answer's headers say KMS or a customer's key, so that an ETag that looks like an MD5 is not one.
 */
export function isEncryptedWithKey(headers: Headers): boolean {
  const kind = headers.get(SSE) ?? "AES256";
  return kind !== "AES256" || headers.has(`${CUSTOMER}-algorithm`);
}

async function keyMd5(key: string): Promise<string> {
  const digest = base64OfHex(
    await md5Hex(Uint8Array.from(atob(key), (character) => character.charCodeAt(0))),
  );
  keepSecrets([digest]);
  return digest;
}
