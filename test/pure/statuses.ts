// A status of a copy, one of a sync and one of a comparison, all under way.

import { copyStatus } from "../../src/copy/status.ts";
import type { CopyStatus, SyncStatus } from "../../src/view/answers.ts";
import type { ComparisonStatus } from "../../src/view/comparison_answers.ts";
import { STATUS_INPUT } from "./copy_record.ts";

export const COPY_STATUS: CopyStatus = copyStatus(STATUS_INPUT);

export const SYNC_STATUS: SyncStatus = {
  id: "id-2",
  phase: "copying",
  source: "east:source/",
  destination: "west:destination/",
  location: null,
  dryRun: false,
  objects: { listed: 1000, copied: 500, skipped: 100, failed: 10, wouldCopy: 0, underWay: 390 },
  bytes: { listed: 3 * 2 ** 30, copied: 1.2 * 2 ** 30, skipped: 0, failed: 0, wouldCopy: 0 },
  skippedBy: {},
  deletes: { destinationObjects: 0, extra: 0, deleted: 0, failed: 0, refused: false },
  rate: { objectsPerSecond: 40.1, bytesPerSecond: 12 * 2 ** 20, etaSeconds: null },
  spent: STATUS_INPUT.spent,
  inFlight: { batches: 5, largeRunning: 0, largeWaiting: 0 },
  failures: [],
  warnings: [],
  report: { path: "/syncs/id-2/report", storedAt: null, parts: 0, bytes: 0, keptBytes: 0, maxKeptBytes: 1 },
  options: {
    compare: "auto",
    delete: false,
    maxDeletes: "50%",
    report: { store: "west", bucket: "destination", prefix: "" },
  },
  startedBy: null,
  createdAt: "2026-11-25T12:00:00.000Z",
  startedAt: "2026-11-25T12:00:00.000Z",
  endedAt: null,
  timeline: [],
};

const OUTCOMES = { equal: 500, different: 1, unknown: 2, missing: 3, extra: 4, unreadable: 0 };

export const COMPARISON_STATUS: ComparisonStatus = {
  id: "id-3",
  phase: "comparing",
  source: "east:source/",
  destination: "west:destination/",
  location: null,
  deep: false,
  keys: { listed: 1000, ...OUTCOMES, skipped: 90, underWay: 400 },
  bytes: { listed: 3 * 2 ** 30, ...OUTCOMES, skipped: 0 },
  proofs: { etag: { keys: 500, bytes: 2 ** 30 } },
  reasons: { etag: 1, parts: 2 },
  skippedBy: { excluded: 90 },
  rate: { keysPerSecond: 1200.5 },
  spent: STATUS_INPUT.spent,
  inFlight: { batches: 5 },
  unreadable: [],
  warnings: [],
  repairSyncId: null,
  report: { path: "/comparisons/id-3/report", parts: 0, bytes: 0, keptBytes: 0, maxKeptBytes: 1 },
  options: { compare: "auto", deep: false },
  startedBy: null,
  createdAt: "2026-11-25T12:00:00.000Z",
  startedAt: "2026-11-25T12:00:00.000Z",
  endedAt: null,
  timeline: [],
};
