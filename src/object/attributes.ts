// The attributes of an object besides its bytes. They are read from the source's HEAD, changed as the request
// asks, and sent with CreateMultipartUpload or PutObject: CompleteMultipartUpload cannot add any. Pure.
//
// Invariant: an attribute that the destination cannot keep is reported as a loss, never dropped silently.

import { refusedLock } from "./lock.ts";
import type { AttributeChanges, TagChoice } from "./options.ts";
import { base64OfHex, bytesToHex } from "../s3/digest.ts";
import type { Profile } from "../store/profiles.ts";
import type { Encryption } from "../store/stores.ts";

/** Headers that describe the object itself and are copied unchanged. */
const CARRIED: ReadonlySet<string> = new Set([
  "content-type",
  "content-encoding",
  "content-disposition",
  "content-language",
  "cache-control",
  "expires",
]);

const META = "x-amz-meta-";

export const TAGGING = "x-amz-tagging";

export const STORAGE_CLASS = "x-amz-storage-class";

const WEBSITE_REDIRECT = "x-amz-website-redirect-location";

/**
 * The one metadata name that the mesh adds (mark.ts). Its random copy ID distinguishes our object from an
 * older one with the same key and size. That is the surest way to find out whether a CompleteMultipartUpload
 * without an answer took place.
 */
export const COPY_ID_HEADER = `${META}bucket-brigade-copy`;

/** The type that S3 stores if none is sent. Sending it keeps fetch from adding one of its own. */
const DEFAULT_CONTENT_TYPE = "binary/octet-stream";

export interface AttributeRequest {
  readonly source: Headers;
  readonly tags: TagChoice | readonly (readonly [key: string, value: string])[];
  readonly metadata: "preserve" | "replace";
  readonly changes: AttributeChanges;
  readonly storageClass: string | null;
  readonly profile: Profile;
  readonly encryption: Encryption | undefined;
  /** Null: leave no mark. */
  readonly copyId: string | null;
}

interface Attributes {
  readonly headers: Readonly<Record<string, string>>;
  /** What the destination cannot keep or the source does not report, a sentence each. */
  readonly losses: readonly string[];
  /** Names and values of the user metadata, as S3 counts them. */
  readonly metadataBytes: number;
}

/** The request headers that give the destination object its attributes. */
export function attributeHeaders(request: AttributeRequest): Attributes {
  const { source, metadata, changes, profile, encryption, copyId } = request;
  const losses: string[] = [];
  const headers: Record<string, string> = {};
  if (metadata === "preserve") {
    for (const [name, value] of source) {
      const isCarried = CARRIED.has(name);
      if (!isCarried && (!name.startsWith(META) || name === COPY_ID_HEADER)) continue;
      headers[name] = isCarried ? value : asciiOf(value);
      notUtf8(name, value, losses);
    }
    const missing = source.get("x-amz-missing-meta");
    if (missing !== null) {
      losses.push(
        `${missing} metadata entries of the source do not fit into HTTP headers, and the store does not return them`,
      );
    }
    setRedirect(headers, source.get(WEBSITE_REDIRECT), profile, losses);
  }
  applyChanges(headers, changes, profile, losses);
  // A transfer coding that some clients leave in the object's own header; the stored bytes are not coded.
  stripAwsChunked(headers);
  headers["content-type"] ??= DEFAULT_CONTENT_TYPE;
  if (copyId !== null) headers[COPY_ID_HEADER] = copyId;
  setStorageClass(headers, request.storageClass ?? source.get(STORAGE_CLASS), profile, losses);
  setTags(headers, request.tags, profile, losses);
  Object.assign(headers, encryptionHeaders(encryption));
  if (source.has("x-amz-object-lock-mode") || source.get("x-amz-object-lock-legal-hold") === "ON") {
    losses.push("The source's object lock is not copied");
  }
  let metadataBytes = 0;
  for (const [name, value] of Object.entries(headers)) {
    if (name.startsWith(META)) metadataBytes += name.length - META.length + value.length;
  }
  return { headers, losses, metadataBytes };
}

/**
 * The attributes that were sent but that the finished object does not return, a sentence each: some stores
 * accept everything and keep what they like. Values are not compared, because stores rewrite them.
 */
export function unshownAttributes(sent: Readonly<Record<string, string>>, shown: Headers): string[] {
  return Object.keys(sent)
    .filter((name) => isPlainAttribute(name) && !shown.has(name))
    .map((name) => `The destination accepted "${name}" but does not return it`);
}

/** Is it one that travels with an object's bytes in any form: no class, tag, redirect or encryption? */
export function isPlainAttribute(name: string): boolean {
  return name.startsWith(META) || CARRIED.has(name);
}

/**
 * The header that the store has refused, and the loss if it is left out. Null if none of them can be left
 * out.
 *
 * @param code S3's code for the refusal
 * @param message the store's words, which often name the header
 */
export function droppable(
  headers: Readonly<Record<string, string>>,
  { code, status, message }: { code: string; status: number | null; message: string },
): { name: string; loss: string } | null {
  const optional: readonly (readonly [name: string, codes: readonly string[], loss: string])[] = [
    [STORAGE_CLASS, ["InvalidStorageClass"], "The destination does not accept the storage class"],
    // BadRequest: more than ten of them, which a source may have.
    [TAGGING, ["InvalidTag", "BadRequest", "AccessDenied"], "The destination does not accept tags"],
    [WEBSITE_REDIRECT, ["InvalidRedirectLocation"], "The destination does not accept a website redirect"],
  ];
  const lock = refusedLock(headers, { code, message });
  const present = optional.filter(([name]) => headers[name] !== undefined);
  const words = message.toLowerCase();
  const named =
    present.find(([name]) => words.includes(name)) ??
    present.find(([, codes]) => codes.includes(code) && code !== "AccessDenied");
  // A store without a feature answers 501, or 400 without a reason. Leave out the likeliest header.
  const unclear =
    status === 501 || code === "NotImplemented" || code === "InvalidArgument" || code === "InvalidRequest";
  if (named === undefined && lock !== null && code !== "AccessDenied") return lock;
  const chosen = named ?? (unclear ? present[0] : undefined) ?? tagsDenied(present, code);
  if (chosen === undefined) return lock;
  const [name, , loss] = chosen;
  return { name, loss: `${loss} "${headers[name]}" (${code})` };
}

// AccessDenied is about the destination itself, unless tags are sent, which need a permission of their own.
function tagsDenied<T extends readonly [string, ...unknown[]]>(
  present: readonly T[],
  code: string,
): T | undefined {
  return code === "AccessDenied" ? present.find(([name]) => name === TAGGING) : undefined;
}

function applyChanges(
  headers: Record<string, string>,
  { meta, websiteRedirect, ...named }: AttributeChanges,
  profile: Profile,
  losses: string[],
): void {
  for (const [field, value] of Object.entries(named)) {
    if (value !== undefined) headers[field.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)] = value;
  }
  for (const [name, value] of Object.entries(meta ?? {})) headers[META + name.toLowerCase()] = asciiOf(value);
  if (websiteRedirect !== undefined) setRedirect(headers, websiteRedirect, profile, losses);
}

function setRedirect(
  headers: Record<string, string>,
  value: string | null,
  profile: Profile,
  losses: string[],
): void {
  if (value === null) return;
  if (profile.websiteRedirect) headers[WEBSITE_REDIRECT] = value;
  else losses.push(`The destination does not support website redirects: "${value}" is lost`);
}

function setStorageClass(
  headers: Record<string, string>,
  storageClass: string | null,
  { storageClasses }: Profile,
  losses: string[],
): void {
  if (storageClass === null || storageClass === "STANDARD") return; // STANDARD is every store's default
  if (storageClasses === null || storageClasses.includes(storageClass)) headers[STORAGE_CLASS] = storageClass;
  else losses.push(`The destination has no storage class "${storageClass}": its default is used`);
}

function setTags(
  headers: Record<string, string>,
  tags: AttributeRequest["tags"],
  profile: Profile,
  losses: string[],
): void {
  const pairs: readonly (readonly [string, string])[] =
    typeof tags === "string"
      ? []
      : Array.isArray(tags)
        ? tags
        : Object.entries(tags as Record<string, string>);
  if (pairs.length === 0) return;
  const text = pairs
    .map(([key, value]) => `${encodeURIComponent(key)}=${encodeURIComponent(value)}`)
    .join("&");
  if (profile.tags) headers[TAGGING] = text;
  else losses.push(`The destination does not support tags: "${text}" is lost`);
}

/** What asks for an encryption where an object begins; a customer's key goes with every request instead. */
export function encryptionHeaders(encryption: Encryption | undefined): Record<string, string> {
  if (encryption === undefined || encryption.kind === "customer") return {};
  const { kind } = encryption;
  const keyId = kind === "aws:kms" ? encryption.keyId : undefined;
  const name = "x-amz-server-side-encryption";
  return { [name]: kind, ...(keyId === undefined ? {} : { [`${name}-aws-kms-key-id`]: keyId }) };
}

function stripAwsChunked(headers: Record<string, string>): void {
  const codings = (headers["content-encoding"] ?? "")
    .split(",")
    .map((coding) => coding.trim())
    .filter((coding) => coding !== "" && coding !== "aws-chunked");
  if (codings.length > 0) headers["content-encoding"] = codings.join(", ");
  else delete headers["content-encoding"];
}

/**
 * A metadata value as a header can carry it: text that is not ASCII becomes an RFC 2047 word, the form in
 * which S3 itself returns it (https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html).
 * Words pass unchanged.
 */
/** fetch reads headers as UTF-8, and makes U+FFFD of other bytes, such as Latin-1. */
function notUtf8(name: string, value: string, losses: string[]): void {
  if (!value.includes("\ufffd")) return;
  losses.push(
    `The source's ${name} is not UTF-8: the characters that could not be read are U+FFFD in the copy`,
  );
}

function asciiOf(value: string): string {
  if (/^[\x20-\x7e]*$/.test(value)) return value;
  return `=?UTF-8?B?${base64OfHex(bytesToHex(new TextEncoder().encode(value)))}?=`;
}
