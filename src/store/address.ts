// Addresses: `store:bucket/key` and `store:bucket/prefix` as the API takes and shows them, the check of a
// bucket's name against its store, and whether two buckets are the same. Pure but for the env passed in.
//
// Whether two buckets are the same is decided from the configuration alone. Scheme, port 80 or 443 and letter
// case make no difference, all AWS endpoints share one namespace of bucket names, and loopback has many
// names. An alias that only DNS knows is not recognised.

import { z } from "zod";
import { Problem } from "../http/problem.ts";
import { isLoopback } from "./endpoint.ts";
import { type Store, findStore, styleOf } from "./stores.ts";
import { WEB_BUCKET } from "./web.ts";

/** Equal texts are one bucket. */
export function bucketIdentity(store: Store, bucket: string): string {
  const { hostname, port, pathname } = new URL(store.endpoint);
  const host = hostname.replace(/\.$/, "");
  const aws = /\.amazonaws\.com(\.cn)?$/.exec(host);
  if (aws !== null) return `aws${aws[1] ?? ""}/${bucket}`;
  const service = isLoopback(host) ? "loopback" : host;
  const door = ["", "80", "443"].includes(port) ? "" : `:${port}`;
  return `${service}${door}${pathname === "/" ? "" : pathname}/${bucket}`;
}

/**
 * Whether one of two prefixes of the same bucket contains the other, or both are equal. A prefix is a string,
 * not a folder.
 */
export function overlap(a: string, b: string): boolean {
  return a.startsWith(b) || b.startsWith(a);
}

/** Whether two addresses name one object, whatever the stores are called. Versions make no difference. */
export function isSameObject(
  [a, from]: readonly [Store, Pick<ObjectRef, "bucket" | "key">],
  [b, to]: readonly [Store, Pick<ObjectRef, "bucket" | "key">],
): boolean {
  return from.key === to.key && bucketIdentity(a, from.bucket) === bucketIdentity(b, to.bucket);
}

/** One object at one store. */
export interface ObjectRef {
  readonly store: string;
  readonly bucket: string;
  readonly key: string;
  readonly versionId?: string | undefined;
}

const BUCKET = /^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$/;

/** The secret's name has capitals, so they are taken too. */
const StoreName = z.string().min(1).max(128).toLowerCase();

/** S3's have 32 characters, or some more. */
const MAX_VERSION_CHARACTERS = 1024;

const objectRef = <Ref extends ObjectRef>(parse: (text: string) => Ref | null) =>
  z.union(
    [
      z.string().transform((text, context) => {
        const ref = parse(text);
        if (ref !== null) return ref;
        context.addIssue({
          code: "custom",
          message: `must be "store:bucket/key" or {"store", "bucket", "key"}, not ${JSON.stringify(text)}`,
        });
        return z.NEVER;
      }),
      z.strictObject({
        store: StoreName,
        bucket: z.string().min(1),
        key: z.string().min(1),
        versionId: z
          .string()
          .min(1)
          .max(MAX_VERSION_CHARACTERS)
          .refine((id) => id.isWellFormed(), "must be valid Unicode: it has half of a surrogate pair")
          .optional(),
      }),
    ],
    { error: 'must be "store:bucket/key" or {"store", "bucket", "key", "versionId"?}' },
  );

export const ObjectRefSchema = objectRef(parseObjectText);

/** A destination; `into`: a folder, or the bucket, into which the object goes under its own name. */
export interface DestinationRef extends ObjectRef {
  readonly into?: true | undefined;
}

/** A text that ends with a slash names a folder, as to every other tool. An object names the very key. */
export const DestinationRefSchema = objectRef((text): DestinationRef | null => {
  if (!text.endsWith("/")) return parseObjectText(text);
  const ref = /^[^:/]+:[^/]+\/$/.test(text)
    ? { ...storeAndBucket(text.slice(0, -1)), key: "" }
    : parseObjectText(text);
  return ref && { ...ref, into: true };
});

/** Parses `store:bucket/key`. Everything after the first slash is the key, whatever it contains. */
export function parseObjectText(text: string): ObjectRef | null {
  const match = /^([^:/]+:[^/]+)\/([^]+)$/.exec(text);
  if (match === null) return null;
  const [, place = "", key = ""] = match;
  return { ...storeAndBucket(place), key };
}

/** Of `store:bucket`. */
function storeAndBucket(text: string): BucketRef {
  const colon = text.indexOf(":");
  return { store: text.slice(0, colon).toLowerCase(), bucket: text.slice(colon + 1) };
}

export function formatObject({ store, bucket, key, versionId }: ObjectRef): string {
  return `${store}:${bucket}/${key}${versionId === undefined ? "" : ` (version ${versionId})`}`;
}

/**
 * As requests and answers have it: text, or an object where no text names it exactly. A version has no place
 * in the text, and a destination's key that ends as a folder's does means another one.
 */
export function writeObject({ into, ...ref }: DestinationRef): ObjectRef | string {
  const isExact = ref.versionId !== undefined || (ref.key.endsWith("/") && into !== true);
  return isExact ? ref : formatObject(ref);
}

/** @throws {Problem} if the store does not exist or may not use that bucket */
export function checkBucket(
  role: string,
  ref: { readonly store: string; readonly bucket: string },
  env: Readonly<Record<string, unknown>>,
): Store {
  const store = findStore(env, ref.store);
  if (store.web !== undefined) {
    checkWebBucket(role, ref);
    return store;
  }
  if (!BUCKET.test(ref.bucket)) {
    throw new Problem(
      400,
      "invalid_bucket",
      `"${role}": ${JSON.stringify(ref.bucket)} is not a bucket name (letters, digits, ".", "-" and "_")`,
    );
  }
  const host = `${ref.bucket}.${new URL(store.endpoint).host}`;
  if (styleOf(store, ref.bucket) === "virtual" && URL.parse(`https://${host}`)?.host !== host) {
    throw new Problem(
      400,
      "invalid_bucket",
      `"${role}": ${JSON.stringify(ref.bucket)} makes no host name in front of store "${ref.store}"; ` +
        'set "style": "path" for the store',
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

/** A web server has one bucket and is read alone. @throws {Problem} 400 */
function checkWebBucket(role: string, { store, bucket }: BucketRef): void {
  if (role === "destination" || role === "report") {
    throw new Problem(
      400,
      "invalid_request",
      `"${role}": store "${store}" is of kind https, which serves objects and takes none: it can be a source alone`,
    );
  }
  if (bucket === WEB_BUCKET) return;
  throw new Problem(
    400,
    "invalid_bucket",
    `"${role}": store "${store}" is of kind https and has one bucket, "${WEB_BUCKET}", not ${JSON.stringify(bucket)}: ` +
      `write what follows its base URL as ${store}:${WEB_BUCKET}/folder/file`,
  );
}

/** A prefix of one bucket at one store. */
export interface PrefixRef {
  readonly store: string;
  readonly bucket: string;
  readonly prefix: string;
}

/** One bucket of one store. */
export interface BucketRef {
  readonly store: string;
  readonly bucket: string;
}

const PREFIX_HINT = '"store:bucket/prefix" or {"store", "bucket", "prefix"}';

export const PrefixRefSchema = z.union(
  [
    z.string().transform((text, context) => {
      const ref = parsePrefixText(text);
      if (ref !== null) return ref;
      context.addIssue({ code: "custom", message: `must be ${PREFIX_HINT}, not ${JSON.stringify(text)}` });
      return z.NEVER;
    }),
    z.strictObject({
      store: StoreName,
      bucket: z.string().min(1),
      prefix: z.string().default(""),
    }),
  ],
  { error: `must be ${PREFIX_HINT}` },
);

/**
 * Parses `store:bucket/prefix`, `store:bucket/` or `store:bucket`. Everything after the first slash is the
 * prefix.
 */
function parsePrefixText(text: string): PrefixRef | null {
  const match = /^([^:/]+:[^/]+)(?:\/([^]*))?$/.exec(text);
  if (match === null) return null;
  const [, place = "", prefix = ""] = match;
  return { ...storeAndBucket(place), prefix };
}

export function formatPrefix({ store, bucket, prefix }: PrefixRef): string {
  return `${store}:${bucket}/${prefix}`;
}
