import { gunzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { headerDifference, objectCases, PART_BYTES } from "../../smoke/cases.ts";
import { runIdAt, startOf } from "../../smoke/clean_up.ts";
import { exitCodeOf, rowLine, summaryLine } from "../../smoke/table.ts";

const row = (outcome: "pass" | "FAIL" | "skip", detail = "") => ({
  step: "sync",
  outcome,
  seconds: 1.25,
  detail,
});

test("a row is a line, and what follows stands below it", () => {
  expect(rowLine(row("pass", "all well"))).toBe(`${"sync".padEnd(33)}  pass       1.3  all well`);
  expect(rowLine(row("FAIL", "one\ntwo")).split("\n")[1]).toBe(`${" ".repeat(51)}two`);
});

test("one failure is a failure, and so is nothing at all", () => {
  expect(exitCodeOf([row("pass"), row("skip")])).toBe(0);
  expect(exitCodeOf([row("pass"), row("FAIL")])).toBe(1);
  expect(exitCodeOf([row("skip")])).toBe(1);
  expect(exitCodeOf([])).toBe(1);
  expect(summaryLine([row("pass"), row("FAIL"), row("skip")])).toBe("1 passed, 1 failed, 1 skipped");
});

test("the sizes are those around a part, and a gzip-encoded object has one part and more", () => {
  const cases = objectCases("run");
  const sizeOf = (key: string) => cases.find((each) => each.key === key)?.content.sizeBytes;
  expect(["0.bin", "1.bin", "part-minus-1", "part", "part-plus-1"].map(sizeOf)).toEqual([
    0,
    1,
    PART_BYTES - 1,
    PART_BYTES,
    PART_BYTES + 1,
  ]);
  const packed = cases.filter(({ headers }) => "content-encoding" in headers);
  expect(packed.map(({ content }) => content.sizeBytes > PART_BYTES)).toEqual([false, true]);
  for (const { content } of packed)
    expect(() => gunzipSync(content.slice(0, content.sizeBytes))).not.toThrow();
  expect(new Set(cases.map(({ key }) => key)).size).toBe(cases.length);
});

test("a lost or changed header is a difference, a missing length is not", () => {
  const written = { "content-type": "a/b", "x-amz-meta-smoke": "1" };
  expect(headerDifference(written, 5, { ...written, "content-length": "5", etag: "x" })).toBeNull();
  expect(headerDifference(written, 5, written)).toBeNull();
  expect(headerDifference(written, 5, { ...written, "content-length": "6" })).toBe(
    "content-length is 6, not 5",
  );
  expect(headerDifference(written, 5, { "content-type": "a/b" })).toBe('x-amz-meta-smoke is null, not "1"');
  expect(headerDifference(written, 5, { ...written, "content-type": "c/d" })).toBe(
    'content-type is "c/d", not "a/b"',
  );
});

test("a folder and a schedule tell when their run began, and nothing else does", () => {
  const id = runIdAt(new Date("2026-11-28T01:02:03.456Z"), "0a1b2c");
  expect(id).toBe("20261128t010203z-0a1b2c");
  const ms = Date.parse("2026-11-28T01:02:03Z");
  expect(startOf(`bucket-brigade-smoke-${id}/keys/a`)).toBe(ms);
  expect(startOf(id)).toBe(ms);
  expect(startOf("bucket-brigade-smoke-none/a")).toBeNull();
  expect(startOf("nightly")).toBeNull();
});
