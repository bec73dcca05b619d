// What has come of a stretch of a history, and what is next for its key.
import { describe, expect, test } from "vitest";
import { type Stretch, NOTHING_REACHED } from "../../../src/object/history.ts";
import { meshFailure } from "../../../src/s3/failure.ts";
import { settleStretch } from "../../../src/sync/version_outcome.ts";
import type { ObjectOutcome, ReplayEnd, Replayed } from "../../../src/work/batch_task.ts";
import { DENIED, EXPIRED, OUTAGE, failure } from "../samples.ts";

const replayed = (done: Replayed[], ends: ReplayEnd): ObjectOutcome => ({ kind: "replayed", done, ends });

describe("what has come of a stretch", () => {
  const TIMES = { now: 1000, random: 0.5 };
  const stretch: Stretch = {
    history: 7,
    versions: [
      { versionId: "1", sizeBytes: 10, etag: '"a"' },
      { versionId: "2", sizeBytes: 0, etag: null, isDeleteMarker: true },
      { versionId: "3", sizeBytes: 30, etag: '"c"' },
    ],
    before: NOTHING_REACHED,
    isLast: true,
  };
  const work = {
    key: "k",
    to: "q",
    sizeBytes: 40,
    etag: null,
    failedAttempts: 2,
    first: "replay" as const,
    stretch,
  };
  const COPIED: Replayed = { kind: "copied", etag: '"x"', proof: "etag", warnings: [] };
  const MARKED: Replayed = { kind: "marked" };
  const settle = (outcome: ObjectOutcome) => settleStretch(work, outcome, TIMES);

  test("all: an entry each, and what comes next follows them", () => {
    const { entries, next } = settle(replayed([COPIED, MARKED, COPIED], { kind: "all" }));
    expect(entries.map(({ action, ...entry }) => [action, "versionId" in entry && entry.versionId])).toEqual([
      ["copied", "1"],
      ["copied", "2"],
      ["copied", "3"],
    ]);
    expect(entries[1]).toMatchObject({ isDeleteMarker: true, sizeBytes: 0 });
    expect(next).toEqual({ do: "goOn", before: { versionId: "3", markers: 0 }, absent: false });
  });

  test.each<[string, ObjectOutcome, number, number]>([
    ["left at once", replayed([], { kind: "left" }), 0, 2],
    ["left half-way", replayed([COPIED, MARKED], { kind: "left" }), 2, 0],
    ["nothing known", { kind: "left" }, 0, 2],
    ["the store is down", replayed([COPIED], { kind: "failed", failure: OUTAGE }), 1, 1],
  ])("the rest is tried again from where it stands: %s", (_name, outcome, done, failedAttempts) => {
    const { entries, next } = settle(outcome);
    expect(entries).toHaveLength(done);
    expect(next).toMatchObject({ do: "again", work: { failedAttempts } });
    if (next.do !== "again") return;
    expect(next.work.stretch.versions).toEqual(stretch.versions.slice(done));
    expect(next.work.sizeBytes).toBe(done === 0 ? 40 : 30);
  });

  test.each([
    ["forbidden", DENIED],
    ["another history", meshFailure("history_differs", "It differs", "ListObjectVersions")],
    ["archived", meshFailure("source_archived", "It is archived", "plan")],
  ])(
    "a version that cannot come ends the key, with a line for each that waits for it: %s",
    (_name, reason) => {
      const { entries, next } = settle(replayed([COPIED], { kind: "failed", failure: reason }));
      expect(entries).toMatchObject([
        { action: "copied", versionId: "1" },
        { action: "failed", versionId: "2", isDeleteMarker: true },
        { action: "skipped", versionId: "3", reason: "version_before_failed" },
      ]);
      expect(next).toEqual({ do: "end" });
    },
  );

  test("what no key can do without ends the run, and the work stays", () => {
    const { entries, next } = settle({ kind: "failed", failure: EXPIRED });
    expect(entries).toEqual([]);
    expect(next).toMatchObject({ do: "endRun", work: { stretch } });
    const gone = settle({ kind: "failed", failure: failure("NoSuchBucket", 404) });
    expect(gone.next).toMatchObject({ do: "endRun" });
  });

  test("a large version becomes a copy of its own, which what follows waits for", () => {
    const { next } = settle(replayed([COPIED, MARKED], { kind: "large" }));
    expect(next).toMatchObject({
      do: "copyLarge",
      work: { versionId: "3", sizeBytes: 30, stretch: { before: { versionId: "1", markers: 1 } } },
    });
  });

  test("a destination that is further passes the stretch; a dry run says what is absent", () => {
    const ahead = settle(replayed([], { kind: "ahead", versionId: "9" }));
    expect(ahead.next).toMatchObject({ do: "pass", versionId: "9" });
    const { entries, next } = settle(
      replayed([{ kind: "same" }, { kind: "absent" }, { kind: "absent" }], { kind: "all" }),
    );
    expect(entries).toMatchObject([
      { action: "skipped", reason: "equal", proof: "record" },
      { action: "would_copy", isDeleteMarker: true },
      { action: "would_copy", versionId: "3" },
    ]);
    expect(next).toMatchObject({ do: "goOn", absent: true });
  });
});
