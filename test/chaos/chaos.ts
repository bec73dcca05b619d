// `npm run chaos -- --runs 20 --seed 1 --jobs 2`: runs the mesh in real workerd through seeded faults. At its
// end each run is judged by code that does not trust the mesh. USAGE says how it is called.
//
// Each job is a process of its own, because a run is judged by the requests that its own two stores see, in
// one thread.

import { fork } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { countOf, readArguments } from "../command_line.ts";
import { buildBundle } from "../mesh/build.ts";
import { makeMortal } from "./mortal_mesh.ts";
import { lineOf, storyText, tableOf } from "./report.ts";
import type { RunPlan } from "./plan.ts";
import { type RunResult, runSeed } from "./run.ts";
import type { StoryLine } from "./stage.ts";

const USAGE = `npm run chaos [-- --runs 20 --seed 1 --jobs 2 --stories FOLDER]

Runs the mesh through seeded faults. Prints a line per run and a table; exits 1 on any violation. A seed is a
run: --runs 1 --seed S plays it again, and prints its whole story.

  --runs N          How many, each with the next seed
  --seed N          The first seed
  --jobs N          How many at once
  --stories FOLDER  For the stories of violated runs: two real runs are never quite the same
  --help            This text`;

const { values } = readArguments(USAGE, {
  options: {
    runs: { type: "string", default: "20" },
    seed: { type: "string", default: "1" },
    jobs: { type: "string", default: "2" },
    stories: { type: "string" },
    /** For a job: where bundle and bytes are. */
    directory: { type: "string" },
  },
});

const first = countOf("--seed", values.seed, 0);
const runs = countOf("--runs", values.runs);
const jobsAtOnce = countOf("--jobs", values.jobs);

/** The result of a job. */
interface Told {
  readonly result: RunResult;
  readonly story: string;
}

async function main(): Promise<void> {
  // A copy makes many small writes, and a disk is slow.
  const memory = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
  const directory = mkdtempSync(join(memory, "bucket-brigade-chaos-"));
  try {
    makeMortal(buildBundle(join(directory, "bundle")), directory);
    const seeds = Array.from({ length: runs }, (_, index) => first + index);
    const results = seeds.length === 1 ? [await tell(first, directory)] : await runAll(seeds, directory);
    console.log(`\n${tableOf(results)}`);
    if (results.some(({ violations }) => violations.length > 0)) process.exitCode = 1;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** One run in this process, with its story. */
async function tell(seed: number, directory: string): Promise<RunResult> {
  const { result, evidence, story } = await runSeed(seed, directory);
  console.log(`${textOf(evidence.plan, story)}\n\n${lineOf(result)}`);
  return result;
}

function textOf(plan: RunPlan, story: readonly StoryLine[]): string {
  return `${JSON.stringify(plan, null, 2)}\n${storyText(story)}`;
}

async function runAll(seeds: readonly number[], directory: string): Promise<RunResult[]> {
  const waiting = [...seeds];
  const results: RunResult[] = [];
  const jobs = Array.from({ length: Math.min(jobsAtOnce, seeds.length) }, async () => {
    for (let seed = waiting.shift(); seed !== undefined; seed = waiting.shift()) {
      const { result, story } = await runElsewhere(seed, directory);
      console.log(lineOf(result));
      if (values.stories !== undefined && result.violations.length > 0) {
        mkdirSync(values.stories, { recursive: true });
        writeFileSync(join(values.stories, `seed-${seed}.txt`), `${story}\n`);
      }
      results.push(result);
    }
  });
  await Promise.all(jobs);
  return results.toSorted((a, b) => a.seed - b.seed);
}

/** One run in a process of its own, so that what it leaves in memory cannot affect the next one. */
async function runElsewhere(seed: number, directory: string): Promise<Told> {
  const child = fork(import.meta.filename, ["--seed", String(seed), "--directory", directory]);
  const { promise, resolve, reject } = Promise.withResolvers<Told>();
  child.once("message", (message) => resolve(message as Told));
  child.once("exit", (code) => reject(new Error(`The run of seed ${seed} ended with ${code} and no result`)));
  return await promise;
}

if (values.directory === undefined) await main();
else {
  const { result, evidence, story } = await runSeed(first, values.directory);
  process.send?.({ result, story: textOf(evidence.plan, story) } satisfies Told);
  process.disconnect();
}
