// Who may use the mesh, as configured: the secrets API_TOKEN, API_TOKEN_READ and API_TOKENS. Parsed once for
// each value.
//
// Invariants: it fails closed. API_TOKEN and API_TOKEN_READ must be right, or nobody gets in; an entry of
// API_TOKENS that is wrong lets nobody in, and the other entries go on working. What is wrong is told by the
// number of the entry and the name of its field, never by a value: any part of it may be a token.

import { z } from "zod";
import { isoTime } from "../http/fields.ts";
import { RIGHTS } from "../http/vocabulary.ts";
import { ruleOf } from "../http/words.ts";
import { type Grant, type Scope, formatScope, parseScope } from "./rights.ts";

/** Names of API_TOKEN and API_TOKEN_READ. */
export const FULL = "full";
export const READ = "read";

/** And of whoever holds a link, or the secret of a replication. */
const RESERVED: readonly string[] = [FULL, READ, "link", "sender"];

/** Of a token as such: 16 random letters have 90 bits or so, and a word has fewer letters. */
const LEAST_CHARACTERS = 16;

const Name = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, 'must have 1 to 63 letters, digits, ".", "-" and "_"')
  .refine((name) => !RESERVED.includes(name), `must not be one of ${RESERVED.join(", ")}`);

const Scopes = z
  .array(
    z.string().transform((text, context): Scope => {
      const scope = parseScope(text);
      if (scope !== null) return scope;
      context.addIssue({
        code: "custom",
        message: 'must be "store", "store:bucket" or "store:bucket/prefix"',
      });
      return z.NEVER;
    }),
  )
  .min(1);

/** A time, or a day, which counts to its end in UTC. */
const NotAfter = z
  .union([z.iso.datetime({ offset: true }), z.iso.date()], {
    error: 'must be a time such as "2027-01-31T12:00:00Z", or a day such as "2027-01-31"',
  })
  .transform((text) => Date.parse(text.includes("T") ? text : `${text}T23:59:59.999Z`));

export const EntrySchema = z
  .strictObject({
    name: Name.optional(),
    sha256: z
      .string()
      .regex(/^[0-9a-fA-F]{64}$/, "must be the SHA-256 of the token, as 64 hexadecimal digits")
      .toLowerCase()
      .optional(),
    email: z
      .string()
      .regex(/^[^@\s]+@[^@\s]+$/, 'must be an address, or "*@" and a domain')
      .toLowerCase()
      .optional(),
    group: z.string().min(1).optional(),
    may: z.array(z.enum(RIGHTS)).min(1),
    source: Scopes.optional(),
    destination: Scopes.optional(),
    notAfter: NotAfter.optional(),
  })
  .superRefine(({ name, sha256, email, group }, context) => {
    const ways = [sha256, email, group].filter((way) => way !== undefined);
    if (ways.length !== 1)
      context.addIssue({ code: "custom", message: 'must have one of "sha256", "email" and "group"' });
    else if (sha256 !== undefined && name === undefined)
      context.addIssue({ code: "custom", path: ["name"], message: "is missing" });
    else if (sha256 === undefined && name !== undefined)
      context.addIssue({
        code: "custom",
        path: ["name"],
        message: 'goes with "sha256": people are called by their address',
      });
  });

/** Who it is for: a token by its digest, a person by address or group. */
type Holder =
  | { readonly kind: "token"; readonly name: string; readonly sha256: string }
  | { readonly kind: "email"; readonly email: string }
  | { readonly kind: "group"; readonly group: string };

export interface Entry {
  readonly holder: Holder;
  readonly grant: Grant;
  /** Null: for ever. */
  readonly notAfterMs: number | null;
}

/** `error`: of the entry with this number, counted from 1. */
type EntryResult =
  { readonly ok: true; readonly entry: Entry } | { readonly ok: false; readonly error: string };

export type Access =
  | { readonly kind: "unset" }
  /** Nobody gets in. */
  | { readonly kind: "misconfigured"; readonly error: string }
  | {
      readonly kind: "ready";
      readonly full: string;
      readonly read: string | null;
      readonly entries: readonly EntryResult[];
    };

/** The entries as `GET /stores` shows them: without the digests. */
export function describeEntries(entries: readonly EntryResult[]): Record<string, unknown>[] {
  return entries.map((result) => {
    if (!result.ok) return { ok: false, error: result.error };
    const { holder, grant, notAfterMs } = result.entry;
    const [source, destination] = [grant.source, grant.destination].map(
      (side) => side?.map(formatScope) ?? null,
    );
    const { kind: _kind, ...shown } = holder;
    const who = holder.kind === "token" ? { name: holder.name } : shown;
    return { ok: true, ...who, may: grant.may, source, destination, notAfter: isoTime(notAfterMs) };
  });
}

let before: { readonly key: string; readonly access: Promise<Access> } | null = null;

/** Reads the secrets; cached by value, because a new deployment may bring others into the same isolate. */
export async function readAccess(env: Readonly<Record<string, unknown>>): Promise<Access> {
  const values = [
    valueOf(env, "API_TOKEN"),
    valueOf(env, "API_TOKEN_READ"),
    valueOf(env, "API_TOKENS"),
  ] as const;
  const key = JSON.stringify(values);
  if (before?.key !== key) before = { key, access: parseAccess(...values) };
  return await before.access;
}

function valueOf(env: Readonly<Record<string, unknown>>, name: string): unknown {
  return env[name];
}

async function parseAccess(full: unknown, read: unknown, entries: unknown): Promise<Access> {
  if (isUnset(full)) return { kind: "unset" };
  const reading = isUnset(read) ? null : read;
  const fault =
    tokenFault("API_TOKEN", full) ?? (reading === null ? null : tokenFault("API_TOKEN_READ", reading));
  if (fault !== null) return { kind: "misconfigured", error: fault };
  if (reading === full) {
    const error = "API_TOKEN_READ is the same as API_TOKEN, so it may do everything: set another token";
    return { kind: "misconfigured", error };
  }
  const known = [String(full), ...(reading === null ? [] : [String(reading)])];
  return {
    kind: "ready",
    full: String(full),
    read: reading === null ? null : String(reading),
    entries: isUnset(entries) ? [] : parseEntries(entries, await Promise.all(known.map(sha256Of))),
  };
}

function isUnset(value: unknown): boolean {
  return value === undefined || value === "";
}

/** What is wrong with a token as such, or null. The value is not told. */
function tokenFault(variable: string, token: unknown): string | null {
  const advice = "set the output of `openssl rand -base64 32`, without a line break";
  if (typeof token !== "string") return `${variable} must be text: ${advice}`;
  if (/\s/.test(token)) return `${variable} has white space in it, which no header can carry: ${advice}`;
  if (token.length < LEAST_CHARACTERS)
    return `${variable} has fewer than ${LEAST_CHARACTERS} characters and could be guessed: ${advice}`;
  return null;
}

/**
 * Several entries may be for one token or one person, who then has what any of them gives.
 *
 * @param taken the digests of other tokens
 */
function parseEntries(value: unknown, taken: readonly string[]): EntryResult[] {
  let json: unknown;
  try {
    json = JSON.parse(String(value));
  } catch {
    // The parser's own message quotes the text.
    return [{ ok: false, error: "API_TOKENS is not JSON; expected a list of objects" }];
  }
  if (!Array.isArray(json)) return [{ ok: false, error: "API_TOKENS must be a JSON list of objects" }];
  const names = new Map(taken.map((digest) => [digest, ""]));
  return json.map((item: unknown, index): EntryResult => {
    const bad = (error: string): EntryResult => ({
      ok: false,
      error: `Entry ${index + 1} of API_TOKENS: ${error}`,
    });
    const parsed = z.safeParse(EntrySchema, item, { error: ruleOf });
    if (!parsed.success) return bad(parsed.error.issues.map(describeIssue).join("; "));
    const entry = entryOf(parsed.data);
    if (entry.holder.kind !== "token") return { ok: true, entry };
    const { name, sha256 } = entry.holder;
    if ((names.get(sha256) ?? name) !== name) return bad('"sha256" is that of a token of another name');
    names.set(sha256, name);
    return { ok: true, entry };
  });
}

function entryOf({ name = "", sha256, email, group, ...rest }: z.infer<typeof EntrySchema>): Entry {
  const { may, source = null, destination = null, notAfter = null } = rest;
  const grant = { may: [...new Set(may)], source, destination };
  const held = { grant, notAfterMs: notAfter };
  if (sha256 !== undefined) return { holder: { kind: "token", name, sha256 }, ...held };
  if (email !== undefined) return { holder: { kind: "email", email }, ...held };
  return { holder: { kind: "group", group: group ?? "" }, ...held };
}

function describeIssue(issue: z.core.$ZodIssue): string {
  // A token that was pasted in the wrong place must not be shown.
  if (issue.code === "unrecognized_keys")
    return `unknown field; known are ${Object.keys(EntrySchema.shape).join(", ")}`;
  const field = issue.path.length === 0 ? "it" : `"${issue.path.join(".")}"`;
  return `${field} ${issue.message}`;
}

/** In hexadecimal digits. */
export async function sha256Of(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
