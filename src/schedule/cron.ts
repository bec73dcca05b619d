// When a schedule is due. Pure: the clock is an argument.
//
// A rule is a cron expression of five fields and the time zone to read it in. Cron Triggers fire in UTC
// (https://developers.cloudflare.com/workers/configuration/cron-triggers/, 2026-11); this decides what is due
// at that moment.
//
// Clock changes have one rule for each of two kinds. A rule that names hours ("30 2,14 * * *", "0 */2 * * *")
// means wall time in its zone: a time that the forward change skips is due when the gap ends, and a time that
// the backward change repeats is due the first time only. A rule for every hour ("*/15 * * * *") means
// elapsed time, and no change affects it.

import { Cron } from "croner";
import { instantOf, repeatedMs, wallMs } from "./clock.ts";

const MINUTE_MS = 60_000;
const DAY_HOURS = 24;

interface Rule {
  readonly cron: string;
  /** An IANA name, such as `Europe/Berlin`. */
  readonly timeZone: string;
}

const FIELDS = [
  ["minute", "0 to 59"],
  ["hour", "0 to 23"],
  ["day of the month", '1 to 31, "L" for the last, "15W" for the weekday nearest to the 15th'],
  ["month", "1 to 12 or JAN to DEC"],
  ["weekday", '0 to 7 or SUN to SAT, "5#2" for the second Friday, "5L" for the last one'],
] as const;

/** Why a cron expression is not valid, with the position of the error; null if it is valid. */
export function checkCron(text: string): string | null {
  const fields = Array.from(text.matchAll(/\S+/g), (match) => ({ field: match[0], at: match.index }));
  if (fields.length !== FIELDS.length) {
    const hint = 'five fields "minute hour day month weekday", such as "*/15 * * * *"';
    return `must have ${hint}, not ${JSON.stringify(text)}`;
  }
  for (const [index, { field, at }] of fields.entries()) {
    const [name, allowed] = FIELDS[index] ?? FIELDS[0];
    let start = at;
    for (const item of field.split(",")) {
      if (!isCronField(index, item)) {
        return (
          `has ${JSON.stringify(item)} as its ${name}, at character ${start + 1} of ${JSON.stringify(text)}; ` +
          `allowed are ${allowed}, "*", ranges "a-b", steps "*/n" and "a-b/n", and lists of these`
        );
      }
      start += item.length + 1;
    }
  }
  try {
    const never = parse({ cron: text, timeZone: "UTC" }).nextRun() === null;
    return never ? `never comes due: ${JSON.stringify(text)}` : null;
  } catch (error) {
    return `is not a cron expression: ${JSON.stringify(text)} (${error instanceof Error ? error.message : String(error)})`;
  }
}

/** Why a time zone is not valid, or null. */
export function checkTimeZone(timeZone: string): string | null {
  const problem = `must be the IANA name of a time zone, such as "Europe/Berlin" or "UTC", not ${JSON.stringify(timeZone)}`;
  if (!/^[A-Za-z]/.test(timeZone)) return problem; // an offset such as "+01:00" has no daylight saving
  try {
    Intl.DateTimeFormat("en", { timeZone });
    return null;
  } catch {
    return problem; // a RangeError, which says no more
  }
}

/**
 * The last due time in (afterMs, untilMs], or null. A late or rare trigger starts one run for all the due
 * times that it missed.
 */
export function lastDueMs(rule: Rule, afterMs: number, untilMs: number): number | null {
  const dueMs = namesHours(rule) ? lastOnClock(rule, untilMs) : lastElapsed(rule, untilMs);
  return dueMs !== null && dueMs > afterMs && dueMs <= untilMs ? dueMs : null;
}

/** The first due time after `afterMs`, or null. */
export function nextDueMs(rule: Rule, afterMs: number): number | null {
  return namesHours(rule) ? nextOnClock(rule, afterMs) : nextRun(parse(rule), afterMs);
}

function lastElapsed(rule: Rule, untilMs: number): number | null {
  return previousRun(parse(rule), minuteOf(untilMs) + 1000);
}

function lastOnClock({ cron, timeZone }: Rule, untilMs: number): number | null {
  const clock = onClock(cron);
  // While hours repeat, the times that the clock showed before the change have been due, too.
  let wall: number | null = wallMs(untilMs, timeZone) + repeatedMs(untilMs, timeZone) + 1000;
  while ((wall = previousRun(clock, wall)) !== null) {
    const dueMs = instantOf(wall, timeZone);
    if (dueMs <= untilMs) return dueMs;
  }
  return null;
}

function nextOnClock({ cron, timeZone }: Rule, afterMs: number): number | null {
  const clock = onClock(cron);
  let wall: number | null = wallMs(afterMs, timeZone);
  while ((wall = nextRun(clock, wall)) !== null) {
    const dueMs = instantOf(wall, timeZone);
    // Otherwise it is a time in an hour that repeats, which was due the first time.
    if (dueMs > afterMs) return dueMs;
  }
  return null;
}

/** Whether the hour field leaves out an hour of the day. */
function namesHours({ cron }: Rule): boolean {
  const [, hours = "*"] = cron.trim().split(/\s+/);
  return (
    hours !== "*" &&
    onClock(`0 ${hours} * * *`).nextRuns(DAY_HOURS, new Date(0)).at(-1)?.getTime() !==
      DAY_HOURS * 60 * MINUTE_MS
  );
}

function nextRun(cron: Cron, afterMs: number): number | null {
  return cron.nextRun(new Date(afterMs))?.getTime() ?? null;
}

/** croner looks strictly before its reference, in whole seconds. */
function previousRun(cron: Cron, beforeMs: number): number | null {
  return cron.previousRuns(1, new Date(beforeMs))[0]?.getTime() ?? null;
}

/**
 * The times of a rule as the clock on the wall shows them: croner computes them in UTC, where clocks never
 * change.
 */
function onClock(cron: string): Cron {
  return parse({ cron, timeZone: "UTC" });
}

/** The start of the minute that contains a time. */
export function minuteOf(ms: number): number {
  return Math.floor(ms / MINUTE_MS) * MINUTE_MS;
}

/** One entry of one field, checked by croner with all other fields at "*". */
function isCronField(index: number, item: string): boolean {
  const fields = FIELDS.map((_, other) => (other === index ? item : "*"));
  try {
    parse({ cron: fields.join(" "), timeZone: "UTC" });
    return true;
  } catch {
    return false;
  }
}

function parse({ cron, timeZone }: Rule): Cron {
  return new Cron(cron.trim(), { timezone: timeZone, mode: "5-part", paused: true });
}
