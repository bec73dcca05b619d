// The receivers of webhooks, as configured: NOTIFY_URL with NOTIFY_SECRET is the receiver "default", and
// NOTIFY is a list of further ones. Pure.
//
// Invariant: no message contains a secret or a URL, which may hold a token of the receiver's. JSON.parse()
// quotes what it cannot read, so its words are not passed on either.

import { isIpAddress, isLoopback } from "../store/endpoint.ts";
import { Problem } from "../http/problem.ts";
import { WEBHOOK_TYPES } from "../http/vocabulary.ts";

export type Receiver = {
  readonly name: string;
  /** The types that it is told of. */
  readonly events: readonly string[];
} & (
  | {
      readonly state: "on";
      readonly url: string;
      /** Each signs; the receiver takes any. So a new one can be set before the old one is removed. */
      readonly keys: readonly Uint8Array<ArrayBuffer>[];
    }
  | { readonly state: "misconfigured"; readonly error: string }
);

type Checked<Value> =
  { readonly ok: true; readonly value: Value } | { readonly ok: false; readonly error: string };

/** That of NOTIFY_URL. */
export const DEFAULT_RECEIVER = "default";

const MAX_RECEIVERS = 10;

const MAX_SECRETS = 5;

/** The specification requires 24 to 64 bytes. */
const KEY_BYTES = { min: 24, max: 64 };

const FORM =
  'NOTIFY must be a JSON list of receivers: [{"name": "ops", "url": "https://…", "secrets": ["whsec_…"], ' +
  '"events": ["*.failed"]}]';

const FIELDS = new Set(["name", "url", "secrets", "events"]);

/** All receivers, also those that are misconfigured; none: no webhooks are wanted. */
export function readReceivers(env: Readonly<Record<string, unknown>>): readonly Receiver[] {
  const { NOTIFY_URL: url, NOTIFY_SECRET: secrets } = env;
  const { NOTIFY: list } = env;
  const first =
    url === undefined || url === ""
      ? []
      : [
          receiverOf(
            DEFAULT_RECEIVER,
            { url, secrets: typeof secrets === "string" ? secrets.split(/\s+/).filter(Boolean) : [] },
            { url: "NOTIFY_URL", secrets: "NOTIFY_SECRET" },
          ),
        ];
  return [...first, ...(list === undefined || list === "" ? [] : readList(list, first))];
}

/** The receivers as `GET /stores` shows them. */
export function describeReceivers(receivers: readonly Receiver[]): Record<string, unknown>[] {
  return receivers.map(({ name, events, ...rest }) =>
    rest.state === "on"
      ? { name, state: rest.state, host: new URL(rest.url).host, secrets: rest.keys.length, events }
      : { name, state: rest.state, error: rest.error },
  );
}

/**
 * Whether those that some work names can be told of it.
 *
 * @param kind as types of webhooks begin
 * @throws {Problem} 400
 */
export function checkNotify(
  names: readonly string[],
  kind: string,
  env: Readonly<Record<string, unknown>>,
): void {
  const receivers = readReceivers(env);
  for (const wanted of names) {
    const found = receivers.find(({ name }) => name === wanted);
    if (found?.events.some((type) => type.startsWith(`${kind}.`))) continue;
    const all = receivers.map(({ name }) => name).join(", ");
    const known = all === "" ? "none is configured: set NOTIFY_URL or NOTIFY" : `configured are: ${all}`;
    const reason =
      found === undefined
        ? `there is no receiver ${JSON.stringify(wanted)}; ${known}`
        : `the receiver "${wanted}" wants no event of this kind: add "${kind}.*" to its "events" in NOTIFY`;
    throw new Problem(400, "invalid_request", `"notify": ${reason}`);
  }
}

function readList(text: unknown, before: readonly Receiver[]): Receiver[] {
  const list = parseList(text);
  if (list === null) return [misconfigured("NOTIFY", FORM)];
  if (list.length > MAX_RECEIVERS)
    return [misconfigured("NOTIFY", `NOTIFY has ${list.length} receivers; ${MAX_RECEIVERS} are allowed`)];
  const names = new Set(before.map(({ name }) => name));
  return list.map((entry, index) => {
    const place = `NOTIFY[${index}]`;
    if (!isRecord(entry)) return misconfigured(place, FORM);
    const { name, url, secrets = [], events } = entry;
    if (typeof name !== "string" || !/^[a-z0-9][a-z0-9-]{0,31}$/.test(name))
      return misconfigured(place, `${place}: "name" must have 1 to 32 of a-z, 0-9 and "-"`);
    if (names.has(name)) return misconfigured(place, `${place}: there is another receiver "${name}"`);
    names.add(name);
    const unknown = Object.keys(entry).find((field) => !FIELDS.has(field));
    if (unknown !== undefined)
      return misconfigured(name, `NOTIFY "${name}": a receiver has ${[...FIELDS].join(", ")}, and no more`);
    const fields = { url: `NOTIFY "${name}": "url"`, secrets: `NOTIFY "${name}": each of "secrets"` };
    const wanted = eventsOf(events, `NOTIFY "${name}": "events"`);
    if (!wanted.ok) return misconfigured(name, wanted.error);
    return receiverOf(
      name,
      { url, secrets: Array.isArray(secrets) ? secrets : [secrets], events: wanted.value },
      fields,
    );
  });
}

function parseList(text: unknown): unknown[] | null {
  try {
    const list: unknown = JSON.parse(String(text));
    return Array.isArray(list) ? list : null;
  } catch {
    return null;
  }
}

function receiverOf(
  name: string,
  given: { url: unknown; secrets: readonly unknown[]; events?: readonly string[] },
  fields: { url: string; secrets: string },
): Receiver {
  const events = given.events ?? WEBHOOK_TYPES;
  const url = urlOf(given.url, fields.url);
  if (!url.ok) return misconfigured(name, url.error, events);
  const keys = given.secrets.map(keyOf).filter((key) => key !== null);
  const isRight = keys.length === given.secrets.length && keys.length >= 1 && keys.length <= MAX_SECRETS;
  if (isRight) return { name, events, state: "on", url: url.value, keys };
  const several = given.secrets.length > MAX_SECRETS ? `; ${MAX_SECRETS} at most` : "";
  return misconfigured(
    name,
    `${fields.secrets} must be "whsec_" and the base64 of ${KEY_BYTES.min} to ${KEY_BYTES.max} random bytes: ` +
      `echo "whsec_$(openssl rand -base64 32)"${several}`,
    events,
  );
}

function urlOf(url: unknown, field: string): Checked<string> {
  const bad = (error: string) => ({ ok: false, error: `${field} ${error}` }) as const;
  const parsed = typeof url === "string" ? URL.parse(url) : null;
  if (parsed === null || typeof url !== "string") return bad("is not a URL");
  if (parsed.username !== "" || parsed.password !== "")
    return bad("must not contain a user name or password");
  const isLocal = parsed.protocol === "http:" && isLoopback(parsed.hostname);
  if (parsed.protocol !== "https:" && !isLocal) return bad("must begin with https://");
  if (isIpAddress(parsed.hostname) && !isLoopback(parsed.hostname))
    return bad("has an IP address for a host, and a Worker reaches no IP address: use a name");
  return { ok: true, value: url };
}

/** @param patterns types, or `copy.*`, `sync.*`, `*.failed`; left out: all types */
function eventsOf(patterns: unknown, field: string): Checked<readonly string[]> {
  if (patterns === undefined) return { ok: true, value: WEBHOOK_TYPES };
  const wanted = new Set<string>();
  const isList = Array.isArray(patterns) && patterns.length > 0;
  for (const pattern of isList ? patterns : [patterns]) {
    const matching = typeof pattern === "string" ? typesOf(pattern) : [];
    for (const type of matching) wanted.add(type);
    if (isList && matching.length > 0) continue;
    const known = `"copy.*", "*.failed" and the like, or ${WEBHOOK_TYPES.join(", ")}`;
    return { ok: false, error: `${field} must be a list of ${known}, not ${JSON.stringify(pattern)}` };
  }
  return { ok: true, value: WEBHOOK_TYPES.filter((type) => wanted.has(type)) };
}

function typesOf(pattern: string): string[] {
  const [kind, phase, ...more] = pattern.split(".");
  if (more.length > 0 || phase === undefined) return [];
  return WEBHOOK_TYPES.filter((type) => {
    const [ofKind, ofPhase] = type.split(".");
    return (kind === "*" || kind === ofKind) && (phase === "*" || phase === ofPhase);
  });
}

function misconfigured(
  name: string,
  error: string,
  events: readonly string[] = WEBHOOK_TYPES,
): Receiver & { state: "misconfigured" } {
  return { name, events, state: "misconfigured", error };
}

function keyOf(secret: unknown): Uint8Array<ArrayBuffer> | null {
  const text = typeof secret === "string" ? /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(secret)?.[1] : undefined;
  if (text === undefined || text.length % 4 !== 0) return null;
  const key = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  return key.length >= KEY_BYTES.min && key.length <= KEY_BYTES.max ? key : null;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
