// Schedules of copies and of whole prefixes: when they run, what waits, what is written where, and what can
// be read of it.
import { beforeEach, describe, expect, test } from "vitest";
import { openWorld } from "../world.ts";

const {
  mesh,
  stores: { east, west },
} = await openWorld({ east: { buckets: ["source"] }, west: { buckets: ["destination"] } });

interface Run {
  readonly dueAt: string;
  readonly outcome: string;
  readonly startedAt: string | null;
  readonly copyId: string | null;
  readonly syncId: string | null;
  readonly phase: string | null;
  readonly endedAt: string | null;
  readonly detail: string | null;
}

interface Schedule {
  readonly timezone: string;
  readonly enabled: boolean;
  readonly overlap: string;
  readonly sync?: Record<string, unknown>;
  readonly nextRunAt: string | null;
  readonly lastRun: Run | null;
  readonly runs: readonly Run[];
}

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
/** Midnight (UTC) of a day of its own for each test, later than all before it. */
let dayMs = Math.ceil(Date.now() / DAY_MS) * DAY_MS;
beforeEach(() => {
  dayMs += 3 * DAY_MS;
});

const at = (minutes: number) => new Date(dayMs + minutes * MINUTE_MS);

/** A cron expression for that minute alone, since a daily one would catch up the days before this test's. */
const cronAt = (minutes: number) => {
  const due = at(minutes);
  return `${due.getUTCMinutes()} ${due.getUTCHours()} ${due.getUTCDate()} ${due.getUTCMonth() + 1} *`;
};

const put = async (name: string, body: Record<string, unknown>) =>
  await mesh.call<Schedule>("PUT", `/schedules/${name}`, { body: { cron: "* * * * *", ...body } });
const get = async (name: string) => (await mesh.call<Schedule>("GET", `/schedules/${name}`)).body;
const outcomes = async (name: string) => (await get(name)).runs.map(({ outcome }) => outcome);

const copyOf = (key: string) => ({ source: `east:source/${key}`, destination: `west:destination/${key}` });
const syncOf = (prefix: string, more: Record<string, unknown> = {}) => ({
  source: `east:source/${prefix}`,
  destination: `west:destination/${prefix}`,
  ...more,
});

/** The latest run, when what it has started is at its end and the registry knows of it. */
async function ended(name: string): Promise<Run> {
  await expect.poll(async () => (await get(name)).lastRun?.endedAt ?? null).not.toBeNull();
  const { lastRun } = await get(name);
  if (lastRun === null) throw new Error(`${name} has no run`);
  return lastRun;
}

/** Keys under a prefix of the destination, but for reports. */
const keysUnder = (prefix: string) =>
  west
    .objects("destination")
    .map(({ key }) => key)
    .filter((key) => key.startsWith(prefix));

describe("a schedule of a prefix", () => {
  test("syncs it when it is due, and shows the run with its phase, and the next one", async () => {
    east.put("source", "nightly/a", "A");
    east.put("source", "nightly/b/", "");
    const made = await put("nightly", { cron: cronAt(210), sync: syncOf("nightly/") });
    expect(made.status).toBe(201);
    await mesh.fireCron(at(209));
    expect((await get("nightly")).lastRun).toBeNull();
    await mesh.fireCron(at(210));
    const run = await ended("nightly");
    expect(run).toMatchObject({
      dueAt: at(210).toISOString(),
      outcome: "started",
      phase: "completed",
      copyId: null,
    });
    expect(run.syncId).not.toBeNull();
    expect(Date.parse((await get("nightly")).nextRunAt ?? "")).toBeGreaterThan(
      at(210 + 24 * 60 * 364).getTime(),
    );
    expect(keysUnder("nightly/")).toEqual(["nightly/a", "nightly/b/"]);
    const status = await mesh.call<{ phase: string }>("GET", `/syncs/${run.syncId}`);
    expect(status.body.phase).toBe("completed");
    const listed = await mesh.call<{ syncs: { id: string; schedule: string | null }[] }>("GET", "/syncs");
    expect(listed.body.syncs.find(({ id }) => id === run.syncId)?.schedule).toBe("nightly");
  });

  test("is run by hand with the sync's own status and location", async () => {
    east.put("source", "hand/a", "A");
    await put("hand", { cron: "0 0 1 1 *", sync: syncOf("hand/", { location: "oc" }) });
    const run = await mesh.call<{ id: string; location: string }>("POST", "/schedules/hand/run");
    expect([run.status, run.body.location]).toEqual([202, "oc"]);
    expect(run.headers.get("location")).toBe(`/syncs/${run.body.id}`);
    expect(await ended("hand")).toMatchObject({ syncId: run.body.id, phase: "completed" });
  });

  test("is run once by hand under one Idempotency-Key", async () => {
    east.put("source", "once/a", "A");
    await put("once", { cron: "0 0 1 1 *", sync: syncOf("once/") });
    const headers = { "idempotency-key": "run-1" };
    const run = async (name: string) =>
      await mesh.call<{ id: string }>("POST", `/schedules/${name}/run`, { headers });
    const first = await run("once");
    await ended("once");
    const second = await run("once");
    expect([second.status, second.body.id]).toEqual([202, first.body.id]);
    expect(second.headers.get("idempotency-replayed")).toBe("true");
    expect((await get("once")).runs).toHaveLength(1);
    await put("other", { cron: "0 0 1 1 *", sync: syncOf("other/") });
    expect((await run("other")).status).toBe(422);
  });

  test("is replaced under If-Match only as it was read", async () => {
    await put("pinned", { cron: "0 1 * * *", sync: syncOf("pinned/") });
    const read = async () => (await mesh.call("GET", "/schedules/pinned")).headers.get("etag") ?? "";
    const etag = await read();
    expect(etag).toMatch(/^"[0-9a-f]{32}"$/);
    const change = async (method: string, ifMatch: string, cron: string) => {
      const body = method === "PUT" ? { cron, sync: syncOf("pinned/") } : { cron };
      const { status } = await mesh.call(method, "/schedules/pinned", {
        body,
        headers: { "if-match": ifMatch },
      });
      return status;
    };
    expect(await change("PUT", etag, "0 2 * * *")).toBe(200);
    expect(await change("PUT", etag, "0 3 * * *")).toBe(412);
    expect(await change("PATCH", etag, "0 3 * * *")).toBe(412);
    expect(await change("PATCH", `"x", ${await read()}`, "0 4 * * *")).toBe(200);
    expect(await change("PUT", "*", "0 5 * * *")).toBe(200);
    await mesh.call("DELETE", "/schedules/pinned");
    expect(await change("PUT", "*", "0 6 * * *")).toBe(412);
    expect((await mesh.call("GET", "/schedules/pinned")).status).toBe(404);
  });

  test("that could not run today is refused today", async () => {
    const into = { source: "east:source/x/", destination: "east:source/x/{yyyy}/" };
    const answer = await put("bad", { sync: into });
    expect([answer.status, (answer.body as unknown as { code: string }).code]).toEqual([
      400,
      "overlapping_prefixes",
    ]);
    expect((await mesh.call("GET", "/schedules/bad")).status).toBe(404);
  });
});

describe("templates", () => {
  test("make a snapshot per due time, in the schedule's time zone, however late the run is", async () => {
    east.put("source", "data", "first");
    const copy = {
      source: "east:source/data",
      destination: "west:destination/daily/{yyyy}-{mm}-{dd}T{HH}{MM}",
    };
    await put("snapshot", { cron: "30 0 * * *", timezone: "Asia/Kolkata", copy });
    await mesh.fireCron(at(20 * 60)); // due at 00:30 there, which is 19:00 in UTC
    expect(await ended("snapshot")).toMatchObject({ dueAt: at(19 * 60).toISOString(), phase: "completed" });
    const next = new Date(dayMs + DAY_MS).toISOString().slice(0, 10);
    expect(keysUnder("daily/")).toEqual([`daily/${next}T0030`]);
  });

  test("name the prefix of a sync", async () => {
    east.put("source", "tree/a", "A");
    await put("tree", {
      sync: { source: "east:source/tree/", destination: "west:destination/tree-{yyyy}/{{x}}/" },
    });
    await mesh.fireCron(at(0));
    expect(await ended("tree")).toMatchObject({ phase: "completed" });
    expect(keysUnder("tree-")).toEqual([`tree-${at(0).getUTCFullYear()}/{x}/a`]);
  });
});

test("an event that comes twice, late or out of order runs each due time once", async () => {
  east.put("source", "twice/a", "A");
  await put("twice", { cron: "*/10 * * * *", sync: syncOf("twice/") });
  await Promise.all([mesh.fireCron(at(10)), mesh.fireCron(at(10)), mesh.fireCron(at(11))]);
  await ended("twice");
  await mesh.fireCron(at(10));
  await mesh.fireCron(at(5));
  const { runs } = await get("twice");
  expect(runs.map(({ dueAt, outcome }) => [dueAt, outcome])).toEqual([[at(10).toISOString(), "started"]]);
});

test("a day without events makes one run, at the last due time", async () => {
  east.put("source", "missed/a", "A");
  await put("missed", { cron: "5 * * * *", sync: syncOf("missed/") });
  await mesh.fireCron(at(24 * 60));
  await ended("missed");
  const { runs, nextRunAt } = await get("missed");
  expect(runs.map(({ dueAt }) => dueAt)).toEqual([at(23 * 60 + 5).toISOString()]);
  expect(nextRunAt).toBe(at(24 * 60 + 5).toISOString());
});

describe("while a run is going", () => {
  test("the next is skipped, and says which run it was", async () => {
    east.put("source", "skip/a", "A");
    await put("skip", { sync: syncOf("skip/") });
    const gate = east.hold({ operation: "ListObjectsV2" });
    await mesh.fireCron(at(0));
    await east.waitFor(() => gate.waiting.length > 0);
    await mesh.fireCron(at(1));
    const { runs } = await get("skip");
    expect(runs.map(({ outcome }) => outcome)).toEqual(["skipped", "started"]);
    expect(runs[0]?.detail).toBe(`sync ${runs[1]?.syncId} is still going`);
    const byHand = await mesh.call("POST", "/schedules/skip/run");
    expect([byHand.status, byHand.body["code"]]).toEqual([409, "run_skipped"]);
    gate.release();
    await expect
      .poll(
        async () => (await get("skip")).runs.find(({ outcome }) => outcome === "started")?.endedAt ?? null,
      )
      .not.toBeNull();
  });

  test("with overlap queue the next one waits and starts at its end; more are skipped", async () => {
    east.put("source", "queue/k", "bytes");
    const gate = west.hold({ operation: "PutObject", key: /^queue\// });
    const copy = { source: "east:source/queue/k", destination: "west:destination/queue/{HH}{MM}" };
    await put("queue", { copy, overlap: "queue" });
    await mesh.fireCron(at(0));
    await west.waitFor(() => gate.waiting.length === 1);
    await mesh.fireCron(at(1));
    await mesh.fireCron(at(2));
    const waiting = (await get("queue")).runs;
    expect(waiting.map(({ outcome }) => outcome)).toEqual(["skipped", "queued", "started"]);
    expect(waiting[1]).toMatchObject({
      startedAt: null,
      detail: `copy ${waiting[2]?.copyId} is still going`,
    });
    expect(waiting[0]?.detail).toBe(`the run due at ${at(1).toISOString()} is already waiting`);
    gate.release();
    // No event comes: the end of the first run is what starts the second.
    await expect.poll(async () => (await get("queue")).runs[1]?.endedAt ?? null).not.toBeNull();
    expect(await outcomes("queue")).toEqual(["skipped", "started", "started"]);
    expect(keysUnder("queue/")).toEqual(["queue/0000", "queue/0001"]);
  });

  test("a queued run is dropped with the word for it when the schedule is changed to rest", async () => {
    east.put("source", "drop", "bytes");
    const gate = west.hold({ operation: "PutObject", key: "drop" });
    await put("drop", { copy: copyOf("drop"), overlap: "queue" });
    await mesh.fireCron(at(0));
    await west.waitFor(() => gate.waiting.length === 1);
    const byHand = await mesh.call<{ run: Run }>("POST", "/schedules/drop/run");
    expect([byHand.status, byHand.body.run.outcome]).toEqual([202, "queued"]);
    await put("drop", { copy: copyOf("drop"), overlap: "queue", enabled: false });
    const dropped = (await get("drop")).runs.find(({ outcome }) => outcome === "skipped");
    expect(dropped?.detail).toBe("the schedule was changed while this run waited");
    gate.release();
    await expect
      .poll(async () =>
        (await get("drop")).runs.every(({ outcome, endedAt }) => outcome !== "started" || endedAt !== null),
      )
      .toBe(true);
    expect(west.requests({ operation: "PutObject", key: "drop" })).toHaveLength(1);
  });

  test("a sync of another schedule that writes there is waited for as well", async () => {
    east.put("source", "rival/a", "A");
    await put("first", { cron: cronAt(0), sync: syncOf("rival/") });
    await put("second", { cron: cronAt(1), sync: syncOf("rival/"), overlap: "queue" });
    const gate = east.hold({ operation: "ListObjectsV2" });
    await mesh.fireCron(at(0));
    await east.waitFor(() => gate.waiting.length > 0);
    await mesh.fireCron(at(1));
    const { syncId } = (await get("first")).lastRun ?? { syncId: null };
    expect((await get("second")).lastRun).toMatchObject({
      outcome: "queued",
      detail: `sync ${syncId} is writing there`,
    });
    gate.release();
    await ended("first");
    await mesh.fireCron(at(2));
    expect(await ended("second")).toMatchObject({
      outcome: "started",
      dueAt: at(1).toISOString(),
      phase: "completed",
    });
  });
});

test("a schedule at rest starts nothing, says so, is run by hand all the same, and catches nothing up", async () => {
  east.put("source", "rest", "bytes");
  const made = await put("rest", { copy: copyOf("rest"), enabled: false });
  expect(made.body).toMatchObject({ enabled: false, nextRunAt: null, timezone: "UTC", overlap: "skip" });
  await mesh.fireCron(at(0));
  expect(await outcomes("rest")).toEqual([]);
  expect((await mesh.call("POST", "/schedules/rest/run")).status).toBe(202);
  await ended("rest");
  await put("rest", { cron: "0 12 * * *", copy: copyOf("rest") });
  expect((await get("rest")).enabled).toBe(true);
  expect(await outcomes("rest")).toEqual(["started"]);
});

test.for([
  [{ cron: "61 * * * *", copy: copyOf("x") }, /^"cron" has "61" as its minute, at character 1 of/],
  [{ cron: "0 3 * * FOO", copy: copyOf("x") }, /^"cron" has "FOO" as its weekday, at character 9 of/],
  [{ timezone: "Mars/Olympus", copy: copyOf("x") }, /^"timezone" must be the IANA name of a time zone/],
  [
    { copy: { source: "east:source/x", destination: "west:destination/{year}" } },
    /^"copy.destination" has "\{year\}" at character 1/,
  ],
  [{}, /^The body must have either "copy", "sync" or "comparison"$/],
] as const)("%j is refused", async ([body, detail]) => {
  const answer = await mesh.call("PUT", "/schedules/bad", { body: { cron: "* * * * *", ...body } });
  expect([answer.status, answer.body["code"]]).toEqual([400, "invalid_request"]);
  expect(answer.body["detail"]).toMatch(detail);
  expect((await mesh.call("GET", "/schedules/bad")).status).toBe(404);
});

describe("a schedule is changed", () => {
  test("by what was read of it, sent back", async () => {
    const sync = syncOf("again/", { include: ["**/*.jpg", "*.png"], delete: true, maxDeletes: "5%" });
    await put("again", { cron: cronAt(60), sync, overlap: "queue" });
    const read = await mesh.call("GET", "/schedules/again");
    expect(read.body).toMatchObject({ overlap: "queue", sync });
    const back = await mesh.call("PUT", "/schedules/again", { body: read.text });
    expect([back.status, back.body]).toEqual([200, read.body]);
    expect(back.headers.get("etag")).toBe(read.headers.get("etag"));
    const other = await mesh.call("PUT", "/schedules/other", { body: read.text });
    expect([other.status, other.body["detail"]]).toEqual([
      400,
      'The "name" in the body is "again", and the address says "other"',
    ]);
  });

  test("in one field, and keeps the others", async () => {
    await put("one-field", { cron: cronAt(60), sync: syncOf("one/", { exclude: "x" }), overlap: "queue" });
    const fields = ["cron", "timezone", "overlap", "enabled", "copy", "sync"];
    const asPut = (body: Record<string, unknown>) =>
      Object.fromEntries(Object.entries(body).filter(([field]) => fields.includes(field)));
    const before = asPut((await mesh.call("GET", "/schedules/one-field")).body);
    const patch = async (body: unknown) => await mesh.call("PATCH", "/schedules/one-field", { body });
    expect(asPut((await patch({ enabled: false })).body)).toEqual({ ...before, enabled: false });
    const { sync: _replaced, ...rest } = before;
    expect(asPut((await patch({ copy: copyOf("k") })).body)).toEqual({
      ...rest,
      enabled: false,
      copy: copyOf("k"),
    });
    const wrong = await patch({ enable: true });
    expect([wrong.status, wrong.body]).toMatchObject([400, { detail: 'Unknown field "enable"' }]);
    const missing = await mesh.call("PATCH", "/schedules/nobody", { body: { enabled: true } });
    expect(missing.body["code"]).toBe("schedule_not_found");
  });

  test("and every one of two changes at once is kept", async () => {
    await put("both", { cron: cronAt(60), sync: syncOf("both/") });
    const patch = async (body: unknown) => await mesh.call("PATCH", "/schedules/both", { body });
    const changes = [
      { enabled: false },
      { overlap: "queue" },
      { timezone: "Asia/Tokyo" },
      { cron: "5 5 * * *" },
    ];
    await Promise.all(changes.map(patch));
    expect((await mesh.call("GET", "/schedules/both")).body).toMatchObject(Object.assign({}, ...changes));
  });

  test("only if there is one already, unless If-None-Match says that there must be none", async () => {
    const body = { cron: cronAt(60), sync: syncOf("new/") };
    const make = async () =>
      await mesh.call("PUT", "/schedules/brand-new", { body, headers: { "if-none-match": "*" } });
    expect((await make()).status).toBe(201);
    const second = await make();
    expect([second.status, second.body["code"]]).toEqual([412, "schedule_exists"]);
  });
});
