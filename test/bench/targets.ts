// What the benches are to reach, in one place: each target judges the RESULT lines of one measure, and the
// last line of the measure says which it misses. "Native" is what the stores give at all: curl piped into
// curl, as many at once. Beside a miss stands what workerd alone gives. It is no target: it tells whether the
// mesh or its runtime is in the way.

import type { Outcome } from "./contest.ts";
import { BARE } from "./bare_pipes.ts";
import { NATIVE } from "./curl_pipes.ts";

const PIPES: readonly string[] = [NATIVE, BARE];

interface Target {
  /** The results that it is about, by their name. */
  readonly of: RegExp;
  readonly unit: string;
  /** The least ratio to the best of the others; or, if that is given, to the native contestant. */
  readonly least?: number;
  readonly orOfNative?: number;
  /** The most, in the result's unit, or as its ratio. */
  readonly most?: number;
  readonly mostRatio?: number;
}

const TARGETS: readonly Target[] = [
  { of: /^large: mesh, no digest/, unit: "MB/s", least: 0, orOfNative: 0.8 },
  { of: /^small: mesh$/, unit: "objects/s", least: 0.8 },
  { of: /^inside: mesh$/, unit: "objects/s", least: 1 },
  { of: /^sizes: .* 20 KiB, 0 ms$/, unit: "objects/s", least: 0.8 },
  { of: /^sizes: .* (?:1|20) KiB, 50 ms$/, unit: "objects/s", least: 1 },
  { of: /^sizes: .* (?:1|8|16|64) MiB, 50 ms$/, unit: "objects/s", least: 1, orOfNative: 0.95 },
  {
    of: /^sizes: .* 200 MiB, 50 ms(?:, MAX_PART_MIB 256)?$/,
    unit: "objects/s",
    least: 1.5,
    orOfNative: 0.95,
  },
  { of: /^mixed: .*, 50 ms(?:, MAX_PART_MIB 256)?$/, unit: "MB/s", least: 1, orOfNative: 0.95 },
  { of: /^listing: /, unit: "keys/s", least: 1.2 },
  { of: /^(?:small|inside|sizes|mixed|listing): /, unit: "MiB at most", most: 300 },
  { of: /^(?:sizes: .* (?:16|64|200) MiB|mixed: )/, unit: "MiB at most", mostRatio: 1 / 3 },
  { of: /^soak: /, unit: "last thousand", mostRatio: 1.1 },
];

/** The targets that these results miss, a few words each; null if none is about them. */
export function missed(outcomes: readonly Outcome[]): readonly string[] | null {
  const about = TARGETS.flatMap((target) => {
    const chosen = outcomes.filter(({ name, unit }) => target.of.test(name) && unit === target.unit);
    return [...Map.groupBy(chosen, ({ name }) => name)].map(([name, own]) => ({ target, name, own }));
  });
  if (about.length === 0) return null;
  return about.flatMap(({ target, name, own }) => {
    const miss = missOf(target, own);
    return miss === null ? [] : [`${name} (${miss})`];
  });
}

/** @returns null if it is met */
function missOf({ least, orOfNative, most, mostRatio }: Target, own: readonly Outcome[]): string | null {
  const [first] = own;
  if (first === undefined) return null;
  if (most !== undefined) return first.value <= most ? null : `${first.value.toFixed(0)} ${first.unit}`;
  if (mostRatio !== undefined) {
    const ratio = first.ratio ?? 0;
    return ratio <= mostRatio ? null : `${ratio.toFixed(2)} × ${first.against}`;
  }
  const [native, bare] = PIPES.map((name) => own.find(({ against }) => against === name)?.ratio);
  if (orOfNative !== undefined && native !== undefined && native >= orOfNative) return null;
  const rival = own.find(({ against }) => against !== undefined && !PIPES.includes(against))?.ratio;
  if (least !== undefined && least > 0 && (rival === undefined || rival >= least)) return null;
  const told = [
    ...(rival === undefined ? [] : [`${rival.toFixed(2)} × rclone`]),
    ...(native === undefined ? [] : [`${native.toFixed(2)} × curl`]),
    ...(bare === undefined ? [] : [`${bare.toFixed(2)} × ${BARE}`]),
  ];
  return told.length === 0 ? null : told.join(", ");
}
