// The findings of a probe: for each question what was measured, whether the design's assumption holds, and
// what to change if it does not. Pure.

import { LANES_LIMIT, PARTS_PER_LANE } from "../env.ts";
import { nextBufferBytes } from "../work/digest_buffers.ts";
import type { ProbeJob } from "./probe_job.ts";
import type { Counted, KeyRead } from "./probe_task.ts";

/** The platform's documented maximum of requests of one event that wait for response headers. */
const DOCUMENTED_CONNECTIONS = 6;

/** Concurrent streams of a copy in the design's own example. */
export const USUAL_STREAMS = 40;

/** The part of an isolate's 128 MiB that streams may take. */
const ISOLATE_BUDGET_MIB = 100;

/**
 * Memory of one stream while its digest is computed, without its buffer. Measured as what MD5 adds to the
 * growth of a process from 40 to 200 streams, 0.43 MiB a stream, less the buffers (`npm run bench --
 * digests`, beside the same with `verify: "off"`).
 */
const DIGEST_STREAM_MIB = 0.25;

/**
 * Whether an assumption holds. `slower`: copies are correct but take longer. `no`: copies fail or go wrong
 * until it is changed. `unknown`: it could not be measured.
 */
export type Holds = "yes" | "slower" | "no" | "unknown";

export interface ProbeFinding {
  readonly question: string;
  readonly assumed: string;
  readonly found: string;
  readonly holds: Holds;
  /** What to do. Null: nothing. */
  readonly change: string | null;
}

/** @param lanes the ones that were counted */
export function probeFindings(
  job: ProbeJob,
  lanes: readonly Counted[],
  largestMib: number | null,
): ProbeFinding[] {
  return [
    bodyFinding(job, largestMib),
    laneBodyFinding(job),
    streamsFinding(job, lanes),
    isolatesFinding(job, lanes),
    machinesFinding(lanes),
    ...keyFindings(job.measured.keys),
  ];
}

/** The settings that are safe according to the measurements. Null: unknown. */
export interface ProbeAdvice {
  readonly MAX_PART_MIB: number | null;
  readonly streamsPerLane: number | null;
  readonly LANES: number | null;
  readonly lanesWithDigests: number | null;
}

export function probeAdvice(lanes: readonly Counted[], largestMib: number | null): ProbeAdvice {
  return {
    MAX_PART_MIB: largestMib === null ? null : safeMibOf(largestMib),
    streamsPerLane: streamsPerLane(lanes),
    LANES: lanesFor(USUAL_STREAMS, lanes),
    lanesWithDigests: lanesWithDigests(lanes),
  };
}

/** A part of exactly the size that passes would leave no margin. S3 accepts none below 5 MiB. */
function safeMibOf(largestMib: number): number {
  return Math.max(5, Math.floor(largestMib * 0.95));
}

function bodyFinding({ spec, measured }: ProbeJob, largestMib: number | null): ProbeFinding {
  const question = "How large a body may a part copy send?";
  const assumed = `MAX_PART_MIB, ${spec.maxPartMib} MiB`;
  const refused = measured.byCopier.find((sent) => !sent.ok);
  const words = [
    ...(largestMib === null ? [] : [`${largestMib} MiB passed`]),
    ...(refused === undefined || refused.ok ? [] : [`${refused.sizeMib} MiB did not: ${refused.message}`]),
  ];
  const found = words.join("; ") || "not measured";
  const safeMib = Math.floor((largestMib ?? 0) * 0.95);
  if (refused !== undefined && refused.sizeMib <= spec.maxPartMib) {
    const change =
      safeMib >= 5
        ? `set MAX_PART_MIB = "${safeMib}" in wrangler.toml and deploy: larger parts fail`
        : "no body passed: POST /stores/{name}/check says whether the store accepts parts at all";
    return { question, assumed, found, holds: "no", change };
  }
  if (largestMib === null || largestMib < spec.maxPartMib) {
    const change =
      measured.byCopier.length === 0 ? null : `try a size from ${spec.maxPartMib} MiB on with "sizesMib"`;
    return { question, assumed, found, holds: "unknown", change };
  }
  const change =
    safeMib > spec.maxPartMib
      ? `MAX_PART_MIB may be up to ${safeMib}, for objects above ${sizeText(spec.maxPartMib * 10_000)}`
      : null;
  return { question, assumed, found, holds: "yes", change };
}

function laneBodyFinding({ measured: { byLane } }: ProbeJob): ProbeFinding {
  const passed = byLane.flatMap((sent) => (sent.ok ? [sent.sizeMib] : []));
  const refused = byLane.find((sent) => !sent.ok);
  const words = [
    ...(passed.length === 0 ? [] : [`${Math.max(...passed)} MiB passed`]),
    ...(refused === undefined || refused.ok ? [] : [`${refused.sizeMib} MiB did not: ${refused.message}`]),
  ];
  return {
    question: "How large a body may a Durable Object send itself?",
    assumed: "perhaps less: stateless Workers send the parts, so nothing depends on it",
    found: words.join("; ") || "not measured",
    holds: byLane.length === 0 ? "unknown" : "yes",
    change: null,
  };
}

function streamsFinding({ spec }: ProbeJob, lanes: readonly Counted[]): ProbeFinding {
  const question = `How many bodies does each of ${spec.lanes} lanes have in flight at once?`;
  const assumed = `at least ${PARTS_PER_LANE} of the documented ${DOCUMENTED_CONNECTIONS}`;
  if (lanes.length < spec.lanes) {
    return { question, assumed, found: "not measured", holds: "unknown", change: null };
  }
  const found = lanes.map(({ streams }) => streams).join(", ");
  const refusal = lanes.find(({ refusal: message }) => message !== null)?.refusal ?? null;
  const least = Math.min(...lanes.map(({ streams }) => streams));
  if (least >= PARTS_PER_LANE) return { question, assumed, found, holds: "yes", change: null };
  if (refusal !== null) {
    const change = "the store limits them, not the platform: see its limits, or probe another store";
    return { question, assumed, found: `${found} (${refusal})`, holds: "unknown", change };
  }
  const wanted = lanesFor(spec.configuredLanes * PARTS_PER_LANE, lanes);
  const change =
    wanted === null
      ? "a lane had nothing in flight: lanes share their connections here, so more lanes do not help"
      : `set LANES = "${wanted}" for the streams that ${spec.configuredLanes} lanes should have`;
  return { question, assumed, found, holds: "slower", change };
}

function isolatesFinding({ spec }: ProbeJob, lanes: readonly Counted[]): ProbeFinding {
  const question = `Over how many isolates do ${spec.lanes} lanes spread?`;
  const assumed = `any number: ${spec.configuredLanes} lanes (LANES) with digests fit into the 128 MiB of one`;
  const most = lanesWithDigests(lanes);
  const crowd = largestGroup(lanes.map(({ isolate }) => isolate));
  if (most === null || crowd === null)
    return { question, assumed, found: "not measured", holds: "unknown", change: null };
  const isolates = distinct(lanes.map(({ isolate }) => isolate));
  const ownCalls = lanes.every(({ isolate, copierIsolates }) =>
    copierIsolates.every((one) => one === isolate),
  );
  const found =
    `${isolates}, at most ${crowd} lanes in one; a lane's part copies run ` +
    (ownCalls ? "in its own isolate" : "in other isolates too");
  if (most >= spec.configuredLanes) {
    const change = `a copy whose digests are computed may have up to ${most} lanes`;
    return { question, assumed, found, holds: "yes", change };
  }
  const change = `give copies whose digests are computed at most ${most} lanes, and use more than one copy`;
  return { question, assumed, found, holds: "no", change };
}

function machinesFinding(lanes: readonly Counted[]): ProbeFinding {
  const question = "On how many machines do they run?";
  const assumed = "more than one: then more lanes are faster";
  const machines = distinct(lanes.map(({ machine }) => machine));
  if (machines === null)
    return { question, assumed, found: "cannot be asked here", holds: "unknown", change: null };
  const found = String(machines);
  if (machines > 1 || lanes.length === 1)
    return { question, assumed, found, holds: machines > 1 ? "yes" : "unknown", change: null };
  const change =
    "compare the rate of a copy with LANES and with twice as many: if it is the same, more lanes are useless";
  return { question, assumed, found, holds: "slower", change };
}

/** Compares a key whose extension the edge caches by default with one without. */
function keyFindings(keys: readonly KeyRead[]): ProbeFinding[] {
  const cacheable = keys.find(({ name }) => name.endsWith(".zip"));
  const plain = keys.find(({ name }) => !name.endsWith(".zip"));
  const isAlsoPlain = plain?.isUnchanged === false || plain?.isCurrent === false;
  const change = isAlsoPlain
    ? "other keys are affected too: POST /stores/{name}/check says what the store does"
    : "a cache is in between: give the store a DNS-only name, or a Cache Rule that bypasses it";
  const unknown = { found: "not measured", holds: "unknown", change: null } as const;
  const unchanged = {
    question: 'Is a key that ends in ".zip" read unchanged?',
    assumed: "yes: requests ask the edge not to cache",
  };
  const current = { question: "Is its new content read once it is replaced?", assumed: "yes, at once" };
  if (cacheable === undefined) return [unchanged, current].map((each) => ({ ...each, ...unknown }));
  const { isUnchanged, isCurrent, detail } = cacheable;
  return [
    isUnchanged
      ? { ...unchanged, found: `yes: ${detail}`, holds: "yes", change: null }
      : { ...unchanged, found: `no: ${detail}`, holds: "no", change },
    isCurrent === null
      ? { ...current, ...unknown }
      : isCurrent
        ? { ...current, found: "yes", holds: "yes", change: null }
        : { ...current, found: `no: ${detail}`, holds: "no", change },
  ];
}

function streamsPerLane(lanes: readonly Counted[]): number | null {
  const least = Math.min(...lanes.map(({ streams }) => streams));
  return lanes.length === 0 || least === 0 ? null : Math.min(PARTS_PER_LANE, least);
}

function lanesFor(streams: number, lanes: readonly Counted[]): number | null {
  const perLane = streamsPerLane(lanes);
  return perLane === null ? null : Math.min(LANES_LIMIT, Math.ceil(streams / perLane));
}

/**
 * The lanes that one copy may have, if they spread over isolates as they did here and their streams fit into
 * the memory of each.
 */
function lanesWithDigests(lanes: readonly Counted[]): number | null {
  const crowd = largestGroup(lanes.map(({ isolate }) => isolate));
  if (crowd === null) return null;
  const lanesInOne = digestStreamsInOneIsolate() / PARTS_PER_LANE;
  return Math.min(LANES_LIMIT, Math.floor((lanesInOne * lanes.length) / crowd));
}

/** As many as fit, counted up from one. */
function digestStreamsInOneIsolate(): number {
  let streams = 1;
  while (digestStreamsMib(streams + 1) <= ISOLATE_BUDGET_MIB) streams++;
  return streams;
}

function digestStreamsMib(streams: number): number {
  return streams * (DIGEST_STREAM_MIB + nextBufferBytes(0, { streams, othersBytes: 0 }) / 2 ** 20);
}

function largestGroup(values: readonly string[]): number | null {
  const counts = new Map<string, number>();
  for (const value of values) if (value !== "") counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts.size === 0 ? null : Math.max(...counts.values());
}

/** Null: none is known. */
export function distinct(values: readonly (string | null)[]): number | null {
  const known = new Set(values.filter((value) => value !== null && value !== ""));
  return known.size === 0 ? null : known.size;
}

function sizeText(mib: number): string {
  return `${(mib / 1024).toFixed(0)} GiB`;
}
