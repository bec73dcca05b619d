/**
 * Everything S3 keeps about an object besides its bytes, read from request headers and written to response
 * headers.
 *
 * Values are kept as received, byte for byte (one character per byte). Names of user metadata come back
 * lower-case, and a raw non-ASCII value comes back as an RFC 2047 word, as S3 does; a value already in that
 * form passes through. https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html
 */
import { createHash } from "node:crypto";
import { StoreError } from "./errors.ts";
import type { ResolvedOptions } from "./options.ts";

export type Encryption =
  | { readonly kind: "none" }
  | { readonly kind: "AES256" }
  | { readonly kind: "kms"; readonly algorithm: string; readonly keyId: string }
  | { readonly kind: "customer"; readonly keyMd5: string };

export interface Tag {
  readonly key: string;
  readonly value: string;
}

export interface Attributes {
  readonly contentType: string;
  /** The other headers that are handed back unchanged, by lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  /** Without the `x-amz-meta-` prefix. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly tags: readonly Tag[];
  readonly storageClass: string;
  readonly encryption: Encryption;
}

export const plainAttributes: Attributes = {
  contentType: "binary/octet-stream",
  headers: {},
  metadata: {},
  tags: [],
  storageClass: "STANDARD",
  encryption: { kind: "none" },
};

const keptHeaders = [
  "content-encoding",
  "content-disposition",
  "content-language",
  "cache-control",
  "expires",
  "x-amz-website-redirect-location",
  "x-amz-object-lock-mode",
  "x-amz-object-lock-retain-until-date",
  "x-amz-object-lock-legal-hold",
];

const storageClasses = new Set([
  "STANDARD",
  "REDUCED_REDUNDANCY",
  "STANDARD_IA",
  "ONEZONE_IA",
  "INTELLIGENT_TIERING",
  "GLACIER",
  "GLACIER_IR",
  "DEEP_ARCHIVE",
]);

/** Classes whose objects cannot be read before they are restored. */
export const archiveClasses: ReadonlySet<string> = new Set(["GLACIER", "DEEP_ARCHIVE"]);

type Header = (name: string) => string | undefined;

/**
 * Reads the attributes a PutObject, CopyObject or CreateMultipartUpload sets.
 * @throws StoreError when one is malformed, too large or not available in this store.
 */
export function attributesFromRequest(
  names: Iterable<string>,
  header: Header,
  options: ResolvedOptions,
): Attributes {
  const headers: Record<string, string> = {};
  for (const name of keptHeaders) {
    const value = header(name);
    if (value !== undefined) headers[name] = value;
  }
  // aws-chunked describes the transfer, not the object.
  const codings = headers["content-encoding"]?.split(",").filter((coding) => coding.trim() !== "aws-chunked");
  if (codings !== undefined) {
    delete headers["content-encoding"];
    if (codings.length > 0 && codings.join(",").trim() !== "")
      headers["content-encoding"] = codings.join(",").trim();
  }
  const metadata: Record<string, string> = {};
  let metadataBytes = 0;
  for (const name of names) {
    if (!name.startsWith("x-amz-meta-")) continue;
    const value = header(name) ?? "";
    metadata[name.slice(11)] = value;
    metadataBytes += name.length - 11 + value.length;
  }
  if (metadataBytes > options.metadataLimitBytes) {
    throw new StoreError("MetadataTooLarge", undefined, {
      elements: { Size: String(metadataBytes), MaxSizeAllowed: String(options.metadataLimitBytes) },
    });
  }
  const storageClass = header("x-amz-storage-class") ?? "STANDARD";
  if (!storageClasses.has(storageClass)) throw new StoreError("InvalidStorageClass");
  if (options.without.includes("storageClasses") && storageClass !== "STANDARD") {
    throw new StoreError("InvalidStorageClass");
  }
  if (options.without.includes("acl") && (header("x-amz-acl") ?? "private") !== "private") {
    throw new StoreError("AccessControlListNotSupported");
  }
  const tagging = header("x-amz-tagging");
  if (tagging !== undefined && options.without.includes("tagging")) {
    throw new StoreError(
      "NotImplemented",
      "A header you provided implies functionality that is not implemented",
      {
        elements: { Header: "x-amz-tagging" },
      },
    );
  }
  return {
    contentType: header("content-type") ?? plainAttributes.contentType,
    headers,
    metadata,
    tags: tagging === undefined ? [] : checkTags(parseTagHeader(tagging)),
    storageClass,
    encryption: encryptionFromRequest(header),
  };
}

function parseTagHeader(text: string): Tag[] {
  return [...new URLSearchParams(text)].map(([key, value]) => ({ key, value }));
}

/**
 * @throws StoreError InvalidTag beyond S3's limits (10 tags, key 128, value 256 characters, no duplicates).
 */
export function checkTags(tags: readonly Tag[]): readonly Tag[] {
  if (tags.length > 10) throw new StoreError("InvalidTag", "Object tags cannot be greater than 10");
  if (new Set(tags.map((tag) => tag.key)).size !== tags.length) {
    throw new StoreError("InvalidTag", "Cannot provide multiple Tags with the same key");
  }
  for (const { key, value } of tags) {
    if (key.length === 0 || key.length > 128)
      throw new StoreError("InvalidTag", "The TagKey you have provided is invalid");
    if (value.length > 256) throw new StoreError("InvalidTag", "The TagValue you have provided is invalid");
  }
  return tags;
}

function encryptionFromRequest(header: Header): Encryption {
  const customer = customerKey(header, "x-amz-server-side-encryption-customer");
  if (customer !== undefined) return { kind: "customer", keyMd5: customer };
  const algorithm = header("x-amz-server-side-encryption");
  switch (algorithm) {
    case undefined:
      return { kind: "none" };
    case "AES256":
      return { kind: "AES256" };
    case "aws:kms":
    case "aws:kms:dsse": {
      const keyId = header("x-amz-server-side-encryption-aws-kms-key-id");
      return { kind: "kms", algorithm, keyId: keyId ?? "arn:aws:kms:us-east-1:123456789012:key/default" };
    }
    default:
      throw new StoreError("InvalidArgument", "The encryption method specified is not supported");
  }
}

/** MD5 of an SSE-C key named by the three headers with `prefix`; undefined when none of them is there. */
export function customerKey(header: Header, prefix: string): string | undefined {
  const algorithm = header(`${prefix}-algorithm`);
  const key = header(`${prefix}-key`);
  const md5 = header(`${prefix}-key-md5`);
  if (algorithm === undefined && key === undefined && md5 === undefined) return undefined;
  if (algorithm !== "AES256" || key === undefined || md5 === undefined) {
    throw new StoreError(
      "InvalidArgument",
      "Requests specifying Server Side Encryption with Customer provided keys must provide the algorithm AES256, the key and its MD5.",
    );
  }
  const bytes = Buffer.from(key, "base64");
  if (bytes.length !== 32)
    throw new StoreError("InvalidArgument", "The secret key was invalid for the specified algorithm.");
  if (createHash("md5").update(bytes).digest("base64") !== md5) {
    throw new StoreError(
      "InvalidArgument",
      "The calculated MD5 hash of the key did not match the hash that was provided.",
    );
  }
  return md5;
}

/**
 * @throws StoreError when an SSE-C object is read without its key, with another, or a plain one with a key.
 */
export function checkReadKey(encryption: Encryption, presented: string | undefined): void {
  if (encryption.kind === "customer") {
    if (presented === undefined) {
      throw new StoreError(
        "InvalidRequest",
        "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.",
      );
    }
    if (presented !== encryption.keyMd5) throw new StoreError("AccessDenied");
  } else if (presented !== undefined) {
    throw new StoreError("InvalidRequest", "The encryption parameters are not applicable to this object.");
  }
}

/** Response headers that say how the object is encrypted. */
export function encryptionHeaders(encryption: Encryption): Record<string, string> {
  switch (encryption.kind) {
    case "none":
      return {};
    case "AES256":
      return { "x-amz-server-side-encryption": "AES256" };
    case "kms":
      return {
        "x-amz-server-side-encryption": encryption.algorithm,
        "x-amz-server-side-encryption-aws-kms-key-id": encryption.keyId,
      };
    case "customer":
      return {
        "x-amz-server-side-encryption-customer-algorithm": "AES256",
        "x-amz-server-side-encryption-customer-key-md5": encryption.keyMd5,
      };
  }
}

/** Response headers of GET and HEAD for everything kept in `attributes`. */
export function attributeHeaders(attributes: Attributes): Record<string, string> {
  const headers: Record<string, string> = {
    "Content-Type": attributes.contentType,
    ...attributes.headers,
    ...encryptionHeaders(attributes.encryption),
  };
  for (const [name, value] of Object.entries(attributes.metadata))
    headers[`x-amz-meta-${name}`] = encodeWord(value);
  if (attributes.storageClass !== "STANDARD") headers["x-amz-storage-class"] = attributes.storageClass;
  if (attributes.tags.length > 0) headers["x-amz-tagging-count"] = String(attributes.tags.length);
  return headers;
}

function encodeWord(value: string): string {
  // oxlint-disable-next-line no-control-regex -- the question is exactly whether all bytes are ASCII
  if (/^[\u0000-\u007f]*$/.test(value)) return value;
  return `=?UTF-8?B?${Buffer.from(value, "latin1").toString("base64")}?=`;
}
