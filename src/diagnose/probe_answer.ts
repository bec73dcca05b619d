// The request and the answer of a probe of the account: what was measured, compared with what the design
// assumes, and what to change if an assumption does not hold. Pure.

import { z } from "zod";
import { LANES_LIMIT, planLimits, widthOf } from "../env.ts";
import { Count, isoTime, MIB } from "../http/fields.ts";
import { Problem } from "../http/problem.ts";
import { checkBucket } from "../store/address.ts";
import {
  type ProbeAdvice,
  type ProbeFinding,
  type Holds,
  distinct,
  probeAdvice,
  probeFindings,
  USUAL_STREAMS,
} from "./probe_findings.ts";
import type { ProbeJob, ProbeSpec } from "./probe_job.ts";
import type { Counted, KeyRead, Sent } from "./probe_task.ts";
import { ASKED_PER_LANE } from "./probe_tasks.ts";

const MAX_PROBE_LANES = Math.min(100, LANES_LIMIT);

export const ProbeRequestSchema = z.strictObject({
  store: z.string().min(1).toLowerCase(),
  bucket: z.string().min(1),
  /** Body sizes to try, in MiB. */
  sizesMib: z
    .array(
      z
        .int()
        .min(1)
        .max(5 * 1024),
    )
    .min(1)
    .max(8)
    .optional(),
  lanes: Count(MAX_PROBE_LANES).optional(),
});

const DEFAULT_SIZES_MIB: readonly number[] = [90, 110, 210, 520];

/** @throws {Problem} if the store or the bucket cannot be probed */
export function resolveProbe(
  request: z.infer<typeof ProbeRequestSchema>,
  env: Readonly<Record<string, unknown>>,
  isLocal: boolean,
): ProbeSpec {
  const store = checkBucket("bucket", request, env);
  if (store.readOnly === true)
    throw new Problem(
      403,
      "store_read_only",
      `Cannot send anything to store "${store.name}": it is set readOnly`,
    );
  const configuredLanes = widthOf({}, [], env).firstLanes;
  const { maxConcurrency = Infinity } = store;
  if (maxConcurrency < ASKED_PER_LANE)
    throw new Problem(
      409,
      "store_capped",
      `Store "${store.name}" allows ${maxConcurrency} transfers at once ("maxConcurrency"), but one lane is tried ` +
        `with ${ASKED_PER_LANE}: probe another store, or raise it during the probe`,
    );
  const most = Math.floor(maxConcurrency / ASKED_PER_LANE);
  return {
    store: store.name,
    bucket: request.bucket,
    sizesMib: [...new Set(request.sizesMib ?? DEFAULT_SIZES_MIB)].toSorted((a, b) => a - b),
    lanes: Math.min(most, MAX_PROBE_LANES, request.lanes ?? configuredLanes),
    isLocal,
    maxPartMib: planLimits(env).maxPartBytes / MIB,
    configuredLanes,
  };
}

export interface ProbeAnswer {
  readonly id: string;
  readonly phase: "creating" | "measuring" | "cleaning" | "completed" | "failed" | "cancelled";
  readonly store: string;
  readonly bucket: string;
  readonly isLocal: boolean;
  readonly startedAt: string;
  readonly endedAt: string | null;
  /** What the lanes are doing now. */
  readonly doing: readonly string[];
  readonly failure: string | null;
  readonly leftovers: readonly string[];
  readonly byCopier: readonly Sent[];
  readonly byLane: readonly Sent[];
  readonly keys: readonly KeyRead[];
  readonly lanes: readonly Counted[];
  readonly megabytesPerSecond: number | null;
  readonly isolates: number | null;
  readonly machines: number | null;
  readonly findings: readonly ProbeFinding[];
  readonly advice: ProbeAdvice;
  readonly notes: readonly string[];
}

export function probeAnswer(job: ProbeJob, now: number): ProbeAnswer {
  const { id, spec, state, measured, startedAtMs } = job;
  const lanes = measured.lanes.filter((counted) => counted !== null);
  const passed = measured.byCopier.flatMap((sent) => (sent.ok ? [sent] : []));
  const largest = passed.at(-1) ?? null;
  const seconds = (largest?.durationMs ?? 0) / 1000;
  const isOver = state.phase === "ended";
  const end = state.phase === "ended" || state.phase === "cleaning" ? state.ending : null;
  return {
    id,
    phase: isOver ? state.ending.outcome : state.phase,
    store: spec.store,
    bucket: spec.bucket,
    isLocal: spec.isLocal,
    startedAt: isoTime(startedAtMs),
    endedAt: isOver ? isoTime(state.endedAtMs) : null,
    doing: job.given.map(({ name }) => name),
    failure: end?.outcome === "failed" ? end.message : null,
    leftovers: isOver ? state.leftovers : [],
    byCopier: measured.byCopier,
    byLane: measured.byLane,
    keys: measured.keys,
    lanes,
    megabytesPerSecond:
      largest === null ? null : (largest.sizeMib * 2 ** 20) / 1e6 / Math.max(0.001, seconds),
    isolates: distinct(lanes.map(({ isolate }) => isolate)),
    machines: distinct(lanes.map(({ machine }) => machine)),
    findings: probeFindings(job, lanes, largest?.sizeMib ?? null),
    advice: probeAdvice(lanes, largest?.sizeMib ?? null),
    notes: notesOf(job, now),
  };
}

function notesOf({ spec, startedAtMs, state }: ProbeJob, now: number): string[] {
  const notes: string[] = [];
  if (spec.isLocal)
    notes.push("This mesh runs on your own machine: none of these numbers says anything about Cloudflare");
  if (state.phase !== "ended")
    notes.push(
      `It has run for ${Math.round((now - startedAtMs) / 1000)} s; GET /probe?wait=300 answers when it has ended`,
    );
  return notes;
}

const MARKS: Readonly<Record<Holds, string>> = {
  yes: "ok",
  slower: "SLOWER",
  no: "BROKEN",
  unknown: "-",
};

/** The answer to `curl -H "Accept: text/plain"`. */
export function probeTable(view: ProbeAnswer): string {
  const { store, bucket, phase, failure, leftovers, findings, advice, megabytesPerSecond, doing, notes } =
    view;
  const rate = megabytesPerSecond === null ? "unknown" : `${megabytesPerSecond.toFixed(1)} MB/s`;
  const lines = [
    `Probe through ${store}:${bucket}: ${phase}${doing.length === 0 ? "" : ` (${doing.join(", ")})`}`,
    ...(failure === null ? [] : [failure]),
    "",
    "A body sent by a part copy:",
    ...sentLines(view.byCopier),
    "A body sent by a Durable Object:",
    ...sentLines(view.byLane),
    `One stream: ${rate}`,
    "",
    ...findings.flatMap(({ question, assumed, found, holds, change }) => [
      `${MARKS[holds].padEnd(6)}  ${question}`,
      `        found:   ${found}`,
      `        assumed: ${assumed}`,
      ...(change === null ? [] : [`        to do:   ${change}`]),
    ]),
    "",
    `Safe: MAX_PART_MIB = ${text(advice.MAX_PART_MIB)}, ${text(advice.streamsPerLane)} streams a lane, ` +
      `LANES = ${text(advice.LANES)} for ${USUAL_STREAMS} streams, ` +
      `at most ${text(advice.lanesWithDigests)} lanes for a copy with digests`,
    ...notes.map((note) => `- ${note}`),
    ...(leftovers.length === 0 ? [] : ["", "Could not be deleted:", ...leftovers.map((each) => `  ${each}`)]),
  ];
  return lines.join("\n") + "\n";
}

function text(value: number | null): string {
  return value === null ? "unknown" : String(value);
}

function sentLines(list: readonly Sent[]): string[] {
  return list.map((sent) => {
    const size = `  ${String(sent.sizeMib).padStart(5)} MiB  `;
    return size + (sent.ok ? `passed in ${(sent.durationMs / 1000).toFixed(1)} s` : sent.message);
  });
}
