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

/** `?name` and `?name=true` alike. @throws {Problem} 400 */
export function readSwitch(query: URLSearchParams, name: string): boolean {
  const text = query.get(name) ?? "false";
  if (text === "" || text === "true" || text === "false") return text !== "false";
  throw new Problem(400, "invalid_request", `"${name}" must be true or false, not "${text}"`);
}
