// The log: one line of JSON per event, always with the id of the copy, sync or store concerned. The platform
// adds the time and the invocation.
//
// Invariant: no secrets. Fields are ids, names, numbers and failure messages, which never quote credentials.
// URLs, headers and bodies of requests are not logged.

import { toJson } from "./http/json.ts";

type Field = string | number | boolean | null;

export function log(
  level: "info" | "warn" | "error",
  event: string,
  fields: Readonly<Record<string, Field>> = {},
): void {
  console[level](toJson({ level, event, ...fields }));
}
