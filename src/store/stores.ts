// The configured stores. Each `STORE_<NAME>` secret is one S3 endpoint with its credentials, parsed once on
// arrival.
//
// What it needs: the Worker's env.
//
// Invariants: a store that parses is safe to use: its endpoint is https or loopback, without path, query or
// user. Endpoints come from here alone, never from a request. A bad secret is reported by the name of its
// field and what is allowed there, never by its value, because any part of the value may be the key.

import { z } from "zod";
import type { Env } from "../env.ts";
import { Problem } from "../http/problem.ts";
import { ruleOf } from "../http/words.ts";
import { keepSecrets } from "./secrets.ts";
import { type Prices, PricesSchema, pricesOf } from "./prices.ts";
import { BytesPerSecond, WindowsSchema } from "./limits.ts";
import { type Location, locationFor, LOCATIONS, placedAt } from "./location.ts";
import {
  type Profile,
  type Provider,
  LOCAL_R2,
  profileOf,
  ProfileSchema,
  providerOf,
  PROVIDERS,
} from "./profiles.ts";

/** A customer's key for SSE-C: 32 bytes in base64. */
const CustomerKey = z.string().regex(/^[A-Za-z0-9+/]{43}=$/, "must be 32 bytes in base64");

const EncryptionSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("AES256") }),
  z.strictObject({ kind: z.literal("aws:kms"), keyId: z.string().min(1).optional() }),
  z.strictObject({ kind: z.literal("customer"), key: CustomerKey }),
]);

/** How a store encrypts the objects written to it. A `customer` key is needed for reading, too. */
export type Encryption = z.infer<typeof EncryptionSchema>;

export const StoreSchema = z.strictObject({
  endpoint: z.string(),
  region: z.string().min(1),
  anonymous: z.boolean().optional(),
  // Without `anonymous`, both are needed: keyFaults() says so.
  accessKeyId: z.string().min(1).optional(),
  secretAccessKey: z.string().min(1).optional(),
  sessionToken: z.string().min(1).optional(),
  style: z.enum(["path", "virtual"]).optional(),
  provider: z.enum(PROVIDERS).optional(),
  buckets: z.array(z.string().min(1)).optional(),
  readOnly: z.boolean().optional(),
  allowInsecure: z.boolean().optional(),
  maxConcurrency: z.int().min(1).optional(),
  maxRequestsPerSecond: z.number().positive().optional(),
  maxBytesPerSecond: BytesPerSecond.optional(),
  limits: WindowsSchema.optional(),
  requesterPays: z.boolean().optional(),
  location: z.enum(LOCATIONS).optional(),
  encryption: EncryptionSchema.optional(),
  profile: ProfileSchema.partial().optional(),
  prices: PricesSchema.optional(),
});

export interface Store extends Omit<
  z.infer<typeof StoreSchema>,
  "endpoint" | "style" | "provider" | "profile" | "accessKeyId" | "secretAccessKey"
> {
  readonly name: string;
  /** Both are empty where requests are not signed. */
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly provider: Provider;
  /** The provider's defaults, overridden by the secret's own. Check results come in between (facts.ts). */
  readonly profile: Profile;
  /** The secret's own profile, which nothing overrides. */
  readonly ownProfile: Partial<Profile>;
  /** Scheme, host and port without a final slash: `https://s3.example.com`. */
  readonly endpoint: string;
  readonly style: "path" | "virtual";
}

export type StoreEntry =
  | { readonly ok: true; readonly store: Store }
  | { readonly ok: false; readonly name: string; readonly error: string };

const PREFIX = "STORE_";

const STORE_NAME = /^[a-z0-9_]+$/;

/** All configured stores by name; for a bad one, what is wrong with it. */
export function readStores(env: Readonly<Record<string, unknown>>): Map<string, StoreEntry> {
  const entries = new Map<string, StoreEntry>();
  const variables = new Map<string, string>();
  for (const [variable, value] of Object.entries(env)) {
    if (!variable.startsWith(PREFIX)) continue;
    const name = variable.slice(PREFIX.length).toLowerCase();
    const other = variables.get(name);
    variables.set(name, variable);
    // Which of the two was meant nobody can know, and each has a key of its own.
    if (other !== undefined) entries.set(name, { ok: false, name, error: sameName(name, [other, variable]) });
    else entries.set(name, readStore(variable, name, value));
  }
  return entries;
}

function sameName(name: string, variables: readonly string[]): string {
  return `${variables.toSorted().join(" and ")} are both the store "${name}": case makes no difference, so delete one`;
}

/** @throws {Problem} if the store does not exist or its secret is bad */
export function findStore(env: Readonly<Record<string, unknown>>, name: string): Store {
  const stores = readStores(env);
  const entry = stores.get(name);
  if (entry === undefined) {
    const names = [...stores.keys()].toSorted();
    throw new Problem(
      400,
      "unknown_store",
      `There is no store "${name}"; ` +
        (names.length === 0
          ? "no store is configured: set a secret STORE_<NAME>"
          : `configured stores: ${names.join(", ")} (a store "x" is the secret STORE_X)`),
    );
  }
  if (!entry.ok) throw new Problem(503, "store_misconfigured", entry.error);
  return entry.store;
}

/** Of both sides; null: no price is known, or the store is not configured any more. */
export function pricesAt(sides: Readonly<Record<"source" | "destination", Store | null>>): {
  readonly source: Prices | null;
  readonly destination: Prices | null;
} {
  const of = (store: Store | null) => (store === null ? null : pricesOf(store.provider, store.prices));
  return { source: of(sides.source), destination: of(sides.destination) };
}

/** A store as `GET /stores` shows it: everything but the credentials. */
export function describeStore(entry: StoreEntry): Record<string, unknown> {
  if (!entry.ok) return { name: entry.name, ok: false, error: entry.error };
  const { accessKeyId: _id, secretAccessKey: _secret, sessionToken, encryption, ...shown } = entry.store;
  return {
    ...shown,
    ok: true,
    temporaryCredentials: sessionToken !== undefined,
    encryption: encryption?.kind ?? null,
  };
}

// `wrangler dev` serves its local R2 buckets over S3 under this path of its own origin. It is the only
// endpoint with a path.
function isLocalR2(url: URL): boolean {
  return isLoopback(url.hostname) && url.pathname === "/cdn-cgi/local/r2/s3";
}

/** Two spellings of one service are one service: scheme and default port do not distinguish stores. */
export function isSameService(a: Store, b: Store): boolean {
  return serviceOf(a) === serviceOf(b);
}

/** One name for a service, however many configured stores lead to it. */
function serviceOf({ endpoint }: Store): string {
  return new URL(endpoint).host;
}

/** One credential may read the source and write the destination, so the service can copy by itself. */
export function canCopyInside(source: Store, destination: Store): boolean {
  return (
    isSameService(source, destination) &&
    source.accessKeyId === destination.accessKeyId &&
    source.secretAccessKey === destination.secretAccessKey
  );
}

/**
 * The addressing style for one bucket. No wildcard certificate covers a bucket name with a dot, so over TLS
 * such a bucket is addressed by path.
 */
export function styleOf(store: Store, bucket: string): "path" | "virtual" {
  return bucket.includes(".") && store.endpoint.startsWith("https:") ? "path" : store.style;
}

export function isLoopback(hostname: string): boolean {
  return (
    hostname === "localhost" ||
    hostname.endsWith(".localhost") ||
    hostname === "[::1]" ||
    /^127\.\d+\.\d+\.\d+$/.test(hostname)
  );
}

// Parsing two secrets for every small object took a tenth of its millisecond of CPU. Cached by value, because
// a new deployment may bring other secrets into an isolate that survives it.
const readBefore = new Map<string, { readonly value: unknown; readonly entry: StoreEntry }>();

function readStore(variable: string, name: string, value: unknown): StoreEntry {
  const before = readBefore.get(variable);
  if (before !== undefined && before.value === value) return before.entry;
  const entry = parseStore(variable, name, value);
  readBefore.set(variable, { value, entry });
  return entry;
}

function parseStore(variable: string, name: string, value: unknown): StoreEntry {
  const bad = (error: string): StoreEntry => ({ ok: false, name, error: `Cannot use ${variable}: ${error}` });
  if (!STORE_NAME.test(name)) return bad("a store's name has letters, digits and underscores only");
  if (typeof value !== "string") return bad("it must be a string of JSON");
  let json: unknown;
  try {
    json = JSON.parse(value);
  } catch {
    // The parser's own message quotes the text, and with it the secret key.
    return bad(
      'it is not JSON; expected {"endpoint": …, "region": …, "accessKeyId": …, "secretAccessKey": …}',
    );
  }
  const parsed = z.safeParse(StoreSchema, json, { error: ruleOf });
  const faults = [...(parsed.error?.issues.map(describeIssue) ?? []), ...keyFaults(json)];
  if (!parsed.success || faults.length > 0) return bad(faults.join("; "));
  const { endpoint, style, profile: overrides, ...rest } = parsed.data;
  const problem = checkEndpoint(endpoint, rest.allowInsecure ?? false);
  if (problem !== null) return bad(`"endpoint" ${problem}`);
  const url = new URL(endpoint);
  const provider = rest.provider ?? (isLocalR2(url) ? "r2" : providerOf(url.hostname));
  const ownProfile = withoutUndefined(overrides ?? {});
  const { anonymous, accessKeyId = "", secretAccessKey = "", sessionToken, encryption } = rest;
  keepSecrets([
    accessKeyId,
    secretAccessKey,
    sessionToken,
    ...(encryption?.kind === "customer" ? [encryption.key] : []),
  ]);
  const profile = profileOf(provider, { ...(isLocalR2(url) ? LOCAL_R2 : {}), ...ownProfile });
  return {
    ok: true,
    store: {
      ...rest,
      // What nobody has signed can write nowhere.
      ...(anonymous === true ? { readOnly: true } : {}),
      accessKeyId,
      secretAccessKey,
      name,
      provider,
      profile,
      ownProfile,
      endpoint: isLocalR2(url) ? endpoint : url.origin,
      style: style ?? profile.style,
    },
  };
}

/** A store has a key, or says that it needs none. */
function keyFaults(json: unknown): string[] {
  if (typeof json !== "object" || json === null || Array.isArray(json)) return [];
  const given = json as Readonly<Record<string, unknown>>;
  if (given["anonymous"] !== true)
    return ["accessKeyId", "secretAccessKey"]
      .filter((field) => given[field] === undefined)
      .map((field) => `"${field}" is missing`);
  return ["accessKeyId", "secretAccessKey", "sessionToken", "requesterPays", "encryption"]
    .filter((field) => given[field] !== undefined)
    .map((field) => `"${field}" cannot be used with "anonymous", whose requests nobody signs`);
}

function withoutUndefined<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}

function checkEndpoint(endpoint: string, allowInsecure: boolean): string | null {
  const url = URL.parse(endpoint);
  if (url === null) return "is not a URL; expected one like https://s3.eu-central-1.amazonaws.com";
  if (url.username !== "" || url.password !== "") return "must not contain a user name or password";
  if (url.protocol !== "https:" && url.protocol !== "http:") return "must begin with https://";
  if ((url.pathname !== "/" && !isLocalR2(url)) || url.search !== "" || url.hash !== "") {
    return "must be scheme, host and port alone: no path, query or fragment (buckets are named in requests)";
  }
  if (url.protocol === "http:" && !allowInsecure && !isLoopback(url.hostname)) {
    return 'is http://, which is allowed for loopback hosts only: use https://, or set "allowInsecure": true';
  }
  if (isIpAddress(url.hostname) && !isLoopback(url.hostname)) {
    return `is the IP address ${url.hostname}, and a Worker reaches none (error 1003): give the store a host name`;
  }
  if (url.hostname.includes(".mrap.accesspoint.")) {
    return "is a Multi-Region Access Point, which needs SigV4A signatures; use the endpoint of one region";
  }
  return null;
}

// In a URL, IPv6 is in brackets, and IPv4 in any spelling is normalised to four numbers.
export function isIpAddress(hostname: string): boolean {
  return hostname.startsWith("[") || /^\d+\.\d+\.\d+\.\d+$/.test(hostname);
}

// Names the field and what is allowed, not the value found, of which any part may be the key.
function describeIssue(issue: z.core.$ZodIssue): string {
  if (issue.code === "unrecognized_keys") {
    // A key pasted in the wrong place must not be shown. A field's name is short and has only letters.
    const names = issue.keys.map((key) =>
      /^[A-Za-z]{1,24}$/.test(key) ? `"${key}"` : `of ${key.length} characters`,
    );
    const unknown = `unknown field ${names.join(", ")}`;
    if (issue.path.length > 0) return `${unknown} in "${issue.path.join(".")}"`;
    return `${unknown}; known are ${Object.keys(StoreSchema.shape).join(", ")}`;
  }
  const field = issue.path.length === 0 ? "the value" : `"${issue.path.join(".")}"`;
  return `${field} ${issue.message}`;
}

/** Where a copy or sync and its lanes run: as the request says, else near the destination. */
export function placeOfWork(
  spec: { readonly destination: { readonly store: string }; readonly location?: Location | null },
  env: Env,
): ReturnType<typeof placedAt> {
  const entry = readStores(env).get(spec.destination.store);
  return placedAt(locationFor(spec, entry?.ok === true ? entry.store : null));
}
