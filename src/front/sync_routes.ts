// The routes of syncs: POST /syncs and everything under it. The front mounts them behind its token check.
// They hold no state: the registry admits a sync, and the sync itself answers for its state.

import { type Context, Hono } from "hono";
import type { Env } from "../env.ts";
import { createSync, fetchSyncStatus } from "./start.ts";
import { jsonResponse, Problem } from "../http/problem.ts";
import { idempotencyKey, readBody, readLimit } from "../http/request.ts";
import { SYNC_PHASES } from "../http/vocabulary.ts";
import { isId } from "../id.ts";
import type { Mesh } from "../mesh.ts";
import { formatPrefix } from "../store/address.ts";
import type { SyncJob } from "../sync/job.ts";
import { destinationIdentity, parseSyncRequest, resolveSync } from "../sync/spec.ts";

type Call = Context<{ Bindings: Env }>;

export const syncRoutes = new Hono<{ Bindings: Env }>();

syncRoutes.post("/syncs", async (call) => {
  const request = parseSyncRequest(await readBody(call.req.raw));
  const spec = resolveSync(request, call.env);
  const key = idempotencyKey(call.req.raw);
  const mesh = meshOf(call);
  const admission = await mesh.Registry.getByName("registry").admitSync(
    spec,
    destinationIdentity(spec, call.env),
    key === null ? null : { key, digest: JSON.stringify(request) },
  );
  switch (admission.kind) {
    case "new":
      await createSync(mesh, admission.sync, call.env);
      return accepted(admission.sync.id, await fetchSyncStatus(mesh, admission.sync.id));
    case "known":
      return accepted(admission.id, await fetchSyncStatus(mesh, admission.id), {
        "idempotency-replayed": "true",
      });
    case "key_reused":
      throw new Problem(
        422,
        "idempotency_key_reused",
        `The Idempotency-Key "${key}" was used with another body`,
      );
    case "rival":
      throw new Problem(
        409,
        "destination_in_use",
        `Sync ${admission.id} is running and its destination overlaps ${formatPrefix(spec.destination)}: ` +
          "wait for it to end, or cancel it",
      );
  }
});

syncRoutes.get("/syncs", async (call) => {
  const phase = call.req.query("phase") ?? null;
  if (phase !== null && !PHASES.has(phase)) {
    const allowed = [...PHASES].join(", ");
    throw new Problem(400, "invalid_request", `"phase" must be one of ${allowed}, not "${phase}"`);
  }
  const cursor = call.req.query("cursor") ?? null;
  if (cursor !== null && !isId(cursor)) {
    const message = `"cursor" must be the "next" of an earlier page, not "${cursor}"`;
    throw new Problem(400, "invalid_request", message);
  }
  const page = await meshOf(call)
    .Registry.getByName("registry")
    .listSyncs(phase, cursor, readLimit(new URL(call.req.url).searchParams));
  const syncs = page.syncs.map(({ source, destination, ...rest }) => ({
    ...rest,
    source: formatPrefix(source),
    destination: formatPrefix(destination),
  }));
  return jsonResponse({ syncs, next: page.next });
});

// The sync answers these itself.
syncRoutes.on(
  ["GET"],
  ["/syncs/:id", "/syncs/:id/report", "/syncs/:id/events", "/syncs/:id/progress"],
  toSync,
);

syncRoutes.on(
  ["POST"],
  ["/syncs/:id/pause", "/syncs/:id/resume", "/syncs/:id/cancel", "/syncs/:id/retry"],
  toSync,
);

function accepted(id: string, body: unknown, headers: Record<string, string> = {}): Response {
  return jsonResponse(body, 202, { location: `/syncs/${id}`, ...headers });
}

async function toSync(call: Call): Promise<Response> {
  const id = call.req.param("id") ?? "";
  // Calling a Durable Object by any name would create it.
  if (!isId(id)) throw new Problem(404, "sync_not_found", `There is no sync "${id}"`);
  return await meshOf(call).Sync.getByName(id).fetch(call.req.raw);
}

function meshOf(call: Call): Mesh {
  return (call.executionCtx as ExecutionContext).exports;
}

const PHASES: ReadonlySet<string> = new Set(SYNC_PHASES satisfies readonly (SyncJob["phase"] | "admitted")[]);
