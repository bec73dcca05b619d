// What an object of a batch costs at both stores, if nothing unforeseen happens. Pure. What turns out to cost
// more is left, and more is reserved for it the next time (account.ts).

import type { Stretch } from "../object/history.ts";
import { NOTHING_SENT } from "../store/sent.ts";
import { type Store, canCopyInside } from "../store/stores.ts";
import { type BatchTask, type ObjectWork, bytesOf, READ_BYTES } from "./batch_task.ts";
import { type Spent, addSpent, NOTHING_SPENT } from "./spent.ts";

type Asking = Pick<BatchTask["options"], "tags" | "storageClass" | "compare">;

/** @param sides null: not configured any more */
export function costOf(
  work: ObjectWork,
  { tags, storageClass, compare }: Asking,
  { source, destination }: { readonly source: Store | null; readonly destination: Store | null },
): Spent {
  const { first, reading, isUnseen, stretch } = work;
  if (stretch !== undefined)
    return stretchVersions(work, stretch)
      .map((version) => costOf(version, { tags, storageClass, compare }, { source, destination }))
      .reduce(addSpent, looksOf(stretch));
  const named = isUnseen === true ? 1 : 0;
  if (first === "compare" || first === "read") {
    const { fromBytes = 0, untilBytes = 0 } = reading ?? {};
    const gets = Math.ceil((untilBytes - fromBytes) / READ_BYTES);
    const each = {
      ...NOTHING_SENT,
      get: gets,
      head: reading === undefined ? 1 : 0,
      bytes: bytesOf(work) / 2,
    };
    return { source: each, destination: each };
  }
  const copies = first === "tell" ? 0 : 1;
  const looks = first === "copy" ? 0 : 1;
  // No listing shows checksums. Where the destination has some, the source is asked for them.
  const asksSource = looks === 1 && (compare === "auto" || compare === "checksum") ? 1 : 0;
  const inside = source !== null && destination !== null && canCopyInside(source, destination);
  const rechecks = inside && !source.profile.conditionalCopy ? 1 : 0;
  const isUntold = source !== null && source.profile.tags && !source.profile.tagCount;
  const asksTags = tags === "require" || (tags === "preserve" && isUntold) ? copies : 0;
  // Whether the destination keeps what it was sent is looked at once for many; here, for each.
  const sends = tags === "require" || storageClass !== null || destination?.encryption !== undefined;
  const confirms = sends ? copies : 0;
  return {
    source: {
      ...NOTHING_SENT,
      get: (inside ? 0 : copies) + asksTags,
      head: named + asksSource + (inside ? copies * (1 + rechecks) : 0),
      bytes: inside ? 0 : copies * work.sizeBytes,
    },
    destination: {
      ...NOTHING_SENT,
      put: copies,
      head: looks + confirms,
      get: tags === "require" ? copies : 0,
    },
  };
}

/** The object versions that a stretch of a history may bring over. */
function stretchVersions(
  { key, to, failedAttempts }: ObjectWork,
  { versions, ...stretch }: Stretch,
): ObjectWork[] {
  if (stretch.known !== undefined || stretch.isDryRun === true) return [];
  return versions
    .filter(({ isDeleteMarker, isLarge }) => isDeleteMarker !== true && isLarge !== true)
    .map(({ sizeBytes, etag }) => ({ key, to, sizeBytes, etag, failedAttempts, first: "copy" }));
}

/** What is there is listed, and its end looked at, once; and each delete marker is a request. */
function looksOf({ versions, known, isDryRun }: Stretch): Spent {
  if (known !== undefined) return NOTHING_SPENT;
  const markers = versions.filter(({ isDeleteMarker }) => isDeleteMarker === true).length;
  const destination = { ...NOTHING_SENT, list: 2, head: 1, get: 1, delete: isDryRun === true ? 0 : markers };
  return { source: NOTHING_SENT, destination };
}
