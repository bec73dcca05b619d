// Authentication: who calls, by the bearer token, and what a route demands of its callers. Tokens are
// compared in constant time. It fails closed: without API_TOKEN every route of the API answers 503.

import { timingSafeEqual } from "hono/utils/buffer";
import { type Entry, FULL, READ, readAccess, sha256Of } from "../access/entries.ts";
import { type Caller, type Grant, type Right, rightsOf } from "../access/rights.ts";
import { Problem } from "../http/problem.ts";
import { RIGHTS } from "../http/vocabulary.ts";

const EVERYWHERE = { source: null, destination: null };

const FULL_CALLER: Caller = { name: FULL, grants: [{ may: RIGHTS, ...EVERYWHERE }] };

const READ_CALLER: Caller = { name: READ, grants: [{ may: ["read"], ...EVERYWHERE }] };

/**
 * Returns who calls.
 *
 * @throws {Problem} 503 without a right API_TOKEN, 401 without a valid token
 */
export async function authorize(request: Request, env: Readonly<Record<string, unknown>>): Promise<Caller> {
  const access = await readAccess(env);
  if (access.kind === "misconfigured") throw new Problem(503, "misconfigured", access.error);
  if (access.kind === "unset") {
    throw new Problem(
      503,
      "api_token_unset",
      'No request is answered until the secret API_TOKEN is set: run "npx wrangler secret put API_TOKEN"',
    );
  }
  const match = /^Bearer +(\S+) *$/i.exec(request.headers.get("authorization") ?? "");
  const given = match?.[1];
  if (given === undefined) {
    throw new Problem(401, "token_missing", 'Send the header "Authorization: Bearer <API_TOKEN>"', {
      "www-authenticate": 'Bearer realm="bucket-brigade"',
    });
  }
  if (await timingSafeEqual(given, access.full)) return FULL_CALLER;
  if (access.read !== null && (await timingSafeEqual(given, access.read))) return READ_CALLER;
  const entries = access.entries.flatMap((result) => (result.ok ? [result.entry] : []));
  const held = await entriesOf(given, entries);
  if (held !== null) return callerOf(held, Date.now());
  const faults = access.entries.flatMap((result) => (result.ok ? [] : [result.error]));
  // Its own entry may be one of those that are wrong.
  if (faults.length > 0) throw new Problem(503, "misconfigured", faults.join("; "));
  throw wrongToken("token_wrong", "The bearer token is none of those configured");
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

/** @throws {Problem} 401 when all its entries have ended */
function callerOf({ name, entries }: { name: string; entries: readonly Entry[] }, now: number): Caller {
  const grants: Grant[] = entries
    .filter(({ notAfterMs }) => notAfterMs === null || notAfterMs >= now)
    .map(({ grant }) => grant);
  if (grants.length > 0) return { name, grants };
  throw wrongToken("token_expired", `The token "${name}" has ended: its "notAfter" has passed`);
}

function wrongToken(code: "token_wrong" | "token_expired", detail: string): Problem {
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
