import { beforeAll, expect, test } from "vitest";
import { type SyncCase, SimulatedSync } from "../../simulate/simulated_sync.ts";

beforeAll(() => {
  console.info = () => undefined; // the mesh's own log of each sync
});

const CASE: SyncCase = { objects: 5000, objectBytes: 20_000, lanes: 8, objectMs: 90, equalFraction: 0 };

test("every key is copied once, and what is written is what a real mesh writes for as many", () => {
  const outcome = new SimulatedSync(CASE, 1).run();
  expect(outcome).toMatchObject({ copied: 5000, storeReads: 5000 });
  // Two listings for each of five pages.
  expect(outcome.storeWrites).toBe(5000 + 2 * 5);
  // In workerd, between stores 40 ms away: 1,306 rows and 22 alarms set, 208 claims, 410 objects a second,
  // with smaller batches than now.
  expect(outcome.rowsWritten).toBeGreaterThan(1000);
  expect(outcome.rowsWritten).toBeLessThan(1450);
  expect(outcome.objectRequests).toBeGreaterThan(200);
  expect(outcome.objectRequests).toBeLessThan(280);
  expect(5000 / outcome.seconds).toBeGreaterThan(350);
});

test("two runs of one seed are equal, and more lanes are faster and write more", () => {
  const few = new SimulatedSync(CASE, 1).run();
  expect(new SimulatedSync(CASE, 1).run()).toEqual(few);
  const many = new SimulatedSync({ ...CASE, lanes: 24 }, 1).run();
  expect(many.seconds).toBeLessThan(few.seconds);
  expect(many.rowsWritten).toBeGreaterThan(few.rowsWritten);
});

test("what is there already is not copied, and costs next to nothing", () => {
  const { copied, storeReads, rowsWritten } = new SimulatedSync({ ...CASE, equalFraction: 1 }, 1).run();
  expect([copied, storeReads]).toEqual([0, 0]);
  expect(rowsWritten).toBeLessThan(60);
});
