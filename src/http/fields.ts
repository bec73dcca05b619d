// The fields that requests and answers share: counts, sizes with a unit, header values, flags and times. Also
// turns a zod error into a Problem. Pure.

import { z } from "zod";
import { Problem } from "./problem.ts";
import { wordsOf } from "./words.ts";

const UNIT_BYTES: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
};

/**
 * Parses `67108864`, `"67108864"`, `"64MiB"` or `"1.5 GB"` into bytes. Null if it is not a size or not a
 * whole number of bytes.
 */
export function parseSize(value: string | number): number | null {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(String(value).trim());
  if (match === null) return null;
  const [, digits = "", unit = ""] = match;
  const unitBytes = unit === "" ? 1 : UNIT_BYTES[unit.toLowerCase()];
  if (unitBytes === undefined) return null;
  // Computed in integers, because 8.03 * 1000 is not 8030 in floating point.
  const [whole = "", fraction = ""] = digits.split(".");
  const sizeBytes = (Number(whole + fraction) * unitBytes) / 10 ** fraction.length;
  return Number.isSafeInteger(sizeBytes) ? sizeBytes : null;
}

const SIZE_HINT =
  'bytes, or text with a unit such as "64MiB" (B, KiB, MiB, GiB, TiB; KB, MB, GB, TB are powers of 1,000)';

export const Count = (max: number) => Span({ min: 1, max });

/** A whole number between both. Forms send it as text. */
export const Span = ({ min, max }: { readonly min: number; readonly max: number }) => {
  const hint = `must be a whole number from ${min} to ${max}`;
  return z.union([z.number(), z.string()], { error: hint }).transform((value, context) => {
    const count = typeof value === "string" && !/^\d+$/.test(value) ? Number.NaN : Number(value);
    if (Number.isInteger(count) && count >= min && count <= max) return count;
    context.addIssue({ code: "custom", message: `${hint}, not ${JSON.stringify(value)}` });
    return z.NEVER;
  });
};

export const Size = z
  .union([z.number(), z.string()], { error: `must be ${SIZE_HINT}` })
  .transform((value, context) => {
    const sizeBytes = parseSize(value);
    if (sizeBytes !== null) return sizeBytes;
    context.addIssue({ code: "custom", message: `must be ${SIZE_HINT}, not ${JSON.stringify(value)}` });
    return z.NEVER;
  });

const INSTANT_HINT = 'must be a time with its zone, such as "2026-11-01T00:00:00Z"';

/** A time, in the form of isoTime(). */
export const Instant = z.string({ error: INSTANT_HINT }).transform((text, context) => {
  const atMs = Date.parse(text);
  if (z.iso.datetime({ offset: true }).safeParse(text).success && Number.isFinite(atMs)) return isoTime(atMs);
  context.addIssue({ code: "custom", message: `${INSTANT_HINT}, not ${JSON.stringify(text)}` });
  return z.NEVER;
});

/** A size, or this word. */
export const SizeOr = <Word extends string>(word: Word) => {
  const hint = `must be ${SIZE_HINT}, or ${JSON.stringify(word)}`;
  return z.union([z.number(), z.string()], { error: hint }).transform((value, context) => {
    const size = value === word ? word : parseSize(value);
    if (size !== null) return size;
    context.addIssue({ code: "custom", message: `${hint}, not ${JSON.stringify(value)}` });
    return z.NEVER;
  });
};

/** All headers of an object that S3 keeps have 2 KB together. */
const MAX_HEADER_CHARACTERS = 2048;

/**
 * A value that may be sent in a header. A line break would start another header, and stores refuse other
 * control characters without a word.
 */
export const HeaderText = z
  .string()
  .max(MAX_HEADER_CHARACTERS)
  // oxlint-disable-next-line no-control-regex -- the control characters are what it is about
  .regex(/^[^\x00-\x1f\x7f]*$/, "must not contain line breaks or other control characters");

/** Forms send booleans as `"true"` and `"false"`. */
export const Flag = z
  .union([z.boolean(), z.enum(["true", "false"])])
  .transform((value) => value === true || value === "true");

export function parseWith<T>(schema: z.ZodType<T>, body: unknown): T {
  const parsed = schema.safeParse(body, { error: wordsOf });
  if (parsed.success) return parsed.data;
  throw new Problem(400, "invalid_request", parsed.error.issues.map(describeIssue).join("; "));
}

function describeIssue(issue: z.core.$ZodIssue): string {
  if (issue.code === "invalid_union") {
    // The branch that got furthest explains best: a string that does not parse, or an object with a wrong
    // field.
    const inner = issue.errors.flat().find((candidate) => candidate.code !== "invalid_type");
    if (inner !== undefined) return describeIssue({ ...inner, path: [...issue.path, ...inner.path] });
  }
  const field = issue.path.length === 0 ? "The body" : `"${issue.path.join(".")}"`;
  const [reason] = issue.code === "invalid_key" ? issue.issues : [];
  if (reason !== undefined) return `${field} ${reason.message}`;
  if (issue.code === "unrecognized_keys") {
    const where = issue.path.length === 0 ? "" : ` in ${field}`;
    return `Unknown field ${issue.keys.map((key) => `"${key}"`).join(", ")}${where}`;
  }
  return `${field} ${issue.message}`;
}

export const MIB = 1024 * 1024;

/** A time in the form of all answers. Null stands for none. */
export function isoTime(ms: number): string;
export function isoTime(ms: number | null): string | null;
export function isoTime(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}
