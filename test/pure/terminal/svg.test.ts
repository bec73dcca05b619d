import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { terminalSvg } from "../../terminal/svg.ts";

const textsIn = (svg: string) =>
  Array.from(svg.matchAll(/<text [^>]*y="(\d+)"[^>]*>([^<]*)</g), ([, y, text]) => [Number(y), text]);

test("every line stands in a row of its own, and what is rewritten in one row", () => {
  const svg = terminalSvg("run", [
    { atMs: 100, text: "begins" },
    { atMs: 200, text: "[#-] 50%" },
    { atMs: 300, text: "[##] 100%" },
    { atMs: 400, text: "ends" },
  ]);
  const rows = textsIn(svg);
  expect(rows.map(([, text]) => text)).toEqual(["$ run", "begins", "[#-] 50%", "[##] 100%", "ends"]);
  expect(rows.map(([y]) => y)).toEqual([27, 45, 63, 63, 81]);
});

test("without motion the last state is shown: only what was rewritten is hidden", () => {
  const svg = terminalSvg("run", [
    { atMs: 1, text: "[#-]" },
    { atMs: 2, text: "[##]" },
  ]);
  expect(Array.from(svg.matchAll(/class="([^"]*)"/g), ([, name]) => name)).toEqual(["l0", "l1 over", "l2"]);
});

test("what was printed is text and nothing else, and a long line is broken", () => {
  const svg = terminalSvg("run", [
    { atMs: 1, text: `<script>"&` },
    { atMs: 2, text: "x".repeat(130) },
  ]);
  expect(svg).not.toContain("<script>");
  expect(
    textsIn(svg)
      .slice(1)
      .map(([, text]) => String(text).length),
  ).toEqual([25, 124, 6]);
});

test("the picture in the README is of a demo that has ended well", () => {
  const svg = readFileSync(join(import.meta.dirname, "../../terminal/demo.svg"), "utf8");
  const texts = textsIn(svg).map(([, text]) => String(text));
  expect(texts[0]).toBe("$ npm run demo");
  expect(texts.at(-1)).toMatch(/^Same size, same SHA-256\. \d+ parts in/);
  const digests = texts.flatMap((text) => /^ {2}SHA-256 ([0-9a-f]{64})$/.exec(text)?.[1] ?? []);
  expect([digests.length, new Set(digests).size]).toEqual([2, 1]);
  expect(svg.length).toBeLessThan(20_000);
});
