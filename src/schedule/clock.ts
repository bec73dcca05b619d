// The wall clock of a time zone, and the instants at which it shows a time. Pure.
//
// A wall time is represented as the milliseconds that it would be in UTC. Where clocks go forward, some wall
// times do not exist; where they go back, some occur twice. One rule covers both: the instant of a wall time
// is the first at which the clock shows it or a later time.

const HOUR_MS = 3_600_000;

/** No zone is further from UTC than this, and no zone changes its clocks twice within twice this time. */
const FARTHEST_MS = 26 * HOUR_MS;

/** The wall time at an instant. @param timeZone an IANA name */
export function wallMs(instantMs: number, timeZone: string): number {
  return instantMs + offsetMs(instantMs, timeZone);
}

/**
 * The first instant at which the clock shows this time or a later one. It never falls as the wall time rises:
 * a skipped time has the instant at which the gap ends, a repeated one has its first.
 */
export function instantOf(wall: number, timeZone: string): number {
  const before = offsetMs(wall - FARTHEST_MS, timeZone);
  const after = offsetMs(wall + FARTHEST_MS, timeZone);
  const shown = [wall - before, wall - after].filter((instant) => wallMs(instant, timeZone) === wall);
  return shown.length > 0 ? Math.min(...shown) : changeBetween(wall - after, wall - before, timeZone);
}

/** How far the clock was, within the last hours, ahead of what it shows now. Above 0 while hours repeat. */
export function repeatedMs(instantMs: number, timeZone: string): number {
  return Math.max(0, offsetMs(instantMs - 3 * HOUR_MS, timeZone) - offsetMs(instantMs, timeZone));
}

/** The instant in (earlierMs, laterMs] from which the offset is that of `laterMs`. */
function changeBetween(earlierMs: number, laterMs: number, timeZone: string): number {
  const after = offsetMs(laterMs, timeZone);
  let low = earlierMs;
  let high = laterMs;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (offsetMs(middle, timeZone) === after) high = middle;
    else low = middle;
  }
  return high;
}

/** Wall time minus UTC. */
function offsetMs(instantMs: number, timeZone: string): number {
  const seconds = Math.floor(instantMs / 1000) * 1000;
  const field: Record<string, number> = {};
  for (const { type, value } of formatOf(timeZone).formatToParts(seconds)) field[type] = Number(value);
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = field;
  return Date.UTC(year, month - 1, day, hour, minute, second) - seconds;
}

/** Creating a formatter takes a hundred times as long as using it. */
const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(timeZone: string): Intl.DateTimeFormat {
  const known = formats.get(timeZone);
  if (known !== undefined) return known;
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone,
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    second: "numeric",
  });
  formats.set(timeZone, format);
  return format;
}
