// Requests for syncs, parsed into types once, at the door, as copy/spec.ts does for copies. Also the guards
// that need only the configuration: a sync into itself, or into or out of its own subtree, is refused before
// anything is listed.
//
// Pure, except for the env it is given. Errors are Problems that name the field, the value and what is
// allowed.

import { z } from "zod";
import { checkRestorable } from "../copy/restorable.ts";
import { Count, Flag, parseWith } from "../http/fields.ts";
import { Problem } from "../http/problem.ts";
import { overlapOf } from "../listing/prefix.ts";
import { type IfArchived, IfArchivedSchema, restoreWish } from "../object/archive.ts";
import { type ObjectOptions, ObjectOptionFields, resolveOptions } from "../object/options.ts";
import { type PrefixRef, checkBucket, bucketIdentity, PrefixRefSchema } from "../store/address.ts";
import type { Store } from "../store/stores.ts";
import { type MaxDeletes, DEFAULT_MAX_DELETES, MaxDeletesSchema } from "./deletes.ts";
import { type NamesSpec, NameFields, checkNamed, namesOf } from "./names.ts";
import { REPORT_PREFIX } from "./report_keys.ts";
import { DEFAULT_RESTORES } from "./restores.ts";
import { type RunBase, checkPrefix, resolveRun, RunFields } from "./run_spec.ts";
import { type VersionsSpec, VersionFields, versionsOf } from "./version_spec.ts";

/** Of a repair: the comparison, and how many keys either side had. */
interface RepairSpec {
  readonly comparison: string;
  readonly sourceKeys: number;
  readonly destinationKeys: number;
}

/** A sync as it was requested, with every default filled in; what its object keeps. */
export interface SyncSpec extends RunBase, ObjectOptions, NamesSpec, VersionsSpec {
  readonly kind?: undefined;
  readonly delete: boolean;
  readonly allowEmptySource: boolean;
  readonly maxDeletes: MaxDeletes;
  /** Absent in runs that were stored before there was this field. */
  readonly deleteDespiteFailures?: boolean;
  readonly dryRun: boolean;
  /** The report's parts are objects under this prefix; null: they are kept in the run's own storage. */
  readonly report: PrefixRef | null;
  /** Do keys that the filter leaves out have a line? Absent in older runs, where they have. */
  readonly reportFiltered?: boolean;
  /** The keys are those that a comparison has found not equal. Absent: those of both listings. */
  readonly repairs?: RepairSpec;
  /** The name of the replication that has started it. */
  readonly replication?: string;
  /** Absent: archived keys are skipped. */
  readonly ifArchived?: IfArchived;
  /** So many keys are restored at most. */
  readonly maxRestores?: number;
  /** `source`: what was uploaded in parts keeps them, and its ETag. Absent in older runs, which choose. */
  readonly partSize?: "source" | null;
}

/** Each key that waits is a row. */
const MAX_RESTORES = 100_000;

export const SyncRequestSchema = z.strictObject({
  ...RunFields,
  delete: Flag.optional(),
  allowEmptySource: Flag.optional(),
  maxDeletes: MaxDeletesSchema.optional(),
  deleteDespiteFailures: Flag.optional(),
  dryRun: Flag.optional(),
  ...NameFields,
  ...VersionFields,
  ...ObjectOptionFields,
  partSize: z.literal("source").optional(),
  ifArchived: IfArchivedSchema.optional(),
  maxRestores: Count(MAX_RESTORES).optional(),
  report: PrefixRefSchema.optional(),
  reportFiltered: Flag.optional(),
});

/** What a repair takes: which keys it is about, and how they are compared, the comparison says. */
export const RepairRequestSchema = SyncRequestSchema.omit({
  source: true,
  destination: true,
  compare: true,
  include: true,
  exclude: true,
  minSize: true,
  maxSize: true,
  minAgeSeconds: true,
  maxAgeSeconds: true,
  storageClasses: true,
  rename: true,
  keys: true,
  manifest: true,
  manifestFormat: true,
  manifestActions: true,
  versions: true,
  asOf: true,
  reportFiltered: true,
});

export type SyncRequest = z.infer<typeof SyncRequestSchema>;

/** The body of `POST /syncs`. @throws {Problem} 400 */
export function parseSyncRequest(body: unknown): SyncRequest {
  return parseWith(SyncRequestSchema, body);
}

/**
 * Fills in the defaults and checks a request against the configuration.
 *
 * @param keysFrom `comparison`: the keys are those of a comparison's report, whatever the request says
 * @throws {Problem} when the sync could not work as asked
 */
export function resolveSync(
  request: SyncRequest,
  env: Readonly<Record<string, unknown>>,
  keysFrom: "request" | "comparison" = "request",
): SyncSpec {
  const { source, destination } = request;
  const { run, source: sourceStore, destination: destinationStore } = resolveRun(request, env);
  checkWritable("copy to", destination, destinationStore);
  checkRestorable(request, sourceStore);
  const report = resolveReport(request, env);
  const isSameBucket =
    bucketIdentity(sourceStore, source.bucket) === bucketIdentity(destinationStore, destination.bucket);
  const overlap = overlapOf(source, destination, { isSameBucket, deletes: request.delete ?? false });
  if (overlap !== null) throw new Problem(400, "overlapping_prefixes", `Cannot sync: ${overlap}`);
  const names = namesOf(request, request, env);
  if (keysFrom === "request") checkNamed(names, sourceStore);
  return {
    ...run,
    delete: request.delete ?? false,
    allowEmptySource: request.allowEmptySource ?? false,
    maxDeletes: request.maxDeletes ?? DEFAULT_MAX_DELETES,
    deleteDespiteFailures: request.deleteDespiteFailures ?? false,
    dryRun: request.dryRun ?? false,
    ...resolveOptions(request),
    report,
    reportFiltered: request.reportFiltered ?? false,
    partSize: request.partSize ?? null,
    ...names,
    ...versionsOf(request, request, { source: sourceStore, destination: destinationStore }),
    ...restoresOf(request),
  };
}

/** @throws {Problem} 400 */
function restoresOf({ ifArchived, maxRestores }: SyncRequest): Pick<SyncSpec, "ifArchived" | "maxRestores"> {
  if (restoreWish({ ifArchived }) === null) {
    if (maxRestores !== undefined)
      throw new Problem(400, "invalid_request", '"maxRestores" needs "ifArchived" with a retrieval tier');
    return ifArchived === undefined ? {} : { ifArchived };
  }
  return {
    ...(ifArchived === undefined ? {} : { ifArchived }),
    maxRestores: maxRestores ?? DEFAULT_RESTORES,
  };
}

/** The identity of a sync's destination bucket: it shows whether two syncs write under one prefix. */
export function destinationIdentity(
  { destination }: Pick<SyncSpec, "destination">,
  env: Readonly<Record<string, unknown>>,
): string {
  return bucketIdentity(checkBucket("destination", destination, env), destination.bucket);
}

/** Of `<sync ID>/report-000001.ndjson`. */
const REPORT_NAME_BYTES = 64;

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
