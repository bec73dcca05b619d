// How a copy knows that the destination equals the source: which proof the two stores allow, what to compute
// for it while the bytes pass, and what the answers prove in the end. Pure.
//
// An ETag can prove that two objects are equal, never that they differ: it is an MD5 only by S3's rule, which
// encryption with a key and many stores do not follow. So a proof is claimed only if both sides' values are
// known to be what they seem. A mismatch is claimed only if two values of one kind, computed from the same
// bytes, differ.

import type { Proof } from "../http/vocabulary.ts";
import { bareEtag, isMd5Etag, isWholeMd5Etag, partCountOf } from "../s3/digest.ts";
import type { ChecksumAlgorithm, Profile } from "../store/profiles.ts";

export type Digest = "md5" | ChecksumAlgorithm;

/** What is done for the proof of one copy. Decided before the upload and kept with it. */
export interface ProofPlan {
  /**
   * Whether the source's part boundaries are kept, so that the ETags can be equal. `guessed`: computed, not
   * proven.
   */
  readonly etag: "kept" | "guessed" | "not-comparable";
  /** Content-MD5 of the one PutObject, in hex. Null: none is sent. */
  readonly contentMd5: string | null;
  /** Computed for each part while it streams. */
  readonly digests: readonly Digest[];
  /** The source's own full-object checksum. */
  readonly sourceChecksum: Checksum | null;
  /** The checksums of the whole object that the destination will report. */
  readonly destinationChecksums: readonly ChecksumAlgorithm[];
}

export interface Checksum {
  readonly algorithm: ChecksumAlgorithm;
  readonly hex: string;
}

/** One side of a copy, as far as its ETag and checksums matter. */
interface SideOfProof {
  readonly profile: Profile;
  /** With KMS or customer keys an ETag is not an MD5, even if it looks like one. */
  readonly encryptedWithKey: boolean;
}

export interface ProofQuestion {
  readonly verify: "auto" | "strict" | "off";
  readonly via: "stream" | "server";
  readonly source: SideOfProof & { readonly etag: string; readonly checksums: readonly Checksum[] };
  readonly destination: SideOfProof;
  readonly kind: "whole" | "parts";
  readonly boundaries: "kept" | "guessed" | "chosen";
}

const NOTHING: ProofPlan = {
  etag: "not-comparable",
  contentMd5: null,
  digests: [],
  sourceChecksum: null,
  destinationChecksums: [],
};

/**
 * The cheapest proof that links the source's own value to the destination's, given what the stores report.
 */
export function planProof(question: ProofQuestion): ProofPlan {
  const { verify, via, source, destination, kind, boundaries } = question;
  if (verify === "off") return NOTHING;
  const destinationChecksums = destination.profile.checksums;
  const sourceChecksum =
    source.checksums.find(({ algorithm }) => destinationChecksums.includes(algorithm)) ??
    source.checksums[0] ??
    null;
  const base = { ...NOTHING, destinationChecksums, sourceChecksum };
  const { profile } = destination;
  const destinationMd5 =
    profile.md5Etag && (kind === "whole" || profile.md5PartEtag) && !destination.encryptedWithKey;
  const etag = etagPlan(question);
  // The destination compares the MD5 itself, before it encrypts. So this works even where ETags are not MD5s.
  const sourceMd5 = source.profile.md5Etag && !source.encryptedWithKey && isWholeMd5Etag(source.etag);
  if (kind === "whole" && sourceMd5 && via === "stream" && profile.contentMd5) {
    return { ...base, etag, contentMd5: bareEtag(source.etag) };
  }
  if (etag === "kept") return { ...base, etag };
  const told = sourceChecksum !== null && destinationChecksums.includes(sourceChecksum.algorithm);
  if (told || via === "server") return { ...base, etag };
  const digests: Digest[] = [];
  // The source's checksum covers the way to us and the part ETags cover the way from us: together, the whole
  // way.
  if (sourceChecksum !== null) digests.push(sourceChecksum.algorithm);
  const [destinationChecksum] = destinationChecksums;
  if (destinationMd5) digests.push("md5");
  else if (sourceChecksum === null && destinationChecksum !== undefined) digests.push(destinationChecksum);
  return { ...base, etag: boundaries === "guessed" ? etag : "not-comparable", digests };
}

/** Whether a plan can end with a proof better than `length`. If not, `strict` refuses to start. */
export function canProve({
  etag,
  contentMd5,
  digests,
  sourceChecksum,
  destinationChecksums,
}: ProofPlan): boolean {
  if (etag !== "not-comparable" || contentMd5 !== null || digests.includes("md5")) return true;
  const known = [...digests, ...(sourceChecksum === null ? [] : [sourceChecksum.algorithm])];
  return known.some((digest) => digest !== "md5" && destinationChecksums.includes(digest));
}

export interface Evidence {
  readonly plan: ProofPlan;
  readonly sourceEtag: string;
  readonly destinationEtag: string;
  /** From the finished object's HEAD. */
  readonly destinationEncryptedWithKey: boolean;
  readonly destinationChecksums: readonly Checksum[];
  /** Computed by us, combined from the parts. */
  readonly ourChecksum: Checksum | null;
  /** Every part was compared with its ETag, and all were equal. */
  readonly partsMatch: boolean;
}

type ProofResult =
  { readonly ok: true; readonly proof: Proof } | { readonly ok: false; readonly message: string };

/** What all the evidence proves: the strongest claim that holds, or that the objects differ. */
export function concludeProof(evidence: Evidence): ProofResult {
  const { plan, sourceEtag, destinationEtag, ourChecksum, partsMatch } = evidence;
  for (const theirs of evidence.destinationChecksums) {
    const known = [plan.sourceChecksum, ourChecksum].find(
      (checksum) => checksum?.algorithm === theirs.algorithm,
    );
    if (known !== undefined && known !== null && known.hex !== theirs.hex) {
      const { algorithm, hex } = known;
      return {
        ok: false,
        message: `${algorithm} is ${hex} at the source and ${theirs.hex} at the destination`,
      };
    }
  }
  const equalEtags = bareEtag(sourceEtag).toLowerCase() === bareEtag(destinationEtag).toLowerCase();
  const comparable = plan.etag !== "not-comparable" && !evidence.destinationEncryptedWithKey;
  if (comparable && equalEtags && isMd5Etag(sourceEtag)) return { ok: true, proof: "etag" };
  if (plan.contentMd5 !== null) return { ok: true, proof: "content-md5" };
  const checked = evidence.destinationChecksums.some(({ algorithm }) =>
    [plan.sourceChecksum, ourChecksum].some((checksum) => checksum?.algorithm === algorithm),
  );
  if (checked) return { ok: true, proof: "checksum" };
  return { ok: true, proof: partsMatch ? "part-md5" : "length" };
}

/** Part sizes in bytes that common tools use, in the order in which they are tried. */
const HABITUAL_PART_BYTES: readonly number[] = [
  ...[8, 5, 16, 64, 100, 10, 15, 20, 25, 32, 50, 128, 250, 256, 500, 512, 1024].map((mib) => mib * 2 ** 20),
  ...[5, 8, 10, 16, 20, 25, 50, 64, 100, 128, 250, 500].map((mb) => mb * 1e6),
];

/**
 * The part size that a multipart object of `partCount` parts probably has, or null. Only the finished
 * object's ETag can prove it.
 *
 * @param preferredBytes tried first: the size named by a better source
 */
export function guessPartBytes(
  sizeBytes: number,
  partCount: number,
  preferredBytes: number | null = null,
): number | null {
  const byRclone = Math.ceil(sizeBytes / 10_000 / 2 ** 20) * 2 ** 20;
  const fits = (partBytes: number) => Math.ceil(sizeBytes / partBytes) === partCount;
  if (preferredBytes !== null && fits(preferredBytes)) return preferredBytes;
  const sizes = [...HABITUAL_PART_BYTES, byRclone].filter(fits);
  // Among several that fit, one that leaves no remainder is unlikely to be a coincidence.
  return sizes.find((partBytes) => sizeBytes % partBytes === 0) ?? sizes[0] ?? null;
}

function etagPlan({ source, destination, kind, boundaries }: ProofQuestion): ProofPlan["etag"] {
  if (source.encryptedWithKey || destination.encryptedWithKey || !isMd5Etag(source.etag))
    return "not-comparable";
  const rule = kind === "whole" ? "md5Etag" : "md5MultipartEtag";
  if (!source.profile[rule] || !destination.profile[rule]) return "not-comparable";
  if (kind === "whole") return partCountOf(source.etag) === null ? "kept" : "not-comparable";
  return boundaries === "chosen" ? "not-comparable" : boundaries;
}
