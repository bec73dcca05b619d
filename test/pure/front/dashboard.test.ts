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
const order = (/const order = \[([\w, ]+)\];/.exec(ASSEMBLY)?.[1] ?? "").split(", ");

const EXPORT = /^export (?:async )?(?:function\*?|class|const) (\w+)/;
const exportsOf = (name: string) =>
  (sources.get(name) ?? "").split("\n").flatMap((line) => EXPORT.exec(line)?.[1] ?? []);

test("every module is on the page, once", () => {
  expect(order.toSorted()).toEqual([...sources.keys()].toSorted());
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
    const [, names = "", from = ""] = /^import \{([^}]*)\} from "\.\/(\w+)\.js";$/.exec(statement) ?? [];
    expect([statement, before.includes(from)]).toEqual([statement, true]);
    const wanted = names
      .split(",")
      .map((one) => one.trim())
      .filter((one) => one !== "");
    expect([statement, wanted.filter((one) => !exportsOf(from).includes(one))]).toEqual([statement, []]);
  }
});
