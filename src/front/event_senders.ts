// Who may hand in events: whoever has a token with the right `events`, or the secret of that one replication,
// in the path, as bearer token or as the password of Basic, which is all that some senders can send.
//
// Invariant: a secret opens `POST /replications/{name}/events`, of its own replication, and nothing else; and
// no path with a secret in it is shown or logged.

import { readAccess, sha256Of } from "../access/entries.ts";
import type { Caller } from "../access/rights.ts";
import { slowGuesses, tokenIn, wrongToken } from "./auth.ts";
import { type Call, meshOf, registryAt } from "./call.ts";
import { looksLikeSecret } from "../replication/secrets.ts";
import type { Replication } from "../registry/replication_rows.ts";

/** It passes for the path alone whose secret it has, so it need not be bound to places. */
const SENDER: Caller = { name: "sender", grants: [{ may: ["events"], source: null, destination: null }] };

const PATH = /^\/replications\/([\w.-]+)\/events(?:\/([^/]+))?\/?$/;

/**
 * The caller of a request with the secret of a replication; null: it has none, and is to show a token.
 *
 * @throws {Problem} 401 for a wrong secret, also where there is no such replication; 429 after too many
 */
export async function senderOf(call: Call): Promise<Caller | null> {
  const match = PATH.exec(new URL(call.req.url).pathname);
  // Without API_TOKEN nobody gets in.
  if (call.req.method !== "POST" || match === null || (await readAccess(call.env)).kind !== "ready")
    return null;
  const [, name = "", inPath] = match;
  const given = inPath ?? tokenIn(call.req.raw) ?? "";
  if (inPath === undefined && !looksLikeSecret(given)) return null;
  return await slowGuesses(call.req.raw, call.env, given, async () => {
    if (looksLikeSecret(given) && (await isSecretOf(call, name, given))) return SENDER;
    throw wrongToken("token_wrong", "This is not the secret of a replication of that name");
  });
}

/** Secrets that this isolate has seen accepted, with their replication: a busy sender asks once. */
const accepted = new Map<string, number>();

const MAX_ACCEPTED = 1_000;

/** How long a secret that has ended may still pass, in an isolate that has not made the one after it. */
const ACCEPTED_MS = 2_000;

async function isSecretOf(call: Call, name: string, secret: string): Promise<boolean> {
  const sha256 = await sha256Of(secret);
  const own = `${name} ${sha256}`;
  if ((accepted.get(own) ?? 0) > Date.now()) return true;
  if ((await knownReplication(call, name)) === null) return false;
  if (!(await meshOf(call).Replicator.getByName(name).hasSecret(sha256))) return false;
  if (accepted.size >= MAX_ACCEPTED) accepted.clear();
  accepted.set(own, Date.now() + ACCEPTED_MS);
  return true;
}

/** After a secret was made: the one before it may have ended. */
export function forgetAccepted(): void {
  accepted.clear();
}

interface Known {
  readonly replication: Replication;
  readonly untilMs: number;
}

/** What this isolate has found: senders come often, and all of them would ask the one registry. */
const known = new Map<string, Known>();

const MAX_KNOWN = 1_000;

/** The replicator knows itself whether it is still there; its places stay the same while it is. */
const KNOWN_MS = 10_000;

/**
 * The replication of that name, or null; perhaps one that was deleted seconds ago. A replicator is called
 * only if there is one, because calling a Durable Object by any name would create it.
 */
export async function knownReplication(call: Call, name: string): Promise<Replication | null> {
  const before = known.get(name);
  if (before !== undefined && before.untilMs > Date.now()) return before.replication;
  const replication = (await registryAt(call).findReplication(name)) as Replication | null;
  if (known.size >= MAX_KNOWN) known.clear();
  if (replication === null) known.delete(name);
  else known.set(name, { replication, untilMs: Date.now() + KNOWN_MS });
  return replication;
}

/** A path as it may be shown and logged. */
export function shownPath(path: string): string {
  return path.replace(/(\/events\/)[^/]+/, "$1…");
}
