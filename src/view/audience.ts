// Those who watch a copy or a sync: Server-Sent Events (`GET …/events`) and a line of text (`GET
// …/progress`).
//
// What it needs: a stage, which tells the status, the timeline and the parts from storage. The object that
// owns the stage calls changed() whenever something may be new; that costs nothing while nobody watches. A
// frame is made for all viewers at once, at most one in FRAME_MS, and from one reading of the storage.
//
// Invariants: what is sent is a state, not a difference (or, for parts, a difference to what that viewer
// has), so a viewer that comes back misses nothing. A viewer that does not read is skipped and gets the whole
// again; nothing piles up for it. Viewers keep their object in memory, which is paid for: so all are let go
// at the end, and those of a copy that waits for a person or for its turn after a while; they come back by
// themselves.
//
// In memory only: when the object dies its streams break, and viewers come back.

import { readCount, readSwitch } from "../http/request.ts";
import type { PartsMessage } from "../http/vocabulary.ts";
import { DEFAULT_WIDTH } from "./progress.ts";

export interface Stage {
  /** As `GET /copies/{id}` answers it. */
  status(): Record<string, unknown>;
  /**
   * `waiting`: it does nothing until somebody acts, or until its turn comes; `stuck`: likewise, by a failure.
   */
  state(): "working" | "waiting" | "stuck" | "ended";
  /** Entries of the timeline after that one, in order. */
  entries(afterSeq: number): readonly { readonly seq: number; readonly entry: unknown }[];
  /** Null: it has none. */
  readonly parts: PartStage | null;
  line(status: Record<string, unknown>, width: number): string;
  result(status: Record<string, unknown>): readonly string[];
}

interface PartStage {
  whole(): PartsMessage;
  /** What has changed since this or whole() was last called; null: nothing. */
  news(): PartsMessage | null;
}

interface Frame {
  readonly status: Record<string, unknown>;
  readonly state: ReturnType<Stage["state"]>;
  readonly news: PartsMessage | null;
}

interface Viewer {
  /** Does it have all parts, so that what changes is enough for it? */
  wantsNews(): boolean;
  show(frame: Frame, output: Output): void;
  /** Nothing is new. */
  pulse(output: Output): void;
  /** The stream is about to be closed. */
  leave(frame: Frame, output: Output): void;
}

const FRAME_MS = 500;

/** The rate of a copy that stands still falls without anything being new. */
const PULSE_MS = 5_000;

const WAITING_KEPT_MS = 15_000;

const RECONNECT_MS = 2_000;

const RECONNECT_WAITING_MS = 30_000;

/** What may be on its way to a viewer; it is skipped until it has read that. */
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

  /** `GET …/events`, with `?parts` also what becomes of each part. @throws {Problem} 400 */
  events(request: Request): Response {
    const wantsParts = readSwitch(new URL(request.url).searchParams, "parts");
    const lastSeen = Number(/^\d{1,15}$/.exec(request.headers.get("last-event-id") ?? "")?.[0] ?? 0);
    // 204 is how a client of Server-Sent Events is told not to come back.
    if (this.#stage.state() === "ended" && lastSeen > 0 && this.#stage.entries(lastSeen).length === 0) {
      return new Response(null, { status: 204 });
    }
    return this.#seat(new EventViewer(this.#stage, wantsParts, lastSeen), "text/event-stream", request);
  }

  /**
   * `GET …/progress`: a line that rewrites itself, or with `?plain` one after the other. @throws {Problem}
   * 400
   */
  progress(request: Request): Response {
    const query = new URL(request.url).searchParams;
    const width = readCount(query, "width", { fallback: DEFAULT_WIDTH, min: 20, max: 500 });
    const isTerminal = /^(?:curl|Wget|HTTPie)\//.test(request.headers.get("user-agent") ?? "");
    const plain = query.has("plain") ? readSwitch(query, "plain") : !isTerminal;
    return this.#seat(new LineViewer(this.#stage, plain, width), "text/plain; charset=utf-8", request);
  }

  #seat(viewer: Viewer, type: string, request: Request): Response {
    // A proxy that compresses or buffers would keep the news to itself.
    const headers = {
      "content-type": type,
      "cache-control": "no-store, no-transform",
      "x-accel-buffering": "no",
    };
    // Nobody would read the stream.
    if (request.method === "HEAD") return new Response(null, { headers });
    const output = new Output(() => this.#dismiss(viewer));
    this.#viewers.set(viewer, output);
    // Those who watch already see this frame as well: what it says of the parts is said once.
    this.#frame();
    return new Response(output.stream, { headers });
  }

  #snapshot(): Frame {
    const state = this.#stage.state();
    const now = Date.now();
    this.#waitingSinceMs = state === "waiting" ? (this.#waitingSinceMs ?? now) : null;
    const wanted = [...this.#viewers.keys()].some((viewer) => viewer.wantsNews());
    const news = wanted ? (this.#stage.parts?.news() ?? null) : null;
    return { status: this.#stage.status(), state, news };
  }

  /** Is there nothing more to see, or for so long that it may be looked at again later? */
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

  /** Does the viewer keep up? */
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

/** Server-Sent Events: `status`, `timeline`, `parts`, and at the end `end`. */
class EventViewer implements Viewer {
  readonly #stage: Stage;
  #lastSeq: number;
  #lastStatus = "";
  /** `whole`: it is to get all parts, since it has none or has missed some. */
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
    const { timeline: _, ...status } = frame.status;
    const text = JSON.stringify(status);
    if (text !== this.#lastStatus) this.#write(output, `event: status\ndata: ${text}\n\n`);
    this.#lastStatus = text;
    const parts = this.#partsMessage(frame);
    if (parts !== null) this.#write(output, `event: parts\ndata: ${JSON.stringify(parts)}\n\n`);
    // Last, since their ids say what a viewer has seen when it comes back.
    for (const { seq, entry } of this.#stage.entries(this.#lastSeq)) {
      this.#write(output, `id: ${seq}\nevent: timeline\ndata: ${JSON.stringify(entry)}\n\n`);
      this.#lastSeq = seq;
    }
  }

  pulse(output: Output): void {
    if (!this.#wrote && output.hasRoom()) output.write(": still here\n\n");
  }

  leave({ status, state }: Frame, output: Output): void {
    if (state === "ended") {
      output.write(`event: end\ndata: ${JSON.stringify({ phase: status["phase"] })}\n\n`);
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

/** Text for people: one line that is rewritten, or a line at a time. */
class LineViewer implements Viewer {
  readonly #stage: Stage;
  readonly #plain: boolean;
  readonly #width: number;
  #shown = "";
  #shownPhase: unknown = null;
  #shownMs = 0;

  constructor(stage: Stage, plain: boolean, width: number) {
    this.#stage = stage;
    this.#plain = plain;
    this.#width = width;
  }

  wantsNews(): boolean {
    return false;
  }

  show({ status, state }: Frame, output: Output): void {
    const line = this.#stage.line(status, this.#width);
    if (line === this.#shown || !output.hasRoom()) return;
    const now = Date.now();
    const isNews = status["phase"] !== this.#shownPhase || state !== "working";
    if (this.#plain && !isNews && now - this.#shownMs < LINE_MS) return;
    this.#shown = line;
    this.#shownPhase = status["phase"];
    this.#shownMs = now;
    output.write(this.#plain ? `${line}\n` : `\r\x1b[K${line}`);
  }

  pulse(): void {
    // A line of its own would disturb; the connection needs none, TCP keeps it.
  }

  leave({ status }: Frame, output: Output): void {
    if (!this.#plain) output.write("\n");
    for (const line of this.#stage.result(status)) output.write(`${line}\n`);
  }
}

/** The two things that can be watched, as the last part of a path. */
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

  /** Resolves when wake() is called, or after that time. */
  async wait(waitSeconds: number): Promise<void> {
    const woken = Promise.withResolvers<void>();
    this.#waiting.add(woken.resolve);
    const timer = setTimeout(woken.resolve, waitSeconds * 1000);
    await woken.promise;
    clearTimeout(timer);
    this.#waiting.delete(woken.resolve);
  }

  wake(): void {
    for (const resolve of this.#waiting) resolve();
  }
}
