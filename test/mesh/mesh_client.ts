// The mesh as curl sees it: calls over HTTP with the full token, and the statuses that they return.

import { createHash } from "node:crypto";
import { setImmediate, setTimeout } from "node:timers/promises";
import type { z } from "zod";
import type { CopyStatus, SyncStatus } from "../../src/view/answers.ts";
import * as answers from "../../src/view/answers.ts";
import { type ComparisonStatus, ComparisonLine as LineSchema } from "../../src/view/comparison_answers.ts";

export const TOKEN = "test-token-that-may-do-everything";
export const READ_TOKEN = "test-token-that-may-only-read";

/** As an entry of API_TOKENS names a token. */
export function digestOfToken(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}

export interface Answer<T = Record<string, unknown>> {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body as JSON. */
  readonly body: T;
}

export type Status = CopyStatus;

/** A line of a sync's report. */
export type ReportLine = z.infer<typeof answers.ReportLine>;

type ComparisonLine = z.infer<typeof LineSchema>;

/** The waits between two polls: a quick change is seen quickly, and a long wait costs little. */
const FIRST_POLL_MS = 10;
const LAST_POLL_MS = 100;

/** Where it is set, a test that waits in vain says what it saw before its own time is over. */
const LONGEST_WAIT_MS = Number(process.env["LONGEST_WAIT_MS"] ?? Infinity);

export class MeshClient {
  readonly url: URL;

  constructor(url: URL) {
    this.url = url;
  }

  /** One HTTP call with the full token, unless `headers` says otherwise. */
  async call<T = Record<string, unknown>>(
    method: string,
    path: string,
    { body, headers = {} }: { body?: unknown; headers?: Record<string, string> } = {},
  ): Promise<Answer<T>> {
    // A connection that the mesh has closed while this thread was busy is not taken for an open one.
    await setImmediate();
    const response = await fetch(new URL(path, this.url), {
      method,
      ...(LONGEST_WAIT_MS === Infinity ? {} : { signal: AbortSignal.timeout(LONGEST_WAIT_MS) }),
      headers: {
        authorization: `Bearer ${TOKEN}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = /[/+]json\b/.test(response.headers.get("content-type") ?? "");
    return {
      status: response.status,
      headers: response.headers,
      text,
      body: (isJson ? JSON.parse(text) : {}) as T,
    };
  }

  /** Starts a copy. @returns its id */
  async startCopy(body: Record<string, unknown>): Promise<string> {
    const answer = await this.call<Status>("POST", "/copies", { body });
    if (answer.status !== 202) throw new Error(`POST /copies answered ${answer.status}: ${answer.text}`);
    return answer.body.id;
  }

  async status(id: string): Promise<Status> {
    return (await this.call<Status>("GET", `/copies/${id}`)).body;
  }

  /** The status of a copy when it has ended or waits for a person. */
  async ended(id: string): Promise<Status> {
    return await atRest(async () => await this.call<Status>("GET", `/copies/${id}?wait=50`));
  }

  /** Polls the status until `predicate` holds. @param longestMs of a test that has a time of its own */
  async until(
    id: string,
    predicate: (status: Status) => boolean,
    longestMs = LONGEST_WAIT_MS,
  ): Promise<Status> {
    return await poll(async () => await this.status(id), predicate, longestMs);
  }

  /** Ends a copy that waits for a person. */
  async cancel(id: string): Promise<Status> {
    await this.call("POST", `/copies/${id}/cancel`);
    return await this.ended(id);
  }

  async copy(body: Record<string, unknown>): Promise<Status> {
    return await this.ended(await this.startCopy(body));
  }

  /** Starts a sync. @returns its id */
  async startSync(body: Record<string, unknown>): Promise<string> {
    const answer = await this.call<SyncStatus>("POST", "/syncs", { body });
    if (answer.status !== 202) throw new Error(`POST /syncs answered ${answer.status}: ${answer.text}`);
    return answer.body.id;
  }

  async syncStatus(id: string): Promise<SyncStatus> {
    return (await this.call<SyncStatus>("GET", `/syncs/${id}`)).body;
  }

  /** The status at the end of a sync, or when it waits for a person. */
  async syncEnded(id: string): Promise<SyncStatus> {
    return await atRest(async () => await this.call<SyncStatus>("GET", `/syncs/${id}?wait=50`));
  }

  /** Polls a sync's status until `predicate` holds. */
  async untilSync(id: string, predicate: (status: SyncStatus) => boolean): Promise<SyncStatus> {
    return await poll(async () => await this.syncStatus(id), predicate);
  }

  async sync(body: Record<string, unknown>): Promise<SyncStatus> {
    return await this.syncEnded(await this.startSync(body));
  }

  /** Starts a comparison. @returns its id */
  async startComparison(body: Record<string, unknown>): Promise<string> {
    const answer = await this.call<ComparisonStatus>("POST", "/comparisons", { body });
    if (answer.status !== 202) throw new Error(`POST /comparisons answered ${answer.status}: ${answer.text}`);
    return answer.body.id;
  }

  /** The status at the end of a comparison, or when it waits for a person. */
  async comparisonEnded(id: string): Promise<ComparisonStatus> {
    return await atRest(async () => await this.call<ComparisonStatus>("GET", `/comparisons/${id}?wait=50`));
  }

  async compare(body: Record<string, unknown>): Promise<ComparisonStatus> {
    return await this.comparisonEnded(await this.startComparison(body));
  }

  /** The lines of a comparison's report, by key. */
  async findings(id: string): Promise<ComparisonLine[]> {
    const { text } = await this.call("GET", `/comparisons/${id}/report`);
    if (text !== "" && !text.endsWith("\n")) throw new Error("The report ends in the middle of a line");
    const lines = text.split("\n").slice(0, -1);
    return lines
      .map((line) => LineSchema.parse(JSON.parse(line)))
      .toSorted((one, other) => (one.key < other.key ? -1 : 1));
  }

  async report(id: string): Promise<ReportLine[]> {
    const { text } = await this.call("GET", `/syncs/${id}/report`);
    if (text !== "" && !text.endsWith("\n")) throw new Error("The report ends in the middle of a line");
    return text
      .split("\n")
      .slice(0, -1)
      .map((line) => answers.ReportLine.parse(JSON.parse(line)));
  }
}

/** The phases of what has ended, or waits for a person who mends it. */
export const AT_REST: ReadonlySet<string> = new Set([
  "equal",
  "different",
  "inconclusive",
  "completed",
  "finished_with_errors",
  "failed",
  "cancelled",
  "blocked",
]);

interface Seen {
  readonly phase: string;
}

async function atRest<T extends Seen>(wait: () => Promise<Answer<T>>): Promise<T> {
  const endMs = Date.now() + LONGEST_WAIT_MS;
  for (;;) {
    const { status, body } = await wait();
    if (status !== 200 || AT_REST.has(body.phase)) return body;
    if (Date.now() > endMs) throw new Error(`Has not ended: ${JSON.stringify(body)}`);
    // Answered at once, as it waits for a person.
    if (body.phase === "paused") await setTimeout(LAST_POLL_MS);
  }
}

async function poll<T extends Seen>(
  ask: () => Promise<T>,
  predicate: (answer: T) => boolean,
  longestMs = LONGEST_WAIT_MS,
): Promise<T> {
  const endMs = Date.now() + longestMs;
  for (let delayMs = FIRST_POLL_MS; ; delayMs = Math.min(LAST_POLL_MS, delayMs * 1.5)) {
    const answer = await ask();
    if (predicate(answer)) return answer;
    if (Date.now() > endMs) throw new Error(`What is waited for did not come: ${JSON.stringify(answer)}`);
    await setTimeout(delayMs);
  }
}
