// wrangler.toml, read by line: what no other test sees, because none runs on the platform.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const toml = readFileSync(join(import.meta.dirname, "../../../wrangler.toml"), "utf8");

/** The lines of each table of this name, without comments. */
function tablesOf(name: string): string[][] {
  return toml
    .split(/^(?=\[)/m)
    .filter((table) => table.startsWith(`[${name}]`) || table.startsWith(`[[${name}]]`))
    .map((table) => [...table.matchAll(/^\w+ = (?:"[^"]*"|[^#\n]*)/gm)].map(([line]) => line.trim()));
}

test("the local mesh has every variable of the deployed one: wrangler's environments inherit none", () => {
  const [deployed = []] = tablesOf("vars");
  expect(deployed).toContain('RETENTION_DAYS = "30"');
  // In one process more lanes are of no use, and it is nobody else's.
  const own = new Map([
    ['MAX_LANES = "100"', 'MAX_LANES = "8"'],
    ['LOOPBACK_ONLY = ""', 'LOOPBACK_ONLY = "true"'],
  ]);
  const local = deployed.map((line) => own.get(line) ?? line);
  expect(tablesOf("env.local.vars")).toEqual([local]);
});

test("the local mesh has every migration of the deployed one", () => {
  expect(tablesOf("migrations").length).toBeGreaterThan(0);
  expect(tablesOf("env.local.migrations")).toEqual(tablesOf("migrations"));
});

test("an event may make a million requests: the default of 10,000 ends a lane of small objects in mid-batch", () => {
  expect(tablesOf("limits")).toEqual([["cpu_ms = 300000", "subrequests = 1000000"]]);
});
