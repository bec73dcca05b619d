// Calls to the mesh with the token, which is kept only in this tab's session storage; and event streams,
// which reconnect by themselves and fall back to polling where no stream gets through.

const TOKEN = "bucket-brigade-token";
/** The mesh sends something every 5 s, if only a comment. */
const SILENCE_MS = 20_000;
const POLL_MS = 2_000;
/** How often a list is refreshed while the page is visible. */
const LIST_MS = 3_000;
const RETRY_MS = 2_000;
/** Consecutive streams that end before anything has come; then the page polls. */
const MAX_BARREN = 2;

export class SignedOut extends Error {}
/** What was asked for does not exist, so asking again is useless. */
export class Missing extends Error {}

export function token() {
  return sessionStorage.getItem(TOKEN);
}

/** Cloudflare Access has let this person in, and each request says so by itself. */
export function isPerson() {
  return document.documentElement.dataset["person"] !== undefined;
}

/** @returns {Record<string, string>} */
function authorization() {
  const value = token();
  return value === null && isPerson() ? {} : { authorization: `Bearer ${value ?? ""}` };
}

/** @param {string | null} value */
export function setToken(value) {
  if (value === null) sessionStorage.removeItem(TOKEN);
  else sessionStorage.setItem(TOKEN, value);
}

/**
 * The answer is not validated: the mesh's tests check every answer against the schema of its type.
 *
 * @template {string} Method
 * @template {string} Path
 * @param {Method} method
 * @param {Path} path
 * @param {unknown} [body]
 * @param {AbortSignal} [signal]
 * @param {Record<string, string>} [headers]
 * @returns {Promise<import("./calls.ts").AnswerTo<`${Method} ${Path}`>>}
 */
export async function call(method, path, body, signal, headers) {
  const response = await send(method, path, body, signal, headers);
  return JSON.parse(response.status === 204 ? "null" : await response.text());
}

/**
 * @param {string} method
 * @param {string} path
 * @param {unknown} [body]
 * @param {AbortSignal} [signal]
 * @param {Record<string, string>} [more] headers
 */
export async function send(method, path, body, signal, more = {}) {
  const response = await fetch(path, {
    method,
    headers: {
      ...authorization(),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...more,
    },
    body: body === undefined ? null : JSON.stringify(body),
    signal: signal ?? null,
    cache: "no-store",
  });
  if (response.ok) return response;
  /** @type {{ detail?: string }} */
  const problem = await response.json().catch(() => ({}));
  const detail = problem.detail ?? `The mesh answered ${response.status}`;
  if (response.status === 401) throw new SignedOut(detail);
  throw response.status === 404 ? new Missing(detail) : new Error(detail);
}

/**
 * Follows the events of a copy or a sync until it ends or `signal` is aborted.
 *
 * @param {string} path of the copy or sync
 * @param {string} query
 * @param {{
 *   event: (name: string, json: string) => void,
 *   poll: () => Promise<boolean>,
 *   state: (state: "live" | "polling" | "reconnecting" | "ended") => void,
 * }} viewer `poll` fetches everything by ordinary calls and returns whether the work has ended
 * @param {AbortSignal} signal
 */
export async function follow(path, query, viewer, signal) {
  let lastId = "";
  let retryMs = RETRY_MS;
  let barren = 0;
  while (!signal.aborted) {
    let came = 0;
    let isEnd = false;
    try {
      for await (const { name, data, id, retry } of events(`${path}/events${query}`, lastId, signal)) {
        came += 1;
        if (retry !== null) retryMs = retry;
        if (id !== null) lastId = id;
        if (name === null || data === null) continue;
        viewer.state("live");
        if (name === "end") isEnd = true;
        else viewer.event(name, data);
      }
      if (isEnd || came === 0) isEnd ||= await viewer.poll();
    } catch (error) {
      if (signal.aborted || error instanceof SignedOut) throw error;
      viewer.state("reconnecting");
    }
    if (isEnd) {
      viewer.state("ended");
      return;
    }
    barren = came === 0 ? barren + 1 : 0;
    if (barren < MAX_BARREN) {
      await pause(Math.min(retryMs, 30_000), signal);
      continue;
    }
    viewer.state("polling");
    try {
      if (await viewer.poll()) {
        viewer.state("ended");
        return;
      }
    } catch (error) {
      if (signal.aborted || error instanceof SignedOut) throw error;
      viewer.state("reconnecting");
    }
    await pause(POLL_MS, signal);
  }
}

/**
 * https://html.spec.whatwg.org/multipage/server-sent-events.html; EventSource cannot send a token.
 *
 * @param {string} path
 * @param {string} lastId
 * @param {AbortSignal} signal
 * @returns {AsyncGenerator<{ name: string | null, data: string | null, id: string | null,
 *   retry: number | null }>}
 */
async function* events(path, lastId, signal) {
  const silent = new AbortController();
  let timer = setTimeout(() => silent.abort(), SILENCE_MS);
  const response = await fetch(path, {
    headers: {
      ...authorization(),
      ...(lastId === "" ? {} : { "last-event-id": lastId }),
    },
    signal: AbortSignal.any([signal, silent.signal]),
    cache: "no-store",
  });
  if (response.status === 401) throw new SignedOut("The token is no longer accepted");
  if (response.status !== 200 || response.body === null) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(timer);
      timer = setTimeout(() => silent.abort(), SILENCE_MS);
      text += value;
      for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
        const lines = text.slice(0, end).split("\n");
        text = text.slice(end + 2);
        /** @param {string} name */
        const of = (name) =>
          lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2) ?? null;
        const retry = of("retry");
        yield {
          name: of("event"),
          data: of("data"),
          id: of("id"),
          retry: retry === null ? null : Number(retry),
        };
      }
    }
  } finally {
    clearTimeout(timer);
    await reader.cancel().catch(() => {});
  }
}

/**
 * @param {number} waitMs
 * @param {AbortSignal} signal
 */
async function pause(waitMs, signal) {
  await new Promise((resolve) => {
    const timer = setTimeout(resolve, waitMs);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve(undefined);
    });
  });
}

/**
 * Repeats some work, and pauses while the page is not visible.
 *
 * @param {() => Promise<void>} work
 * @param {AbortSignal} signal
 */
export async function repeat(work, signal) {
  for (;;) {
    if (signal.aborted) return;
    if (document.visibilityState === "visible") await work();
    await pause(LIST_MS, signal);
  }
}
