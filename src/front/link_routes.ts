// Links to one status: whoever has the link may watch one copy, sync or comparison until the link ends, and
// nothing else.
// A link is the address of a status with `expires` and `sig` (link.ts). Nothing is kept of it. With a new
// API_TOKEN, or after DELETE /links, all links have ended.
//
// Invariant: a link opens a GET of the status, its progress and its events, by their exact paths. What it
// opens leads to no list and to no other copy.

import { Hono } from "hono";
import { readAccess } from "../access/entries.ts";
import type { Caller } from "../access/rights.ts";
import { type App, type Call, findWork, keyReused, noWork, registryAt, allowKnown } from "./call.ts";
import { isoTime, parseWith } from "../http/fields.ts";
import { jsonResponse, Problem } from "../http/problem.ts";
import { readBody, readIdempotency } from "../http/request.ts";
import { type WorkKind, PLURALS, WORK_KINDS } from "../schedule/kinds.ts";
import { LinkRequestSchema, LONGEST_S, isSigned, signLink } from "./link.ts";

export const linkRoutes = new Hono<App>();

/** The clocks of two machines differ by less. */
const SKEW_S = 60;

/** It passes for the path alone that was signed, so it need not be bound to the places of the work. */
const HOLDER: Caller = { name: "link", grants: [{ may: ["read"], source: null, destination: null }] };

for (const kind of WORK_KINDS)
  linkRoutes.post(`/${PLURALS[kind]}/:id/link`, async (call) => await makeLink(call, kind));

linkRoutes.delete("/links", async (call) => {
  await registryAt(call).endLinks();
  return new Response(null, { status: 204 });
});

async function makeLink(call: Call, kind: WorkKind): Promise<Response> {
  const id = call.req.param("id") ?? "";
  const { touched } = await findWork(call, kind, id);
  allowKnown(call, ["steer"], touched, noWork(kind, id));
  const text = await call.req.raw.clone().text();
  const request = parseWith(LinkRequestSchema, text === "" ? {} : await readBody(call.req.raw));
  const wantedS = Math.floor(Date.now() / 1000) + request.expiresInSeconds;
  const idempotency = readIdempotency(call.req.raw, [kind, id, request], call.get("caller"));
  const begun = await registryAt(call).makeLink(idempotency, wantedS);
  if (begun === "key_reused") throw keyReused(call);
  const { salt, expiresS, known } = begun;
  const sig = await signLink({ kind, id, expiresS }, { salt, token: await tokenOf(call) });
  const addressOf = (below: string) => {
    const url = new URL(`/${PLURALS[kind]}/${id}${below}`, call.req.url);
    url.search = new URLSearchParams({ expires: String(expiresS), sig }).toString();
    return url.href;
  };
  const link = {
    url: addressOf(""),
    progress: addressOf("/progress"),
    events: addressOf("/events"),
    expiresAt: isoTime(expiresS * 1000),
  };
  return jsonResponse(link, 201, known ? { "idempotency-replayed": "true" } : {});
}

/**
 * The caller of a request with a link; null: it has none, and is to show a token.
 *
 * @throws {Problem} 410 after its end, 403 if it was not made here, is for something else, or was ended
 */
export async function holderOf(call: Call): Promise<Caller | null> {
  const { pathname, searchParams: query } = new URL(call.req.url);
  const sig = query.get("sig");
  const isRead = call.req.method === "GET" || call.req.method === "HEAD";
  const match = /^\/([a-z]+)\/([0-9a-z]{26})(?:\/(?:progress|events))?\/?$/.exec(pathname);
  const [, path, id = ""] = match ?? [];
  const kind = WORK_KINDS.find((known) => PLURALS[known] === path);
  if (sig === null || !isRead || kind === undefined || call.req.header("authorization")) return null;
  const expires = query.get("expires") ?? "";
  const expiresS = /^\d{1,12}$/.test(expires) ? Number(expires) : Infinity;
  const nowS = Date.now() / 1000;
  if (expiresS <= nowS) {
    const message = `This link has ended at ${isoTime(expiresS * 1000)}: ask for a new one`;
    throw new Problem(410, "link_expired", message);
  }
  const isPossible = expiresS <= nowS + LONGEST_S + SKEW_S;
  const salt = isPossible ? await registryAt(call).linkSalt() : null;
  const linked = { kind, id, expiresS };
  if (salt !== null && (await isSigned(linked, sig, { salt, token: await tokenOf(call) }))) return HOLDER;
  const message = "This link was not made here, is for something else, or was ended";
  throw new Problem(403, "link_invalid", message);
}

/** @throws {Problem} 503 without a right API_TOKEN, as for every call */
async function tokenOf(call: Call): Promise<string> {
  const access = await readAccess(call.env);
  if (access.kind === "ready") return access.full;
  if (access.kind === "misconfigured") throw new Problem(503, "misconfigured", access.error);
  throw new Problem(503, "api_token_unset", "No link is good until the secret API_TOKEN is set");
}
