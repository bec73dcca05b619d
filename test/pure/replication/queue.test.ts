// The queue of a replication: each key once, in the order of its last event, worked on once at a time.

import { beforeEach, expect, test } from "vitest";
import { KeyQueue } from "../../../src/replication/queue.ts";
import { meshFailure } from "../../../src/s3/failure.ts";
import { Random } from "../../store/state.ts";
import { memorySql } from "../sqlite.ts";

let sql: SqlStorage;
let queue: KeyQueue;

beforeEach(() => {
  sql = memorySql();
  queue = new KeyQueue(sql);
  queue.createTables();
});

const hint = (key: string) => ({ key, atMs: null });
const keys = (rows: readonly { readonly key: string }[]) => rows.map(({ key }) => key);

test("a key that many events name waits once, in the order of its last event", () => {
  queue.take([hint("a"), hint("b")], "event", 1_000);
  queue.take([hint("c"), hint("a")], "event", 2_000);
  expect([queue.counts(), queue.oldestMs()]).toEqual([{ waiting: 3, working: 0, held: 0, failed: 0 }, 1_000]);
  expect(keys(queue.begin(10, 2_000))).toEqual(["b", "a", "c"]);
});

test("a key that changes all the time is not overtaken for ever", () => {
  for (let now = 0; now <= 60_000; now += 500) queue.take([hint("hot")], "event", now);
  queue.take([hint("cold")], "event", 20_000);
  expect(keys(queue.begin(1, 60_000))).toEqual(["hot"]);
});

test("a key is worked on once at a time: a hint that comes meanwhile makes it wait again, after a rest", () => {
  queue.take([hint("a")], "event", 0);
  expect(keys(queue.begin(10, 0))).toEqual(["a"]);
  queue.take([hint("a")], "event", 10);
  expect(queue.begin(10, 10)).toEqual([]);
  queue.end("a", 20);
  expect(queue.begin(10, 1_019)).toEqual([]);
  expect(keys(queue.begin(10, 1_020))).toEqual(["a"]);
  queue.end("a", 1_030);
  expect([queue.counts(), queue.oldestMs()]).toEqual([{ waiting: 0, working: 0, held: 0, failed: 0 }, null]);
  queue.sweep(2_030);
  expect(queue.find("a")).toBeNull();
});

test("ten changes in a second are looked at twice", () => {
  let looks = 0;
  for (let now = 0; now < 3_000; now += 10) {
    if (now < 1_000 && now % 100 === 0) queue.take([hint("a")], "event", now);
    for (const { key } of queue.begin(10, now)) {
      looks += 1;
      queue.end(key, now + 5);
    }
  }
  expect(looks).toBe(2);
});

test("what fails stays, with its reason, until a hint names it; what failed while a hint came is tried at once", () => {
  const failure = meshFailure("internal_error", "It broke", "copy");
  queue.take([hint("a"), hint("b")], "event", 0);
  queue.begin(10, 0);
  queue.take([hint("b")], "event", 1);
  queue.fail("a", failure, 3, 2);
  queue.fail("b", failure, 3, 2);
  expect(queue.failures(10)).toEqual([{ key: "a", failure, attempts: 3 }]);
  expect(keys(queue.begin(10, 2))).toEqual(["b"]);
  queue.take([hint("a")], "event", 3);
  expect(queue.begin(10, 3)).toMatchObject([{ key: "a", attempts: 0 }]);
  expect(queue.counts().failed).toBe(0);
});

test("an event was lost only if a repair alone has named the key", () => {
  queue.take([hint("known"), hint("late"), hint("lost")].slice(0, 1), "event", 0);
  queue.take([hint("known"), hint("late"), hint("lost")], "repair", 1);
  queue.take([hint("late")], "event", 2);
  const origins = queue.begin(10, 2).map(({ key, origin }) => [key, origin]);
  expect(Object.fromEntries(origins)).toEqual({ known: "event", late: "event", lost: "repair" });
});

test("deletions that are held wait for a person; a new hint looks at the key again, and deletes nothing", () => {
  queue.take([hint("a"), hint("b")], "event", 0);
  for (const { key } of queue.begin(10, 0)) queue.again(key, "remove", 0, 0);
  expect(queue.begin(10, 0).map(({ mode }) => mode)).toEqual(["remove", "remove"]);
  queue.hold("a");
  queue.hold("b");
  expect([queue.begin(10, 9_000), queue.counts().held]).toEqual([[], 2]);
  queue.take([hint("b")], "event", 9_000);
  queue.take([hint("b")], "repair", 9_000);
  expect(queue.begin(10, 9_000)).toMatchObject([{ key: "b", mode: "held" }]);
  // It is gone still; a hint that came while it was looked at has it looked at once more.
  queue.take([hint("b")], "event", 9_001);
  queue.hold("b");
  expect(queue.counts()).toMatchObject({ waiting: 1, held: 1 });
  queue.dropWaiting();
  expect([queue.begin(10, 99_000), queue.counts()]).toMatchObject([[], { waiting: 0, held: 2 }]);
  queue.take([hint("b")], "repair", 99_000);
  queue.releaseHeld(99_001);
  expect(queue.begin(10, 99_001)).toMatchObject([
    { key: "b", mode: "follow" },
    { key: "a", mode: "follow" },
  ]);
});

test("a held key that the source has again is no deletion any more", () => {
  queue.take([hint("a")], "event", 0);
  queue.begin(10, 0);
  queue.hold("a");
  queue.take([hint("a")], "event", 1);
  queue.begin(10, 1);
  queue.end("a", 2);
  queue.take([hint("a")], "event", 5_000);
  expect(queue.begin(10, 5_000)).toMatchObject([{ key: "a", mode: "follow" }]);
});

test("a full backlog is dropped, but not what is worked on", () => {
  queue.take([hint("a")], "event", 0);
  queue.begin(1, 0);
  queue.take([hint("b"), hint("c")], "event", 1);
  queue.dropWaiting();
  expect(queue.counts()).toMatchObject({ waiting: 0, working: 1 });
});

test("whatever happens to keys, what is kept of their number is what the table has", () => {
  const random = new Random("queue");
  const one = <T>(of: readonly T[]): T =>
    of[Math.floor(random.fraction() * of.length)] ?? expect.unreachable();
  const names = Array.from({ length: 12 }, (_, n) => `k/${n}`);
  const work = {
    key: "k",
    to: "k",
    isUnseen: true,
    sizeBytes: 1,
    etag: null,
    failedAttempts: 0,
    first: "copy",
  } as const;
  const failure = meshFailure("internal_error", "It broke", "copy");
  const changes: readonly ((key: string, now: number) => unknown)[] = [
    (key, now) => queue.take([hint(key), hint(one(names))], one(["event", "repair"] as const), now),
    (_, now) => queue.begin(3, now),
    (key, now) => queue.end(key, now),
    (key, now) => queue.again(key, one(["follow", "remove"] as const), 1, now + 500),
    (key, now) => queue.fail(key, failure, 1, now),
    (key) => queue.hold(key),
    (key) => queue.copyAlone(key, work, 1),
    (_, now) => queue.sweep(now),
    (_, now) => random.fraction() < 0.2 && queue.releaseHeld(now),
    () => random.fraction() < 0.1 && queue.dropWaiting(),
  ];
  const seen = { waiting: 0, working: 0, held: 0, failed: 0 };
  for (let now = 0; now < 400_000; now += 200) {
    one(changes)(one([...names, "never named"]), now);
    const counts = queue.counts();
    expect(counts).toEqual(new KeyQueue(sql).counts());
    for (const state of ["waiting", "working", "held", "failed"] as const)
      seen[state] = Math.max(seen[state], counts[state]);
  }
  expect(Object.values(seen).every((most) => most > 1)).toBe(true);
  // What a transaction has changed and taken back.
  sql.exec("UPDATE keys SET state = 'waiting'");
  queue.countAgain();
  expect(queue.counts()).toEqual(new KeyQueue(sql).counts());
});
