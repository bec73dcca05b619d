// The request and the answer of a probe of the account: what was measured, and the settings that are safe
// with it. Pure.

import { z } from "zod";
import { PARTS_PER_LANE } from "../env.ts";
import { Count } from "../http/fields.ts";

/** The platform's documented maximum of requests of one event that wait for response headers. */
const DOCUMENTED_CONNECTIONS = 6;

export const ProbeRequestSchema = z.strictObject({
  store: z.string().min(1),
  bucket: z.string().min(1),
  /** Body sizes to try, in MiB, ascending. */
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
  lanes: Count(20).optional(),
});

export const DEFAULT_SIZES_MIB: readonly number[] = [90, 110, 210, 520];

export const DEFAULT_LANES = 4;

export type Sent =
  | { readonly ok: true; readonly sizeMib: number; readonly durationMs: number }
  | { readonly ok: false; readonly sizeMib: number; readonly message: string };

export interface Started {
  /** Bodies that the runtime had begun to send while none had ended. */
  readonly streams: number;
  readonly asked: number;
  /** Machine and data centre from Cloudflare's own trace. Null where it cannot be asked. */
  readonly machine: string | null;
}

export interface Measured {
  /** Bodies sent by a stateless Worker, as part copies are, and by a Durable Object. */
  readonly byWorker: readonly Sent[];
  readonly byObject: readonly Sent[];
  /** In one event of a request, and in one alarm of each lane. */
  readonly oneEvent: Started;
  readonly lanes: readonly Started[];
}

interface ProbeAnswer extends Measured {
  readonly isLocal: boolean;
  readonly megabytesPerSecond: number | null;
  readonly machines: number | null;
  readonly advice: {
    readonly MAX_PART_MIB: number | null;
    readonly streamsPerLane: number;
    readonly LANES: number;
  };
  readonly notes: readonly string[];
}

/** @param isLocal the mesh answers at a loopback address */
export function probeAnswer(measured: Measured, isLocal: boolean): ProbeAnswer {
  const { byWorker, byObject, oneEvent, lanes } = measured;
  const passed = byWorker.flatMap((sent) => (sent.ok ? [sent] : []));
  const largest = passed.at(-1) ?? null;
  const known = lanes.map(({ machine }) => machine).filter((machine) => machine !== null);
  const leastStreams = Math.min(...lanes.map(({ streams }) => streams));
  const perLane = Math.max(1, Math.min(PARTS_PER_LANE, leastStreams));
  const notes: string[] = [];
  if (isLocal)
    notes.push("This mesh runs on your own machine: none of these numbers says anything about Cloudflare");
  const refused = byWorker.find((sent) => !sent.ok);
  if (refused !== undefined && !refused.ok)
    notes.push(`A Worker could not send a body of ${refused.sizeMib} MiB: ${refused.message}`);
  const objectRefused = byObject.find((sent) => !sent.ok);
  if (objectRefused !== undefined && !objectRefused.ok && (largest?.sizeMib ?? 0) >= objectRefused.sizeMib)
    notes.push(
      `A Durable Object may send less than a Worker: ${objectRefused.sizeMib} MiB is refused. Part copies are sent by Workers`,
    );
  if (leastStreams < PARTS_PER_LANE)
    notes.push(
      `A lane had ${leastStreams} bodies in flight, but ${PARTS_PER_LANE} are assumed: use more lanes`,
    );
  if (oneEvent.streams > DOCUMENTED_CONNECTIONS && !isLocal)
    notes.push(
      `One event had ${oneEvent.streams} bodies in flight: more than the ${DOCUMENTED_CONNECTIONS} that are documented`,
    );
  const machines = known.length === 0 ? null : new Set(known).size;
  if (machines === 1 && lanes.length > 1)
    notes.push("All lanes ran on one machine: more lanes may not be faster");
  return {
    ...measured,
    isLocal,
    megabytesPerSecond:
      largest === null ? null : (largest.sizeMib * 2 ** 20) / 1e3 / Math.max(1, largest.durationMs),
    machines,
    advice: {
      // A little below the largest size that passed: a part of exactly that size would leave no margin.
      MAX_PART_MIB: largest === null ? null : Math.max(5, Math.floor(largest.sizeMib * 0.95)),
      streamsPerLane: perLane,
      LANES: Math.ceil(40 / perLane),
    },
    notes,
  };
}

/** The answer to `curl -H "Accept: text/plain"`. */
export function probeTable(answer: ProbeAnswer): string {
  const { byWorker, byObject, oneEvent, lanes, machines, megabytesPerSecond, advice, notes } = answer;
  const rate = megabytesPerSecond === null ? "unknown" : `${megabytesPerSecond.toFixed(1)} MB/s`;
  return (
    [
      "A body sent by a Worker:",
      ...sentLines(byWorker),
      "A body sent by a Durable Object:",
      ...sentLines(byObject),
      `One stream: ${rate}`,
      `In flight at once in one event: ${oneEvent.streams} of ${oneEvent.asked}`,
      `In flight at once in ${lanes.length} lanes: ${lanes.map(({ streams }) => streams).join(", ")}`,
      `Machines that the lanes ran on: ${machines ?? "unknown"}`,
      "",
      `Safe: MAX_PART_MIB = ${advice.MAX_PART_MIB ?? "unknown"}, ${advice.streamsPerLane} streams a lane, LANES = ${advice.LANES} for 40 streams`,
      ...notes.map((note) => `- ${note}`),
    ].join("\n") + "\n"
  );
}

function sentLines(list: readonly Sent[]): string[] {
  return list.map((sent) => {
    const size = `  ${String(sent.sizeMib).padStart(5)} MiB  `;
    return size + (sent.ok ? `passed in ${(sent.durationMs / 1000).toFixed(1)} s` : sent.message);
  });
}
