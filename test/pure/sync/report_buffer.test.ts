// The report's buffer over a real SQLite: where a line is, when a part is fixed, and how few rows the lines
// take.
import { expect, test } from "vitest";
import { ReportBuffer } from "../../../src/sync/report_buffer.ts";
import { memorySql } from "../sqlite.ts";

const LINE = `{"key":"${"k".repeat(80)}"}\n`;

function open() {
  const sql = memorySql();
  const report = new ReportBuffer(sql);
  report.createTables();
  const rows = () => Number(sql.exec("SELECT count(*) AS n FROM report_lines").one()["n"]);
  return { report, sql, rows };
}

const numbered = (count: number) =>
  Array.from({ length: count }, (_, index) => `${String(index).padStart(5, "0")}${LINE}`);

test("the lines of many batches come out in the order in which they came, in few rows", () => {
  const { report, rows } = open();
  const lines = numbered(2_000);
  for (let from = 0; from < lines.length; from += 20) report.append(lines.slice(from, from + 20).join(""));
  expect(report.fix()?.text).toBe(lines.join(""));
  // 100 batches of 2 kB each.
  expect(rows()).toBeLessThan(10);
});

test("a part that is fixed does not grow, and what comes later is in the next part alone", () => {
  const { report } = open();
  report.append("a\n");
  const first = report.fix();
  report.append("b\n");
  report.append("c\n");
  expect(report.fix()).toEqual(first);
  expect(report.tail()).toBe("a\nb\nc\n");
  if (first === null) throw new Error("Nothing was fixed");
  report.sent(first, '"etag"', 2);
  expect(report.parts()).toEqual([{ part: 1, etag: '"etag"', bytes: 2 }]);
  expect(report.tail()).toBe("b\nc\n");
  expect(report.fix()).toMatchObject({ part: 2, text: "b\nc\n" });
});

test("what comes after all was stored is kept, and is in no part before", () => {
  const { report } = open();
  report.append("a\n");
  const first = report.fix();
  if (first === null) throw new Error("Nothing was fixed");
  report.sent(first, '"etag"', 2);
  expect(report.fix()).toBeNull();
  report.append("b\n");
  report.append("c\n");
  expect(report.fix()).toMatchObject({ part: 2, text: "b\nc\n" });
});

test("what waits is counted in bytes, not in characters", () => {
  const { report } = open();
  report.append("ä€\n");
  report.append("😀\n");
  expect(report.waitingBytes()).toBe(11);
});

test("a page of long lines is cut into rows at the ends of lines, and is one text again", () => {
  const { report, rows } = open();
  const page = numbered(12_000).join("");
  report.append(page);
  expect(rows()).toBe(Math.ceil(page.length / 500_000));
  expect(report.tail()).toBe(page);
});

test("no lines are no row", () => {
  const { report, rows } = open();
  report.append("");
  expect(rows()).toBe(0);
  expect(report.fix()).toBeNull();
});

test("a part that is kept comes back in one piece, however many rows it takes, and is no object", () => {
  const { report } = open();
  expect(report.keptBytes()).toBe(0);
  report.append("a\n");
  const first = report.fix();
  if (first === null) throw new Error("Nothing was fixed");
  const compressed = Uint8Array.from({ length: 3_500_001 }, (_, index) => index % 251);
  report.kept(first, compressed, 2);
  report.kept(first, compressed, 2); // a step may run twice
  expect(report.parts()).toEqual([{ part: 1, etag: null, bytes: 2 }]);
  expect(Buffer.from(report.keptBytesOf(1)).equals(compressed)).toBe(true);
  expect(report.keptBytes()).toBe(compressed.length);
  expect(report.tail()).toBe("");
});

test("what is kept is summed part by part, none twice", () => {
  const { report, sql } = open();
  let keptBytes = 0;
  for (let part = 1; part <= 3; part++) {
    report.append(`${part}\n`);
    const fixed = report.fix();
    if (fixed === null) throw new Error("Nothing was fixed");
    report.kept(fixed, new Uint8Array(100 * part), 2);
    report.kept(fixed, new Uint8Array(100 * part), 2);
    keptBytes += 100 * part;
    expect([report.keptBytes(), report.keptBytes()]).toEqual([keptBytes, keptBytes]);
    // Were it summed again, it would be missing.
    sql.exec("DELETE FROM report_bytes WHERE part = ?", part);
  }
});
