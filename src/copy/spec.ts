// Requests for copies, parsed into types once, at the door. One zod schema per body gives the validation, the
// type and the documentation. What needs the configuration (does the store exist, may it be written) is
// checked right after, so that nothing is created for a request that cannot work.
//
// Pure, except for the env it is given. Errors are Problems that name the field, the value and what is
// allowed.

import { z } from "zod";
import { checkPartSize } from "./plan.ts";
import { checkRestorable } from "./restorable.ts";
import { LANES_LIMIT, PARTS_PER_LANE, planLimits, widthOf } from "../env.ts";
import { Count, Instant, parseWith, SizeOr } from "../http/fields.ts";
import { Problem } from "../http/problem.ts";
import { type IfArchived, IfArchivedSchema } from "../object/archive.ts";
import { type ObjectOptions, ObjectOptionFields, resolveOptions } from "../object/options.ts";
import { s3Url, UnaddressableKeyError } from "../s3/url.ts";
import { webUrl } from "../s3/web.ts";
import {
  type DestinationRef,
  type ObjectRef,
  checkBucket,
  DestinationRefSchema,
  formatObject,
  isSameObject,
  ObjectRefSchema,
} from "../store/address.ts";
import { type Budget, BudgetFields } from "../store/budget.ts";
import type { StoreFacts } from "../store/facts.ts";
import { type JobLimits, LimitFields, limitsOf, mostAtOnce } from "../store/limits.ts";
import { type Location, LocationSchema } from "../store/location.ts";
import { type Store, styleOf } from "../store/stores.ts";
import { pricedBudgetOf } from "../work/account.ts";

/** A copy as it was requested, with every default filled in; what the coordinator keeps. */
export interface CopySpec extends ObjectOptions, JobLimits, Budget {
  readonly source: ObjectRef;
  readonly destination: ObjectRef;
  /** Null: chosen when the size is known. `source`: the parts that the source was uploaded in. */
  readonly partSizeBytes: number | "source" | null;
  /** At most. */
  readonly lanes: number;
  /** To begin with. Absent in older copies: all of them. */
  readonly firstLanes?: number;
  /** Most transfers in flight, over all lanes. */
  readonly concurrency: number;
  readonly ifExists: "overwrite" | "skip" | "fail";
  /** What to do while another copy writes the same object. */
  readonly ifBusy: "fail" | "queue";
  /** `restart`: copy the new object instead, a few times at most. */
  readonly ifSourceChanges: "fail" | "restart";
  /** `stream`: never let the service copy by itself, even where one credential reaches both sides. */
  readonly via: "auto" | "stream";
  /** Absent: the copy is blocked then. */
  readonly ifArchived?: IfArchived;
  /** Of the source's versions the one of this time, as isoTime() writes it; absent: the one that is named. */
  readonly asOf?: string;
  /** The id of the sync whose limits it is under and shares; absent: its own. */
  readonly limitsOf?: string;
  /** Where the copy and its lanes run; null: as the destination store says. */
  readonly location: Location | null;
  /**
   * What checks had found out about its buckets when it was admitted (store/facts.ts). The copy uses that to
   * its end.
   */
  readonly known?: readonly StoreFacts[];
  /** The name of a token, or an address. Absent in copies that were stored before there was this field. */
  readonly startedBy?: string;
}

/** A copy or sync that has an ID and may not have its Durable Object yet. */
export interface Admitted<Spec> {
  readonly id: string;
  readonly spec: Spec;
  readonly createdAtMs: number;
}

export const CopyRequestSchema = z.strictObject({
  source: ObjectRefSchema,
  destination: DestinationRefSchema,
  partSize: SizeOr("source").optional(),
  lanes: Count(LANES_LIMIT).optional(),
  concurrency: Count(LANES_LIMIT * PARTS_PER_LANE).optional(),
  ifExists: z.enum(["overwrite", "skip", "fail"]).optional(),
  ifBusy: z.enum(["fail", "queue"]).optional(),
  ifSourceChanges: z.enum(["fail", "restart"]).optional(),
  ...ObjectOptionFields,
  via: z.enum(["auto", "stream"]).optional(),
  asOf: Instant.optional(),
  ifArchived: IfArchivedSchema.optional(),
  ...LimitFields,
  ...BudgetFields,
  location: LocationSchema.optional(),
});

export type CopyRequest = z.infer<typeof CopyRequestSchema>;

/** The body of `POST /copies`. @throws {Problem} 400 */
export function parseCopyRequest(body: unknown): CopyRequest {
  return parseWith(CopyRequestSchema, body);
}

/**
 * Fills in the defaults and checks a request against the configuration.
 *
 * @throws {Problem} when the copy could not work as asked.
 */
export function resolveCopy(request: CopyRequest, env: Readonly<Record<string, unknown>>): CopySpec {
  const { source, partSize = null } = request;
  const destination = intoFolder(request.destination, source.key);
  const sourceStore = checkObject("source", source, env);
  const destinationStore = checkObject("destination", destination, env);
  if (destinationStore.readOnly === true) {
    throw new Problem(
      403,
      "store_read_only",
      `Cannot copy to store "${destination.store}": it is set readOnly`,
    );
  }
  if (destination.versionId !== undefined) {
    throw new Problem(
      400,
      "invalid_request",
      '"destination.versionId" cannot be chosen: the store assigns it',
    );
  }
  if (
    isSameObject([sourceStore, source], [destinationStore, destination]) &&
    source.versionId === undefined &&
    request.asOf === undefined &&
    !changesAttributes(request)
  ) {
    throw new Problem(
      400,
      "same_object",
      `Source and destination are the same object, ${formatObject(source)}: nothing to copy. Name a "versionId" of ` +
        `the source to restore it, or set "metadata", "attributes", "tags" or "storageClass" to change them`,
    );
  }
  checkRestorable(request, sourceStore);
  checkVersioned(request, sourceStore);
  const { asOf } = request;
  if (asOf !== undefined && source.versionId !== undefined) {
    const message = '"asOf" finds the version of a time, and "source" names a "versionId": give one of them';
    throw new Problem(400, "invalid_request", message);
  }
  const { minPartBytes } = destinationStore.profile;
  const refusal =
    typeof partSize === "number" ? checkPartSize(partSize, { ...planLimits(env), minPartBytes }) : null;
  if (refusal !== null) throw new Problem(400, refusal.code, refusal.message);
  const allowed = mostAtOnce(sourceStore, destinationStore);
  const { lanes, firstLanes, concurrency } = widthOf(request, allowed, env);
  return {
    source,
    destination,
    partSizeBytes: partSize,
    lanes,
    firstLanes,
    concurrency,
    ifExists: request.ifExists ?? "overwrite",
    ifBusy: request.ifBusy ?? "fail",
    ifSourceChanges: request.ifSourceChanges ?? "fail",
    ...resolveOptions(request),
    via: request.via ?? "auto",
    ...(asOf === undefined ? {} : { asOf }),
    ...(request.ifArchived === undefined ? {} : { ifArchived: request.ifArchived }),
    location: request.location ?? null,
    ...limitsOf(request),
    ...pricedBudgetOf(request, { source: sourceStore, destination: destinationStore }),
  };
}

/** The marker of a folder, whose key ends with a slash itself, is copied to that very key. */
function intoFolder({ into, ...destination }: DestinationRef, sourceKey: string): ObjectRef {
  const { key } = destination;
  if (into !== true || (key !== "" && sourceKey.endsWith("/"))) return destination;
  return { ...destination, key: key + (/[^/]*\/?$/.exec(sourceKey)?.[0] ?? "") };
}

/** A request that asks for the same again. */
export function requestOf(spec: CopySpec): CopyRequest {
  const { partSizeBytes, storageClass, location, known: _known, ...given } = spec;
  const { firstLanes: _first, startedBy: _by, limitsOf: _of, asOf, ...rest } = given;
  return {
    ...rest,
    // The version of that time has been found.
    ...(asOf === undefined || rest.source.versionId !== undefined ? {} : { asOf }),
    ...(partSizeBytes === null ? {} : { partSize: partSizeBytes }),
    ...(storageClass === null ? {} : { storageClass }),
    ...(location === null ? {} : { location }),
  };
}

/** An object may be copied over itself to change what it is besides its bytes. */
function changesAttributes({ metadata, attributes, tags, storageClass }: CopyRequest): boolean {
  return (
    metadata === "replace" ||
    storageClass !== undefined ||
    tags === "none" ||
    typeof tags === "object" ||
    Object.keys(attributes ?? {}).length > 0
  );
}

/** A web server has one state of each file. @throws {Problem} 400 */
function checkVersioned({ source, asOf }: CopyRequest, { name, web }: Store): void {
  if (web === undefined) return;
  const field = source.versionId !== undefined ? "source.versionId" : asOf !== undefined ? "asOf" : null;
  if (field === null) return;
  const message = `"${field}" cannot be chosen: store "${name}" is of kind https, which has no versions`;
  throw new Problem(400, "invalid_request", message);
}

function checkObject(
  role: "source" | "destination",
  ref: ObjectRef,
  env: Readonly<Record<string, unknown>>,
): Store {
  const store = checkBucket(role, ref, env);
  try {
    if (store.web !== undefined) webUrl(store.endpoint, store.web.query, ref.key);
    else s3Url({ endpoint: store.endpoint, style: styleOf(store, ref.bucket), bucket: ref.bucket }, ref.key);
  } catch (error) {
    if (error instanceof UnaddressableKeyError) {
      throw new Problem(400, "invalid_key", `"${role}": ${error.message}`);
    }
    throw error;
  }
  return store;
}
