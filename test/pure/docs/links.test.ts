// No link in a document leads nowhere, no anchor stands twice, and what a mesh serves of src/docs leads only
// to what it serves.
import { existsSync, readdirSync, statSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { type Token, type Tokens, lexer, walkTokens } from "marked";
import { describe, expect, test } from "vitest";
import { typeOf } from "../../../src/http/problem.ts";
import { type ProblemCode, PROBLEM_STATUS } from "../../../src/http/codes.ts";
import { htmlOf, slugOf } from "../../../src/front/markdown.ts";
import { Page, ROOT } from "./page.ts";

const pageOf = once((path) => new Page(path));
const anchorsOf = once((path) => {
  const html = htmlOf(pageOf(path).markdown);
  return new Set(Array.from(html.matchAll(/ id="([^"]*)"/g), ([, id = ""]) => id));
});

const documents = ["README.md", "src", "test", ".github"].flatMap(documentsIn);
const served = documents.filter((path) => path.startsWith("src/docs/"));

test("the documents are found", () => {
  expect(documents).toEqual(
    expect.arrayContaining(["README.md", "test/README.md", "src/docs/api.md", ".github/SECURITY.md"]),
  );
});

describe.each(documents)("%s", (path) => {
  const page = pageOf(path);

  test("its links lead to files and headings that there are", () => {
    const dead = linksOf(page.tokens).filter((href) => !isAlive(path, href));
    expect(dead).toEqual([]);
  });

  test("no two headings have one anchor", () => {
    const slugs = page.slugs();
    expect(slugs).toEqual([...new Set(slugs)]);
  });

  test("its prose is not wider than 110 columns", () => {
    const prose = page.markdown.replaceAll(/^```[^]*?^```$/gm, "").split("\n");
    const wide = prose.filter((line) => line.length > 110 && !line.startsWith("|") && /\s/.test(line.trim()));
    expect(wide).toEqual([]);
  });
});

describe("as a mesh serves them", () => {
  test.each(served)(
    "each link of %s is the address of a page and an anchor of it, or leaves the mesh",
    (path) => {
      const html = htmlOf(pageOf(path).markdown);
      for (const [, href = ""] of html.matchAll(/<a href="([^"]*)"/g)) {
        if (href.startsWith("https://")) continue;
        const [page = "", anchor] = href.startsWith("#") ? [path, href.slice(1)] : pathOf(href);
        expect([href, existsSync(join(ROOT, page))]).toEqual([href, true]);
        if (anchor !== undefined) expect([href, anchorsOf(page).has(anchor)]).toEqual([href, true]);
      }
    },
  );

  test("the type of every problem is the address of the row that explains it", () => {
    for (const code of Object.keys(PROBLEM_STATUS) as ProblemCode[]) {
      const [page = "", anchor = ""] = pathOf(typeOf(code));
      expect([code, anchorsOf(page).has(anchor)]).toEqual([code, true]);
    }
  });

  test("no anchor stands twice in a page", () => {
    for (const path of served) {
      const ids = [...htmlOf(pageOf(path).markdown).matchAll(/ id="([^"]*)"/g)].map(([, id]) => id);
      expect([path, ids]).toEqual([path, [...new Set(ids)]]);
    }
  });
});

describe("htmlOf()", () => {
  test("shows HTML as text, also in a table, a link and a heading", () => {
    const html = htmlOf(
      "# <b>a</b>\n\n<script>alert(1)</script>\n\nx <img src=x onerror=y>\n\n| a |\n| - |\n| <i>b</i> |\n\n[<u>c</u>](a.md)\n",
    );
    expect(html).not.toMatch(/<(?:b|i|u|img|script)\b/);
    expect(html).toContain("&lt;script&gt;alert(1)&lt;/script&gt;");
  });

  test("an address of a script becomes text", () => {
    expect(htmlOf("[a](javascript:alert(1))")).not.toContain("<a");
  });

  test("a page of the documents is linked where a mesh has it, another file is named by its path", () => {
    expect(htmlOf("[a](sync.md#report)")).toContain('<a href="/docs/sync#report">a</a>');
    expect(htmlOf("[a](#b)")).toContain('<a href="#b">a</a>');
    expect(htmlOf("[a](../../test/bench/RESULTS.md)")).toContain("a (<code>test/bench/RESULTS.md</code>)");
  });

  test("a row of a table of codes has an anchor, a row of another table none", () => {
    expect(htmlOf("| code |\n| - |\n| `a_b` |\n")).toContain('<tr id="code-a_b">');
    expect(htmlOf("| field |\n| - |\n| `a_b` |\n")).toContain("<tr><td>");
  });
});

test.each([
  ["Fields of a copy", "fields-of-a-copy"],
  ["What `GET /stores` shows", "what-get-stores-shows"],
  ["What a store's code leads to", "what-a-stores-code-leads-to"],
])("the anchor of %s is the one that GitHub makes", (heading, slug) => {
  expect(slugOf(heading)).toBe(slug);
});

function documentsIn(path: string): string[] {
  const full = join(ROOT, path);
  if (!statSync(full).isDirectory()) return [path];
  return readdirSync(full, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md") && !name.includes("node_modules"))
    .map((name) => join(path, name))
    .toSorted();
}

function linksOf(tokens: readonly Token[]): string[] {
  const links: string[] = [];
  const list = lexer("");
  walkTokens(Object.assign(list, tokens), (token) => {
    if (token.type === "link" || token.type === "image") links.push((token as Tokens.Link).href);
  });
  return links;
}

function isAlive(path: string, href: string): boolean {
  if (href.startsWith("https:")) return true;
  const [file = "", anchor] = href.split("#");
  const target = file === "" ? path : relative(ROOT, join(ROOT, dirname(path), file));
  if (!existsSync(join(ROOT, target))) return false;
  return anchor === undefined || pageOf(target).slugs().includes(anchor);
}

/** `/docs/api#codes` in the repository. */
function pathOf(address: string): string[] {
  const [, name = "", anchor] = /^\/docs\/([a-z]+)(?:#(.*))?$/.exec(address) ?? [];
  return [`src/docs/${name}.md`, ...(anchor === undefined ? [] : [anchor])];
}

/** What a page is made of is worked out once: hundreds of links lead to it. */
function once<T>(make: (path: string) => T): (path: string) => T {
  const made = new Map<string, T>();
  return (path) => {
    const known = made.get(path) ?? make(path);
    made.set(path, known);
    return known;
  };
}
