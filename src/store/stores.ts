// The configured stores. Each `STORE_<NAME>` secret is one S3 endpoint with its credentials, or a web server
// (web.ts), parsed once on arrival.
//
// What it needs: the Worker's env.
//
// Invariants: a store that parses is safe to use: its endpoint is https or loopback, without query or user,
// and S3's without a path. Endpoints come from here alone, never from a request. A bad secret is reported by
// the name of its field and what is allowed there, never by its value, because any part of the value may be
// the key.

import { z } from "zod";
import type { Env } from "../env.ts";
import { Problem } from "../http/problem.ts";
import { endpointFault, isLocalR2 } from "./endpoint.ts";
import { readWith } from "./secret_faults.ts";
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
  WEB,
} from "./profiles.ts";
import { type Web, readWebSecret, secretsOf } from "./web.ts";

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
  kind: z.literal("s3").optional(),
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
  "kind" | "endpoint" | "style" | "provider" | "profile" | "accessKeyId" | "secretAccessKey"
> {
  readonly name: string;
  /** How it is asked, if it is of kind https; absent: it speaks S3. */
  readonly web?: Web;
  /** Both are empty where requests are not signed. */
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly provider: Provider;
  /** The provider's defaults, overridden by the secret's own. Check results come in between (facts.ts). */
  readonly profile: Profile;
  /** The secret's own profile, which nothing overrides. */
  readonly ownProfile: Partial<Profile>;
  /**
   * Scheme, host and port without a final slash: `https://s3.example.com`. Of a web server also a path.
   */
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
  const { web, ...store } = entry.store;
  const { accessKeyId: _id, secretAccessKey: _secret, sessionToken, encryption, ...shown } = store;
  const { region: _region, style: _style, ...plain } = shown;
  return {
    ...(web === undefined ? shown : plain),
    ok: true,
    kind: web === undefined ? "s3" : "https",
    ...(web === undefined ? {} : { headers: Object.keys(web.headers), redirects: web.redirects }),
    temporaryCredentials: sessionToken !== undefined,
    encryption: encryption?.kind ?? null,
  };
}

/** Two spellings of one service are one service: scheme and default port do not distinguish stores. */
export function isSameService(a: Store, b: Store): boolean {
  return a.endpoint === b.endpoint || serviceOf(a) === serviceOf(b);
}

/** One name for a service, however many configured stores lead to it. */
function serviceOf({ endpoint }: Store): string {
  return new URL(endpoint).host;
}

/** One credential may read the source and write the destination, so the service can copy by itself. */
export function canCopyInside(source: Store, destination: Store): boolean {
  // Asked several times for each small object, and a URL costs more to read than two texts to compare.
  return (
    source.accessKeyId === destination.accessKeyId &&
    source.secretAccessKey === destination.secretAccessKey &&
    isSameService(source, destination)
  );
}

/**
 * The addressing style for one bucket. No wildcard certificate covers a bucket name with a dot, so over TLS
 * such a bucket is addressed by path.
 */
export function styleOf(store: Store, bucket: string): "path" | "virtual" {
  return bucket.includes(".") && store.endpoint.startsWith("https:") ? "path" : store.style;
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
  const kind = typeof json === "object" && json !== null && "kind" in json ? json.kind : "s3";
  if (kind !== "s3" && kind !== "https") return bad('"kind" must be one of s3, https');
  return kind === "https" ? webStore(name, json, bad) : s3Store(name, json, bad);
}

type Bad = (error: string) => StoreEntry;

function webStore(name: string, json: unknown, bad: Bad): StoreEntry {
  const read = readWebSecret(json);
  if (!read.ok) return bad(read.faults.join("; "));
  const { secret, web } = read;
  keepSecrets(secretsOf(web));
  const ownProfile = withoutUndefined(secret.profile ?? {});
  return {
    ok: true,
    store: {
      ...secret,
      web,
      // It is asked for what it serves, and nothing else.
      readOnly: true,
      name,
      region: "",
      accessKeyId: "",
      secretAccessKey: "",
      provider: "other",
      ownProfile,
      profile: profileOf("other", { ...WEB, ...ownProfile }),
      style: "path",
    },
  };
}

function s3Store(name: string, json: unknown, bad: Bad): StoreEntry {
  const { data, faults: found } = readWith(StoreSchema, json);
  const faults = [...found, ...keyFaults(json)];
  if (data === null || faults.length > 0) return bad(faults.join("; "));
  const { kind: _kind, endpoint, style, profile: overrides, ...rest } = data;
  const problem = endpointFault(endpoint, { allowInsecure: rest.allowInsecure ?? false, path: "none" });
  if (problem !== null) return bad(`"endpoint" ${problem}`);
  const url = new URL(endpoint);
  // A name can be put before a host's name, and not before an address.
  const isAddress = /^\[|^[\d.]+$/.test(url.hostname);
  if (isAddress && style === "virtual")
    return bad(`"style" cannot be "virtual" at ${url.hostname}, an address: use "path", or a host's name`);
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
      style: style ?? (isAddress ? "path" : profile.style),
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

/** Where a copy or sync and its lanes run: as the request says, else near the destination. */
export function placeOfWork(
  spec: { readonly destination: { readonly store: string }; readonly location?: Location | null },
  env: Env,
): ReturnType<typeof placedAt> {
  const entry = readStores(env).get(spec.destination.store);
  return placedAt(locationFor(spec, entry?.ok === true ? entry.store : null));
}
