// The house rules, applied to every file: who may import whom, how long a file and a function may be, what is
// pure, what is exported, where a test stands, how wide a comment is. Each rule is also shown to fail on a
// few made-up files that break it.
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { mapIsTrue } from "../tidy/map.ts";
import * as rules from "../tidy/rules.ts";
import { readTree, type Tree } from "../tidy/tree.ts";

/** From the roof down. A file imports from its own room and from the floors below. */
const FLOORS = [
  ["front.ts"],
  ["registry.ts", "front/"],
  ["registry/", "replicator.ts"],
  ["replication/"],
  ["sync.ts", "schedule/"],
  ["coordinator.ts", "sync/"],
  ["lane.ts", "copy/"],
  ["part_copier.ts", "object_copier.ts", "probe.ts", "parts/"],
  ["diagnose/"],
  ["work/", "dashboard/"],
  ["access/", "listing/", "object/", "throttle/", "view/"],
  ["s3/", "log.ts"],
  ["store/"],
  ["env.ts"],
  ["http/", "docs/", "mesh.ts"],
];

/** Parts that run call each other through `ctx.exports`; these alone import one. */
const IMPORTERS = {
  "src/registry.ts": ["src/front.ts"],
  "src/replicator.ts": ["src/front.ts"],
  "src/sync.ts": ["src/front.ts"],
  "src/coordinator.ts": ["src/front.ts"],
  "src/lane.ts": ["src/front.ts"],
  "src/part_copier.ts": ["src/front.ts", "src/lane.ts"],
  "src/object_copier.ts": ["src/front.ts", "src/lane.ts"],
  "src/probe.ts": ["src/front.ts", "src/lane.ts"],
};

/**
 * Of the protocol, those who judge objects know what a digest, a listed object and a value of an answer is,
 * and no request.
 */
const KNOWS_ONLY = [
  { room: "object/", of: "s3/", only: ["digest", "listing_xml", "value"].map((name) => `src/s3/${name}.ts`) },
  // No secret of a store.
  {
    room: "view/",
    of: "store/",
    only: ["location", "prices", "profiles", "sent"].map((name) => `src/store/${name}.ts`),
  },
];

const PURE = [
  ...["job", "phase", "restoring", "ending", "plan", "spec"].map((name) => `src/copy/${name}.ts`),
  ...[
    "job",
    "event",
    "batches",
    "restores",
    "sums",
    "decide",
    "names",
    "outcome",
    "deletes",
    "report",
    "spec",
  ].map((name) => `src/sync/${name}.ts`),
  ...["cron", "clock", "template", "spec"].map((name) => `src/schedule/${name}.ts`),
  ...[
    "cursor",
    "key_order",
    "ranges",
    "merge",
    "prefix",
    "filter",
    "glob",
    "glob_match",
    "rename",
    "inventory",
    "manifest_lines",
  ].map((name) => `src/listing/${name}.ts`),
  ...["archive", "attributes", "checksum", "compare", "options", "proof"].map(
    (name) => `src/object/${name}.ts`,
  ),
  ...["governor", "flow", "timetable", "health"].map((name) => `src/throttle/${name}.ts`),
  ...["url", "xml", "listing_xml", "failure", "retry", "digest", "web"].map((name) => `src/s3/${name}.ts`),
  ...["progress", "failure", "answers"].map((name) => `src/view/${name}.ts`),
  "src/parts/digests.ts",
  "src/work/digest_buffers.ts",
];

const LENGTHS = { all: 500, some: PURE, someLines: 250 };

/** The table of a copy's rules, and one table of schemas. */
const LONGER = { "src/copy/job.ts": 280, "src/view/answers.ts": 360 };

/**
 * What is loaded by name: by wrangler, by vitest, by the compiler, by a mesh under test, as a script, as a
 * process of its own.
 */
const ENTRYPOINTS = [
  "src/front.ts",
  "src/front/modules.d.ts",
  "test/bench/bench.ts",
  "test/bench/listing_store.ts",
  "test/bench/manifest_store.ts",
  "test/chaos/chaos.ts",
  "test/demo.ts",
  "test/dev.ts",
  "test/equal_bytes.ts",
  "test/interop/serve_r2.ts",
  "test/interop/setup.ts",
  "test/interop/table.ts",
  "test/mesh/build.ts",
  "test/mesh/worker_clock.js",
  "test/pure/workerd.d.ts",
  "test/releases/record.ts",
  "test/simulate/simulate.ts",
  "test/smoke/smoke.ts",
  "test/store/serve.ts",
  "test/token/token.ts",
  "test/vitest.config.ts",
];

/** Tests of what is in `test/` itself, of the documents, and of the whole mesh between two stores. */
const OF_OTHERS = [
  ...[
    "chaos/",
    "command_line.test.ts",
    "docs/",
    "edge/",
    "mesh/",
    "simulate/",
    "smoke/",
    "terminal/",
    "test_store/",
    "tidy.test.ts",
    "token/",
  ].map((name) => `test/pure/${name}`),
  ...["chaos/", "edge/", "fidelity/", "smoke/"].map((name) => `test/workers/${name}`),
];

const ROOT = join(import.meta.dirname, "../..");

const RULES: Readonly<Record<string, (tree: Tree) => string[]>> = {
  "imports go down the floors": (tree) => rules.importsGoDown(tree, FLOORS),
  "parts that run are not imported": (tree) => rules.runningPartsAreNotImported(tree, IMPORTERS),
  "rooms know no more of each other than they need": (tree) => rules.knowsOnly(tree, KNOWS_ONLY),
  "neither files nor rooms import in a circle": rules.noCircles,
  "files are short": (tree) => rules.filesAreShort(tree, LENGTHS, LONGER),
  "functions are short": (tree) => rules.functionsAreShort(tree, 70, ["src/copy/job.ts apply"]),
  "pure modules are pure": (tree) => rules.pureModulesArePure(tree, PURE),
  "alarms are set in one place": (tree) => rules.alarmsAreSetIn(tree, "src/work/alarm.ts"),
  "exports are used": (tree) =>
    rules.exportsAreUsed(tree, { entrypoints: ENTRYPOINTS, witnesses: ["test/pure/docs/"] }),
  "files are imported": (tree) => rules.filesAreImported(tree, ENTRYPOINTS),
  "nothing is re-exported": (tree) => rules.nothingIsReexported(tree, ["src/front.ts"]),
  "names say what is in a file": rules.namesSayWhat,
  "src has one level of folders, and few entries": (tree) => rules.srcIsFlat(tree, 32),
  "tests stand where their file stands": (tree) => rules.testsMirrorSources(tree, OF_OTHERS),
  "comments are at most 110 columns wide": (tree) => rules.commentsAreNarrow(tree, 110),
  "the README has at most 130 lines": (tree) => rules.readmeIsShort(tree, 130),
  "the map of the code is true": (tree) => mapIsTrue(tree, FLOORS),
};

const TREE = readTree(ROOT);

test.each(Object.entries(RULES))("%s", (_name, rule) => {
  expect(rule(TREE)).toEqual([]);
});

const made = (files: Readonly<Record<string, string>>): Tree => new Map(Object.entries(files));
const imports = (path: string) => `import { a } from "${path}";\nexport const b = a;\n`;
const lines = (count: number) => "/* a line */\n".repeat(count);

describe("a rule fails on", () => {
  const TWO_FLOORS = [["copy/", "lane.ts"], ["s3/"]];

  test.each([
    ["upward", "src/s3/url.ts", 'import { a } from "../copy/job.ts";', "src/copy/job.ts"],
    ["of a type, upward", "src/s3/url.ts", 'import type { A } from "../copy/job.ts";', "src/copy/job.ts"],
    ["in a type", "src/s3/url.ts", 'type A = import("../copy/job.ts").A;', "src/copy/job.ts"],
    ["in a call", "src/s3/url.ts", 'await import("../copy/job.ts");', "src/copy/job.ts"],
    ["in a re-export", "src/s3/url.ts", 'export { a } from "../copy/job.ts";', "src/copy/job.ts"],
    ["in a comment", "src/s3/url.js", '/** @type {import("../copy/job.ts").A} */', "src/copy/job.ts"],
    ["to the same floor", "src/copy/job.ts", 'import { a } from "../lane.ts";', "src/lane.ts"],
  ])("an import %s", (_which, path, code, to) => {
    const tree = made({ "src/copy/job.ts": "", "src/lane.ts": "", "src/s3/url.ts": "", [path]: `${code}\n` });
    expect(rules.importsGoDown(tree, TWO_FLOORS)).toEqual([
      `${path}:1 imports ${to}, which is not on a floor below`,
    ]);
  });

  test("a file without a floor, and a floor without a file", () => {
    const tree = made({ "src/s3/url.ts": "", "src/sync.ts": "" });
    expect(rules.importsGoDown(tree, [["s3/"], ["store/"]])).toEqual([
      "src/sync.ts has no floor: give it one",
      "src/store/ has a floor but does not exist",
    ]);
  });

  test("a part that runs and is imported", () => {
    const tree = made({
      "src/lane.ts": "",
      "src/sync.ts": imports("./lane.ts"),
      "src/front.ts": imports("./lane.ts"),
    });
    expect(rules.runningPartsAreNotImported(tree, { "src/lane.ts": ["src/front.ts"] })).toEqual([
      "src/sync.ts:1 imports src/lane.ts, a part that runs: call it through ctx.exports",
    ]);
  });

  test("a room that knows too much of another", () => {
    const tree = made({
      "src/object/a.ts": imports("../s3/digest.ts"),
      "src/object/b.ts": imports("../s3/request.ts"),
      "src/view/c.ts": imports("../store/stores.ts"),
    });
    expect(rules.knowsOnly(tree, KNOWS_ONLY)).toEqual([
      "src/object/b.ts:1 imports src/s3/request.ts: object/ knows less than that of s3/",
      "src/view/c.ts:1 imports src/store/stores.ts: view/ knows less than that of store/",
    ]);
  });

  test("a circle of files, and one of rooms", () => {
    const files = made({
      "src/s3/a.ts": imports("./b.ts"),
      "src/s3/b.ts": imports("./c.ts"),
      "src/s3/c.ts": imports("./b.ts"),
    });
    expect(rules.noCircles(files)).toEqual(["a circle: src/s3/b.ts → src/s3/c.ts → src/s3/b.ts"]);
    const tests = made({ "test/a.ts": imports("./b.ts"), "test/b.ts": 'import type { a } from "./a.ts";\n' });
    expect(rules.noCircles(tests)).toEqual(["a circle: test/a.ts → test/b.ts → test/a.ts"]);
    const rooms = made({ "src/s3/a.ts": imports("../store/b.ts"), "src/store/c.ts": imports("../s3/d.ts") });
    expect(rules.noCircles(rooms)).toEqual(["a circle: s3/ → store/ → s3/"]);
  });

  test("a file with too many lines, of code or not", () => {
    const tree = made({
      "src/copy/job.ts": lines(260),
      "src/copy/plan.ts": lines(251),
      "src/copy/steps.ts": lines(500),
      "src/dashboard/style.css": lines(501),
      "test/pure/copy/plan.test.ts": lines(501),
    });
    const limit = { all: 500, some: ["src/copy/plan.ts", "src/copy/job.ts"], someLines: 250 };
    expect(rules.filesAreShort(tree, limit, { "src/copy/job.ts": 260 })).toEqual([
      "src/copy/plan.ts has 251 lines; the limit is 250",
      "src/dashboard/style.css has 501 lines; the limit is 500",
      "test/pure/copy/plan.test.ts has 501 lines; the limit is 500",
    ]);
  });

  test("a long function, whatever its kind", () => {
    const body = `{\n${"  a();\n".repeat(3)}}`;
    const code = [
      `export async function declared() ${body}`,
      `const arrow = async () => ${body};`,
      `class A {\n  #hidden() ${body}\n  get seen() ${body}\n}`,
      `const object = { method() ${body}, "a field": function () ${body} };`,
      `call(() => ${body});`,
      "function short() {\n}",
      `function allowed() ${body}`,
    ];
    const found = rules.functionsAreShort(made({ "src/a.ts": code.join("\n") }), 4, ["src/a.ts allowed"]);
    expect(found.map((violation) => violation.replace(/^src\/a.ts:\d+ /, ""))).toEqual(
      ["declared", "arrow", "#hidden", "seen", "method", "a field", "a function"].map(
        (name) => `${name} has 5 lines; the limit is 4`,
      ),
    );
  });

  test.each([
    ["Date.now()", "Date.now"],
    ["new Date()", "new Date()"],
    ["Math.random()", "Math.random"],
    ['fetch("http://a/")', "fetch"],
    ["[1].map(fetch)", "fetch"],
    ["{ fetch }", "fetch"],
    ["crypto.randomUUID()", "crypto"],
    ["setTimeout(() => {}, 1)", "setTimeout"],
    ["performance.now()", "performance"],
    ["console.log()", "console"],
  ])("%s in a pure module", (code, name) => {
    const tree = made({ "src/a.ts": `export const a = ${code};\n` });
    expect(rules.pureModulesArePure(tree, ["src/a.ts"])).toEqual([`src/a.ts:1 is not pure: ${name}`]);
  });

  test("a header that says Pure, and is wrong", () => {
    const code = "export const a = Date.now();\n";
    const tree = made({
      "src/a.ts": `// Counts.\n// Pure: no I/O.\n\n${code}`,
      "src/b.ts": `${code}// Pure.\n`,
    });
    expect(rules.pureModulesArePure(tree, [])).toEqual(["src/a.ts:4 is not pure: Date.now"]);
  });

  test("but not on what only looks impure", () => {
    const code = [
      "// Date.now(), Math.random()",
      'const text = "fetch(new Date())";',
      "const at = new Date(0);",
      "const api = { fetch: text, performance() {} };",
      "api.fetch;",
      'const digest = crypto.subtle.digest("SHA-256", bytes);',
      "interface Api { fetch(): void; console: string }",
    ];
    const tree = made({ "src/a.ts": code.join("\n") });
    expect(rules.pureModulesArePure(tree, ["src/a.ts"])).toEqual([]);
  });

  test("what a pure module loads that is not pure; of that it may take a type", () => {
    const tree = made({
      "src/a.ts": 'import { type B, b } from "./b.ts";\nimport type { C } from "./c.ts";\n',
      "src/b.ts": 'import { env } from "cloudflare:workers";\nexport const b = env;\n',
      "src/c.ts": "export const c = Date.now();\n",
    });
    expect(rules.pureModulesArePure(tree, ["src/a.ts", "src/d.ts"])).toEqual([
      "src/b.ts:1, which src/a.ts loads, is not pure: cloudflare:workers",
      "src/d.ts is listed as pure but does not exist",
    ]);
  });

  test("an export that nobody imports, or only a test of another room", () => {
    const tree = made({
      "src/copy/plan.ts": "export const a = 1, b = 2;\nexport interface C {}\nexport function d() {}\n",
      "src/copy/job.ts": 'import { a } from "./plan.ts";\n',
      "test/pure/copy/plan.test.ts": 'import { b } from "../../../src/copy/plan.ts";\n',
      "test/pure/sync/job.test.ts": 'import { d } from "../../../src/copy/plan.ts";\n',
      "src/front.ts": "export default {};\n",
      "src/store/stores.ts": "export const e = 1;\n",
      "test/pure/docs/fields.test.ts": 'import { e } from "../../../src/store/stores.ts";\n',
      "test/pure/samples.ts": "export const f = 1;\n",
    });
    expect(
      rules.exportsAreUsed(tree, { entrypoints: ["src/front.ts"], witnesses: ["test/pure/docs/"] }),
    ).toEqual([
      "src/copy/plan.ts:2 exports C, which nobody imports",
      "src/copy/plan.ts:3 exports d, which only test/pure/sync/job.test.ts imports",
      "test/pure/samples.ts:1 exports f, which nobody imports",
    ]);
  });

  test("a file that nobody imports, of whatever kind", () => {
    const tree = made({
      "src/front.ts": 'import "./a.ts";\nimport page from "./dashboard/page.html";\n',
      "src/a.ts": "",
      "src/b.ts": "",
      "src/README.md": "",
      "src/dashboard/page.html": "",
      "src/dashboard/style.css": "",
      "test/pure/b.test.ts": 'import "../../src/b.ts";\nimport "./c.ts";\n',
      "test/pure/c.ts": "",
      "test/pure/d.ts": "",
    });
    expect(rules.filesAreImported(tree, ["src/front.ts"])).toEqual([
      "src/b.ts is imported by nobody",
      "src/dashboard/style.css is imported by nobody",
      "test/pure/d.ts is imported by nobody",
    ]);
  });

  test("a name with two doors", () => {
    const tree = made({
      "src/front.ts": 'export { Lane } from "./lane.ts";\n',
      "src/a.ts": 'export * from "./b.ts";\n',
      "src/c.ts": 'import { b } from "./b.ts";\nexport { b };\n',
      "src/d.ts": 'export type { B } from "./b.ts";\n',
      "src/e.ts": "const e = 1;\nexport { e };\n",
    });
    expect(rules.nothingIsReexported(tree, ["src/front.ts"])).toEqual([
      "src/a.ts:1 exports *, which another module declares",
      "src/c.ts:2 exports b, which another module declares",
      "src/d.ts:1 exports B, which another module declares",
    ]);
  });

  test("a name that says nothing, or says its room again", () => {
    const tree = made({
      "src/sync/sync_job.ts": "",
      "src/store/stores.ts": "",
      "src/parts/part_table.ts": "",
      "src/s3/s3.ts": "",
      "src/s3/utils.ts": "",
      "test/pure/helpers.ts": "",
      "test/workers/sync/sync_death.test.ts": "",
    });
    expect(rules.namesSayWhat(tree)).toEqual([
      "src/sync/sync_job.ts repeats the name of its room",
      "src/parts/part_table.ts repeats the name of its room",
      "src/s3/utils.ts: the name says nothing",
      "test/pure/helpers.ts: the name says nothing",
    ]);
  });

  test("a second level of folders, and a crowd", () => {
    const tree = made({
      "src/copy/parts/table.ts": "",
      "src/front.ts": "",
      "src/lane.ts": "",
      "test/a/b/c.ts": "",
    });
    expect(rules.srcIsFlat(tree, 3)).toEqual(["src/copy/parts/table.ts is a folder too deep"]);
    expect(rules.srcIsFlat(tree, 2)).toContain("src has 3 entries; the limit is 2");
  });

  test("a test that stands somewhere else than what it tests", () => {
    const tree = made({
      "src/copy/job.ts": "",
      "src/id.ts": "",
      "test/pure/copy/job.test.ts": "",
      "test/pure/copy/job_endings.test.ts": "",
      "test/pure/id.test.ts": "",
      "test/pure/job.test.ts": "",
      "test/pure/copy/jobs.test.ts": "",
      "test/pure/chaos/judge.test.ts": "",
      "test/workers/copy/anything.test.ts": "",
      "test/workers/copies/job.test.ts": "",
      "test/workers/job.test.ts": "",
    });
    expect(rules.testsMirrorSources(tree, ["test/pure/chaos/"])).toEqual([
      "test/pure/job.test.ts tests no file of that name in src",
      "test/pure/copy/jobs.test.ts tests no file of that name in src",
      "test/workers/copies/job.test.ts tests no room of that name in src",
      "test/workers/job.test.ts tests no room of that name in src",
    ]);
  });

  test("an alarm that is set past the one place for it", () => {
    const sets = "export const set = (storage) => storage.setAlarm(1);\n";
    const tree = made({ "src/work/alarm.ts": sets, "src/lane.ts": sets, "src/a.ts": "// setAlarm\n" });
    expect(rules.alarmsAreSetIn(tree, "src/work/alarm.ts")).toEqual([
      "src/lane.ts sets an alarm past src/work/alarm.ts",
    ]);
  });

  test("a comment wider than its columns, wherever it stands, and no string", () => {
    const tree = made({
      "src/a.ts": '// 12345678\nconst a = "// 12345678";\na(); // 123\n/*\n * 12345678\n */\n',
      "test/b.ts": "// äöüßäöü\n/** 1234 */\n",
      "wrangler.toml": 'name = "a long one"\n# 123456789\n',
    });
    expect(rules.commentsAreNarrow(tree, 10)).toEqual([
      "src/a.ts:1 is a comment of 11 columns; the limit is 10",
      "src/a.ts:3 is a comment of 11 columns; the limit is 10",
      "src/a.ts:5 is a comment of 11 columns; the limit is 10",
      "test/b.ts:2 is a comment of 11 columns; the limit is 10",
      "wrangler.toml:2 is a comment of 11 columns; the limit is 10",
    ]);
  });

  test("a README that has become a manual", () => {
    expect(rules.readmeIsShort(made({ "README.md": "a\n".repeat(131) }), 130)).toEqual([
      "README.md has 131 lines; the limit is 130",
    ]);
  });

  test("a map that is not of this code", () => {
    const map = [
      "| floor | where | what |",
      "| --- | --- | --- |",
      "| 2 | `copy/` | a copy |",
      "| 2 | `s3/` | on the wrong floor |",
      "| 1 | `store/` | not there |",
      "",
      "`copy/job.ts`: `nextStep()`, `lastStep()`.",
      "`copy/steps.ts` is gone.",
      "",
      "## Dependencies",
      "",
      "| `zod` | schemas |",
      "| `hono` | |",
      "| `left-pad` | pads |",
    ];
    const files = {
      "src/README.md": map.join("\n"),
      "src/copy/job.ts": "export function nextStep() {}\n",
      "src/s3/url.ts": "export function lastStep() {}\n",
      "package.json": '{"dependencies": {"zod": "1.0.0", "hono": "1.0.0"}}',
    };
    expect(mapIsTrue(made(files), [["copy/"], ["s3/"]])).toEqual([
      "src/README.md has no row for s3/ on floor 1",
      "src/README.md shows s3/ on floor 2, where it does not stand",
      "src/README.md shows store/ on floor 1, where it does not stand",
      "src/README.md names store/, which does not exist",
      "src/README.md names copy/steps.ts, which does not exist",
      "src/README.md names lastStep(), which none of copy/job.ts, copy/steps.ts declares",
      "src/README.md gives no reason for hono",
      "src/README.md gives a reason for left-pad, which is not used",
    ]);
    expect(mapIsTrue(made({}), [])).toEqual(["src/README.md does not exist"]);
  });
});
