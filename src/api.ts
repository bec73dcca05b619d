// Requests of the HTTP API, parsed into types once at the door. One zod schema per body gives the validation, the
// type and (later) the documentation; what needs the configuration (does the store exist, may it be written) is
// checked right after, so that nothing is created for a request that cannot work.
//
// Pure but for the env it is handed. Errors are Problems that name the field, the value and what is allowed.

import { z } from "zod";
import { LOCATIONS, type Location } from "./location.ts";
import { type PlanLimits, MIB, checkPartSize } from "./plan.ts";
import { Problem } from "./problem.ts";
import type { StoreFacts } from "./store_facts.ts";
import { UnaddressableKeyError, s3Url } from "./s3_url.ts";
import { type Store, findStore, isSameService, styleOf } from "./stores.ts";
import { parseSize } from "./units.ts";

/** One object at one store. */
export interface ObjectRef {
  readonly store: string;
  readonly bucket: string;
  readonly key: string;
  readonly versionId?: string | undefined;
}

/** A copy as it was asked for, with every default filled in; what the coordinator keeps. */
export interface CopySpec {
  readonly source: ObjectRef;
  readonly destination: ObjectRef;
  /** Null: chosen when the size is known. */
  readonly partSizeBytes: number | null;
  readonly lanes: number;
  /** Most part copies in flight, over all lanes. */
  readonly concurrency: number;
  readonly verify: "auto" | "strict" | "off";
  readonly ifExists: "overwrite" | "skip" | "fail";
  /** What to do while another copy writes the same object. */
  readonly ifBusy: "fail" | "queue";
  /** `restart`: copy the new object instead, a few times at most. */
  readonly ifSourceChanges: "fail" | "restart";
  readonly metadata: "preserve" | "replace";
  readonly attributes: AttributeChanges;
  /** Null: the source's. */
  readonly storageClass: string | null;
  readonly tags: TagChoice;
  /** What to do when the destination cannot hold an attribute. */
  readonly ifLossy: "warn" | "fail";
  /** Put our copy ID into the destination's metadata. */
  readonly markCopy: boolean;
  /** `server`: let the service copy by itself where one credential reaches both sides. */
  readonly via: "auto" | "stream";
  /** Where its lanes and it itself run; null: as the destination store says. */
  readonly location: Location | null;
  /** What checks had seen of its buckets when it was admitted (store_facts.ts); it goes by that to its end. */
  readonly known?: readonly StoreFacts[];
}

/** A copy that has an id and may not have a coordinator yet. */
export interface Admitted {
  readonly id: string;
  readonly spec: CopySpec;
  readonly createdAtMs: number;
}

/** `preserve`: tags that cannot be read are a warning; `require`: they fail the copy. */
export type TagChoice = "preserve" | "require" | "none" | Readonly<Record<string, string>>;

/** Attributes that the request sets itself, over the source's or, with `metadata: "replace"`, instead of them. */
export interface AttributeChanges {
  readonly contentType?: string | undefined;
  readonly contentEncoding?: string | undefined;
  readonly contentDisposition?: string | undefined;
  readonly contentLanguage?: string | undefined;
  readonly cacheControl?: string | undefined;
  readonly expires?: string | undefined;
  readonly websiteRedirect?: string | undefined;
  readonly meta?: Readonly<Record<string, string>> | undefined;
}

/** Part copies that one lane runs at once: five of the six connections that an event may have waiting (Workers limit). */
export const PARTS_PER_LANE = 5;
export const MAX_LANES = 250;
/** Largest request body that is read; the largest honest one is well below. */
export const MAX_BODY_BYTES = 64 * 1024;

const BUCKET = /^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$/;
const SIZE_HINT = 'bytes, or text with a unit such as "64MiB"';

export const Count = (max: number) => {
  const hint = `must be a whole number from 1 to ${max}`;
  return z.union([z.number(), z.string()], { error: hint }).transform((value, context) => {
    const count = typeof value === "string" && !/^\d+$/.test(value) ? Number.NaN : Number(value);
    if (Number.isInteger(count) && count >= 1 && count <= max) return count;
    context.addIssue({ code: "custom", message: `${hint}, not ${JSON.stringify(value)}` });
    return z.NEVER;
  });
};

export const Size = z
  .union([z.number(), z.string()], { error: `must be ${SIZE_HINT}` })
  .transform((value, context) => {
    const sizeBytes = parseSize(value);
    if (sizeBytes !== null) return sizeBytes;
    context.addIssue({ code: "custom", message: `must be ${SIZE_HINT}, not ${JSON.stringify(value)}` });
    return z.NEVER;
  });

const ObjectRefSchema = z.union(
  [
    z.string().transform((text, context) => {
      const ref = parseObjectText(text);
      if (ref !== null) return ref;
      context.addIssue({
        code: "custom",
        message: `must be "store:bucket/key" or {"store", "bucket", "key"}, not ${JSON.stringify(text)}`,
      });
      return z.NEVER;
    }),
    z.strictObject({
      store: z.string().min(1),
      bucket: z.string().min(1),
      key: z.string().min(1),
      versionId: z.string().min(1).optional(),
    }),
  ],
  { error: 'must be "store:bucket/key" or {"store", "bucket", "key", "versionId"?}' },
);

/** A value that can stand in a header: a line break would begin another one. */
export const HeaderText = z.string().regex(/^[^\r\n\0]*$/, "must not hold line breaks");
export const AttributesSchema = z.strictObject({
  contentType: HeaderText.optional(),
  contentEncoding: HeaderText.optional(),
  contentDisposition: HeaderText.optional(),
  contentLanguage: HeaderText.optional(),
  cacheControl: HeaderText.optional(),
  expires: HeaderText.optional(),
  websiteRedirect: HeaderText.optional(),
  meta: z
    .record(
      z.string().regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/, "must be a name that a header can have"),
      HeaderText,
    )
    .optional(),
});
/** S3 allows 10 tags, keys of 128 and values of 256 characters. */
export const TagsSchema = z.union([
  z.enum(["preserve", "require", "none"]),
  z
    .record(z.string().min(1).max(128), z.string().max(256))
    .refine((tags) => Object.keys(tags).length <= 10, "must have at most 10 tags"),
]);
/** `"true"` and `"false"` as forms write them. */
export const Flag = z
  .union([z.boolean(), z.enum(["true", "false"])])
  .transform((value) => value === true || value === "true");

/** Where the lanes of a request run, in place of what its destination says. */
export const LocationSchema = z.enum(LOCATIONS, {
  error: ({ input }) => `must be one of ${LOCATIONS.join(", ")}, not ${JSON.stringify(input)}`,
});

export const CopyRequestSchema = z.strictObject({
  source: ObjectRefSchema,
  destination: ObjectRefSchema,
  partSize: Size.optional(),
  lanes: Count(MAX_LANES).optional(),
  concurrency: Count(MAX_LANES * PARTS_PER_LANE).optional(),
  verify: z.enum(["auto", "strict", "off"]).optional(),
  ifExists: z.enum(["overwrite", "skip", "fail"]).optional(),
  ifBusy: z.enum(["fail", "queue"]).optional(),
  ifSourceChanges: z.enum(["fail", "restart"]).optional(),
  metadata: z.enum(["preserve", "replace"]).optional(),
  attributes: AttributesSchema.optional(),
  storageClass: HeaderText.optional(),
  tags: TagsSchema.optional(),
  ifLossy: z.enum(["warn", "fail"]).optional(),
  markCopy: Flag.optional(),
  via: z.enum(["auto", "stream"]).optional(),
  location: LocationSchema.optional(),
});
export type CopyRequest = z.infer<typeof CopyRequestSchema>;

/** `store:bucket/key`; everything after the first slash is the key, whatever it holds. */
export function parseObjectText(text: string): ObjectRef | null {
  const match = /^([^:/]+):([^/]+)\/([^]+)$/.exec(text);
  if (match === null) return null;
  const [, store = "", bucket = "", key = ""] = match;
  return { store, bucket, key };
}

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
  const { source, destination, partSize = null } = request;
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
    isSameService(sourceStore, destinationStore) &&
    source.bucket === destination.bucket &&
    source.key === destination.key
  ) {
    throw new Problem(
      400,
      "same_object",
      `Source and destination are the same object, ${formatObject(source)}: nothing to copy`,
    );
  }
  const { minPartBytes } = destinationStore.profile;
  const refusal = partSize === null ? null : checkPartSize(partSize, { ...planLimits(env), minPartBytes });
  if (refusal !== null) throw new Problem(400, refusal.code, refusal.message);
  const { lanes, concurrency } = widthOf(request, [sourceStore, destinationStore], env);
  return {
    source,
    destination,
    partSizeBytes: partSize,
    lanes,
    concurrency,
    verify: request.verify ?? "auto",
    ifExists: request.ifExists ?? "overwrite",
    ifBusy: request.ifBusy ?? "fail",
    ifSourceChanges: request.ifSourceChanges ?? "fail",
    metadata: request.metadata ?? "preserve",
    attributes: request.attributes ?? {},
    storageClass: request.storageClass ?? null,
    tags: request.tags ?? "preserve",
    ifLossy: request.ifLossy ?? "warn",
    markCopy: request.markCopy ?? true,
    via: request.via ?? "auto",
    location: request.location ?? null,
  };
}

/** MAX_PART_MIB as bytes. @throws {Problem} 503 when the variable is no such number. */
export function planLimits(env: Readonly<Record<string, unknown>>): PlanLimits {
  return { maxPartBytes: countVariable(env, "MAX_PART_MIB", 95, 5, 5 * 1024) * MIB };
}

const DAY_MS = 24 * 3_600_000;

/** How long what has ended is kept. An Idempotency-Key is kept 7 days, and its copy no shorter. @throws {Problem} 503 */
export function retentionMs(env: Readonly<Record<string, unknown>>): number {
  return countVariable(env, "RETENTION_DAYS", 30, 7, 3650) * DAY_MS;
}

/** How many lanes, and how many transfers over all of them: no more than either store allows. */
export function widthOf(
  request: { readonly lanes?: number | undefined; readonly concurrency?: number | undefined },
  stores: readonly Store[],
  env: Readonly<Record<string, unknown>>,
): { lanes: number; concurrency: number } {
  const lanes = request.lanes ?? countVariable(env, "LANES", 8, 1, MAX_LANES);
  const most = lanes * PARTS_PER_LANE;
  const allowed = stores.map(({ maxConcurrency = Infinity }) => maxConcurrency);
  return { lanes, concurrency: Math.min(request.concurrency ?? most, most, ...allowed) };
}

export function formatObject({ store, bucket, key, versionId }: ObjectRef): string {
  return `${store}:${bucket}/${key}${versionId === undefined ? "" : ` (version ${versionId})`}`;
}

function checkObject(
  role: "source" | "destination",
  ref: ObjectRef,
  env: Readonly<Record<string, unknown>>,
): Store {
  const store = checkBucket(role, ref, env);
  try {
    s3Url({ endpoint: store.endpoint, style: styleOf(store, ref.bucket), bucket: ref.bucket }, ref.key);
  } catch (error) {
    if (error instanceof UnaddressableKeyError) {
      throw new Problem(400, "invalid_key", `"${role}": ${error.message}`);
    }
    throw error;
  }
  return store;
}

/** @throws {Problem} when there is no such store, or it may not use that bucket */
export function checkBucket(
  role: string,
  ref: { readonly store: string; readonly bucket: string },
  env: Readonly<Record<string, unknown>>,
): Store {
  const store = findStore(env, ref.store);
  if (!BUCKET.test(ref.bucket)) {
    throw new Problem(
      400,
      "invalid_bucket",
      `"${role}": ${JSON.stringify(ref.bucket)} is not a bucket name (letters, digits, ".", "-" and "_")`,
    );
  }
  if (store.buckets !== undefined && !store.buckets.includes(ref.bucket)) {
    throw new Problem(
      403,
      "bucket_not_allowed",
      `"${role}": store "${ref.store}" may not use bucket "${ref.bucket}"; allowed are: ${store.buckets.join(", ")}`,
    );
  }
  return store;
}

export function parseWith<T>(schema: z.ZodType<T>, body: unknown): T {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  throw new Problem(400, "invalid_request", parsed.error.issues.map(describeIssue).join("; "));
}

function describeIssue(issue: z.core.$ZodIssue): string {
  if (issue.code === "invalid_union") {
    // The branch that got furthest explains best: a string that does not parse, an object with a wrong field.
    const inner = issue.errors.flat().find((candidate) => candidate.code !== "invalid_type");
    if (inner !== undefined) return describeIssue({ ...inner, path: [...issue.path, ...inner.path] });
  }
  const field = issue.path.length === 0 ? "The body" : `"${issue.path.join(".")}"`;
  const [reason] = issue.code === "invalid_key" ? issue.issues : [];
  if (reason !== undefined) return `${field} ${reason.message}`;
  if (issue.code === "unrecognized_keys") {
    const where = issue.path.length === 0 ? "" : ` in ${field}`;
    return `Unknown field ${issue.keys.map((key) => `"${key}"`).join(", ")}${where}`;
  }
  return `${field} ${issue.message}`;
}

function countVariable(
  env: Readonly<Record<string, unknown>>,
  name: string,
  fallback: number,
  min: number,
  max: number,
): number {
  const value = env[name];
  if (value === undefined) return fallback;
  const count = typeof value === "string" || typeof value === "number" ? Number(value) : Number.NaN;
  if (Number.isInteger(count) && count >= min && count <= max) return count;
  throw new Problem(
    503,
    "misconfigured",
    `The variable ${name} must be a whole number from ${min} to ${max}, not ${JSON.stringify(value)}`,
  );
}
