// The past of a copy's rate: no byte is lost or counted twice, whatever the lengths of the spans.
import { describe, expect, test } from "vitest";
import { samplesOf } from "../../../src/parts/history.ts";

const bytesIn = (samples: ReturnType<typeof samplesOf>, fromMs: number) => {
  let beforeMs = fromMs;
  return samples.reduce((sum, { at, bytesPerSecond }) => {
    const spanMs = Date.parse(at) - beforeMs;
    beforeMs = Date.parse(at);
    return sum + (bytesPerSecond * spanMs) / 1000;
  }, 0);
};

describe("samplesOf()", () => {
  test("is empty before a part is done", () => {
    expect(samplesOf([])).toEqual([]);
  });

  test("spreads a part over the time that it took", () => {
    expect(samplesOf([{ length: 4000, begunMs: 0, doneMs: 4000 }]).map((one) => one.bytesPerSecond)).toEqual([
      1000, 1000, 1000, 1000,
    ]);
  });

  test("shows a pause as one", () => {
    const samples = samplesOf([
      { length: 2000, begunMs: 0, doneMs: 2000 },
      { length: 2000, begunMs: 8000, doneMs: 10_000 },
    ]);
    expect(samples.map((one) => one.bytesPerSecond)).toEqual([1000, 1000, 0, 0, 0, 0, 0, 0, 1000, 1000]);
  });

  test.each([1, 7, 300, 10_000])("has at most 120 samples of %i parts, and all of their bytes", (count) => {
    const parts = Array.from({ length: count }, (_, n) => ({
      length: 5_000_000 + n,
      begunMs: n * 137,
      doneMs: n * 137 + 1 + ((n * 7919) % 9_000),
    }));
    const samples = samplesOf(parts);
    expect(samples.length).toBeLessThanOrEqual(120);
    const all = parts.reduce((sum, { length }) => sum + length, 0);
    expect(Math.abs(bytesIn(samples, 0) / all - 1)).toBeLessThan(0.001);
  });
});
