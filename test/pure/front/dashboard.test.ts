// The page's modules become one script by their text (front/dashboard.ts). Whatever that text does not cover
// must fail here and not in a browser.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const ROOM = join(import.meta.dirname, "../../../src/dashboard");
const ASSEMBLY = readFileSync(join(ROOM, "../front/dashboard.ts"), "utf8");

const sources = new Map(
  readdirSync(ROOM)
    .filter((name) => name.endsWith(".js"))
    .map((name) => [name.replace(/\.js$/, ""), readFileSync(join(ROOM, name), "utf8")]),
);

/** The order in which the scripts stand on the page. */
const order = [...ASSEMBLY.matchAll(/const (?:scripts|pages) = \{([\w\s,:]+)\};/g)]
  .flatMap(([, names = ""]) => names.split(","))
  .map((name) => name.trim().replace(/: \w+$/, ""))
  .filter((name) => name !== "");

/** What stands before them, as front/dashboard.ts takes it from their packages. */
const LIBRARIES: Readonly<Record<string, readonly string[]>> = Object.fromEntries(
  [
    ["preact", "preact/dist/preact.mjs"],
    ["preact/hooks", "preact/hooks/dist/hooks.mjs"],
    ["eventsource-parser", "eventsource-parser/dist/parse.js"],
  ].map(([name = "", path = ""]) => {
    const source = readFileSync(join(ROOM, "../../node_modules", path), "utf8");
    const inBraces = /export\{([^}]*)\};/.exec(source)?.[1]?.split(",") ?? [];
    const declared = source.matchAll(/^export function (\w+)/gm);
    return [
      name,
      [
        ...inBraces.map((pair) => pair.replace(/^.* as /, "")),
        ...Array.from(declared, ([, one = ""]) => one),
      ],
    ];
  }),
);

const EXPORT = /^export (?:async )?(?:function\*?|class|const) (\w+)/;
const exportsOf = (name: string) =>
  (sources.get(name) ?? "").split("\n").flatMap((line) => EXPORT.exec(line)?.[1] ?? []);

test("every module is on the page, once", () => {
  expect(order.toSorted()).toEqual([...sources.keys()].toSorted());
});

test("no two modules export the same name, since all of them are names of one script", () => {
  const names = [...[...sources.keys()].flatMap(exportsOf), ...Object.values(LIBRARIES).flat()];
  // Preact's short name is not taken.
  const twice = names.filter((name, index) => names.indexOf(name) !== index && name !== "h");
  expect(twice).toEqual([]);
});

test.each([...sources])(
  "%s exports only by declarations, which the page's scope returns",
  (_name, source) => {
    const exported = source.split("\n").filter((line) => /^\s*export\b/.test(line));
    expect(exported.filter((line) => !EXPORT.test(line))).toEqual([]);
  },
);

test.each([...sources])("%s imports by name what a module before it exports", (name, source) => {
  const before = order.slice(0, order.indexOf(name));
  const statements = source.match(/^[ \t]*import\b(?!\()[^;]*;/gm) ?? [];
  for (const statement of statements) {
    const [, names = "", library = ""] = /^import \{([^}]*)\} from "([^"]*)";$/.exec(statement) ?? [];
    const from = /^\.\/(\w+)\.js$/.exec(library)?.[1] ?? library;
    const exported = LIBRARIES[library] ?? exportsOf(from);
    expect([statement, library in LIBRARIES || before.includes(from)]).toEqual([statement, true]);
    const wanted = names
      .split(",")
      .map((one) => one.trim())
      .filter((one) => one !== "");
    expect([statement, wanted.filter((one) => !exported.includes(one))]).toEqual([statement, []]);
  }
});
