// The values that nobody may read: what this isolate signs with, and what it encrypts with. A store can
// repeat any of them, because it is told most of them with each request. s3/told.ts takes them out of what it
// says.
//
// In memory: whoever talks to a store has parsed its secret before.

const known = new Set<string>();

// Made from them when they are asked for.
let pattern: RegExp | null = null;
let folded: readonly string[] | null = null;

/** No credential is shorter, and a text without such a value could not be read. */
const LEAST_CHARACTERS = 4;

/** From here on these are secrets to whoever searches a text. */
export function keepSecrets(values: readonly (string | undefined)[]): void {
  for (const value of values) {
    if (value === undefined || value.length < LEAST_CHARACTERS || known.has(value)) continue;
    known.add(value);
    known.add(encodeURIComponent(value)); // as a query has it
    pattern = null;
    folded = null;
  }
}

/** The text with `…` in place of every secret. */
export function withoutSecrets(text: string): string {
  pattern ??= patternOf([...known]);
  return text.replace(pattern, "…");
}

/** Whether it holds a secret that it cannot hold by chance. */
export function hasSecret(text: string): boolean {
  folded ??= [...known].filter(({ length }) => length >= WORD_CHARACTERS).map((value) => value.toLowerCase());
  const searched = text.toLowerCase();
  return folded.some((value) => searched.includes(value));
}

/** A value as short as a word is taken for a secret only where it stands alone. */
const WORD_CHARACTERS = 8;

function patternOf(values: readonly string[]): RegExp {
  const longestFirst = values.toSorted((one, other) => other.length - one.length);
  const alternatives = longestFirst.map((value) =>
    value.length < WORD_CHARACTERS ? `(?<![A-Za-z0-9])${literal(value)}(?![A-Za-z0-9])` : literal(value),
  );
  return new RegExp(alternatives.length === 0 ? "(?!)" : alternatives.join("|"), "gi");
}

function literal(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, String.raw`\$&`);
}
