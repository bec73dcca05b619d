// What a failure means, and what to do about it: the table of docs/trouble.md, which front/dashboard.ts puts
// in here.

/** @typedef {{ meaning: string, itself: string, you: string }} Trouble */

/** @type {Readonly<Record<string, Trouble>>} */
const TROUBLE = {/* rows */};

/**
 * @param {string} code
 * @returns {Trouble | null}
 */
export function troubleOf(code) {
  return TROUBLE[code] ?? null;
}

/**
 * Markdown of one line as nodes: `code`, and [links](address) into the documents.
 *
 * @template Made
 * @param {string} markdown
 * @param {(tag: "code" | "a", attributes: Record<string, string>, text: string) => Made} make
 * @returns {(Made | string)[]}
 */
export function inline(markdown, make) {
  return markdown.split(/(`[^`]+`|\[[^\]]+\]\([^)]+\))/).map((piece) => {
    if (piece.startsWith("`")) return make("code", {}, piece.slice(1, -1));
    const [, text, page, anchor = ""] = /^\[([^\]]+)\]\((\w+)\.md(#[\w-]+)?\)$/.exec(piece) ?? [];
    return text === undefined ? piece : make("a", { href: `/docs/${page}${anchor}` }, text);
  });
}
