/**
 * Sizes as a data lake has them, from a seed: eight in ten objects are below 1 MiB (manifests, small files of
 * a partition), and nine tenths of the bytes are in objects above 16 MiB (Parquet, backups' chunks).
 */

const KIB = 1024;
const MIB = 1024 * KIB;

/** Within each range sizes are spread by their magnitude: as many between 1 and 2 KiB as between 2 and 4. */
const RANGES = [
  { from: KIB, to: MIB },
  { from: MIB, to: 16 * MIB },
  { from: 16 * MIB, to: 256 * MIB },
] as const;

/** The shares are exact: of each ten objects, eight are of the first range and one of each other. */
export function mixedSizes(count: number, seed: number): number[] {
  const random = seeded(seed);
  return Array.from({ length: count }, (_, index) => {
    const place = (index % 10) / 10;
    const range = place < 0.8 ? RANGES[0] : place < 0.9 ? RANGES[1] : RANGES[2];
    return Math.floor(range.from * (range.to / range.from) ** random());
  });
}

/** Numbers in [0, 1) that follow from the seed alone (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
