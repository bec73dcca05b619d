// The question of a check that concerns only a store which is set to encrypt: does it? Asked as a copy would.

import type { Findings } from "./findings.ts";
import { encryptionHeaders } from "../object/attributes.ts";
import { confirmsEncryption } from "../s3/encryption.ts";
import { headObject } from "../s3/read.ts";
import { CALL_LIMIT_MS, type ObjectAddress, type S3 } from "../s3/request.ts";
import { putObject } from "../s3/s3.ts";

/** Puts an object and looks at it; without an encryption in the configuration nothing is asked. */
export async function askEncryption(s3: S3, address: ObjectAddress, findings: Findings): Promise<void> {
  const { encryption } = s3.store;
  if (encryption === undefined) return;
  await findings.attempt("encryption", async () => {
    const { isEncrypted } = await putObject(s3, address, {
      body: new Uint8Array(1),
      headers: encryptionHeaders(encryption),
      signal: AbortSignal.timeout(CALL_LIMIT_MS),
    });
    const isShown =
      isEncrypted || (await confirmsEncryption(encryption, (await headObject(s3, address)).headers));
    return isShown
      ? ["yes", `${encryption.kind}, as the store confirms`]
      : ["ignored", `${encryption.kind} was accepted and is not confirmed: every copy to this store fails`];
  });
}
