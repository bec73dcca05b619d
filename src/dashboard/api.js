// Calls to the mesh, and event streams, which reconnect by themselves and fall back to polling where no
// stream gets through.

import { createParser } from "eventsource-parser";
import { isPerson, token } from "./session.js";

/** The mesh sends something every 5 s, if only a comment. */
const SILENCE_MS = 20_000;
const POLL_MS = 2_000;
const RETRY_MS = 2_000;
/** Consecutive streams that end before anything has come; then the page polls. */
const MAX_BARREN = 2;

export class SignedOut extends Error {}
/** What was asked for does not exist, so asking again is useless. */
export class Missing extends Error {}

/** @returns {Record<string, string>} */
function authorization() {
  const value = token();
  return value === null && isPerson() ? {} : { authorization: `Bearer ${value ?? ""}` };
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

/** @typedef {{ name: string | null, data: string | null, id: string | null }} Sent */
/** @typedef {Sent & { retry: number | null }} StreamEvent */

/**
 * https://html.spec.whatwg.org/multipage/server-sent-events.html; EventSource cannot send a token.
 *
 * @param {string} path
 * @param {string} lastId
 * @param {AbortSignal} signal
 * @returns {AsyncGenerator<StreamEvent>}
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
  /** @type {StreamEvent[]} */
  const come = [];
  const parser = createParser({
    onEvent: ({ event: name = null, data, id = null }) => come.push({ name, data, id, retry: null }),
    onRetry: (retry) => come.push({ name: null, data: null, id: null, retry }),
  });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(timer);
      timer = setTimeout(() => silent.abort(), SILENCE_MS);
      parser.feed(value);
      yield* come.splice(0);
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

/** @typedef {import("./calls.ts").Grant} Grant */

/** @type {Promise<readonly Grant[]> | null} */
let grants = null;

/** What the caller may do; asked for once. */
export async function myGrants() {
  grants ??= call("GET", "/me").then((me) => me.grants);
  try {
    return await grants;
  } catch (error) {
    grants = null;
    throw error;
  }
}

/** Somebody else may sign in next. */
export function forgetGrants() {
  grants = null;
}

/**
 * Whether a grant has the right and covers both sides. As the mesh rules it, which decides; what it would
 * refuse is not offered.
 *
 * @param {readonly Grant[]} held
 * @param {Grant["may"][number]} right
 * @param {string | null} source as `store:bucket/key`; null: wherever it is
 * @param {string | null} destination
 */
export function may(held, right, source = null, destination = null) {
  return held.some(
    (grant) =>
      grant.may.includes(right) && isWithin(source, grant.source) && isWithin(destination, grant.destination),
  );
}

/**
 * @param {string | null} place
 * @param {readonly string[] | null} scopes
 */
function isWithin(place, scopes) {
  if (place === null || scopes === null) return true;
  return scopes.some((scope) => {
    if (!scope.includes(":")) return place.startsWith(`${scope}:`);
    return scope.includes("/") ? place.startsWith(scope) : place.startsWith(`${scope}/`);
  });
}
