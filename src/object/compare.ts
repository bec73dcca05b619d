// Decides whether the destination's object is the same as the source's. For each key, the two listings decide
// first. If they do not suffice, one HEAD of each side does. Pure.
//
// The rules:
// - Objects of different sizes differ. Two that are listed as empty under one ETag are equal.
// - A listing's size is a hint: a gateway that encrypts lists the stored size and serves another. So where
//   the sizes listed differ, HEAD decides, unless the sizes listed are all that the request compares.
// - An ETag can prove equality, never difference: it is an MD5 of the content only by S3's rule, which
//   encryption with a key, other part boundaries and many stores do not follow. So equal ETags of MD5 form,
//   on stores that follow the rule, prove equality. Any other ETags prove nothing.
// - The mark: a copy writes the source's ETag into the destination's metadata (mark.ts). While source ETag
//   and size match the mark, the content is what was copied, whatever the destination's own ETag is. So a
//   second run copies nothing. Only a mark that was written at the object's own place counts: one that has
//   come along names an earlier source.
// - Full-object checksums of one algorithm decide both ways.
// - An object that nothing proves equal is copied: a needless copy costs money, a missing one costs data.
//
// Invariant: "equal" always names its proof, "different" its reason.

import type {
  ComparisonProof,
  CompareMode,
  CopyReason,
  Difference,
  Doubt,
  EqualityProof,
} from "../http/vocabulary.ts";
import type { Checksum } from "./proof.ts";
import { bareEtag, isMd5Etag, partCountOf } from "../s3/digest.ts";
import type { ListedObject } from "../s3/listing_xml.ts";
import type { Profile } from "../store/profiles.ts";

/** `unproved`: nothing proves that they are equal. */
type DifferenceReason = Exclude<CopyReason, "changed">;

type Comparison =
  | { readonly kind: "equal"; readonly proof: EqualityProof }
  | { readonly kind: "different"; readonly reason: DifferenceReason }
  /** HEAD both sides and call compareHeads(). */
  | { readonly kind: "undecided" };

/** Whether each store's ETags follow S3's rule. */
interface Stores {
  readonly source: Pick<Profile, "md5Etag" | "md5MultipartEtag">;
  readonly destination: Pick<Profile, "md5Etag" | "md5MultipartEtag">;
}

/** Decides by the listings, as far as they suffice. */
export function compareListed(
  mode: CompareMode,
  stores: Stores,
  source: ListedObject,
  destination: ListedObject | null,
): Comparison {
  if (destination === null) return { kind: "different", reason: "absent" };
  const trustsSizes = mode === "size" || mode === "size+mtime";
  if (source.sizeBytes !== destination.sizeBytes)
    return trustsSizes ? { kind: "different", reason: "size" } : { kind: "undecided" };
  // Under other ETags one of them may not be empty, and to copy it costs no bytes.
  if (source.sizeBytes === 0 && (trustsSizes || isSameEtag(source.etag, destination.etag)))
    return { kind: "equal", proof: "size" };
  switch (mode) {
    case "size":
      return { kind: "equal", proof: "size" };
    case "size+mtime":
      // S3 lets no client set a modification time: the destination's is the time it was written.
      return source.lastModifiedMs !== null &&
        destination.lastModifiedMs !== null &&
        destination.lastModifiedMs >= source.lastModifiedMs
        ? { kind: "equal", proof: "size+mtime" }
        : { kind: "different", reason: "mtime" };
    case "auto":
    case "etag":
      return isEqualByEtag(stores, source.etag, destination.etag)
        ? { kind: "equal", proof: "etag" }
        : { kind: "undecided" };
    case "checksum":
      // whether an ETag is an MD5 depends on the encryption, which only HEAD reports
      return { kind: "undecided" };
  }
}

/** One side, from its HEAD. */
export interface ObjectHead {
  readonly etag: string | null;
  readonly sizeBytes: number;
  /** Encrypted with KMS or a customer's key: the ETag is not an MD5. */
  readonly isEncryptedWithKey: boolean;
  /** Full-object checksums only. A composite one means nothing for an object with other parts. */
  readonly checksums: readonly Checksum[];
  /** The source ETag in its mark (attributes.ts). */
  readonly mark: string | null;
}

/** Decides finally. @param destination null if it no longer exists */
export function compareHeads(
  mode: CompareMode,
  stores: Stores,
  source: ObjectHead,
  destination: ObjectHead | null,
): Exclude<Comparison, { kind: "undecided" }> {
  if (destination === null) return { kind: "different", reason: "absent" };
  if (source.sizeBytes !== destination.sizeBytes) return { kind: "different", reason: "size" };
  const encrypted = source.isEncryptedWithKey || destination.isEncryptedWithKey;
  const isEqual = !encrypted && isEqualByEtag(stores, source.etag, destination.etag);
  // In checksum mode a multipart ETag does not count: it is a checksum of checksums.
  if (isEqual && (mode !== "checksum" || MD5.test(bareEtag(source.etag ?? "")))) {
    return { kind: "equal", proof: "etag" };
  }
  if (mode === "auto" || mode === "checksum") {
    const comparison = compareChecksums(source.checksums, destination.checksums);
    if (comparison !== null) return comparison;
  }
  const etag = bareEtag(source.etag ?? "");
  if (mode !== "checksum" && etag !== "" && destination.mark === etag) {
    return { kind: "equal", proof: "record" };
  }
  return { kind: "different", reason: "unproved" };
}

/** What can be said of a pair that both sides show. */
export type PairVerdict =
  | { readonly outcome: "equal"; readonly proof: ComparisonProof }
  | { readonly outcome: "different"; readonly reason: Difference }
  | { readonly outcome: "unknown"; readonly reason: Doubt };

/**
 * Decides for a comparison, which copies nothing: what nothing proves is not different but unknown.
 *
 * Two MD5s differ only where both stores follow S3's rule and neither object is encrypted with a key. The
 * mark comes before that: a store may follow the rule for most of its objects.
 */
export function judgeHeads(
  mode: CompareMode,
  stores: Stores,
  source: ObjectHead,
  destination: ObjectHead,
): PairVerdict {
  if (!Number.isFinite(source.sizeBytes) || !Number.isFinite(destination.sizeBytes))
    return { outcome: "unknown", reason: "no_length" };
  const compared = compareHeads(mode, stores, source, destination);
  if (compared.kind === "equal") return { outcome: "equal", proof: compared.proof };
  if (compared.reason === "size" || compared.reason === "checksum")
    return { outcome: "different", reason: compared.reason };
  // There is nothing in which two empty objects could differ.
  if (source.sizeBytes === 0) return { outcome: "equal", proof: "size" };
  if (source.isEncryptedWithKey || destination.isEncryptedWithKey)
    return { outcome: "unknown", reason: "encrypted" };
  const etags = [source.etag ?? "", destination.etag ?? ""];
  if (etags.some((etag) => partCountOf(etag) !== null)) return { outcome: "unknown", reason: "parts" };
  const rules = stores.source.md5Etag && stores.destination.md5Etag;
  return rules && etags.every((etag) => isMd5Etag(bareEtag(etag)))
    ? { outcome: "different", reason: "etag" }
    : { outcome: "unknown", reason: "no_common_value" };
}

function compareChecksums(
  source: readonly Checksum[],
  destination: readonly Checksum[],
): Exclude<Comparison, { kind: "undecided" }> | null {
  for (const { algorithm, hex } of source) {
    const twin = destination.find((candidate) => candidate.algorithm === algorithm);
    if (twin === undefined) continue;
    return twin.hex === hex
      ? { kind: "equal", proof: "checksum" }
      : { kind: "different", reason: "checksum" };
  }
  return null;
}

const MD5 = /^[0-9a-f]{32}$/i;

const MULTIPART = /^[0-9a-f]{32}-[0-9]+$/i;

function isSameEtag(source: string | null, destination: string | null): boolean {
  const left = bareEtag(source ?? "").toLowerCase();
  return left !== "" && left === bareEtag(destination ?? "").toLowerCase();
}

function isEqualByEtag(stores: Stores, source: string | null, destination: string | null): boolean {
  if (!isSameEtag(source, destination)) return false;
  const left = bareEtag(source ?? "");
  if (MD5.test(left)) return stores.source.md5Etag && stores.destination.md5Etag;
  return MULTIPART.test(left) && stores.source.md5MultipartEtag && stores.destination.md5MultipartEtag;
}
