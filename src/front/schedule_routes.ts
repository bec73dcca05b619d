// The routes of schedules: PUT, PATCH, GET, DELETE /schedules/{name} and POST /schedules/{name}/run. The
// front mounts them behind its token check. They hold no state: the registry keeps the schedules and starts
// what is due.

import { Hono } from "hono";
import { z } from "zod";
import type { Env } from "../env.ts";
import { type Call, accepted, meshOf, registryAt } from "./call.ts";
import { parseWith } from "../http/fields.ts";
import { jsonResponse, Problem } from "../http/problem.ts";
import { readBody, readLimit } from "../http/request.ts";
import { createWork } from "../schedule/create.ts";
import { type ScheduleView, MAX_SCHEDULES } from "../schedule/schedules.ts";
import { type Schedule, parseSchedule, resolveWork } from "../schedule/spec.ts";

export const scheduleRoutes = new Hono<{ Bindings: Env }>();

scheduleRoutes.get("/schedules", async (call) => {
  const query = new URL(call.req.url).searchParams;
  const after = query.get("cursor");
  return jsonResponse(await registryAt(call).listSchedules(after, readLimit(query)));
});

scheduleRoutes.put("/schedules/:name", async (call) => {
  const name = scheduleName(call);
  const schedule = runnable(parseSchedule(await readBody(call.req.raw)), call.env);
  const mustBeNew = call.req.header("if-none-match") === "*";
  const put = await registryAt(call).putSchedule(name, schedule, ...(mustBeNew ? [null] : []));
  if (put === "full") {
    const message = `There are ${MAX_SCHEDULES} schedules, and no more are kept: delete one that is not needed`;
    throw new Problem(409, "too_many_schedules", message);
  }
  if (put === "refused") {
    const message = `There is a schedule "${name}" already, and "If-None-Match: *" allows no other; PATCH changes it`;
    throw new Problem(412, "schedule_exists", message);
  }
  return jsonResponse(await registryAt(call).getSchedule(name), put === "created" ? 201 : 200);
});

scheduleRoutes.patch("/schedules/:name", async (call) => {
  const name = scheduleName(call);
  const changes = parseWith(z.record(z.string(), z.unknown()), await readBody(call.req.raw));
  const registry = registryAt(call);
  for (;;) {
    const { request } = ((await registry.getSchedule(name)) as ScheduleView | null) ?? noSchedule(name);
    // A schedule has one kind of work: another kind takes its place.
    const { copy, sync, ...rest } = request;
    const work = "copy" in changes || "sync" in changes ? {} : { copy, sync };
    const schedule = runnable(parseSchedule({ ...rest, ...work, ...changes }), call.env);
    // Refused: somebody else has changed it meanwhile, and that change stays.
    const put = await registry.putSchedule(name, schedule, request);
    if (put !== "refused") return jsonResponse(await registry.getSchedule(name));
  }
});

scheduleRoutes.get("/schedules/:name", async (call) => {
  const name = scheduleName(call);
  return jsonResponse((await registryAt(call).getSchedule(name)) ?? noSchedule(name));
});

scheduleRoutes.delete("/schedules/:name", async (call) => {
  const name = scheduleName(call);
  if (!(await registryAt(call).deleteSchedule(name))) noSchedule(name);
  return new Response(null, { status: 204 });
});

scheduleRoutes.post("/schedules/:name/run", async (call) => {
  const name = scheduleName(call);
  const mesh = meshOf(call);
  const { run, started } = (await registryAt(call).runSchedule(name)) ?? noSchedule(name);
  if (started !== null) {
    await createWork(mesh, started, call.env);
    return await accepted(call, started.kind, started.id);
  }
  if (run.outcome === "queued")
    return jsonResponse({ schedule: name, run }, 202, { location: `/schedules/${name}` });
  const code = run.outcome === "refused" ? "run_refused" : "run_skipped";
  throw new Problem(409, code, `"${name}" was not started: ${run.detail}`);
});

/** A schedule that could not run today is refused now, not when it is due. @throws {Problem} */
function runnable(schedule: Schedule, env: Env): Schedule {
  resolveWork(schedule.work, Date.now(), schedule.timeZone, env);
  return schedule;
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

function noSchedule(name: string): never {
  throw new Problem(404, "schedule_not_found", `There is no schedule "${name}"`);
}
