// Thousands of copies through a world of faults: the rules of a copy hold in each of them, and each of them ends.
import { beforeAll, describe, expect, test } from "vitest";
import { isEnded } from "../../src/job.ts";
import { Simulation } from "./simulation.ts";

const SEEDS = 2_500;
const FAULTY_TURNS = 60;
/** An abort may have to wait for its eighth refusal, and an upload for its third new beginning; no copy needs more. */
const TURNS_TO_END = 500;

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
      for (let turn = 0; turn < FAULTY_TURNS; turn++) world.turn();
      world.faulty = false;
      for (let turn = 0; turn < TURNS_TO_END && !isEnded(world.job); turn++) world.turn();
      if (!isEnded(world.job)) unfinished.push(`seed ${seed}: ${JSON.stringify(world.job)}`);
    } catch (error) {
      broken.push(`seed ${seed}: ${String(error)}`);
    }
    steps += world.steps;
    for (const what of world.seen) seen.add(what);
    outcomes.push({ seed, world });
  }
});

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
    const left = outcomes.filter(({ world }) => world.leftUploads > 0 && world.warnings === 0);
    expect(seedsOf(left)).toEqual([]);
  });

  test("complete a copy only with its own, whole object at the destination", () => {
    const copied = outcomes.filter(
      ({ world: { job } }) => job.phase === "completed" && job.result.kind === "copied",
    );
    expect(seedsOf(copied.filter(({ world }) => world.object !== "ours"))).toEqual([]);
    expect(copied.length).toBeGreaterThan(SEEDS / 10);
  });

  test("call no copy cancelled or skipped whose object is there", () => {
    const wrong = outcomes.filter(({ world }) => {
      const { job } = world;
      const without =
        job.phase === "cancelled" || (job.phase === "completed" && job.result.kind === "skipped");
      return without && world.object === "ours" && !world.refusedForGood;
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
      ..."prepare createUpload sweep tendLanes checkParts complete findObject verify settleParts abort rest".split(
        " ",
      ),
      ..."sizing+conflict completing+cancel completing+objectAbsent completing+objectFound".split(" "),
      ..."completing+partsRefused completing+completeRefused paused+created paused+completed".split(" "),
      ..."aborting+created aborting+objectFound aborting+objectAbsent aborting+swept aborting+cancel".split(
        " ",
      ),
      ..."blocked+resume uploading+partFailed uploading+streamInstead uploading+sentAgain".split(" "),
      ..."creating+headerDropped verifying+cancel aborting+stepFailed completing+pause".split(" "),
    ];
    expect(wanted.filter((what) => !seen.has(what))).toEqual([]);
  });
});
