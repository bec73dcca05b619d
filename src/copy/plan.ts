// How an object is cut into parts. Pure arithmetic, no I/O.
//
// Invariant: all parts have one size but the last, which is never longer. R2 demands it and every store
// accepts it. Only a request for the source's own parts leads to unequal ones. What is chosen is chosen once,
// before CreateMultipartUpload, and every range follows from it, so a resumed copy can never mix two sizes.
// The parts cover the object without gap or overlap.
//
// Numbers are JavaScript numbers, exact to 2^53 bytes = 8 PiB, far above S3's 48.8 TiB.

import { MIB } from "../http/fields.ts";

/**
 * Smallest part but the last (https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html, 2026-11).
 */
export const MIN_PART_BYTES = 5 * MIB;

/** Part numbers run from 1 to 10,000 (same page). */
export const MAX_PARTS = 10_000;

/** Part size when the caller names none: long enough that first-byte latency is a sixth of a part's time. */
export const DEFAULT_PART_BYTES = 64 * MIB;

/** `whole`: one PutObject. `parts`: a multipart upload of `partCount` parts. */
export type Plan =
  | { readonly kind: "whole"; readonly sizeBytes: number }
  | {
      readonly kind: "parts";
      readonly sizeBytes: number;
      /** Of every part but the last; of unequal parts, the longest. */
      readonly partSizeBytes: number;
      readonly partCount: number;
      /** Of unequal parts: how many follow each other with the same length. */
      readonly runs?: readonly PartRun[];
    };

type PartRun = readonly [count: number, lengthBytes: number];

interface PartSizeRefusal {
  readonly code: "part_size_too_small" | "part_size_too_large";
  readonly message: string;
}

type PlanRefusal =
  PartSizeRefusal | { readonly code: "object_too_large" | "part_layout_refused"; readonly message: string };

type Planned =
  { readonly ok: true; readonly plan: Plan } | { readonly ok: false; readonly refusal: PlanRefusal };

export interface PlanLimits {
  /** Ceiling of one request body, from MAX_PART_MIB. */
  readonly maxPartBytes: number;
  readonly minPartBytes?: number;
  readonly maxParts?: number;
}

/**
 * Cuts an object of `sizeBytes` into parts of `requestedPartBytes`, or of a size chosen here when that is
 * null: 64 MiB, or more where 10,000 parts would not hold the object.
 *
 * An object that fits one part is sent whole: one PutObject is atomic and costs one request instead of three.
 */
export function planCopy(
  sizeBytes: number,
  requestedPartBytes: number | null,
  { maxPartBytes, minPartBytes = MIN_PART_BYTES, maxParts = MAX_PARTS }: PlanLimits,
): Planned {
  if (requestedPartBytes !== null) {
    const refusal = checkPartSize(requestedPartBytes, { maxPartBytes, minPartBytes });
    if (refusal !== null) return { ok: false, refusal };
  }
  const leastBytes = smallestPartBytes(sizeBytes, { minPartBytes, maxPartBytes, maxParts });
  if (leastBytes > maxPartBytes) {
    return refuse(
      "object_too_large",
      `Cannot copy ${sizeBytes} bytes in ${maxParts} parts of at most ${maxPartBytes} bytes: ` +
        `the smallest part size that fits is ${leastBytes} bytes; raise MAX_PART_MIB to ${Math.ceil(leastBytes / MIB)}`,
    );
  }
  if (requestedPartBytes !== null && Math.ceil(sizeBytes / requestedPartBytes) > maxParts) {
    return refuse(
      "part_size_too_small",
      `Cannot copy ${sizeBytes} bytes in parts of ${requestedPartBytes} bytes: that is ` +
        `${Math.ceil(sizeBytes / requestedPartBytes)} parts and a multipart upload holds ${maxParts}; ` +
        `the smallest part size that fits is ${leastBytes} bytes`,
    );
  }
  const partSizeBytes =
    requestedPartBytes ?? Math.max(Math.min(DEFAULT_PART_BYTES, maxPartBytes), leastBytes);
  if (sizeBytes <= partSizeBytes) return { ok: true, plan: { kind: "whole", sizeBytes } };
  const partCount = Math.ceil(sizeBytes / partSizeBytes);
  return { ok: true, plan: { kind: "parts", sizeBytes, partSizeBytes, partCount } };
}

/** Sent in one part instead of whole. An upload of nothing has no part that every store takes. */
export function asUpload(plan: Plan): Plan {
  const { kind, sizeBytes } = plan;
  if (kind === "parts" || sizeBytes === 0) return plan;
  return { kind: "parts", sizeBytes, partSizeBytes: sizeBytes, partCount: 1 };
}

/**
 * The plan that keeps a source's own part boundaries, so that the destination's ETag can be the same; null
 * when the destination or the ceiling does not allow parts of that size.
 */
export function keepBoundaries(
  sizeBytes: number,
  { partSizeBytes, partCount }: { partSizeBytes: number; partCount: number },
  { maxPartBytes, minPartBytes = MIN_PART_BYTES, maxParts = MAX_PARTS }: PlanLimits,
): Plan | null {
  const fits =
    partCount >= 1 &&
    partCount <= maxParts &&
    partSizeBytes <= maxPartBytes &&
    (partSizeBytes >= minPartBytes || partCount === 1) &&
    Math.ceil(sizeBytes / partSizeBytes) === partCount;
  return fits ? { kind: "parts", sizeBytes, partSizeBytes, partCount } : null;
}

/**
 * The plan with the parts that the source was uploaded in.
 *
 * @param lengths of its parts, in their order; null: it was uploaded in one request
 * @param limits.equalParts the destination takes no others
 */
export function planAsSource(
  sizeBytes: number,
  lengths: readonly number[] | null,
  limits: Required<PlanLimits> & { readonly equalParts: boolean; readonly maxWholeBytes: number },
): Planned {
  const { maxPartBytes, minPartBytes, maxParts, equalParts, maxWholeBytes } = limits;
  if (lengths === null) {
    return sizeBytes <= maxWholeBytes
      ? { ok: true, plan: { kind: "whole", sizeBytes } }
      : refuseLayout(
          `it has one of ${sizeBytes} bytes, and at most ${maxWholeBytes} pass in one request here`,
        );
  }
  const [first = 0] = lengths;
  const last = lengths.at(-1) ?? 0;
  const longest = lengths.reduce((most, length) => Math.max(most, length), 0);
  if (lengths.length > maxParts)
    return refuseLayout(`it has ${lengths.length}, and the destination takes ${maxParts}`);
  if (longest > maxPartBytes)
    return refuseLayout(`one has ${longest} bytes, and at most ${maxPartBytes} pass in one request here`);
  const short = lengths.slice(0, -1).findIndex((length) => length < minPartBytes);
  if (short >= 0) {
    const what = `part ${short + 1} has ${lengths[short]} bytes`;
    return refuseLayout(`${what}, and the destination requires ${minPartBytes} in every part but the last`);
  }
  const plan = { kind: "parts", sizeBytes, partCount: lengths.length } as const;
  const isEqual = last <= first && lengths.slice(0, -1).every((length) => length === first);
  if (isEqual) return { ok: true, plan: { ...plan, partSizeBytes: first } };
  if (equalParts) return refuseLayout("they are unequal, and the destination takes parts of one size alone");
  return { ok: true, plan: { ...plan, partSizeBytes: longest, runs: runsOf(lengths) } };
}

function refuseLayout(why: string): Planned {
  return refuse("part_layout_refused", `Cannot keep the source's parts: ${why}; leave "partSize" out`);
}

function runsOf(lengths: readonly number[]): PartRun[] {
  const runs: [count: number, lengthBytes: number][] = [];
  for (const length of lengths) {
    const run = runs.at(-1);
    if (run?.[1] === length) run[0] += 1;
    else runs.push([1, length]);
  }
  return runs;
}

/**
 * Why a caller's part size can fit no object at all, or null when it can; known before the object's size is.
 */
export function checkPartSize(
  partBytes: number,
  { maxPartBytes, minPartBytes = MIN_PART_BYTES }: PlanLimits,
): PartSizeRefusal | null {
  if (partBytes < minPartBytes) {
    return {
      code: "part_size_too_small",
      message: `Cannot use parts of ${partBytes} bytes: the destination requires at least ${minPartBytes} bytes (${minPartBytes / MIB} MiB) in every part but the last`,
    };
  }
  if (partBytes > maxPartBytes) {
    return {
      code: "part_size_too_large",
      message: `Cannot use parts of ${partBytes} bytes: MAX_PART_MIB allows ${maxPartBytes} bytes (${maxPartBytes / MIB} MiB)`,
    };
  }
  return null;
}

/** How many units of work a plan has: its parts, or one for the whole object. */
export function unitCount(plan: Plan): number {
  return plan.kind === "whole" ? 1 : plan.partCount;
}

/**
 * The bytes of one part. `partNumber` counts from 1, as S3 does.
 *
 * @throws {RangeError} when the plan has no such part.
 */
export function partRange(plan: Plan, partNumber: number): { offset: number; length: number } {
  if (!Number.isInteger(partNumber) || partNumber < 1 || partNumber > unitCount(plan)) {
    throw new RangeError(`Cannot find part ${partNumber}: the plan has parts 1 to ${unitCount(plan)}`);
  }
  if (plan.kind === "whole") return { offset: 0, length: plan.sizeBytes };
  if (plan.runs !== undefined) return rangeInRuns(plan.runs, partNumber);
  const offset = (partNumber - 1) * plan.partSizeBytes;
  return { offset, length: Math.min(plan.partSizeBytes, plan.sizeBytes - offset) };
}

function rangeInRuns(runs: readonly PartRun[], partNumber: number): { offset: number; length: number } {
  let offset = 0;
  let before = 0;
  for (const [count, length] of runs) {
    if (partNumber <= before + count) return { offset: offset + (partNumber - before - 1) * length, length };
    offset += count * length;
    before += count;
  }
  throw new RangeError(`Cannot find part ${partNumber}: the runs have ${before}`);
}

/** The length of the longest part. */
export function longestPart(plan: Plan): number {
  return plan.kind === "whole" ? plan.sizeBytes : Math.min(plan.partSizeBytes, plan.sizeBytes);
}

// Rounded up to a MiB, so that a size in an error message or a status is one that people recognise.
function smallestPartBytes(
  sizeBytes: number,
  { minPartBytes, maxPartBytes, maxParts }: Required<PlanLimits>,
): number {
  const leastBytes = Math.ceil(sizeBytes / maxParts);
  const roundedBytes = Math.ceil(leastBytes / MIB) * MIB;
  // A ceiling in powers of ten (5 GB) may lie between the two.
  const fittingBytes = leastBytes <= maxPartBytes ? Math.min(roundedBytes, maxPartBytes) : roundedBytes;
  return Math.max(minPartBytes, fittingBytes);
}

function refuse(code: PlanRefusal["code"], message: string): { ok: false; refusal: PlanRefusal } {
  return { ok: false, refusal: { code, message } };
}
