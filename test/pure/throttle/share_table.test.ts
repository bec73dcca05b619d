// The caps that all jobs share: fair, and never above the cap, whoever dies, is slow, or gets no answer.
import { beforeEach, describe, expect, test } from "vitest";
import { type Amounts, SHARE_MS, ShareTable, capsAt } from "../../../src/throttle/share_table.ts";
import { fairShares } from "../../../src/throttle/share_table.ts";
import { ASK_EVERY_MS, StoreShares } from "../../../src/throttle/shares.ts";
import { type Store, readStores } from "../../../src/store/stores.ts";
import { bookablePerSecond } from "../../../src/throttle/timetable.ts";
import { seeded } from "../samples.ts";
import { memorySql } from "../sqlite.ts";
import { mostInASecond } from "../window.ts";

const NOW = 1_000_000;
const divide = (cap: number, ...demands: number[]) => [
  ...fairShares(cap, new Map(demands.map((demand, job) => [String(job), demand]))).values(),
];

describe("fair shares", () => {
  test.each([
    ["one job has what it wants", 100, [30], [30]],
    ["one job has no more than there is", 100, [1000], [100]],
    ["equal jobs have equal parts", 100, [1000, 1000, 1000, 1000], [25, 25, 25, 25]],
    ["who wants little has it, and the rest is divided", 100, [10, 1000, 1000], [10, 45, 45]],
    ["what one leaves is divided again", 100, [10, 35, 1000], [10, 35, 55]],
    ["what does not divide goes to the first", 10, [99, 99, 99], [4, 3, 3]],
    ["with more jobs than units the first have one each", 2, [9, 9, 9, 9], [1, 1, 0, 0]],
    ["a request every two seconds is had by one job", 0.5, [9, 9], [0.5, 0]],
    ["who wants nothing has nothing", 100, [0, 1000], [0, 100]],
  ])("%s", (_, cap, demands, expected) => {
    expect(divide(cap, ...demands)).toEqual(expected);
  });

  test("are whole, never above the cap or a demand, and leave nothing that somebody wants", () => {
    const random = seeded(3);
    for (let round = 0; round < 2000; round++) {
      const cap = Math.ceil(random() * 50);
      const demands = Array.from({ length: Math.ceil(random() * 12) }, () => Math.floor(random() * 30));
      const given = divide(cap, ...demands);
      const sum = given.reduce((total, one) => total + one, 0);
      const wanted = demands.reduce((total, one) => total + one, 0);
      expect(sum).toBe(Math.min(cap, wanted));
      for (const [job, share] of given.entries()) {
        expect(Number.isInteger(share)).toBe(true);
        expect(share).toBeLessThanOrEqual(demands[job] ?? 0);
        // Nobody has two more than one who wants more.
        for (const [other, its] of given.entries())
          if (its < (demands[other] ?? 0)) expect(share).toBeLessThanOrEqual(its + 1);
      }
    }
  });
});

const CAPS = { concurrency: 20, perSecond: 100 };
let table: ShareTable;

beforeEach(() => {
  table = new ShareTable(memorySql());
  table.createTables();
});

const ask = (job: string, wants: number, having: number, now: number) =>
  table.ask(
    job,
    {
      store: "east",
      wants: { concurrency: wants, perSecond: wants },
      having: { concurrency: having, perSecond: having },
    },
    { concurrency: 20, perSecond: Infinity },
    now,
  ).concurrency;

describe("the registry's table of shares", () => {
  test("gives a job alone all that it wants, and asks nothing of a store without a cap", () => {
    expect(ask("a", 50, 0, NOW)).toBe(20);
    expect(
      table.ask(
        "a",
        { store: "west", wants: CAPS, having: { concurrency: 0, perSecond: 0 } },
        { concurrency: Infinity, perSecond: Infinity },
        NOW,
      ),
    ).toEqual({ concurrency: Infinity, perSecond: Infinity });
  });

  test("lets a newcomer wait until the other says that it has less", () => {
    ask("a", 50, 0, NOW);
    expect(ask("b", 50, 0, NOW + 1)).toBe(0);
    expect(ask("a", 50, 20, NOW + 2)).toBe(10); // and still has twenty under way
    expect(ask("b", 50, 0, NOW + 3)).toBe(0);
    expect(ask("a", 50, 14, NOW + 4)).toBe(10);
    expect(ask("b", 50, 0, NOW + 5)).toBe(6);
    expect(ask("a", 50, 10, NOW + 6)).toBe(10);
    expect(ask("b", 50, 6, NOW + 7)).toBe(10);
  });

  test("takes back the share of a job that asks no more", () => {
    ask("a", 50, 0, NOW);
    expect(ask("b", 50, 0, NOW + SHARE_MS - 1)).toBe(0);
    expect(ask("b", 50, 0, NOW + SHARE_MS)).toBe(20);
  });

  test("takes back at once what a job gives back", () => {
    ask("a", 50, 0, NOW);
    ask("a", 0, 0, NOW + 1);
    expect(ask("b", 50, 0, NOW + 2)).toBe(20);
  });

  test("with more jobs than units gives each its turn", () => {
    const caps = { concurrency: 2, perSecond: Infinity };
    const jobs = ["a", "b", "c", "d", "e"];
    const had = new Map(jobs.map((job) => [job, 0]));
    const held = new Map(jobs.map((job) => [job, 0]));
    for (let round = 0; round < 50; round++) {
      for (const job of jobs) {
        const request = {
          store: "east",
          wants: { concurrency: 9, perSecond: 0 },
          having: { concurrency: held.get(job) ?? 0, perSecond: 0 },
        };
        const { concurrency } = table.ask(job, request, caps, NOW + round * 4000 + jobs.indexOf(job));
        held.set(job, concurrency);
        had.set(job, (had.get(job) ?? 0) + concurrency);
      }
    }
    for (const job of jobs) expect(had.get(job)).toBeGreaterThanOrEqual(8);
  });
});

/** A job that copies as fast as it may: it books what it can, and its transfers take their time. */
class Job {
  readonly shares: StoreShares;
  readonly name: string;
  inFlight: number[] = [];
  dead = false;

  constructor(
    name: string,
    world: {
      clock: () => number;
      ask: (job: string) => (requests: readonly Request[]) => Promise<Amounts[]>;
    },
    columns: number,
  ) {
    this.name = name;
    this.shares = new StoreShares(world.ask(name), {
      columns: () => columns,
      quietUntilMs: 0,
      clock: world.clock,
    });
  }
}
type Request = Parameters<ShareTable["ask"]>[1];

const EAST = {
  name: "east",
  maxConcurrency: CAPS.concurrency,
  maxRequestsPerSecond: CAPS.perSecond,
} as Store;

const FREE = { name: "free" } as Store;
const tasksOf = (counts: readonly number[]) => counts.map((requests) => ({ store: EAST, requests }));

describe("jobs that share a store", () => {
  test.each([1, 2, 3, 4, 5, 6])(
    "never send more in any second, nor run more at once, than the caps: seed %i",
    async (seed) => {
      const random = seeded(seed);
      let now = NOW;
      const world = {
        clock: () => now,
        ask: (job: string) => async (requests: readonly Request[]) => {
          if (random() < 0.05) throw new Error("the registry was not reached");
          const answers = requests.map((request) => table.ask(job, request, CAPS, now));
          now += Math.floor(random() * 40);
          if (random() < 0.1) throw new Error("the answer was lost");
          return answers;
        },
      };
      const moments: number[] = [];
      const running: { endMs: number }[] = [];
      let jobs: Job[] = [];
      let most = 0;
      let born = 0;
      const busy = new Map<string, number>();
      for (; now < NOW + 180_000; now += 25) {
        if (jobs.length < 6 && random() < 0.02)
          jobs.push(new Job(`job-${++born}`, world, Math.ceil(random() * 10)));
        if (random() < 0.001) jobs = jobs.filter((_, index) => index > 0); // the oldest dies with its share
        for (const job of jobs) {
          job.inFlight = job.inFlight.filter((endMs) => endMs > now);
          job.shares.setDemand(40, job.inFlight.length);
          await job.shares.refresh().catch(() => undefined);
          while (job.inFlight.length < job.shares.concurrency([EAST], now)) {
            const counts = [Math.ceil(random() * 8), Math.ceil(random() * 8)];
            const paces = job.shares.book(tasksOf(counts), now);
            if (paces === null) break;
            let lastMs = now;
            for (const [side, pace] of paces.entries()) {
              if (pace === null) throw new Error("A capped store gave no pace");
              const count = counts[side] ?? 0;
              for (let index = 0; index < count; index++) moments.push(pace.startAtMs + index * pace.gapMs);
              lastMs = Math.max(lastMs, pace.startAtMs + count * pace.gapMs);
            }
            const endMs = lastMs + random() * 2000;
            job.inFlight.push(endMs);
            running.push({ endMs });
            busy.set(job.name, (busy.get(job.name) ?? 0) + 1);
          }
        }
        most = Math.max(most, running.filter(({ endMs }) => endMs > now).length);
      }
      expect(mostInASecond(moments)).toBeLessThanOrEqual(CAPS.perSecond);
      expect(most).toBeLessThanOrEqual(CAPS.concurrency);
      // And they get somewhere: this is no law that is kept by doing nothing.
      expect(born).toBeGreaterThan(3);
      expect(moments.length).toBeGreaterThan(0.3 * 180 * CAPS.perSecond);
      expect(busy.size).toBeGreaterThan(0.7 * born);
    },
  );

  test("come to equal parts within seconds", async () => {
    let now = NOW;
    const world = {
      clock: () => now,
      ask: (job: string) => async (requests: readonly Request[]) =>
        requests.map((request) => table.ask(job, request, CAPS, now)),
    };
    const jobs = [new Job("a", world, 4), new Job("b", world, 4)];
    const counts = [0, 0];
    for (; now < NOW + 60_000; now += 25) {
      for (const [index, job] of jobs.entries()) {
        if (index === 1 && now < NOW + 20_000) continue; // the second one comes later
        job.shares.setDemand(40, 0);
        await job.shares.refresh();
        while (job.shares.book(tasksOf([4, 4]), now) !== null) {
          if (now >= NOW + 20_000 + 4 * ASK_EVERY_MS) counts[index] = (counts[index] ?? 0) + 8;
        }
      }
    }
    const [first = 0, second = 0] = counts;
    expect(Math.abs(first - second)).toBeLessThan(0.05 * (first + second));
    expect(first + second).toBeGreaterThan(0.85 * CAPS.perSecond * 24);
  });

  test("book nothing on a share that is over, and ask again", async () => {
    let now = NOW;
    const asked: number[] = [];
    const shares = new StoreShares(
      async (requests) => {
        asked.push(now);
        return requests.map((request) => table.ask("a", request, CAPS, now));
      },
      { columns: () => 1, quietUntilMs: 0, clock: () => now },
    );
    expect(shares.book(tasksOf([1, 1]), now)).toBeNull();
    await shares.refresh();
    expect(shares.book([...tasksOf([1]), { store: FREE, requests: 1 }], now)).toEqual([
      { startAtMs: now, gapMs: 1000 / bookablePerSecond(CAPS.perSecond) },
      null,
    ]);
    now += SHARE_MS;
    expect(shares.book(tasksOf([1, 1]), now)).toBeNull();
    expect(shares.concurrency([EAST], now)).toBe(0);
    await shares.refresh();
    expect(shares.book(tasksOf([1, 1]), now)).not.toBeNull();
    expect(asked).toEqual([NOW, NOW + SHARE_MS]);
  });

  test("cost nothing where no store has a cap", async () => {
    const shares = new StoreShares(
      async () => {
        throw new Error("asked");
      },
      { columns: () => 1, quietUntilMs: 0, clock: () => NOW },
    );
    await shares.refresh();
    expect(shares.isNeeded).toBe(false);
    expect(shares.concurrency([FREE], NOW)).toBe(Infinity);
    expect(shares.book([{ store: FREE, requests: 1 }], NOW)).toEqual([null]);
    expect(shares.turnsAt(FREE)).toBeUndefined();
  });
});

describe("caps by the hours of the week", () => {
  const HOUR = Date.parse("2026-06-01T08:00:00Z");
  const env = {
    STORE_EAST: JSON.stringify({
      endpoint: "https://s3.example.com",
      region: "us-east-1",
      accessKeyId: "id",
      secretAccessKey: "secret",
      limits: [{ from: "08:00", to: "09:00", maxRequestsPerSecond: 10, maxConcurrency: 2 }],
    }),
  };

  test("are those of the moment", () => {
    expect(capsAt(env, { store: "east" }, HOUR - 1)).toEqual({ concurrency: Infinity, perSecond: Infinity });
    expect(capsAt(env, { store: "east" }, HOUR)).toEqual({ concurrency: 2, perSecond: 10 });
    expect(capsAt(env, { store: "bytes east" }, HOUR)).toEqual({ concurrency: 1000, perSecond: Infinity });
    expect(capsAt(env, { store: "gone" }, HOUR)).toEqual({ concurrency: Infinity, perSecond: Infinity });
  });

  test("hold for a running job within 15 s, and end as soon", async () => {
    let now = HOUR - 2_000;
    const east = readStores(env).get("east");
    if (east?.ok !== true) throw new Error("The store is not right");
    const shares = new StoreShares(
      async (requests) => requests.map((request) => table.ask("a", request, capsAt(env, request, now), now)),
      { columns: () => 1, quietUntilMs: 0, clock: () => now },
    );
    shares.setDemand(40, 0);
    const book = () => shares.book([{ store: east.store, requests: 1 }], now);
    book(); // the job learns that the store is capped at some hours
    await shares.refresh();
    expect([book(), shares.concurrency([east.store], now)]).toEqual([[null], Infinity]);
    now = HOUR + 4_000;
    await shares.refresh();
    const starts: number[] = [];
    for (const untilMs = now + 10_000; now < untilMs; now += 50) {
      await shares.refresh();
      for (let pace = book(); pace !== null; pace = book()) starts.push(pace[0]?.startAtMs ?? Number.NaN);
    }
    expect(shares.concurrency([east.store], now)).toBe(2);
    expect(mostInASecond(starts)).toBeLessThanOrEqual(10);
    expect(starts.length).toBeGreaterThan(80);
    now = HOUR + 3600_000 + 4_000;
    await shares.refresh();
    expect([book(), shares.concurrency([east.store], now)]).toEqual([[null], Infinity]);
  });

  test("of a job's own limit are shared with the copies it has started, at each of its stores, by the hour", async () => {
    let now = HOUR - 2_000;
    const env2 = { ...env, STORE_WEST: env.STORE_EAST.replace(/,"limits".*/, "}") };
    const [east, west] = ["east", "west"].map((name) => readStores(env2).get(name));
    if (east?.ok !== true || west?.ok !== true) throw new Error("The stores are not right");
    const limits = [{ from: "08:00", to: "09:00", maxRequestsPerSecond: 8 }];
    const sharesOf = (job: string) => {
      const shares = new StoreShares(
        async (requests) =>
          requests.map((request) => table.ask(job, request, capsAt(env2, request, now), now)),
        {
          columns: () => 1,
          quietUntilMs: 0,
          clock: () => now,
          own: () => ({ key: "sync", limits: { limits } }),
        },
      );
      shares.setDemand(40, 0);
      return shares;
    };
    const [sync, copy] = [sharesOf("sync"), sharesOf("copy")];
    const starts: number[] = [];
    const bookAll = (shares: StoreShares) => {
      for (let count = 0; count < 20; count++) {
        const paces = shares.book([{ store: west.store, requests: 1 }], now);
        if (paces === null || paces[0] === null) return paces;
        starts.push(paces[0]?.startAtMs ?? Number.NaN);
      }
      return null;
    };
    expect(sync.mayPace([west.store])).toBe(true);
    for (const shares of [sync, copy]) bookAll(shares); // they learn that there is a limit at some hour
    for (const shares of [sync, copy]) await shares.refresh();
    expect([sync, copy].map(bookAll)).toEqual([[null], [null]]);
    starts.length = 0;
    now = HOUR + 4_000;
    for (const untilMs = now + 30_000; now < untilMs; now += 50) {
      for (const shares of [sync, copy]) {
        await shares.refresh();
        bookAll(shares);
      }
    }
    const settled = starts.filter((atMs) => atMs > HOUR + 20_000);
    expect(mostInASecond(settled)).toBeLessThanOrEqual(8);
    expect(settled.length).toBeGreaterThan(60);
    // Another job has a limit of its own.
    expect(sharesOf("other").mayPace([])).toBe(false);
    now = HOUR + 3600_000 + 4_000;
    await sync.refresh();
    expect(bookAll(sync)).toEqual([null]);
  });
});
