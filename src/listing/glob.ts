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
// glob_match.ts says whether a key matches what is compiled here.

import type { Glob, Token } from "./glob_match.ts";

type CompiledGlob =
  | { readonly ok: true; readonly glob: Glob }
  /** @property position of the offending character, counted from 1 */
  | { readonly ok: false; readonly position: number; readonly message: string };

export const MAX_GLOB_LENGTH = 1024;

const MAX_GLOB_ALTERNATIVES = 256;

/**
 * Of all patterns of a list, with every choice in their braces written out: what compiling them costs, and
 * keeping them, and comparing a key with them.
 */
export const MAX_GLOB_CHARACTERS = 16_384;

class BadGlob extends Error {
  readonly position: number;
  constructor(position: number, message: string) {
    super(message);
    this.position = position;
  }
}

/** @param most the characters that are left for it, of MAX_GLOB_CHARACTERS */
export function compileGlob(text: string, most = MAX_GLOB_CHARACTERS): CompiledGlob {
  try {
    if (text === "") throw new BadGlob(1, "the pattern is empty and would match nothing");
    if (text.length > MAX_GLOB_LENGTH) {
      throw new BadGlob(MAX_GLOB_LENGTH + 1, `the pattern is longer than ${MAX_GLOB_LENGTH} characters`);
    }
    const rows = new Parser(text, most).alternatives(false);
    return { ok: true, glob: { text, alternatives: rows.map(finishRow), characters: sizeOf(rows) } };
  } catch (error) {
    if (!(error instanceof BadGlob)) throw error;
    return { ok: false, position: error.position, message: error.message };
  }
}

/** While braces are expanded, stars stay as written: "{*,a}*" can yield a "**" that nobody wrote. */
type Piece = Token | { readonly kind: "level_stars"; readonly slash: boolean };

class Parser {
  readonly #text: string;
  readonly #most: number;
  #at = 0;

  constructor(text: string, most: number) {
    this.#text = text;
    this.#most = most;
  }

  /** Parses up to the end of the text or, within braces, up to the "," or "}" that ends the alternative. */
  alternatives(isInBraces: boolean): Piece[][] {
    let rows: Piece[][] = [[]];
    let characters = 0;
    while (this.#at < this.#text.length) {
      const character = this.#text.charAt(this.#at);
      if (isInBraces && (character === "," || character === "}")) break;
      const from = this.#at;
      if (character === "{") {
        const choices = this.#braces();
        this.#checkRows(from, rows.length * choices.length);
        characters = characters * choices.length + sizeOf(choices) * rows.length;
        this.#checkCharacters(from, characters);
        rows = rows.flatMap((row) => choices.map((choice) => [...row, ...choice]));
      } else {
        const piece = this.#piece();
        characters += rows.length;
        this.#checkCharacters(from, characters);
        for (const row of rows) row.push(piece);
      }
    }
    return rows;
  }

  #checkRows(from: number, rows: number): void {
    if (rows <= MAX_GLOB_ALTERNATIVES) return;
    throw new BadGlob(from + 1, `the braces expand to more than ${MAX_GLOB_ALTERNATIVES} alternatives`);
  }

  #checkCharacters(from: number, characters: number): void {
    if (characters <= this.#most) return;
    const message = `with the braces written out, the patterns have more than ${MAX_GLOB_CHARACTERS} characters together`;
    throw new BadGlob(from + 1, message);
  }

  #braces(): Piece[][] {
    const open = this.#at;
    const choices: Piece[][] = [];
    do {
      this.#at++; // "{" or ","
      choices.push(...this.alternatives(true));
      this.#checkRows(open, choices.length);
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

function sizeOf(rows: readonly (readonly Piece[])[]): number {
  return rows.reduce((sum, row) => sum + row.length, 0);
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
