import { expect, test } from "vitest";
import { meshDollars } from "../../../src/store/prices.ts";
import { cpuMsPerObject, digestCosts, storeDollars } from "../../simulate/prices.ts";

const USED = { objectRequests: 0, objectSeconds: 0, rowsWritten: 0, cpuMs: 0 };

test("each use has its price, and they add up", () => {
  expect(meshDollars({ ...USED, objectRequests: 1e6 })).toBeCloseTo(0.15);
  expect(meshDollars({ ...USED, rowsWritten: 1e6 })).toBeCloseTo(1);
  expect(meshDollars({ ...USED, cpuMs: 1e6 })).toBeCloseTo(0.02);
  // An object in memory is 128 MB of it.
  expect(meshDollars({ ...USED, objectSeconds: 1e6 })).toBeCloseTo(1.6);
  expect(meshDollars({ objectRequests: 1e6, objectSeconds: 1e6, rowsWritten: 1e6, cpuMs: 1e6 })).toBeCloseTo(
    2.77,
  );
  expect(storeDollars(1e6, 1e6)).toBeCloseTo(4.86);
});

const PAGE = `
| contestant                   | MB/s             | CPU s per GiB       | peak MiB |
| ---------------------------- | ---------------- | ------------------- | -------- |
| curl piped into curl         | 359 (356 to 361) | 3.43 (3.35 to 3.48) | 239      |
| mesh, no digest (verify off) | 293 (291 to 300) | 3.00 (2.96 to 3.28) | 132      |
| mesh, crc32c per part        | 230 (224 to 238) | 4.10 (4.10 to 4.30) | 213      |
| mesh, MD5 per part           | 164 (161 to 180) | 6.20 (5.53 to 6.35) | 202      |
| contestant           | objects/s | CPU ms per object | requests per object |
| mesh                 | 786       | 1.27              | 2.002               |
| mesh, nothing to do  | 28,020    | 0.03              | 0.002               |
`;

test("a digest costs what it takes above a copy without one", () => {
  const costs = digestCosts(PAGE);
  expect(costs.map(({ digest }) => digest)).toEqual(["crc32c", "MD5"]);
  expect(costs[1]?.cpuSecondsPerGib).toBeCloseTo(3.2);
  // 931 GiB in a TB, 3.2 s each, 0.02 dollars for a million milliseconds.
  expect(costs[1]?.dollarsPerTb).toBeCloseTo(0.0596, 4);
});

test("small objects cost what the bench says, copied or there already", () => {
  expect(cpuMsPerObject(PAGE)).toEqual({ copied: 1.27, skipped: 0.03 });
});

test("a page without the measure says which command makes it", () => {
  expect(() => digestCosts("")).toThrow("npm run bench -- large --write");
  expect(() => cpuMsPerObject("")).toThrow("npm run bench -- small --write");
});
