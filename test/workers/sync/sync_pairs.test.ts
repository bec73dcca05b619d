// Whole runs over generated bucket pairs, judged by a reader that shares no code with the mesh.

import { expect, test } from "vitest";
import type { ReportLine } from "../../mesh/mesh.ts";
import { contentsOf, fillPair } from "../fidelity/bucket_pair.ts";
import { openWorld } from "../world.ts";

/** So small that a few thousand keys are many pages. */
const PAGE_KEYS = 300;

const {
  mesh,
  stores: { east, west },
} = await openWorld({
  east: { buckets: ["source"], maxPageKeys: PAGE_KEYS },
  west: { buckets: ["destination"], maxPageKeys: PAGE_KEYS },
});

/** Keys of the report by what was done with them. */
function byAction(lines: readonly ReportLine[], prefix: string): Record<string, string[]> {
  const groups: Record<string, string[]> = {};
  for (const { key, action, reason } of lines) {
    const name = action === "skipped" ? `skipped ${reason}` : action;
    (groups[name] ??= []).push(key.slice(prefix.length));
  }
  for (const keys of Object.values(groups)) keys.sort();
  return groups;
}

const sorted = (names: ReadonlySet<string>) => [...names].toSorted();

test.for([
  { seed: "one", keys: 500, from: "data/", to: "backup/", large: 2 },
  { seed: "two", keys: 500, from: "", to: "x", large: 1 },
  { seed: "many", keys: 1500, from: "p/😀/", to: "q+ /", large: 3 },
])(
  "seed $seed, $keys keys: the destination is as the rules say, and a second run copies and deletes nothing",
  { timeout: 300_000 },
  async ({ seed, keys, from, to, large }) => {
    const expected = fillPair(east, west, {
      seed,
      keys,
      sourcePrefix: from,
      destinationPrefix: to,
      large,
    });
    const request = {
      source: { store: "east", bucket: "source", prefix: from },
      destination: { store: "west", bucket: "destination", prefix: to },
      delete: true,
      maxDeletes: "50%",
    };
    const first = await mesh.syncEnded(await mesh.startSync(request));
    expect(first.phase, JSON.stringify({ ...first, timeline: [] })).toBe("completed");
    expect(contentsOf(west, "destination", to)).toEqual(expected.contents);
    const listed = keys - expected.extra.size;
    expect(first.objects).toEqual({
      listed,
      copied: expected.copied.size,
      skipped: expected.equal.size + expected.archived.size,
      failed: 0,
      wouldCopy: 0,
      underWay: 0,
    });
    expect(first.deletes).toMatchObject({
      extra: expected.extra.size,
      deleted: expected.extra.size,
      failed: 0,
    });
    const lines = await mesh.report(first.id);
    const groups = byAction(
      lines.map((line) =>
        line.action === "deleted" ? { ...line, key: from + line.key.slice(to.length) } : line,
      ),
      from,
    );
    expect(groups).toEqual({
      copied: sorted(expected.copied),
      deleted: sorted(expected.extra),
      "skipped archived": sorted(expected.archived),
      "skipped equal": sorted(expected.equal),
    });
    west.journal.clear();
    const second = await mesh.syncEnded(await mesh.startSync(request));
    expect(second).toMatchObject({
      phase: "completed",
      objects: { listed, copied: 0, skipped: listed, failed: 0 },
      deletes: { extra: 0, deleted: 0 },
    });
    const writes = west
      .requests()
      .filter(({ method, key }) => method !== "GET" && !key?.startsWith(".bucket"));
    expect(writes.map(({ operation, key }) => [operation, key])).toEqual([]);
    for (const { key } of east.objects("source")) east.delete("source", key);
  },
);
