// The house rules. Each is a function from the files to its violations, one sentence each. Exceptions are
// arguments, so that the test which applies the rules names all of them in one place.

import { dirname, join } from "node:path";
import { type Tree, isModule, sourcesOf } from "./tree.ts";
import type { Source } from "./source.ts";

/**
 * From the roof down: each file of the root of `src/` and each of its rooms (`copy/`) on one floor. A file
 * imports from its own room and from the floors below.
 */
export type Floors = readonly (readonly string[])[];

/** The map of the code, for people. */
const MAP = "src/README.md";

export function importsGoDown(tree: Tree, floors: Floors): string[] {
  const floorOf = new Map(floors.flatMap((floor, down) => floor.map((place) => [place, down] as const)));
  const files = [...tree.keys()].filter((path) => path.startsWith("src/") && path !== MAP);
  const places = new Set(files.map(placeOf));
  const homeless = [...places].filter((place) => !floorOf.has(place));
  const empty = [...floorOf.keys()].filter((place) => !places.has(place));
  const upward = edgesOf(tree).filter(({ from, to }) => {
    if (placeOf(from) === placeOf(to)) return false;
    return (floorOf.get(placeOf(to)) ?? -1) <= (floorOf.get(placeOf(from)) ?? -1);
  });
  return [
    ...homeless.map((place) => `src/${place} has no floor: give it one`),
    ...empty.map((place) => `src/${place} has a floor but does not exist`),
    ...upward.map(({ from, to, line }) => `${from}:${line} imports ${to}, which is not on a floor below`),
  ];
}

/** @param allowed who may import each of the parts that run */
export function runningPartsAreNotImported(
  tree: Tree,
  allowed: Readonly<Record<string, readonly string[]>>,
): string[] {
  return edgesOf(tree)
    .filter(({ from, to }) => allowed[to]?.includes(from) === false)
    .map(
      ({ from, to, line }) => `${from}:${line} imports ${to}, a part that runs: call it through ctx.exports`,
    );
}

/** What a room may import of another one, where that is less than all of it. */
export function knowsOnly(
  tree: Tree,
  limits: readonly { readonly room: string; readonly of: string; readonly only: readonly string[] }[],
): string[] {
  return edgesOf(tree).flatMap(({ from, to, line }) =>
    limits
      .filter(({ room, of, only }) => placeOf(from) === room && placeOf(to) === of && !only.includes(to))
      .map(({ room, of }) => `${from}:${line} imports ${to}: ${room} knows less than that of ${of}`),
  );
}

/** Neither files nor rooms of `src/` import each other in a circle, nor files of `test/`. */
export function noCircles(tree: Tree): string[] {
  const places = edgesOf(tree)
    .map(({ from, to }) => ({ from: placeOf(from), to: placeOf(to) }))
    .filter(({ from, to }) => from !== to);
  return [...circlesIn(edgesOf(tree, "")), ...circlesIn(places)].map(
    (circle) => `a circle: ${circle.join(" → ")}`,
  );
}

export function filesAreShort(
  tree: Tree,
  limit: { readonly all: number; readonly some: readonly string[]; readonly someLines: number },
  exceptions: Readonly<Record<string, number>>,
): string[] {
  return [...tree]
    .filter(([path]) => path.includes("/"))
    .flatMap(([path, text]) => {
      const most = exceptions[path] ?? (limit.some.includes(path) ? limit.someLines : limit.all);
      const { length } = linesOf(text);
      return length > most ? [`${path} has ${length} lines; the limit is ${most}`] : [];
    });
}

/** @param exceptions as `path name` */
export function functionsAreShort(tree: Tree, most: number, exceptions: readonly string[]): string[] {
  return modulesIn(tree, "src/").flatMap(([path, { functions }]) =>
    functions
      .filter(({ name, lineCount }) => lineCount > most && !exceptions.includes(`${path} ${name}`))
      .map(
        ({ name, line, lineCount }) => `${path}:${line} ${name} has ${lineCount} lines; the limit is ${most}`,
      ),
  );
}

const SAYS_PURE = /^(\/\/.*\n)*\/\/.*\bPure\b/;

/**
 * Pure modules, and whatever of the house is loaded with them, read no clock, take no chance, call nobody.
 */
export function pureModulesArePure(tree: Tree, listed: readonly string[]): string[] {
  const modules = sourcesOf(tree);
  const loadedBy = new Map<string, string>();
  const load = (path: string, by: string) => {
    if (loadedBy.has(path)) return;
    loadedBy.set(path, by);
    for (const { to, atRunTime } of edgesFrom(path, modules)) if (atRunTime) load(to, path);
  };
  const claiming = [...tree].filter(([path, text]) => path.startsWith("src/") && SAYS_PURE.test(text));
  for (const path of [...listed, ...claiming.map(([claimant]) => claimant)]) load(path, path);
  return [...loadedBy].flatMap(([path, by]) => {
    const source = modules.get(path);
    if (source === undefined) return [`${path} is listed as pure but does not exist`];
    const platform = source.imports.filter(
      ({ from, atRunTime }) => atRunTime && /^(cloudflare|node):/.test(from),
    );
    const found = [...source.impurities, ...platform.map(({ from, line }) => ({ name: from, line }))];
    const loader = by === path ? "" : `, which ${by} loads,`;
    return found.map(({ name, line }) => `${path}:${line}${loader} is not pure: ${name}`);
  });
}

/**
 * A name is exported for other modules of `src/`, or for the tests of its own room; in `test/` for any other
 * file.
 *
 * @param entrypoints modules that something outside loads by name
 * @param witnesses tests that hold all of `src/` against something else
 */
export function exportsAreUsed(
  tree: Tree,
  { entrypoints, witnesses }: { entrypoints: readonly string[]; witnesses: readonly string[] },
): string[] {
  const users = Map.groupBy(
    edgesOf(tree, "").flatMap(({ from, to, names }) => names.map((name) => ({ from, of: `${to} ${name}` }))),
    ({ of }) => of,
  );
  const usersOf = (path: string, name: string) =>
    [...(users.get(`${path} ${name}`) ?? []), ...(users.get(`${path} *`) ?? [])].map(({ from }) => from);
  const isUser = (user: string, path: string) =>
    countsAsUser(user, path) || witnesses.some((start) => user.startsWith(start));
  return [...sourcesOf(tree)]
    .filter(([path]) => !entrypoints.includes(path))
    .flatMap(([path, { exports }]) =>
      exports
        .filter(({ name }) => !usersOf(path, name).some((user) => isUser(user, path)))
        .map(({ name, line }) => {
          const by = usersOf(path, name).join(", ");
          return `${path}:${line} exports ${name}, which ${by === "" ? "nobody" : `only ${by}`} imports`;
        }),
    );
}

function countsAsUser(user: string, path: string): boolean {
  if (user.startsWith("src/") || path.startsWith("test/")) return true;
  return user.startsWith(`test/pure/${placeOf(path).replace(/\.ts$/, ".")}`);
}

/**
 * A file of `src/` is imported by another one there; a file of `test/` that is no test, by any.
 *
 * @param entrypoints files that something outside loads by name
 */
export function filesAreImported(tree: Tree, entrypoints: readonly string[]): string[] {
  const imported = new Set(edgesOf(tree).map(({ to }) => to));
  const used = new Set(edgesOf(tree, "").map(({ to }) => to));
  const unused = (path: string) =>
    path.startsWith("src/") ? path !== MAP && !imported.has(path) : isSupport(path) && !used.has(path);
  return [...tree.keys()]
    .filter((path) => unused(path) && !entrypoints.includes(path))
    .map((path) => `${path} is imported by nobody`);
}

function isSupport(path: string): boolean {
  return path.startsWith("test/") && isModule(path) && !path.endsWith(".test.ts");
}

/** A name has one door. @param doors the modules that hand on what others export */
export function nothingIsReexported(tree: Tree, doors: readonly string[]): string[] {
  return modulesIn(tree, "src/")
    .filter(([path]) => !doors.includes(path))
    .flatMap(([path, { reexports }]) =>
      reexports.map(({ name, line }) => `${path}:${line} exports ${name}, which another module declares`),
    );
}

const EMPTY_NAME = /^(index|mod|utils?|helpers?|common|misc|shared|lib|stuff)$/;

function singular(word: string): string {
  return word.replace(/s$/, "");
}

/** A name says what is in the file, and does not repeat the room; only the face of a room bears its name. */
export function namesSayWhat(tree: Tree): string[] {
  return [...tree.keys()].filter(isModule).flatMap((path) => {
    const [file = "", room = "", top] = path.split("/").toReversed();
    const base = file.replace(/(\.test)?(\.d)?\.\w+$/, "");
    const words = base.split("_").map(singular);
    const repeats = top === "src" && words.length > 1 && words.includes(singular(room));
    return [
      ...(EMPTY_NAME.test(base) ? [`${path}: the name says nothing`] : []),
      ...(repeats ? [`${path} repeats the name of its room`] : []),
    ];
  });
}

/** @param most files and folders of `src/` itself */
export function srcIsFlat(tree: Tree, most: number): string[] {
  const inside = [...tree.keys()].filter((path) => path.startsWith("src/"));
  const entries = new Set(inside.map((path) => path.split("/")[1]));
  return [
    ...inside.filter((path) => path.split("/").length > 3).map((path) => `${path} is a folder too deep`),
    ...(entries.size > most ? [`src has ${entries.size} entries; the limit is ${most}`] : []),
  ];
}

/**
 * `test/pure/<room>/<file>.test.ts` tests `src/<room>/<file>.ts` (of the page: `.js`), and
 * `<file>_<aspect>.test.ts` one side of it. `test/workers/<room>/` tests what is behind `src/<room>/`.
 *
 * @param elsewhere tests of what is not in `src/`: paths, or how they begin
 */
export function testsMirrorSources(tree: Tree, elsewhere: readonly string[]): string[] {
  return [...tree.keys()]
    .filter((path) => !elsewhere.some((start) => path.startsWith(start)))
    .flatMap((path) => {
      const [, kind, name = ""] = /^test\/(pure|workers)\/(.*)\.test\.ts$/.exec(path) ?? [];
      if (kind === "pure" && !subjectsOf(name).some((subject) => tree.has(subject)))
        return [`${path} tests no file of that name in src`];
      const room = `src/${name.slice(0, name.indexOf("/") + 1)}`;
      const isRoom = room !== "src/" && [...tree.keys()].some((other) => other.startsWith(room));
      return kind === "workers" && !isRoom ? [`${path} tests no room of that name in src`] : [];
    });
}

function subjectsOf(name: string): string[] {
  const words = name.split("_");
  const names = words.map((_, index) => words.slice(0, index + 1).join("_"));
  return names.flatMap((one) => [`src/${one}.ts`, `src/${one}.js`]);
}

/** The runtime loses alarms that are set in a certain way, which one file alone knows to avoid. */
export function alarmsAreSetIn(tree: Tree, only: string): string[] {
  return modulesIn(tree, "src/").flatMap(([path]) =>
    path !== only && /\.setAlarm\(/.test(tree.get(path) ?? "") ? [`${path} sets an alarm past ${only}`] : [],
  );
}

/** In columns as one sees them, not in bytes. */
export function commentsAreNarrow(tree: Tree, columns: number): string[] {
  return [...tree].flatMap(([path, text]) => {
    const lines = linesOf(text);
    return [...new Set(commentLinesOf(tree, path, lines))].flatMap((number) => {
      const width = [...(lines[number - 1] ?? "")].length;
      return width > columns
        ? [`${path}:${number} is a comment of ${width} columns; the limit is ${columns}`]
        : [];
    });
  });
}

/** Numbers of lines. Where comments begin with `#`, only those that stand alone are looked at. */
function commentLinesOf(tree: Tree, path: string, lines: readonly string[]): readonly number[] {
  if (isModule(path)) return sourcesOf(tree).get(path)?.commentLines ?? [];
  if (!path.endsWith(".toml") && !path.startsWith(".ci/")) return [];
  return lines.flatMap((line, index) => (/^\s*#/.test(line) ? [index + 1] : []));
}

export function readmeIsShort(tree: Tree, most: number): string[] {
  const { length } = linesOf(tree.get("README.md") ?? "");
  return length > most ? [`README.md has ${length} lines; the limit is ${most}`] : [];
}

interface Edge {
  readonly from: string;
  readonly to: string;
  readonly names: readonly string[];
  readonly atRunTime: boolean;
  readonly line: number;
}

/** Who imports whom. */
function edgesOf(tree: Tree, within = "src/"): Edge[] {
  const modules = sourcesOf(tree);
  return [...modules.keys()]
    .filter((path) => path.startsWith(within))
    .flatMap((path) => edgesFrom(path, modules));
}

function edgesFrom(path: string, modules: ReadonlyMap<string, Source>): Edge[] {
  return (modules.get(path)?.imports ?? [])
    .filter(({ from }) => from.startsWith(".") && !from.includes("/node_modules/"))
    .map(({ from, ...rest }) => ({ from: path, to: join(dirname(path), from), ...rest }))
    .filter(({ from, to }) => from !== to);
}

function modulesIn(tree: Tree, within: string): [string, Source][] {
  return [...sourcesOf(tree)].filter(([path]) => path.startsWith(within));
}

/** `copy/` of `src/copy/job.ts`, `lane.ts` of `src/lane.ts`. */
function placeOf(path: string): string {
  const [, room = "", file] = path.split("/");
  return file === undefined ? room : `${room}/`;
}

/** Circles of a graph, one for each set of nodes that reach each other. */
function circlesIn(edges: readonly { readonly from: string; readonly to: string }[]): string[][] {
  const next = Map.groupBy(edges, ({ from }) => from);
  const circles: string[][] = [];
  const done = new Set<string>();
  const follow = (node: string, path: readonly string[]) => {
    const start = path.indexOf(node);
    if (start >= 0) circles.push([...path.slice(start), node]);
    if (start >= 0 || done.has(node)) return;
    for (const edge of next.get(node) ?? []) follow(edge.to, [...path, node]);
    done.add(node);
  };
  for (const node of next.keys()) follow(node, []);
  return circles;
}

function linesOf(text: string): string[] {
  return text.replace(/\n$/, "").split("\n");
}
