// Limits that the configuration or a request sets: bytes and requests per second, transfers at once, the same
// at every hour or by the hours of the week. Pure: the clock is an argument. What enforces them:
// throttle/governor.ts names it.

import { z } from "zod";
import { parseSize } from "../http/fields.ts";

/** With less, a part of usual size would not pass in the time that an event may last. */
export const LEAST_BYTES_PER_SECOND = 256 * 1024;

const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] as const;

const MAX_WINDOWS = 50;

const RATE_HINT = `must be 0, or at least 256KiB: bytes, or text with a unit such as "20MB" or "100MiB"`;

/** `0` pauses. */
export const BytesPerSecond = z
  .union([z.number(), z.string()], { error: RATE_HINT })
  .transform((value, context) => {
    const bytes = parseSize(value);
    if (bytes === 0 || (bytes !== null && bytes >= LEAST_BYTES_PER_SECOND)) return bytes;
    context.addIssue({ code: "custom", message: `${RATE_HINT}, not ${JSON.stringify(value)}` });
    return z.NEVER;
  });

const HourOfDay = (last: string) =>
  z
    .string()
    .regex(last === "24:00" ? /^(?:(?:[01]\d|2[0-3]):[0-5]\d|24:00)$/ : /^(?:[01]\d|2[0-3]):[0-5]\d$/, {
      error: `must be an hour from 00:00 to ${last}, such as "07:30"`,
    });

const TimeZone = z
  .string()
  .max(64)
  .refine(isTimeZone, { error: 'must be a time zone such as "Europe/Berlin"' });

const When = {
  days: z.array(z.enum(DAYS)).min(1).optional(),
  from: HourOfDay("23:59").optional(),
  to: HourOfDay("24:00").optional(),
  timezone: TimeZone.optional(),
};

/** In these hours its values take the place of those that hold otherwise; null: no limit. */
const WindowSchema = z.strictObject({
  ...When,
  maxBytesPerSecond: BytesPerSecond.nullable().optional(),
  maxConcurrency: z.int().min(1).nullable().optional(),
  maxRequestsPerSecond: z.number().min(0).nullable().optional(),
});

export const WindowsSchema = z.array(WindowSchema).max(MAX_WINDOWS);

type LimitWindow = z.infer<typeof WindowSchema>;

/** Of a copy or sync, as its spec has them. */
export interface JobLimits {
  readonly maxBytesPerSecond?: number;
  readonly limits?: LimitWindow[];
}

/** The fields of a request for a copy or sync. */
export const LimitFields = {
  maxBytesPerSecond: BytesPerSecond.optional(),
  limits: WindowsSchema.optional(),
};

/** The limits of a request or spec; no field where there is none. */
export function limitsOf({
  maxBytesPerSecond,
  limits,
}: { readonly [Name in keyof JobLimits]: JobLimits[Name] | undefined }): JobLimits {
  return {
    ...(maxBytesPerSecond === undefined ? {} : { maxBytesPerSecond }),
    ...(limits === undefined ? {} : { limits }),
  };
}

/** Of a store or of a job. The first window that a moment is in counts. */
export interface Limits {
  readonly maxBytesPerSecond?: number | undefined;
  readonly maxRequestsPerSecond?: number | undefined;
  readonly maxConcurrency?: number | undefined;
  readonly limits?: readonly LimitWindow[] | undefined;
}

type Kind = "maxBytesPerSecond" | "maxRequestsPerSecond" | "maxConcurrency";

/** What holds now; Infinity: no limit. */
export function ceilingAt(limits: Limits, kind: Kind, now: number): number {
  const window = limits.limits?.find((candidate) => holdsAt(candidate, now));
  const inWindow = window?.[kind];
  if (inWindow === null) return Infinity;
  return inWindow ?? limits[kind] ?? Infinity;
}

/** Is there a limit of this kind at any hour? */
export function isLimited(limits: Limits, kind: Kind): boolean {
  return (
    limits[kind] !== undefined || (limits.limits ?? []).some((window) => typeof window[kind] === "number")
  );
}

/** By store, the most transfers that it allows at any hour; Infinity: it does not limit them at some hour. */
export function mostAtOnce(...stores: readonly Limits[]): number[] {
  return stores.map(({ maxConcurrency: usual = Infinity, limits = [] }) => {
    const windows = limits.map(({ maxConcurrency = usual }) => maxConcurrency ?? Infinity);
    return Math.max(usual, ...windows);
  });
}

const DAY_MINUTES = 24 * 60;

function holdsAt(
  { days, from = "00:00", to = "24:00", timezone = "UTC" }: LimitWindow,
  now: number,
): boolean {
  const { day, minute } = localTime(timezone, now);
  const [begin, end] = [minuteOf(from), minuteOf(to)];
  const isOn = (index: number) => days === undefined || days.includes(DAYS[(index + 7) % 7] ?? "mon");
  if (begin < end) return minute >= begin && minute < end && isOn(day);
  // Over midnight it belongs to the day on which it begins.
  return (minute >= begin && isOn(day)) || (minute < end && isOn(day - 1));
}

function minuteOf(text: string): number {
  const [hours = 0, minutes = 0] = text.split(":").map(Number);
  return Math.min(DAY_MINUTES, hours * 60 + minutes);
}

/** By time zone, with what it said of the minute that was asked last: streams ask several times a second. */
const zones = new Map<string, { format: Intl.DateTimeFormat; minuteMs: number; local: LocalTime }>();

interface LocalTime {
  /** 0 is Monday. */
  readonly day: number;
  readonly minute: number;
}

function localTime(timezone: string, now: number): LocalTime {
  const minuteMs = Math.floor(now / 60_000) * 60_000;
  const known = zones.get(timezone);
  if (known?.minuteMs === minuteMs) return known.local;
  const format = known?.format ?? formatOf(timezone);
  const parts = new Map(format.formatToParts(minuteMs).map(({ type, value }) => [type, value]));
  const day = DAYS.findIndex((name) => name === parts.get("weekday")?.toLowerCase());
  const local = { day, minute: Number(parts.get("hour")) * 60 + Number(parts.get("minute")) };
  zones.set(timezone, { format, minuteMs, local });
  return local;
}

function formatOf(timezone: string): Intl.DateTimeFormat {
  return new Intl.DateTimeFormat("en-US", {
    timeZone: timezone,
    weekday: "short",
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
  });
}

function isTimeZone(text: string): boolean {
  try {
    formatOf(text);
    return true;
  } catch {
    return false;
  }
}
