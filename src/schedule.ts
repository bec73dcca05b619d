// When a schedule is due. Pure: the clock is an argument. Cron expressions have five fields and are read in UTC, as
// Cron Triggers are (https://developers.cloudflare.com/workers/configuration/cron-triggers/, 2026-11).

import { Cron } from "croner";

const MINUTE_MS = 60_000;

/** Why a cron expression cannot be used, or null when it can. */
export function checkCron(text: string): string | null {
  const hint = 'five fields "minute hour day month weekday", such as "*/15 * * * *"';
  if (text.trim().split(/\s+/).length !== 5) return `must have ${hint}, not ${JSON.stringify(text)}`;
  try {
    return parse(text).nextRun() === null ? `never comes due: ${JSON.stringify(text)}` : null;
  } catch (error) {
    return `is no cron expression (${hint}): ${error instanceof Error ? error.message : String(error)}`;
  }
}

/**
 * The last due time in (afterMs, untilMs], or null. A trigger that comes late or less often than the schedule starts
 * one run for all the due times that it has passed.
 */
export function lastDueMs(cron: string, afterMs: number, untilMs: number): number | null {
  // croner looks strictly before its reference, and at whole seconds.
  const [due] = parse(cron).previousRuns(1, new Date(minuteOf(untilMs) + 1000));
  const dueMs = due?.getTime() ?? Number.NEGATIVE_INFINITY;
  return dueMs > afterMs && dueMs <= untilMs ? dueMs : null;
}

/** The first due time after `afterMs`, or null. */
export function nextDueMs(cron: string, afterMs: number): number | null {
  return parse(cron).nextRun(new Date(afterMs))?.getTime() ?? null;
}

/** The start of the minute that holds a time. */
export function minuteOf(ms: number): number {
  return Math.floor(ms / MINUTE_MS) * MINUTE_MS;
}

function parse(text: string): Cron {
  return new Cron(text.trim(), { timezone: "UTC", mode: "5-part", paused: true });
}
