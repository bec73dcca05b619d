// The window of a sync over a real SQLite: which attempt counts, what is lost with a lane, what large copies
// are there.
import { describe, expect, test } from "vitest";
import { BatchTable } from "../../../src/sync/batch_table.ts";
import { LargeTable } from "../../../src/sync/large_table.ts";
import type { ObjectOutcome, ObjectWork } from "../../../src/work/batch_task.ts";
import { memorySql } from "../sqlite.ts";

const work = (key: string, first: ObjectWork["first"] = "copy"): ObjectWork => ({
  key,
  to: `to/${key}`,
  sizeBytes: 1,
  etag: null,
  failedAttempts: 0,
  first,
});
const DIFFERS: readonly ObjectOutcome[] = [{ kind: "differs" }];

function open(...batches: readonly ObjectWork[][]): BatchTable {
  const table = new BatchTable(memorySql());
  table.createTables();
  for (const batch of batches) table.add(batch, 0);
  return table;
}

const NOW = { now: 0, random: 0.5 };

const broken = (attempt: { batch: number; attempt: number }) => ({
  lane: 1,
  finished: [{ ...attempt, outcomes: null, durationMs: 1 }],
  running: [],
  wanted: 0,
});

const keysOf = (objects: readonly ObjectWork[]) => objects.map(({ key, first }) => `${key} ${first}`);

/** 32 objects. */
const names = (letter: string) => Array.from({ length: 32 }, (_, n) => work(`${letter}${n}`));

const always = () => Infinity;

describe("batches", () => {
  test("are leased in order, each once, and counted by objects", () => {
    const table = open([work("a"), work("b")], [work("c")], []);
    expect(table.totals()).toEqual({ objects: 3, pending: 2, leased: 0, earliestMs: 0 });
    const leased = table.lease(1, 1, 0);
    expect(leased.map(({ attempt, objects }) => [attempt, keysOf(objects)])).toEqual([
      [1, ["a copy", "b copy"]],
    ]);
    expect(table.totals()).toMatchObject({ objects: 3, pending: 1, leased: 1 });
    expect(table.lease(2, 5, 0)).toHaveLength(1);
    expect(table.lease(3, 5, 0)).toEqual([]);
  });

  test("that are the last ones are cut, so that many transfers end together: each object is handed out once", () => {
    const table = open(names("a"), names("b"));
    const sizes: number[] = [];
    const keys: string[] = [];
    for (;;) {
      const [batch] = table.lease(1, 1, 0, always, 8);
      if (batch === undefined) break;
      sizes.push(batch.objects.length);
      keys.push(...batch.objects.map(({ key }) => key));
    }
    // A sixteenth of what is left, and no crumbs: eight transfers have some of it twice over.
    expect(sizes.slice(0, 12)).toEqual([4, 4, 4, 4, 3, 3, 3, 3, 3, 3, 2, 2]);
    expect(sizes.every((size, index) => size <= (sizes[index - 1] ?? size))).toBe(true);
    expect(sizes.slice(0, -2).every((size) => size >= 2)).toBe(true);
    expect(keys.toSorted()).toEqual([...names("a"), ...names("b")].map(({ key }) => key).toSorted());
    expect(table.totals()).toMatchObject({ objects: 64, pending: 0, leased: sizes.length });
  });

  test("that are cut keep their time and their doubts", () => {
    const table = open();
    table.add(
      [..."abcdefgh"].map((key) => work(key)),
      500,
      1,
    );
    const [first] = table.lease(1, 1, 500, always, 1);
    expect(keysOf(first?.objects ?? [])).toEqual(["a find", "b find", "c find", "d find"]);
    expect(table.lease(1, 1, 499)).toEqual([]);
    expect(keysOf(table.lease(1, 1, 500)[0]?.objects ?? [])).toEqual([
      "e find",
      "f find",
      "g find",
      "h find",
    ]);
  });

  test("that wait are not leased before their time", () => {
    const table = open();
    table.add([work("a")], 500);
    expect(table.lease(1, 1, 499)).toEqual([]);
    expect(table.totals().earliestMs).toBe(500);
    expect(table.lease(1, 1, 500)).toHaveLength(1);
  });

  test("that are reported are gone, and a report that comes twice counts once", () => {
    const table = open([work("a")]);
    const [{ batch, attempt } = { batch: 0, attempt: 0 }] = table.lease(1, 1, 0);
    const report = {
      lane: 1,
      finished: [{ batch, attempt, outcomes: DIFFERS, durationMs: 1 }],
      running: [],
      wanted: 0,
    };
    expect(table.takeReports(report, NOW)).toMatchObject([{ outcomes: DIFFERS }]);
    expect(table.takeReports(report, NOW)).toEqual([]);
    expect(table.totals()).toMatchObject({ objects: 0, pending: 0, leased: 0 });
  });

  test("that a lane no longer names as running were lost with it, and their objects are looked for first", () => {
    const table = open([work("a"), work("b", "tell")], [work("c")]);
    const [lost, kept] = table.lease(1, 2, 0);
    if (lost === undefined || kept === undefined) throw new Error("two batches were there");
    table.takeReports({ lane: 1, finished: [], running: [kept], wanted: 0 }, NOW);
    const [again] = table.lease(2, 2, 0);
    expect(again).toMatchObject({ batch: lost.batch, attempt: 2 });
    // What was only to be asked for can be asked again.
    expect(keysOf(again?.objects ?? [])).toEqual(["a find", "b tell"]);
  });

  test("of a call that broke are looked for as well", () => {
    const table = open([work("a")]);
    const [{ batch, attempt } = { batch: 0, attempt: 0 }] = table.lease(1, 1, 0);
    table.takeReports(broken({ batch, attempt }), NOW);
    expect(table.lease(1, 1, 99)).toEqual([]);
    expect(keysOf(table.lease(1, 1, 100)[0]?.objects ?? [])).toEqual(["a find"]);
  });

  test("whose calls break each time are halved down to the object that breaks them, which fails alone", () => {
    const table = open(["a", "b", "poison", "d", "e"].map((key) => work(key)));
    const ended: string[] = [];
    let calls = 0;
    for (let now = 0; table.totals().objects > 0; now += 1_000_000) {
      for (const { objects, ...attempt } of table.lease(1, 5, now)) {
        calls += 1;
        const outcomes = objects.some(({ key }) => key === "poison") ? null : objects.map(() => DIFFERS[0]);
        const finished = [
          { ...attempt, outcomes: outcomes as readonly ObjectOutcome[] | null, durationMs: 1 },
        ];
        const claim = { lane: 1, finished, running: [], wanted: 0 };
        for (const done of table.takeReports(claim, { now, random: 0.5 }))
          for (const [index, { key, failedAttempts }] of done.objects.entries())
            ended.push(`${key} ${done.outcomes[index]?.kind} ${failedAttempts}`);
      }
    }
    expect(ended.toSorted()).toEqual(
      ["a", "b", "d", "e"].map((key) => `${key} differs 0`).concat("poison failed 7"),
    );
    expect(calls).toBeLessThan(16);
  });

  test("of a silent lane go to another, and what the first reports after that counts no more", () => {
    const table = open([work("a")]);
    const [first = { batch: 0, attempt: 0 }] = table.lease(1, 1, 0);
    table.releaseLane(1);
    const [second = { batch: 0, attempt: 0 }] = table.lease(2, 1, 0);
    const late = {
      lane: 1,
      finished: [{ ...first, outcomes: DIFFERS, durationMs: 1 }],
      running: [],
      wanted: 0,
    };
    expect(table.takeReports(late, NOW)).toEqual([]);
    const report = {
      lane: 2,
      finished: [{ ...second, outcomes: DIFFERS, durationMs: 1 }],
      running: [],
      wanted: 0,
    };
    expect(table.takeReports(report, NOW)).toHaveLength(1);
  });

  test("that nobody has can be taken out; those that somebody has stay", () => {
    const table = open([work("a")], [work("b")]);
    table.lease(1, 1, 0);
    expect(keysOf(table.takePending())).toEqual(["b copy"]);
    expect(table.totals()).toMatchObject({ objects: 1, pending: 0, leased: 1 });
  });
});

describe("large copies", () => {
  test("wait, run and end once; a number is never used again", () => {
    const table = new LargeTable(memorySql());
    table.createTables();
    table.add([work("a"), work("b")]);
    expect(table.counts()).toEqual({ waiting: 2, running: 0 });
    const [first] = table.waiting(1);
    if (first === undefined) throw new Error("two were there");
    expect(first).toMatchObject({ copyId: null, paused: false, work: { key: "a" } });
    table.markStarted(first.seq, "copy-1");
    table.markPaused(first.seq, true);
    expect(table.running()).toEqual([{ ...first, copyId: "copy-1", paused: true }]);
    expect(table.counts()).toEqual({ waiting: 1, running: 1 });
    const [second] = table.waiting(-1);
    expect([table.take(first.seq), table.take(first.seq), table.take(second?.seq ?? 0)]).toEqual([
      true,
      false,
      true,
    ]);
    table.add([work("c")]);
    expect(table.waiting(-1).map(({ seq }) => seq)).toEqual([(second?.seq ?? 0) + 1]);
  });
});
