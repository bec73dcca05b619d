// The log: one line of JSON per event, always with the id of what it concerns. The platform adds time and
// invocation.
//
// Invariant: nothing secret. Fields are ids, names, numbers, and messages of failures, which never quote
// credentials; URLs, headers and bodies of requests are not logged.

type Field = string | number | boolean | null;

export function log(
  level: "info" | "warn" | "error",
  event: string,
  fields: Readonly<Record<string, Field>> = {},
): void {
  console[level](JSON.stringify({ level, event, ...fields }));
}
