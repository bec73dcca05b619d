// Whether a key matches a compiled pattern. glob.ts has the language and compiles it. Pure.
//
// Invariant: matching one alternative takes time proportional to pattern × text at worst, so no pattern
// hangs. That is why patterns are not turned into regular expressions. When a match fails after a star, only
// the last star takes one more character: an earlier star that took more would leave less text for the same
// rest. "**" is tracked separately, since "*" stops at "/".

export type Token =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "one" }
  | {
      readonly kind: "class";
      readonly negated: boolean;
      readonly ranges: readonly (readonly [number, number])[];
    }
  | { readonly kind: "star" }
  | { readonly kind: "stars" }
  | { readonly kind: "levels" };

/** A compiled pattern: its text, and one row of tokens for each choice of alternatives in its braces. */
export interface Glob {
  readonly text: string;
  /** With every choice written out. */
  readonly characters: number;
  readonly alternatives: readonly (readonly Token[])[];
}

/** Whether a pattern matches the whole text. */
export function matchesGlob({ alternatives }: Glob, text: string): boolean {
  return alternatives.some((tokens) => matchesRow(tokens, text));
}

interface Retry {
  readonly token: number;
  at: number;
}

function matchesRow(tokens: readonly Token[], text: string): boolean {
  let star: Retry | null = null;
  let wide: (Retry & { readonly wholeLevels: boolean }) | null = null;
  let [token, at] = [0, 0];
  for (;;) {
    const current = tokens[token];
    if (current === undefined && at === text.length) return true;
    if (current?.kind === "star") {
      star = { token: ++token, at };
      continue;
    }
    if (current?.kind === "stars" || current?.kind === "levels") {
      wide = { token: ++token, at, wholeLevels: current.kind === "levels" };
      star = null;
      continue;
    }
    const end = current === undefined ? -1 : stepOver(current, text, at);
    if (end >= 0) {
      token++;
      at = end;
      continue;
    }
    if (star !== null && star.at < text.length && text.charAt(star.at) !== "/") {
      star.at += widthAt(text, star.at);
      [token, at] = [star.token, star.at];
      continue;
    }
    if (wide === null || wide.at >= text.length) return false;
    star = null;
    if (wide.wholeLevels) {
      const slash = text.indexOf("/", wide.at);
      if (slash < 0) return false;
      wide.at = slash + 1;
    } else wide.at += widthAt(text, wide.at);
    [token, at] = [wide.token, wide.at];
  }
}

/** Where the text continues after a token of fixed width, or -1 if the token does not match. */
function stepOver(token: Token, text: string, at: number): number {
  if (token.kind === "text") return text.startsWith(token.text, at) ? at + token.text.length : -1;
  const code = text.codePointAt(at);
  if (code === undefined || code === 0x2f) return -1;
  if (token.kind === "class") {
    const isListed = token.ranges.some(([low, high]) => code >= low && code <= high);
    if (isListed === token.negated) return -1;
  }
  return at + widthAt(text, at);
}

function widthAt(text: string, at: number): number {
  return (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1;
}
