// The routes of replications: /replications and what lies under it. The front mounts them behind its token
// check. They hold no state: the registry knows which there are, and each replicator answers for itself.

import { Hono } from "hono";
import { placesOfSync, withDelete } from "../access/places.ts";
import { type Right, type Touched, sees } from "../access/rights.ts";
import { type App, type Call, allow, allowKnown, meshOf, registryAt } from "./call.ts";
import { listResponse } from "./lists.ts";
import { parseWith } from "../http/fields.ts";
import { jsonResponse, Problem } from "../http/problem.ts";
import { readBody } from "../http/request.ts";
import { checkNotify } from "../registry/receivers.ts";
import {
  type PutReplication,
  type Replication,
  type ReplicationObstacle,
  listedAs,
  MAX_REPLICATIONS,
  placesOfReplication,
} from "../registry/replication_rows.ts";
import {
  CutoverRequestSchema,
  parseReplication,
  REPLICATION_LISTS,
  resolveReplication,
} from "../replication/spec.ts";
import { formatPrefix } from "../store/address.ts";

/** What it has started has mostly ended by then: a cancelled upload is one request. */
const REMOVAL_WAIT_MS = 5_000;

export const replicationRoutes = new Hono<App>();

replicationRoutes.put("/replications/:name", async (call) => {
  const name = replicationName(call);
  const request = parseReplication(await readBody(call.req.raw, [...REPLICATION_LISTS]));
  const rights = withDelete("start", { delete: request.deletes });
  const resolved = resolveReplication(name, request, call.env);
  const spec = { ...resolved, sync: { ...resolved.sync, startedBy: call.get("caller").name } };
  allow(call, rights, placesOfReplication({ spec }));
  checkNotify(spec.notify ?? [], "replication", call.env);
  const registry = registryAt(call);
  const put = (await registry.putReplication(name, spec)) as PutReplication;
  if (!("replication" in put)) throw refused(name, formatPrefix(spec.sync.destination), put);
  await registry.deliverReplication(name);
  return await answer(call, put.replication, put.kind === "created" ? 201 : 200);
});

replicationRoutes.get("/replications", async (call) => {
  const all = (await registryAt(call).listReplications()) as Replication[];
  const seen = all.filter((one) => sees(call.get("caller"), placesOfReplication(one)));
  return listResponse(call, "replications", seen.map(listedAs), null);
});

replicationRoutes.get("/replications/:name", async (call) => {
  return await answer(call, await theReplication(call, ["read"]));
});

replicationRoutes.get("/replications/:name/lag", async (call) => {
  const { name } = await theReplication(call, ["read"]);
  const lag = await meshOf(call).Replicator.getByName(name).lag();
  if (lag === null) throw noReplication(name);
  return jsonResponse(lag);
});

for (const action of ["pause", "resume", "repair"] as const)
  replicationRoutes.post(`/replications/:name/${action}`, async (call) => {
    const found = await theReplication(call, ["steer"]);
    // Deletions that were held go on.
    if (action === "resume")
      allow(call, withDelete("steer", { delete: found.spec.deletes }), placesOfReplication(found));
    const changed = await meshOf(call).Replicator.getByName(found.name).steer(action);
    if (changed === null) throw noReplication(found.name);
    return await answerSteered(call, found.name, changed, 200);
  });

replicationRoutes.post("/replications/:name/cutover", async (call) => {
  const found = await theReplication(call, ["steer"]);
  const { reverse = false } = parseWith(CutoverRequestSchema, await readBody(call.req.raw));
  const { source, destination } = placesOfSync(found.spec.sync) as Exclude<Touched, "mesh">;
  if (reverse) allow(call, ["start"], { source: destination, destination: source });
  const begun = await meshOf(call).Replicator.getByName(found.name).cutover(reverse);
  if (begun === null) throw noReplication(found.name);
  const status = await meshOf(call).Replicator.getByName(found.name).status();
  if (!begun && status?.phase !== "cutting_over" && status?.phase !== "cut_over") {
    const message = `The replication "${found.name}" is ${status?.phase ?? found.phase}, or a repair is under way: it can be cut over while it is following`;
    throw new Problem(409, "not_following", message);
  }
  return await answerSteered(call, found.name, begun, 202);
});

replicationRoutes.delete("/replications/:name", async (call) => {
  const { id, name, ...row } = await theReplication(call, ["steer"]);
  await registryAt(call).deleteReplication(name);
  if (await meshOf(call).Replicator.getByName(name).isRemoved(id, REMOVAL_WAIT_MS))
    return new Response(null, { status: 204 });
  const shown = await meshOf(call).Replicator.getByName(name).status();
  return jsonResponse(shown ?? listedAs({ id, name, ...row, phase: "deleting" }), 202);
});

async function answer(call: Call, { name, ...row }: Replication, status = 200): Promise<Response> {
  const shown = await meshOf(call).Replicator.getByName(name).status();
  if (shown === null && row.phase !== "admitted") throw noReplication(name);
  // It has a name and will run.
  return jsonResponse(shown ?? listedAs({ name, ...row }), status);
}

async function answerSteered(call: Call, name: string, changed: boolean, status: number): Promise<Response> {
  const shown = await meshOf(call).Replicator.getByName(name).status();
  if (shown === null) throw noReplication(name);
  return jsonResponse({ ...shown, changed }, status);
}

/** The replication, if its caller may do that to it. @throws {Problem} 404, 403 */
export async function theReplication(call: Call, rights: readonly Right[]): Promise<Replication> {
  const name = replicationName(call);
  const found = (await registryAt(call).findReplication(name)) as Replication | null;
  if (found === null) throw noReplication(name);
  allowKnown(call, rights, placesOfReplication(found), noReplication(name));
  return found;
}

function replicationName(call: Call): string {
  const name = call.req.param("name") ?? "";
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(name)) return name;
  const rule = 'A replication\'s name has 1 to 63 letters, digits, ".", "-" and "_"';
  throw new Problem(400, "invalid_request", `${rule}, not ${JSON.stringify(name)}`);
}

export function noReplication(name: string): Problem {
  return new Problem(404, "replication_not_found", `There is no replication "${name}"`);
}

function refused(name: string, destination: string, obstacle: ReplicationObstacle): Problem {
  switch (obstacle.kind) {
    case "taken": {
      const message = `${obstacle.by} writes to ${destination} or a prefix of it: end it first, or choose another destination`;
      return new Problem(409, "destination_in_use", message);
    }
    case "two_way": {
      const message =
        `The replication "${obstacle.by}" copies in the other direction: with both, an older object could take the place of a newer one ` +
        "at either side, so one of them must be cut over or deleted first";
      return new Problem(409, "two_way_refused", message);
    }
    case "other_places": {
      const message = `The replication "${name}" has another source or destination: delete it first, or choose another name`;
      return new Problem(409, "replication_exists", message);
    }
    case "deleting": {
      const message = `The replication "${name}" is being deleted, and what it has started has not ended: try again once GET /replications/${name} answers 404`;
      return new Problem(409, "replication_deleting", message);
    }
    case "full": {
      const message = `There are ${MAX_REPLICATIONS} replications, and no more are kept: delete one that is not needed`;
      return new Problem(409, "too_many_replications", message);
    }
  }
}
