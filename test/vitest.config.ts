// Five projects: `pure` (no process, no network), `workers` (the built bundle in real workerd against the
// test store over loopback HTTP), and three that need other programs and therefore are not part of `npm
// test`: `browser` (the dashboard in a browser), `clients` (the test store judged by the AWS CLI, the metrics
// by Prometheus' promtool) and `interop` (the mesh between stores that others have written).
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/**
 * How long a test may take on a machine that has other work. What it waits for is a state that stays, so it
 * is never waited for in part only: where it does not come, `expect.poll` says so just before the test's time
 * is over.
 */
const patience = (limitMs: number) => ({
  setupFiles: ["test/equal_bytes.ts"],
  testTimeout: limitMs,
  hookTimeout: limitMs,
  expect: { poll: { timeout: limitMs - 5_000 } },
});

/** They wait for most of their time, so they begin first: at the end, they would wait alone. */
const LONG =
  /(?:budget|sync_death|sync_listing|probe|request_caps|outages|governor|recovery|chaos|stalls|edge_errors|sync_alarm)\.test\.ts$/;

class LongOnesFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files); // oxlint-disable-line unicorn/no-array-sort -- it is no array's
    const { long = [], other = [] } = Object.groupBy(sorted, ({ moduleId }) =>
      LONG.test(moduleId) ? "long" : "other",
    );
    return [...long, ...other];
  }
}

export default defineConfig({
  test: {
    // Most of a copy is waiting: for a backoff, or for a store that is held.
    maxWorkers: 6,
    // Files that run in one process share its modules, which are loaded once. No file changes what another
    // one sees.
    isolate: false,
    sequence: { sequencer: LongOnesFirst },
    projects: [
      // Some try thousands of cases, and the machine may be busy.
      { test: { name: "pure", include: ["test/pure/**/*.test.ts"], ...patience(60_000) } },
      {
        test: {
          name: "workers",
          include: ["test/workers/**/*.test.ts"],
          globalSetup: ["test/mesh/build.ts"],
          ...patience(120_000),
        },
      },
      {
        test: {
          name: "browser",
          include: ["test/browser/**/*.test.ts"],
          globalSetup: ["test/mesh/build.ts"],
          ...patience(120_000),
          // They share a mesh and a browser, whose speed is part of what is tested.
          fileParallelism: false,
        },
      },
      {
        test: {
          name: "clients",
          include: ["test/clients/**/*.test.ts"],
          globalSetup: ["test/mesh/build.ts"],
          ...patience(240_000),
        },
      },
      {
        test: {
          name: "interop",
          include: ["test/interop/**/*.test.ts"],
          globalSetup: ["test/mesh/build.ts", "test/interop/setup.ts"],
          env: { LONGEST_WAIT_MS: "200000" },
          ...patience(240_000),
        },
      },
    ],
  },
});
