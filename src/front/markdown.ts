// A page of docs/ as HTML for a browser. Pure.
//
// Invariant: only the renderer makes markup; HTML in a page is shown as text. A link to a page of docs/ leads
// to the same page of this mesh. A link to another file of the repository, which a mesh does not serve,
// becomes its path. Each row of a table whose first column is "code" has an anchor: `code-` and the code.

import { type Tokens, Marked } from "marked";

/** The HTML inside <main>. */
export function htmlOf(markdown: string): string {
  return marked.parse(markdown, { async: false });
}

/** The anchor of a heading, by GitHub's rule. */
export function slugOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}_ -]/gu, "")
    .replaceAll(" ", "-");
}

/** The anchor of a row. Null: it has none. */
function rowAnchor(header: readonly Tokens.TableCell[], row: readonly Tokens.TableCell[]): string | null {
  if (header[0]?.text !== "code") return null;
  const code = /^`([a-z_]+)`$/.exec(row[0]?.text ?? "")?.[1];
  return code === undefined ? null : `code-${code}`;
}

export function escapeHtml(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}

const marked = new Marked({
  renderer: {
    html: ({ text }) => escapeHtml(text),
    image: ({ text }) => escapeHtml(text),
    heading({ tokens, text, depth }) {
      return `<h${depth} id="${slugOf(text)}">${this.parser.parseInline(tokens)}</h${depth}>\n`;
    },
    link({ href, tokens }) {
      const inner = this.parser.parseInline(tokens);
      const address = addressOf(href);
      if (address !== null) return `<a href="${escapeHtml(address)}">${inner}</a>`;
      return `${inner} (<code>${escapeHtml(pathOf(href))}</code>)`;
    },
    // What is wider than a phone is scrolled, also by keyboard.
    code: ({ text }) => `<pre tabindex="0"><code>${escapeHtml(text)}</code></pre>\n`,
    table({ header, rows }) {
      const cells = (tag: "th" | "td", row: readonly Tokens.TableCell[]) =>
        row.map(({ tokens }) => `<${tag}>${this.parser.parseInline(tokens)}</${tag}>`).join("");
      const lines = rows.map((row) => {
        const anchor = rowAnchor(header, row);
        return `<tr${anchor === null ? "" : ` id="${anchor}"`}>${cells("td", row)}</tr>\n`;
      });
      const head = `<thead><tr>${cells("th", header)}</tr></thead>`;
      const label = escapeHtml(header.map(({ text }) => text.replaceAll("`", "")).join(", "));
      return `<div class="scroll" tabindex="0" role="group" aria-label="${label}"><table>${head}<tbody>\n${lines.join("")}</tbody></table></div>\n`;
    },
  },
});

/** The target of a link in a browser. Null: a file that a mesh does not serve. */
function addressOf(href: string): string | null {
  const page = /^([a-z]+)\.md(#.*)?$/.exec(href);
  if (page !== null) return `/docs/${page[1]}${page[2] ?? ""}`;
  return /^(?:#|https:|\/docs\/)/.test(href) ? href : null;
}

/** From the root of the repository. */
function pathOf(href: string): string {
  return new URL(href, "file:///src/docs/").pathname.slice(1);
}
