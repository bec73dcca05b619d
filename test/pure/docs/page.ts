// A document as the tests read it: its sections, their tables, and the `code` in a text; and what a schema
// has for fields, in the words that a table would have.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Token, type Tokens, lexer } from "marked";
import { z } from "zod";
import { slugOf } from "../../../src/front/markdown.ts";

export const ROOT = join(import.meta.dirname, "../../..");

export interface Table {
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

interface Section {
  readonly slug: string;
  readonly text: string;
  readonly tables: readonly Table[];
}

export class Page {
  readonly markdown: string;
  readonly tokens: readonly Token[];
  readonly #sections = new Map<string, Section>();

  /** @param path from the root of the repository */
  constructor(path: string) {
    this.markdown = readFileSync(join(ROOT, path), "utf8");
    this.tokens = lexer(this.markdown);
    let slug = "";
    let tokens: Token[] = [];
    const close = () => {
      const tables = tokens.flatMap((token) =>
        token.type === "table" ? [tableOf(token as Tokens.Table)] : [],
      );
      this.#sections.set(slug, { slug, text: tokens.map(({ raw }) => raw).join(""), tables });
    };
    for (const token of this.tokens) {
      if (token.type === "heading") {
        close();
        slug = slugOf((token as Tokens.Heading).text);
        tokens = [];
      } else tokens.push(token);
    }
    close();
  }

  slugs(): string[] {
    return this.tokens.flatMap((token) =>
      token.type === "heading" ? [slugOf((token as Tokens.Heading).text)] : [],
    );
  }

  section(slug: string): Section {
    const section = this.#sections.get(slug);
    if (section === undefined) throw new Error(`There is no section #${slug}`);
    return section;
  }

  /** The table of a section whose first column has this title. */
  table(slug: string, first: string): Table {
    const table = this.section(slug).tables.find(({ header }) => header[0] === first);
    if (table === undefined) throw new Error(`Section #${slug} has no table that begins with "${first}"`);
    return table;
  }
}

function tableOf({ header, rows }: Tokens.Table): Table {
  return {
    header: header.map(({ text }) => text),
    rows: rows.map((row) => row.map(({ text }) => text.replaceAll("&lt;", "<"))),
  };
}

/** What stands between backticks, in order; not what is in a block of code. */
export function codesIn(text: string): string[] {
  const inline = text.replaceAll(/^```[^]*?^```$/gm, "");
  return Array.from(inline.matchAll(/`([^`]+)`/g), ([, code = ""]) => code);
}

/** The names in the first column. @throws {Error} when a cell is not one `name` */
export function namesOf({ rows }: Table): string[] {
  return rows.map(([cell = ""]) => {
    const name = /^`([^`]+)`$/.exec(cell)?.[1];
    if (name === undefined) throw new Error(`${JSON.stringify(cell)} is not one name`);
    return name;
  });
}

interface JsonSchema {
  readonly type?: string;
  readonly const?: unknown;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly enum?: readonly string[];
}

interface Field {
  readonly isRequired: boolean;
  /** Of the field's own object, or of the objects in its array. */
  readonly inner: readonly string[];
  readonly values: readonly string[];
}

/** The fields of a schema's object; of several objects those of any. */
export function fieldsOf(schema: z.ZodType, io: "input" | "output"): Map<string, Field> {
  const objects = variantsOf(z.toJSONSchema(schema, { io, reused: "inline" }) as JsonSchema);
  const fields = new Map<string, Field>();
  for (const { properties = {}, required = [] } of objects) {
    for (const [name, property] of Object.entries(properties)) {
      const variants = variantsOf(property).flatMap((variant) => variantsOf(variant.items ?? variant));
      fields.set(name, {
        isRequired: required.includes(name),
        inner: variants.flatMap((variant) => Object.keys(variant.properties ?? {})),
        values: variants.flatMap((variant) => variant.enum ?? []),
      });
    }
  }
  return fields;
}

/** Every name and every word that a schema has, however deep. */
export function wordsOf(schema: z.ZodType, io: "input" | "output"): Set<string> {
  const words = new Set<string>();
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) return value.forEach(visit);
    if (typeof value !== "object" || value === null) return;
    const { properties = {}, enum: listed = [], const: only } = value as JsonSchema;
    for (const word of [...Object.keys(properties), ...listed, only]) words.add(String(word));
    Object.values(value).forEach(visit);
  };
  visit(z.toJSONSchema(schema, { io, reused: "inline" }));
  return words;
}

function variantsOf(schema: JsonSchema): JsonSchema[] {
  const several = schema.anyOf ?? schema.oneOf;
  return several === undefined ? [schema] : several.flatMap(variantsOf);
}
