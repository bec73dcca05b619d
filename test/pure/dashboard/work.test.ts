// Which buttons steer work on its page, by its phase.

import { expect, test } from "vitest";

interface Steering {
  readonly mayPause: boolean;
  readonly resume: { readonly name: string; readonly body?: object } | null;
  readonly mayCancel: boolean;
}

// The page's modules are JavaScript, which this project's compiler does not read.
const path = "../../../src/dashboard/work.js";
const { steeringOf } = (await import(path)) as {
  steeringOf: (status: Readonly<Record<string, unknown>>) => Steering;
};

test.for<readonly [phase: string, offered: string]>([
  ["queued", "Pause, Cancel"],
  ["uploading", "Pause, Cancel"],
  ["listing", "Pause, Cancel"],
  ["comparing", "Pause, Cancel"],
  ["paused", "Resume, Cancel"],
  ["blocked", "Resume, Cancel"],
  ["reporting", "Cancel"],
  ["stopping", ""],
  ["aborting", ""],
  ["completed", ""],
  ["different", ""],
  ["cancelled", ""],
])("what is %s is offered: %s", ([phase, offered]) => {
  const { mayPause, resume, mayCancel } = steeringOf({ phase, budget: undefined, reason: undefined });
  const names = [mayPause ? "Pause" : null, resume?.name ?? null, mayCancel ? "Cancel" : null];
  expect(names.filter((name) => name !== null).join(", ")).toBe(offered);
});

test("what has stopped at its budget goes on with twice as much", () => {
  const budget = { maxRequests: 50, spent: { requests: 48 }, reserved: { requests: 0 } };
  const { resume } = steeringOf({ phase: "paused", reason: "budget_reached", budget });
  expect(resume).toEqual({ name: "Resume with twice the budget", body: { maxRequests: 100 } });
});
