// The routes of syncs: POST /syncs and everything under it. The front mounts them behind its token check.
// They hold no state: the registry admits a sync, and the sync itself answers for its state.

import { Hono } from "hono";
import { placesOfSync, withDelete, withRestore } from "../access/places.ts";
import { begin } from "./begin.ts";
import { type App, answeredBy, readPage, registryAt, statusOf, allow } from "./call.ts";
import { listResponse } from "./lists.ts";
import { Problem } from "../http/problem.ts";
import { readBody } from "../http/request.ts";
import { SYNC_PHASES } from "../http/vocabulary.ts";
import { formatPrefix } from "../store/address.ts";
import type { SyncJob } from "../sync/phase.ts";
import { NAME_LISTS } from "../sync/names.ts";
import { RUN_LISTS } from "../sync/run_spec.ts";
import { parseSyncRequest, resolveSync } from "../sync/spec.ts";
import { checkAsOf } from "../sync/version_spec.ts";

export const syncRoutes = new Hono<App>();

syncRoutes.post("/syncs", async (call) => {
  const request = parseSyncRequest(await readBody(call.req.raw, [...RUN_LISTS, ...NAME_LISTS]));
  allow(call, withDelete("start", request), withRestore(placesOfSync(request), request));
  checkAsOf(request, Date.now());
  const spec = { ...resolveSync(request, call.env), startedBy: call.get("caller").name };
  return await begin(call, { kind: "sync", spec }, request, (id) => {
    const message = `Sync ${id} is running and its destination overlaps ${formatPrefix(spec.destination)}: wait for it to end, or cancel it`;
    return new Problem(409, "destination_in_use", message);
  });
});

syncRoutes.get("/syncs", async (call) => {
  const phases = SYNC_PHASES satisfies readonly (SyncJob["phase"] | "admitted")[];
  const { chosen, wanted, before, limit } = readPage(call, phases);
  const filter = { phases: chosen, ...wanted, caller: call.get("caller") };
  const { rows: syncs, next } = await registryAt(call).list("sync", filter, before, limit);
  return listResponse(call, "syncs", syncs, next);
});

// The sync answers these itself.
syncRoutes.get("/syncs/:id", statusOf("sync"));

syncRoutes.on(
  ["GET"],
  ["/syncs/:id/report", "/syncs/:id/rates", "/syncs/:id/events", "/syncs/:id/progress"],
  answeredBy("sync", "read"),
);

syncRoutes.on(
  ["POST"],
  ["/syncs/:id/pause", "/syncs/:id/resume", "/syncs/:id/cancel"],
  answeredBy("sync", "steer"),
);

// Keys that were not deleted before may be deleted now.
syncRoutes.post("/syncs/:id/retry", answeredBy("sync", "retry"));
