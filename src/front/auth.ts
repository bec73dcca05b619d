// Authentication: who calls, by the bearer token, or else by what Cloudflare Access says of the person.
// Tokens are compared in constant time. It fails closed: without API_TOKEN every route of the API answers
// 503.
//
// A token is sent on purpose; the cookie of Access is sent by the browser, whichever site makes it. So a call
// of a person that changes something must come from the mesh's own page.

import { timingSafeEqual } from "hono/utils/buffer";
import { type Entry, FULL, READ, readAccess, sha256Of } from "../access/entries.ts";
import { Guesses, networkOf } from "../access/guesses.ts";
import { type Caller, type Grant, type Right, rightsOf } from "../access/rights.ts";
import { type Person, personOf, readTeam } from "../access/people.ts";
import { Problem } from "../http/problem.ts";
import { RIGHTS } from "../http/vocabulary.ts";
import { log } from "../log.ts";

const EVERYWHERE = { source: null, destination: null };

const FULL_CALLER: Caller = { name: FULL, grants: [{ may: RIGHTS, ...EVERYWHERE }] };

const READ_CALLER: Caller = { name: READ, grants: [{ may: ["read"], ...EVERYWHERE }] };

const guesses = new Guesses();

/** Tokens that this isolate has taken. Whoever holds one is not held up by others behind the same address. */
const taken = new Set<string>();

const MAX_TAKEN = 100;

/**
 * Returns who calls.
 *
 * @throws {Problem} 503 without a right API_TOKEN, 401 without a valid token, 429 after too many wrong ones
 */
export async function authorize(request: Request, env: Readonly<Record<string, unknown>>): Promise<Caller> {
  const given = tokenIn(request) ?? request.headers.get(ASSERTION) ?? "";
  return await slowGuesses(request, env, given, async () => await callerFrom(request, env));
}

/**
 * Returns what a check of a token or secret returns, unless too many wrong ones have come from its address.
 *
 * @throws {Problem} 429, and whatever the check throws
 */
export async function slowGuesses<Result>(
  request: Request,
  env: Readonly<Record<string, unknown>>,
  given: string,
  check: () => Promise<Result>,
): Promise<Result> {
  const address = request.headers.get("cf-connecting-ip");
  const waitMs = guesses.waitMs(address, Date.now());
  if (waitMs > 0 && given !== "" && !taken.has(given)) throw tooManyGuesses(waitMs);
  try {
    const result = await check();
    if (taken.size >= MAX_TAKEN) taken.clear();
    taken.add(given);
    return result;
  } catch (error) {
    const isGuess = error instanceof Problem && GUESSED.includes(error.code);
    if (isGuess) guesses.note(address, Date.now(), await isOverLimit(env, address));
    throw error;
  }
}

const GUESSED: readonly string[] = ["token_wrong", "assertion_wrong"];

interface RateLimit {
  limit(options: { readonly key: string }): Promise<{ readonly success: boolean }>;
}

/** By the rate limit of Workers, which counts for all isolates of a location. */
async function isOverLimit(env: Readonly<Record<string, unknown>>, address: string | null): Promise<boolean> {
  const limiter = env["GUESSES"] as RateLimit | undefined;
  if (limiter === undefined) return false;
  try {
    return !(await limiter.limit({ key: networkOf(address) })).success;
  } catch (error) {
    // This isolate's own count still holds.
    log("warn", "rate_limit_failed", { detail: String(error) });
    return false;
  }
}

function tooManyGuesses(waitMs: number): Problem {
  const seconds = Math.ceil(waitMs / 1000);
  const detail = `Too many wrong tokens have come from this address within a minute: try again in ${seconds} s`;
  return new Problem(429, "too_many_guesses", detail, { "retry-after": String(seconds) });
}

function bearerOf(request: Request): string | null {
  return /^Bearer +(\S+) *$/i.exec(request.headers.get("authorization") ?? "")?.[1] ?? null;
}

/** The bearer token; of senders of events, which may know only an address, also the password of Basic. */
export function tokenIn(request: Request): string | null {
  const bearer = bearerOf(request);
  if (bearer !== null || !/\/events\/?$/.test(new URL(request.url).pathname)) return bearer;
  const credentials = /^Basic +([A-Za-z0-9+/=]+) *$/i.exec(request.headers.get("authorization") ?? "")?.[1];
  // Bytes as they are: a token is ASCII. In `https://token@host/` it is the name, and the password is empty.
  const [, name = "", password = ""] = /^([^:]*):?(.*)$/s.exec(decodeBase64(credentials ?? "")) ?? [];
  return password || name || null;
}

function decodeBase64(text: string): string {
  try {
    return atob(text);
  } catch {
    return "";
  }
}

async function callerFrom(request: Request, env: Readonly<Record<string, unknown>>): Promise<Caller> {
  const access = await readAccess(env);
  if (access.kind === "misconfigured") throw new Problem(503, "misconfigured", access.error);
  if (access.kind === "unset") {
    throw new Problem(
      503,
      "api_token_unset",
      'No request is answered until the secret API_TOKEN is set: run "npx wrangler secret put API_TOKEN"',
    );
  }
  const given = tokenIn(request);
  const entries = access.entries.flatMap((result) => (result.ok ? [result.entry] : []));
  if (given === null) {
    const person = await personFrom(request, env);
    if (person !== null) return callerOf(person.email, entries.filter(isFor(person)), "person");
    throw new Problem(401, "token_missing", 'Send the header "Authorization: Bearer <API_TOKEN>"', {
      "www-authenticate": 'Bearer realm="bucket-brigade"',
    });
  }
  if (await timingSafeEqual(given, access.full)) return FULL_CALLER;
  if (access.read !== null && (await timingSafeEqual(given, access.read))) return READ_CALLER;
  const held = await entriesOf(given, entries);
  if (held !== null) return callerOf(held.name, held.entries, "token");
  // Its own entry may be one of those that are wrong.
  const faults = access.entries.flatMap((result) => (result.ok ? [] : [`. ${result.error}`]));
  throw wrongToken("token_wrong", `The bearer token is none of those configured${faults.join("")}`);
}

/** The entries of this token, or null. Its digest is compared with every entry's, whichever is right. */
async function entriesOf(
  token: string,
  entries: readonly Entry[],
): Promise<{ name: string; entries: readonly Entry[] } | null> {
  const digest = await sha256Of(token);
  const found: Entry[] = [];
  for (const entry of entries) {
    if (entry.holder.kind === "token" && (await timingSafeEqual(digest, entry.holder.sha256)))
      found.push(entry);
  }
  const [first] = found;
  return first?.holder.kind === "token" ? { name: first.holder.name, entries: found } : null;
}

/** Whether Access says who sends this, without a look at whether that is true. */
export function claimsPerson(request: Request, env: Readonly<Record<string, unknown>>): boolean {
  return request.headers.has(ASSERTION) && readTeam(env).kind === "on";
}

const ASSERTION = "cf-access-jwt-assertion";

/** Null: Access has nothing to do with this request. @throws {Problem} 401, 403 or 503 */
async function personFrom(request: Request, env: Readonly<Record<string, unknown>>): Promise<Person | null> {
  const assertion = request.headers.get(ASSERTION);
  const team = readTeam(env);
  if (assertion === null || team.kind === "off") return null;
  if (team.kind === "misconfigured") throw new Problem(503, "misconfigured", team.error);
  const person = await personOf(assertion, team);
  if (isRead(request) || isFromOwnPage(request)) return person;
  const detail = "Another site's page has sent this with your sign-in: only the mesh's own page may do that";
  throw new Problem(403, "foreign_origin", detail);
}

function isRead({ method }: Request): boolean {
  return method === "GET" || method === "HEAD";
}

/** Browsers send both headers, and no page can set them. A program sends neither. */
function isFromOwnPage({ url, headers }: Request): boolean {
  const origin = headers.get("origin") ?? new URL(url).origin;
  return (
    origin === new URL(url).origin &&
    ["same-origin", "none"].includes(headers.get("sec-fetch-site") ?? "none")
  );
}

const isFor =
  ({ email, groups }: Person) =>
  ({ holder }: Entry): boolean => {
    if (holder.kind === "group") return groups.includes(holder.group);
    if (holder.kind !== "email") return false;
    const isDomain = holder.email.startsWith("*@");
    return isDomain ? email.slice(email.lastIndexOf("@")) === holder.email.slice(1) : email === holder.email;
  };

/** @throws {Problem} 401 when all entries of a token have ended, 403 when a person has none */
function callerOf(name: string, entries: readonly Entry[], kind: "token" | "person"): Caller {
  const now = Date.now();
  const grants: Grant[] = entries
    .filter(({ notAfterMs }) => notAfterMs === null || notAfterMs >= now)
    .map(({ grant }) => grant);
  if (grants.length > 0) return { name, grants };
  if (kind === "token")
    throw wrongToken("token_expired", `The token "${name}" has ended: its "notAfter" has passed`);
  const detail = `"${name}" has signed in, but no entry of API_TOKENS is for that address or one of its groups`;
  throw new Problem(403, "right_missing", detail);
}

export function wrongToken(code: "token_wrong" | "token_expired", detail: string): Problem {
  return new Problem(401, code, detail, {
    "www-authenticate": 'Bearer realm="bucket-brigade", error="invalid_token"',
  });
}

/** The refusal of a call whose caller lacks a right. */
export function rightMissing(caller: Caller, right: Right): Problem {
  if (caller.name === READ)
    return new Problem(403, "token_read_only", "The token API_TOKEN_READ may only read; use API_TOKEN");
  const rights = rightsOf(caller).join(", ");
  const detail = `"${caller.name}" may ${rights}, and this call needs the right "${right}"`;
  return new Problem(403, "right_missing", detail);
}
