// What a lane makes of a call that breaks.
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { callObjectCopier } from "../../../src/work/batch_call.ts";
import type { BatchTask } from "../../../src/work/batch_task.ts";

beforeAll(() => void vi.stubGlobal("IdentityTransformStream", TransformStream));
afterAll(() => void vi.unstubAllGlobals());

const TASK = { syncId: "sync", batch: 1, objects: [{}, {}] } as unknown as BatchTask;

test.each([
  ["Too many subrequests by single Worker invocation.", ["platform_limit", "platform_limit"]],
  ["Worker exceeded CPU time limit.", ["platform_limit", "platform_limit"]],
  ["The Durable Object's code has been updated.", null],
])("%s", async (message, codes) => {
  const logged = vi.spyOn(console, "error").mockImplementation(() => undefined);
  const copyObjects = async () => await Promise.reject(new Error(message));
  const { outcomes } = await callObjectCopier({ copyObjects }, TASK, new AbortController().signal);
  const found = outcomes?.map((outcome) => (outcome.kind === "failed" ? outcome.failure.code : outcome.kind));
  expect(found ?? null).toEqual(codes);
  logged.mockRestore();
});
