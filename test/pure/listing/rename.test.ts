import { describe, expect, test } from "vitest";
import { compileRename, renaming } from "../../../src/listing/rename.ts";

const AT = Date.UTC(2024, 4, 7, 8, 9, 10);

const named = (match: string, to: string, name: string) => renaming([{ match, to }])(name, AT);

test.each([
  ["groups", "^logs/(\\d{4})-(\\d\\d)/(.*)$", "$1/$2/$3", "logs/2024-05/a/b.gz", "2024/05/a/b.gz"],
  ["named groups", "^(?P<day>\\d+)/(?<file>.+)$", "${file}-${day}", "07/a", "a-07"],
  ["what is matched alone is replaced, everywhere", " ", "_", "a b c/d", "a_b_c/d"],
  ["an empty match at the start", "^", "new/", "a", "new/a"],
  ["all of a name once", ".*", "<$0>", "abc", "<abc>"],
  ["lower case of the whole match", ".+", "${0:lower}", "Ä/ÖRE.JPG", "ä/öre.jpg"],
  ["upper case of a group", "^(\\w+)/(.*)$", "${1:upper}/$2", "abc/d", "ABC/d"],
  ["the time of the object", "^", "{yyyy}/{mm}/{dd}/{hh}-{HH}{MM}/", "a", "2024/05/07/08-0809/a"],
  ["signs that mean themselves", "^a$", "$$1 {{yyyy}}", "a", "$1 {yyyy}"],
  ["a group without a match is empty", "^(x)?a", "[$1]", "ab", "[]b"],
  ["a group of two digits", "(1)(2)(3)(4)(5)(6)(7)(8)(9)(0)", "$10$1", "1234567890", "01"],
  ["a sign behind a group", "^(.)$", "${1}1", "a", "a1"],
  ["characters beyond 16 bits", "(😀)b", "$1c", "a😀b", "a😀c"],
  ["case ignored", "(?i)\\.JPE?G$", ".jpg", "a.JpEg", "a.jpg"],
  ["no match", "^x", "y", "a", "a"],
])("%s", (_what, match, to, name, expected) => {
  expect(named(match, to, name)).toEqual({ ok: true, name: expected });
});

test("rules are applied one after the other, each to what the one before has made", () => {
  const rename = renaming([
    { match: "^in/", to: "" },
    { match: ".+", to: "${0:lower}" },
    { match: "^([a-z])", to: "$1/$1" },
  ]);
  expect(rename("in/Abc", null)).toEqual({ ok: true, name: "a/abc" });
});

test("without rules a name stays", () => {
  expect(renaming([])("a/../b", null)).toEqual({ ok: true, name: "a/../b" });
});

test("a rule that names a time fails where none is known", () => {
  const compiled = compileRename([{ match: "^", to: "{yyyy}/" }]);
  expect(compiled).toMatchObject({ ok: true, needsTime: true });
  expect(renaming([{ match: "^", to: "{yyyy}/" }])("a", null)).toMatchObject({
    ok: false,
    code: "rename_impossible",
  });
});

test.each(["..", "."])("a name that gets the part %j by a rule fails; one that has it keeps it", (dots) => {
  expect(named("^a/", `${dots}/`, "a/b")).toMatchObject({ ok: false, code: "invalid_key" });
  expect(named("b$", "c", `a/${dots}/b`)).toEqual({ ok: true, name: `a/${dots}/c` });
});

describe("what is no rule is refused, with what is allowed:", () => {
  test.each([
    ["(a", "b", /"match": "\(a" is no pattern of RE2: missing closing \)/],
    ["(?=a)", "b", /invalid or unsupported Perl syntax/],
    ["(a)\\1", "b", /invalid escape sequence: `\\1`/],
    ["(a)(?P<n>b)", "$3", /"\$3" at character 1 of "\$3"; known are \$0, \$1, \$\{n\}, with :lower/],
    ["a", "b/${year}", /"\$\{year\}" at character 3/],
    ["(a)", "${1:title}", /"\$\{1:title\}"/],
    ["a", "{yy}/", /"\{yy\}" at character 1 of "\{yy\}\/"; known are .*\{yyyy\}, \{mm\}/],
    ["a", "costs 5$", /"\$" at character 8/],
    ["a", "}", /"\}" at character 1/],
    [Array.from({ length: 6 }, () => "[a-z]{1000}").join(""), "b", /more than 5000 steps/],
  ])("%s → %s", (match, to, message) => {
    const compiled = compileRename([
      { match: "x", to: "y" },
      { match, to },
    ]);
    expect(compiled).toMatchObject({ ok: false, rule: 1, message: expect.stringMatching(message) });
  });
});

test("a pattern on which backtracking takes for ever is done in steps of the name's length", () => {
  const name = "a".repeat(1023);
  expect(named("^(((a+)+)+)+$", "$1", `${name}!`)).toEqual({ ok: true, name: `${name}!` });
});
