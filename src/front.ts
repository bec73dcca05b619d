// The front: the Worker's `fetch` (HTTP API), `scheduled` (Cron) and `queue` (events of R2). Start reading
// here.
//
//   POST /copies ─→ front ─→ Registry.admit() ─→ Coordinator.create() ─→ 202
//                              Coordinator alarm: HEAD, plan, CreateMultipartUpload, wake lanes
//                              Lane alarm: claim() ⇄ Coordinator;  PartCopier: GET range ─→ UploadPart
//                              Coordinator alarm: CompleteMultipartUpload, HEAD, proof
//
// What it needs: the secrets API_TOKEN, STORE_<NAME>, optionally API_TOKEN_READ and API_TOKENS; the vars
// MAX_PART_MIB, LANES, MAX_LANES, RETENTION_DAYS and LOCATION.
//
// It holds no state. A request starts a copy or asks for its status and never waits for bytes, so curl may
// disconnect at any time. Answers are JSON with a final newline. Errors are RFC 9457 problems with a stable
// code.

import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { type Env, isForLoopbackOnly } from "./env.ts";
import { audit } from "./front/audit.ts";
import { auditRoutes } from "./front/audit_routes.ts";
import { authorize, claimsPerson } from "./front/auth.ts";
import { type App, registryAt } from "./front/call.ts";
import { comparisonRoutes } from "./front/comparison_routes.ts";
import { copyRoutes } from "./front/copy_routes.ts";
import { dashboardResponse } from "./front/dashboard.ts";
import { docsResponse } from "./front/docs.ts";
import { takeBatch } from "./front/event_queue.ts";
import { eventRoutes } from "./front/event_routes.ts";
import { senderOf, shownPath } from "./front/event_senders.ts";
import { holderOf, linkRoutes } from "./front/link_routes.ts";
import { checkQuery, checkRight, methodsOf } from "./front/matching.ts";
import { once } from "./front/once.ts";
import { openApi, usage } from "./front/openapi.ts";
import { notificationRoutes } from "./front/notification_routes.ts";
import { overviewRoutes } from "./front/overview_routes.ts";
import { isBrowser, transportSecurity } from "./front/page.ts";
import { quoteRoutes } from "./front/quote_routes.ts";
import { replicationRoutes } from "./front/replication_routes.ts";
import { scheduleRoutes } from "./front/schedule_routes.ts";
import { storeRoutes } from "./front/store_routes.ts";
import { syncRoutes } from "./front/sync_routes.ts";
import { workRoutes } from "./front/work_routes.ts";
import { jsonResponse, Problem } from "./http/problem.ts";
import { maxBodyBytes } from "./http/request.ts";
import { log } from "./log.ts";
import { registryOf } from "./mesh.ts";
import { placedAt, registryLocation } from "./store/location.ts";
import { isLoopback } from "./store/endpoint.ts";
import { createWork } from "./schedule/create.ts";
import { isNewerState, newerStateOf } from "./work/state.ts";

export { Coordinator } from "./coordinator.ts";
export { PartCopier } from "./part_copier.ts";
export { Lane } from "./lane.ts";
export { ObjectCopier } from "./object_copier.ts";
export { Probe, ProbeWorker } from "./probe.ts";
export { Registry } from "./registry.ts";
export { Replicator } from "./replicator.ts";
export { Sync } from "./sync.ts";

// Types ctx.exports: this Worker's own classes, callable with no binding to configure.
declare global {
  namespace Cloudflare {
    interface GlobalProps {
      mainModule: typeof import("./front.ts");
      durableNamespaces: "Coordinator" | "Lane" | "Probe" | "Registry" | "Replicator" | "Sync";
    }
  }
}

// Not strict: an address with a final slash is the same address.
const app = new Hono<App>({ strict: false });

// Keeps browsers from guessing another content type from an object's name or content.
app.use(async (call, next) => {
  checkHost(call.req.url, call.env);
  await next();
  call.header("x-content-type-options", "nosniff");
  // The address may be a link that opens a status.
  call.header("referrer-policy", "no-referrer");
  const transport = transportSecurity(call.req.url);
  if (transport !== null) call.header("strict-transport-security", transport);
});

app.get("/", async (call) => {
  if (isBrowser(call.req.raw)) return await dashboardResponse(claimsPerson(call.req.raw, call.env));
  return new Response(usage(routeNames()), { headers: { vary: "accept" } });
});

app.get("/healthz", () => new Response("ok\n"));

app.get("/openapi.json", () => jsonResponse((description ??= openApi(routeNames()))));

app.get("/docs", async (call) => await docsResponse(call.req.raw, null));

app.get("/docs/:page", async (call) => await docsResponse(call.req.raw, call.req.param("page")));

app.use(audit);

app.use(async (call, next) => {
  const held = (await holderOf(call)) ?? (await senderOf(call));
  call.set("caller", held ?? (await authorize(call.req.raw, call.env)));
  await next();
});

app.use(async (call, next) => {
  checkRight(call);
  checkQuery(call);
  await next();
});

app.use(async (call, next) => {
  const maxSize = maxBodyBytes(call.req.path);
  const onError = () => {
    throw new Problem(413, "body_too_large", `The body of this request may have at most ${maxSize} bytes`);
  };
  await bodyLimit({ maxSize, onError })(call, next);
});

app.use(once);

app.route("/", storeRoutes);

app.get("/metrics", async (call) => {
  const headers = { "content-type": "text/plain; version=0.0.4; charset=utf-8", "cache-control": "no-store" };
  return new Response(await registryAt(call).metrics(), { headers });
});

// Before those of one kind: `resume` is no id.
app.route("/", workRoutes);

app.route("/", copyRoutes);

app.route("/", quoteRoutes);

app.route("/", syncRoutes);

app.route("/", comparisonRoutes);

app.route("/", replicationRoutes);
app.route("/", eventRoutes);

app.route("/", scheduleRoutes);

app.route("/", linkRoutes);

app.route("/", notificationRoutes);

app.route("/", auditRoutes);

app.route("/", overviewRoutes);

app.all("*", (call) => {
  const allowed = methodsOf(routeNames(), call.req.path);
  if (allowed.length > 0) {
    const message = `${shownPath(call.req.path)} takes ${allowed.join(", ")}, not ${call.req.method}; GET / lists the routes`;
    throw new Problem(405, "method_not_allowed", message, { allow: allowed.join(", ") });
  }
  throw new Problem(
    404,
    "no_such_route",
    `There is no ${call.req.method} ${shownPath(call.req.path)}; GET / lists the routes`,
  );
});

app.onError((error, call) => {
  if (error instanceof Problem) return error.toResponse();
  if (isNewerState(error)) return new Problem(503, "state_too_new", newerStateOf(error)).toResponse();
  const path = shownPath(call.req.path);
  log("error", "request_crashed", { method: call.req.method, path, detail: String(error) });
  return new Problem(500, "internal_error", "Internal error; the log has the details").toResponse();
});

export default {
  fetch: app.fetch,

  /** Events of R2, over a Queue of which this Worker is the consumer. */
  async queue(batch, env, ctx) {
    await takeBatch(batch, env, ctx.exports);
  },

  /** The Cron Trigger. It may come late or more than once: the registry starts each due time once. */
  async scheduled(controller, env, ctx) {
    const registry = registryOf(ctx.exports, placedAt(registryLocation(env)));
    const due = await registry.tick(controller.scheduledTime);
    for (const { kind, id } of due) {
      const work = await registry.admitted(kind, id);
      if (work !== null) await createWork(ctx.exports, work, env);
    }
    await registry.keepAwake();
    await registry
      .forgetOld(controller.scheduledTime)
      .catch((error: unknown) => log("error", "retention_failed", { detail: String(error) }));
  },
} satisfies ExportedHandler<App["Bindings"]>;

/**
 * A page whose name leads to this machine (DNS rebinding) is refused by the name that it gives.
 *
 * @throws {Problem} 400, 421
 */
function checkHost(url: string, env: Env): void {
  if (!URL.canParse(url)) throw new Problem(400, "invalid_request", "The header Host names no host");
  const { hostname, port } = new URL(url);
  if (!isForLoopbackOnly(env) || isLoopback(hostname)) return;
  const detail = `This mesh is for its own machine alone: call it as localhost${port && `:${port}`}, not as ${hostname}`;
  throw new Problem(421, "host_refused", detail);
}

let description: Record<string, unknown> | null = null;

/** The routes, as `GET /copies/:id`. Middleware, which runs before all of them, has no method. */
function routeNames(): string[] {
  const routes = app.routes.filter(({ method }) => method !== "ALL");
  return routes.map(({ method, path }) => `${method} ${path}`);
}
