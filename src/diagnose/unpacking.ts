// The question of a check that tells whether the store unpacks an archive on PutObject (s3/tar.ts), with the
// attributes of each object: small objects of a sync go as archives then.

import { ATTRIBUTES } from "./copying.ts";
import { type Findings, isUnknown } from "./findings.ts";
import { S3Error } from "../s3/errors.ts";
import { bareEtag, md5Hex } from "../s3/digest.ts";
import { headObject } from "../s3/read.ts";
import { CALL_LIMIT_MS, type ObjectAddress, type S3 } from "../s3/request.ts";
import { saysNo } from "../s3/retry.ts";
import { putObject } from "../s3/s3.ts";
import { TAR_END, tarHeaders, tarPadding, UNPACK_HEADERS } from "../s3/tar.ts";
import { etagOf } from "../s3/value.ts";

/** One fits a header; the other is too long for it and not ASCII, so it needs a record. */
const NAMES = ["unpacked/short", `unpacked/${"é".repeat(60)} +`];

/** @param prefix of the check's own keys */
export async function askUnpacking(
  s3: S3,
  {
    bucket,
    prefix,
    findings,
  }: { readonly bucket: string; readonly prefix: string; readonly findings: Findings },
): Promise<void> {
  const archive = { bucket, key: `${prefix}archive.tar` };
  const keys = NAMES.map((name) => prefix + name);
  await findings.attempt("archives", async () => {
    const refusal = await put(s3, archive, keys);
    if (refusal === null || isUnknown(refusal)) findings.facts.unpacksTar = false;
    if (refusal !== null) return ["no", `an archive is refused: ${refusal.message}`];
    const shown = await Promise.all(keys.map(async (key) => await head(s3, { bucket, key })));
    if ((await head(s3, archive)) !== null)
      return ["no", "an archive is stored as it is: each object is sent by itself"];
    if (shown.includes(null)) return ["no", "an archive is accepted, and its objects do not appear"];
    const lost = new Set<string>();
    for (const [index, headers] of shown.entries()) {
      const md5 = await md5Hex(bytesAt(index));
      if (headers === null || bareEtag(etagOf(headers) ?? "").toLowerCase() !== md5) lost.add("ETag");
      for (const [name, value] of Object.entries(ATTRIBUTES))
        if (headers?.get(name) !== value) lost.add(name);
    }
    if (lost.size > 0) return ["no", `unpacked objects lose ${[...lost].join(", ")}: each is sent by itself`];
    findings.facts.unpacksTar = true;
    return ["yes", "unpacked on PutObject, with attributes: small objects of a sync go as archives"];
  });
}

/** @returns the refusal; null: it was taken */
async function put(s3: S3, archive: ObjectAddress, keys: readonly string[]): Promise<S3Error | null> {
  const entries = keys.flatMap((key, index) => {
    const bytes = bytesAt(index);
    const entry = { key, sizeBytes: bytes.length, headers: ATTRIBUTES, modifiedMs: Date.now() };
    return [tarHeaders(entry), bytes, tarPadding(bytes.length)];
  });
  const body = new Uint8Array(await new Blob([...entries, TAR_END]).arrayBuffer());
  const signal = AbortSignal.timeout(CALL_LIMIT_MS);
  try {
    await putObject(s3, archive, { body, headers: UNPACK_HEADERS, signal });
    return null;
  } catch (error) {
    if (error instanceof S3Error && saysNo(error.toFailure("destination"))) return error;
    throw error;
  }
}

function bytesAt(index: number): Uint8Array {
  return new TextEncoder().encode(`object ${index}`);
}

async function head(s3: S3, address: ObjectAddress): Promise<Headers | null> {
  try {
    return (await headObject(s3, address)).headers;
  } catch (error) {
    if (error instanceof S3Error && error.status === 404) return null;
    throw error;
  }
}
