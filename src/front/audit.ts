// The audit: a line in the log for each call that changes something and for each call that is refused, and a
// row in the registry. Open routes, what only reads and may, and events that are taken leave none: these come
// by the thousand, and their replication counts them.
//
// A change is in the registry before its caller has the answer. Refusals are told to the registry together,
// one call at a time and once a second at most, however many come.

import { matchedRoutes } from "hono/route";
import type { Next } from "hono";
import { describeTouched } from "../access/places.ts";
import type { Caller } from "../access/rights.ts";
import { type Call, registryAt } from "./call.ts";
import { OPERATIONS } from "./operations.ts";
import { Problem } from "../http/problem.ts";
import { log } from "../log.ts";
import type { AuditedCall, Refusal } from "../registry/audit.ts";

/** A key has up to 1,024 bytes, and a call up to three places. */
const MAX_PLACES_CHARACTERS = 1_000;

const MAX_WORD_CHARACTERS = 128;

const REFUSALS: readonly number[] = [401, 403, 429];

export async function audit(call: Call, next: Next): Promise<void> {
  await next();
  const audited = describe(call);
  if (audited === null) return;
  const isRefusal = isRefused(audited.status, audited.who) || operationOf(call)?.isQuiet === true;
  const { atMs: _at, ...fields } = audited;
  log(isRefusal ? "warn" : "info", "api_call", fields);
  if (isRefusal) return tellLater(call, audited);
  // The call itself is done, whatever becomes of its row.
  await registryAt(call)
    .audit(audited)
    .catch((error: unknown) => log("error", "audit_failed", { detail: String(error) }));
}

/** Null: it leaves no line. */
function describe(call: Call): AuditedCall | null {
  const route = routeOf(call);
  const operation = operationOf(call);
  if (operation?.open === true) return null;
  const { method, raw } = call.req;
  const { status } = call.res;
  if (operation?.isQuiet === true && call.res.ok) return null;
  const isChange = method !== "GET" && method !== "HEAD" && route !== undefined;
  const caller = call.get("caller") as Caller | undefined;
  const who = caller?.name ?? null;
  if (!isChange && !isRefused(status, who)) return null;
  const touched = call.get("touched");
  return {
    atMs: Date.now(),
    who,
    method: method.slice(0, MAX_WORD_CHARACTERS),
    route: route?.path ?? null,
    target: targetOf(call, route?.path ?? ""),
    places: touched === undefined ? null : describeTouched(touched).slice(0, MAX_PLACES_CHARACTERS),
    address: wordOf(raw.headers.get("cf-connecting-ip")),
    ray: wordOf(raw.headers.get("cf-ray")),
    status,
    code: call.error instanceof Problem ? call.error.code : null,
  };
}

function routeOf(call: Call) {
  return matchedRoutes(call).find(({ method }) => method !== "ALL");
}

function operationOf(call: Call) {
  const route = routeOf(call);
  return route === undefined ? undefined : OPERATIONS[`${route.method} ${route.path}`];
}

/** Whoever is not recognised has been refused, be it because the configuration is wrong. */
function isRefused(status: number, who: string | null): boolean {
  return who === null || REFUSALS.includes(status);
}

function wordOf(text: string | null): string | null {
  return text?.slice(0, MAX_WORD_CHARACTERS) ?? null;
}

/** What the path names, or what the answer says was started. */
function targetOf(call: Call, route: string): string | null {
  const at = route.split("/").findIndex((part) => part.startsWith(":"));
  const named = at === -1 ? undefined : new URL(call.req.url).pathname.split("/")[at];
  const started = call.res.headers.get("location")?.split("/").at(-1);
  return wordOf(started ?? named ?? null);
}

/** By what they have in common, for the next call to the registry. */
const waiting = new Map<string, Refusal>();

/** More of them are counted together. */
const MAX_WAITING = 200;

const PAUSE_MS = 1_000;

/** An event that has died holds nobody up for longer. */
const TELLING_LIMIT_MS = 30_000;

let tellingUntilMs = 0;

function tellLater(call: Call, refused: AuditedCall): void {
  const { who, method, route, address, code } = refused;
  const own = JSON.stringify([who, method, route, address, code]);
  const like = waiting.has(own) || waiting.size < MAX_WAITING ? own : JSON.stringify(["others", code]);
  const before = waiting.get(like);
  waiting.set(like, { call: before?.call ?? refused, times: (before?.times ?? 0) + 1 });
  if (Date.now() < tellingUntilMs) return;
  tellingUntilMs = Date.now() + TELLING_LIMIT_MS;
  (call.executionCtx as ExecutionContext).waitUntil(tellAll(registryAt(call)));
}

async function tellAll(registry: ReturnType<typeof registryAt>): Promise<void> {
  try {
    while (waiting.size > 0) {
      const refusals = [...waiting.values()];
      waiting.clear();
      await registry.auditRefusals(refusals);
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      tellingUntilMs = Date.now() + TELLING_LIMIT_MS;
    }
  } catch (error) {
    log("error", "audit_failed", { detail: String(error) });
  } finally {
    tellingUntilMs = 0;
  }
}
