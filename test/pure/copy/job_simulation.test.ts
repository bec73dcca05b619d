// Thousands of copies through a world of faults: the rules of a copy hold in each of them, and each of them
// ends.
import { beforeAll, describe, expect, test } from "vitest";
import { isEnded, objectOf } from "../../../src/copy/phase.ts";
import { Simulation } from "../simulated/simulation.ts";

const SEEDS = 3_000;
const FAULTY_TURNS = 250;
/** What comes after the end, late and in vain. */
const LATE_TURNS = 10;
/** An upload may have to wait for its third new beginning, each with its own backoffs; no copy needs more. */
const TURNS_TO_END = 500;
/** A debt waits for an hour at most, and with the faults gone its first try succeeds. */
const TURNS_TO_PAY = 20;

/** It takes seconds; a busy machine, or a rule that keeps every copy from ending, takes longer. */
const MOST_MS = 120_000;

interface Outcome {
  readonly seed: number;
  readonly world: Simulation;
}

const outcomes: Outcome[] = [];
const unfinished: string[] = [];
const broken: string[] = [];
const seen = new Set<string>();
let steps = 0;

beforeAll(() => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const world = new Simulation(seed);
    try {
      for (let turn = 0; turn < FAULTY_TURNS && !isEnded(world.job); turn++) world.turn();
      for (let turn = 0; turn < LATE_TURNS; turn++) world.turn();
      world.calmDown();
      for (let turn = 0; turn < TURNS_TO_END && !isEnded(world.job); turn++) world.turn();
      if (!isEnded(world.job)) unfinished.push(`seed ${seed}: ${JSON.stringify(world.job)}`);
      for (let turn = 0; turn < TURNS_TO_PAY && world.debts.count > 0; turn++) {
        world.waitForDebts();
        world.turn();
      }
    } catch (error) {
      broken.push(`seed ${seed}: ${String(error)}`);
    }
    steps += world.steps;
    for (const what of world.seen) seen.add(what);
    outcomes.push({ seed, world });
  }
}, MOST_MS);

const ended = (phase: string) => outcomes.filter(({ world }) => world.job.phase === phase);
const seedsOf = (list: readonly Outcome[]) => list.map(({ seed }) => seed);

describe("nextStep() and apply(), through crashes, lost, repeated and late answers", () => {
  test("keep every rule in a hundred thousand steps and more", () => {
    expect(broken).toEqual([]);
    expect(steps).toBeGreaterThanOrEqual(100_000);
  });

  test("end every copy once the faults stop", () => {
    expect(unfinished).toEqual([]);
  });

  test("leave no upload at the store without a warning", () => {
    const left = outcomes.filter(({ world }) => world.store.uploads.size > 0 && world.warnings === 0);
    expect(seedsOf(left)).toEqual([]);
  });

  test("owe something after outages, and nothing any more once the store is back", () => {
    expect(seedsOf(outcomes.filter(({ world }) => world.debts.count > 0))).toEqual([]);
    expect(outcomes.filter(({ world }) => world.debts.made > 0).length).toBeGreaterThan(SEEDS / 50);
  });

  test("complete a copy only with its own object at the destination, of one version of the source", () => {
    const copied = outcomes.filter(
      ({ world: { job } }) => job.phase === "completed" && job.result.kind === "copied",
    );
    const wrong = copied.filter(({ world: { job, store } }) => {
      const versions = store.object.kind === "ours" ? [...store.object.versions] : [];
      return versions.length !== 1 || versions[0] !== objectOf(job)?.sourceEtag;
    });
    expect(seedsOf(wrong)).toEqual([]);
    expect(copied.length).toBeGreaterThan(SEEDS / 10);
  });

  test("call no copy cancelled or skipped whose object is there", () => {
    const wrong = outcomes.filter(({ world }) => {
      const { job } = world;
      const without =
        job.phase === "cancelled" || (job.phase === "completed" && job.result.kind === "skipped");
      return without && world.store.object.kind === "ours" && !world.deniedALook;
    });
    expect(seedsOf(wrong)).toEqual([]);
  });

  test("come to every kind of end", () => {
    for (const phase of ["completed", "failed", "cancelled"]) {
      expect(ended(phase).length, phase).toBeGreaterThan(SEEDS / 100);
    }
    const skipped = ended("completed").filter(
      ({ world: { job } }) => job.phase === "completed" && job.result.kind === "skipped",
    );
    expect(skipped.length).toBeGreaterThan(0);
  });

  test("meet every step, and every answer in the phases where it matters", () => {
    const wanted = [
      ..."checkQueue prepare createUpload sweep recheckSource tendLanes findParts checkParts".split(" "),
      ..."complete findObject verify settleParts abort rest".split(" "),
      ..."queued+isNext queued+notYet queued+recheckQueue queued+cancel paused+isNext paused+notYet".split(
        " ",
      ),
      ..."sizing+conflict completing+cancel completing+objectAbsent completing+objectFound".split(" "),
      ..."completing+partsRefused completing+completeRefused paused+created paused+completed".split(" "),
      ..."aborting+created aborting+objectFound aborting+objectAbsent aborting+swept aborting+cancel".split(
        " ",
      ),
      ..."blocked+resume uploading+partFailed uploading+streamInstead uploading+sentAgain".split(" "),
      ..."uploading+sourceSame uploading+partsFound paused+partsFound paused+sourceSame".split(" "),
      ..."creating+headerDropped verifying+cancel aborting+stepFailed completing+pause".split(" "),
      ..."ExpiredToken AccessDenied network".split(" ").map((code) => `${code} blocks uploading`),
      ..."ExpiredToken network".split(" ").map((code) => `${code} blocks completing`),
      ..."ExpiredToken network".split(" ").map((code) => `${code} blocks verifying`),
      "paying upload",
      "paying stray",
      "paying object",
    ];
    expect(wanted.filter((what) => !seen.has(what))).toEqual([]);
  });
});
