// The first reading of a source whose names are changed by rules: it claims for each object the key that it
// will have at the destination. Nothing is written before all of them are known.

import type { Filter } from "../listing/filter.ts";
import type { FoundPage } from "../listing/lookup.ts";
import type { Rename } from "../listing/rename.ts";
import { type Failure, meshFailure } from "../s3/failure.ts";
import type { Store } from "../store/stores.ts";
import { collisionOf, imagesOf } from "./decide.ts";
import type { RunCursor } from "./phase.ts";
import type { SyncRecord } from "./record.ts";
import type { RunBase } from "./run_spec.ts";

interface NamesContext {
  readonly spec: RunBase;
  readonly filter: Filter;
  readonly source: Store;
  readonly rename: Rename;
}

/** Collisions that the message of the failure names. */
const NAMED = 5;

/** Records a page of the first reading, with its cursor. What cannot be renamed so ends the run. */
export function takeNames(record: SyncRecord, page: FoundPage<RunCursor>, context: NamesContext): void {
  const { cursor } = page;
  record.transaction(() => {
    if (!record.applyEvent({ type: "listed", cursor })) return;
    const failure = claimAll(record, page, context);
    if (failure !== null) {
      // The keys that were claimed stay: what a run in its end has in its storage does no harm.
      record.applyEvent({ type: "runFailed", failure }, failure.code, failure.message);
    } else if (cursor?.kind === "lookup") {
      record.timeline.add(Date.now(), "names_claimed");
    }
  });
}

function claimAll(record: SyncRecord, page: FoundPage<RunCursor>, context: NamesContext): Failure | null {
  const collisions: Failure[] = [];
  for (const { image, key } of imagesOf(page.pairs, context, context.rename)) {
    const holder = record.images.claim(image, key);
    if (holder !== null && key !== null) collisions.push(collisionOf({ key, holder, image }));
  }
  if (collisions.length > 0) {
    const named = collisions.slice(0, NAMED).map(({ message }) => message);
    const more = collisions.length - named.length;
    const message = `Two keys must not become one: ${named.join("; ")}${more > 0 ? `; and ${more} more` : ""}. Nothing was written`;
    return meshFailure("rename_collision", message, "rename");
  }
  if (!record.images.isFull()) return null;
  const message =
    "To find out whether two keys would become one, the run would have to keep more keys than its storage has " +
    "room for: rename a longer prefix, in several runs. Nothing was written";
  return meshFailure("too_many_renamed_keys", message, "rename");
}
