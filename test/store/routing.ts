/**
 * From a raw request line to (address, operation): which bucket and key are meant, and which S3 operation it
 * is.
 *
 * Pure. Keys are byte-exact: the path is percent-decoded once and split at the first `/` (path style) or
 * taken whole (virtual-hosted style); nothing is collapsed, trimmed or normalised, so `a//b`, `a/../b` and
 * `/x` are three keys and no spelling of a key can reach into another bucket. A sub-resource this store does
 * not have is "NotImplemented", never silently treated as the plain operation.
 */
import { StoreError } from "./errors.ts";
import { decodeText } from "./sigv4.ts";

const operations = [
  "ListBuckets",
  "CreateBucket",
  "HeadBucket",
  "DeleteBucket",
  "GetBucketLocation",
  "GetBucketVersioning",
  "PutBucketVersioning",
  "GetObjectLockConfiguration",
  "GetBucketAcl",
  "ListObjects",
  "ListObjectsV2",
  "ListObjectVersions",
  "ListMultipartUploads",
  "DeleteObjects",
  "HeadObject",
  "GetObject",
  "PutObject",
  "CopyObject",
  "DeleteObject",
  "GetObjectAttributes",
  "GetObjectTagging",
  "PutObjectTagging",
  "DeleteObjectTagging",
  "GetObjectAcl",
  "PutObjectAcl",
  "RestoreObject",
  "CreateMultipartUpload",
  "UploadPart",
  "UploadPartCopy",
  "ListParts",
  "CompleteMultipartUpload",
  "AbortMultipartUpload",
] as const;

export type Operation = (typeof operations)[number];

type Address =
  | { readonly kind: "service" }
  | { readonly kind: "bucket"; readonly bucket: string }
  | { readonly kind: "object"; readonly bucket: string; readonly key: string };

export interface AddressOptions {
  readonly style: "both" | "path" | "virtual";
  /** Host names that carry a bucket in front of them, without port. */
  readonly baseHosts: readonly string[];
  readonly canonicalPath: "decoded" | "raw";
}

const maximumKeyBytes = 1024;

/**
 * @param host the Host header, with or without a port.
 * @param rawPath the request target up to `?`, as received.
 * @throws StoreError for a bucket name or key S3 would refuse, or a style this store does not take.
 */
export function resolveAddress(host: string, rawPath: string, options: AddressOptions): Address {
  if (!rawPath.startsWith("/")) throw new StoreError("InvalidURI");
  const path = decodeText(
    rawPath.slice(1),
    options.canonicalPath === "raw" ? "plus-is-plus" : "plus-is-space",
  );
  const name = host.replace(/:\d+$/, "").toLowerCase();
  const base = options.baseHosts.find((candidate) => name.endsWith(`.${candidate}`));
  if (base !== undefined && options.style !== "path") {
    return objectAddress(name.slice(0, -base.length - 1), path);
  }
  if (path === "") return { kind: "service" };
  if (options.style === "virtual") throw new StoreError("SecondLevelDomainForbidden");
  const slash = path.indexOf("/");
  return slash < 0 ? objectAddress(path, "") : objectAddress(path.slice(0, slash), path.slice(slash + 1));
}

/** @throws StoreError InvalidBucketName by the rules for general purpose buckets. */
export function checkBucketName(bucket: string): void {
  const wellFormed =
    /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket) &&
    !bucket.includes("..") &&
    !/^\d+\.\d+\.\d+\.\d+$/.test(bucket);
  if (!wellFormed) throw new StoreError("InvalidBucketName", undefined, { elements: { BucketName: bucket } });
}

function objectAddress(bucket: string, key: string): Address {
  checkBucketName(bucket);
  if (key === "") return { kind: "bucket", bucket };
  checkKey(key);
  return { kind: "object", bucket, key };
}

/** @throws StoreError KeyTooLongError above 1,024 bytes of UTF-8. */
export function checkKey(key: string): void {
  const size = Buffer.byteLength(key);
  if (size <= maximumKeyBytes) return;
  throw new StoreError("KeyTooLongError", undefined, {
    elements: { Size: String(size), MaxSizeAllowed: String(maximumKeyBytes) },
  });
}

/** Sub-resources of S3 that this store leaves out, on buckets or objects. */
const absent = new Set(
  (
    "accelerate analytics cors encryption intelligent-tiering inventory legal-hold lifecycle logging metrics " +
    "notification ownershipControls policy policyStatus publicAccessBlock replication requestPayment " +
    "retention select torrent website renameObject append session abac metadataTable metadataConfiguration"
  ).split(" "),
);

const implemented = new Set(
  "acl attributes delete location object-lock restore tagging uploads versioning versions uploadId partNumber list-type".split(
    " ",
  ),
);

interface Route {
  readonly method: string;
  readonly flag?: string;
  readonly operation: Operation;
}

const bucketRoutes: readonly Route[] = [
  { method: "GET", flag: "location", operation: "GetBucketLocation" },
  { method: "GET", flag: "versioning", operation: "GetBucketVersioning" },
  { method: "PUT", flag: "versioning", operation: "PutBucketVersioning" },
  { method: "GET", flag: "object-lock", operation: "GetObjectLockConfiguration" },
  { method: "GET", flag: "versions", operation: "ListObjectVersions" },
  { method: "GET", flag: "uploads", operation: "ListMultipartUploads" },
  { method: "GET", flag: "acl", operation: "GetBucketAcl" },
  { method: "POST", flag: "delete", operation: "DeleteObjects" },
  { method: "GET", flag: "list-type", operation: "ListObjectsV2" },
  { method: "GET", operation: "ListObjects" },
  { method: "HEAD", operation: "HeadBucket" },
  { method: "PUT", operation: "CreateBucket" },
  { method: "DELETE", operation: "DeleteBucket" },
];

const objectRoutes: readonly Route[] = [
  { method: "POST", flag: "uploads", operation: "CreateMultipartUpload" },
  { method: "GET", flag: "uploadId", operation: "ListParts" },
  { method: "POST", flag: "uploadId", operation: "CompleteMultipartUpload" },
  { method: "DELETE", flag: "uploadId", operation: "AbortMultipartUpload" },
  { method: "PUT", flag: "uploadId", operation: "UploadPart" },
  { method: "GET", flag: "attributes", operation: "GetObjectAttributes" },
  { method: "GET", flag: "tagging", operation: "GetObjectTagging" },
  { method: "PUT", flag: "tagging", operation: "PutObjectTagging" },
  { method: "DELETE", flag: "tagging", operation: "DeleteObjectTagging" },
  { method: "GET", flag: "acl", operation: "GetObjectAcl" },
  { method: "PUT", flag: "acl", operation: "PutObjectAcl" },
  { method: "POST", flag: "restore", operation: "RestoreObject" },
  { method: "GET", operation: "GetObject" },
  { method: "HEAD", operation: "HeadObject" },
  { method: "PUT", operation: "PutObject" },
  { method: "DELETE", operation: "DeleteObject" },
];

/**
 * The operation a request asks for.
 * @param hasCopySource whether `x-amz-copy-source` is present, which turns a PUT into a copy.
 * @throws StoreError NotImplemented for a sub-resource this store does not have, MethodNotAllowed otherwise.
 */
export function resolveOperation(
  method: string,
  address: Address,
  query: ReadonlyMap<string, string>,
  hasCopySource: boolean,
): Operation {
  for (const [name, value] of query) {
    const flagOnly =
      value === "" && !name.includes("-") && !name.startsWith("X-") && !isListingParameter(name);
    if (absent.has(name) || (flagOnly && !implemented.has(name))) {
      throw new StoreError("NotImplemented", `The sub-resource "${name}" is not implemented`);
    }
  }
  if (address.kind === "service") {
    if (method === "GET") return "ListBuckets";
    throw new StoreError("MethodNotAllowed");
  }
  const routes = address.kind === "bucket" ? bucketRoutes : objectRoutes;
  const flags = routes.map((route) => route.flag).filter((flag) => flag !== undefined && query.has(flag));
  const route = routes.find(
    (candidate) =>
      candidate.method === method &&
      (candidate.flag === undefined ? flags.length === 0 : query.has(candidate.flag)),
  );
  if (route === undefined) throw new StoreError("MethodNotAllowed");
  if (!hasCopySource) return route.operation;
  if (route.operation === "UploadPart") return "UploadPartCopy";
  return route.operation === "PutObject" ? "CopyObject" : route.operation;
}

function isListingParameter(name: string): boolean {
  return name === "prefix" || name === "delimiter" || name === "marker";
}
