// What becomes of every key of a run: the rules of each outcome, and the law over all of them. Listed is
// copied and skipped and failed, to the key, whatever the stores answer, however often a key is tried again.
import { describe, expect, test } from "vitest";
import type { Failure } from "../../../src/s3/failure.ts";
import { MAX_ATTEMPTS } from "../../../src/s3/retry.ts";
import type { Filter } from "../../../src/listing/filter.ts";
import type { ListedObject } from "../../../src/s3/listing_xml.ts";
import type { ObjectOutcome, ObjectWork } from "../../../src/work/batch_task.ts";
import {
  type Counters,
  type Entry,
  countEntries,
  linesOf,
  NO_COUNTERS,
  underWay,
} from "../../../src/sync/report.ts";
import { isReportKey, REPORT_PREFIX, reportKey } from "../../../src/sync/report_keys.ts";
import { addTo } from "../../../src/sync/sums.ts";
import { findStore } from "../../../src/store/stores.ts";
import type { SyncSpec } from "../../../src/sync/spec.ts";
import { failed, settleFailure, settle, skipped, wouldCopy } from "../../../src/sync/outcome.ts";
import { batchesOf } from "../../../src/sync/batches.ts";
import { planPage, whyNothing } from "../../../src/sync/decide.ts";
import type { Found } from "../../../src/listing/lookup.ts";
import { DENIED, EXPIRED, MD5, OUTAGE, failure, seeded, work } from "../samples.ts";

const MIB = 2 ** 20;

const SECRET = { region: "us-east-1", accessKeyId: "a", secretAccessKey: "s" };
const store = (name: string) =>
  findStore(
    { [`STORE_${name}`]: JSON.stringify({ ...SECRET, endpoint: `https://${name}.example.com` }) },
    name,
  );
const CONTEXT = {
  source: { ...store("east"), provider: "aws" as const },
  destination: store("west"),
  whole: { wholeBytes: 1000 },
};
const NO_FILTER: Filter = {
  include: [],
  exclude: [],
  minSizeBytes: null,
  maxSizeBytes: null,
  modifiedFromMs: null,
  modifiedBeforeMs: null,
  storageClasses: null,
};
const SPEC = {
  source: { store: "east", bucket: "b", prefix: "p/" },
  destination: { store: "west", bucket: "b", prefix: "q/" },
  compare: "auto",
  dryRun: false,
} as SyncSpec;

const listed = (key: string, changes: Partial<ListedObject> = {}): ListedObject => ({
  key,
  sizeBytes: 10,
  etag: MD5,
  lastModifiedMs: 0,
  storageClass: null,
  isRestored: false,
  ...changes,
});
const found = (
  name: string,
  changes: Partial<ListedObject> = {},
  destination: Found["destination"] = null,
): Found => ({ name, source: listed(`p/${name}`, changes), destination }) as Found;
const plan = (pairs: readonly Found[], spec: Partial<SyncSpec> = {}, filter: Partial<Filter> = {}) =>
  planPage(pairs, [], { ...CONTEXT, spec: { ...SPEC, ...spec }, filter: { ...NO_FILTER, ...filter } });
const AT = { dryRun: false, now: 1000, random: 0.5 };
const RESTORE = { ifArchived: { restore: "Bulk", days: 3 } } as const;

describe("what a page of names is decided to be", () => {
  test.each<[string, Found, Partial<SyncSpec>, string]>([
    ["missing at the destination: copied", found("k"), {}, "small copy"],
    [
      "listed with another size: looked at",
      found("k", {}, listed("q/k", { sizeBytes: 9 })),
      {},
      "small look",
    ],
    [
      "of another size, where nothing else counts: copied",
      found("k", {}, listed("q/k", { sizeBytes: 9 })),
      { compare: "size" },
      "small copy",
    ],
    ["of the same ETag: skipped", found("k", {}, listed("q/k")), {}, "skipped equal"],
    [
      "of the same size and another ETag: looked at",
      found("k", {}, listed("q/k", { etag: '"x"' })),
      {},
      "small look",
    ],
    ["not known: looked at", found("k", {}, "unlisted"), {}, "small look"],
    ["large and missing: a copy of its own", found("k", { sizeBytes: 1001 }), {}, "large copy"],
    [
      "large and not known: only asked for, which is small work",
      found("k", { sizeBytes: 1001 }, "unlisted"),
      {},
      "small tell",
    ],
    ["archived: skipped", found("k", { storageClass: "GLACIER" }), {}, "skipped archived"],
    [
      "archived and restored: copied",
      found("k", { storageClass: "GLACIER", isRestored: true }),
      {},
      "small copy",
    ],
    ["archived, to fail: failed", found("k", { storageClass: "GLACIER" }), { ifArchived: "fail" }, "failed"],
    [
      "archived, to restore: restored first",
      found("k", { storageClass: "GLACIER" }),
      RESTORE,
      "archived copy",
    ],
    [
      "archived, to restore, of the same ETag: skipped",
      found("k", { storageClass: "GLACIER" }, listed("q/k")),
      RESTORE,
      "skipped equal",
    ],
    [
      "archived, to restore, and perhaps there already: looked at, and not restored for that",
      found("k", { storageClass: "GLACIER" }, listed("q/k", { etag: '"x"' })),
      RESTORE,
      "small look",
    ],
    [
      "archived, to restore, in a dry run: told",
      found("k", { storageClass: "GLACIER" }),
      { ...RESTORE, dryRun: true },
      "would_copy absent",
    ],
    ["a directory marker: copied", found("dir/", { sizeBytes: 0 }), {}, "small copy"],
    ["a directory marker with bytes: copied", found("dir/", { sizeBytes: 5 }), {}, "small copy"],
    ["too long a key at the destination: failed while planning", found("k".repeat(1023)), {}, "failed"],
    ["in a dry run: told", found("k"), { dryRun: true }, "would_copy absent"],
    [
      "in a dry run and not known: only asked for",
      found("k", {}, "unlisted"),
      { dryRun: true },
      "small tell",
    ],
  ])("%s", (_what, pair, spec, expected) => {
    const { entries, small, large, archived } = plan([pair], spec);
    expect(entries.length + small.length + large.length + archived.length).toBe(1);
    const [entry] = entries;
    const said =
      entry === undefined ? "" : "reason" in entry ? `${entry.action} ${entry.reason}` : entry.action;
    const works = Object.entries({ small, large, archived }).flatMap(([kind, [first]]) =>
      first === undefined ? [] : [`${kind} ${first.first}`],
    );
    expect(works[0] ?? said).toBe(expected);
  });

  test("reports of syncs take no part on either side", () => {
    const report = reportKey(REPORT_PREFIX, "01m88fs81nj1rapafydeta78zg", 1);
    expect(isReportKey(report)).toBe(true);
    const { entries, extras } = plan([
      found(report),
      { name: report, source: null, destination: listed(`q/${report}`) },
      { name: "x", source: null, destination: listed("q/x") },
    ]);
    expect(entries).toMatchObject([{ action: "skipped", reason: "sync_report" }]);
    expect(extras).toMatchObject([{ key: "q/x", sizeBytes: 10 }]);
  });

  test("what the filter leaves out of the names is not extra, what it leaves out of the objects is no difference", () => {
    const extra: Found = { name: "x", source: null, destination: listed("q/x") };
    const { entries, extras } = plan([extra, found("k")], {}, { maxSizeBytes: 5 });
    expect([entries[0]?.action, extras.length]).toEqual(["skipped", 1]);
  });
});

const settled = (outcome: ObjectOutcome, changes: Partial<ObjectWork> = {}, dryRun = false) =>
  settle([work(changes)], [outcome], { ...AT, dryRun });

describe("what an attempt comes to", () => {
  test("copied is copied, with the number of the attempt", () => {
    const outcome = { kind: "copied", etag: MD5, proof: "etag", sizeBytes: 12, warnings: ["w"] } as const;
    const { entries } = settled(outcome, { failedAttempts: 2 });
    // The size is that of what was copied: the object may have changed since it was listed.
    expect(entries).toMatchObject([{ action: "copied", sizeBytes: 12, attempts: 3, warnings: ["w"] }]);
  });

  test("what is there already is equal, or the copy of an attempt whose answer was lost", () => {
    const same = { kind: "same", etag: MD5, proof: "record" } as const;
    expect(settled(same).entries).toMatchObject([{ action: "skipped", reason: "equal", proof: "record" }]);
    expect(settled(same, { first: "find" }).entries).toMatchObject([{ action: "copied", proof: "length" }]);
  });

  test("what differs becomes a copy of its own, or is told by a dry run", () => {
    expect(settled({ kind: "differs" }, { first: "tell" }).large).toMatchObject([{ first: "copy" }]);
    expect(settled({ kind: "differs" }, {}, true).entries).toMatchObject([{ action: "would_copy" }]);
  });

  test("what was left or has no outcome is tried again without a failed attempt", () => {
    expect(settled({ kind: "left" }).again.objects).toEqual([work()]);
    expect(settle([work()], [], AT).again.objects).toEqual([work()]);
  });

  test("an outage is tried again, later and later, and in the end a failure of the key", () => {
    const first = settled({ kind: "failed", failure: OUTAGE });
    expect(first.again.objects).toMatchObject([{ failedAttempts: 1 }]);
    expect(first.again.notBeforeMs).toBeGreaterThan(AT.now);
    const last = settled({ kind: "failed", failure: OUTAGE }, { failedAttempts: MAX_ATTEMPTS - 1 });
    expect(last.entries).toMatchObject([{ action: "failed", attempts: MAX_ATTEMPTS }]);
  });

  test("what is forbidden is a failure of that key alone; an archived object is skipped", () => {
    expect(settleFailure(work(), DENIED, AT)).toMatchObject({ kind: "entry", entry: { action: "failed" } });
    expect(settleFailure(work(), failure("source_archived", 403), AT)).toMatchObject({
      entry: { action: "skipped", reason: "archived" },
    });
  });

  test.each([EXPIRED, failure("NoSuchBucket", 404), failure("unknown_store")])(
    "$code concerns the run: the object stays as it is",
    (cause) => {
      const result = settled({ kind: "failed", failure: cause });
      expect(result).toMatchObject({ entries: [], runFailure: cause, again: { objects: [work()] } });
    },
  );
});

describe("the law: listed = copied + skipped + failed, to the key", () => {
  const random = seeded(41);
  const below = (limit: number) => Math.floor(random() * limit);
  const pick = <T>(values: readonly T[]): T => values[below(values.length)] as T;
  const FAILURES: readonly Failure[] = [
    OUTAGE,
    DENIED,
    EXPIRED,
    failure("InternalError", 500),
    failure("source_archived", 403),
  ];

  function randomPair(name: string): Found {
    const other = pick<Found["destination"]>([
      null,
      "unlisted",
      listed(`q/${name}`),
      listed(`q/${name}`, { etag: '"y"' }),
    ]);
    if (random() < 0.1) return { name, source: null, destination: listed(`q/${name}`) };
    return found(
      name,
      { sizeBytes: pick([0, 10, 5000]), storageClass: pick([null, null, null, "GLACIER"]) },
      other,
    );
  }

  function randomOutcome({ sizeBytes }: ObjectWork): ObjectOutcome | undefined {
    return pick<() => ObjectOutcome | undefined>([
      () => ({ kind: "copied", etag: MD5, proof: "etag", sizeBytes, warnings: [] }),
      () => ({ kind: "same", etag: MD5, proof: "etag" }),
      () => ({ kind: "differs" }),
      () => ({ kind: "left" }),
      () => undefined,
      () => ({ kind: "failed", failure: pick(FAILURES) }),
    ])();
  }

  test.each([false, true])(
    "over random runs, dry run %j: each key one line, and the sums are those of the lines",
    (dryRun) => {
      for (let run = 0; run < 60; run++) {
        let counters: Counters = NO_COUNTERS;
        const entries: Entry[] = [];
        const enter = (added: readonly Entry[]) => {
          counters = countEntries(counters, added);
          entries.push(...added);
        };
        const keys = new Set<string>();
        let open: ObjectWork[] = [];
        for (let page = 0; page < 3; page++) {
          const pairs = Array.from({ length: below(40) }, (_, n) =>
            randomPair(n === 7 ? "k".repeat(1030) + page : `${page}-${n}`),
          );
          for (const { source } of pairs) if (source !== null) keys.add(source.key);
          const planned = plan(pairs, { dryRun }, random() < 0.3 ? { minSizeBytes: 5 } : {});
          counters = {
            ...counters,
            listed: addTo(counters.listed, planned.listed.objects, planned.listed.bytes),
          };
          enter(planned.entries);
          open.push(...planned.small, ...planned.large);
          // What a run counts as under way is what is still open, at any moment.
          expect(underWay(counters)).toBe(open.length);
          for (const batch of batchesOf(open.splice(0, below(60)), 1 + below(20))) {
            const result = settle(batch, batch.map(randomOutcome) as ObjectOutcome[], { ...AT, dryRun });
            enter(result.entries);
            open.push(...result.again.objects, ...result.large);
          }
          expect(underWay(counters)).toBe(open.length);
        }
        while (open.length > 0 && random() < 0.98) {
          const result = settle(open, open.map(randomOutcome) as ObjectOutcome[], { ...AT, dryRun });
          enter(result.entries);
          open = [...result.again.objects, ...result.large];
        }
        // Cancelled in the midst: what is open gets its line, too.
        enter(open.map((left) => skipped(left, "cancelled")));
        const { listed: all, copied, skipped: left, failed: lost, wouldCopy: would } = counters;
        expect(all.objects).toBe(keys.size);
        expect(all.objects).toBe(copied.objects + left.objects + lost.objects + would.objects);
        expect(underWay(counters)).toBe(0);
        expect(entries.map(({ key }) => key).toSorted()).toEqual([...keys].toSorted());
        expect(Object.values(counters.skippedBy).reduce((sum, count) => sum + count, 0)).toBe(left.objects);
        const lines = linesOf(entries)
          .split("\n")
          .slice(0, -1)
          .map((line) => JSON.parse(line) as { action: string; size: number });
        for (const [action, sum] of [
          ["copied", copied],
          ["skipped", left],
          ["failed", lost],
          ["would_copy", would],
        ] as const) {
          const those = lines.filter((line) => line.action === action);
          expect([those.length, those.reduce((bytes, { size }) => bytes + size, 0)]).toEqual([
            sum.objects,
            sum.bytes,
          ]);
        }
      }
    },
  );
});

describe("a line of the report", () => {
  const KEY = { key: "p/\u0001\n😀", sizeBytes: 3 };

  test.each<[Entry, Record<string, unknown>]>([
    [
      { ...KEY, action: "copied", etag: MD5, proof: "etag", attempts: 2, warnings: [] },
      { action: "copied", size: 3, proof: "etag", etag: MD5, bytes: 3, attempts: 2 },
    ],
    [
      { ...KEY, action: "copied", etag: MD5, proof: "etag", attempts: 1, warnings: ["tags are lost"] },
      {
        action: "copied",
        size: 3,
        proof: "etag",
        etag: MD5,
        bytes: 3,
        attempts: 1,
        warnings: ["tags are lost"],
      },
    ],
    [
      skipped(work(KEY), "equal", "record"),
      { action: "skipped", reason: "equal", size: 3, proof: "record", etag: MD5 },
    ],
    [skipped(work(KEY), "excluded"), { action: "skipped", reason: "excluded", size: 3, etag: MD5 }],
    [wouldCopy(work(KEY), "size"), { action: "would_copy", reason: "size", size: 3, etag: MD5 }],
    [
      failed(work(KEY), DENIED, 4),
      {
        action: "failed",
        reason: "destination_access_denied",
        message: DENIED.message,
        size: 3,
        attempts: 4,
      },
    ],
    [
      { ...KEY, action: "deleted" },
      { action: "deleted", reason: "not_at_source", size: 3 },
    ],
    [
      { ...KEY, action: "would_delete" },
      { action: "would_delete", reason: "not_at_source", size: 3 },
    ],
    [
      { ...KEY, action: "delete_failed", failure: DENIED, attempts: 2, extra: KEY },
      {
        action: "delete_failed",
        reason: "destination_access_denied",
        message: DENIED.message,
        size: 3,
        attempts: 2,
      },
    ],
  ])("%#: is one line of JSON, whatever the key", (entry, line) => {
    const text = linesOf([entry]);
    expect(text.indexOf("\n")).toBe(text.length - 1);
    expect(JSON.parse(text)).toEqual({ key: KEY.key, ...line });
  });

  test.each([
    [".bucket-brigade/syncs/01m88fs81nj1rapafydeta78zg/report-000001.ndjson", true],
    ["copy/of/.bucket-brigade/syncs/01m88fs81nj1rapafydeta78zg/report-1000000.ndjson", true],
    [".bucket-brigade/syncs/01m88fs81nj1rapafydeta78zg/report-1.ndjson", false],
    [".bucket-brigade/syncs/mine/report-000001.ndjson", false],
    ["01m88fs81nj1rapafydeta78zg/report-000001.ndjson", false],
    [".bucket-brigade/syncs/01m88fs81nj1rapafydeta78zg/report-000001.ndjson.gz", false],
  ])("the key %j is that of a report: %j", (key, expected) => {
    expect(isReportKey(key)).toBe(expected);
  });
});

describe("an object that was sent whole and has more than 64 MiB", () => {
  const [small, large] = [work({ sizeBytes: 64 * MIB }), work({ sizeBytes: 64 * MIB + 1 })];
  const after = (code: string, operation = "PutObject") => {
    const outcome = { kind: "failed", failure: failure(code, null, { operation }) } as const;
    return settle([small, large], [outcome, outcome], { dryRun: false, now: 0, random: 0.5 });
  };
  test.each(["timeout", "part_size_too_large", "EntityTooLarge"])("goes in parts after %s", (code) => {
    expect(after(code).large).toEqual([{ ...large, failedAttempts: 1, first: "copy" }]);
  });
  test.each(["SlowDown", "InternalError", "AccessDenied"])("does not after %s", (code) => {
    expect(after(code).large).toEqual([]);
  });
  test.each(["HeadObject", "GetObject"])("does not when %s had no answer: nothing was sent", (operation) => {
    expect(after("timeout", operation).large).toEqual([]);
  });
});

const skippedOf = (objects: number, skippedBy: Record<string, number>) => ({
  listed: { objects, bytes: 0 },
  skippedBy,
});

describe("whyNothing()", () => {
  const spec = { source: { store: "east", bucket: "data", prefix: "phtos/" }, include: [] as string[] };
  test.each([
    [0, {}],
    [1, { prefix_itself: 1 }],
    [2, { sync_report: 2 }],
  ])("a source of %d keys, %j, has none", (objects, skippedBy) => {
    expect(whyNothing(spec, skippedOf(objects, skippedBy))).toBe(
      "The source has no key under east:data/phtos/: is the prefix right?",
    );
  });

  test("a filter that lets nothing through is named with its reasons", () => {
    expect(whyNothing(spec, skippedOf(6, { excluded: 2, too_old: 3, prefix_itself: 1 }))).toBe(
      "The filter lets none of the 5 keys through: 2 excluded, 3 too_old",
    );
  });

  test("a pattern that looks like a list is named", () => {
    const include = ["{a,b}/*", "**/*.jpg,*.png"];
    expect(whyNothing({ ...spec, include }, skippedOf(4, { not_included: 4 }))).toBe(
      'The filter lets none of the 4 keys through: 4 not_included; "**/*.jpg,*.png" is one pattern: give "include" once for each, or write {a,b}',
    );
    expect(whyNothing({ ...spec, include: ["{a,b}/*"] }, skippedOf(4, { not_included: 4 }))).not.toContain(
      "one pattern",
    );
  });

  test("a run that had a key to compare or to copy has nothing to explain", () => {
    expect(whyNothing(spec, skippedOf(5, { excluded: 4 }))).toBeNull();
    expect(whyNothing(spec, skippedOf(5, { equal: 1, excluded: 4 }))).toBeNull();
  });
});
