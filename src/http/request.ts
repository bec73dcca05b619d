// What the routes read from a request: body, query, Idempotency-Key, limit. Errors are Problems that name the
// field and what is allowed.

import { decodeBody, parseForm, parseJson } from "./body.ts";
import { Problem } from "./problem.ts";

/**
 * A JSON body, or a form as sent by `curl -d source=… -d destination=…`.
 *
 * @param lists the fields that a form may give several times: `-d include=a -d include=b`
 */
export async function readBody(request: Request, lists: readonly string[] = []): Promise<unknown> {
  const text = decodeBody(await request.arrayBuffer());
  const type = request.headers.get("content-type") ?? "";
  // curl sends every -d body as a form, even a JSON one.
  const form = type.startsWith("application/x-www-form-urlencoded") && !/^\s*[{[]/.test(text);
  return form && text !== "" ? parseForm(text, lists) : parseJson(text);
}

/** A body of fields that may all be left out. @throws {Problem} 400 */
export async function readOptionalBody(request: Request): Promise<unknown> {
  const body = await request.clone().arrayBuffer();
  return body.byteLength === 0 ? {} : await readBody(request);
}

/**
 * The header Idempotency-Key with a digest of the body, or null if there is none.
 *
 * @param body as parsed: one key with two bodies is a mistake of the client
 * @param caller who has sent it: a caller is never answered what another one has begun
 * @throws {Problem} 400
 */
export function readIdempotency(
  request: Request,
  body: unknown,
  { name: caller }: { readonly name: string },
): { caller: string; key: string; digest: string } | null {
  const key = request.headers.get("idempotency-key");
  if (key === null) return null;
  if (/^[\x21-\x7e]{1,255}$/.test(key)) return { caller, key, digest: JSON.stringify(body) };
  throw new Problem(400, "invalid_request", "Idempotency-Key must have 1 to 255 printable ASCII characters");
}

/** The number of rows in one page of a list. @throws {Problem} 400 */
export function readLimit(query: URLSearchParams): number {
  return readCount(query, "limit", { fallback: 50, min: 1, max: 500 });
}

/** Real requests are far smaller. What is kept, and listed with others of its kind, has less room. */
const MAX_BODY_BYTES = 64 * 1024;

const MAX_KEPT_BODY_BYTES = 8 * 1024;

/** The largest body that is read at that path. */
export function maxBodyBytes(path: string): number {
  return /^\/(schedules|stores|probe)\b/.test(path) ? MAX_KEPT_BODY_BYTES : MAX_BODY_BYTES;
}

/** @throws {Problem} 400 */
export function readCount(
  query: URLSearchParams,
  name: string,
  { fallback, min, max }: { fallback: number; min: number; max: number },
): number {
  const text = query.get(name);
  if (text === null) return fallback;
  if (/^\d+$/.test(text) && Number(text) >= min && Number(text) <= max) return Number(text);
  throw new Problem(
    400,
    "invalid_request",
    `"${name}" must be a whole number from ${min} to ${max}, not "${text}"`,
  );
}

const MAX_WAIT_SECONDS = 300;

/** `?wait=` in seconds, 0 if absent. @throws {Problem} 400 */
export function readWait(query: URLSearchParams): number {
  return readCount(query, "wait", { fallback: 0, min: 0, max: MAX_WAIT_SECONDS });
}

/** `?name` and `?name=true` mean the same. @throws {Problem} 400 */
export function readSwitch(query: URLSearchParams, name: string): boolean {
  const text = query.get(name) ?? "false";
  if (text === "" || text === "true" || text === "false") return text !== "false";
  throw new Problem(400, "invalid_request", `"${name}" must be true or false, not "${text}"`);
}
