// What the rules of the house need to know of a file of TypeScript or JavaScript: what it imports, exports
// and declares, where its comments stand, and what in it is not pure. Read from the syntax tree that the
// formatter's parser makes, so a word in a string or a comment is never taken for code.

import { parsers } from "prettier/plugins/babel";

interface Import {
  /** As it is written: `./plan.ts`, `zod`. */
  readonly from: string;
  /** `*` is all of them. */
  readonly names: readonly string[];
  /** Whether the module is loaded for it, not only read by the type checker. */
  readonly atRunTime: boolean;
  readonly line: number;
}

interface Named {
  readonly name: string;
  readonly line: number;
}

export interface Source {
  readonly imports: readonly Import[];
  readonly exports: readonly Named[];
  /** Names of other modules that are handed on. */
  readonly reexports: readonly Named[];
  readonly functions: readonly (Named & { readonly lineCount: number })[];
  /** Numbers of the lines on which a comment stands, from 1. */
  readonly commentLines: readonly number[];
  /** What reads the clock, takes a chance, or reaches out of the program. */
  readonly impurities: readonly Named[];
}

interface Node {
  readonly type: string;
  readonly loc: { readonly start: { readonly line: number }; readonly end: { readonly line: number } };
  readonly [field: string]: unknown;
}

interface File {
  readonly program: Node;
  readonly comments: readonly (Node & { readonly value: string })[];
}

const parse = parsers["babel-ts"].parse as (text: string, options: { filepath: string }) => File;

/** Names that no pure module may use, as globals. `new Date(ms)` is pure, `new Date()` is not. */
const IMPURE_GLOBALS = new Set([
  "fetch",
  "performance",
  "crypto",
  "scheduler",
  "setTimeout",
  "setInterval",
  "queueMicrotask",
  "caches",
  "navigator",
  "console",
  "globalThis",
  "process",
]);
const IMPURE_MEMBERS = new Set(["Date.now", "Math.random"]);

/** @throws {SyntaxError} */
export function readSource(path: string, text: string): Source {
  const { program, comments } = parse(text, { filepath: path });
  const source = {
    imports: [] as Import[],
    exports: [] as Named[],
    reexports: [] as Named[],
    functions: [] as (Named & { lineCount: number })[],
    commentLines: comments.flatMap(({ loc }) => numbers(loc.start.line, loc.end.line)),
    impurities: [] as Named[],
  };
  for (const statement of nodesIn(program["body"])) {
    if (statement.type === "ImportDeclaration") source.imports.push(importOf(statement));
    if (isReexport(statement)) source.imports.push(reexportOf(statement));
    readExports(statement, source);
  }
  const imported = new Set(nodesIn(program["body"]).flatMap(localNamesOf));
  source.reexports.push(...source.exports.filter(({ name }) => imported.has(name)));
  walk(program, [], (node, parents) => {
    source.imports.push(...inlineImports(node, parents));
    if (isFunction(node)) {
      const { start, end } = node.loc;
      const lineCount = end.line - start.line + 1;
      source.functions.push({ name: functionName(node, parents), line: start.line, lineCount });
    }
    const impurity = impurityOf(node, parents);
    if (impurity !== null) source.impurities.push({ name: impurity, line: node.loc.start.line });
  });
  // JavaScript names the types of other modules in its comments.
  for (const { value, loc } of comments)
    for (const [, from = "", name] of value.matchAll(/\bimport\("([^"]+)"\)(?:\.(\w+))?/g))
      source.imports.push({ from, names: [name ?? "*"], atRunTime: false, line: loc.start.line });
  return source;
}

function importOf(statement: Node): Import {
  const specifiers = nodesIn(statement["specifiers"]);
  const isType = (node: Node) => node["importKind"] === "type";
  return {
    from: textOf(statement["source"]),
    names: specifiers.map(importedName),
    atRunTime: !isType(statement) && (specifiers.length === 0 || !specifiers.every(isType)),
    line: statement.loc.start.line,
  };
}

function isReexport({ type, source }: Node): boolean {
  return type === "ExportAllDeclaration" || (type === "ExportNamedDeclaration" && isNode(source));
}

function reexportOf(statement: Node): Import {
  const names = nodesIn(statement["specifiers"]).map((specifier) => textOf(specifier["local"]));
  return {
    from: textOf(statement["source"]),
    names: names.length === 0 ? ["*"] : names,
    atRunTime: statement["exportKind"] !== "type",
    line: statement.loc.start.line,
  };
}

function importedName(specifier: Node): string {
  if (specifier.type === "ImportNamespaceSpecifier") return "*";
  return specifier.type === "ImportDefaultSpecifier" ? "default" : textOf(specifier["imported"]);
}

function localNamesOf(statement: Node): string[] {
  if (statement.type !== "ImportDeclaration") return [];
  return nodesIn(statement["specifiers"]).map((specifier) => textOf(specifier["local"]));
}

/** `import("./x.ts")`, as a type or as a call. */
function inlineImports(node: Node, parents: readonly Node[]): Import[] {
  if (node.type !== "TSImportType" && node.type !== "ImportExpression") return [];
  const from = textOf(node["source"]);
  if (from === "") return [];
  const line = node.loc.start.line;
  if (node.type === "TSImportType") {
    const qualifier = firstNameOf(node["qualifier"]);
    return [{ from, names: [qualifier === "" ? "*" : qualifier], atRunTime: false, line }];
  }
  // const { a, b } = await import("./x.ts")
  const [assigned] = parents.slice(-2);
  const pattern = assigned?.type === "VariableDeclarator" ? (assigned["id"] as Node) : null;
  const names = pattern?.type === "ObjectPattern" ? keysOf(pattern) : ["*"];
  return [{ from, names, atRunTime: true, line }];
}

function keysOf(pattern: Node): string[] {
  return nodesIn(pattern["properties"]).map((property) => textOf(property["key"]));
}

function readExports(statement: Node, into: { exports: Named[]; reexports: Named[] }): void {
  const line = statement.loc.start.line;
  if (statement.type === "ExportAllDeclaration") into.reexports.push({ name: "*", line });
  if (statement.type === "ExportDefaultDeclaration") into.exports.push({ name: "default", line });
  if (statement.type !== "ExportNamedDeclaration") return;
  const from = statement["source"] === null ? into.exports : into.reexports;
  for (const specifier of nodesIn(statement["specifiers"]))
    from.push({ name: textOf(specifier["exported"]), line });
  const [declaration] = nodesIn([statement["declaration"]]);
  if (declaration === undefined) return;
  for (const name of declaredNames(declaration))
    if (!into.exports.some((exported) => exported.name === name)) into.exports.push({ name, line });
}

function declaredNames(declaration: Node): string[] {
  if (declaration.type !== "VariableDeclaration") return [textOf(declaration["id"])];
  return nodesIn(declaration["declarations"]).flatMap((declarator) => boundNames(declarator["id"] as Node));
}

/** The names that a pattern gives: `a`, `{ a, b: c }`, `[a, ...b]`. */
function boundNames(pattern: Node): string[] {
  switch (pattern.type) {
    case "ObjectPattern":
      return nodesIn(pattern["properties"]).flatMap(boundNames);
    case "ObjectProperty":
      return boundNames(pattern["value"] as Node);
    case "ArrayPattern":
      return nodesIn(pattern["elements"]).flatMap(boundNames);
    case "AssignmentPattern":
      return boundNames(pattern["left"] as Node);
    case "RestElement":
      return boundNames(pattern["argument"] as Node);
    default:
      return [textOf(pattern)];
  }
}

function isFunction({ type }: Node): boolean {
  return /^(FunctionDeclaration|FunctionExpression|ArrowFunctionExpression|ClassMethod|ClassPrivateMethod|ObjectMethod)$/.test(
    type,
  );
}

/** Its own name, or that of what it is the value of. */
function functionName(node: Node, parents: readonly Node[]): string {
  const parent = parents.at(-1);
  const named = [node["id"], node["key"], parent?.["id"], parent?.["key"]];
  return named.map(firstNameOf).find((name) => name !== "") ?? "a function";
}

function impurityOf(node: Node, parents: readonly Node[]): string | null {
  if (node.type === "MemberExpression") {
    const name = `${textOf(node["object"])}.${textOf(node["property"])}`;
    return IMPURE_MEMBERS.has(name) ? name : null;
  }
  if (node.type === "NewExpression" || node.type === "CallExpression")
    return textOf(node["callee"]) === "Date" && nodesIn(node["arguments"]).length === 0 ? "new Date()" : null;
  if (node.type !== "Identifier" || !IMPURE_GLOBALS.has(textOf(node))) return null;
  // A digest is the same whenever it is taken.
  const isDigest = textOf(node) === "crypto" && textOf(parents.at(-1)?.["property"]) === "subtle";
  return isReference(node, parents) && !isDigest ? textOf(node) : null;
}

/** Whether a name is read, and is not a field's, a type's or a property's. */
function isReference(node: Node, parents: readonly Node[]): boolean {
  const parent = parents.at(-1);
  if (parent === undefined || parent.type.startsWith("TS")) return false;
  if (parent["computed"] === true) return true;
  return parent["property"] !== node && parent["key"] !== node;
}

function walk(
  node: Node,
  parents: readonly Node[],
  visit: (node: Node, parents: readonly Node[]) => void,
): void {
  visit(node, parents);
  const below = [...parents, node];
  for (const child of Object.values(node).flatMap(nodesIn)) walk(child, below, visit);
}

function nodesIn(value: unknown): Node[] {
  return (Array.isArray(value) ? value : [value]).filter(isNode);
}

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && "type" in value && "loc" in value;
}

/** The name of an identifier, the value of a literal, "" of anything else. */
function textOf(node: unknown): string {
  if (!isNode(node)) return "";
  const text = node["name"] ?? node["value"];
  return typeof text === "string" ? text : "";
}

/** As textOf(), of `a.b.c` the first. */
function firstNameOf(node: unknown): string {
  if (!isNode(node)) return "";
  if (node.type === "TSQualifiedName") return firstNameOf(node["left"]);
  if (node.type === "PrivateName") return `#${textOf(node["id"])}`;
  return textOf(node);
}

function numbers(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}
