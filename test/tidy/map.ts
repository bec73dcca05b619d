// The map of the code (src/README.md), held against the code: each part that runs and each room has its row
// on its floor, what it names exists, and the packages that it gives reasons for are those of package.json.

import type { Floors } from "./rules.ts";
import { type Tree, sourcesOf } from "./tree.ts";

const MAP = "src/README.md";

export function mapIsTrue(tree: Tree, floors: Floors): string[] {
  const map = tree.get(MAP);
  if (map === undefined) return [`${MAP} does not exist`];
  return [...floorsDiffer(map, floors), ...namesNothing(tree, map), ...packagesDiffer(tree, map)];
}

/** The first table: floor, place, what it is. */
function floorsDiffer(map: string, floors: Floors): string[] {
  const shown = rowsOf(map).flatMap(([floor = "", places = "", what = ""]) =>
    /^\d+$/.test(floor) ? quoted(places).map((place) => ({ floor: Number(floor), place, what })) : [],
  );
  const wanted = floors.flatMap((floor, down) =>
    floor.map((place) => ({ floor: floors.length - down, place })),
  );
  const missing = wanted.filter(
    ({ floor, place }) => !shown.some((row) => row.place === place && row.floor === floor && row.what !== ""),
  );
  const invented = shown.filter(
    ({ floor, place }) => !wanted.some((row) => row.place === place && row.floor === floor),
  );
  return [
    ...missing.map(({ floor, place }) => `${MAP} has no row for ${place} on floor ${floor}`),
    ...invented.map(({ floor, place }) => `${MAP} shows ${place} on floor ${floor}, where it does not stand`),
  ];
}

/** Paths exist, and a function is declared in one of the files that its paragraph or row names. */
function namesNothing(tree: Tree, map: string): string[] {
  const sources = sourcesOf(tree);
  const exists = (name: string) =>
    [...tree.keys()].some((path) =>
      [`src/${name}`, name].some((full) => path === full || (full.endsWith("/") && path.startsWith(full))),
    );
  return map.split(/\n(?=\n|[-|\d])/).flatMap((item) => {
    const names = quoted(item);
    const paths = names.filter((name) => /^[\w./-]+(\/|\.(ts|js|md))$/.test(name));
    const declared = paths.flatMap((path) => sources.get(`src/${path}`)?.functions ?? []);
    const functions = names.flatMap((name) => /^(\w+)\(\)$/.exec(name)?.[1] ?? []);
    return [
      ...paths.filter((path) => !exists(path)).map((path) => `${MAP} names ${path}, which does not exist`),
      ...functions
        .filter((name) => !declared.some((known) => known.name === name))
        .map((name) => `${MAP} names ${name}(), which none of ${paths.join(", ")} declares`),
    ];
  });
}

/** The last table: package, reason. */
function packagesDiffer(tree: Tree, map: string): string[] {
  const { dependencies = {} } = JSON.parse(tree.get("package.json") ?? "{}") as { dependencies?: object };
  const section = map.slice(map.indexOf("\n## Dependencies"));
  const given = rowsOf(section).flatMap(([name = "", reason = ""]) => (reason === "" ? [] : quoted(name)));
  const wanted = Object.keys(dependencies);
  return [
    ...wanted.filter((name) => !given.includes(name)).map((name) => `${MAP} gives no reason for ${name}`),
    ...given
      .filter((name) => !wanted.includes(name))
      .map((name) => `${MAP} gives a reason for ${name}, which is not used`),
  ];
}

/** Cells of all tables. */
function rowsOf(text: string): string[][] {
  const rows = text.split("\n").filter((line) => line.startsWith("|"));
  return rows.map((row) =>
    row
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

function quoted(text: string): string[] {
  return Array.from(text.matchAll(/`([^`]+)`/g), ([, name = ""]) => name);
}
