// What is wrong with a value, in the mesh's own words: `must be one of auto, strict, off, not "md5"`. For
// zod's safeParse(), which asks for the words of every issue that its schema has none for. Pure.

import type { z } from "zod";

type Issue = z.core.$ZodRawIssue;

/** Names the value too, as far as it fits. For requests: a secret must not be shown. */
export function wordsOf(issue: Issue): string | undefined {
  if (issue.input === undefined) return "is missing";
  const rule = ruleOf(issue);
  return rule === undefined ? undefined : `${rule}, not ${shown(issue.input)}`;
}

/** Says only what is allowed. For secrets, of which no part may be shown. */
export function ruleOf(issue: Issue): string | undefined {
  if (issue.input === undefined) return "is missing";
  switch (issue.code) {
    case "invalid_type":
      return `must be ${KINDS[issue.expected] ?? issue.expected}`;
    case "invalid_value":
      return oneOf(issue.values);
    case "invalid_union":
      return Array.isArray(issue["options"]) ? oneOf(issue["options"]) : undefined;
    case "too_small":
      return boundOf(issue.origin, issue.inclusive === false ? "above" : "at least", Number(issue.minimum));
    case "too_big":
      return boundOf(issue.origin, issue.inclusive === false ? "below" : "at most", Number(issue.maximum));
    default:
      return undefined;
  }
}

const KINDS: Readonly<Record<string, string>> = {
  string: "text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  object: "an object",
  record: "an object",
  array: "a list",
};

function oneOf(values: readonly unknown[]): string {
  const names = values.map(String).join(", ");
  return values.length === 1 ? `must be ${names}` : `must be one of ${names}`;
}

function boundOf(origin: string, relation: string, bound: number): string {
  const unit = UNITS[origin];
  return unit === undefined
    ? `must be ${relation} ${bound}`
    : `must have ${relation} ${bound} ${unit}${bound === 1 ? "" : "s"}`;
}

const UNITS: Readonly<Record<string, string>> = { string: "character", array: "value" };

const MAX_SHOWN = 100;

function shown(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length <= MAX_SHOWN ? text : `${text.slice(0, MAX_SHOWN)}…`;
}
