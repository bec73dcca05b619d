// Patterns over keys: what each sign matches, keys that are no file paths, and bad patterns with the place of
// the fault.
import { describe, expect, test } from "vitest";
import { compileGlob, MAX_GLOB_LENGTH } from "../../../src/listing/glob.ts";
import { type Glob, matchesGlob } from "../../../src/listing/glob_match.ts";
import { seeded } from "../samples.ts";

function glob(pattern: string): Glob {
  const compiled = compileGlob(pattern);
  if (!compiled.ok) throw new Error(`${pattern}: ${compiled.message}`);
  return compiled.glob;
}

const matches = (pattern: string, key: string) => matchesGlob(glob(pattern), key);

describe("a pattern matches", () => {
  test.each<[pattern: string, yes: readonly string[], no: readonly string[]]>([
    ["a.txt", ["a.txt"], ["a.txt2", "b/a.txt", "A.txt", "aXtxt", ""]],
    ["*", ["", "a", ".hidden", "a b", "line\nbreak", "\\", "😀"], ["a/b", "/", "a/"]],
    ["*.txt", ["a.txt", ".txt", "a.b.txt"], ["a.txt/", "d/a.txt"]],
    ["a*", ["a", "ab", "a*"], ["ba", "a/"]],
    ["a*b*c", ["abc", "aXbYc", "abbcc", "abcbc"], ["ab", "acb", "a/bc"]],
    ["*a*b", ["ab", "aab", "abab"], ["a/b", "ba"]],
    ["?", ["a", "é", "😀", "\n", "\\", "."], ["", "/", "ab"]],
    ["a?c", ["abc", "a😀c"], ["ac", "a/c"]],
    ["**", ["", "a", "a/b", "/", "a//b", "x\ny/z", "../.."], []],
    ["logs/**", ["logs/", "logs/a", "logs/a/b", "logs//"], ["logs", "xlogs/a"]],
    ["**/a", ["a", "b/a", "b/c/a", "/a", "//a"], ["ba", "a/b", "b/ca"]],
    ["a/**/b", ["a/b", "a/x/b", "a/x/y/b", "a//b"], ["a/xb", "ab", "a/b/c"]],
    ["**/*.jpg", ["a.jpg", "x/a.jpg", "x/y/.jpg"], ["a.jpg/b"]],
    ["**/x/**/*.gz", ["x/a.gz", "p/x/q/r/a.gz"], ["xx/a.gz", "x/a.gzip"]],
    ["a**b", ["ab", "axb", "a/x/b", "a//b"], ["a/x/c"]],
    ["a**/b", ["a/b", "ax/y/b"], ["ab", "b"]],
    ["***", ["", "a/b"], []],
    ["[abc]", ["a", "c"], ["d", "", "ab", "/"]],
    ["[a-cx-z]1", ["b1", "y1"], ["d1", "1"]],
    ["[!a-c]", ["d", "😀", "\n", "-"], ["a", "", "/", "dd"]],
    ["[^a]", ["b", "^"], ["a", "/"]],
    ["[]]", ["]"], ["", "[]"]],
    ["[!]]", ["a"], ["]"]],
    ["[a-]", ["a", "-"], ["b"]],
    ["[-a]", ["a", "-"], ["b"]],
    ["[+-9]", ["5", "."], ["/"]],
    ["[😀-😂]", ["😁"], ["a"]],
    ["[*][?][{][[]", ["*?{["], ["aaaa"]],
    ["{a,b}.txt", ["a.txt", "b.txt"], ["c.txt", "ab.txt", "{a,b}.txt"]],
    ["{a,b/*}", ["a", "b/x"], ["b", "b/x/y"]],
    ["x{,y}", ["x", "xy"], ["xyy"]],
    ["{a,{b,c}d}e", ["ae", "bde", "cde"], ["ad", "be"]],
    ["{**/,}a", ["a", "x/a"], ["xa"]],
    ["{x/,}**/a", ["a", "x/a", "x/y/a", "z/a"], ["xa"]],
    ["{*,a}*", ["", "ab", "b"], ["a/b"]],
    ["[{]a,b}", ["{a,b}"], ["a"]],
    ["a,b}", ["a,b}"], ["a"]],
    ["a]", ["a]"], ["a"]],
  ])("%j", (pattern, yes, no) => {
    expect(yes.filter((key) => !matches(pattern, key))).toEqual([]);
    expect(no.filter((key) => matches(pattern, key))).toEqual([]);
  });
});

describe("a key is no file path", () => {
  test.each([
    ["a//b", "a//b"],
    ["a/*/b", "a//b"],
    ["*/*", "/"],
    ["./a", "./a"],
    ["../*", "../x"],
    ["*/../*", "a/../b"],
    ["**", "../../etc"],
    ["\\*", "\\anything"],
    ["a\\b", "a\\b"],
    ["C:\\*", "C:\\x"],
    ["a\nb*", "a\nb\nc"],
    ["*", "\r\n"],
    [".*", ".hidden"],
    ["(a|b)+$", "(a|b)+$"],
    ["!a", "!a"],
    ["#a", "#a"],
    ["@(a)", "@(a)"],
    ["é", "é"],
  ])("%j matches %j", (pattern, key) => {
    expect(matches(pattern, key)).toBe(true);
  });

  test.each([
    ["a/b", "a//b"],
    ["a", "./a"],
    ["a\\*b", "a*b"],
    ["(a|b)", "a"],
    ["!a", "b"],
    ["é", "e\u0301"],
    ["A", "a"],
    ["a/", "a"],
    ["a", "a/"],
  ])("%j does not match %j", (pattern, key) => {
    expect(matches(pattern, key)).toBe(false);
  });
});

describe("a bad pattern is refused, with the place", () => {
  test.each([
    ["", 1, /empty/],
    ["ab[cd", 3, /"\[" is never closed/],
    ["a[]", 2, /never closed/],
    ["[!]", 1, /never closed/],
    ["a{b,c", 2, /"\{" is never closed/],
    ["{a,{b,c}", 1, /"\{" is never closed/],
    ["{a,{b,c", 4, /"\{" is never closed/],
    ["x[z-a]", 3, /range z-a runs backwards/],
    ["x[😀😂-😁]", 5, /range 😂-😁 runs backwards/],
    ["x[a/b]", 4, /"\/" in brackets/],
    ["{1,2}{1,2}{1,2}{1,2}{1,2}{1,2}{1,2}{1,2}{1,2}", 41, /more than 256 alternatives/],
    ["{{1,2}{1,2}{1,2}{1,2}{1,2}{1,2}{1,2}{1,2},3}", 1, /more than 256 alternatives/],
    ["x".repeat(MAX_GLOB_LENGTH + 1), MAX_GLOB_LENGTH + 1, /longer than 1024/],
    ["{a,b}".repeat(8) + "x".repeat(100), 97, /written out, the patterns have more than 16384 characters/],
    ["x".repeat(200) + "{a,b}".repeat(8), 231, /written out, the patterns have more than 16384 characters/],
  ])("%j at %i", (pattern, position, message) => {
    expect(compileGlob(pattern)).toEqual({
      ok: false,
      position,
      message: expect.stringMatching(message),
    });
  });
});

/** The same language by another road: a regular expression, for patterns without brackets and braces. */
function reference(pattern: string): RegExp {
  let source = "";
  for (let at = 0; at < pattern.length;) {
    const rest = pattern.slice(at);
    if ((at === 0 || pattern[at - 1] === "/") && rest.startsWith("**/")) {
      source += "(?:.*/)?";
      at += 3;
    } else if (rest.startsWith("**")) {
      source += ".*";
      at += 2;
    } else {
      source += rest.startsWith("*") ? "[^/]*" : rest.startsWith("?") ? "[^/]" : rest.charAt(0);
      at++;
    }
  }
  return new RegExp(`^${source}$`, "su");
}

test("agrees with regular expressions on random patterns and keys", () => {
  const random = seeded(11);
  const pick = (parts: readonly string[]) => parts[Math.floor(random() * parts.length)] ?? "";
  const text = (parts: readonly string[], length: number) =>
    Array.from({ length: Math.floor(random() * length) }, () => pick(parts)).join("");
  let matched = 0;
  for (let round = 0; round < 15_000; round++) {
    const pattern = text(["a", "b", "/", "*", "?", "**/", "/**/", "**"], 7).replace(/\*{3,}/g, "**") || "a";
    const key = text(["a", "b", "/", "ab", "😀", "\n"], 8);
    const expected = reference(pattern).test(key);
    if (expected) matched++;
    if (matches(pattern, key) !== expected) expect([pattern, key]).toEqual(`to match: ${expected}`);
  }
  expect(matched).toBeGreaterThan(1250);
});

test("no pattern hangs", () => {
  const key = "a".repeat(1023) + "c";
  expect(matches("*a".repeat(200) + "*b", key)).toBe(false);
  expect(matches("**a".repeat(200) + "**b", key)).toBe(false);
  expect(matches("**/".repeat(200) + "b", "a/".repeat(500))).toBe(false);
  expect(matches("*a".repeat(200) + "*c", key)).toBe(true);
});
