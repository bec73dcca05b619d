// The viewers of a copy or a sync: Server-Sent Events (`GET …/events`) and a line of text (`GET …/progress`).
//
// What it needs: a stage, which reads the status, the timeline and the parts from storage. The object that
// owns the stage calls changed() when something may be new; without viewers that costs nothing. A frame is
// built for all viewers at once, at most every FRAME_MS, from one reading of the storage.
//
// Invariants:
// - What is sent is a state, not a change (for parts, the change to what that viewer has). So a viewer that
//   reconnects misses nothing.
// - A viewer that does not read is skipped and later gets the whole state. Nothing accumulates for it.
// - There is a bound on viewers and on requests that wait: an object has 128 MiB, and does its work in them.
// - Viewers keep their object in memory, which costs money. So all are dismissed at the end, and those of a
//   copy that waits for a person or in the queue after a while. They reconnect by themselves.
//
// It is in memory only: when the object dies its streams break, and viewers reconnect.

import { plainLine, toJson } from "../http/json.ts";
import { readCount, readSwitch } from "../http/request.ts";
import { Problem } from "../http/problem.ts";
import type { CopyStatus, SyncStatus } from "./answers.ts";
import type { ComparisonStatus } from "./comparison_answers.ts";
import type { PartsMessage } from "../http/vocabulary.ts";
import { DEFAULT_WIDTH } from "./progress.ts";

export interface Stage {
  read(): Reading;
  /**
   * `waiting`: it does nothing until a person acts or it is next in the queue. `stuck`: the same, because of
   * a failure.
   */
  state(): "working" | "waiting" | "stuck" | "ended";
  /** The timeline's entries after that one, in order. */
  entries(afterSeq: number): readonly { readonly seq: number; readonly entry: unknown }[];
  /** Null: there are no parts. */
  readonly parts: PartStage | null;
}

/** The status as stored, and its text for people. */
interface Reading {
  readonly status: CopyStatus | SyncStatus | ComparisonStatus;
  line(width: number): string;
  result(): readonly string[];
}

export function readingOf<Status extends CopyStatus | SyncStatus | ComparisonStatus>(
  status: Status,
  line: (status: Status, width: number) => string,
  result: (status: Status) => readonly string[],
): Reading {
  return { status, line: (width) => line(status, width), result: () => result(status) };
}

interface PartStage {
  whole(): PartsMessage;
  /** What has changed since the last call of this or of whole(). Null: nothing. */
  news(): PartsMessage | null;
}

interface Frame {
  readonly reading: Reading;
  readonly state: ReturnType<Stage["state"]>;
  readonly news: PartsMessage | null;
}

interface Viewer {
  /** It has all parts, so changes are enough for it. */
  wantsNews(): boolean;
  show(frame: Frame, output: Output): void;
  /** Nothing is new. */
  pulse(output: Output): void;
  /** The stream is about to be closed. */
  leave(frame: Frame, output: Output): void;
}

/** Each may hold MAX_BACKLOG_BYTES, and a frame. */
const MAX_VIEWERS = 100;

/** Each is a request that is open, and a timer. */
const MAX_WAITING = 1_000;

const FRAME_MS = 500;

/** Frames go out even if nothing is new, because the rate of a stalled copy falls. */
const PULSE_MS = 5_000;

const WAITING_KEPT_MS = 15_000;

const RECONNECT_MS = 2_000;

const RECONNECT_WAITING_MS = 30_000;

/** Unread bytes of one viewer, above which it is skipped until it has read them. */
const MAX_BACKLOG_BYTES = 256 * 1024;

const LINE_MS = 2_000;

export class Audience {
  readonly #stage: Stage;
  readonly #viewers = new Map<Viewer, Output>();
  #timer: ReturnType<typeof setTimeout> | null = null;
  #dueMs = Infinity;
  #framedMs = 0;
  #waitingSinceMs: number | null = null;

  constructor(stage: Stage) {
    this.#stage = stage;
  }

  /** Something may be new. */
  changed(): void {
    if (this.#viewers.size > 0) this.#wakeAt(Math.max(Date.now(), this.#framedMs + FRAME_MS));
  }

  /** `GET …/events`; with `?parts` it includes the state of each part. @throws {Problem} 400, 503 */
  events(request: Request): Response {
    const wantsParts = readSwitch(new URL(request.url).searchParams, "parts");
    const lastSeen = Number(/^\d{1,15}$/.exec(request.headers.get("last-event-id") ?? "")?.[0] ?? 0);
    // 204 tells a client of Server-Sent Events not to reconnect.
    if (this.#stage.state() === "ended" && lastSeen > 0 && this.#stage.entries(lastSeen).length === 0) {
      return new Response(null, { status: 204 });
    }
    return this.#seat(new EventViewer(this.#stage, wantsParts, lastSeen), "text/event-stream", request);
  }

  /**
   * `GET …/progress`: one line that is rewritten, or with `?plain` line after line.
   *
   * @throws {Problem} 400, 503
   */
  progress(request: Request): Response {
    const query = new URL(request.url).searchParams;
    const width = readCount(query, "width", { fallback: DEFAULT_WIDTH, min: 20, max: 500 });
    const isTerminal = /^(?:curl|Wget|HTTPie)\//.test(request.headers.get("user-agent") ?? "");
    const plain = query.has("plain") ? readSwitch(query, "plain") : !isTerminal;
    return this.#seat(new LineViewer(plain, width), "text/plain; charset=utf-8", request);
  }

  #seat(viewer: Viewer, type: string, request: Request): Response {
    // A proxy that compresses or buffers would hold the events back.
    const headers = {
      "content-type": type,
      "cache-control": "no-store, no-transform",
      "x-accel-buffering": "no",
    };
    // A HEAD reads no stream.
    if (request.method === "HEAD") return new Response(null, { headers });
    if (this.#viewers.size >= MAX_VIEWERS) throw tooMany("viewers", MAX_VIEWERS);
    const output = new Output(() => this.#dismiss(viewer));
    this.#viewers.set(viewer, output);
    // All viewers get this frame, because the changes of the parts are reported only once.
    this.#frame();
    return new Response(output.stream, { headers });
  }

  #snapshot(): Frame {
    const state = this.#stage.state();
    const now = Date.now();
    this.#waitingSinceMs = state === "waiting" ? (this.#waitingSinceMs ?? now) : null;
    const wanted = [...this.#viewers.keys()].some((viewer) => viewer.wantsNews());
    const news = wanted ? (this.#stage.parts?.news() ?? null) : null;
    return { reading: this.#stage.read(), state, news };
  }

  /** There is nothing more to see, or nothing for so long that viewers may come back later. */
  #isOver({ state }: Frame): boolean {
    if (state === "ended" || state === "stuck") return true;
    return this.#waitingSinceMs !== null && Date.now() - this.#waitingSinceMs >= WAITING_KEPT_MS;
  }

  #frame(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#dueMs = Infinity;
    this.#framedMs = Date.now();
    const frame = this.#snapshot();
    for (const [viewer, output] of this.#viewers) {
      viewer.show(frame, output);
      viewer.pulse(output);
    }
    if (this.#isOver(frame)) this.#dismissAll(frame);
    else this.#wakeAt(Date.now() + PULSE_MS);
  }

  #wakeAt(atMs: number): void {
    if (atMs >= this.#dueMs || this.#viewers.size === 0) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#dueMs = atMs;
    this.#timer = setTimeout(() => this.#frame(), Math.max(0, atMs - Date.now()));
  }

  #dismissAll(frame: Frame): void {
    for (const [viewer, output] of this.#viewers) {
      viewer.leave(frame, output);
      output.end();
    }
    this.#viewers.clear();
    this.#stopLooking();
  }

  #dismiss(viewer: Viewer): void {
    this.#viewers.delete(viewer);
    if (this.#viewers.size === 0) this.#stopLooking();
  }

  #stopLooking(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#dueMs = Infinity;
    this.#waitingSinceMs = null;
  }
}

/** One response body. */
class Output {
  readonly stream: ReadableStream<Uint8Array>;
  #controller: ReadableStreamDefaultController<Uint8Array> | null = null;
  static readonly #encoder = new TextEncoder();

  constructor(onGone: () => void) {
    this.stream = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller;
        },
        cancel: () => {
          this.#controller = null;
          onGone();
        },
      },
      { highWaterMark: MAX_BACKLOG_BYTES, size: (chunk) => chunk?.byteLength ?? 0 },
    );
  }

  /** Whether the viewer keeps up. */
  hasRoom(): boolean {
    return (this.#controller?.desiredSize ?? 0) > 0;
  }

  write(text: string): void {
    this.#controller?.enqueue(Output.#encoder.encode(text));
  }

  end(): void {
    this.#controller?.close();
    this.#controller = null;
  }
}

/** Server-Sent Events: `status`, `timeline`, `parts`, and a final `end`. */
class EventViewer implements Viewer {
  readonly #stage: Stage;
  #lastSeq: number;
  #lastStatus = "";
  /** `whole`: it needs all parts, since it has none or has missed some. */
  #parts: "unwanted" | "whole" | "news";
  #isNew = true;
  #wrote = false;

  constructor(stage: Stage, wantsParts: boolean, lastSeq: number) {
    this.#stage = stage;
    this.#parts = wantsParts && stage.parts !== null ? "whole" : "unwanted";
    this.#lastSeq = lastSeq;
  }

  wantsNews(): boolean {
    return this.#parts === "news";
  }

  show(frame: Frame, output: Output): void {
    this.#wrote = false;
    if (!output.hasRoom()) {
      if (this.#parts === "news") this.#parts = "whole";
      return;
    }
    if (this.#isNew) this.#write(output, `retry: ${RECONNECT_MS}\n\n`);
    this.#isNew = false;
    const { timeline: _, ...status } = frame.reading.status;
    const text = toJson(status);
    if (text !== this.#lastStatus) this.#write(output, `event: status\ndata: ${text}\n\n`);
    this.#lastStatus = text;
    const parts = this.#partsMessage(frame);
    if (parts !== null) this.#write(output, `event: parts\ndata: ${toJson(parts)}\n\n`);
    // Last, because their ids say what a viewer that reconnects has seen.
    for (const { seq, entry } of this.#stage.entries(this.#lastSeq)) {
      this.#write(output, `id: ${seq}\nevent: timeline\ndata: ${toJson(entry)}\n\n`);
      this.#lastSeq = seq;
    }
  }

  pulse(output: Output): void {
    if (!this.#wrote && output.hasRoom()) output.write(": still here\n\n");
  }

  leave({ reading, state }: Frame, output: Output): void {
    if (state === "ended") {
      output.write(`event: end\ndata: ${toJson({ phase: reading.status.phase })}\n\n`);
    } else output.write(`retry: ${RECONNECT_WAITING_MS}\n\n`);
  }

  #partsMessage({ news }: Frame): PartsMessage | null {
    if (this.#parts === "unwanted") return null;
    if (this.#parts === "news") return news;
    this.#parts = "news";
    return this.#stage.parts?.whole() ?? null;
  }

  #write(output: Output, text: string): void {
    this.#wrote = true;
    output.write(text);
  }
}

/** Text for people: one line that is rewritten, or line after line. */
class LineViewer implements Viewer {
  readonly #plain: boolean;
  readonly #width: number;
  #shown = "";
  #shownPhase: unknown = null;
  #shownMs = 0;

  constructor(plain: boolean, width: number) {
    this.#plain = plain;
    this.#width = width;
  }

  wantsNews(): boolean {
    return false;
  }

  show({ reading, state }: Frame, output: Output): void {
    const line = plainLine(reading.line(this.#width));
    if (line === this.#shown || !output.hasRoom()) return;
    const now = Date.now();
    const isNews = reading.status.phase !== this.#shownPhase || state !== "working";
    if (this.#plain && !isNews && now - this.#shownMs < LINE_MS) return;
    this.#shown = line;
    this.#shownPhase = reading.status.phase;
    this.#shownMs = now;
    output.write(this.#plain ? `${line}\n` : `\r\x1b[K${line}`);
  }

  pulse(): void {
    // An extra line would disturb, and TCP keeps the connection without it.
  }

  leave({ reading }: Frame, output: Output): void {
    if (!this.#plain) output.write("\n");
    for (const line of reading.result()) output.write(`${plainLine(line)}\n`);
  }
}

function tooMany(what: string, most: number): Problem {
  const message = `It has ${most} ${what} and takes no more: ask for the status without "wait", or come back`;
  return new Problem(503, "too_many_viewers", message, {
    "retry-after": String(RECONNECT_WAITING_MS / 1000),
  });
}

/** The last part of the path of a stream. */
export function isWatch(action: string): action is "events" | "progress" {
  return action === "events" || action === "progress";
}

export function watch(audience: Audience, action: "events" | "progress", request: Request): Response {
  return action === "events" ? audience.events(request) : audience.progress(request);
}

/**
 * Requests that wait for an end (`?wait=`). In memory only: when the object is evicted the connection breaks,
 * and the client asks again.
 */
export class Waiting {
  readonly #waiting = new Set<() => void>();

  /** Resolves when wake() is called, or after that time. @throws {Problem} 503: too many wait already */
  async wait(waitSeconds: number): Promise<void> {
    if (this.isFull()) throw tooMany("requests that wait", MAX_WAITING);
    const woken = Promise.withResolvers<void>();
    this.#waiting.add(woken.resolve);
    const timer = setTimeout(woken.resolve, waitSeconds * 1000);
    await woken.promise;
    clearTimeout(timer);
    this.#waiting.delete(woken.resolve);
  }

  isFull(): boolean {
    return this.#waiting.size >= MAX_WAITING;
  }

  wake(): void {
    for (const resolve of this.#waiting) resolve();
  }
}
