// When a Durable Object wakes next: the one place that sets an alarm.
//
// The runtime loses an alarm that its own handler sets for the very moment for which it was set before
// (https://github.com/cloudflare/workerd/issues/6866): the object then sleeps until somebody calls it. That
// moment may be `Date.now()`, as an alarm is clamped to now and fires in its millisecond, or a fraction of a
// millisecond later, which the runtime cuts off. On the platform an alarm of the past has stayed unfired as
// well (https://github.com/cloudflare/cloudflare-docs/issues/18324).
//
// Invariant: what is set lies after now, in whole milliseconds. A handler never runs before its time, so what
// it sets differs from what it was called for.

/** An alarm fires within milliseconds; after maintenance, within a minute by the platform's documents. */
const LOST_AFTER_MS = 90_000;

/** @param atMs a time that is over means at once */
export async function wakeAt(storage: DurableObjectStorage, atMs: number): Promise<void> {
  await storage.setAlarm(Math.max(Math.ceil(atMs), Date.now() + 1));
}

/** Has the alarm of an object that has something to do been lost? @param alarmMs null means none is set */
export function isLost(alarmMs: number | null, now: number): boolean {
  return alarmMs === null || alarmMs < now - LOST_AFTER_MS;
}

/** For an object that has something to do. @returns whether its alarm was lost; now it is set again */
export async function wakeIfLost(storage: DurableObjectStorage): Promise<boolean> {
  const lost = isLost(await storage.getAlarm(), Date.now());
  if (lost) await wakeAt(storage, Date.now());
  return lost;
}
