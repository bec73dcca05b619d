import { beforeEach, expect, test } from "vitest";
import type { Status } from "../../mesh/mesh.ts";
import { openWorld } from "../world.ts";

const {
  mesh,
  stores: { east, west },
} = await openWorld({ east: { buckets: ["source"] }, west: { buckets: ["destination"] } });

interface Run {
  readonly dueAt: string;
  readonly outcome: string;
  readonly copyId: string | null;
  readonly detail: string | null;
}

interface Schedule {
  readonly name: string;
  readonly cron: string;
  readonly copy: Record<string, unknown>;
  readonly overlap: string;
  readonly createdAt: string;
  readonly nextRunAt: string | null;
  readonly lastRun: Run | null;
  readonly runs: readonly Run[];
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** A whole hour of its own for each test, later than all before it. */
let hourMs = Math.ceil(Date.now() / HOUR_MS) * HOUR_MS;
beforeEach(() => {
  hourMs += HOUR_MS;
});

const at = (minutes: number, milliseconds = 0) => new Date(hourMs + minutes * MINUTE_MS + milliseconds);

async function put(name: string, { cron = "* * * * *", key = name } = {}): Promise<Schedule> {
  east.put("source", key, `bytes of ${key}`);
  const copy = { source: `east:source/${key}`, destination: `west:destination/${key}` };
  return (await mesh.call<Schedule>("PUT", `/schedules/${name}`, { body: { cron, copy } })).body;
}

const get = async (name: string) => (await mesh.call<Schedule>("GET", `/schedules/${name}`)).body;
const outcomes = async (name: string) => (await get(name)).runs.map(({ dueAt, outcome }) => [dueAt, outcome]);

async function ended({ copyId }: Pick<Run, "copyId">): Promise<Status> {
  const status = await mesh.ended(copyId ?? "");
  // The registry learns of the end a moment after the copy's own status does.
  const listed = async () =>
    (
      await mesh.call<{ copies: { id: string; endedAt: string | null }[] }>("GET", "/copies")
    ).body.copies.find((copy) => copy.id === copyId)?.endedAt;
  await expect.poll(listed).not.toBeNull();
  return status;
}

test("a schedule is made with 201, replaced with 200, read back, listed and deleted", async () => {
  const body = {
    cron: " 15 3 * * 1 ",
    copy: { source: "east:source/nightly", destination: "west:destination/nightly", partSize: "8MiB" },
  };
  const made = await mesh.call<Schedule>("PUT", "/schedules/nightly", { body });
  expect(made.status).toBe(201);
  expect(made.body).toMatchObject({
    name: "nightly",
    cron: "15 3 * * 1",
    overlap: "skip",
    lastRun: null,
    runs: [],
  });
  expect(new Date(made.body.nextRunAt ?? "").getUTCDay()).toBe(1);
  expect(made.body.nextRunAt).toMatch(/T03:15:00\.000Z$/);
  const replaced = await mesh.call<Schedule>("PUT", "/schedules/nightly", {
    body: { ...body, cron: "0 4 * * *" },
  });
  expect([replaced.status, replaced.body.cron]).toEqual([200, "0 4 * * *"]);
  expect(replaced.body.createdAt).toBe(made.body.createdAt);
  expect(await get("nightly")).toEqual(replaced.body);
  const listed = await mesh.call<{ schedules: Schedule[] }>("GET", "/schedules");
  expect(listed.body.schedules.map(({ name }) => name)).toContain("nightly");
  expect((await mesh.call("DELETE", "/schedules/nightly")).status).toBe(204);
  expect((await mesh.call("DELETE", "/schedules/nightly")).status).toBe(404);
  expect((await mesh.call("GET", "/schedules/nightly")).body["code"]).toBe("schedule_not_found");
});

test("a schedule copies when it is due, and says when it ran and will run", async () => {
  await put("daily", { cron: `30 ${at(30).getUTCHours()} * * *` });
  await mesh.fireCron(at(29));
  expect(await outcomes("daily")).toEqual([]);
  await mesh.fireCron(at(30));
  const { lastRun, nextRunAt } = await get("daily");
  expect(lastRun).toMatchObject({ dueAt: at(30).toISOString(), outcome: "started", detail: null });
  expect(nextRunAt).toBe(at(30 + 24 * 60).toISOString());
  expect((await ended(lastRun ?? { copyId: null })).phase).toBe("completed");
  expect(west.bytes("destination", "daily").toString()).toBe("bytes of daily");
  const listed = await mesh.call<{ copies: { id: string; schedule: string | null }[] }>("GET", "/copies");
  expect(listed.body.copies.find(({ id }) => id === lastRun?.copyId)?.schedule).toBe("daily");
});

test("a minute whose event comes three times is copied once", async () => {
  await put("thrice");
  await Promise.all([mesh.fireCron(at(0)), mesh.fireCron(at(0, 1)), mesh.fireCron(at(0, 59_999))]);
  await mesh.fireCron(at(0));
  const { runs } = await get("thrice");
  expect(runs.map(({ dueAt }) => dueAt)).toEqual([at(0).toISOString()]);
  await ended(runs[0] ?? { copyId: null });
  expect(west.requests({ operation: "PutObject", key: "thrice" })).toHaveLength(1);
});

test("an event that comes late or out of order starts nothing that is past", async () => {
  await put("unordered");
  await mesh.fireCron(at(2));
  const [first] = (await get("unordered")).runs;
  await ended(first ?? { copyId: null });
  await mesh.fireCron(at(1));
  await mesh.fireCron(at(0));
  expect(await outcomes("unordered")).toEqual([[at(2).toISOString(), "started"]]);
  await mesh.fireCron(at(3));
  const [last] = (await get("unordered")).runs;
  await ended(last ?? { copyId: null });
  expect(await outcomes("unordered")).toEqual([
    [at(3).toISOString(), "started"],
    [at(2).toISOString(), "started"],
  ]);
});

test("due times that an absent trigger has missed make one run", async () => {
  await put("missed", { cron: "*/5 * * * *" });
  await mesh.fireCron(at(33));
  const { runs, nextRunAt } = await get("missed");
  expect(runs.map(({ dueAt }) => dueAt)).toEqual([at(30).toISOString()]);
  expect(nextRunAt).toBe(at(35).toISOString());
  await ended(runs[0] ?? { copyId: null });
});

test("a run is skipped while the run before is going, and that is recorded", async () => {
  const gate = west.hold({ operation: "PutObject", key: "overlap" });
  await put("overlap");
  await mesh.fireCron(at(0));
  await west.waitFor(() => gate.waiting.length === 1);
  await mesh.fireCron(at(1));
  const { runs } = await get("overlap");
  expect(runs.map(({ outcome }) => outcome)).toEqual(["skipped", "started"]);
  expect(runs[0]).toMatchObject({ copyId: null, detail: `copy ${runs[1]?.copyId} is still going` });
  gate.release();
  await ended(runs[1] ?? { copyId: null });
  await mesh.fireCron(at(2));
  const [last] = (await get("overlap")).runs;
  expect(last?.outcome).toBe("started");
  await ended(last ?? { copyId: null });
  expect(west.requests({ operation: "PutObject", key: "overlap" })).toHaveLength(2);
});

test("POST /schedules/{name}/run starts the copy now", async () => {
  await put("by-hand", { cron: "0 0 1 1 *" });
  const run = await mesh.call<Status>("POST", "/schedules/by-hand/run");
  expect(run.status).toBe(202);
  expect(run.headers.get("location")).toBe(`/copies/${run.body.id}`);
  expect((await ended({ copyId: run.body.id })).phase).toBe("completed");
  expect((await get("by-hand")).lastRun).toMatchObject({ outcome: "started", copyId: run.body.id });
});

test("POST /schedules/{name}/run while a run is going answers 409 and says which", async () => {
  const gate = west.hold({ operation: "PutObject", key: "busy" });
  await put("busy");
  const first = await mesh.call<Status>("POST", "/schedules/busy/run");
  const second = await mesh.call("POST", "/schedules/busy/run");
  expect([second.status, second.body["code"]]).toEqual([409, "run_skipped"]);
  expect(second.body["detail"]).toBe(`"busy" was not started: copy ${first.body.id} is still going`);
  gate.release();
  await ended({ copyId: first.body.id });
});

test("a failed run does not keep the next one from starting", async () => {
  await put("failing");
  east.delete("source", "failing");
  await mesh.fireCron(at(0));
  const [first] = (await get("failing")).runs;
  expect((await ended(first ?? { copyId: null })).phase).toBe("failed");
  east.put("source", "failing", "there again");
  await mesh.fireCron(at(1));
  const [second] = (await get("failing")).runs;
  expect((await ended(second ?? { copyId: null })).phase).toBe("completed");
});

test("a deleted schedule starts nothing more", async () => {
  await put("deleted");
  await mesh.call("DELETE", "/schedules/deleted");
  await mesh.fireCron(at(0));
  expect(west.requests({ key: "deleted" })).toEqual([]);
  expect((await mesh.call("POST", "/schedules/deleted/run")).status).toBe(404);
});

test.for([
  ["four fields", "* * * *", /^"cron" must have five fields .*, not "\* \* \* \*"$/],
  ["six fields", "0 * * * * *", /^"cron" must have five fields .*, not "0 \* \* \* \* \*"$/],
  ["an impossible minute", "61 * * * *", /^"cron" has "61" as its minute, at character 1 of/],
  ["words", "every day at three o'clock", /^"cron" has "every" as its minute, at character 1 of/],
  ["a day that never comes", "0 0 30 2 *", /^"cron" never comes due: "0 0 30 2 \*"$/],
] as const)("a schedule with %s is refused", async ([, cron, detail]) => {
  const copy = { source: "east:source/x", destination: "west:destination/x" };
  const answer = await mesh.call("PUT", "/schedules/bad", { body: { cron, copy } });
  expect([answer.status, answer.body["code"]]).toEqual([400, "invalid_request"]);
  expect(answer.body["detail"]).toMatch(detail);
  expect((await mesh.call("GET", "/schedules/bad")).status).toBe(404);
});

test.for(["-dash", "a b", "x".repeat(64), "ü", "."])("a schedule named %j is refused", async (name) => {
  const body = { cron: "* * * * *", copy: { source: "east:source/x", destination: "west:destination/x" } };
  const answer = await mesh.call("PUT", `/schedules/${encodeURIComponent(name)}`, { body });
  expect([answer.status, answer.body["code"]]).toEqual(
    // A client resolves the dot, and asks for the list.
    name === "." ? [405, "method_not_allowed"] : [400, "invalid_request"],
  );
});

test("a schedule whose copy could not run today is refused today", async () => {
  const copy = { source: "north:source/x", destination: "west:destination/x" };
  const answer = await mesh.call("PUT", "/schedules/bad", { body: { cron: "* * * * *", copy } });
  expect([answer.status, answer.body["code"]]).toEqual([400, "unknown_store"]);
});
