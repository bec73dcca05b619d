// The mesh as the smoke test calls it: over HTTP with the token, waiting for its work.
//
// A call that changes nothing is repeated when the connection breaks, since a run lasts longer than many
// connections. What was started is recorded before waiting for its end, so that it can be cancelled.

import { setTimeout as delay } from "node:timers/promises";

interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

/** The fields of a copy's or sync's status that are read. */
interface Work {
  readonly id: string;
  readonly phase: string;
  readonly proof?: string;
  readonly parts?: { readonly total: number | null; readonly done: number };
  readonly objects?: Readonly<Record<"copied" | "skipped" | "failed" | "listed", number>>;
  readonly failure?: { readonly code: string; readonly message: string };
  readonly failures?: readonly { readonly key: string; readonly code: string; readonly message?: string }[];
  readonly warnings: readonly string[];
}

type WorkKind = "copies" | "syncs";

const ENDED = new Set(["completed", "failed", "cancelled", "finished_with_errors", "blocked"]);

const WAIT_SECONDS = 25;

const TRIES = 5;

/** The mesh answered what it should not. */
export class MeshError extends Error {
  override readonly name = "MeshError";
  readonly status: number;
  readonly code: string;

  constructor(what: string, { status, body }: Answer) {
    super(`${what} answered ${status} ${String(body["code"] ?? "")}: ${String(body["detail"] ?? "")}`);
    this.status = status;
    this.code = String(body["code"] ?? "");
  }
}

export class SmokeMesh {
  readonly #url: URL;
  readonly #token: string;
  readonly #signal: AbortSignal;
  /** Everything that was started, for the end of the run. */
  readonly started: { readonly kind: WorkKind; readonly id: string }[];

  constructor(url: URL, token: string, signal: AbortSignal, started: SmokeMesh["started"] = []) {
    this.#url = url;
    this.#token = token;
    this.#signal = signal;
    this.started = started;
  }

  /** The same mesh with another signal. */
  under(signal: AbortSignal): SmokeMesh {
    return new SmokeMesh(this.#url, this.#token, signal, this.started);
  }

  /** Whether a mesh answers at all, with few attempts. @throws Error if no answer came */
  async knock(path: string): Promise<Answer> {
    return await this.#askOnce("GET", path, undefined);
  }

  /** One call, whatever the answer is. @throws Error if no answer came */
  async ask(method: string, path: string, body?: unknown): Promise<Answer> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.#askOnce(method, path, body);
      } catch (error) {
        this.#signal.throwIfAborted();
        if (method !== "GET" || tries === TRIES)
          throw new Error(`${method} ${path}: ${reasonOf(error)}`, { cause: error });
        await delay(250 * 2 ** tries, undefined, { signal: this.#signal });
      }
    }
  }

  /** @throws {MeshError} for any answer but a success */
  async call(method: string, path: string, body?: unknown): Promise<Answer["body"]> {
    const answer = await this.ask(method, path, body);
    if (answer.status >= 200 && answer.status < 300) return answer.body;
    throw new MeshError(`${method} ${path}`, answer);
  }

  async start(kind: WorkKind, body: Readonly<Record<string, unknown>>): Promise<string> {
    const { id } = await this.call("POST", `/${kind}`, body);
    this.started.push({ kind, id: String(id) });
    return String(id);
  }

  async status(kind: WorkKind, id: string): Promise<Work> {
    return (await this.call("GET", `/${kind}/${id}`)) as unknown as Work;
  }

  /** Waits until it has ended or needs a person. @throws Error if that takes longer than `limitMs` */
  async ended(kind: WorkKind, id: string, limitMs: number): Promise<Work> {
    const untilMs = Date.now() + limitMs;
    for (;;) {
      const work = (await this.call("GET", `/${kind}/${id}?wait=${WAIT_SECONDS}`)) as unknown as Work;
      if (ENDED.has(work.phase)) return work;
      if (Date.now() > untilMs)
        throw new Error(
          `${kind}/${id} was still ${work.phase} after ${Math.round(limitMs / 60_000)} minutes`,
        );
    }
  }

  async #askOnce(method: string, path: string, body: unknown): Promise<Answer> {
    const response = await fetch(new URL(path, this.#url), {
      method,
      headers: {
        authorization: `Bearer ${this.#token}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      signal: AbortSignal.any([this.#signal, AbortSignal.timeout(15 * 60_000)]),
      redirect: "manual",
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = /[/+]json\b/.test(response.headers.get("content-type") ?? "");
    return { status: response.status, body: isJson ? (JSON.parse(text) as Answer["body"]) : {} };
  }
}

/** `fetch failed` says nothing, but its cause does. */
export function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  if (cause instanceof Error) return cause.message || String((cause as NodeJS.ErrnoException).code);
  return error instanceof Error ? error.message : String(error);
}
