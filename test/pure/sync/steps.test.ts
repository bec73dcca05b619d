// Syncs that delete, between stores whose answers leave out, respell and contradict what is so. Whoever knows
// both stores finds that nothing was lost, nothing wrongly called equal, and that no run that saw less than
// everything is `completed`.
//
//   SEEDS=10000 npx vitest run --root . --config test/vitest.config.ts --project pure test/pure/sync/steps
//   SEED=17 … runs that seed alone, and says what its stores answered.

import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { AnsweredSync, type Copier } from "../simulated/answered_sync.ts";

vi.mock("cloudflare:workers", () => ({
  WorkerEntrypoint: class {
    readonly env: unknown;

    constructor(_ctx: unknown, env: unknown) {
      this.env = env;
    }
  },
}));

const { ObjectCopier } = await import("../../../src/object_copier.ts");

/** What workerd's own streams pass on. The digesting reader counts the bytes by itself. */
class Passage extends TransformStream {
  constructor(_length?: number) {
    super({ transform: (chunk: Uint8Array, passed) => passed.enqueue(chunk.slice()) });
  }
}

const SEEDS = Number(process.env["SEEDS"] ?? 75);
const ONLY = process.env["SEED"];

beforeAll(() => {
  vi.stubGlobal("FixedLengthStream", Passage);
  vi.stubGlobal("IdentityTransformStream", Passage);
  // workerd's name for a read that fills what it can.
  Object.assign(ReadableStreamBYOBReader.prototype, {
    readAtLeast(this: ReadableStreamBYOBReader, _bytes: number, view: Uint8Array<ArrayBuffer>) {
      return this.read(view);
    },
  });
  vi.spyOn(console, "info").mockImplementation(() => undefined);
  vi.spyOn(console, "error").mockImplementation(() => undefined);
  vi.spyOn(console, "warn").mockImplementation(() => undefined);
});

afterAll(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

async function judge(seed: number): Promise<{ faults: string[]; phase: string; story: readonly string[] }> {
  const world = new AnsweredSync(seed, (env): Copier => Reflect.construct(ObjectCopier, [null, env]));
  vi.stubGlobal("fetch", async (url: string, init: RequestInit) => await world.fetch(new URL(url), init));
  const report = await world.run(`sync-${seed}`);
  const faults = world.judge(report);
  // Once the stores say the truth, one run puts everything right, and the next one has nothing to do.
  if (seed % 4 === 0) {
    world.makeHonest();
    const second = await world.run(`again-${seed}`);
    faults.push(...world.judge(second).map((fault) => `then: ${fault}`));
    if (second.phase !== "completed") faults.push(`then: ${second.phase}`);
    const third = await world.run(`third-${seed}`);
    // Without checksums at the stores, a comparison of checksums knows nothing.
    const mayCopy = world.compare === "checksum";
    if ((third.copied > 0 && !mayCopy) || third.phase !== "completed")
      faults.push(`at last: ${third.phase}, ${third.copied} copied again`);
  }
  return { faults, phase: report.phase, story: world.story };
}

test("whatever the stores answer, nothing is lost, wrongly equal, or completed without being so", async () => {
  const wrong: unknown[] = [];
  const phases: Record<string, number> = {};
  const seeds = ONLY === undefined ? Array.from({ length: SEEDS }, (_, index) => index + 1) : [Number(ONLY)];
  for (const seed of seeds) {
    const { faults, phase, story } = await judge(seed);
    phases[phase] = (phases[phase] ?? 0) + 1;
    if (faults.length > 0)
      wrong.push({ seed, phase, faults, story: story.slice(ONLY === undefined ? -8 : -60) });
  }
  process.stdout.write(`${seeds.length} seeds: ${JSON.stringify(phases)}\n`);
  expect(wrong).toEqual([]);
  // Some runs must end each way, or nothing was tried.
  if (ONLY === undefined) expect(Object.keys(phases).length).toBeGreaterThanOrEqual(3);
}, 600_000);
