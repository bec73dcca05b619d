// A page of a list as an answer: JSON, or a table of the columns that matter in a terminal.

import { type Call, answerText, wantsText } from "./call.ts";
import { nextLink } from "./many.ts";
import { textTable } from "./text_table.ts";
import { jsonResponse } from "../http/problem.ts";

/** A cell is the value under that name; of a path like `lastRun.phase`, a value inside of it. */
const COLUMNS = {
  copies: ["id", "phase", "source", "destination", "createdAt", "endedAt"],
  syncs: ["id", "phase", "source", "destination", "createdAt", "endedAt"],
  comparisons: ["id", "phase", "source", "destination", "createdAt", "endedAt"],
  schedules: ["name", "enabled", "cron", "timezone", "nextRunAt", "lastRun.outcome", "lastRun.phase"],
  replications: ["name", "phase", "source", "destination", "createdAt"],
  notifications: ["id", "type", "receiver", "state", "attempts", "workId", "problem"],
  calls: ["at", "who", "method", "route", "target", "status", "code", "times"],
} as const;

export function listResponse(
  call: Call,
  name: keyof typeof COLUMNS,
  rows: readonly object[],
  next: string | null,
): Response {
  if (!wantsText(call)) return jsonResponse({ [name]: rows, next });
  const cells = rows.map((row) => COLUMNS[name].map((path) => textAt(row, path)));
  return answerText(textTable(COLUMNS[name], cells), 200, nextLink(call, next));
}

function textAt(row: object, path: string): string {
  let value: unknown = row;
  for (const name of path.split("."))
    value = typeof value === "object" && value !== null ? Reflect.get(value, name) : null;
  if (value === null || value === undefined) return "";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
