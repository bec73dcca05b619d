// The routes of schedules: PUT, PATCH, GET, DELETE /schedules/{name} and POST /schedules/{name}/run. The
// front mounts them behind its token check. They hold no state: the registry keeps the schedules and starts
// what is due.

import { Hono } from "hono";
import { z } from "zod";
import { sha256Of } from "../access/entries.ts";
import { placesOfCopy, placesOfSync, withDelete, withRestore } from "../access/places.ts";
import { type Touched, type Right, sees } from "../access/rights.ts";
import {
  type App,
  type Call,
  accepted,
  keyReused,
  meshOf,
  registryAt,
  replayed,
  allow,
  allowKnown,
} from "./call.ts";
import { listResponse } from "./lists.ts";
import { parseWith } from "../http/fields.ts";
import { jsonResponse, Problem } from "../http/problem.ts";
import { readBody, readIdempotency, readLimit } from "../http/request.ts";
import { createWork } from "../schedule/create.ts";
import { type ScheduleView, MAX_SCHEDULES } from "../schedule/schedules.ts";
import { type Schedule, parseSchedule, resolveWork } from "../schedule/spec.ts";
import { checkAsOf } from "../sync/version_spec.ts";

/** How often a call looks again because somebody else changes the schedule at the same time. */
const TRIES = 10;

export const scheduleRoutes = new Hono<App>();

scheduleRoutes.get("/schedules", async (call) => {
  const query = new URL(call.req.url).searchParams;
  const page = await registryAt(call).listSchedules(query.get("cursor"), readLimit(query));
  const { schedules: all, next } = page as { schedules: ScheduleView[]; next: string | null };
  const schedules = all.filter((one) => sees(call.get("caller"), placesOfSchedule(one)));
  return listResponse(call, "schedules", schedules.map(shown), next);
});

scheduleRoutes.put("/schedules/:name", async (call) => {
  const name = scheduleName(call);
  const schedule = runnable(parseSchedule(asPut(name, await readBody(call.req.raw))), call);
  const mustBeNew = call.req.header("if-none-match") === "*";
  const by = call.get("caller").name;
  for (let tries = 0; tries < TRIES; tries++) {
    const found = mustBeNew ? null : await findSchedule(call, name);
    if (found !== null) allow(call, rightsOver("schedules", found), placesOfSchedule(found));
    await checkMatch(call, name, found);
    // What was not there, or not so, when the caller's rights were looked at is not replaced.
    const put = await registryAt(call).putSchedule(name, schedule, found?.request ?? null, by);
    if (put === "refused" && !mustBeNew) continue;
    if (put === "full") {
      const message = `There are ${MAX_SCHEDULES} schedules, and no more are kept: delete one that is not needed`;
      throw new Problem(409, "too_many_schedules", message);
    }
    if (put === "refused") {
      const message = `There is a schedule "${name}" already, and "If-None-Match: *" allows no other; PATCH changes it`;
      throw new Problem(412, "schedule_exists", message);
    }
    return await answer(call, name, put === "created" ? 201 : 200);
  }
  throw changed(name);
});

scheduleRoutes.patch("/schedules/:name", async (call) => {
  const name = scheduleName(call);
  const changes = parseWith(z.record(z.string(), z.unknown()), await readBody(call.req.raw));
  const registry = registryAt(call);
  for (let tries = 0; tries < TRIES; tries++) {
    const found = await theSchedule(call, name, "schedules");
    const { request } = found;
    await checkMatch(call, name, found);
    // A schedule has one kind of work: another kind takes its place.
    const { copy, sync, comparison, ...rest } = request;
    const isNew = ["copy", "sync", "comparison"].some((kind) => kind in changes);
    const work = isNew ? {} : { copy, sync, comparison };
    const schedule = runnable(parseSchedule({ ...rest, ...work, ...changes }), call);
    // Refused: somebody else has changed it meanwhile, and that change stays.
    const put = await registry.putSchedule(name, schedule, request, call.get("caller").name);
    if (put !== "refused") return await answer(call, name);
  }
  throw changed(name);
});

scheduleRoutes.get("/schedules/:name", async (call) => {
  const found = await theSchedule(call, scheduleName(call), "read");
  return jsonResponse(shown(found), 200, { etag: await etagOf(found) });
});

scheduleRoutes.delete("/schedules/:name", async (call) => {
  const name = scheduleName(call);
  await theSchedule(call, name, "schedules");
  if (!(await registryAt(call).deleteSchedule(name))) throw noSchedule(name);
  return new Response(null, { status: 204 });
});

scheduleRoutes.post("/schedules/:name/run", async (call) => {
  const name = scheduleName(call);
  await theSchedule(call, name, "start");
  const caller = call.get("caller");
  const idempotency = readIdempotency(call.req.raw, null, caller);
  const ran = await registryAt(call).runSchedule(name, idempotency, caller.name);
  if (ran === null) throw noSchedule(name);
  if (ran === "key_reused") throw keyReused(call);
  const { run, started, known } = ran;
  if (started !== null) {
    await createWork(meshOf(call), started, call.env);
    return await accepted(call, started.kind, started.id);
  }
  if (run.copyId !== null) return await replayed(call, "copy", run.copyId);
  if (run.syncId !== null) return await replayed(call, "sync", run.syncId);
  if (run.comparisonId !== null) return await replayed(call, "comparison", run.comparisonId);
  if (run.outcome === "queued") {
    const headers = { location: `/schedules/${name}`, ...(known ? { "idempotency-replayed": "true" } : {}) };
    return jsonResponse({ schedule: name, run }, 202, headers);
  }
  const code = run.outcome === "refused" ? "run_refused" : "run_skipped";
  throw new Problem(409, code, `"${name}" was not started: ${run.detail}`);
});

/** As it can be PUT again. */
function shown({ request, copy: _copy, sync: _sync, ...rest }: ScheduleView): object {
  return { ...rest, ...request };
}

/** What GET shows beside that. */
const SHOWN: readonly (keyof ScheduleView)[] = ["startedBy", "createdAt", "nextRunAt", "lastRun", "runs"];

/** A body that may be what GET has answered. @throws {Problem} 400 for another schedule's */
function asPut(name: string, body: unknown): unknown {
  if (typeof body !== "object" || body === null || Array.isArray(body)) return body;
  const { name: named = name, ...rest } = body as Record<string, unknown>;
  if (named !== name) {
    const message = `The "name" in the body is ${JSON.stringify(named)}, and the address says "${name}"`;
    throw new Problem(400, "invalid_request", message);
  }
  return Object.fromEntries(
    Object.entries(rest).filter(([field]) => !SHOWN.some((known) => known === field)),
  );
}

/** As it is now. */
async function answer(call: Call, name: string, status = 200): Promise<Response> {
  const found = await findSchedule(call, name);
  if (found === null) throw noSchedule(name);
  return jsonResponse(shown(found), status, { etag: await etagOf(found) });
}

/** Of what PUT sets: a schedule that has only run is the same. */
async function etagOf({ request }: ScheduleView): Promise<string> {
  return `"${(await sha256Of(JSON.stringify(request))).slice(0, 32)}"`;
}

/** @throws {Problem} 412 if the header If-Match names another schedule than the one that is there */
async function checkMatch(call: Call, name: string, found: ScheduleView | null): Promise<void> {
  const header = call.req.header("if-match");
  if (header === undefined) return;
  const wanted = header.split(",").map((etag) => etag.trim());
  const isThere = found !== null && (wanted.includes("*") || wanted.includes(await etagOf(found)));
  if (!isThere) throw changed(name);
}

function changed(name: string): Problem {
  const message = `The schedule "${name}" is not the one of If-Match any more, or changes all the time: GET it again`;
  return new Problem(412, "schedule_changed", message);
}

/**
 * A schedule that could not run today, or that its caller may not have, is refused now, not when it is due.
 *
 * @throws {Problem}
 */
function runnable(schedule: Schedule, call: Call): Schedule {
  const { work, timeZone } = schedule;
  const rights = work.kind === "sync" ? withDelete("schedules", work.sync) : (["schedules"] as const);
  // As written, where a time stands for every time, and as it would run now.
  const wish = work.kind === "comparison" ? {} : work.kind === "copy" ? work.copy : work.sync;
  allow(call, rights, withRestore(writtenBy(work), wish));
  const due = resolveWork(work, Date.now(), timeZone, call.env);
  checkAsOf(due.spec, Date.now());
  const touched = due.kind === "copy" ? placesOfCopy(due.spec) : placesOfSync(due.spec);
  allow(call, rights, withRestore(touched, wish));
  return schedule;
}

async function findSchedule(call: Call, name: string): Promise<ScheduleView | null> {
  return (await registryAt(call).getSchedule(name)) as ScheduleView | null;
}

/** The schedule, if its caller may do that to it. @throws {Problem} 404, 403 */
async function theSchedule(
  call: Call,
  name: string,
  right: "read" | "schedules" | "start",
): Promise<ScheduleView> {
  const found = await findSchedule(call, name);
  if (found === null) throw noSchedule(name);
  const places = placesOfSchedule(found);
  const touched = right === "read" ? places : withRestore(places, found.copy ?? found.sync ?? {});
  allowKnown(call, rightsOver(right, found), touched, noSchedule(name));
  return found;
}

/** One that deletes is neither changed nor run by who may not delete; to delete it is harmless. */
function rightsOver(right: "read" | "schedules" | "start", { sync }: ScheduleView): Right[] {
  return right === "start" && sync !== undefined ? withDelete(right, sync) : [right];
}

function writtenBy(work: Schedule["work"]): Touched {
  if (work.kind === "copy") return placesOfCopy(work.copy);
  return placesOfSync(work.kind === "sync" ? work.sync : work.comparison);
}

export function placesOfSchedule({ copy, sync, comparison }: ScheduleView): Touched {
  if (copy !== undefined) return placesOfCopy(copy);
  if (comparison !== undefined) return placesOfSync(comparison);
  return sync === undefined ? "mesh" : placesOfSync(sync);
}

function scheduleName(call: Call): string {
  const name = call.req.param("name") ?? "";
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(name)) return name;
  throw new Problem(
    400,
    "invalid_request",
    `A schedule's name has 1 to 63 letters, digits, ".", "-" and "_", not ${JSON.stringify(name)}`,
  );
}

function noSchedule(name: string): Problem {
  return new Problem(404, "schedule_not_found", `There is no schedule "${name}"`);
}
