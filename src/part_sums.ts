// What the parts of a copy add up to: the ETag and the checksum that the whole object must have.
//
// What it needs: the part table. It asks no store.

import { combineCrcs, multipartEtag } from "./checksum.ts";
import type { PartTable } from "./part_table.ts";
import type { Prepared } from "./phase.ts";
import { type Checksum, bareEtag, isMd5Etag } from "./proof.ts";
import { md5Hex } from "./s3.ts";

/** Why the parts do not add up to the source's own ETag or checksum, or null. Known before the object appears. */
export async function mismatchWithSource(object: Prepared, parts: PartTable): Promise<string | null> {
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

/** The ETag that the stored parts make by S3's rule; null where part ETags are no MD5s. */
export async function predictedEtag(parts: PartTable, kind: "whole" | "parts"): Promise<string | null> {
  const etags = parts.finished().map(({ etag }) => bareEtag(etag).toLowerCase());
  if (parts.hasOpaqueEtags() || !etags.every((etag) => isMd5Etag(etag) && !etag.includes("-"))) return null;
  return kind === "whole" ? (etags[0] ?? null) : await multipartEtag(etags, md5Hex);
}

/** The CRC of all bytes that passed, in the first algorithm that was asked for. */
export function combinedChecksum({ proof }: Prepared, parts: PartTable): Checksum | null {
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
