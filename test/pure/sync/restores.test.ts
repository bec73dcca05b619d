// The archived keys of a sync: which are restored, and what becomes of each.
import { describe, expect, test } from "vitest";
import { lookAfterMs, MAX_LOOKS } from "../../../src/work/looks.ts";
import { type RestoreAnswer, settleRestore, takeIn } from "../../../src/sync/restores.ts";
import type { RestoreRow } from "../../../src/sync/restore_table.ts";
import { NO_RESTORES } from "../../../src/sync/sums.ts";
import type { ObjectWork } from "../../../src/work/batch_task.ts";
import { DENIED, EXPIRED, OUTAGE, failure } from "../samples.ts";

const NOW = 1_000_000;
const TIMES = { tier: "Bulk", now: NOW, random: 0.5 } as const;

const work = (key: string, changes: Partial<ObjectWork> = {}): ObjectWork => ({
  key,
  to: key,
  sizeBytes: 10,
  etag: null,
  storageClass: "GLACIER",
  isArchived: true,
  failedAttempts: 0,
  first: "tell",
  ...changes,
});
const restored = (asks: number) => work("a", { restored: { tier: "Bulk", asks, untilMs: null } });
const row = (changes: Partial<RestoreRow> = {}): RestoreRow => ({
  seq: 1,
  work: work("k", { first: "copy" }),
  call: "asked",
  isTiered: false,
  asks: 1,
  looks: 1,
  failedAttempts: 0,
  ...changes,
});
const settle = (given: RestoreRow, answer: RestoreAnswer) => settleRestore(given, answer, TIMES);
const refused = (what = OUTAGE): RestoreAnswer => ({ kind: "failed", failure: what });

describe("what is taken in", () => {
  test("up to the limit, which counts the whole run, by class", () => {
    const before = takeIn([work("a"), work("b", { storageClass: "DEEP_ARCHIVE" })], NO_RESTORES, 3).restores;
    expect(before).toMatchObject({
      asked: 2,
      byClass: { GLACIER: { objects: 1, bytes: 10 }, DEEP_ARCHIVE: { objects: 1, bytes: 10 } },
    });
    const { rows, entries, restores, over } = takeIn([work("c"), work("d")], before, 3);
    expect([rows.map((one) => one.work.key), restores.asked, over]).toEqual([["c"], 3, 1]);
    expect(entries).toMatchObject([{ action: "skipped", reason: "restore_limit", key: "d" }]);
  });

  test("once more if the restored copy is gone, without counting again, then no more", () => {
    const again = takeIn([restored(1)], { ...NO_RESTORES, asked: 3 }, 3);
    expect([again.rows[0]?.asks, again.restores.asked]).toEqual([1, 3]);
    const { rows, entries } = takeIn([restored(2)], NO_RESTORES, 3);
    expect(rows).toEqual([]);
    expect(entries).toMatchObject([{ action: "failed", failure: { code: "restore_failed" } }]);
  });
});

describe("what becomes of a key", () => {
  test.each<[string, RestoreRow, RestoreAnswer, object]>([
    [
      "nobody has asked",
      row({ call: "unknown", asks: 0 }),
      { kind: "archived", isTiered: true },
      { row: { call: "due", isTiered: true }, nextMs: NOW },
    ],
    [
      "it is asked for",
      row({ call: "due", asks: 0, looks: 5 }),
      { kind: "asked" },
      { row: { call: "asked", asks: 1, looks: 1 }, nextMs: NOW + lookAfterMs(0) },
    ],
    [
      "somebody else has asked",
      row({ call: "unknown", asks: 0, looks: 0 }),
      { kind: "ongoing", isTiered: false },
      { row: { call: "asked", asks: 0 } },
    ],
    [
      "it takes longer",
      row({ looks: 4 }),
      { kind: "ongoing", isTiered: false },
      { row: { looks: 5 }, nextMs: NOW + lookAfterMs(4) },
    ],
    ["it is archived again", row(), { kind: "archived", isTiered: false }, { row: { call: "due" } }],
    [
      "it is archived for the third time",
      row({ asks: 2 }),
      { kind: "archived", isTiered: false },
      { entry: { failure: { code: "restore_failed" } } },
    ],
    [
      "72 hours are over",
      row({ looks: MAX_LOOKS }),
      { kind: "ongoing", isTiered: false },
      { entry: { failure: { code: "restore_overdue" } } },
    ],
    [
      "the store is down at a look",
      row({ looks: 4 }),
      refused(),
      { row: { looks: 5 }, nextMs: NOW + lookAfterMs(4) },
    ],
    [
      "the store is down when it is asked",
      row({ call: "due" }),
      refused(),
      { row: { call: "due", failedAttempts: 1 } },
    ],
    [
      "it is down for the eighth time",
      row({ call: "due", failedAttempts: 7 }),
      refused(),
      { entry: { failure: OUTAGE } },
    ],
    ["the right is missing", row({ call: "due" }), refused(DENIED), { entry: { failure: DENIED } }],
    ["the object is gone", row(), refused(failure("NoSuchKey", 404)), { entry: { action: "failed" } }],
    ["the credentials have expired", row(), refused(EXPIRED), { kind: "run", failure: EXPIRED }],
  ])("%s", (_what, given, answer, expected) => {
    expect(settle(given, answer)).toMatchObject(expected);
  });

  test("what can be read is copied, and says that it was restored", () => {
    const settled = settle(row(), { kind: "readable", untilMs: 9 });
    const { isArchived: _archived, ...plain } = work("k", { first: "copy" });
    expect(settled).toEqual({
      kind: "readable",
      work: { ...plain, restored: { tier: "Bulk", asks: 1, untilMs: 9 } },
    });
  });
});
