// The question of a check that tells what a copy will cost: does the bucket take a write without a digest?

import type { Findings } from "./findings.ts";
import { demandsDigest } from "../s3/demands.ts";
import { S3Error } from "../s3/errors.ts";
import { CALL_LIMIT_MS, type ObjectAddress, type S3 } from "../s3/request.ts";
import { putObject } from "../s3/s3.ts";

/** Sends a stream, whose digest is unknown before it has passed. */
export async function askDigest(s3: S3, address: ObjectAddress, findings: Findings): Promise<void> {
  await findings.attempt("write without digest", async () => {
    const { readable, writable } = new FixedLengthStream(1);
    const writer = writable.getWriter();
    const writing = writer.write(new Uint8Array(1)).then(async () => await writer.close());
    writing.catch(() => undefined); // the request fails with the same cause
    try {
      const signal = AbortSignal.timeout(CALL_LIMIT_MS);
      await putObject(s3, address, { body: readable, headers: {}, signal });
      return ["yes", "bytes are streamed once"];
    } catch (error) {
      if (!(error instanceof S3Error) || !demandsDigest(s3, address)) throw error;
      return ["no", "as with Object Lock: parts whose MD5 is unknown are read twice from the source"];
    }
  });
}
