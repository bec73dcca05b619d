// The routes of syncs: POST /syncs and everything under it. The front mounts them behind its token check.
// They hold no state: the registry admits a sync, and the sync itself answers for its state.

import { Hono } from "hono";
import { placesOfSync, withDelete } from "../access/places.ts";
import {
  type App,
  accepted,
  answeredBy,
  keyReused,
  meshOf,
  readPage,
  registryAt,
  replayed,
  statusOf,
  allow,
  tooManyRunning,
} from "./call.ts";
import { listResponse } from "./lists.ts";
import { Problem } from "../http/problem.ts";
import { readBody, readIdempotency } from "../http/request.ts";
import { SYNC_PHASES } from "../http/vocabulary.ts";
import { createWork } from "../schedule/create.ts";
import { formatPrefix } from "../store/address.ts";
import type { SyncJob } from "../sync/phase.ts";
import { NAME_LISTS } from "../sync/names.ts";
import { RUN_LISTS } from "../sync/run_spec.ts";
import { parseSyncRequest, resolveSync } from "../sync/spec.ts";

export const syncRoutes = new Hono<App>();

syncRoutes.post("/syncs", async (call) => {
  const request = parseSyncRequest(await readBody(call.req.raw, [...RUN_LISTS, ...NAME_LISTS]));
  allow(call, withDelete("start", request), placesOfSync(request));
  const spec = { ...resolveSync(request, call.env), startedBy: call.get("caller").name };
  const idempotency = readIdempotency(call.req.raw, request);
  const admission = await registryAt(call).admit({ kind: "sync", spec }, idempotency);
  switch (admission.kind) {
    case "new":
      await createWork(meshOf(call), admission.work, call.env);
      return await accepted(call, "sync", admission.work.id);
    case "known":
      return await replayed(call, "sync", admission.id);
    case "full":
      throw tooManyRunning(admission.most);
    case "key_reused":
      throw keyReused(call);
    case "taken":
      throw new Problem(
        409,
        "destination_in_use",
        `Sync ${admission.id} is running and its destination overlaps ${formatPrefix(spec.destination)}: ` +
          "wait for it to end, or cancel it",
      );
  }
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
  ["/syncs/:id/report", "/syncs/:id/events", "/syncs/:id/progress"],
  answeredBy("sync", "read"),
);

syncRoutes.on(
  ["POST"],
  ["/syncs/:id/pause", "/syncs/:id/resume", "/syncs/:id/cancel"],
  answeredBy("sync", "steer"),
);

// Keys that were not deleted before may be deleted now.
syncRoutes.post("/syncs/:id/retry", answeredBy("sync", "retry"));
