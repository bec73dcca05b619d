// Who copies which part: lanes that draw their work, and slow parts that are sent twice.
import { beforeEach, describe, expect, test } from "vitest";
import { Dispatch } from "../../../src/copy/dispatch.ts";
import { nextStep } from "../../../src/copy/job.ts";
import type { Prepared } from "../../../src/copy/phase.ts";
import { MIB } from "../../../src/http/fields.ts";
import type { PartRow } from "../../../src/parts/rows.ts";
import { PartTable } from "../../../src/parts/table.ts";
import type { CopyRecord } from "../../../src/copy/record.ts";
import { StoreShares } from "../../../src/throttle/shares.ts";
import type { PartGrant, PartReport, PartTask } from "../../../src/work/part_task.ts";
import { uploadingCopy } from "../copy_record.ts";
import { failure, prepared, seeded } from "../samples.ts";
import { memorySql } from "../sqlite.ts";

const PARTS = 40;
const NOW = 1_000_000;
const PLAN = { kind: "parts", sizeBytes: PARTS * 5 * MIB, partSizeBytes: 5 * MIB, partCount: PARTS } as const;
const STORES = { source: null, destination: null };

let sql: SqlStorage;
let record: CopyRecord;
let dispatch: Dispatch;
let now: number;

function begin(
  random: () => number = () => 0,
  object: Partial<Prepared> = {},
): (lane: number, wanted: number, finished?: PartReport[], running?: PartTask[]) => PartGrant {
  sql = memorySql();
  record = uploadingCopy({}, { plan: PLAN, ...object }, sql);
  const shares = new StoreShares(async () => [], { columns: () => 1, quietUntilMs: 0, clock: () => now });
  dispatch = new Dispatch(record, shares, () => STORES, NOW);
  now = NOW;
  return (lane, wanted, finished = [], running = []) =>
    dispatch.claim({ lane, wanted, finished, running }, { now, random }).grant;
}

const done = (
  { partNumber, attempt }: PartTask,
  etag = `"e${partNumber}"`,
  durationMs = 1000,
): PartReport => ({
  partNumber,
  attempt,
  result: { ok: true, etag, encryptedWithKey: false, digests: {}, durationMs },
});
const failed = ({ partNumber, attempt }: PartTask, code: string): PartReport => ({
  partNumber,
  attempt,
  result: { ok: false, failure: failure(code, null, { side: code === "SlowDown" ? "destination" : "mesh" }) },
});
const crash = (): number => {
  throw new Error("crashed");
};
const tasksOf = (grant: PartGrant): readonly PartTask[] => (grant.kind === "work" ? grant.tasks : []);

/** All parts are done but the first one of lane 1, which began at NOW. */
function allButOne(claim: ReturnType<typeof begin>): PartTask {
  const slow = tasksOf(claim(1, 1))[0];
  if (slow === undefined) throw new Error("no part was granted");
  let last: readonly PartTask[] = [];
  for (;;) {
    const tasks = tasksOf(
      claim(
        2,
        5,
        last.map((task) => done(task)),
      ),
    );
    if (tasks.length === 0) break;
    last = tasks;
    now += 100; // before anything could seem slow
  }
  return slow;
}

describe("a part that takes far longer than the others", () => {
  let claim: ReturnType<typeof begin>;
  let slow: PartTask;

  beforeEach(() => {
    claim = begin();
    slow = allButOne(claim);
    now = NOW + 11_000;
  });

  const race = (lane = 3) => {
    const [task] = tasksOf(claim(lane, 5));
    if (task === undefined) throw new Error("the slow part was not sent again");
    return task;
  };

  test("is sent once more when nothing is left to hand out, by another lane, under another attempt", () => {
    expect(race()).toMatchObject({ partNumber: slow.partNumber, attempt: slow.attempt + 1, lane: 3 });
    expect(record.parts.totals().inFlight).toBe(2);
    expect(tasksOf(claim(4, 5))).toEqual([]); // and not a third time
  });

  test("is not sent again by the lane that has it, nor before it is slow", () => {
    expect(tasksOf(claim(1, 4, [], [slow]))).toEqual([]);
    now = NOW + 1_500;
    expect(tasksOf(claim(3, 5))).toEqual([]);
  });

  test("is not sent again while a store asks for less", () => {
    dispatch.governor.failed(failure("SlowDown", 503), { before: 5, left: 4 }, now);
    expect(tasksOf(claim(3, 5))).toEqual([]);
  });

  test.each(["first", "second"] as const)(
    "is done by the %s attempt, and the other is cancelled",
    (winner) => {
      const again = race();
      const [won, lost] = winner === "first" ? [slow, again] : [again, slow];
      claim(won.lane, 5, [done(won, '"won"')]);
      expect(record.parts.totals()).toMatchObject({ done: PARTS, inFlight: 1 });
      expect(record.parts.flights.beaten()).toEqual([
        { partNumber: 1, attempt: lost.attempt, lane: lost.lane },
      ]);
      // Nothing is completed before the beaten attempt has ended.
      const { job } = record.load();
      expect(nextStep(job, record.counts(job), now).do).toBe("tendLanes");
      claim(lost.lane, 5, [failed(lost, "cancelled")]);
      expect(nextStep(job, record.counts(job), now).do).toBe("checkParts");
      expect([...record.parts.completed()][0]).toEqual({ partNumber: 1, etag: '"won"' });
    },
  );

  test("whose beaten attempt comes through as well is sent a third time, alone, where the two ETags differ", () => {
    const again = race();
    claim(3, 5, [done(again, '"won"')]);
    claim(1, 0, [done(slow, '"other"')]);
    expect(record.parts.totals()).toMatchObject({ done: PARTS - 1, inFlight: 0 });
    const third = race(4);
    expect(third.attempt).toBe(again.attempt + 1);
    claim(4, 5, [done(third, '"last"')]);
    expect([...record.parts.completed()][0]).toEqual({ partNumber: 1, etag: '"last"' });
  });

  test("whose beaten attempt comes through with the same ETag is done", () => {
    const again = race();
    claim(3, 5, [done(again, '"same"')]);
    claim(1, 0, [done(slow, '"same"')]);
    expect(record.parts.totals()).toMatchObject({ done: PARTS, inFlight: 0 });
  });

  test("one of whose attempts fails goes on with the other, and fails when both have", () => {
    const again = race();
    claim(3, 0, [failed(again, "stream_broken")]);
    expect(record.parts.totals()).toMatchObject({ done: PARTS - 1, inFlight: 1 });
    claim(1, 0, [failed(slow, "stream_broken")]);
    expect(record.parts.totals()).toMatchObject({ inFlight: 0 });
    now += 60_000;
    expect(race(4).attempt).toBe(again.attempt + 1);
  });

  test("one of whose lanes dies goes on with the other, and is lost when both have", () => {
    race();
    record.parts.loseLane(1);
    expect(record.parts.totals()).toMatchObject({ inFlight: 1, lost: 0 });
    record.parts.loseLane(3);
    expect(record.parts.totals()).toMatchObject({ inFlight: 0, lost: 1 });
  });

  test("waits no longer than fifteen seconds for a beaten attempt that does not end", () => {
    const again = race();
    claim(3, 5, [done(again)]);
    record.parts.flights.forgetDead(now + 14_999);
    expect(record.parts.totals().inFlight).toBe(1);
    record.parts.flights.forgetDead(now + 15_000);
    expect(record.parts.totals().inFlight).toBe(0);
  });

  test("keeps an upload from being aborted while either of its attempts goes on", () => {
    const again = race();
    claim(3, 5, [done(again)]);
    record.applyEvent({ type: "cancel" });
    const { job } = record.load();
    expect(nextStep(job, record.counts(job), now).do).toBe("settleParts");
  });
});

test("a claim does not read the parts that are done, however many they are, but the first after a wake", () => {
  sql = memorySql();
  const asked = new Set<string>();
  const watching: SqlStorage = {
    databaseSize: 0,
    exec: (query, ...values) => {
      asked.add(query);
      return sql.exec(query, ...values);
    },
  };
  const shares = new StoreShares(async () => [], { columns: () => 1, quietUntilMs: 0, clock: () => NOW });
  const copy = uploadingCopy({}, { plan: PLAN }, watching);
  dispatch = new Dispatch(copy, shares, () => STORES, NOW);
  const chances = { now: NOW, random: () => 0 };
  dispatch.claim({ lane: 2, wanted: 0, finished: [], running: [] }, chances);
  asked.clear();
  const { grant } = dispatch.claim({ lane: 1, wanted: 5, finished: [], running: [] }, chances);
  const [first, second, ...running] = tasksOf(grant);
  if (first === undefined || second === undefined) throw new Error("Two parts were not granted");
  const finished = [done(first), failed(second, "stream_broken")];
  dispatch.claim({ lane: 1, wanted: 2, finished, running }, { ...chances, now: NOW + 60_000 });
  copy.parts.loseLane(1);
  const plans = [...asked]
    .filter((query) => /\bparts\b/.test(query) && !query.startsWith("INSERT"))
    .map((query) => ({ query, plan: sql.exec(`EXPLAIN QUERY PLAN ${query}`).toArray() }));
  const scans = plans.filter(({ plan }) =>
    plan.some(({ detail }) => /SCAN parts(?! USING)/.test(String(detail))),
  );
  expect(plans.length).toBeGreaterThan(2);
  expect(scans.map(({ query }) => query)).toEqual([]);
});

test("a claim that crashes half-way changes nothing", () => {
  const tasks = tasksOf(begin()(1, 2));
  const [first, second] = tasks;
  if (first === undefined || second === undefined) throw new Error("Two parts were not granted");
  const finished = [done(first), failed(second, "stream_broken")];
  const claim = { lane: 1, wanted: 0, finished, running: [] };
  expect(() => dispatch.claim(claim, { now, random: crash })).toThrow("crashed");
  expect(record.parts.totals()).toMatchObject({ done: 0, inFlight: 2, failedAttempts: 0 });
  dispatch.claim(claim, { now, random: () => 0 });
  expect(record.parts.totals()).toMatchObject({ done: 1, inFlight: 0, failedAttempts: 1 });
});

test("of many slow parts a twentieth is sent twice, and no more", () => {
  const claim = begin();
  const slow = [1, 2, 3].flatMap((lane) => tasksOf(claim(lane, 5)));
  for (let last: readonly PartTask[] = tasksOf(claim(4, 5)); last.length > 0; now += 100)
    last = tasksOf(
      claim(
        4,
        5,
        last.map((task) => done(task)),
      ),
    );
  now = NOW + 60_000;
  expect(slow).toHaveLength(15);
  expect([5, 6, 7].flatMap((lane) => tasksOf(claim(lane, 5)))).toHaveLength(PARTS / 20);
});

test("work is drawn by the lanes that are fast, and all of it is done once", () => {
  const random = seeded(9);
  const claim = begin(random);
  const byLane = new Map<number, number>();
  const running = new Map<number, { task: PartTask; endMs: number }[]>([1, 2, 3].map((lane) => [lane, []]));
  for (; record.parts.totals().done < PARTS; now += 100) {
    for (const [lane, list] of running) {
      const ended = list.filter(({ endMs }) => endMs <= now);
      const left = list.filter(({ endMs }) => endMs > now);
      if (ended.length === 0 && left.length > 0) continue;
      byLane.set(lane, (byLane.get(lane) ?? 0) + ended.length);
      const reports = ended.map(({ task }) => done(task));
      const grant = claim(
        lane,
        5 - left.length,
        reports,
        left.map(({ task }) => task),
      );
      // The first lane is slower than the others.
      const takesMs = lane === 1 ? 4000 : 500;
      running.set(lane, [...left, ...tasksOf(grant).map((task) => ({ task, endMs: now + takesMs }))]);
    }
  }
  expect(byLane.get(1)).toBeLessThan(10);
  expect(now - NOW).toBeLessThan(6000);
});

const MOST_MS = 60_000;
const byNumber = (one: PartRow, other: PartRow) => one.partNumber - other.partNumber;

describe("any race, with attempts that land late, lanes that die, stores that throttle and reports that come twice", () => {
  test(
    "leaves each part done once, with the ETag that the store has in the end, within the budget and never while a store is busy",
    { timeout: MOST_MS },
    () => {
      let raced = 0;
      for (let seed = 1; seed <= 24; seed++) {
        const random = seeded(seed);
        const claim = begin(random);
        // What a dead lane has brought to a store only its list can tell.
        const lists = seed % 2 === 0;
        const store = new Map<number, string>();
        let flights: { task: PartTask; endMs: number; named: boolean; cancelled: boolean }[] = [];
        const again: { lane: number; report: PartReport }[] = [];
        let landed = 0;
        // An ETag is the MD5 of the bytes, or another for each landing.
        const sameEtags = seed % 3 === 0;
        const won = new Set<number>();
        const landings = new Map<number, Set<string>>();
        let [isEnded, busyUntilMs] = [false, 0];
        for (let turn = 0; turn < 2000; turn++, now += 250) {
          if (random() < 0.01) busyUntilMs = now + random() * 20_000;
          const { job } = record.load();
          const step = nextStep(job, record.counts(job), now).do;
          if (step === "checkParts" && flights.length === 0) {
            const listed = [...store].map(([partNumber, etag]) => ({ partNumber, etag, sizeBytes: 5 * MIB }));
            isEnded = !lists || record.parts.reconcile(listed) === 0;
            if (isEnded) break;
          }
          if (step === "findParts") record.parts.settleLost([], false, now);
          for (const { lane, partNumber, attempt } of record.parts.flights.beaten())
            for (const flight of flights)
              if (
                flight.task.lane === lane &&
                flight.task.partNumber === partNumber &&
                flight.task.attempt === attempt
              )
                flight.named = true;
          if (step === "tendLanes") record.parts.flights.forgetDead(now);
          for (const flight of flights) {
            const { partNumber } = flight.task;
            if (won.has(partNumber))
              expect(
                flight.named,
                `seed ${seed}: nobody calls the beaten attempt of part ${partNumber} off`,
              ).toBe(true);
            // The word may take a while to reach its lane, and the attempt lands meanwhile.
            if (flight.named && random() < 0.3) flight.cancelled = true;
          }
          const lane = 1 + Math.floor(random() * 6);
          const mine = flights.filter(
            ({ task, endMs, cancelled }) => task.lane === lane && (endMs <= now || cancelled),
          );
          flights = flights.filter((flight) => !mine.includes(flight));
          const reports = mine.map(({ task, endMs, cancelled }): PartReport => {
            // What is cancelled may have landed all the same; each landing makes another ETag.
            if (cancelled && endMs > now) return failed(task, "cancelled");
            if (!cancelled && random() < 0.05) return failed(task, "stream_broken");
            if (!cancelled && now < busyUntilMs && random() < 0.2) return failed(task, "SlowDown");
            landed += 1;
            const etag = `"${task.partNumber}-${sameEtags ? "md5" : landed}"`;
            store.set(task.partNumber, etag);
            landings.set(task.partNumber, (landings.get(task.partNumber) ?? new Set()).add(etag));
            return done(task, etag, 1000);
          });
          if (random() < 0.1) again.push(...reports.map((report) => ({ lane, report })));
          const late = random() < 0.2 ? again.splice(0).filter((one) => one.lane === lane) : [];
          const running = flights.filter(({ task }) => task.lane === lane).map(({ task }) => task);
          if (lists && random() < 0.02) {
            // The coordinator has been away, and knows what its table says.
            const awake = new PartTable(sql);
            expect(awake.open().toSorted(byNumber), `seed ${seed}`).toEqual(
              record.parts.open().toSorted(byNumber),
            );
            expect(awake.totals(), `seed ${seed}`).toEqual(record.parts.totals());
            // The lane dies; what it has brought to the store just now it cannot report any more.
            flights = flights.filter(({ task }) => task.lane !== lane);
            record.parts.loseLane(lane);
            continue;
          }
          const before = record.parts.flights.raced();
          const grant = claim(
            lane,
            5 - running.length,
            [...late.map(({ report }) => report), ...reports],
            running,
          );
          if (record.parts.flights.raced() > before) {
            expect(dispatch.governor.busySides(now), `seed ${seed}: raced while a store was busy`).toEqual(
              [],
            );
            expect(record.parts.waiting(PARTS).count, `seed ${seed}: raced while parts waited`).toBe(0);
          }
          for (const report of reports) if (report.result.ok) won.add(report.partNumber);
          const { done: doneParts, doneBytes } = record.parts.totals();
          expect(doneBytes, `seed ${seed}: a part was counted twice`).toBe(doneParts * 5 * MIB);
          for (const task of tasksOf(grant)) {
            // The first to finish has won, unless the beaten one has put another ETag in its place.
            const { partNumber } = task;
            const isOverwritten = (landings.get(partNumber)?.size ?? 0) > 1;
            expect(won.has(partNumber) && !isOverwritten, `seed ${seed}: part ${partNumber} again`).toBe(
              false,
            );
            won.delete(partNumber);
            landings.delete(partNumber);
            if (running.some((other) => other.partNumber === partNumber))
              throw new Error(`Seed ${seed}: lane ${lane} was given part ${partNumber} twice`);
            // A slow one may be through at about the time at which the second try is.
            const slowMs = random() < 0.5 ? 30_000 : 10_500 + random() * 3_000;
            const takesMs = random() < 0.1 ? slowMs : 500 + random() * 1000;
            flights.push({ task, endMs: now + takesMs, named: false, cancelled: false });
          }
        }
        raced += record.parts.flights.raced();
        expect(isEnded, `seed ${seed}: the copy did not end`).toBe(true);
        expect(record.parts.totals(), `seed ${seed}`).toMatchObject({ done: PARTS, inFlight: 0, lost: 0 });
        const completed = [...record.parts.completed()].map(
          ({ partNumber, etag }) => [partNumber, etag] as const,
        );
        expect(completed, `seed ${seed}`).toEqual([...store].toSorted(([one], [other]) => one - other));
        expect(record.parts.flights.raced()).toBeLessThanOrEqual(PARTS / 20);
      }
      expect(raced).toBeGreaterThan(30);
    },
  );
});

test("a refusal of the copy's own requests holds its parts back", () => {
  const claim = begin();
  dispatch.refused(failure("SlowDown", 503, { side: "destination", retryAfterMs: 7000 }), now);
  const grant = claim(1, 5);
  expect(tasksOf(grant)).toEqual([]);
  expect(grant.kind === "work" && grant.retryInMs !== null && grant.retryInMs >= 7000).toBe(true);
  expect(dispatch.pace(record.load(), now)).toMatchObject({ streams: 0, throttledBy: ["destination"] });
  expect(record.timeline.entries().at(-1)).toMatchObject({
    event: "throttled_by_destination",
    detail: expect.stringMatching(/; nothing for 7 s, then at most 1 at once$/) as string,
  });
  now += 7000;
  expect(tasksOf(claim(1, 5))).toHaveLength(1);
});

/** Of five MiB, while nothing is known of the stores' speed. */
const LIMIT_MS = 80_000;
const claimWithin = (withinMs: number, wanted = 1) =>
  dispatch.claim({ lane: 1, wanted, finished: [], running: [], withinMs }, { now, random: () => 0 }).grant;

describe("what an event has time for", () => {
  test("a part whose time limit fits is handed out, and one whose limit does not is left for later", () => {
    begin();
    expect(claimWithin(LIMIT_MS - 1)).toEqual({ kind: "later" });
    expect(tasksOf(claimWithin(LIMIT_MS))).toMatchObject([{ partNumber: 1, limitMs: LIMIT_MS }]);
  });

  test("a lane that wants nothing is not sent away, and a copy without waiting parts lets it rest", () => {
    const claim = begin();
    expect(claimWithin(0, 0)).toMatchObject({ kind: "work", tasks: [] });
    allButOne(claim);
    expect(claimWithin(0)).toEqual({ kind: "rest" });
  });

  test("a part that has failed may take longer than the others, which are handed out before it", () => {
    const { proof } = prepared();
    const claim = begin(() => 0, { proof: { ...proof, digests: [] } });
    const first = tasksOf(claim(1, 1));
    claim(
      1,
      0,
      first.map((task) => done(task)),
    ); // so the stores are known to be fast
    const [second] = tasksOf(claim(1, 1));
    if (second === undefined) throw new Error("no part was granted");
    claim(1, 0, [failed(second, "short_body")]);
    now += 60_000;
    const limitMs = 30_000;
    expect(tasksOf(claimWithin(limitMs))).toMatchObject([{ partNumber: 3, limitMs }]);
    expect(tasksOf(claimWithin(2 * limitMs))).toMatchObject([{ partNumber: 2, limitMs: 2 * limitMs }]);
  });
});
