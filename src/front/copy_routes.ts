// The routes of copies: POST /copies and everything under it. The front mounts them behind its token check.

import { Hono } from "hono";
import type { Job } from "../copy/phase.ts";
import { type CopyRequest, parseCopyRequest, requestOf, resolveCopy } from "../copy/spec.ts";
import { placesOfCopy, withRestore } from "../access/places.ts";
import { begin } from "./begin.ts";
import {
  type App,
  type Call,
  answeredBy,
  findWork,
  meshOf,
  noWork,
  readPage,
  registryAt,
  statusOf,
  allow,
  allowKnown,
} from "./call.ts";
import { listResponse } from "./lists.ts";
import { Problem } from "../http/problem.ts";
import { readBody, readSwitch } from "../http/request.ts";
import { COPY_PHASES } from "../http/vocabulary.ts";
import type { RowsOf } from "../registry/work_rows.ts";
import { formatObject } from "../store/address.ts";
import { checkAsOf } from "../sync/version_spec.ts";

export const copyRoutes = new Hono<App>();

copyRoutes.post("/copies", async (call) => await start(call, parseCopyRequest(await readBody(call.req.raw))));

// The same again, as a copy of its own.
copyRoutes.post("/copies/:id/retry", async (call) => {
  const id = call.req.param("id");
  const { touched } = await findWork(call, "copy", id);
  allowKnown(call, ["start"], touched, noWork("copy", id));
  const found = await meshOf(call).Coordinator.getByName(id).describe();
  if (found === null) throw noWork("copy", id);
  if (found.phase === "failed" || found.phase === "cancelled")
    return await start(call, requestOf(found.spec));
  const isDone = found.phase === "completed";
  throw new Problem(
    409,
    "nothing_to_retry",
    `The copy is ${found.phase}: only one that has failed or was cancelled can be started again` +
      (isDone ? "; POST /copies starts a new one" : `; POST /copies/${id}/resume continues this one`),
  );
});

async function start(call: Call, request: CopyRequest): Promise<Response> {
  allow(call, ["start"], withRestore(placesOfCopy(request), request));
  checkAsOf(request, Date.now());
  const spec = { ...resolveCopy(request, call.env), startedBy: call.get("caller").name };
  return await begin(
    call,
    { kind: "copy", spec },
    request,
    (id) =>
      new Problem(
        409,
        "destination_busy",
        `Copy ${id} writes ${formatObject(spec.destination)} and has not ended; wait for it, cancel it, ` +
          `or send "ifBusy": "queue" to have this copy wait`,
      ),
  );
}

copyRoutes.get("/copies", async (call) => {
  const phases = COPY_PHASES satisfies readonly (Job["phase"] | "admitted")[];
  const { chosen, wanted, before, limit } = readPage(call, phases);
  const query = new URL(call.req.url).searchParams;
  const sync = query.get("sync");
  const orphans = readSwitch(query, "orphans");
  if (orphans && sync !== null)
    throw new Problem(400, "invalid_request", '"sync" and "orphans" exclude each other: send one of them');
  const of: RowsOf = orphans ? "orphans" : sync === null ? "no-sync" : { sync };
  const filter = { phases: chosen, of, ...wanted, caller: call.get("caller") };
  const { rows: copies, next } = await registryAt(call).list("copy", filter, before, limit);
  return listResponse(call, "copies", copies, next);
});

// The coordinator answers these itself, from its storage alone.
copyRoutes.get("/copies/:id", statusOf("copy"));

copyRoutes.on(
  ["GET"],
  ["/copies/:id/parts", "/copies/:id/rates", "/copies/:id/events", "/copies/:id/progress"],
  answeredBy("copy", "read"),
);

copyRoutes.on(
  ["POST"],
  ["/copies/:id/pause", "/copies/:id/resume", "/copies/:id/cancel"],
  answeredBy("copy", "steer"),
);
