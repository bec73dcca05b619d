// The files that the rules of the house look at, as text.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Source, readSource } from "./source.ts";

/** Text by path from the root of the project, with `/`. */
export type Tree = ReadonlyMap<string, string>;

const TEXT = /\.(ts|js|css|html|md)$/;

/** Sources, tests and documents; and the files beside them that have comments or dependencies. */
export function readTree(root: string): Tree {
  const below = ["src", "test"].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && TEXT.test(entry.name))
      .map(({ parentPath, name }) => join(parentPath, name).slice(root.length + 1)),
  );
  const paths = [...below, "README.md", "package.json", "wrangler.toml", ".ci/run"];
  return new Map(paths.toSorted().map((path) => [path, readFileSync(join(root, path), "utf8")]));
}

const read = new WeakMap<Tree, ReadonlyMap<string, Source>>();

/** What the modules of a tree are made of, by path: those of TypeScript, and those of JavaScript. */
export function sourcesOf(tree: Tree): ReadonlyMap<string, Source> {
  let sources = read.get(tree);
  if (sources === undefined) {
    const modules = [...tree].filter(([path]) => isModule(path));
    sources = new Map(modules.map(([path, text]) => [path, readSource(path, text)]));
    read.set(tree, sources);
  }
  return sources;
}

export function isModule(path: string): boolean {
  return /\.(ts|js)$/.test(path);
}
