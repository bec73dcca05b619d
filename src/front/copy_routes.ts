// The routes of copies: POST /copies and everything under it. The front mounts them behind its token check.

import { type Context, Hono } from "hono";
import type { Job } from "../copy/phase.ts";
import { parseCopyRequest, resolveCopy } from "../copy/spec.ts";
import type { Env } from "../env.ts";
import { fetchCopyStatus, createCopy } from "./start.ts";
import { jsonResponse, Problem } from "../http/problem.ts";
import { idempotencyKey, readBody, readLimit, readSwitch } from "../http/request.ts";
import { COPY_PHASES } from "../http/vocabulary.ts";
import { isId } from "../id.ts";
import type { Mesh } from "../mesh.ts";
import { describeCopy } from "../registry/work_rows.ts";
import { formatObject } from "../store/address.ts";

type Call = Context<{ Bindings: Env }>;

export const copyRoutes = new Hono<{ Bindings: Env }>();

copyRoutes.post("/copies", async (call) => {
  const request = parseCopyRequest(await readBody(call.req.raw));
  const spec = resolveCopy(request, call.env);
  const key = idempotencyKey(call.req.raw);
  const mesh = meshOf(call);
  const admission = await registry(mesh).admit(
    spec,
    key === null ? null : { key, digest: JSON.stringify(request) },
  );
  switch (admission.kind) {
    case "new":
      await createCopy(mesh, admission.copy, call.env);
      return accepted(admission.copy.id, await fetchCopyStatus(mesh, admission.copy.id));
    case "known":
      return accepted(admission.id, await fetchCopyStatus(mesh, admission.id), {
        "idempotency-replayed": "true",
      });
    case "busy":
      throw new Problem(
        409,
        "destination_busy",
        `Copy ${admission.id} writes ${formatObject(spec.destination)} and has not ended; wait for it, cancel it, ` +
          `or send "ifBusy": "queue" to have this copy wait`,
      );
    case "key_reused":
      throw new Problem(
        422,
        "idempotency_key_reused",
        `The Idempotency-Key "${key}" was used with another body`,
      );
  }
});

copyRoutes.get("/copies", async (call) => {
  const phase = call.req.query("phase") ?? null;
  if (phase !== null && !PHASES.has(phase)) {
    throw new Problem(
      400,
      "invalid_request",
      `"phase" must be one of ${[...PHASES].join(", ")}, not "${phase}"`,
    );
  }
  const cursor = call.req.query("cursor") ?? null;
  if (cursor !== null && !isId(cursor)) {
    throw new Problem(
      400,
      "invalid_request",
      `"cursor" must be the "next" of an earlier page, not "${cursor}"`,
    );
  }
  const query = new URL(call.req.url).searchParams;
  const orphans = readSwitch(query, "orphans");
  const page = await registry(meshOf(call)).list({ phase, orphans }, cursor, readLimit(query));
  return jsonResponse({ copies: page.copies.map(describeCopy), next: page.next });
});

// The coordinator answers these itself, from its storage alone.
copyRoutes.on(
  ["GET"],
  ["/copies/:id", "/copies/:id/parts", "/copies/:id/events", "/copies/:id/progress"],
  toCoordinator,
);

copyRoutes.on(["POST"], ["/copies/:id/pause", "/copies/:id/resume", "/copies/:id/cancel"], toCoordinator);

function meshOf(call: Call): Mesh {
  return (call.executionCtx as ExecutionContext).exports;
}

function registry(mesh: Mesh) {
  return mesh.Registry.getByName("registry");
}

function accepted(id: string, body: unknown, headers: Record<string, string> = {}): Response {
  return jsonResponse(body, 202, { location: `/copies/${id}`, ...headers });
}

async function toCoordinator(call: Call): Promise<Response> {
  const id = call.req.param("id") ?? "";
  // Calling a Durable Object by any name would create it.
  if (!isId(id)) throw new Problem(404, "copy_not_found", `There is no copy "${id}"`);
  return await meshOf(call).Coordinator.getByName(id).fetch(call.req.raw);
}

const PHASES: ReadonlySet<string> = new Set(COPY_PHASES satisfies readonly (Job["phase"] | "admitted")[]);
