// What requests for runs over a prefix have in common, whatever is done with each key: both sides, the
// filter, how keys are compared, and how many transfers run at once. Parsed once, at the door.
//
// Pure, except for the env it is given. Errors are Problems that name the field, the value and what is
// allowed.

import { z } from "zod";
import { LANES_LIMIT, PARTS_PER_LANE, widthOf } from "../env.ts";
import { Count, Size } from "../http/fields.ts";
import { Problem } from "../http/problem.ts";
import { type CompareMode, COMPARE_MODES } from "../http/vocabulary.ts";
import type { Filter } from "../listing/filter.ts";
import { compileGlob, MAX_GLOB_CHARACTERS } from "../listing/glob.ts";
import type { Glob } from "../listing/glob_match.ts";
import { prefixFault } from "../listing/prefix.ts";
import { type PrefixRef, checkBucket, PrefixRefSchema } from "../store/address.ts";
import { type Budget, BudgetFields } from "../store/budget.ts";
import type { StoreFacts } from "../store/facts.ts";
import { type JobLimits, LimitFields, limitsOf, mostAtOnce } from "../store/limits.ts";
import { type Location, LocationSchema } from "../store/location.ts";
import type { Store } from "../store/stores.ts";
import { pricedBudgetOf } from "../work/account.ts";

export interface RunBase extends JobLimits, Budget {
  readonly source: PrefixRef;
  readonly destination: PrefixRef;
  readonly compare: CompareMode;
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  readonly minSizeBytes: number | null;
  readonly maxSizeBytes: number | null;
  /** By the source's last modification, counted from the start of the run. */
  readonly minAgeSeconds: number | null;
  readonly maxAgeSeconds: number | null;
  /** Null: all. */
  readonly storageClasses: readonly string[] | null;
  readonly lanes: number;
  readonly firstLanes?: number; // to begin with; absent in older runs: all
  readonly concurrency: number;
  /** Where the run and its lanes are; null: as the destination store says. */
  readonly location: Location | null;
  /** As in a copy. The copies of a sync's large objects use it as well. */
  readonly known?: readonly StoreFacts[];
  /** As in a copy. The copies of a sync's large objects are started by the same. */
  readonly startedBy?: string;
}

const MAX_PATTERNS = 100;

/** One text, as a form sends it, or several. */
const Texts = z
  .union([z.string().min(1), z.array(z.string().min(1)).max(MAX_PATTERNS)])
  .transform((value) => (typeof value === "string" ? [value] : value));

const Patterns = Texts.transform((patterns, context) => {
  let left = MAX_GLOB_CHARACTERS;
  for (const pattern of patterns) {
    const compiled = compileGlob(pattern, left);
    if (compiled.ok) {
      left -= compiled.glob.characters;
      continue;
    }
    const message = `${JSON.stringify(pattern)} is not a valid pattern: ${compiled.message} (character ${compiled.position})`;
    context.addIssue({ code: "custom", message });
  }
  return patterns;
});

const MAX_CLASS_CHARACTERS = 64;

const YEARS_100_SECONDS = 100 * 366 * 86_400;

/** The fields of a request for a run. */
export const RunFields = {
  source: PrefixRefSchema,
  destination: PrefixRefSchema,
  compare: z.enum(COMPARE_MODES).optional(),
  include: Patterns.optional(),
  exclude: Patterns.optional(),
  minSize: Size.optional(),
  maxSize: Size.optional(),
  minAgeSeconds: Count(YEARS_100_SECONDS).optional(),
  maxAgeSeconds: Count(YEARS_100_SECONDS).optional(),
  storageClasses: Texts.refine((names) => names.every((name) => name.length <= MAX_CLASS_CHARACTERS), {
    error: `must have at most ${MAX_CLASS_CHARACTERS} characters each`,
  }).optional(),
  lanes: Count(LANES_LIMIT).optional(),
  concurrency: Count(LANES_LIMIT * PARTS_PER_LANE).optional(),
  ...LimitFields,
  ...BudgetFields,
  location: LocationSchema.optional(),
};

/** The fields that a form may give several times. */
export const RUN_LISTS = ["include", "exclude", "storageClasses"] as const;

/**
 * Fills in the defaults and checks a request against the configuration.
 *
 * @throws {Problem} when the run could not work as asked
 */
export function resolveRun(
  request: z.infer<z.ZodObject<typeof RunFields>>,
  env: Readonly<Record<string, unknown>>,
): { run: RunBase; source: Store; destination: Store } {
  const { source, destination } = request;
  const sourceStore = checkBucket("source", source, env);
  const destinationStore = checkBucket("destination", destination, env);
  checkPrefix("source", source, 0);
  checkPrefix("destination", destination, 0);
  if (request.minSize !== undefined && request.maxSize !== undefined && request.minSize > request.maxSize) {
    throw new Problem(400, "invalid_request", '"minSize" must not be above "maxSize"');
  }
  const run = {
    source,
    destination,
    compare: request.compare ?? "auto",
    include: request.include ?? [],
    exclude: request.exclude ?? [],
    minSizeBytes: request.minSize ?? null,
    maxSizeBytes: request.maxSize ?? null,
    minAgeSeconds: request.minAgeSeconds ?? null,
    maxAgeSeconds: request.maxAgeSeconds ?? null,
    storageClasses: request.storageClasses ?? null,
    ...widthOf(request, mostAtOnce(sourceStore, destinationStore), env),
    location: request.location ?? null,
    ...limitsOf(request),
    ...pricedBudgetOf(request, { source: sourceStore, destination: destinationStore }),
  };
  return { run, source: sourceStore, destination: destinationStore };
}

/** @param startedAtMs of the run, from which ages count */
export function filterOf(spec: RunBase, startedAtMs: number): Filter {
  const ago = (seconds: number | null) => (seconds === null ? null : startedAtMs - seconds * 1000);
  return {
    include: spec.include.map(globOf),
    exclude: spec.exclude.map(globOf),
    minSizeBytes: spec.minSizeBytes,
    maxSizeBytes: spec.maxSizeBytes,
    modifiedFromMs: ago(spec.maxAgeSeconds),
    modifiedBeforeMs: ago(spec.minAgeSeconds),
    storageClasses: spec.storageClasses?.map((name) => name.toUpperCase()) ?? null,
  };
}

/** @throws {Problem} 400 */
export function checkPrefix(role: string, { prefix }: PrefixRef, nameBytes: number): void {
  const fault = prefixFault(prefix, nameBytes);
  if (fault === null) return;
  throw new Problem(400, "invalid_key", `"${role}": no key begins with the prefix: ${fault}`);
}

function globOf(pattern: string): Glob {
  const compiled = compileGlob(pattern);
  if (!compiled.ok)
    throw new RangeError(`${JSON.stringify(pattern)} is not a valid pattern: ${compiled.message}`);
  return compiled.glob;
}
