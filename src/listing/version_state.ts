// The objects of a prefix as they were at a time: of each key its newest version of then. Pure.
//
// Last-Modified is when a version was written, in whole seconds at most stores. A delete marker as the newest
// of then means that there was no object.

import type { VersionCursor } from "./versions.ts";
import type { ListedVersion } from "../s3/versions_xml.ts";

/** How far it is read: a key whose version is found has older ones, which do not matter. */
export interface StateCursor {
  readonly kind: "state";
  readonly list: VersionCursor;
  readonly decidedKey: string | null;
}

interface StatePage {
  readonly objects: readonly ListedVersion[];
  /** The last key whose state is known. */
  readonly decidedKey: string | null;
}

/** @param decidedKey of the page before @param atMs the time, of which all of its second counts */
export function stateAt(
  versions: readonly ListedVersion[],
  atMs: number,
  decidedKey: string | null,
): StatePage {
  const objects: ListedVersion[] = [];
  let decided = decidedKey;
  for (const version of versions) {
    if (version.key === decided || (version.lastModifiedMs ?? Infinity) > atMs) continue;
    decided = version.key;
    if (!version.isDeleteMarker) objects.push(version);
  }
  return { objects, decidedKey: decided };
}

/** Passes the older versions of a key whose state is known. */
export function nextState(list: VersionCursor | null, decidedKey: string | null): StateCursor | null {
  if (list === null) return null;
  const isDecided = list.lastKey === decidedKey && list.after.key === decidedKey;
  const passed = isDecided ? { ...list, after: { key: list.after.key, versionId: null } } : list;
  return { kind: "state", list: passed, decidedKey };
}
