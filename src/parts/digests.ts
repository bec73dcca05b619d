// What the parts of a copy prove together: their ETags compared with the MD5s of the bytes that passed, and
// the ETag and checksum that the whole object must have. It asks no store. Pure.

import { combineCrcs } from "../object/checksum.ts";
import type { Checksum, ProofPlan } from "../object/proof.ts";
import { bareEtag, isWholeMd5Etag, md5Hex, multipartEtag } from "../s3/digest.ts";
import type { PartDigests } from "../work/part_task.ts";

/** Is the ETag of each of `count` parts the MD5 of the bytes that passed? */
export function areAllMd5(
  finished: readonly { readonly etag: string; readonly digests: PartDigests }[],
  count: number,
): boolean {
  const isMd5 = ({ digests, etag }: (typeof finished)[number]) =>
    digests.md5 !== undefined && digests.md5 === bareEtag(etag).toLowerCase();
  return finished.length === count && finished.every(isMd5);
}

interface Digested {
  /** Without quotes and in lower case, as the store returned it. */
  readonly etag: string;
  /** Of the bytes that passed. */
  readonly md5: string | undefined;
  /** The ETag of an earlier attempt, which was not the MD5 of the same bytes. */
  readonly refused: string | null;
}

/**
 * Which parts' ETags are not the MD5s of the bytes that passed. `opaque`: because this store's part ETags are
 * not MD5s at all.
 */
export function compareDigests<Part extends Digested>(
  parts: readonly Part[],
): { differing: (Part & { md5: string })[]; opaque: boolean } {
  const watched = parts.filter((part): part is Part & { md5: string } => part.md5 !== undefined);
  const differing = watched.filter(({ etag, md5 }) => etag !== md5);
  const opaque =
    (differing.length === watched.length && differing.length > 1) ||
    differing.some(
      ({ etag, refused }) => !/^[0-9a-f]{32}$/.test(etag) || (refused !== null && refused !== etag),
    );
  return { differing, opaque };
}

/** The part of the part table that is needed here. */
interface Finished {
  finished(): readonly { readonly etag: string; readonly length: number; readonly digests: PartDigests }[];
  hasOpaqueEtags(): boolean;
}

/** What is known about the source. */
interface Expected {
  readonly proof: ProofPlan;
  readonly sourceEtag: string;
  readonly plan: { readonly kind: "whole" | "parts" };
  readonly timesRedone: number;
}

/** Why the parts do not match the source's own ETag or checksum, or null. Known before the object appears. */
export async function mismatchWithSource(object: Expected, parts: Finished): Promise<string | null> {
  const { proof, sourceEtag, plan } = object;
  const ours = combinedChecksum(object, parts);
  if (
    ours !== null &&
    proof.sourceChecksum?.algorithm === ours.algorithm &&
    proof.sourceChecksum.hex !== ours.hex
  ) {
    return `${ours.algorithm} of the bytes copied is ${ours.hex}; the source says ${proof.sourceChecksum.hex}`;
  }
  if (proof.etag !== "kept" || object.timesRedone > 0) return null;
  const predicted = await predictedEtag(parts, plan.kind);
  const expected = bareEtag(sourceEtag).toLowerCase();
  return predicted === null || predicted === expected
    ? null
    : `The parts make the ETag ${predicted}; the source's is ${expected}`;
}

/** The ETag that the stored parts make by S3's rule; null where part ETags are not MD5s. */
export async function predictedEtag(parts: Finished, kind: "whole" | "parts"): Promise<string | null> {
  const etags = parts.finished().map(({ etag }) => bareEtag(etag).toLowerCase());
  if (parts.hasOpaqueEtags() || !etags.every(isWholeMd5Etag)) return null;
  return kind === "whole" ? (etags[0] ?? null) : await multipartEtag(etags, md5Hex);
}

/** The CRC of all bytes that passed, in the first algorithm of the plan. */
export function combinedChecksum({ proof }: Pick<Expected, "proof">, parts: Finished): Checksum | null {
  for (const algorithm of proof.digests) {
    if (algorithm === "md5") continue;
    const known: { crc: string; length: number }[] = [];
    for (const { digests, length } of parts.finished()) {
      const crc = digests[algorithm];
      if (crc === undefined) return null;
      known.push({ crc, length });
    }
    return { algorithm, hex: combineCrcs(algorithm, known) };
  }
  return null;
}
