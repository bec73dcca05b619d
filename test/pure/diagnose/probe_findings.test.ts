import { expect, test } from "vitest";
import { probeAdvice, probeFindings } from "../../../src/diagnose/probe_findings.ts";
import { type Measured, type ProbeSpec, beginProbe } from "../../../src/diagnose/probe_job.ts";
import type { Counted } from "../../../src/diagnose/probe_task.ts";

const spec: ProbeSpec = {
  store: "west",
  bucket: "b",
  sizesMib: [90, 110],
  lanes: 4,
  isLocal: false,
  maxPartMib: 95,
  configuredLanes: 8,
};

const lane = (over: Partial<Counted> = {}): Counted => ({
  streams: 6,
  asked: 12,
  isolate: "a",
  copierIsolates: ["a"],
  machine: "m1 FRA",
  refusal: null,
  ...over,
});
const FOUR = [lane(), lane({ isolate: "b", copierIsolates: ["b"], machine: "m2 FRA" }), lane(), lane()];

function findings(measured: Partial<Measured>, over: Partial<ProbeSpec> = {}) {
  const begun = beginProbe("p", { ...spec, ...over }, 0);
  const job = { ...begun, measured: { ...begun.measured, ...measured } };
  const largest = job.measured.byCopier.flatMap((sent) => (sent.ok ? [sent.sizeMib] : [])).at(-1) ?? null;
  const lanes = job.measured.lanes.filter((counted) => counted !== null);
  const [body, laneBody, streams, isolates, machines, unchanged, current] = probeFindings(
    job,
    lanes,
    largest,
  );
  return { body, laneBody, streams, isolates, machines, unchanged, current };
}

const passed = (sizeMib: number) => ({ ok: true, sizeMib, durationMs: 1000 }) as const;
const refused = (sizeMib: number) => ({ ok: false, sizeMib, message: "413" }) as const;

test("nothing measured is unknown, everywhere", () => {
  for (const finding of Object.values(findings({})))
    expect(finding).toMatchObject({ holds: "unknown", change: null });
});

test.for([
  [[passed(90), passed(110)], "yes", "MAX_PART_MIB may be up to 104, for objects above 928 GiB"],
  [[passed(90), passed(100)], "yes", null],
  [[passed(90), refused(110)], "unknown", 'try a size from 95 MiB on with "sizesMib"'],
  [[passed(60), refused(90)], "no", 'set MAX_PART_MIB = "57" in wrangler.toml and deploy: larger parts fail'],
  [
    [refused(90)],
    "no",
    "no body passed: POST /stores/{name}/check says whether the store accepts parts at all",
  ],
] as const)("bodies %j are %s", ([byCopier, holds, change]) => {
  expect(findings({ byCopier }).body).toMatchObject({ holds, change });
});

test("what a Durable Object may send itself is told, and nothing rests on it", () => {
  expect(findings({ byLane: [passed(90), refused(110)] }).laneBody).toMatchObject({
    found: "90 MiB passed; 110 MiB did not: 413",
    holds: "yes",
    change: null,
  });
});

test("five bodies in each lane at once are enough", () => {
  expect(findings({ lanes: FOUR }).streams).toMatchObject({ holds: "yes", found: "6, 6, 6, 6" });
});

const few = (streams: number, refusal: string | null = null) =>
  findings({ lanes: [lane({ streams, refusal }), lane(), lane(), lane()] }).streams;

test("fewer ask for more lanes; none at all says that lanes share; a store's refusal is not the platform's", () => {
  expect(few(2)).toMatchObject({
    holds: "slower",
    change: 'set LANES = "20" for the streams that 8 lanes should have',
  });
  expect(few(0)).toMatchObject({
    holds: "slower",
    change: expect.stringContaining("share their connections") as string,
  });
  expect(few(2, "503 SlowDown")).toMatchObject({ holds: "unknown", found: "2, 6, 6, 6 (503 SlowDown)" });
});

test("lanes that crowd one isolate bound the copies with digests, and LANES above that is broken", () => {
  // 40 lanes of five streams at 0.5 MiB fit into one isolate; three of four fell into one.
  expect(findings({ lanes: FOUR }).isolates).toMatchObject({
    holds: "yes",
    found: "2, at most 3 lanes in one; a lane's part copies run in its own isolate",
    change: "a copy whose digests are computed may have up to 53 lanes",
  });
  expect(findings({ lanes: FOUR }, { configuredLanes: 54 }).isolates).toMatchObject({ holds: "no" });
  const elsewhere = FOUR.with(0, lane({ copierIsolates: ["a", "z"] }));
  expect(findings({ lanes: elsewhere }).isolates?.found).toMatch(/in other isolates too$/);
});

test("one machine for all lanes may be slower; none known is unknown", () => {
  expect(findings({ lanes: FOUR }).machines).toMatchObject({ holds: "yes", found: "2" });
  expect(findings({ lanes: [lane(), lane(), lane(), lane()] }).machines).toMatchObject({ holds: "slower" });
  expect(findings({ lanes: FOUR.map((each) => ({ ...each, machine: null })) }).machines).toMatchObject({
    holds: "unknown",
  });
});

const key = (name: string, isUnchanged: boolean, isCurrent: boolean | null) => ({
  name,
  isUnchanged,
  isCurrent,
  detail: "d",
});

test("a cached key is told from a store that does so to every key", () => {
  const good = findings({ keys: [key("x.zip", true, true), key("x", true, true)] });
  expect([good.unchanged?.holds, good.current?.holds]).toEqual(["yes", "yes"]);
  const cached = findings({ keys: [key("x.zip", false, null), key("x", true, true)] });
  expect(cached.unchanged).toMatchObject({
    holds: "no",
    change: expect.stringContaining("a cache is in between") as string,
  });
  expect(cached.current?.holds).toBe("unknown");
  const stale = findings({ keys: [key("x.zip", true, false), key("x", true, true)] });
  expect([stale.unchanged?.holds, stale.current?.holds]).toEqual(["yes", "no"]);
  const both = findings({ keys: [key("x.zip", false, null), key("x", false, null)] });
  expect(both.unchanged?.change).toMatch(/^other keys are affected too/);
});

test("the advice stays below what passed, and says null where nothing is known", () => {
  expect(probeAdvice(FOUR, 110)).toEqual({
    MAX_PART_MIB: 104,
    streamsPerLane: 5,
    LANES: 8,
    lanesWithDigests: 53,
  });
  expect(probeAdvice([], null)).toEqual({
    MAX_PART_MIB: null,
    streamsPerLane: null,
    LANES: null,
    lanesWithDigests: null,
  });
});
