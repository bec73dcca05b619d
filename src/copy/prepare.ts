// The first step of a copy: what the source is, what the destination takes, how the object is cut, and how
// the copy will be proved. All of it is decided here, before anything is created at the destination.
//
// What it needs: both stores. It only reads. A copy that cannot work is refused here, and the error names the
// limit.

import { layoutOf } from "./layout.ts";
import type { Prepared, Via } from "./phase.ts";
import { type Plan, type PlanLimits, asUpload, keepBoundaries, planAsSource, planCopy } from "./plan.ts";
import type { CopySpec } from "./spec.ts";
import type { FailureCode } from "../http/codes.ts";
import { MIB } from "../http/fields.ts";
import { attributeHeaders, COPY_ID_HEADER } from "../object/attributes.ts";
import { hasLock } from "../object/lock.ts";
import { copyMark } from "../object/mark.ts";
import { fullObjectChecksums } from "../object/checksum.ts";
import { archiveOf } from "../object/archive.ts";
import { type ProofPlan, canProve, guessPartBytes, planProof } from "../object/proof.ts";
import { partCountOf } from "../s3/digest.ts";
import { failedAt, S3Error } from "../s3/errors.ts";
import { type Failure, meshFailure } from "../s3/failure.ts";
import { shownPart } from "../s3/object_parts.ts";
import { headObject, objectExists, servesRanges } from "../s3/read.ts";
import type { S3 } from "../s3/request.ts";
import { saysNo } from "../s3/retry.ts";
import { isEncryptedWithKey } from "../s3/encryption.ts";
import { getObjectTagging } from "../s3/s3.ts";
import { utf8Bytes } from "../s3/url.ts";
import { etagOf, sizeOf } from "../s3/value.ts";
import { timeOfTag } from "../s3/web.ts";
import type { Profile } from "../store/profiles.ts";
import { canCopyInside } from "../store/stores.ts";
import { type LockToSend, lockToSend, locksInside } from "../work/object_lock.ts";

type Preparation =
  | { readonly kind: "ready"; readonly object: Prepared; readonly warnings: readonly string[] }
  | { readonly kind: "conflict"; readonly failure: Failure }
  | { readonly kind: "refused"; readonly failure: Failure };

interface PrepareRequest {
  readonly spec: CopySpec;
  readonly source: S3;
  readonly destination: S3;
  readonly via: "auto" | "stream";
  /** The largest part that passes through the mesh. */
  readonly limits: PlanLimits;
  readonly copyId: string;
  readonly restarts: number;
}

/**
 * Part size of a copy inside a service. The mesh's body limit does not apply there, and requests cost more
 * than bytes.
 */
const SERVER_PART_BYTES = 512 * MIB;

/** @throws {S3Error} of the source @throws {FailureError} of the destination */
export async function prepare(request: PrepareRequest): Promise<Preparation> {
  const { spec, source, destination } = request;
  const { headers, acceptEncoding } = await headObject(source, spec.source);
  const etag = etagOf(headers);
  const sizeBytes = sizeOf(headers);
  if (etag === null || sizeBytes === null) {
    return refused(
      "source_without_etag",
      "The source answered HEAD without ETag or Content-Length",
      "HeadObject",
    );
  }
  const exists =
    spec.ifExists !== "overwrite" &&
    (await objectExists(destination, spec.destination).catch(failedAt("destination")));
  if (exists) {
    const failure = meshFailure(
      "destination_exists",
      "The destination already has an object with this key",
      "HeadObject",
    );
    return { kind: "conflict", failure };
  }
  // What is at the destination already needs no restore.
  const archived = archiveOf(headers, source.store.provider);
  if (archived !== null) return refused("source_archived", archived, "HeadObject");
  const layout =
    spec.partSizeBytes === "source" ? await layoutOf(source, spec.source, { etag, sizeBytes }) : null;
  if (layout?.kind === "unknown") {
    const message = `The source does not tell the parts that it was uploaded in: ${layout.why}; leave "partSize" out`;
    return refused("part_layout_unknown", message, "HeadObject");
  }
  const found: Found = { headers, etag, sizeBytes, layout };
  const lock = await lockToSend(destination, spec.destination.bucket, headers).catch(failedAt("destination"));
  const keepsLock = !hasLock(lock.headers) || locksInside(destination.store);
  const mayServe = request.via === "auto" && spec.via === "auto" && keepsLock;
  const inside = mayServe && canCopyInside(source.store, destination.store);
  const served = inside ? await cut(request, "server", found) : null;
  const isAble = served !== null && served.ok && canServe(destination.store.profile, served.plan);
  // A strict copy that the service could not prove is streamed, where the mesh sees the bytes.
  const useServer = isAble && (spec.verify !== "strict" || canProve(served.proof));
  const chosen = useServer ? served : await cutAsServed(request, found);
  if (!chosen.ok) return { kind: "refused", failure: chosen.failure };
  const { plan, proof } = chosen;
  if (spec.verify === "strict" && !canProve(proof)) {
    return refused(
      "proof_impossible",
      "These two stores allow no proof beyond the length, and verify is strict",
      "plan",
    );
  }
  const via = useServer ? "server" : "stream";
  return await describe(request, { etag, lock, acceptEncoding, plan, proof, via });
}

/**
 * Does the service support the operation that would copy the object? Otherwise the request would be wasted.
 */
function canServe({ copyObject, uploadPartCopy }: Profile, plan: Plan): boolean {
  return plan.kind === "whole" ? copyObject : uploadPartCopy;
}

interface Found {
  readonly headers: Headers;
  readonly etag: string;
  readonly sizeBytes: number;
  /** Wanted by the request: the parts that the source was uploaded in, null if in one request. */
  readonly layout: { readonly lengths: readonly number[] | null } | null;
}

type Cut = { ok: true; plan: Plan; proof: ProofPlan } | { ok: false; failure: Failure };

/** The plan and its proof for one way of copying. */
async function cut(request: PrepareRequest, via: Via, found: Found): Promise<Cut> {
  const { spec, source, destination, limits } = request;
  const { headers, etag, sizeBytes } = found;
  const { profile, encryption } = destination.store;
  if (sizeBytes > profile.maxObjectBytes) {
    const message = `The object has ${sizeBytes} bytes; the destination (${destination.store.provider}) allows objects of at most ${profile.maxObjectBytes} bytes`;
    return { ok: false, failure: meshFailure("object_too_large", message, "plan") };
  }
  const maxPartBytes =
    via === "server" ? profile.maxPartBytes : Math.min(limits.maxPartBytes, profile.maxPartBytes);
  const { minPartBytes, maxParts, maxPutBytes, equalParts } = profile;
  const planLimits = { maxPartBytes, minPartBytes, maxParts };
  const planned =
    found.layout === null
      ? await chooseParts({ source, spec, profile }, via, found, planLimits)
      : {
          how: "kept" as const,
          ...planAsSource(sizeBytes, found.layout.lengths, {
            ...planLimits,
            equalParts,
            maxWholeBytes: via === "server" ? maxPutBytes : Math.min(maxPutBytes, maxPartBytes),
          }),
        };
  if (!planned.ok)
    return { ok: false, failure: meshFailure(planned.refusal.code, planned.refusal.message, "plan") };
  const proof = planProof({
    verify: spec.verify,
    via,
    kind: planned.plan.kind,
    boundaries: planned.how,
    source: {
      etag,
      profile: source.store.profile,
      encryptedWithKey: isEncryptedWithKey(headers),
      checksums: fullObjectChecksums(headers),
    },
    destination: { profile, encryptedWithKey: encryption !== undefined && encryption.kind !== "AES256" },
  });
  return { ok: true, plan: planned.plan, proof };
}

/** For streaming. A web server that ignores ranges sends an object as one, and one request must take it. */
async function cutAsServed(request: PrepareRequest, found: Found): Promise<Cut> {
  const { source, spec } = request;
  const streamed = await cut(request, "stream", found);
  if (!streamed.ok || streamed.plan.kind === "whole" || source.store.web === undefined) return streamed;
  if (await servesRanges(source, spec.source)) return streamed;
  const whole = await cut(request, "stream", { ...found, layout: { lengths: null } });
  if (whole.ok) return whole;
  const message =
    `The server ignores ranges, so the ${found.sizeBytes} bytes of the object must come in one request and go in one, ` +
    "which is more than one takes: raise MAX_PART_MIB if that allows less than the destination, or bring the file into a bucket first";
  return { ok: false, failure: meshFailure("source_without_ranges", message, "GetObject") };
}

/** Parts of the size that the request names, of the source's own, or of one chosen here. */
async function chooseParts(
  { source, spec, profile }: { source: S3; spec: CopySpec; profile: Profile },
  via: Via,
  found: Found,
  limits: Required<PlanLimits>,
): Promise<ReturnType<typeof planCopy> & { how: "kept" | "guessed" | "chosen" }> {
  const { sizeBytes } = found;
  const asked = spec.partSizeBytes === "source" ? null : spec.partSizeBytes;
  const own = spec.verify === "off" ? null : await findBoundaries(source, spec, asked, found);
  // A part size in the request is used. It serves as well as the source's own if it is the same.
  const boundaries = asked === null || own?.partSizeBytes === asked ? own : null;
  const kept = boundaries === null ? null : keepBoundaries(sizeBytes, boundaries, limits);
  if (kept !== null && boundaries !== null) return { ok: true, plan: kept, how: boundaries.how };
  const { maxParts, maxPartBytes } = limits;
  const { maxPutBytes } = profile;
  const requested =
    asked ?? (via === "server" ? serverPartBytes(sizeBytes, maxParts, maxPartBytes, maxPutBytes) : null);
  const planned = planCopy(sizeBytes, requested, limits);
  const inOnePart = via === "stream" && needsUpload(spec, profile);
  return {
    ...(planned.ok && inOnePart ? { ok: true, plan: asUpload(planned.plan) } : planned),
    how: "chosen",
  };
}

/** Only by an upload can the destination be told to keep what is there: it has no condition on PutObject. */
function needsUpload({ ifExists }: CopySpec, { conditionalPut, conditionalComplete }: Profile): boolean {
  return ifExists !== "overwrite" && !conditionalPut && conditionalComplete;
}

/** An object that fits one CopyObject is copied whole, a larger one in large parts. */
function serverPartBytes(sizeBytes: number, maxParts: number, ceiling: number, maxPutBytes: number): number {
  if (sizeBytes <= Math.min(maxPutBytes, ceiling)) return Math.min(maxPutBytes, ceiling);
  const leastBytes = Math.ceil(sizeBytes / maxParts / MIB) * MIB;
  return Math.min(ceiling, Math.max(SERVER_PART_BYTES, leastBytes));
}

/** The source's own part size, as HEAD reports it, or as the part count in its ETag suggests. */
async function findBoundaries(
  source: S3,
  spec: CopySpec,
  preferredBytes: number | null,
  { headers, etag, sizeBytes }: Found,
): Promise<{ partSizeBytes: number; partCount: number; how: "kept" | "guessed" } | null> {
  const partCount = partCountOf(etag);
  if (partCount === null || sizeBytes === 0 || isEncryptedWithKey(headers)) return null;
  const first = await partBytes(source, spec, { partNumber: 1, partCount, sizeBytes });
  if (first !== null) {
    if (Math.ceil(sizeBytes / first) !== partCount) return null; // parts of unequal size
    // The last part and one in the middle expose most uploads of unequal parts. What they miss, the ETag of
    // the finished object shows.
    for (const partNumber of new Set([partCount, Math.ceil(partCount / 2)])) {
      const expected = partNumber === partCount ? sizeBytes - (partCount - 1) * first : first;
      const reported =
        partNumber === 1 ? first : await partBytes(source, spec, { partNumber, partCount, sizeBytes });
      if (reported !== expected) return null;
    }
    return { partSizeBytes: first, partCount, how: "kept" };
  }
  const guess = guessPartBytes(sizeBytes, partCount, preferredBytes);
  return guess === null ? null : { partSizeBytes: guess, partCount, how: "guessed" };
}

/** The size of one part. It counts only with the right number of parts. */
async function partBytes(
  source: S3,
  spec: CopySpec,
  { partNumber, partCount, sizeBytes }: { partNumber: number; partCount: number; sizeBytes: number },
): Promise<number | null> {
  const part = await shownPart(source, spec.source, partNumber, { sizeBytes });
  return part?.partCount === partCount ? part.lengthBytes : null;
}

async function describe(
  { spec, source, destination, copyId, restarts }: PrepareRequest,
  found: {
    etag: string;
    lock: LockToSend;
    acceptEncoding: string | null;
    plan: Plan;
    proof: ProofPlan;
    via: Via;
  },
): Promise<Preparation> {
  const { etag, lock, acceptEncoding, plan, proof, via } = found;
  const { profile, encryption } = destination.store;
  const warnings: string[] = [];
  const tags = await readTags(source, spec);
  if (typeof tags === "string") warnings.push(tags);
  const request = {
    source: lock.source,
    tags: typeof tags === "string" ? ("none" as const) : tags,
    metadata: spec.metadata,
    changes: spec.attributes,
    storageClass: spec.storageClass,
    profile,
    encryption,
  };
  let attributes = attributeHeaders({
    ...request,
    copyId: spec.markCopy ? copyMark(copyId, etag, spec.destination, spec.source.versionId) : null,
  });
  if (attributes.metadataBytes > profile.maxMetadataBytes && spec.markCopy) {
    attributes = attributeHeaders({ ...request, copyId: null });
    warnings.push("The metadata is full: the destination object carries no copy ID");
  }
  if (attributes.metadataBytes > profile.maxMetadataBytes) {
    const message = `The metadata has ${attributes.metadataBytes} bytes; the destination allows ${profile.maxMetadataBytes}`;
    return refused("metadata_too_large", message, "plan");
  }
  const keyBytes = utf8Bytes(spec.destination.key);
  if (keyBytes > profile.maxKeyBytes) {
    return refused(
      "key_too_long",
      `The key has ${keyBytes} bytes; the destination allows ${profile.maxKeyBytes}`,
      "plan",
    );
  }
  warnings.push(...attributes.losses);
  if (spec.ifLossy === "fail" && warnings.length > 0)
    return refused("attribute_lost", warnings.join("; "), "plan");
  const object: Prepared = {
    sourceEtag: etag,
    ...(acceptEncoding === null ? {} : { acceptEncoding }),
    plan,
    via,
    copyId: attributes.headers[COPY_ID_HEADER] ?? null,
    headers: { ...attributes.headers, ...lock.headers },
    proof,
    timesRedone: 0,
    timesRefused: 0,
    restarts,
    ifExists: spec.ifExists,
    ifSourceChanges: spec.ifSourceChanges,
    onlyIfAbsent: spec.ifExists !== "overwrite" && profile.conditionalPut,
  };
  return { kind: "ready", object, warnings };
}

/** The source's tags or the request's, or why they are not copied. */
async function readTags(
  source: S3,
  { tags, source: address }: CopySpec,
): Promise<[string, string][] | string> {
  if (tags === "none") return [];
  if (typeof tags === "object") return Object.entries(tags);
  if (!source.store.profile.tags) return [];
  try {
    return await getObjectTagging(source, address);
  } catch (error) {
    if (!(error instanceof S3Error)) throw error;
    const failure = error.toFailure("source");
    // No permission, or the store has no tags. Any other refusal is treated alike: the object itself was
    // readable.
    if (tags === "require" || !saysNo(failure)) throw error;
    return `The source's tags could not be read and are not copied (${failure.code})`;
  }
}

function refused(code: FailureCode, message: string, operation: string): Preparation {
  return { kind: "refused", failure: meshFailure(code, message, operation) };
}

/** A plan in one line for the timeline. */
export function describePlan({ plan, via, proof, sourceEtag }: Prepared): string {
  const upTo = plan.kind === "parts" && plan.runs !== undefined ? "up to " : "";
  const parts =
    plan.kind === "whole" ? "whole" : `${plan.partCount} parts of ${upTo}${plan.partSizeBytes} bytes`;
  const watched = proof.digests.length === 0 ? "" : `, watched by ${proof.digests.join(" and ")}`;
  const pinned = timeOfTag(sourceEtag) === null ? "" : ", pinned by Last-Modified";
  return `${plan.sizeBytes} bytes, ${parts}, ${via === "server" ? "copied server-side" : "streamed"}${watched}${pinned}`;
}
