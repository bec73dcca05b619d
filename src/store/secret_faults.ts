// What is said of a STORE_<NAME> secret that is bad: the field and what is allowed there. Pure.
//
// Invariant: never the value found, of which any part may be the key.

import { z } from "zod";
import { ruleOf } from "../http/words.ts";

/** A secret by its schema. @returns the value, or what is wrong with it, a sentence for each fault */
export function readWith<Schema extends z.ZodObject>(
  schema: Schema,
  json: unknown,
): { readonly data: z.infer<Schema> | null; readonly faults: readonly string[] } {
  const parsed = z.safeParse(schema, json, { error: ruleOf });
  if (parsed.success) return { data: parsed.data, faults: [] };
  const known = Object.keys(schema.shape);
  return { data: null, faults: parsed.error.issues.map((issue) => faultOf(issue, known)) };
}

function faultOf(issue: z.core.$ZodIssue, known: readonly string[]): string {
  if (issue.code === "unrecognized_keys") {
    // A key pasted in the wrong place must not be shown. A field's name is short and has only letters.
    const names = issue.keys.map((key) =>
      /^[A-Za-z]{1,24}$/.test(key) ? `"${key}"` : `of ${key.length} characters`,
    );
    const unknown = `unknown field ${names.join(", ")}`;
    if (issue.path.length > 0) return `${unknown} in "${issue.path.join(".")}"`;
    return `${unknown}; known are ${known.join(", ")}`;
  }
  const field = issue.path.length === 0 ? "the value" : `"${issue.path.join(".")}"`;
  return `${field} ${issue.message}`;
}
