// Those who watch: Server-Sent Events and the line of text, of copies and of syncs, over real HTTP.

import { expect, test } from "vitest";
import { Clock } from "../../mesh/clock.ts";
import { TOKEN } from "../../mesh/mesh.ts";
import { PART, openWorld } from "../world.ts";

const {
  mesh,
  stores: { east, west },
} = await openWorld(
  { east: { buckets: ["source"] }, west: { buckets: ["destination"] } },
  undefined,
  Clock.fast(),
);

const request = (key: string) => ({
  source: `east:source/${key}`,
  destination: `west:destination/${key}`,
  partSize: PART,
});

/** Back to the start of the line, and clear it. */
const REWRITE = "\r\u001b[K";

interface Event {
  readonly name: string;
  readonly id: string | null;
  readonly data: Record<string, unknown>;
}

type Row = readonly [partNumber: number, state: string, lane: number | null, failedAttempts: number];

/** A stream that a test reads as it comes. */
class Watch {
  readonly response: Response;
  readonly events: Event[] = [];
  text = "";
  readonly #leave: AbortController;
  readonly #reader: ReadableStreamDefaultReader<string>;
  #parsed = 0;

  private constructor(response: Response, leave: AbortController) {
    this.response = response;
    this.#leave = leave;
    const body = response.body ?? new ReadableStream<Uint8Array<ArrayBuffer>>();
    this.#reader = body.pipeThrough(new TextDecoderStream()).getReader();
  }

  static async open(path: string, headers: Record<string, string> = {}): Promise<Watch> {
    const leave = new AbortController();
    const response = await fetch(new URL(path, mesh.url), {
      headers: { authorization: `Bearer ${TOKEN}`, ...headers },
      signal: leave.signal,
    });
    return new Watch(response, leave);
  }

  /** Reads until `predicate` holds. @returns false when the stream ended before */
  async until(predicate: (watch: Watch) => boolean): Promise<boolean> {
    while (!predicate(this)) {
      const { done, value } = await this.#reader.read();
      if (done) return predicate(this);
      this.text += value;
      this.#parse();
    }
    return true;
  }

  /** Reads to the end of the stream. */
  async end(): Promise<void> {
    await this.until(() => false);
  }

  leave(): void {
    this.#leave.abort();
  }

  of(name: string): Record<string, unknown>[] {
    return this.events.filter((event) => event.name === name).map(({ data }) => data);
  }

  /** The state of each part, as someone knows it who has followed the stream. */
  parts(): Map<number, Row> {
    const known = new Map<number, Row>();
    for (const { reset, parts } of this.of("parts") as { reset?: boolean; parts?: Row[] }[]) {
      if (reset === true) known.clear();
      for (const row of parts ?? []) known.set(row[0], row);
    }
    return known;
  }

  #parse(): void {
    for (;;) {
      const end = this.text.indexOf("\n\n", this.#parsed);
      if (end < 0) return;
      const lines = this.text.slice(this.#parsed, end).split("\n");
      this.#parsed = end + 2;
      const field = (name: string) =>
        lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
      const [name, data] = [field("event"), field("data")];
      if (name === undefined || data === undefined) continue;
      this.events.push({ name, id: field("id") ?? null, data: JSON.parse(data) as Record<string, unknown> });
    }
  }
}

test("GET /copies/{id}/events tells the status and the timeline at once, each change, and the end, and closes", async () => {
  east.putGenerated("source", "events", { size: 3 * PART + 1 });
  const gate = west.hold({ operation: "UploadPart", partNumber: 2 });
  const id = await mesh.startCopy(request("events"));
  const watch = await Watch.open(`/copies/${id}/events`);
  expect(watch.response.headers.get("content-type")).toBe("text/event-stream");
  expect(watch.response.headers.get("cache-control")).toBe("no-store, no-transform");
  await watch.until(({ events }) => events.some(({ name }) => name === "timeline"));
  expect(watch.of("status")[0]).toMatchObject({ id });
  await watch.until(() =>
    watch.of("status").some((status) => (status["parts"] as { done: number }).done === 3),
  );
  gate.release();
  await watch.end();
  const last = await mesh.status(id);
  const { timeline, ...status } = last;
  expect(watch.of("status").at(-1)).toEqual(status);
  expect(watch.of("timeline")).toEqual(timeline);
  expect(watch.events.at(-1)).toMatchObject({ name: "end", data: { phase: "completed" } });
  expect(watch.of("parts")).toEqual([]);
});

test("with ?parts the events tell each part, and whoever follows them knows the part table", async () => {
  east.putGenerated("source", "mapped", { size: 11 * PART });
  const gate = west.hold({ operation: "UploadPart", partNumber: 7 });
  west.fault(
    { operation: "UploadPart", partNumber: 4 },
    { kind: "answer", code: "InternalError" },
    { times: 1 },
  );
  const id = await mesh.startCopy({ ...request("mapped"), concurrency: 3 });
  const watch = await Watch.open(`/copies/${id}/events?parts`);
  await watch.until(() => watch.parts().get(7)?.[1] === "inFlight" && watch.parts().get(5)?.[1] === "done");
  const late = await Watch.open(`/copies/${id}/events?parts`);
  await late.until(() => late.of("parts").length > 0);
  gate.release();
  await Promise.all([watch.end(), late.end()]);
  const { body } = await mesh.call<{ parts: Record<string, unknown>[] }>("GET", `/copies/${id}/parts`);
  const table = body.parts.map(({ partNumber, state, lane, failedAttempts }) => [
    partNumber,
    state,
    lane,
    failedAttempts,
  ]);
  for (const viewer of [watch, late]) {
    expect([...viewer.parts().values()].toSorted((a, b) => a[0] - b[0])).toEqual(table);
  }
  expect(watch.parts().get(4)?.[3]).toBe(1);
});

test("a client that comes back with Last-Event-ID gets the present status and only what it has missed", async () => {
  east.putGenerated("source", "back", { size: 2 * PART });
  const gate = west.hold({ operation: "UploadPart" });
  const id = await mesh.startCopy(request("back"));
  await west.waitFor(() => gate.waiting.length === 2);
  const first = await Watch.open(`/copies/${id}/events`);
  await first.until(() => first.of("timeline").some(({ event }) => event === "phase_uploading"));
  const lastId = first.events.findLast(({ name }) => name === "timeline")?.id ?? "";
  first.leave();
  const second = await Watch.open(`/copies/${id}/events`, { "last-event-id": lastId });
  await second.until(() => second.of("status").length > 0);
  gate.release();
  await second.end();
  const { timeline } = await mesh.ended(id);
  expect([...first.of("timeline"), ...second.of("timeline")]).toEqual(timeline);
  expect(second.of("timeline").length).toBeLessThan(timeline.length);
});

test("a client that has seen the end and comes back is told not to", async () => {
  east.put("source", "seen", "S");
  const { id } = await mesh.copy(request("seen"));
  const watch = await Watch.open(`/copies/${id}/events`);
  await watch.end();
  expect(watch.of("status")).toHaveLength(1);
  const lastId = watch.events.findLast(({ name }) => name === "timeline")?.id ?? "";
  const again = await Watch.open(`/copies/${id}/events`, { "last-event-id": lastId });
  expect(again.response.status).toBe(204);
});

test("the events of a blocked copy end with its failure: nothing comes until somebody acts", async () => {
  east.putGenerated("source", "blocked", { size: 2 * PART });
  west.fault({ operation: "UploadPart" }, { kind: "answer", code: "AccessDenied" });
  const id = await mesh.startCopy(request("blocked"));
  const watch = await Watch.open(`/copies/${id}/events`);
  await watch.end();
  expect(watch.of("status").at(-1)).toMatchObject({
    phase: "blocked",
    failure: { code: "destination_access_denied" },
  });
  expect(watch.of("end")).toEqual([]);
  expect(watch.text.trimEnd()).toMatch(/retry: 30000$/);
  west.clearFaults();
  await mesh.cancel(id);
});

test("nobody's events keep a coordinator in memory: once they have left, it can be evicted", async () => {
  east.putGenerated("source", "left", { size: 2 * PART });
  const gate = west.hold({ operation: "UploadPart" });
  const id = await mesh.startCopy(request("left"));
  const watch = await Watch.open(`/copies/${id}/events`);
  await watch.until(() => watch.of("status").length > 0);
  watch.leave();
  gate.release();
  await mesh.ended(id);
  await mesh.evict("Coordinator", id);
  expect(await mesh.status(id)).toMatchObject({ phase: "completed" });
});

test("curl is shown one line that rewrites itself, and the result at the end", async () => {
  east.putGenerated("source", "bar", { size: 3 * PART });
  const gate = west.hold({ operation: "UploadPart", partNumber: 3 });
  const id = await mesh.startCopy(request("bar"));
  const watch = await Watch.open(`/copies/${id}/progress`, { "user-agent": "curl/8.10.1" });
  expect(watch.response.headers.get("content-type")).toBe("text/plain; charset=utf-8");
  await watch.until(({ text }) => text.includes("2/3 parts"));
  gate.release();
  await watch.end();
  const [bar = "", ...result] = watch.text.split("\n");
  const frames = bar.split(REWRITE);
  expect(frames[0]).toBe("");
  expect(frames.at(-1)).toMatch(/^\[#{16}\] 100% {2}3\/3 MiB {2}3\/3 parts .* completed$/);
  expect(Math.max(...frames.map((frame) => frame.length))).toBeLessThan(80);
  expect(result).toEqual([expect.stringMatching(/^completed: 3 MiB in \d+\.\d s, .*, proof part-md5$/), ""]);
});

test("everybody else is shown a line at a time, with the reason at the end", async () => {
  const id = await mesh.startCopy(request("nowhere"));
  const watch = await Watch.open(`/copies/${id}/progress`);
  await watch.end();
  expect(watch.text).not.toContain("\r");
  expect(watch.text).toMatch(/ failed\nfailed: source_not_found: .*NoSuchKey.*\n$/);
});

test("?plain and ?width decide over what the client looks like", async () => {
  east.put("source", "plain", "P");
  const { id } = await mesh.copy(request("plain"));
  const plain = await Watch.open(`/copies/${id}/progress?plain`, { "user-agent": "curl/8.10.1" });
  await plain.end();
  expect(plain.text).not.toContain("\r");
  const bar = await Watch.open(`/copies/${id}/progress?plain=false&width=30`);
  await bar.end();
  const [, frame = ""] = bar.text.split("\n")[0]?.split(REWRITE) ?? [];
  expect(frame).toMatch(/^\[.{19,29}$/);
  expect((await mesh.call("GET", `/copies/${id}/progress?width=10`)).status).toBe(400);
});

test("a paused copy is let go after a while, and says how it goes on", async () => {
  east.putGenerated("source", "paused", { size: 2 * PART });
  const gate = east.hold({ operation: "HeadObject", key: "paused" });
  const id = await mesh.startCopy(request("paused"));
  await east.waitFor(() => gate.waiting.length === 1);
  await mesh.call("POST", `/copies/${id}/pause`);
  gate.release();
  const [line, events] = await Promise.all([
    Watch.open(`/copies/${id}/progress`),
    Watch.open(`/copies/${id}/events`),
  ]);
  await Promise.all([line.end(), events.end()]);
  expect(line.text).toMatch(
    new RegExp(`paused\nnext: POST /copies/${id}/resume; or POST /copies/${id}/cancel\n$`),
  );
  expect(events.text.trimEnd()).toMatch(/retry: 30000$/);
  await mesh.cancel(id);
});

test("a sync is watched like a copy", async () => {
  for (const key of ["a", "b", "c"]) east.put("source", `prefix/${key}`, key);
  const gate = west.hold({ operation: "PutObject", key: /b$/ });
  const id = await mesh.startSync({ source: "east:source/prefix/", destination: "west:destination/synced/" });
  const [events, line] = await Promise.all([
    Watch.open(`/syncs/${id}/events`),
    Watch.open(`/syncs/${id}/progress`, { "user-agent": "curl/8.10.1" }),
  ]);
  await west.waitFor(() => gate.waiting.length === 1);
  gate.release();
  await Promise.all([events.end(), line.end()]);
  const { timeline, ...status } = await mesh.syncStatus(id);
  expect(events.of("status").at(-1)).toEqual(status);
  expect(events.of("timeline")).toEqual(timeline);
  expect(line.text.split(REWRITE).at(-1)).toMatch(/^\[#{16}\] 100% {2}3\/3 objects .* completed\n/);
  expect(line.text).toMatch(/\ncompleted: copied 3 \(3 B\), deleted 0, skipped 0, failed 0 in .*\n$/);
});

test.for(["/copies", "/syncs"])(
  "%s/{id}/events and progress of what never was are not found",
  async (kind) => {
    for (const action of ["events", "progress"]) {
      const answer = await mesh.call("GET", `${kind}/01jzzzzzzzzzzzzzzzzzzzzzzz/${action}`);
      expect([answer.status, answer.headers.get("content-type")]).toEqual([404, "application/problem+json"]);
    }
  },
);
