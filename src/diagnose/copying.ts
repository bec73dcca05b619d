// The questions of a check that tell what a copy inside the store costs: can it copy by itself, does it heed
// the condition on the source, and does it keep the attributes if nobody sends them?

import { type Findings } from "./findings.ts";
import { S3Error } from "../s3/errors.ts";
import { changeSince, headObject } from "../s3/read.ts";
import { CALL_LIMIT_MS, type ObjectAddress, type S3 } from "../s3/request.ts";
import { copyObject, createMultipartUpload, getObjectTagging, putObject, uploadPartCopy } from "../s3/s3.ts";
import { etagOf } from "../s3/value.ts";
import { withFacts } from "../store/facts.ts";

/** Of no object that a check writes. */
const WRONG_ETAG = '"00000000000000000000000000000000"';

/** What an object can have without a request of its own. */
export const ATTRIBUTES: Readonly<Record<string, string>> = {
  "content-type": "text/x-check",
  "content-encoding": "x-check",
  "content-disposition": 'attachment; filename="a b"',
  "content-language": "de",
  "cache-control": "max-age=61",
  expires: "Wed, 21 Oct 2037 07:28:00 GMT",
  "x-amz-meta-note": "a b",
};

/** @param source an object of the check's own */
export async function askCopy(
  s3: S3,
  source: ObjectAddress,
  { prefix, findings }: { readonly prefix: string; readonly findings: Findings },
): Promise<void> {
  const target = (name: string) => ({ bucket: source.bucket, key: `${prefix}${name}` });
  // Sent as a copy would send it: without tags a store refuses the whole copy if tags are mentioned.
  const sender = () => ({ ...s3, store: withFacts(s3.store, findings.facts) });
  const copies = await findings.attempt(
    "server-side copy",
    async () => {
      await copy(sender(), source, target("copy"), { directive: "REPLACE" });
      findings.facts.copyObject = true;
      return ["yes", "CopyObject"];
    },
    "copyObject",
  );
  if (!copies) return;
  await findings.attempt("condition on a copy", async () => {
    const heeds = await isHeeded(async () => {
      await copy(sender(), source, target("copy"), { directive: "REPLACE", etag: WRONG_ETAG });
    });
    findings.facts.conditionalCopy = heeds;
    return heeds
      ? ["yes", "a source that is another by now is not copied"]
      : ["ignored", "x-amz-copy-source-if-match is ignored: the source is asked again after each copy"];
  });
  await findings.attempt("attributes of a copy", async () => {
    const lost = await lostByKeeping(sender(), { from: target("attributes"), to: target("kept") });
    findings.facts.copyKeeps = lost.length === 0;
    return lost.length === 0
      ? ["yes", "kept, so that an object costs one request"]
      : ["no", `a copy loses ${lost.join(", ")}: all are read first and sent again`];
  });
}

/**
 * @param source an object in parts, the first of `firstBytes`
 * @param uploads where the upload is entered that somebody must abort
 */
export async function askPartCopy(
  s3: S3,
  source: ObjectAddress,
  {
    target,
    firstBytes,
    findings,
    uploads,
  }: {
    readonly target: ObjectAddress;
    readonly firstBytes: number;
    readonly findings: Findings;
    readonly uploads: { readonly key: string; readonly uploadId: string }[];
  },
): Promise<void> {
  await findings.attempt(
    "server-side part copy",
    async () => {
      const { headers } = await headObject(s3, source);
      const { uploadId } = await createMultipartUpload(s3, target, {});
      uploads.push({ key: target.key, uploadId });
      const etag = headers.get("etag") ?? "";
      const copyPart = async (pinned: string) =>
        await uploadPartCopy(s3, target, {
          source: { address: source, etag: pinned, encryption: s3.store.encryption },
          uploadId,
          partNumber: 1,
          range: { offset: 0, length: firstBytes },
          signal: AbortSignal.timeout(CALL_LIMIT_MS),
        });
      await copyPart(etag).catch(async (error: unknown) => {
        // OpenStack Swift refuses the right ETag of an object in parts, so it cannot do this.
        const isFalse412 = error instanceof S3Error && error.status === 412;
        if (isFalse412 && (await changeSince(s3, source, etag)) === null)
          findings.facts.uploadPartCopy = false;
        throw error;
      });
      findings.facts.uploadPartCopy = true;
      const heeds = await isHeeded(async () => void (await copyPart(WRONG_ETAG)));
      if (!heeds) findings.facts.conditionalCopy = false;
      return ["yes", heeds ? "UploadPartCopy" : "UploadPartCopy, which ignores the condition on its source"];
    },
    "uploadPartCopy",
  );
}

async function copy(
  s3: S3,
  source: ObjectAddress,
  target: ObjectAddress,
  { directive, etag }: { readonly directive: "COPY" | "REPLACE"; readonly etag?: string },
): Promise<void> {
  const pinned = etag ?? etagOf((await headObject(s3, source)).headers) ?? "";
  const from = { address: source, etag: pinned, encryption: s3.store.encryption };
  const signal = AbortSignal.timeout(CALL_LIMIT_MS);
  await copyObject(s3, target, { source: from, headers: {}, directive, signal });
}

/** Is the wrong condition refused? @throws {S3Error} for any other refusal */
async function isHeeded(call: () => Promise<void>): Promise<boolean> {
  try {
    await call();
    return false;
  } catch (error) {
    if (error instanceof S3Error && error.status === 412) return true;
    throw error;
  }
}

/** The attributes that the source shows and its copy does not. */
async function lostByKeeping(
  s3: S3,
  { from, to }: { readonly from: ObjectAddress; readonly to: ObjectAddress },
): Promise<string[]> {
  const { tags } = s3.store.profile;
  const headers = { ...ATTRIBUTES, ...(tags ? { "x-amz-tagging": "a=b" } : {}) };
  const signal = AbortSignal.timeout(CALL_LIMIT_MS);
  await putObject(s3, from, { body: new Uint8Array(1), headers, signal });
  await copy(s3, from, to, { directive: "COPY" });
  const before = (await headObject(s3, from)).headers;
  const after = (await headObject(s3, to)).headers;
  const lost = Object.keys(ATTRIBUTES).filter((name) => before.get(name) !== after.get(name));
  if (!tags) return lost;
  const shown = async (address: ObjectAddress) => JSON.stringify(await getObjectTagging(s3, address));
  return (await shown(from)) === (await shown(to)) ? lost : [...lost, "tags"];
}
