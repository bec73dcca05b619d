// What passes of a part of the report that its place gives back.

import { describe, expect, test } from "vitest";
import { checkedLines } from "../../../src/sync/report_lines.ts";
import { keepSecrets } from "../../../src/store/secrets.ts";

const LINES = [
  { key: "a/ü\u2028", action: "copied", size: 1 },
  { key: "b", action: "failed", reason: "source_error", message: "x".repeat(2_000) },
]
  .map((line) => JSON.stringify(line) + "\n")
  .join("");

/** What comes out, of pieces of that many bytes. */
async function passed(text: string | Uint8Array, { wrote = text.length, piece = 7 } = {}): Promise<string> {
  const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
  const pieces = Array.from({ length: Math.ceil(bytes.length / piece) }, (_, n) =>
    bytes.slice(n * piece, (n + 1) * piece),
  );
  const through = ReadableStream.from(pieces).pipeThrough(checkedLines(wrote));
  return await new Response(through).text();
}

const sizeOf = (text: string) => new TextEncoder().encode(text).length;

describe("a part of a report", () => {
  test.each([1, 7, 100_000])("passes as it is, in pieces of %i bytes", async (piece) => {
    expect(await passed(LINES, { wrote: sizeOf(LINES), piece })).toBe(LINES);
  });

  test("passes without a secret that it repeats", async () => {
    keepSecrets(["secret/of+the=report"]);
    const line = `${JSON.stringify({ key: "secret/of+the=report", action: "copied" })}\n`;
    expect(await passed(line)).toBe('{"key":"…","action":"copied"}\n');
  });

  test.each([
    ["a page", "<html>\n", {}],
    ["another document", '{"Authorization":"AWS4-HMAC-SHA256"}\n', {}],
    ["a number", "1\n", {}],
    ["half of it", LINES.slice(0, 50), { wrote: sizeOf(LINES) }],
    ["the first line of two", LINES.slice(0, LINES.indexOf("\n") + 1), { wrote: sizeOf(LINES) }],
    ["nothing", "", { wrote: 5 }],
    ["more than it", LINES + LINES, { wrote: sizeOf(LINES) }],
    ["a line without an end", "x".repeat(600_000), { wrote: 600_000, piece: 65_536 }],
    ["no UTF-8", Uint8Array.of(0xff, 0x0a), {}],
  ])("that comes back as %s breaks off", async (_, text, options) => {
    await expect(passed(text, options)).rejects.toThrow();
  });
});
