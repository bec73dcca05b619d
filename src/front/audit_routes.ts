// The route of the audit: who did what, newest first. The front mounts it behind its token check.

import { Hono } from "hono";
import { type App, readCursor, registryAt } from "./call.ts";
import { listResponse } from "./lists.ts";
import { Problem } from "../http/problem.ts";
import { readLimit } from "../http/request.ts";

export const auditRoutes = new Hono<App>();

auditRoutes.get("/audit", async (call) => {
  const query = new URL(call.req.url).searchParams;
  const filter = { who: query.get("who"), sinceMs: readSince(query) };
  const page = await registryAt(call).listAudit(filter, readCursor(query), readLimit(query));
  return listResponse(call, "calls", page.calls, page.next);
});

/** @throws {Problem} 400 */
function readSince(query: URLSearchParams): number {
  const text = query.get("since");
  if (text === null) return 0;
  const sinceMs = /^\d{4}-\d\d-\d\d(?:T.+(?:Z|[+-]\d\d:\d\d))?$/.test(text) ? Date.parse(text) : Number.NaN;
  if (sinceMs >= 0) return sinceMs;
  const message = `"since" must be a time such as 2026-11-29T12:00:00Z, or a day, not "${text}"`;
  throw new Problem(400, "invalid_request", message);
}
