// A replication whose source is in use, between two real stores: a writer creates, overwrites and deletes
// keys while events are lost, doubled and late, the whole runtime is killed, and a store is throttled. After
// the writer has stopped and repairs have run, a reader of its own finds both sides equal.
//
// REPLICATION_SEEDS, _KEYS, _WRITES and _KILLS play it larger and often: see test/README.md.

import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { inject, test } from "vitest";
import { MEMORY, Mesh } from "../../mesh/mesh.ts";
import { Random } from "../../store/state.ts";
import { type TestStore, startStore } from "../../store/store.ts";
import type { Replication } from "../../../src/view/replication_answers.ts";
import { MIB } from "../world.ts";

const count = (name: string, fallback: number) => Number(process.env[`REPLICATION_${name}`] ?? fallback);

const KEYS = count("KEYS", 60);
const WRITES = count("WRITES", 160);
const KILLS = count("KILLS", 1);
const SEEDS = Array.from({ length: count("SEEDS", 1) }, (_, n) => count("SEED", 1) + n);
const PATH = "/replications/r";
const SECRET = "whsec_dGhpcyBpcyBhIHNlY3JldCBvZiAzMiBieXRlcyEhIQ==";

/** Less than a test may take: what does not come is told. */
const LIMIT_MS = 100_000;

/** What a store has under a prefix, read without the mesh. */
const contentOf = (store: TestStore, bucket: string, prefix: string) =>
  store
    .objects(bucket)
    .filter(({ key }) => key.startsWith(prefix))
    .map(({ key }) => [key.slice(prefix.length), store.bytes(bucket, key).toString("base64").slice(0, 200)])
    .toSorted();

const until = async (
  mesh: () => Mesh,
  holds: (status: Replication) => boolean,
  path = PATH,
): Promise<Replication> => {
  const began = performance.now();
  for (;;) {
    const { body } = await mesh().call<Replication>("GET", path);
    if (holds(body)) return body;
    if (performance.now() - began > LIMIT_MS) throw new Error(`It stays as it is: ${JSON.stringify(body)}`);
    await pause(50);
  }
};

test.for(SEEDS)(
  "whatever events lose and whoever dies, both sides end equal, nothing foreign is deleted, and a cutover is ready only then: seed %i",
  { timeout: 120_000 + WRITES * 100 },
  async (seed, { expect, onTestFinished }) => {
    const random = new Random(`replication ${seed}`);
    const directory = mkdtempSync(join(MEMORY, "bucket-brigade-state-"));
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
    await using east = await startStore({ buckets: ["source"], minPartBytes: MIB });
    await using west = await startStore({ buckets: ["destination"], minPartBytes: MIB });
    let mesh: Mesh | null = null;
    const theMesh = () => mesh ?? expect.unreachable();
    const start = async () => {
      mesh = await Mesh.start({
        bundlePath: inject("bundlePath"),
        stores: { east, west },
        directory,
        bindings: { MAX_PART_MIB: "5" }, // what is larger is a copy of its own
      });
    };
    onTestFinished(async () => await mesh?.stop());
    await start();

    // Some is copied already, of which no mark tells; and some is foreign.
    for (let n = 0; n < KEYS; n += 2) east.put("source", `in/${n}`, `first ${n}`);
    for (let n = 0; n < KEYS; n += 4) west.put("destination", `out/${n}`, `first ${n}`);
    west.put("destination", "out/foreign", "not ours");
    west.put("destination", `out/${KEYS + 7}`, "not ours either");
    east.putGenerated("source", "in/large", { size: 6 * MIB, seed: "large" });

    const sender = east.sendEvents("source", {
      url: () => new URL(`${PATH}/events`, theMesh().url).href,
      headers: { authorization: "Bearer test-token-that-may-do-everything" },
      lost: 0.05,
      doubled: 0.1,
      late: 0.1,
      lateBy: 20,
      seed: `events ${seed}`,
    });
    onTestFinished(() => sender.stop());
    const body = {
      source: "east:source/in/",
      destination: "west:destination/out/",
      deletes: true,
      maxDeletes: 100_000,
    };
    expect((await theMesh().call("PUT", PATH, { body: { ...body, repair: "off" } })).status).toBe(201);

    const kills = new Set(Array.from({ length: KILLS }, (_, n) => Math.floor(((n + 0.5) * WRITES) / KILLS)));
    const slow = west.fault(
      { operation: "PutObject" },
      { kind: "answer", code: "SlowDown" },
      { probability: 0.03 },
    );
    for (let n = 0; n < WRITES; n++) {
      // What was there before is known to be a copy once the backfill has found it equal, and not sooner.
      const isBackfilled = n >= WRITES / 3;
      if (n === Math.ceil(WRITES / 3)) await until(theMesh, ({ phase }) => phase === "following");
      const number = Math.floor(random.fraction() * KEYS);
      const key = `in/${isBackfilled || number % 4 > 0 ? number : number + 1}`;
      if (random.fraction() < 0.3) east.delete("source", key);
      else east.put("source", key, `write ${n}`);
      if (n % 20 === 0) await pause(20);
      if (!kills.has(n)) continue;
      theMesh().kill();
      await theMesh().stop();
      await start();
    }
    slow.remove();
    await sender.flush();

    // The writer has stopped. Until a cutover is ready, each says why it is not.
    await until(theMesh, ({ phase, run }) => phase === "following" && run === null);
    for (let tries = 0; ; tries++) {
      const begun = await theMesh().call<Replication>("POST", `${PATH}/cutover`, {
        body: { fence: true, reverse: true },
      });
      if (begun.status === 409) {
        await pause(50);
        continue;
      }
      expect(begun.status).toBe(202);
      const { cutover } = await until(theMesh, (status) => status.cutover?.state !== "running");
      if (cutover?.state === "ready") {
        expect(missing(east, west)).toEqual([]);
        const proof = await theMesh().call("GET", `/comparisons/${cutover.comparisonId}`);
        expect(proof.body["keys"]).toMatchObject({ missing: 0, different: 0, unknown: 0, unreadable: 0 });
        break;
      }
      expect(Object.keys(cutover?.reasons ?? {}).length).toBeGreaterThan(0);
      expect(tries).toBeLessThan(5);
    }
    const status = await until(theMesh, ({ phase }) => phase === "cut_over");
    expect(status.keys).toMatchObject({ failed: 0, held: 0 });
    expect(status.events.taken).toBeGreaterThan(0);
    expect(status.keys.copied).toBeGreaterThan(0);
    expect(status.keys.deleted).toBeGreaterThan(0);
    expect(west.bytes("destination", "out/foreign").toString()).toBe("not ours");
    expect(west.bytes("destination", `out/${KEYS + 7}`).toString()).toBe("not ours either");

    // The way back: what is equal is not written again, and what is written there now comes to the source.
    const back = "/replications/r-reverse";
    const isBack = (key: string) => east.objects("source").some((object) => object.key === key);
    await until(theMesh, ({ phase }) => phase === "following", back);
    expect(isBack("in/foreign")).toBe(true);
    const rewritten = east.requests({ operation: "PutObject" }).map(({ key }) => key);
    expect(rewritten.filter((key) => key !== "in/foreign" && key !== `in/${KEYS + 7}`)).toEqual([]);
    west.put("destination", "out/new", "since then");
    await theMesh().call("POST", `${back}/events`, { body: { keys: ["out/new", "elsewhere"] } });
    await until(theMesh, ({ keys }) => keys.copied > 0, back);
    expect(east.bytes("source", "in/new").toString()).toBe("since then");
    const twoWay = await theMesh().call("PUT", "/replications/again", {
      body: { ...body, source: "west:destination/out/", destination: "east:source/in/" },
    });
    expect([twoWay.status, twoWay.body["code"]]).toEqual([409, "destination_in_use"]);
    const sync = await theMesh().call("POST", "/syncs", {
      body: { source: "west:destination/", destination: "east:source/in/deeper/" },
    });
    expect([sync.status, sync.body["code"]]).toEqual([409, "destination_in_use"]);
  },
);

test("a backlog above its limit is caught up by a sync, deletions above theirs wait for a person, and nothing moves while it is paused", async ({
  expect,
  onTestFinished,
}) => {
  await using east = await startStore({ buckets: ["source"], minPartBytes: MIB });
  await using west = await startStore({ buckets: ["destination"], minPartBytes: MIB });
  // Nobody listens there: what was to be told, and whom, stays in the list.
  const receivers = ["ops", "sales"].map((name) => ({ name, url: "http://127.0.0.1:9/", secrets: [SECRET] }));
  const mesh = await Mesh.start({
    bundlePath: inject("bundlePath"),
    stores: { east, west },
    bindings: { NOTIFY: JSON.stringify(receivers) },
  });
  onTestFinished(async () => await mesh.stop());
  const theMesh = () => mesh;
  const told = async () => {
    const { body: list } = await mesh.call<{ notifications: Record<string, string>[] }>(
      "GET",
      "/notifications",
    );
    const own = list.notifications.filter(({ type }) => type?.startsWith("replication."));
    return own.map(({ receiver, type }) => `${receiver} ${type}`).toSorted();
  };
  const say = async (keys: readonly string[]) =>
    (await mesh.call("POST", `${PATH}/events`, { body: { keys } })).body;
  const body = { source: "east:source/", destination: "west:destination/", deletes: true, maxDeletes: 2 };
  const unknown = await mesh.call("PUT", PATH, { body: { ...body, notify: ["ops", "nobody"] } });
  expect([unknown.status, unknown.body["detail"]]).toEqual([
    400,
    '"notify": there is no receiver "nobody"; configured are: ops, sales',
  ]);
  const made = { ...body, repair: "off", maxPending: 10, notify: ["ops"] };
  expect((await mesh.call("PUT", PATH, { body: made })).body["notify"]).toEqual(["ops"]);
  await until(theMesh, ({ phase }) => phase === "following");

  const names = Array.from({ length: 30 }, (_, n) => `k/${n}`);
  for (const key of names) east.put("source", key, key);
  expect((await mesh.call("POST", `${PATH}/pause`)).body["changed"]).toBe(true);
  expect(await say(names)).toMatchObject({ taken: 30 });
  expect((await until(theMesh, () => true)).pending).toMatchObject({ keys: 0, repairNeeded: true });
  expect(west.objects("destination")).toEqual([]);
  await mesh.call("POST", `${PATH}/resume`);
  const caughtUp = await until(theMesh, ({ pending, run }) => !pending.repairNeeded && run === null);
  expect(caughtUp.timeline.map(({ event }) => event)).toContain("backlog_full");
  expect(west.objects("destination").map(({ key }) => key)).toEqual(names.toSorted());

  // What the source has lost, without an event: a repair finds it, and the hour's limit holds.
  await until(
    theMesh,
    ({ phase, run, pending }) => phase === "following" && run === null && pending.keys === 0,
  );
  for (const key of names.slice(0, 5)) east.delete("source", key);
  await mesh.call("POST", `${PATH}/repair`);
  const held = await until(theMesh, ({ keys, run }) => keys.deleted === 2 && keys.held === 3 && run === null);
  expect(held.keys).toMatchObject({ lost: 2 });
  expect(west.objects("destination").length).toBe(28);
  // There is room for more, and another repair names them again: neither decides for a person.
  await mesh.call("PUT", PATH, { body: { ...made, maxDeletes: 100 } });
  await mesh.call("POST", `${PATH}/repair`);
  const before = held.lastRepair?.comparisonId;
  const repaired = await until(
    theMesh,
    ({ run, lastRepair, pending }) =>
      run === null && lastRepair?.comparisonId !== before && pending.keys === 0,
  );
  expect(repaired.keys).toMatchObject({ deleted: 2, held: 3, lost: 2 });
  await mesh.call("PUT", PATH, { body: made });
  // Refused while a repair is under way, also one that has not begun.
  const cutOver = async () => (await mesh.call("POST", `${PATH}/cutover`, { body: { fence: true } })).status;
  await expect.poll(cutOver).toBe(202);
  const judged = await until(theMesh, ({ cutover }) => cutover?.state === "not_ready");
  expect(judged.cutover?.reasons).toEqual({ held: 3 });
  const events = ["backlog_full", "deletions_held", "not_ready"].map((type) => `ops replication.${type}`);
  while ((await told()).length < 3) await pause(50);
  expect(await told()).toEqual(events);
  for (let left = 3; left > 0; left -= 2) {
    await mesh.call("POST", `${PATH}/resume`);
    await until(theMesh, ({ keys, pending }) => keys.held === Math.max(0, left - 2) && pending.keys === 0);
  }
  expect(west.objects("destination").map(({ key }) => key)).toEqual(names.slice(5).toSorted());

  expect((await mesh.call("POST", `${PATH}/cutover`, { body: {} })).status).toBe(400);
  expect((await mesh.call("DELETE", PATH)).status).toBe(204);
  expect((await mesh.call("GET", PATH)).body["code"]).toBe("replication_not_found");
  expect((await mesh.call("POST", `${PATH}/pause`)).body["code"]).toBe("replication_not_found");
});

test("one that is deleted has ended what it has started before it is gone, also when it is killed meanwhile; then its name is free", async ({
  expect,
  onTestFinished,
}) => {
  const directory = mkdtempSync(join(MEMORY, "bucket-brigade-state-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  await using east = await startStore({ buckets: ["source"], minPartBytes: MIB });
  await using west = await startStore({ buckets: ["destination"], minPartBytes: MIB });
  const start = async () =>
    await Mesh.start({
      bundlePath: inject("bundlePath"),
      stores: { east, west },
      directory,
      bindings: { MAX_PART_MIB: "5" },
    });
  let mesh = await start();
  onTestFinished(async () => await mesh.stop());
  const theMesh = () => mesh;
  const body = { source: "east:source/", destination: "west:destination/", deletes: true, repair: "off" };
  const put = async () => await mesh.call<Replication>("PUT", PATH, { body });
  const gone = async () => {
    while ((await mesh.call("GET", PATH)).status !== 404) await pause(50);
  };
  const copiesOf = async (id: string) => {
    const { body: list } = await mesh.call<{ copies: { phase: string }[] }>("GET", `/copies?sync=${id}`);
    return list.copies.map(({ phase }) => phase);
  };

  // It follows, and a part of a large copy stands at the store, and a small object that a lane copies.
  const { id: first } = (await put()).body;
  await until(theMesh, ({ phase }) => phase === "following");
  west.put("destination", "foreign", "not ours");
  east.putGenerated("source", "large", { size: 6 * MIB, seed: "large" });
  const parts = west.hold({ operation: "UploadPart" }, "before-work");
  const aborts = west.hold({ operation: "AbortMultipartUpload" }, "before-work");
  const puts = west.hold({ operation: "PutObject" }, "before-work");
  east.put("source", "small", "is not waited for");
  await mesh.call("POST", `${PATH}/events`, { body: { keys: ["large"] } });
  await west.waitFor(() => parts.waiting.length > 0);
  await mesh.call("POST", `${PATH}/events`, { body: { keys: ["small"] } });
  await west.waitFor(() => puts.waiting.length > 0);
  const deleting = mesh.call("DELETE", PATH);
  await west.waitFor(() => aborts.waiting.length > 0);
  expect(await mesh.call("GET", PATH)).toMatchObject({ status: 200, body: { phase: "deleting" } });
  expect(await put()).toMatchObject({ status: 409, body: { code: "replication_deleting" } });
  const late = await mesh.call("POST", `${PATH}/events`, { body: { keys: ["late"] } });
  expect(late).toMatchObject({ status: 404, body: { code: "replication_not_found" } });
  parts.release();
  aborts.release();
  expect([202, 204]).toContain((await deleting).status);
  await gone();
  expect([west.uploads(), await copiesOf(first)]).toEqual([[], ["cancelled"]]);
  expect(west.objects("destination").map(({ key }) => key)).toEqual(["foreign"]);
  expect(west.requests({ operation: "PutObject", outcome: "answered" })).toEqual([]);
  puts.release();

  // It backfills, and the whole runtime is killed while an upload is taken back.
  const again = [
    west.hold({ operation: "UploadPart" }, "before-work"),
    west.hold({ operation: "AbortMultipartUpload" }, "before-work"),
  ] as const;
  const { id: second } = (await put()).body;
  expect(second).not.toBe(first);
  await west.waitFor(() => again[0].waiting.length > 0);
  const { run } = await until(theMesh, (status) => (status.run?.id ?? null) !== null);
  const answer = mesh.call("DELETE", PATH).catch(() => null);
  await west.waitFor(() => again[1].waiting.length > 0);
  mesh.kill();
  await answer;
  await mesh.stop();
  for (const gate of again) gate.release();
  mesh = await start();
  await gone();
  expect(west.uploads()).toEqual([]);
  expect((await mesh.call("GET", `/syncs/${run?.id}`)).body["phase"]).toBe("cancelled");
  expect(await copiesOf(String(run?.id))).toEqual(["cancelled"]);

  expect((await put()).status).toBe(201);
  await until(theMesh, ({ phase }) => phase === "following");
  expect(west.objects("destination").map(({ key }) => key)).toEqual(["foreign", "large", "small"]);
});

/** What is not the same at both sides, but for what was never a copy, and which the way back may have. */
function missing(east: TestStore, west: TestStore): unknown[] {
  const foreign = new Set(["foreign", `${KEYS + 7}`]);
  const own = namedIn(contentOf(east, "source", "in/"), foreign);
  const held = namedIn(contentOf(west, "destination", "out/"), foreign);
  return [...own.filter((one) => !held.includes(one)), ...held.filter((one) => !own.includes(one))];
}

function namedIn(content: readonly string[][], but: ReadonlySet<string>): string[] {
  return content.filter(([name = ""]) => !but.has(name)).map((pair) => pair.join(" "));
}
