// A few runs of the chaos suite (`npm run chaos`), whose seeds bring a kill of workerd, aborts of Durable
// Objects, lost answers, and users who change their minds. Each copy ends, and the judge finds no rule
// broken.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { makeMortal } from "../../chaos/mortal_mesh.ts";
import { storyText } from "../../chaos/report.ts";
import { runSeed } from "../../chaos/run.ts";

const SEEDS = [303, 322, 427];
const directory = mkdtempSync(join(tmpdir(), "bucket-brigade-chaos-"));

beforeAll(() => makeMortal(inject("bundlePath"), directory));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

test.for(SEEDS)("the run of seed %i keeps every rule", { timeout: 240_000 }, async (seed) => {
  const { result, story } = await runSeed(seed, directory);
  expect(result.violations, storyText(story)).toEqual([]);
  expect(result.endings.length).toBeGreaterThan(0);
});
