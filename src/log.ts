// The log: one line of JSON per event, always with the id of the copy, sync or store concerned. The platform
// adds the time and the invocation.
//
// Invariant: no secrets. Fields are ids, names, numbers and failure messages, which never quote credentials.
// URLs, headers and bodies of requests are not logged. An error that nobody foresaw may quote anything, so
// each line is searched, and each field is bounded.

import { toJson } from "./http/json.ts";
import { withoutSecrets } from "./store/secrets.ts";

type Field = string | number | boolean | null;

const MAX_FIELD_CHARACTERS = 2_500;

export function log(
  level: "info" | "warn" | "error",
  event: string,
  fields: Readonly<Record<string, Field>> = {},
): void {
  const bounded = Object.entries(fields).map(([name, value]) => [
    name,
    typeof value === "string" ? withoutSecrets(value).slice(0, MAX_FIELD_CHARACTERS) : value,
  ]);
  console[level](toJson({ level, event, ...Object.fromEntries(bounded) }));
}
