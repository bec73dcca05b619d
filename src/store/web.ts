// Stores of kind https: a base URL whose objects are what a web server serves below it. Their secret, parsed.
//
// Invariants: such a store is a source only. What it sends with each request, headers and a query, is secret:
// its values are neither shown nor logged. Requests go to the base URL's host, and to what the secret names.

import { z } from "zod";
import { endpointFault } from "./endpoint.ts";
import { BytesPerSecond, WindowsSchema } from "./limits.ts";
import { PricesSchema } from "./prices.ts";
import { ProfileSchema } from "./profiles.ts";
import { readWith } from "./secret_faults.ts";

/** The one bucket of such a store: its base URL. As in a relative URL, `./` and the path follow. */
export const WEB_BUCKET = ".";

const MAX_HEADERS = 32;

const MAX_REDIRECTS = 32;

export const WebSchema = z.strictObject({
  kind: z.literal("https"),
  endpoint: z.string(),
  headers: z.record(z.string(), z.string()).optional(),
  query: z.string().min(1).optional(),
  redirects: z.array(z.string()).max(MAX_REDIRECTS).optional(),
  allowInsecure: z.boolean().optional(),
  maxConcurrency: z.int().min(1).optional(),
  maxRequestsPerSecond: z.number().positive().optional(),
  maxBytesPerSecond: BytesPerSecond.optional(),
  limits: WindowsSchema.optional(),
  profile: ProfileSchema.pick({ md5Etag: true, md5MultipartEtag: true }).partial().optional(),
  prices: PricesSchema.optional(),
});

/** How a web server is asked. */
export interface Web {
  /** Sent with each request, by lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  /** Of each request, without its question mark; empty: none. */
  readonly query: string;
  /** Origins that it may redirect to, besides its own service. They are sent neither of the two. */
  readonly redirects: readonly string[];
}

type WebSecret = Omit<z.infer<typeof WebSchema>, "kind" | "headers" | "query" | "redirects">;

/** @returns what the secret says, or what is wrong with it */
export function readWebSecret(
  json: unknown,
):
  | { readonly ok: true; readonly secret: WebSecret; readonly web: Web }
  | { readonly ok: false; readonly faults: readonly string[] } {
  const { data, faults } = readWith(WebSchema, json);
  if (data === null) return { ok: false, faults };
  const { kind: _kind, headers = {}, query = "", redirects = [], ...secret } = data;
  const allowInsecure = secret.allowInsecure ?? false;
  const endpoint = endpointFault(secret.endpoint, { allowInsecure, path: "any" });
  const wrong = [
    ...(endpoint === null ? [] : [`"endpoint" ${endpoint}`]),
    ...headerFaults(headers),
    ...(query === "" || isQuery(query) ? [] : [`"query" ${QUERY_RULE}`]),
    ...redirects.flatMap((origin, index) => {
      const fault = endpointFault(origin, { allowInsecure, path: "none" });
      return fault === null ? [] : [`"redirects.${index}" ${fault}`];
    }),
  ];
  if (wrong.length > 0) return { ok: false, faults: wrong };
  const web = {
    headers: Object.fromEntries(Object.entries(headers).map(([name, text]) => [name.toLowerCase(), text])),
    query,
    redirects: redirects.map((origin) => new URL(origin).origin),
  };
  return { ok: true, secret: { ...secret, endpoint: baseOf(secret.endpoint) }, web };
}

/** Without a final slash, which stands before every key. */
function baseOf(endpoint: string): string {
  const { origin, pathname } = new URL(endpoint);
  return origin + pathname.replace(/\/+$/, "");
}

/** Those that a request sets itself, and those of the connection. */
const OWN_HEADERS: ReadonlySet<string> = new Set([
  "accept-encoding",
  "connection",
  "content-length",
  "expect",
  "host",
  "range",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** A header's name may be a key that was pasted in the wrong place, so it is told by its number. */
function headerFaults(headers: Readonly<Record<string, string>>): string[] {
  const entries = Object.entries(headers);
  if (entries.length > MAX_HEADERS) return [`"headers" must have at most ${MAX_HEADERS} entries`];
  const names = entries.map(([name]) => name.toLowerCase());
  return entries.flatMap(([name, value], index) => {
    const lower = name.toLowerCase();
    const which = `"headers", entry ${index + 1}`;
    if (!/^[!#$%&'*+.^_`|~0-9a-z-]{1,128}$/.test(lower)) return [`${which}: its name is none of a header`];
    if (OWN_HEADERS.has(lower) || lower.startsWith("if-"))
      return [`${which}: "${lower}" is set by each request itself`];
    if (names.indexOf(lower) !== index) return [`${which}: "${lower}" is there twice`];
    return /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(value)
      ? []
      : [`${which}: its value must be visible ASCII, without spaces around it`];
  });
}

const QUERY_RULE =
  'must be the text after the question mark, percent-encoded, such as "sv=2024-11-04&sp=r&sig=…"';

function isQuery(query: string): boolean {
  return (
    /^[\x21-\x7e]+$/.test(query) &&
    !/^\?|#/.test(query) &&
    new URL(`https://h/?${query}`).search === `?${query}`
  );
}

/** A date, of a version or of a signature's end, is no secret and stands in many a text. */
const DATE = /^\d{4}-\d\d-\d\d(?:T[\d:.%A]*Z?)?$/;

/** What nobody may read: the query, and each value of it and of a header. */
export function secretsOf({ headers, query }: Web): string[] {
  const values = [...new URLSearchParams(query).values(), ...query.split("&").map(valueOf)];
  // `Bearer …`: the server may repeat the word after the scheme alone.
  const words = Object.values(headers).flatMap((value) => [value, ...value.split(/[\s,;]+/), valueOf(value)]);
  return [query, ...values, ...words].filter((text) => text.length >= LEAST_CHARACTERS && !DATE.test(text));
}

/** A shorter text is a word of many messages: `basic`, `public`. */
const LEAST_CHARACTERS = 8;

function valueOf(pair: string): string {
  return pair.slice(pair.indexOf("=") + 1);
}
