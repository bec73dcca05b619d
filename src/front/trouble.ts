// The table of docs/trouble.md as data: what each failure means, what the mesh does by itself, and what a
// person is to do. The document is the one place where that is written. Pure.

/** In Markdown, without tables: `code` and [links](address). */
interface Trouble {
  readonly meaning: string;
  readonly itself: string;
  readonly you: string;
}

/** By code. */
export function readTrouble(markdown: string): Record<string, Trouble> {
  const rows = markdown.matchAll(/^\| `([a-z_]+)` +\| ([^|]*) \| ([^|]*) \| ([^|]*) \|$/gm);
  return Object.fromEntries(
    Array.from(rows, ([, code = "", meaning = "", itself = "", you = ""]) => [
      code,
      { meaning: meaning.trim(), itself: itself.trim(), you: you.trim() },
    ]),
  );
}
