// One request to a store of kind https: a web server, which is asked by GET for what it serves. Its answer is
// returned as S3's would be: with an ETag, which may stand for Last-Modified (web.ts), and without what is no
// attribute of the file.
//
// All of a file is asked for as a range, too, and its 206 becomes a 200. What is on the way may compress a
// 200, which takes its length and makes its ETag weak, and leaves a 206 alone
// (https://developers.cloudflare.com/cache/reference/etag-headers/, 2026-11).
//
// What it needs: nothing but the store. Redirects are followed here, a few at most, each as a request of its
// own that is counted and waits for its turn.
//
// Invariant: every body is returned or cancelled.

import { S3Error } from "./errors.ts";
import { toldId } from "./told.ts";
import { parseContentRange } from "./url.ts";
import { headersOfObject, redirectOf, validatorOf, withCondition } from "./web.ts";
import type { Web } from "../store/web.ts";

/** curl's default is 50, browsers' is 20; a file that is five redirects away is in a loop. */
const MAX_REDIRECTS = 5;

interface Asked {
  readonly operation: string;
  readonly address: { readonly bucket: string; readonly key: string };
  /** Built by webUrl(). */
  readonly url: string;
  /** Of the request: Range, and what is to be the same. */
  readonly headers: Readonly<Record<string, string>>;
  readonly userAgent: string;
  readonly signal: AbortSignal;
  /** Before each further request. */
  readonly turn: () => Promise<void>;
}

/**
 * @returns an answer that is no success as it came
 * @throws {S3Error} `redirect_refused`, `source_without_validator` @throws what fetch() throws
 */
export async function askServer(endpoint: string, web: Web, asked: Asked): Promise<Response> {
  const answer = await followWhole(endpoint, web, asked);
  if (!answer.ok) return answer;
  const validator = validatorOf(answer.headers, Date.now());
  if (validator.ok) {
    const headers = headersOfObject(answer.headers, validator.etag);
    const isWhole = asked.headers["range"] === undefined && hasAll(answer);
    if (isWhole) headers.delete("content-range");
    return new Response(answer.body, { status: isWhole ? 200 : answer.status, headers });
  }
  await answer.body?.cancel();
  const detail =
    `the server answered with ${validator.why}, so nothing shows that all bytes are of one version: ` +
    "have it send a strong ETag or a Last-Modified, or bring the file into a bucket first";
  throw refused(asked, "source_without_validator", answer.status, detail);
}

async function followWhole(endpoint: string, web: Web, asked: Asked): Promise<Response> {
  const { headers } = asked;
  if (headers["range"] !== undefined) return await follow(endpoint, web, asked);
  const answer = await follow(endpoint, web, { ...asked, headers: { ...headers, range: "bytes=0-" } });
  if (answer.status !== 416) return answer;
  // An empty file has no range.
  await answer.body?.cancel();
  await asked.turn();
  return await follow(endpoint, web, asked);
}

/** Is it all of a file, as a range? */
function hasAll({ status, headers }: Response): boolean {
  const range = parseContentRange(headers.get("content-range"));
  return status === 206 && range?.offset === 0 && range.length === range.totalBytes;
}

async function follow(endpoint: string, web: Web, asked: Asked): Promise<Response> {
  const { userAgent, signal, headers } = asked;
  let { url } = asked;
  let isOwn = true;
  for (let redirects = 0; ; redirects += 1) {
    const response = await fetch(url, {
      headers: {
        "accept-encoding": "identity",
        "user-agent": userAgent,
        ...(isOwn ? web.headers : {}),
        ...withCondition(headers),
      },
      // As every read (request.ts): past the cache, and the bytes as they come.
      cache: "no-store",
      redirect: "manual",
      encodeResponseBody: "manual",
      signal,
    });
    const { status } = response;
    if (![301, 302, 303, 307, 308].includes(status)) return response;
    await response.body?.cancel();
    const next = redirectOf({ endpoint, ...web }, url, response.headers.get("location"));
    if (!next.ok) throw refused(asked, "redirect_refused", status, refusedRedirect(status, next.to));
    if (redirects === MAX_REDIRECTS) {
      const detail = `the server redirects more than ${MAX_REDIRECTS} times`;
      throw refused(asked, "redirect_refused", status, detail);
    }
    await asked.turn();
    ({ url, isOwn } = next);
  }
}

function refusedRedirect(status: number, to: string | null): string {
  if (to === null) return `the server answered ${status} without a URL to go to`;
  const origin = toldId(to) ?? "";
  return (
    `the server redirects to ${origin}, which is not of the store's own service: ` +
    `if it may be asked, add "${origin}" to "redirects" of the store's secret`
  );
}

function refused(
  { operation, address }: Asked,
  code: "redirect_refused" | "source_without_validator",
  status: number,
  detail: string,
): S3Error {
  return new S3Error(operation, address, { code, detail, status });
}
