// Glob patterns for keys. Pure.
//
//   *       any characters but "/", or none         [abc] [a-z]  one of these characters, never "/"
//   **      any characters, including "/", or none  [!abc]       one character but these, never "/"
//   **/     any number of whole levels, or none     {a,b/*}      either pattern; may be nested or empty
//   ?       one character but "/"
//
// Every other character is literal, including the backslash, leading dots, line breaks and doubled slashes. A
// special character is made literal by brackets: `[*]`, `[{]`, `[[]`. A pattern matches the whole text and is
// case-sensitive. A character is a Unicode code point. A key is not a file path, which is why no glob library
// fits: picomatch and minimatch read "\" as an escape, let no "." match a line break and refuse "..".
//
// Invariant: matching one alternative takes time proportional to pattern × text at worst, so no pattern
// hangs. That is why patterns are not turned into regular expressions. When a match fails after a star, only
// the last star takes one more character: an earlier star that took more would leave less text for the same
// rest. "**" is tracked separately, since "*" stops at "/".

type Token =
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
  readonly alternatives: readonly (readonly Token[])[];
}

type CompiledGlob =
  | { readonly ok: true; readonly glob: Glob }
  /** @property position of the offending character, counted from 1 */
  | { readonly ok: false; readonly position: number; readonly message: string };

export const MAX_GLOB_LENGTH = 1024;

const MAX_GLOB_ALTERNATIVES = 256;

class BadGlob extends Error {
  readonly position: number;
  constructor(position: number, message: string) {
    super(message);
    this.position = position;
  }
}

export function compileGlob(text: string): CompiledGlob {
  try {
    if (text === "") throw new BadGlob(1, "the pattern is empty and would match nothing");
    if (text.length > MAX_GLOB_LENGTH) {
      throw new BadGlob(MAX_GLOB_LENGTH + 1, `the pattern is longer than ${MAX_GLOB_LENGTH} characters`);
    }
    const parser = new Parser(text);
    const rows = parser.alternatives(false);
    return { ok: true, glob: { text, alternatives: rows.map(finishRow) } };
  } catch (error) {
    if (!(error instanceof BadGlob)) throw error;
    return { ok: false, position: error.position, message: error.message };
  }
}

/** Whether a pattern matches the whole text. */
export function matchesGlob({ alternatives }: Glob, text: string): boolean {
  return alternatives.some((tokens) => matchesRow(tokens, text));
}

// --- Reading ------------------------------------------------------------------------------------

/** While braces are expanded, stars stay as written: "{*,a}*" can yield a "**" that nobody wrote. */
type Piece = Token | { readonly kind: "level_stars"; readonly slash: boolean };

class Parser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** Parses up to the end of the text or, within braces, up to the "," or "}" that ends the alternative. */
  alternatives(isInBraces: boolean): Piece[][] {
    let rows: Piece[][] = [[]];
    while (this.#at < this.#text.length) {
      const character = this.#text.charAt(this.#at);
      if (isInBraces && (character === "," || character === "}")) break;
      const from = this.#at;
      const choices = character === "{" ? this.#braces() : [[this.#piece()]];
      rows = rows.flatMap((row) => choices.map((choice) => [...row, ...choice]));
      if (rows.length > MAX_GLOB_ALTERNATIVES) {
        throw new BadGlob(from + 1, `the braces expand to more than ${MAX_GLOB_ALTERNATIVES} alternatives`);
      }
    }
    return rows;
  }

  #braces(): Piece[][] {
    const open = this.#at;
    const choices: Piece[][] = [];
    do {
      this.#at++; // "{" or ","
      choices.push(...this.alternatives(true));
    } while (this.#text.charAt(this.#at) === ",");
    if (this.#at >= this.#text.length) {
      throw new BadGlob(open + 1, 'the "{" is never closed by "}" (a literal brace is written [{])');
    }
    this.#at++;
    return choices;
  }

  #piece(): Piece {
    const character = this.#text.charAt(this.#at);
    if (character === "[") return this.#class();
    if (character === "*") {
      const [stars = ""] = /^\*+/.exec(this.#text.slice(this.#at)) ?? [];
      this.#at += stars.length;
      if (stars.length === 1) return { kind: "star" };
      const slash = this.#text.charAt(this.#at) === "/";
      if (slash) this.#at++;
      return { kind: "level_stars", slash };
    }
    this.#at++;
    return character === "?" ? { kind: "one" } : { kind: "text", text: character };
  }

  #class(): Token {
    const open = this.#at++;
    const negated = /[!^]/.test(this.#text.charAt(this.#at));
    if (negated) this.#at++;
    const ranges: [number, number][] = [];
    for (;;) {
      const start = this.#at;
      const from = this.#classCharacter(open);
      if (from === "]" && ranges.length > 0) break; // as the first character it is literal
      const next = this.#text.charAt(this.#at + 1);
      const isRange = this.#text.charAt(this.#at) === "-" && next !== "]" && next !== "";
      if (isRange) this.#at++;
      const to = isRange ? this.#classCharacter(open) : from;
      const [low, high] = [from.codePointAt(0) ?? 0, to.codePointAt(0) ?? 0];
      if (low > high) {
        throw new BadGlob(start + 1, `the range ${from}-${to} runs backwards`);
      }
      ranges.push([low, high]);
    }
    return { kind: "class", negated, ranges };
  }

  #classCharacter(open: number): string {
    const code = this.#text.codePointAt(this.#at);
    if (code === undefined) {
      throw new BadGlob(open + 1, 'the "[" is never closed by "]" (a literal bracket is written [[])');
    }
    const character = String.fromCodePoint(code);
    if (character === "/") {
      throw new BadGlob(
        this.#at + 1,
        'a "/" in brackets can never match: brackets match one character of a path segment',
      );
    }
    this.#at += character.length;
    return character;
  }
}

/** Joins adjacent text, and reads "**" + "/" as levels where it starts one. */
function finishRow(pieces: readonly Piece[]): Token[] {
  const tokens: Token[] = [];
  const addText = (text: string) => {
    const last = tokens.at(-1);
    if (last?.kind === "text") tokens[tokens.length - 1] = { kind: "text", text: last.text + text };
    else tokens.push({ kind: "text", text });
  };
  for (const piece of pieces) {
    if (piece.kind === "text") addText(piece.text);
    else if (piece.kind === "level_stars") {
      const last = tokens.at(-1);
      const startsLevel =
        last === undefined || last.kind === "levels" || (last.kind === "text" && last.text.endsWith("/"));
      tokens.push({ kind: piece.slash && startsLevel ? "levels" : "stars" });
      if (piece.slash && !startsLevel) addText("/");
    } else tokens.push(piece);
  }
  return tokens;
}

// --- Matching -----------------------------------------------------------------------------------

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
