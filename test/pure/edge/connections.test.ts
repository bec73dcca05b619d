import { expect, test } from "vitest";
import { ANSWERED, Connections } from "../../edge/connections.ts";

const stays = new AbortController().signal;

test("a seventh request of one event waits for the first connection that is given back", async () => {
  const connections = new Connections(6);
  const releases = await Promise.all(Array.from({ length: 6 }, () => connections.take("event", stays)));
  let served = 0;
  const seventh = connections.take("event", stays).then(() => (served = 7));
  expect(await connections.take("another event", stays)).not.toBeNull();
  expect(served).toBe(0);
  expect(connections.waited.get("event")).toBe(1);
  releases[3]?.();
  releases[3]?.(); // once is all it counts for
  await seventh;
  const eighth = connections.take("event", stays).then(() => (served = 8));
  await connections.take("another event", stays);
  expect(served).toBe(7);
  releases[0]?.();
  await eighth;
});

test("a request that is given up while it waits leaves the queue, and the next one in it is served", async () => {
  const connections = new Connections(1);
  const release = await connections.take("event", stays);
  const impatient = new AbortController();
  const gone = connections.take("event", impatient.signal);
  const next = connections.take("event", stays);
  impatient.abort();
  expect(await gone).toBeNull();
  release?.();
  expect(await next).not.toBeNull();
});

test.each([
  ["is crowded where a request waits for answers", ANSWERED, ["event"]],
  ["is not crowded where a request takes the place of one that was given up", undefined, []],
])("an event %s", async (_, reason, crowded) => {
  const connections = new Connections(2);
  const [gone, stray] = [new AbortController(), new AbortController()];
  const release = await connections.take("event", gone.signal);
  await connections.take("event", stays);
  const third = connections.take("event", stray.signal);
  release?.();
  await third;
  gone.abort(reason);
  expect([connections.waited.get("event"), connections.crowded()]).toEqual([1, crowded]);
});

test("requests that do not tell their event never wait", async () => {
  const connections = new Connections(1);
  for (let count = 0; count < 10; count++) expect(await connections.take(null, stays)).not.toBeNull();
});
