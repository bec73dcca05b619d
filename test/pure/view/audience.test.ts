// How many may watch one copy or sync, and wait for it.

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Audience, readingOf, Waiting } from "../../../src/view/audience.ts";
import { COPY_STATUS } from "../statuses.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const FULL = expect.objectContaining({
  status: 503,
  code: "too_many_viewers",
  headers: { "retry-after": "30" },
});

test("there are a hundred viewers at most, and one that leaves makes room", async () => {
  const audience = new Audience({
    read: () =>
      readingOf(
        COPY_STATUS,
        () => "line",
        () => [],
      ),
    state: () => "working",
    entries: () => [],
    parts: null,
  });
  const request = new Request("https://mesh.example/copies/1/events");
  const streams = Array.from({ length: 100 }, (_, n) =>
    n % 2 === 0 ? audience.events(request) : audience.progress(request),
  );
  expect(() => audience.events(request)).toThrow(FULL);
  expect(() => audience.progress(request)).toThrow(FULL);
  // A HEAD is no viewer.
  expect(audience.events(new Request(request.url, { method: "HEAD" })).status).toBe(200);
  await streams[0]?.body?.cancel();
  expect(audience.events(request).status).toBe(200);
  expect(() => audience.events(request)).toThrow(FULL);
});

test("a thousand requests wait at most, and each ends with its time or the end", async () => {
  const waiting = new Waiting();
  const first = waiting.wait(10);
  const others = Array.from({ length: 999 }, async () => await waiting.wait(300));
  await expect(waiting.wait(300)).rejects.toThrow(FULL);
  await vi.advanceTimersByTimeAsync(10_000);
  await first;
  const again = waiting.wait(300);
  waiting.wake();
  await Promise.all([...others, again]);
  expect(waiting.isFull()).toBe(false);
});
