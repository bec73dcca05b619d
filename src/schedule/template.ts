// Times in the destination of a schedule: `backup/{yyyy}-{mm}-{dd}/` is a new prefix every day. Pure.
//
//   {yyyy} year   {mm} month   {dd} day   {HH} hour, 00 to 23   {MM} minute    {{ and }} are literal braces
//
// The time is the one at which the run was due, in the schedule's time zone, not the one at which it started.
// So a run that is late or delivered twice writes where it was meant to.

const FIELDS = {
  yyyy: "year",
  mm: "month",
  dd: "day",
  HH: "hour",
  MM: "minute",
} as const satisfies Record<string, Intl.DateTimeFormatPartTypes>;

type Field = keyof typeof FIELDS;

/** Why a template is not valid, with the position of the error; null if it is valid. */
export function checkTemplate(text: string): string | null {
  const parsed = parse(text);
  return parsed.ok ? null : parsed.problem;
}

/** @throws {RangeError} for what checkTemplate() refuses */
export function fillTemplate(text: string, atMs: number, timeZone: string): string {
  const parsed = parse(text);
  if (!parsed.ok) throw new RangeError(parsed.problem);
  if (parsed.parts.every((part) => typeof part === "string")) return parsed.parts.join("");
  const values = new Map<string, string>();
  const format = new Intl.DateTimeFormat("en-GB", {
    timeZone,
    calendar: "gregory",
    numberingSystem: "latn",
    hourCycle: "h23",
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
  });
  for (const { type, value } of format.formatToParts(atMs)) values.set(type, value);
  const valueOf = (field: Field) => (values.get(FIELDS[field]) ?? "").padStart(field.length, "0");
  return parsed.parts.map((part) => (typeof part === "string" ? part : valueOf(part.field))).join("");
}

type Parsed =
  | { readonly ok: true; readonly parts: readonly (string | { readonly field: Field })[] }
  | { readonly ok: false; readonly problem: string };

function parse(text: string): Parsed {
  const parts: (string | { field: Field })[] = [];
  for (let at = 0; at < text.length;) {
    const [token = ""] = /^(?:\{\{|\}\}|\{[^{}]*\}|[^{}]+)/.exec(text.slice(at)) ?? [];
    const name = token.slice(1, -1);
    if (token === "{{" || token === "}}") parts.push(token.charAt(0));
    else if (token !== "" && !token.startsWith("{")) parts.push(token);
    else if (isField(name)) parts.push({ field: name });
    else {
      const what = token === "" ? `a single "${text.charAt(at)}"` : `"${token}"`;
      return {
        ok: false,
        problem:
          `has ${what} at character ${at + 1} of ${JSON.stringify(text)}; known are ` +
          `${Object.keys(FIELDS)
            .map((field) => `{${field}}`)
            .join(", ")}, and {{ and }} for braces themselves`,
      };
    }
    at += token.length;
  }
  return { ok: true, parts };
}

function isField(name: string): name is Field {
  return Object.hasOwn(FIELDS, name);
}
