// How fast work between two stores has been, and how long other work would take at that pace. Pure.

/** Null: no work has shown it. */
export interface Pace {
  readonly objectsPerSecond: number | null;
  readonly bytesPerSecond: number | null;
}

export const UNKNOWN_PACE: Pace = { objectsPerSecond: null, bytesPerSecond: null };

/**
 * Whole seconds for so much, by whichever of objects and bytes takes longer, and never less than what the
 * limits leave. Null: the pace does not say.
 */
export function secondsAt(
  { objectsPerSecond, bytesPerSecond }: Pace,
  { objects, bytes }: { readonly objects: number; readonly bytes: number },
  leastSeconds: number | null,
): number | null {
  const times = [
    ...(objectsPerSecond === null ? [] : [objects / objectsPerSecond]),
    ...(bytesPerSecond === null ? [] : [bytes / bytesPerSecond]),
  ];
  return times.length === 0 || objects === 0 ? null : Math.ceil(Math.max(leastSeconds ?? 0, ...times));
}
