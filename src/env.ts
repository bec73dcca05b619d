// The Worker's environment and its variables. Stores are STORE_<NAME> secrets, and the operator chooses the
// names. So the env is read by name at run time (here and in store/stores.ts) and typed as what it is:
// unknown values.
//
// Each variable is read by one function. If its value is bad, the error names the variable and what is
// allowed.

import { MIB } from "./http/fields.ts";
import { Problem } from "./http/problem.ts";

export type Env = Readonly<Record<string, unknown>>;

/**
 * Part copies that one lane runs at once: five of the six connections that an event may have waiting (Workers
 * limit).
 */
export const PARTS_PER_LANE = 5;

/** More are never asked for; the variable MAX_LANES says how many are used if a request names none. */
export const LANES_LIMIT = 250;

/** MAX_PART_MIB in bytes. @throws {Problem} 503 when the variable is not a number in that range */
export function planLimits(env: Readonly<Record<string, unknown>>): { readonly maxPartBytes: number } {
  return { maxPartBytes: countVariable(env, "MAX_PART_MIB", 95, 5, 5 * 1024) * MIB };
}

const DAY_MS = 24 * 3_600_000;

/**
 * How long ended jobs are kept. An Idempotency-Key is kept 7 days, and its copy at least as long.
 *
 * @throws {Problem} 503
 */
export function retentionMs(env: Readonly<Record<string, unknown>>): number {
  return countVariable(env, "RETENTION_DAYS", 30, 7, 3650) * DAY_MS;
}

/** How many copies and syncs may run at once; null: any number. @throws {Problem} 503 */
export function mostRunning(env: Readonly<Record<string, unknown>>): number | null {
  if (env["MAX_RUNNING"] === "") return null;
  const most = countVariable(env, "MAX_RUNNING", 0, 1, 100_000);
  return most === 0 ? null : most;
}

/** Whether the mesh is for its own machine alone, as `npm run dev` says. @throws {Problem} 503 */
export function isForLoopbackOnly(env: Readonly<Record<string, unknown>>): boolean {
  const { LOOPBACK_ONLY: value } = env;
  if (value === undefined || value === "") return false;
  if (value === "true") return true;
  const detail = `The variable LOOPBACK_ONLY must be "true" or empty, not ${JSON.stringify(value)}`;
  throw new Problem(503, "misconfigured", detail);
}

/**
 * How many lanes at most, how many to begin with (throttle/lanes.ts), and how many transfers over all of
 * them.
 *
 * @param allowed the most that either store allows
 */
export function widthOf(
  request: { readonly lanes?: number | undefined; readonly concurrency?: number | undefined },
  allowed: readonly number[],
  env: Readonly<Record<string, unknown>>,
): { lanes: number; firstLanes: number; concurrency: number } {
  const lanes = request.lanes ?? countVariable(env, "MAX_LANES", 100, 1, LANES_LIMIT);
  const firstLanes = Math.min(lanes, countVariable(env, "LANES", 8, 1, LANES_LIMIT));
  const most = lanes * PARTS_PER_LANE;
  return { lanes, firstLanes, concurrency: Math.min(request.concurrency ?? most, most, ...allowed) };
}

function countVariable(
  env: Readonly<Record<string, unknown>>,
  name: string,
  fallback: number,
  min: number,
  max: number,
): number {
  const value = env[name];
  if (value === undefined) return fallback;
  const count = typeof value === "string" || typeof value === "number" ? Number(value) : Number.NaN;
  if (Number.isInteger(count) && count >= min && count <= max) return count;
  throw new Problem(
    503,
    "misconfigured",
    `The variable ${name} must be a whole number from ${min} to ${max}, not ${JSON.stringify(value)}`,
  );
}
