// The routes that copies and syncs have alike: how one ended, many at once, and forgetting one. The front
// mounts them behind its token check.

import { Hono } from "hono";
import { type App, allowKnown, findWork, noWork, registryAt } from "./call.ts";
import { steerMany, VERBS } from "./many.ts";
import { resultOf } from "./result.ts";
import { Problem } from "../http/problem.ts";
import { type WorkKind, PLURALS, WORK_KINDS } from "../schedule/kinds.ts";

export const workRoutes = new Hono<App>();

for (const kind of WORK_KINDS) {
  const path = `/${PLURALS[kind]}`;
  workRoutes.get(`${path}/:id/result`, resultOf(kind));
  for (const verb of VERBS) workRoutes.post(`${path}/${verb}`, steerMany(kind, verb));
  workRoutes.delete(`${path}/:id`, async (call) => {
    const id = call.req.param("id");
    const { touched } = await findWork(call, kind, id);
    allowKnown(call, ["steer"], touched, noWork(kind, id));
    const problem = problemOf(kind, id, await registryAt(call).forgetWork(kind, id));
    if (problem !== null) throw problem;
    return new Response(null, { status: 204 });
  });
}

function problemOf(
  kind: WorkKind,
  id: string,
  outcome: Awaited<ReturnType<ReturnType<typeof registryAt>["forgetWork"]>>,
): Problem | null {
  switch (outcome) {
    case "forgotten":
      return null;
    case "unknown":
      return noWork(kind, id);
    case "part_of_sync":
      return new Problem(
        409,
        "work_running",
        `The sync that copy ${id} is part of has not ended: cancel that first`,
      );
    case "running":
      return new Problem(
        409,
        "work_running",
        `The ${kind} has not ended: POST /${PLURALS[kind]}/${id}/cancel ends it`,
      );
    case "owes":
      return new Problem(
        409,
        "clean_up_owed",
        `The ${kind} may have left something at its destination, as its "orphans" say: ` +
          `POST /${PLURALS[kind]}/${id}/resume tries at once to remove it`,
      );
  }
}
