// Requests for syncs, parsed into types once, at the door, as copy/spec.ts does for copies. Also the guards
// that need only the configuration: a sync into itself, or into or out of its own subtree, is refused before
// anything is listed.
//
// Pure, except for the env it is given. Errors are Problems that name the field, the value and what is
// allowed.

import { z } from "zod";
import { LANES_LIMIT, PARTS_PER_LANE, widthOf } from "../env.ts";
import { Count, Flag, parseWith, Size } from "../http/fields.ts";
import { Problem } from "../http/problem.ts";
import { type CompareMode, COMPARE_MODES } from "../http/vocabulary.ts";
import type { Filter } from "../listing/filter.ts";
import { compileGlob, MAX_GLOB_CHARACTERS } from "../listing/glob.ts";
import type { Glob } from "../listing/glob_match.ts";
import { overlapOf, prefixFault } from "../listing/prefix.ts";
import { type ObjectOptions, ObjectOptionFields, resolveOptions } from "../object/options.ts";
import { type PrefixRef, checkBucket, bucketIdentity, PrefixRefSchema } from "../store/address.ts";
import type { StoreFacts } from "../store/facts.ts";
import type { Store } from "../store/stores.ts";
import { type JobLimits, LimitFields, limitsOf, mostAtOnce } from "../store/limits.ts";
import { type Location, LocationSchema } from "../store/location.ts";
import { type MaxDeletes, DEFAULT_MAX_DELETES, MaxDeletesSchema } from "./deletes.ts";
import { type NamesSpec, NameFields, namesOf } from "./names.ts";
import { REPORT_PREFIX } from "./report.ts";

/** A sync as it was requested, with every default filled in; what its object keeps. */
export interface SyncSpec extends ObjectOptions, JobLimits, NamesSpec {
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
  readonly delete: boolean;
  readonly allowEmptySource: boolean;
  readonly maxDeletes: MaxDeletes;
  /** Absent in runs that were stored before there was this field. */
  readonly deleteDespiteFailures?: boolean;
  readonly dryRun: boolean;
  readonly lanes: number;
  readonly firstLanes?: number; // to begin with; absent in older runs: all
  readonly concurrency: number;
  /** The report's parts are objects under this prefix; null: they are kept in the run's own storage. */
  readonly report: PrefixRef | null;
  /** Do keys that the filter leaves out have a line? Absent in older runs, where they have. */
  readonly reportFiltered?: boolean;
  /** `source`: what was uploaded in parts keeps them, and its ETag. Absent in older runs, which choose. */
  readonly partSize?: "source" | null;
  /** Where the sync and its lanes run; null: as the destination store says. */
  readonly location: Location | null;
  /** As in a copy. The copies of its large objects use it as well. */
  readonly known?: readonly StoreFacts[];
  /** As in a copy. The copies of its large objects are started by the same. */
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

export const SyncRequestSchema = z.strictObject({
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
  delete: Flag.optional(),
  allowEmptySource: Flag.optional(),
  maxDeletes: MaxDeletesSchema.optional(),
  deleteDespiteFailures: Flag.optional(),
  dryRun: Flag.optional(),
  lanes: Count(LANES_LIMIT).optional(),
  concurrency: Count(LANES_LIMIT * PARTS_PER_LANE).optional(),
  ...NameFields,
  ...ObjectOptionFields,
  partSize: z.literal("source").optional(),
  report: PrefixRefSchema.optional(),
  reportFiltered: Flag.optional(),
  ...LimitFields,
  location: LocationSchema.optional(),
});

/** The fields that a form may give several times. */
export const SYNC_LISTS = ["include", "exclude", "storageClasses"] as const;

export type SyncRequest = z.infer<typeof SyncRequestSchema>;

/** The body of `POST /syncs`. @throws {Problem} 400 */
export function parseSyncRequest(body: unknown): SyncRequest {
  return parseWith(SyncRequestSchema, body);
}

/**
 * Fills in the defaults and checks a request against the configuration.
 *
 * @throws {Problem} when the sync could not work as asked
 */
export function resolveSync(request: SyncRequest, env: Readonly<Record<string, unknown>>): SyncSpec {
  const { source, destination } = request;
  const sourceStore = checkBucket("source", source, env);
  const destinationStore = checkBucket("destination", destination, env);
  checkPrefix("source", source, 0);
  checkPrefix("destination", destination, 0);
  checkWritable("copy to", destination, destinationStore);
  const report = resolveReport(request, env);
  const isSameBucket =
    bucketIdentity(sourceStore, source.bucket) === bucketIdentity(destinationStore, destination.bucket);
  const overlap = overlapOf(source, destination, { isSameBucket, deletes: request.delete ?? false });
  if (overlap !== null) throw new Problem(400, "overlapping_prefixes", `Cannot sync: ${overlap}`);
  if (request.minSize !== undefined && request.maxSize !== undefined && request.minSize > request.maxSize) {
    throw new Problem(400, "invalid_request", '"minSize" must not be above "maxSize"');
  }
  const width = widthOf(request, mostAtOnce(sourceStore, destinationStore), env);
  return {
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
    delete: request.delete ?? false,
    allowEmptySource: request.allowEmptySource ?? false,
    maxDeletes: request.maxDeletes ?? DEFAULT_MAX_DELETES,
    deleteDespiteFailures: request.deleteDespiteFailures ?? false,
    dryRun: request.dryRun ?? false,
    ...width,
    ...resolveOptions(request),
    report,
    reportFiltered: request.reportFiltered ?? false,
    partSize: request.partSize ?? null,
    location: request.location ?? null,
    ...namesOf(request, request),
    ...limitsOf(request),
  };
}

/** @param startedAtMs of the run, from which ages count */
export function filterOf(spec: SyncSpec, startedAtMs: number): Filter {
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

/** The identity of a sync's destination bucket: it shows whether two syncs write under one prefix. */
export function destinationIdentity(
  { destination }: SyncSpec,
  env: Readonly<Record<string, unknown>>,
): string {
  return bucketIdentity(checkBucket("destination", destination, env), destination.bucket);
}

/** Of `<sync ID>/report-000001.ndjson`. */
const REPORT_NAME_BYTES = 64;

/** @throws {Problem} 400 */
function checkPrefix(role: string, { prefix }: PrefixRef, nameBytes: number): void {
  const fault = prefixFault(prefix, nameBytes);
  if (fault === null) return;
  throw new Problem(400, "invalid_key", `"${role}": no key begins with the prefix: ${fault}`);
}

/** @throws {Problem} 403 */
function checkWritable(role: string, { store: name }: PrefixRef, store: Store): void {
  if (store.readOnly !== true) return;
  throw new Problem(403, "store_read_only", `Cannot ${role} store "${name}": it is set readOnly`);
}

/** @throws {Problem} when the report could not be written there */
function resolveReport(
  { report, dryRun }: SyncRequest,
  env: Readonly<Record<string, unknown>>,
): PrefixRef | null {
  if (report === undefined) return null;
  if (dryRun === true) {
    throw new Problem(
      400,
      "invalid_request",
      '"report" cannot be used with "dryRun", which writes nothing anywhere: GET /syncs/{id}/report has its report',
    );
  }
  const place = { ...report, prefix: reportPrefix(report.prefix) };
  checkWritable("write the report to", place, checkBucket("report", place, env));
  checkPrefix("report", place, REPORT_NAME_BYTES);
  return place;
}

/** Only reports are under this prefix, so they can be told from the user's own keys. */
function reportPrefix(prefix: string): string {
  return `${prefix}${prefix === "" || prefix.endsWith("/") ? "" : "/"}${REPORT_PREFIX}`;
}

function globOf(pattern: string): Glob {
  const compiled = compileGlob(pattern);
  if (!compiled.ok)
    throw new RangeError(`${JSON.stringify(pattern)} is not a valid pattern: ${compiled.message}`);
  return compiled.glob;
}
