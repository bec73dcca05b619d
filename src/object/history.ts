// The history of a key: its versions and delete markers, oldest first, and how much of it a destination has.
// Pure.
//
// The rule: the destination's history must be a beginning of the source's. How far it goes, its newest object
// says, whose mark names the source's version (mark.ts), and the delete markers after it, which can carry no
// mark and are counted. Anything else was written by somebody else, and nothing is added to it.
//
// A long history is brought over in stretches. Of the first one all that is there is held against it; of a
// later one only the end, since what lies before it was acknowledged, one version after the other.

export interface HistoryVersion {
  readonly versionId: string;
  readonly sizeBytes: number;
  readonly etag: string | null;
  /** Absent: an object. */
  readonly isDeleteMarker?: true;
  /** It has to be restored before it can be read. */
  readonly isArchived?: true;
  /** It becomes a copy of its own. */
  readonly isLarge?: true;
}

/** How far a history goes: to this object of the source, and so many delete markers after it. */
export interface Reached {
  /** Null: there is no object before. */
  readonly versionId: string | null;
  readonly markers: number;
}

export const NOTHING_REACHED: Reached = { versionId: null, markers: 0 };

/** Consecutive versions of a key. Plain data. */
export interface Stretch {
  /** The rest of the history, in the record of the run; null: there is none. */
  readonly history: number | null;
  /** Oldest first. */
  readonly versions: readonly HistoryVersion[];
  readonly before: Reached;
  /** No version comes after it. */
  readonly isLast: boolean;
  /** What is known already of all of it. Absent: nothing. */
  readonly known?: "there" | "absent";
  readonly isDryRun?: true;
}

export function isFirstStretch({ before }: Pick<Stretch, "before">): boolean {
  return before.versionId === null && before.markers === 0;
}

/** How far a history goes with one more version. */
export function reachedWith({ versionId, markers }: Reached, version: HistoryVersion): Reached {
  return version.isDeleteMarker === true
    ? { versionId, markers: markers + 1 }
    : { versionId: version.versionId, markers: 0 };
}

type Alignment =
  /** So many versions of the stretch are there. */
  | { readonly kind: "at"; readonly index: number }
  /** The newest object there is none of this stretch, and not the one before it. */
  | { readonly kind: "elsewhere" }
  | { readonly kind: "differs"; readonly why: string };

/** @param found the end of what the destination has */
export function align({ versions, before, isLast }: Stretch, found: Reached): Alignment {
  const isBefore = found.versionId === before.versionId;
  const own = isBefore
    ? -1
    : versions.findIndex(
        ({ versionId, isDeleteMarker }) => isDeleteMarker !== true && versionId === found.versionId,
      );
  if (!isBefore && own < 0) return { kind: "elsewhere" };
  const markers = found.markers - (isBefore ? before.markers : 0);
  if (markers < 0)
    return { kind: "differs", why: `${-markers} of the delete markers that were written are gone` };
  const following = versions.slice(own + 1, own + 1 + markers);
  const isSource = following.every(({ isDeleteMarker }) => isDeleteMarker === true);
  if (!isSource || (following.length < markers && isLast))
    return { kind: "differs", why: "it was deleted there where the source's history has no deletion" };
  return { kind: "at", index: own + 1 + following.length };
}

/** A version as far as a listing of either side shows it. */
export interface Shown {
  readonly isDeleteMarker: boolean;
  readonly sizeBytes: number;
}

/** May two listed versions be the same? ETags say little between stores; sizes and deletions do. */
export function mayBeSame(a: Shown, b: Shown): boolean {
  return a.isDeleteMarker === b.isDeleteMarker && (a.isDeleteMarker || a.sizeBytes === b.sizeBytes);
}

/**
 * Is all that the destination has a beginning of the history?
 *
 * @param shown all of its versions, newest first @param index so many versions should be there
 * @returns why not; null: it is
 */
export function beginningFault(
  versions: readonly HistoryVersion[],
  shown: readonly Shown[],
  index: number,
): string | null {
  if (shown.length !== index)
    return `it has ${shown.length} versions there, where the source's history has ${index}`;
  const odd = shown.findIndex((version, place) => {
    const source = versions[index - 1 - place];
    if (source === undefined) return true;
    const { sizeBytes, isDeleteMarker = false } = source;
    return !mayBeSame(version, { sizeBytes, isDeleteMarker });
  });
  return odd < 0 ? null : `its version ${index - odd} there is not the source's`;
}
