// What the routes of copies, syncs, schedules and stores share: the query of a list, the answer to admitted
// work, and the way to the object that answers a call.

import type { Context } from "hono";
import type { Caller, Right, Touched } from "../access/rights.ts";
import type { Env } from "../env.ts";
import { permit, permitKnown } from "./permission.ts";
import { plainText } from "../http/json.ts";
import { jsonResponse, Problem } from "../http/problem.ts";
import { readLimit } from "../http/request.ts";
import { PHASE_GROUPS } from "../http/vocabulary.ts";
import { isId } from "../http/id.ts";
import { log } from "../log.ts";
import { type Mesh, registryOf } from "../mesh.ts";
import { placedAt, registryLocation } from "../store/location.ts";
import type { Wanted, WorkPlaces } from "../registry/work_rows.ts";
import { type WorkStatus, statusLines } from "../view/lines.ts";
import { type WorkKind, PLURALS, objectsOf } from "../schedule/kinds.ts";

/** Of the app and of each group of its routes. */
export interface App {
  readonly Bindings: Env;
  readonly Variables: {
    readonly caller: Caller;
    /** What the call reads and writes, once that is known. */
    readonly touched: Touched | undefined;
  };
}

export type Call = Context<App>;

export function meshOf(call: Call): Mesh {
  return (call.executionCtx as ExecutionContext).exports;
}

/** The registry, which the first call of all places as LOCATION says. @throws {Problem} 503 */
export function registryAt(call: Call): ReturnType<typeof registryOf> {
  return registryOf(meshOf(call), placedAt(registryLocation(call.env)));
}

/** As permit(); the audit learns what the call touches. @throws {Problem} 403 */
export function allow(call: Call, rights: readonly Right[], touched: Touched): void {
  call.set("touched", touched);
  permit(call.get("caller"), rights, touched);
}

/** As permitKnown(); the audit learns what the call touches. @throws {Problem} 404, 403 */
export function allowKnown(call: Call, rights: readonly Right[], touched: Touched, missing: Problem): void {
  call.set("touched", touched);
  permitKnown(call.get("caller"), rights, touched, missing);
}

/** Which rows of a list are requested: in any of these phases, or in all. @throws {Problem} 400 */
export function readPage(
  call: Call,
  phases: readonly string[],
): { chosen: readonly string[]; wanted: Wanted; before: string | null; limit: number } {
  const query = new URL(call.req.url).searchParams;
  const chosen = query.getAll("phase").flatMap((phase) => {
    if (isPhaseGroup(phase)) return phases.filter((one) => PHASE_GROUPS[phase].includes(one));
    if (phases.includes(phase)) return [phase];
    const allowed = [...phases, ...Object.keys(PHASE_GROUPS)].join(", ");
    throw new Problem(400, "invalid_request", `"phase" must be one of ${allowed}, not "${phase}"`);
  });
  const wanted = {
    text: query.get("q"),
    store: query.get("store")?.toLowerCase() ?? null,
    schedule: query.get("schedule"),
  };
  return { chosen, wanted, before: readCursor(query), limit: readLimit(query) };
}

/** `?cursor=`: the id after which a list goes on, or null. @throws {Problem} 400 */
export function readCursor(query: URLSearchParams): string | null {
  const before = query.get("cursor");
  if (before === null || isId(before)) return before;
  const message = `"cursor" must be the "next" of an earlier page, not "${before}"`;
  throw new Problem(400, "invalid_request", message);
}

/** One of a few words, or null if it is absent. @throws {Problem} 400 */
export function readWord<Word extends string>(
  query: URLSearchParams,
  name: string,
  words: readonly Word[],
): Word | null {
  const text = query.get(name);
  const word = words.find((known) => known === text) ?? null;
  if (text === null || word !== null) return word;
  throw new Problem(400, "invalid_request", `"${name}" must be one of ${words.join(", ")}, not "${text}"`);
}

function isPhaseGroup(text: string): text is keyof typeof PHASE_GROUPS {
  return Object.hasOwn(PHASE_GROUPS, text);
}

/** As `curl -H "Accept: text/plain"` asks for it. */
export function wantsText(call: Call): boolean {
  return call.req.header("accept")?.startsWith("text/plain") ?? false;
}

/** Lines for a terminal. */
export function answerText(text: string, status = 200, headers: Record<string, string> = {}): Response {
  const type = { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store", vary: "accept" };
  return new Response(plainText(text.endsWith("\n") ? text : `${text}\n`), {
    status,
    headers: { ...type, ...headers },
  });
}

/** The answer to admitted work: its status, or as text its bare id, and where to fetch it again. */
export async function accepted(
  call: Call,
  kind: WorkKind,
  id: string,
  headers: Record<string, string> = {},
): Promise<Response> {
  const all = { location: `/${PLURALS[kind]}/${id}`, ...headers };
  if (wantsText(call)) return answerText(id, 202, all);
  return jsonResponse(await fetchStatus(meshOf(call), kind, id), 202, all);
}

/** The answer to a request that is repeated under its Idempotency-Key. */
export async function replayed(call: Call, kind: WorkKind, id: string): Promise<Response> {
  return await accepted(call, kind, id, { "idempotency-replayed": "true" });
}

export function tooManyRunning(most: number): Problem {
  const message = `As much runs as MAX_RUNNING allows, ${most}: send it again when one has ended`;
  return new Problem(429, "too_many_running", message, { "retry-after": "30" });
}

export function keyReused(call: Call): Problem {
  const key = call.req.header("idempotency-key");
  const message = `The Idempotency-Key "${key}" was used for another request`;
  return new Problem(422, "idempotency_key_reused", message);
}

/**
 * A handler that has the copy or sync itself answer, from its own storage, if the caller may do that.
 *
 * @param right `retry`: that to steer, and to delete where the sync does
 */
export function answeredBy(
  kind: WorkKind,
  right: "read" | "steer" | "retry",
): (call: Call) => Promise<Response> {
  return async (call) => await askWork(call, kind, right);
}

/** @param below the path under that of the work, where it is not that of the call */
export async function askWork(
  call: Call,
  kind: WorkKind,
  right: "read" | "steer" | "retry",
  below?: string,
): Promise<Response> {
  const id = call.req.param("id") ?? "";
  const { touched, deletes } = await findWork(call, kind, id);
  const rights: Right[] = right === "retry" ? ["steer", ...(deletes ? ["delete" as const] : [])] : [right];
  allowKnown(call, rights, touched, noWork(kind, id));
  const object = objectsOf(meshOf(call), kind).getByName(id);
  if (below === undefined) return await object.fetch(call.req.raw);
  const url = new URL(call.req.url);
  url.pathname = `/${PLURALS[kind]}/${id}${below}`;
  return await object.fetch(url);
}

/** `GET /copies/{id}`: its status, as JSON or as lines. */
export function statusOf(kind: WorkKind): (call: Call) => Promise<Response> {
  return async (call) => {
    const answer = await askWork(call, kind, "read");
    if (!answer.ok || !wantsText(call)) return answer;
    const status: WorkStatus = await answer.json();
    return answerText(statusLines(status).join("\n"));
  };
}

/** What this isolate has found before: it never changes. */
const found = new Map<string, WorkPlaces>();

const MAX_FOUND = 1_000;

/**
 * What the copy or sync touches, as the registry knows it. An object is called only if there is one, because
 * calling a Durable Object by any name would create it.
 *
 * @throws {Problem} 404
 */
export async function findWork(call: Call, kind: WorkKind, id: string): Promise<WorkPlaces> {
  if (!isId(id)) throw noWork(kind, id);
  const before = found.get(`${kind} ${id}`);
  if (before !== undefined) return before;
  let work: WorkPlaces | null;
  try {
    work = await registryAt(call).findWork(kind, id);
  } catch (error) {
    // The object knows itself whether it exists. Whoever has a right everywhere may ask it.
    log("warn", "registry_unreachable", { [`${kind}Id`]: id, detail: String(error) });
    return { touched: "mesh", deletes: kind === "sync" };
  }
  if (work === null) throw noWork(kind, id);
  if (found.size >= MAX_FOUND) found.clear();
  // Not the answer itself, which holds what the runtime keeps of a call until it is collected.
  const places = { touched: work.touched, deletes: work.deletes };
  found.set(`${kind} ${id}`, places);
  return places;
}

export function noWork(kind: WorkKind, id: string): Problem {
  return new Problem(404, `${kind}_not_found`, `There is no ${kind} "${id}"`);
}

/**
 * The status that the client gets with the 202. An object that cannot answer yet does not undo the admission.
 */
async function fetchStatus(mesh: Mesh, kind: WorkKind, id: string): Promise<unknown> {
  const response = await objectsOf(mesh, kind).getByName(id).fetch(`https://${kind}/${PLURALS[kind]}/${id}`);
  return response.ok ? await response.json() : { id, phase: "admitted" };
}
