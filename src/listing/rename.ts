// Names that objects get at the destination by rules, instead of their own. Pure.
//
// A rule is a pattern in the syntax of RE2 (https://github.com/google/re2/wiki/Syntax), which looks neither
// back nor ahead, and so takes time in proportion to the name, and a text. Every match of the pattern in the
// name is replaced by the text; what is not matched stays. `^…$` matches the whole name. The rules are
// applied one after the other, each to what the one before has made.
//
//   $1 ${1} ${year}       what a group has matched, if it has; $0 is the whole match
//   ${1:lower} ${1:upper} the same in lower or upper case
//   {yyyy} {mm} {dd} {HH} {MM}  when the source object was last modified, in UTC, spelled as in schedules
//                         ({hh} is {HH})
//   $$                    a dollar sign; {{ and }} are braces
//
// A name follows from the name and the time alone, so every part that asks gets the same answer. Rules need
// not keep the order of the names, nor keep two names apart: a listing of the destination cannot be merged
// with renamed names, and whether two become one is known only when all are known (sync/images.ts).

import { RE2JS, RE2JSException } from "re2js";

export interface RenameRule {
  readonly match: string;
  readonly to: string;
}

type Renamed =
  | { readonly ok: true; readonly name: string }
  /** `invalid_key`: a part of a path that URLs resolve. `rename_impossible`: the rule needs a time. */
  | { readonly ok: false; readonly code: "invalid_key" | "rename_impossible"; readonly message: string };

/** @param modifiedMs of the source object; null: not known */
export type Rename = (name: string, modifiedMs: number | null) => Renamed;

type Compiled =
  | { readonly ok: true; readonly rename: Rename; readonly needsTime: boolean }
  /** `rule`: its index. */
  | { readonly ok: false; readonly rule: number; readonly message: string };

/** Instructions of all patterns together. A name of 1,024 bytes takes at most some 10 ms then. */
const MAX_INSTRUCTIONS = 5_000;

interface Rule {
  readonly pattern: RE2JS;
  readonly parts: readonly Part[];
}

type Part =
  | string
  | { readonly group: number; readonly as: "is" | "lower" | "upper" }
  | { readonly time: keyof typeof TIME };

/** Where each stands in an ISO 8601 time. */
const TIME = { yyyy: [0, 4], mm: [5, 7], dd: [8, 10], HH: [11, 13], hh: [11, 13], MM: [14, 16] } as const;

/** The names as they are, if there are no rules. @returns what is wrong with the first rule that is wrong */
export function compileRename(rules: readonly RenameRule[]): Compiled {
  const compiled: Rule[] = [];
  let instructions = 0;
  for (const [rule, { match, to }] of rules.entries()) {
    const made = compileRule(match, to);
    if (typeof made === "string") return { ok: false, rule, message: made };
    instructions += made.pattern.programSize();
    if (instructions > MAX_INSTRUCTIONS) {
      const message = `the patterns have more than ${MAX_INSTRUCTIONS} steps together: repeat less in them`;
      return { ok: false, rule, message };
    }
    compiled.push(made);
  }
  const needsTime = compiled.some(({ parts }) => parts.some(isTime));
  const rename: Rename = (name, modifiedMs) => {
    if (needsTime && modifiedMs === null) {
      const message = "a rule names its time, and the source does not say when it was last modified";
      return { ok: false, code: "rename_impossible", message };
    }
    const time = new Date(modifiedMs ?? 0).toISOString();
    const renamed = compiled.reduce((text, each) => applyRule(each, text, time), name);
    if (renamed === name || !hasDots(renamed) || hasDots(name)) return { ok: true, name: renamed };
    const message = `the name becomes ${JSON.stringify(renamed)}, with "." or ".." as a part of its path`;
    return { ok: false, code: "invalid_key", message };
  };
  return { ok: true, rename, needsTime };
}

/** @throws {RangeError} for rules that compileRename() refuses */
export function renaming(rules: readonly RenameRule[]): Rename {
  const compiled = compileRename(rules);
  if (!compiled.ok) throw new RangeError(compiled.message);
  return compiled.rename;
}

function compileRule(match: string, to: string): Rule | string {
  let pattern: RE2JS;
  try {
    pattern = RE2JS.compile(match);
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error;
    const why = error.message.replace(/^error parsing regexp: /, "");
    return `"match": ${JSON.stringify(match)} is no pattern of RE2: ${why}`;
  }
  const parts: Part[] = [];
  for (let at = 0; at < to.length;) {
    const [token = to.charAt(at)] = TOKEN.exec(to.slice(at)) ?? [];
    const part = partOf(token, pattern);
    if (part === null) {
      const groups = ["$0", ...groupsOf(pattern)].join(", ");
      const times = Object.keys(TIME).map((name) => `{${name}}`);
      return (
        `"to" has ${JSON.stringify(token)} at character ${at + 1} of ${JSON.stringify(to)}; known are ` +
        `${groups}, with :lower and :upper as in \${0:lower}, ${times.join(", ")}, and $$, {{ and }} for ` +
        "these characters themselves"
      );
    }
    parts.push(part);
    at += token.length;
  }
  return { pattern, parts };
}

const TOKEN = /^(?:\$\$|\{\{|\}\}|\$\d+|\$\{[^{}]*\}|\{[^{}]*\}|[^${}]+)/;

/** Null: it means nothing. */
function partOf(token: string, pattern: RE2JS): Part | null {
  if (token === "$$" || token === "{{" || token === "}}") return token.charAt(0);
  if (!/[${}]/.test(token)) return token;
  const time = /^\{(\w+)\}$/.exec(token)?.[1] ?? "";
  if (Object.hasOwn(TIME, time)) return { time: time as keyof typeof TIME };
  const [, bare, braced, as = "is"] = /^\$(?:(\d+)|\{(\w+)(?::(lower|upper))?\})$/.exec(token) ?? [];
  const name = bare ?? braced ?? "";
  const group = /^\d+$/.test(name) ? Number(name) : pattern.namedGroups()[name];
  if (group === undefined || group > pattern.groupCount()) return null;
  return { group, as: as as "is" | "lower" | "upper" };
}

function groupsOf(pattern: RE2JS): string[] {
  const names = new Map(Object.entries(pattern.namedGroups()).map(([name, group]) => [group, name]));
  return Array.from({ length: pattern.groupCount() }, (_, index) => {
    const name = names.get(index + 1);
    return name === undefined ? `$${index + 1}` : `\${${name}}`;
  });
}

function applyRule({ pattern, parts }: Rule, name: string, time: string): string {
  const matcher = pattern.matcher(name);
  let text = "";
  let doneUntil = 0;
  // Like Go's ReplaceAll, an empty match right behind another match does not count.
  let lastEnd = -1;
  while (matcher.find()) {
    const [start, end] = [matcher.start(), matcher.end()];
    if (end === start && start === lastEnd) continue;
    text += name.slice(doneUntil, start);
    for (const part of parts) {
      if (typeof part === "string") text += part;
      else if (isTime(part)) text += time.slice(...TIME[part.time]);
      else text += inCase(matcher.group(part.group) ?? "", part.as);
    }
    doneUntil = lastEnd = end;
  }
  return text + name.slice(doneUntil);
}

function isTime(part: Part): part is Extract<Part, { time: string }> {
  return typeof part === "object" && "time" in part;
}

function inCase(text: string, as: "is" | "lower" | "upper"): string {
  if (as === "is") return text;
  return as === "lower" ? text.toLowerCase() : text.toUpperCase();
}

function hasDots(name: string): boolean {
  return name.split("/").some((part) => part === "." || part === "..");
}
