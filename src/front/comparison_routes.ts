// The routes of comparisons: POST /comparisons and everything under it. The front mounts them behind its
// token check. They hold no state: the registry admits a comparison, and its object answers for its state.

import { Hono } from "hono";
import { placesOfSync } from "../access/places.ts";
import { begin } from "./begin.ts";
import { type App, answeredBy, readPage, registryAt, statusOf, allow } from "./call.ts";
import { repair } from "./repair.ts";
import { listResponse } from "./lists.ts";
import { readBody } from "../http/request.ts";
import { COMPARISON_PHASES } from "../http/vocabulary.ts";
import { parseComparisonRequest, resolveComparison } from "../sync/comparison_spec.ts";
import { NAME_LISTS } from "../sync/names.ts";
import { RUN_LISTS } from "../sync/run_spec.ts";
import { checkAsOf } from "../sync/version_spec.ts";

export const comparisonRoutes = new Hono<App>();

// It writes nothing, but it asks, and every request costs what the stores charge for it.
comparisonRoutes.post("/comparisons", async (call) => {
  const request = parseComparisonRequest(await readBody(call.req.raw, [...RUN_LISTS, ...NAME_LISTS]));
  allow(call, ["start"], placesOfSync(request));
  checkAsOf(request, Date.now());
  const spec = { ...resolveComparison(request, call.env), startedBy: call.get("caller").name };
  return await begin(call, { kind: "comparison", spec }, request, () => {
    throw new Error("A comparison writes nothing, so nothing is in its way");
  });
});

comparisonRoutes.get("/comparisons", async (call) => {
  const { chosen, wanted, before, limit } = readPage(call, COMPARISON_PHASES);
  const filter = { phases: chosen, ...wanted, caller: call.get("caller") };
  const { rows: comparisons, next } = await registryAt(call).list("comparison", filter, before, limit);
  return listResponse(call, "comparisons", comparisons, next);
});

// The comparison answers these itself.
comparisonRoutes.get("/comparisons/:id", statusOf("comparison"));

comparisonRoutes.on(
  ["GET"],
  [
    "/comparisons/:id/report",
    "/comparisons/:id/digest",
    "/comparisons/:id/events",
    "/comparisons/:id/progress",
  ],
  answeredBy("comparison", "read"),
);

comparisonRoutes.post("/comparisons/:id/repair", repair);

comparisonRoutes.on(
  ["POST"],
  ["/comparisons/:id/pause", "/comparisons/:id/resume", "/comparisons/:id/cancel"],
  answeredBy("comparison", "steer"),
);
