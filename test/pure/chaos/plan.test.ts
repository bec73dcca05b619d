// The plans of the chaos suite: the same seed is the same run, and the seeds reach the whole menu.
import { expect, test } from "vitest";
import { FAULTS } from "../../chaos/faults.ts";
import { type RunPlan, planRun } from "../../chaos/plan.ts";

const plans = Array.from({ length: 3000 }, (_, seed) => planRun(seed + 1));
const reached = (what: (plan: RunPlan) => readonly string[]) => new Set(plans.flatMap(what));

test("the same seed is the same plan, another seed another", () => {
  expect(planRun(7)).toEqual(planRun(7));
  expect(planRun(7)).not.toEqual(planRun(8));
});

test("every fault is planned in some run", () => {
  const planned = reached(({ faults }) => faults.map(({ kind }) => kind));
  expect(Object.keys(FAULTS).filter((kind) => !planned.has(kind))).toEqual([]);
});

test("kills, aborts and evictions come at every moment of a request, and at every class", () => {
  const blows = reached((plan) =>
    plan.blows.map((blow) =>
      blow.kind === "kill" ? `kill ${blow.moment}` : `${blow.kind} ${blow.target.class} ${blow.moment}`,
    ),
  );
  expect(blows.size).toBe(4 * (1 + 2 * 3));
});

test("users pause, resume, cancel and post again, also twice", () => {
  const deeds = reached((plan) => plan.deeds.map(({ what, times }) => `${what} ${times}`));
  expect(deeds.size).toBe(4 * 2);
});

test("a Create's answer is lost on purpose only where the store lists its uploads", () => {
  const lost = plans.filter(({ faults }) => faults.some(({ kind }) => kind === "create-lost"));
  expect(lost.length).toBeGreaterThan(50);
  const lists = lost.map(({ stores }) => stores.west.options.without?.includes("listMultipartUploads"));
  expect(lists).not.toContain(true);
});

test("sizes are none, a byte, and whole parts with a byte more or less", () => {
  const sizes = new Set(plans.flatMap(({ copies }) => copies.map(({ sizeBytes }) => sizeBytes)));
  const part = 5 * 2 ** 20;
  for (const size of [0, 1, part - 1, part, part + 1, 3 * part - 1, 3 * part, 12 * part + 1])
    expect(sizes.has(size), String(size)).toBe(true);
});
