// What a stretch of a history costs, from which its share of a budget is reserved.
import { expect, test } from "vitest";
import { type Stretch, NOTHING_REACHED } from "../../../src/object/history.ts";
import type { ObjectWork } from "../../../src/work/batch_task.ts";
import { costOf } from "../../../src/work/object_cost.ts";

const stretch: Stretch = {
  history: null,
  versions: [
    { versionId: "1", sizeBytes: 10, etag: null },
    { versionId: "2", sizeBytes: 0, etag: null, isDeleteMarker: true },
    { versionId: "3", sizeBytes: 30, etag: null },
    { versionId: "4", sizeBytes: 1000, etag: null, isLarge: true },
  ],
  before: NOTHING_REACHED,
  isLast: true,
};
const cost = (more: Partial<Stretch>) => {
  const work: ObjectWork = {
    key: "k",
    to: "k",
    sizeBytes: 40,
    etag: null,
    failedAttempts: 0,
    first: "replay",
  };
  const asking = { tags: "none", storageClass: null, compare: "auto" } as const;
  return costOf({ ...work, stretch: { ...stretch, ...more } }, asking, { source: null, destination: null });
};

test("each version its GET and PUT, each marker its DELETE, and once a look at what is there", () => {
  const { source, destination } = cost({});
  expect(source).toMatchObject({ get: 2, bytes: 40 });
  expect(destination).toMatchObject({ put: 2, delete: 1, list: 2, head: 1 });
});

test("a dry run looks, and what is known already costs nothing", () => {
  expect(cost({ isDryRun: true }).destination).toMatchObject({ put: 0, delete: 0, list: 2 });
  for (const known of ["there", "absent"] as const)
    for (const side of Object.values(cost({ known })))
      expect(Object.values(side).every((n) => n === 0)).toBe(true);
});
