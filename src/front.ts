// The front: the Worker's `fetch` (HTTP API) and `scheduled` (Cron). Start reading here.
//
//   POST /copies ─→ front ─→ Registry.admit() ─→ Coordinator.create() ─→ 202
//                              Coordinator alarm: HEAD, plan, CreateMultipartUpload, wake lanes
//                              Lane alarm: claim() ⇄ Coordinator;  PartCopier: GET range ─→ UploadPart
//                              Coordinator alarm: CompleteMultipartUpload, HEAD, proof
//
// What it needs: the secrets API_TOKEN, API_TOKEN_READ (optional) and STORE_<NAME>; the vars MAX_PART_MIB, LANES and
// RETENTION_DAYS.
// It holds nothing. A request starts a copy or asks for its state and never waits for bytes, so curl may go away at
// any time. Answers are JSON with a final newline; errors are RFC 9457 problems with a stable code.

import { type Context, Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import {
  MAX_BODY_BYTES,
  checkBucket,
  formatObject,
  parseCopyRequest,
  parseWith,
  resolveCopy,
} from "./api.ts";
import { authorize } from "./auth.ts";
import { copyStatus, createCopy } from "./copy_start.ts";
import { dashboardResponse } from "./dashboard.ts";
import type { Env } from "./env.ts";
import { isId } from "./id.ts";
import { log } from "./log.ts";
import { openApi } from "./openapi.ts";
import type { Job } from "./phase.ts";
import { COPY_PHASES } from "./phases.ts";
import { runProbe } from "./probe.ts";
import {
  DEFAULT_LANES,
  DEFAULT_SIZES_MIB,
  ProbeRequestSchema,
  probeReport,
  probeTable,
} from "./probe_report.ts";
import { Problem, jsonResponse } from "./problem.ts";
import { describeCopy } from "./registry.ts";
import { readSwitch } from "./query.ts";
import { idempotencyKey, readBody, readLimit } from "./request.ts";
import { S3Error } from "./s3.ts";
import { createStarted, scheduleRoutes } from "./schedule_routes.ts";
import { storeRoutes } from "./store_routes.ts";
import { isLoopback } from "./stores.ts";
import { syncRoutes } from "./sync_routes.ts";

export { Coordinator } from "./coordinator.ts";
export { PartCopier } from "./copier.ts";
export { Lane } from "./lane.ts";
export { ObjectCopier } from "./object_copier.ts";
export { Probe, ProbeWorker } from "./probe.ts";
export { Registry } from "./registry.ts";
export { Sync } from "./sync.ts";

type Mesh = ExecutionContext["exports"];
type Call = Context<{ Bindings: Env }>;

const app = new Hono<{ Bindings: Env }>();

// An answer is what it says it is, whatever a name in it looks like.
app.use(async (call, next) => {
  await next();
  call.header("x-content-type-options", "nosniff");
});

app.get("/", async (call) => {
  const isBrowser = /\btext\/html\b/.test(call.req.header("accept") ?? "");
  return isBrowser ? await dashboardResponse() : new Response(USAGE, { headers: { vary: "accept" } });
});
app.get("/healthz", () => new Response("ok\n"));
app.get("/openapi.json", () => jsonResponse((description ??= openApi(routeNames()))));

app.use(async (call, next) => {
  await authorize(call.req.raw, call.env);
  await next();
});
app.use(
  bodyLimit({
    maxSize: MAX_BODY_BYTES,
    onError: () => {
      throw new Problem(413, "body_too_large", `A request body may have at most ${MAX_BODY_BYTES} bytes`);
    },
  }),
);

app.route("/", storeRoutes);

app.post("/probe", async (call) => {
  const request = parseWith(ProbeRequestSchema, await readBody(call.req.raw));
  const store = checkBucket("bucket", request, call.env);
  if (store.readOnly === true)
    throw new Problem(
      403,
      "store_read_only",
      `Cannot send anything to store "${store.name}": it is set readOnly`,
    );
  const { sizesMib = DEFAULT_SIZES_MIB, lanes = DEFAULT_LANES } = request;
  const isLocal = isLoopback(new URL(call.req.url).hostname);
  const probe = runProbe(call.env, meshOf(call), { ...request, sizesMib, lanes, isLocal });
  // Its upload is aborted, also when curl has gone away meanwhile.
  (call.executionCtx as ExecutionContext).waitUntil(probe.catch(() => undefined));
  const measured = await probe.catch((error: unknown) => {
    if (!(error instanceof S3Error)) throw error;
    throw new Problem(502, "store_refused", `${error.message}; POST /stores/${store.name}/check says more`);
  });
  const report = probeReport(measured, isLocal);
  const wantsText = call.req.header("accept")?.startsWith("text/plain") ?? false;
  return wantsText ? new Response(probeTable(report)) : jsonResponse(report);
});

app.get("/metrics", async (call) => {
  const headers = { "content-type": "text/plain; version=0.0.4; charset=utf-8", "cache-control": "no-store" };
  return new Response(await registry(meshOf(call)).metrics(), { headers });
});

app.post("/copies", async (call) => {
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
      return accepted(admission.copy.id, await copyStatus(mesh, admission.copy.id));
    case "known":
      return accepted(admission.id, await copyStatus(mesh, admission.id), { "idempotency-replayed": "true" });
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

app.get("/copies", async (call) => {
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
      `"cursor" must be the "next" of a page before, not "${cursor}"`,
    );
  }
  const query = new URL(call.req.url).searchParams;
  const orphans = readSwitch(query, "orphans");
  const page = await registry(meshOf(call)).list({ phase, orphans }, cursor, readLimit(query));
  return jsonResponse({ copies: page.copies.map(describeCopy), next: page.next });
});

// The coordinator answers these itself, from its storage alone.
app.on(
  ["GET"],
  ["/copies/:id", "/copies/:id/parts", "/copies/:id/events", "/copies/:id/progress"],
  toCoordinator,
);
app.on(["POST"], ["/copies/:id/pause", "/copies/:id/resume", "/copies/:id/cancel"], toCoordinator);

app.route("/", syncRoutes);

app.route("/", scheduleRoutes);

app.all("*", (call) => {
  throw new Problem(
    404,
    "no_such_route",
    `There is no ${call.req.method} ${call.req.path}; GET / lists what there is`,
  );
});

app.onError((error, call) => {
  if (error instanceof Problem) return error.toResponse();
  log("error", "request_crashed", { method: call.req.method, path: call.req.path, detail: String(error) });
  return new Problem(
    500,
    "internal_error",
    "The request failed for a reason of ours; it is in the log",
  ).toResponse();
});

export default {
  fetch: app.fetch,

  /** The Cron Trigger. It may come late or more than once: the registry starts each due time once. */
  async scheduled(controller, env, ctx) {
    const due = await registry(ctx.exports).tick(controller.scheduledTime);
    await Promise.all(due.map((started) => createStarted(ctx.exports, started, env)));
    await registry(ctx.exports)
      .forgetOld(controller.scheduledTime)
      .catch((error: unknown) => log("error", "retention_failed", { detail: String(error) }));
  },
} satisfies ExportedHandler<Env>;

let description: Record<string, unknown> | null = null;

/** The routes, as `GET /copies/:id`; what stands before all of them has no method. */
function routeNames(): string[] {
  const routes = app.routes.filter(({ method }) => method !== "ALL");
  return routes.map(({ method, path }) => `${method} ${path}`);
}

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
  // Asking any name would make a new object of it.
  if (!isId(id)) throw new Problem(404, "copy_not_found", `There is no copy "${id}"`);
  return await meshOf(call).Coordinator.getByName(id).fetch(call.req.raw);
}

const PHASES: ReadonlySet<string> = new Set(COPY_PHASES satisfies readonly (Job["phase"] | "admitted")[]);

const USAGE = `Bucket Brigade copies objects and whole prefixes between S3-compatible stores.

  POST   /copies                  start: -d source=store:bucket/key -d destination=store:bucket/key
  GET    /copies?phase=&limit=&cursor=
  GET    /copies?orphans          copies that may have left an upload behind; it is tried for a week to abort it
  GET    /copies/{id}?wait=30     status; with wait, answers when the copy ends or needs you, or after that many seconds
  GET    /copies/{id}/progress    curl -N: a live bar until the end
  GET    /copies/{id}/events      Server-Sent Events; with ?parts, each part too
  GET    /copies/{id}/parts       the part table
  POST   /copies/{id}/cancel      also pause, resume
  POST   /syncs                   start: -d source=store:bucket/prefix -d destination=store:bucket/prefix
  GET    /syncs?phase=&limit=&cursor=
  GET    /syncs/{id}?wait=30      status, as of a copy
  GET    /syncs/{id}/progress     also events, as of a copy
  GET    /syncs/{id}/report       NDJSON, a line per key
  POST   /syncs/{id}/cancel       also pause, resume, retry (the failed keys alone)
  PUT    /schedules/{name}        -d '{"cron": "0 3 * * *", "copy": {"source": …, "destination": …}}'
  GET    /schedules               also /schedules/{name}; DELETE /schedules/{name}; POST /schedules/{name}/run
  POST   /probe                   -d store=… -d bucket=…: what this account lets pass (minutes); as text as well
  GET    /stores                  what is configured, and what checks have seen
  POST   /stores/{name}/check     -d bucket=…: does it work, what can it do; with -H "Accept: text/plain" as a table
  DELETE /stores/{name}/check     forgets what was seen; ?bucket= of one bucket
  GET    /healthz                 liveness, without a token
`;
