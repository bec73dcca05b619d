// Numbers in the query of a request, parsed once at the door. Pure.

import { Problem } from "./problem.ts";

/** @throws {Problem} 400 */
export function readCount(
  query: URLSearchParams,
  name: string,
  { fallback, min, max }: { fallback: number; min: number; max: number },
): number {
  const text = query.get(name);
  if (text === null) return fallback;
  if (/^\d+$/.test(text) && Number(text) >= min && Number(text) <= max) return Number(text);
  throw new Problem(
    400,
    "invalid_request",
    `"${name}" must be a whole number from ${min} to ${max}, not "${text}"`,
  );
}
