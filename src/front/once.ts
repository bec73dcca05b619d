// An Idempotency-Key on any POST: the request runs once, and the same request under the same key gets the
// same answer. Calls that begin work remember their key in the transaction that begins it, so they are not
// here. What is here may safely run twice, and does if a call dies half-way: a repeated pause pauses nothing.
//
// An answer other than 2xx is not remembered: what was refused can be sent again under its key.

import { matchedRoutes } from "hono/route";
import type { Next } from "hono";
import { sha256Of } from "../access/entries.ts";
import { type Call, keyReused, registryAt } from "./call.ts";
import { Problem } from "../http/problem.ts";
import { readIdempotency } from "../http/request.ts";

/**
 * They remember the key themselves, or take none: an event may come twice, and an answer with a secret in it
 * is kept nowhere.
 */
const BY_ITSELF: ReadonlySet<string> = new Set([
  "/copies",
  "/copies/:id/retry",
  "/syncs",
  "/comparisons",
  "/schedules/:name/run",
  "/copies/:id/link",
  "/syncs/:id/link",
  "/comparisons/:id/link",
  "/events",
  "/replications/:name/events",
  "/replications/:name/events/:secret",
  "/replications/:name/secret",
]);

/** A longer answer is not kept, and its request runs again. */
const MAX_ANSWER_CHARACTERS = 64 * 1024;

/** @throws {Problem} 409 while the first request with this key runs, 422 if that was another request */
export async function once(call: Call, next: Next): Promise<Response | undefined> {
  const route = matchedRoutes(call).find(({ method }) => method === "POST");
  if (route === undefined || BY_ITSELF.has(route.path)) return void (await next());
  const { pathname, search } = new URL(call.req.url);
  const idempotency = readIdempotency(call.req.raw, null, call.get("caller"));
  if (idempotency === null) return void (await next());
  const digest = await sha256Of(JSON.stringify([pathname, search, await call.req.raw.clone().text()]));
  const registry = registryAt(call);
  const begun = await registry.beginCall({ ...idempotency, digest });
  if (begun.kind === "key_reused") throw keyReused(call);
  if (begun.kind === "under_way") {
    const message = `The first request with the Idempotency-Key "${idempotency.key}" has not been answered yet: send it again`;
    throw new Problem(409, "idempotency_key_in_use", message, { "retry-after": "5" });
  }
  if (begun.kind === "answered") {
    const { status, body, type } = begun.answer;
    const headers = { "content-type": type, "cache-control": "no-store", "idempotency-replayed": "true" };
    return new Response(body, { status, headers });
  }
  // Remembered even if the client goes away.
  const answering = (async () => {
    try {
      await next();
    } finally {
      const { res } = call;
      const body = res.ok ? await res.clone().text() : null;
      const isKept = body !== null && body.length <= MAX_ANSWER_CHARACTERS;
      const type = res.headers.get("content-type") ?? "application/json";
      await registry.endCall(idempotency, isKept ? { status: res.status, body, type } : null);
    }
  })();
  (call.executionCtx as ExecutionContext).waitUntil(answering.catch(() => undefined));
  return void (await answering);
}
