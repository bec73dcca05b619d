// Which names a sync takes from its source, and what they become at the destination: the fields of a request
// for them. Pure, except for the env it is given.

import { z } from "zod";
import { Problem } from "../http/problem.ts";
import { type Rename, type RenameRule, compileRename } from "../listing/rename.ts";
import { type DestinationKey, destinationKey } from "../listing/prefix.ts";

/** The part of a sync's spec that says so. */
export interface NamesSpec {
  /** Applied in their order to the key below the source's prefix. Absent: names stay. */
  readonly rename?: readonly RenameRule[];
}

const MAX_RULES = 32;

const MAX_RULE_CHARACTERS = 1024;

const RULES_HINT = 'must be a list of {"match": "a pattern of RE2", "to": "a text"}';

const Rules = z
  .array(
    z.strictObject({
      match: z.string().min(1).max(MAX_RULE_CHARACTERS),
      to: z.string().max(MAX_RULE_CHARACTERS),
    }),
  )
  .min(1)
  .max(MAX_RULES)
  .superRefine((rules, context) => {
    const compiled = compileRename(rules);
    if (!compiled.ok) context.addIssue({ code: "custom", path: [compiled.rule], message: compiled.message });
  });

/** A form sends it as the text of the JSON. */
const RulesText = z.string().transform((text, context): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    context.addIssue({ code: "custom", message: `${RULES_HINT}, not ${JSON.stringify(text)}` });
    return z.NEVER;
  }
});

/** The fields of a request that set it. */
export const NameFields = {
  rename: z.union([Rules, RulesText.pipe(Rules)], { error: RULES_HINT }).optional(),
};

type NamesRequest = z.infer<z.ZodObject<typeof NameFields>>;

interface Others {
  readonly delete?: boolean | undefined;
  readonly markCopy?: boolean | undefined;
  readonly include?: readonly string[] | undefined;
  readonly exclude?: readonly string[] | undefined;
}

/** @throws {Problem} 400 for what cannot be asked for together */
export function namesOf({ rename }: NamesRequest, others: Others): NamesSpec {
  if (rename === undefined) return {};
  if (others.delete === true) checkDelete(others);
  return { rename };
}

/** A key at the destination does not tell which name it had at the source. */
function checkDelete({ markCopy, include, exclude }: Others): void {
  const withIt = '"delete" with "rename" ';
  if (markCopy === false) {
    const why = 'deletes only what the mark shows to be a copy: leave "markCopy" as it is';
    throw new Problem(400, "invalid_request", withIt + why);
  }
  if ((include ?? []).length + (exclude ?? []).length === 0) return;
  const why =
    'cannot be used with "include" or "exclude": a renamed key does not tell which name it had, and so not ' +
    "whether the patterns leave it out; sync a longer prefix, or delete in a run of its own";
  throw new Problem(400, "invalid_request", withIt + why);
}

/** The key of a source object at the destination, by the rules if there are any. */
export function targetOf(
  rename: Rename | null,
  prefix: string,
  { name, modifiedMs }: { readonly name: string; readonly modifiedMs: number | null },
  maxKeyBytes?: number,
): DestinationKey | Extract<ReturnType<Rename>, { ok: false }> {
  if (rename === null) return destinationKey(prefix, name, maxKeyBytes);
  const renamed = rename(name, modifiedMs);
  return renamed.ok ? destinationKey(prefix, renamed.name, maxKeyBytes) : renamed;
}
