// A copy's record over Node's own SQLite, in memory, with a copy in it that has been sized and is uploading.

import type { CopySpec } from "../../src/copy/spec.ts";
import { CopyRecord } from "../../src/copy/record.ts";
import type { Prepared } from "../../src/copy/phase.ts";
import type { StatusInput } from "../../src/copy/status.ts";
import { WORKING, prepared } from "./samples.ts";
import { memorySql, storageOver } from "./sqlite.ts";

export const SPEC: CopySpec = {
  source: { store: "east", bucket: "source", key: "a" },
  destination: { store: "west", bucket: "target", key: "b" },
  partSizeBytes: null,
  lanes: 8,
  concurrency: 40,
  verify: "auto",
  ifExists: "overwrite",
  ifBusy: "fail",
  ifSourceChanges: "fail",
  metadata: "preserve",
  attributes: {},
  storageClass: null,
  tags: "preserve",
  ifLossy: "warn",
  markCopy: true,
  via: "auto",
  location: null,
};

/** When that copy of the samples began. */
export const START = Date.UTC(2026, 10, 25, 12);

/** Of a copy that uploads. */
export const STATUS_INPUT: StatusInput = {
  id: "id-1",
  spec: SPEC,
  job: WORKING.uploading,
  totals: { done: 2, inFlight: 1, lost: 0, doneBytes: 10 * 2 ** 20, failedAttempts: 1 },
  attempts: 4,
  bytesPerSecond: 2 * 2 ** 20,
  createdAtMs: START - 1000,
  startedAtMs: START,
  endedAtMs: null,
  spent: {
    source: { requests: { put: 0, list: 0, get: 4, head: 1, delete: 0 }, bytes: 20 * 2 ** 20, usd: null },
    destination: { requests: { put: 4, list: 0, get: 0, head: 0, delete: 0 }, bytes: 0, usd: null },
    usd: null,
  },
  restored: null,
  budget: null,
  warnings: ["a warning"],
  debts: [],
  timeline: [],
  pace: {
    streams: 12,
    throttledBy: ["destination"],
    bytesPerSecond: 10e6,
    heldBy: ["source.maxBytesPerSecond"],
  },
  location: "weur",
  now: START + 5000,
};

export function uploadingCopy(
  spec: Partial<CopySpec>,
  object: Partial<Prepared>,
  sql: SqlStorage = memorySql(),
): CopyRecord {
  const record = new CopyRecord(storageOver(sql));
  record.create("copy-1", { ...SPEC, ...spec }, 0);
  record.applyEvent({ type: "sized", object: prepared(object) });
  record.applyEvent({ type: "createSending", now: 0 });
  record.applyEvent({ type: "created", uploadId: "up-1" });
  return record;
}
