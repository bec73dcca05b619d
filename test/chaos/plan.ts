// Everything that will happen in one run, chosen by the seed: the stores' dialects, the copies, the faults,
// the blows to the mesh and the actions of its users. Pure: the same seed gives the same plan.
//
// Moments are counted in requests, never in time: "at the 17th request that the stores see" is the same
// moment on a slow machine, "a second after the start" is not.

import type { StoreOptions } from "../store/store.ts";
import { Dice } from "./dice.ts";
import { FAULTS, type FaultKind, type StoreName } from "./faults.ts";

const MIB = 2 ** 20;
/** The smallest part size that the mesh accepts: the most parts for the fewest bytes. */
export const PART_BYTES = 5 * MIB;

export interface RunPlan {
  readonly seed: number;
  /** After this long the faults end, whatever the state of the copies. */
  readonly faultySeconds: number;
  readonly stores: Readonly<Record<StoreName, StorePlan>>;
  readonly copies: readonly CopyPlan[];
  readonly faults: readonly PlannedFault[];
  readonly blows: readonly Blow[];
  readonly deeds: readonly Deed[];
  /** The mesh is hit while it accepts a copy. */
  readonly atPost: {
    readonly copy: number;
    readonly kind: "kill" | "abort";
    readonly delayMs: number;
  } | null;
}

interface StorePlan {
  readonly options: StoreOptions;
  /** Fields of STORE_<NAME> beside endpoint and credentials. */
  readonly fields: Readonly<Record<string, unknown>>;
}

export interface CopyPlan {
  readonly key: string;
  /** Where the source is. `west` makes it a copy within one service. */
  readonly from: StoreName;
  readonly sizeBytes: number;
  /** The source was itself uploaded in parts of this size. Null: it was not. */
  readonly sourcePartBytes: number | null;
  /** The destination already has an object with this key. */
  readonly occupied: boolean;
  /** The body of POST /copies, without source and destination. */
  readonly request: CopyOptions;
  /** POST is sent twice at once, with one Idempotency-Key. */
  readonly postedTwice: boolean;
  readonly expected: { readonly contentType: string; readonly metadata: Readonly<Record<string, string>> };
}

interface CopyOptions {
  readonly partSize: number;
  readonly verify: "auto" | "strict" | "off";
  readonly ifExists: "overwrite" | "skip" | "fail";
  readonly ifSourceChanges: "fail" | "restart";
  readonly lanes: number;
  readonly concurrency: number;
  readonly markCopy: boolean;
  readonly metadata: "preserve" | "replace";
  readonly attributes?: { readonly contentType: string; readonly meta: Readonly<Record<string, string>> };
}

export interface PlannedFault {
  readonly kind: FaultKind;
  /** How many requests of the fault's operations pass first. */
  readonly after: number;
  readonly times: number;
  /** In [0, 1): decides whatever else the fault has to choose. */
  readonly roll: number;
}

type Moment = "before-body" | "in-body" | "before-work" | "before-answer";

/** Hits the mesh itself while a store is handling one of its requests. */
export type Blow = { readonly atRequest: number; readonly moment: Moment } & (
  { readonly kind: "kill" } | { readonly kind: "abort" | "evict"; readonly target: Target }
);

export type Target =
  | { readonly class: "Coordinator"; readonly copy: number }
  | { readonly class: "Lane"; readonly copy: number; readonly lane: number }
  | { readonly class: "Registry" };

/** An action of a user. */
export interface Deed {
  readonly atRequest: number;
  readonly copy: number;
  readonly what: "pause" | "resume" | "cancel" | "post-again";
  /** How often it is sent at once. */
  readonly times: 1 | 2;
}

/** The bytes of all sources of a run together. More would only make it longer. */
const MOST_BYTES = 90 * MIB;

export function planRun(seed: number): RunPlan {
  const dice = new Dice(seed);
  const stores = { east: planSource(dice, seed), west: planDestination(dice, seed) };
  const copies = planCopies(dice);
  const requests = copies.reduce((sum, copy) => sum + expectedRequests(copy), 0);
  const isLong = dice.chance(0.03);
  const faults = planFaults(dice, { isLong, requests, stores });
  return {
    seed,
    faultySeconds: isLong ? 75 : dice.whole(6, 12),
    stores,
    copies,
    faults,
    blows: planBlows(dice, copies, requests),
    deeds: planDeeds(dice, copies, requests),
    atPost: dice.chance(0.08)
      ? {
          copy: dice.whole(0, copies.length - 1),
          kind: dice.chance(0.5) ? "kill" : "abort",
          delayMs: dice.whole(0, 20),
        }
      : null,
  };
}

function planSource(dice: Dice, seed: number): StorePlan {
  const opaque = dice.chance(0.25);
  return {
    options: {
      seed: `east-${seed}`,
      buckets: ["source"],
      etags: opaque ? "opaque" : "md5",
      etagQuotes: dice.weighted([
        [8, "quoted"],
        [1, "unquoted"],
        [1, "unquoted-headers"],
      ] as const),
      etagCase: dice.chance(0.1) ? "upper" : "lower",
      conditionalReads: dice.chance(0.15) ? "ignored" : "honoured",
      headPartNumber: dice.chance(0.3) ? "ignored" : "honoured",
      without: dice.chance(0.2) ? ["tagging"] : [],
    },
    // A store may have opaque ETags although its profile does not say so: then the copy must find out.
    fields: opaque && dice.chance(0.5) ? { profile: { md5Etag: false, md5MultipartEtag: false } } : {},
  };
}

function planDestination(dice: Dice, seed: number): StorePlan {
  const opaque = dice.chance(0.25);
  const conditions = dice.weighted([
    [3, "honoured"],
    [1, "ignored"],
    [1, "501"],
  ] as const);
  const told = conditions === "honoured" && dice.chance(0.7);
  const checksums = dice.chance(0.12);
  const without = [
    ...(dice.chance(0.2) ? (["listParts"] as const) : []),
    ...(dice.chance(0.15) ? (["listMultipartUploads"] as const) : []),
    ...(dice.chance(0.15) ? (["tagging"] as const) : []),
  ];
  const idempotent = dice.chance(0.5);
  return {
    options: {
      seed: `west-${seed}`,
      buckets: ["destination", "source"],
      etags: opaque ? "opaque" : "md5",
      etagQuotes: dice.weighted([
        [8, "quoted"],
        [1, "unquoted"],
        [1, "unquoted-headers"],
      ] as const),
      etagCase: dice.chance(0.1) ? "upper" : "lower",
      completeEtag: dice.chance(0.1) ? "empty" : "normal",
      completeSpaces: dice.chance(0.2) ? 64 : 0,
      uploadIds: dice.chance(0.4) ? "symbols" : "plain",
      idempotentComplete: idempotent,
      lateParts: dice.chance(0.4) ? "kept" : "refused",
      equalParts: dice.chance(0.2),
      conditionalWrites: conditions,
      automaticChecksum: checksums ? "CRC64NVME" : "none",
      without,
    },
    fields: {
      ...(dice.chance(0.15) ? { encryption: { kind: dice.pick(["AES256", "aws:kms"] as const) } } : {}),
      profile: {
        conditionalPut: told,
        conditionalComplete: told,
        ...(checksums ? { checksums: ["crc64nvme"], checksumMode: true } : {}),
        ...(opaque && dice.chance(0.5)
          ? { md5Etag: false, md5MultipartEtag: false, md5PartEtag: false }
          : {}),
      },
    },
  };
}

function planCopies(dice: Dice): CopyPlan[] {
  const copies: CopyPlan[] = [];
  let left = MOST_BYTES;
  for (let count = dice.whole(1, 4); count > 0; count--) {
    const wanted = planSize(dice);
    const sizeBytes = wanted > left ? dice.whole(0, 60_000) : wanted;
    left -= sizeBytes;
    copies.push(planCopy(dice, `object-${copies.length + 1}`, sizeBytes));
  }
  return copies;
}

function planSize(dice: Dice): number {
  return dice.weighted<() => number>([
    [1, () => 0],
    [1, () => 1],
    [2, () => dice.whole(2, 60_000)],
    [2, () => PART_BYTES + dice.whole(-1, 1)],
    [6, () => dice.whole(2, 4) * PART_BYTES + dice.whole(-1, 1)],
    [4, () => dice.whole(5, 12) * PART_BYTES + dice.whole(-1, 1)],
    [2, () => dice.whole(1, 6 * PART_BYTES)],
  ])();
}

function planCopy(dice: Dice, key: string, sizeBytes: number): CopyPlan {
  const lanes = dice.whole(1, 3);
  const sourceType = `application/x-${key}`;
  const sourceMeta = { origin: "east", "with-dash": key };
  const replaced = { contentType: "text/x-replaced", meta: { note: "set by the request" } };
  const metadata = dice.chance(0.2) ? "replace" : "preserve";
  const sets = metadata === "replace" || dice.chance(0.15);
  return {
    key,
    from: dice.chance(0.08) ? "west" : "east",
    sizeBytes,
    sourcePartBytes:
      sizeBytes > PART_BYTES && dice.chance(0.4) ? dice.pick([PART_BYTES, 6 * MIB, 8 * MIB]) : null,
    occupied: dice.chance(0.25),
    request: {
      partSize: dice.chance(0.8) ? PART_BYTES : PART_BYTES + dice.whole(1, 3 * MIB),
      verify: dice.weighted([
        [7, "auto"],
        [1, "strict"],
        [2, "off"],
      ] as const),
      ifExists: dice.weighted([
        [6, "overwrite"],
        [2, "skip"],
        [2, "fail"],
      ] as const),
      ifSourceChanges: dice.chance(0.4) ? "restart" : "fail",
      lanes,
      concurrency: dice.whole(1, lanes * 5),
      // Without the mark an empty object cannot be distinguished from any other.
      markCopy: sizeBytes === 0 || dice.chance(0.9),
      metadata,
      ...(sets ? { attributes: replaced } : {}),
    },
    postedTwice: dice.chance(0.2),
    expected: {
      contentType: sets ? replaced.contentType : sourceType,
      metadata: { ...(metadata === "replace" ? {} : sourceMeta), ...(sets ? replaced.meta : {}) },
    },
  };
}

/** The attributes of every source object. */
export function sourceAttributes(key: string): {
  contentType: string;
  metadata: Readonly<Record<string, string>>;
} {
  return { contentType: `application/x-${key}`, metadata: { origin: "east", "with-dash": key } };
}

/** Requests of a copy without faults, at both stores together. */
function expectedRequests({ sizeBytes, request }: CopyPlan): number {
  const parts = Math.ceil(sizeBytes / request.partSize);
  return parts > 1 ? 2 * parts + 6 : 5;
}

function planFaults(
  dice: Dice,
  {
    isLong,
    requests,
    stores,
  }: { isLong: boolean; requests: number; stores: Readonly<Record<StoreName, StorePlan>> },
): PlannedFault[] {
  const canList = !(stores.west.options.without ?? []).includes("listMultipartUploads");
  const menu = Object.entries(FAULTS).filter(
    ([kind, { long }]) =>
      // An upload whose Create was not answered can be found only by listing uploads.
      (isLong || !long) && (canList || kind !== "create-lost"),
  ) as [FaultKind, (typeof FAULTS)[FaultKind]][];
  const weights = menu.map(([kind, { weight }]) => [weight, kind] as const);
  const kinds = Array.from({ length: dice.whole(2, 8) }, () => dice.weighted(weights));
  if (isLong) kinds.push(dice.pick(["minute-outage", "stalled-for-ever"] as const));
  return [...new Set(kinds)].map((kind) => {
    const { times, late } = FAULTS[kind];
    return {
      kind,
      after: late ? dice.whole(0, Math.max(1, Math.floor(requests / 5))) : dice.whole(0, 1),
      times: dice.whole(times[0], times[1]),
      roll: dice.fraction(),
    };
  });
}

function planBlows(dice: Dice, copies: readonly CopyPlan[], requests: number): Blow[] {
  const kills = dice.weighted([
    [60, 0],
    [32, 1],
    [8, 2],
  ]);
  const aborts = dice.weighted([
    [50, 0],
    [25, 1],
    [15, 2],
    [10, 4],
  ]);
  const evictions = dice.weighted([
    [80, 0],
    [20, 1],
  ]);
  const when = () => ({
    atRequest: dice.whole(1, requests),
    moment: dice.pick(["before-body", "in-body", "before-work", "before-answer"] as const),
  });
  return [
    ...Array.from({ length: kills }, () => ({ kind: "kill" as const, ...when() })),
    ...Array.from({ length: aborts }, () => ({
      kind: "abort" as const,
      target: planTarget(dice, copies),
      ...when(),
    })),
    ...Array.from({ length: evictions }, () => ({
      kind: "evict" as const,
      target: planTarget(dice, copies),
      ...when(),
    })),
  ];
}

function planTarget(dice: Dice, copies: readonly CopyPlan[]): Target {
  const copy = dice.whole(0, copies.length - 1);
  const lanes = copies[copy]?.request.lanes ?? 1;
  return dice.weighted<Target>([
    [4, { class: "Coordinator", copy }],
    [4, { class: "Lane", copy, lane: dice.whole(1, lanes) }],
    [1, { class: "Registry" }],
  ]);
}

function planDeeds(dice: Dice, copies: readonly CopyPlan[], requests: number): Deed[] {
  const deeds: Deed[] = [];
  for (const copy of copies.keys()) {
    const what = dice.weighted<readonly Deed["what"][]>([
      [60, []],
      [12, ["cancel"]],
      [12, ["pause", "resume"]],
      [4, ["pause", "cancel"]],
      [4, ["pause"]],
      [8, ["post-again"]],
    ]);
    let atRequest = 0;
    for (const deed of what) {
      atRequest = dice.whole(atRequest + 1, Math.max(atRequest + 1, requests));
      deeds.push({ atRequest, copy, what: deed, times: dice.chance(0.25) ? 2 : 1 });
    }
  }
  return deeds;
}
