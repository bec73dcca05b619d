/**
 * Buckets and listings: buckets themselves, objects (V2 and V1), multipart uploads.
 *
 * One pager serves all of them: keys in UTF-8 byte order, a prefix, a delimiter that folds keys into common
 * prefixes, a position after which to go on, a limit that counts keys and prefixes alike. Continuing after a
 * common prefix skips everything under it. With `encoding-type=url` names are form-encoded (space is `+`),
 * tokens never are. https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
 */
import { restoreStatus } from "./archive.ts";
import { createHash } from "node:crypto";
import { isoTime, type Core } from "./core.ts";
import { StoreError } from "./errors.ts";
import type { Exchange } from "./exchange.ts";
import { countParameter } from "./operations_multipart.ts";
import { Bucket, compareKeys, type StoredObject, type Upload } from "./state.ts";
import { childText, document, element, parseXml, wrap } from "./xml.ts";

const owner = wrap(
  "Owner",
  element("ID", "75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a"),
);

export async function listBuckets(core: Core, exchange: Exchange): Promise<void> {
  const buckets = core.buckets
    .all()
    .map((bucket) =>
      wrap("Bucket", element("Name", bucket.name) + element("CreationDate", isoTime(bucket.created))),
    );
  await exchange.answerXml(document("ListAllMyBucketsResult", owner + wrap("Buckets", buckets.join(""))));
}

export async function createBucket(core: Core, exchange: Exchange): Promise<void> {
  const text = await exchange.receiveText();
  const region = text === "" ? undefined : childText(parseXml(text), "LocationConstraint");
  if (core.buckets.find(exchange.bucket) !== undefined) throw new StoreError("BucketAlreadyOwnedByYou");
  const objectLock = exchange.header("x-amz-bucket-object-lock-enabled")?.toLowerCase() === "true";
  const options = { objectLock, ...(region === undefined || region === "" ? {} : { region }) };
  core.buckets.add(new Bucket(exchange.bucket, core.options.region, core.now(), options));
  await exchange.answer(200, { Location: `/${exchange.bucket}` });
}

export async function headBucket(core: Core, exchange: Exchange): Promise<void> {
  const bucket = core.bucketOf(exchange);
  await exchange.answer(200, { "x-amz-bucket-region": bucket.region, "Content-Type": "application/xml" });
}

export async function deleteBucket(core: Core, exchange: Exchange): Promise<void> {
  const bucket = core.bucketOf(exchange);
  if (!bucket.isEmpty()) throw new StoreError("BucketNotEmpty");
  core.buckets.remove(bucket.name);
  await exchange.answer(204);
}

export async function getBucketLocation(core: Core, exchange: Exchange): Promise<void> {
  const { region } = core.bucketOf(exchange);
  // us-east-1 is spelled as an empty element, for historical reasons.
  await exchange.answerXml(document("LocationConstraint", region === "us-east-1" ? "" : region));
}

export interface PageRequest {
  readonly prefix: string;
  readonly delimiter: string;
  /** Exclusive: the last key or common prefix of the previous page. */
  readonly after: string;
  readonly max: number;
}

export interface Page {
  readonly keys: readonly string[];
  readonly commonPrefixes: readonly string[];
  readonly truncated: boolean;
  /** The last key or common prefix given. */
  readonly last: string;
}

/** One page of `sorted`, which is in UTF-8 byte order without repeats. */
export function pageOf(sorted: readonly string[], request: PageRequest): Page {
  const { prefix, delimiter, after, max } = request;
  const keys: string[] = [];
  const commonPrefixes: string[] = [];
  let last = "";
  const folds = (key: string) => {
    const end = delimiter === "" ? -1 : key.indexOf(delimiter, prefix.length);
    return end < 0 ? undefined : key.slice(0, end + delimiter.length);
  };
  const isFolded = after !== "" && after.startsWith(prefix) && folds(after) === after;
  let index = lowerBound(sorted, compareKeys(after, prefix) > 0 ? after : prefix);
  for (; index < sorted.length; index++) {
    const key = sorted[index] ?? "";
    if (!key.startsWith(prefix)) break;
    if (compareKeys(key, after) <= 0 || (isFolded && key.startsWith(after))) continue;
    const fold = folds(key);
    if (fold !== undefined && fold === commonPrefixes.at(-1)) continue;
    if (keys.length + commonPrefixes.length >= max) return { keys, commonPrefixes, truncated: max > 0, last };
    if (fold === undefined) keys.push(key);
    else commonPrefixes.push(fold);
    last = fold ?? key;
  }
  return { keys, commonPrefixes, truncated: false, last };
}

/** Index of the first key that is not below `key`. */
function lowerBound(sorted: readonly string[], key: string): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareKeys(sorted[middle] ?? "", key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** How names are spelled in a listing: as they are, or form-encoded on request. */
export function spelling(core: Core, exchange: Exchange): { spell: (name: string) => string; note: string } {
  const requested = exchange.query.get("encoding-type");
  if (requested === undefined || core.options.encodingType === "ignored")
    return { spell: (name) => name, note: "" };
  if (requested !== "url")
    throw new StoreError("InvalidArgument", "Invalid Encoding Method specified in Request");
  return { spell: formEncode, note: element("EncodingType", "url") };
}

/** Form-style encoding as S3 lists names: `/`, letters, digits and `-_.*` stay, space is `+`. */
export function formEncode(name: string): string {
  let text = "";
  for (const byte of Buffer.from(name)) {
    const character = String.fromCharCode(byte);
    if (/[A-Za-z0-9\-_.*/]/.test(character)) text += character;
    else text += byte === 0x20 ? "+" : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return text;
}

function contents(
  core: Core,
  exchange: Exchange,
  keys: readonly string[],
  spell: (name: string) => string,
): string {
  const bucket = core.bucketOf(exchange);
  const tells = exchange.header("x-amz-optional-object-attributes") === "RestoreStatus";
  return keys
    .map((key) => {
      const object = bucket.current(key);
      return object === undefined
        ? ""
        : wrap("Contents", objectElements(core, object, spell) + (tells ? restoreStatus(core, object) : ""));
    })
    .join("");
}

export function objectElements(core: Core, object: StoredObject, spell: (name: string) => string): string {
  return (
    element("Key", spell(object.key)) +
    element("LastModified", isoTime(object.lastModified)) +
    element("ETag", core.showEtag(object.etag)) +
    element("ChecksumAlgorithm", object.checksum?.algorithm) +
    element("ChecksumType", object.checksum?.type) +
    element("Size", object.size) +
    element("StorageClass", object.attributes.storageClass)
  );
}

export function prefixElements(prefixes: readonly string[], spell: (name: string) => string): string {
  return prefixes.map((prefix) => wrap("CommonPrefixes", element("Prefix", spell(prefix)))).join("");
}

/** Keys with a current object: what V1 and V2 list. */
function currentKeys(bucket: Bucket): readonly string[] {
  const keys = bucket.keys();
  return bucket.versioning === "off" ? keys : keys.filter((key) => bucket.current(key) !== undefined);
}

/** A page in the order of this store, which may be another than that of UTF-8 bytes. */
function listedPage(core: Core, bucket: Bucket, request: PageRequest, isStart: boolean): Page {
  const { listingOrder, markers } = core.options;
  const keys = currentKeys(bucket);
  if (listingOrder === "utf8") {
    const page = pageOf(keys, request);
    const { after, prefix } = request;
    const repeats =
      isStart && markers === "inclusive" && after !== "" && after.startsWith(prefix) && keys.includes(after);
    return repeats ? { ...page, keys: [after, ...page.keys] } : page;
  }
  const { prefix, delimiter, after, max } = request;
  if (delimiter !== "" || (isStart && after !== "" && listingOrder === "none"))
    throw new StoreError("NotImplemented");
  const place = (key: string) =>
    listingOrder === "utf16" ? key : createHash("md5").update(key).digest("hex");
  const isBehind = (key: string) => after === "" || place(key) > place(after);
  const rest = keys
    .filter((key) => key.startsWith(prefix) && isBehind(key))
    .toSorted((a, b) => (place(a) < place(b) ? -1 : 1));
  const given = rest.slice(0, max);
  return {
    keys: given,
    commonPrefixes: [],
    truncated: max > 0 && rest.length > max,
    last: given.at(-1) ?? "",
  };
}

export async function listObjectsV2(core: Core, exchange: Exchange): Promise<void> {
  if (core.options.listType === "ignored") return listObjects(core, exchange);
  const bucket = core.bucketOf(exchange);
  const { query } = exchange;
  const { spell, note } = spelling(core, exchange);
  const prefix = query.get("prefix") ?? "";
  const delimiter = query.get("delimiter") ?? "";
  const token = query.get("continuation-token");
  const startAfter = query.get("start-after");
  const max = Math.min(core.options.maxPageKeys, countParameter(exchange, "max-keys", 1000));
  if (token === "") throw new StoreError("InvalidArgument", "The continuation token provided is incorrect");
  const after = token === undefined ? (startAfter ?? "") : parseToken(token);
  const page = listedPage(core, bucket, { prefix, delimiter, after, max }, token === undefined);
  const repeats = exchange.faults.first("repeat-marker") !== undefined;
  const isTokenMissing = exchange.faults.first("missing-marker") !== undefined;
  const circles = exchange.faults.first("circle") !== undefined;
  const next = circles ? makeToken("") : repeats && token !== undefined ? token : makeToken(page.last);
  const truncated = repeats || circles || isTokenMissing || page.truncated;
  const result =
    element("Name", bucket.name) +
    element("Prefix", spell(prefix)) +
    element("Delimiter", delimiter === "" ? undefined : spell(delimiter)) +
    element("StartAfter", startAfter === undefined ? undefined : spell(startAfter)) +
    element("ContinuationToken", token) +
    element("NextContinuationToken", truncated && !isTokenMissing ? next : undefined) +
    element("KeyCount", page.keys.length + page.commonPrefixes.length) +
    element("MaxKeys", max) +
    note +
    element("IsTruncated", truncated) +
    contents(core, exchange, page.keys, spell) +
    prefixElements(page.commonPrefixes, spell);
  await exchange.answerXml(document("ListBucketResult", result));
}

/** Tokens are opaque and hold `+ / =`, so that a client that does not encode them fails. */
function makeToken(last: string): string {
  return `1+/${Buffer.from(last).toString("base64")}==`;
}

function parseToken(token: string): string {
  const match = /^1\+\/(.*)==$/.exec(token);
  if (match === null) throw new StoreError("InvalidArgument", "The continuation token provided is incorrect");
  return Buffer.from(match[1] ?? "", "base64").toString();
}

export async function listObjects(core: Core, exchange: Exchange): Promise<void> {
  const bucket = core.bucketOf(exchange);
  const { spell, note } = spelling(core, exchange);
  const prefix = exchange.query.get("prefix") ?? "";
  const delimiter = exchange.query.get("delimiter") ?? "";
  const marker = exchange.query.get("marker") ?? "";
  const max = Math.min(core.options.maxPageKeys, countParameter(exchange, "max-keys", 1000));
  const page = listedPage(core, bucket, { prefix, delimiter, after: marker, max }, true);
  const repeats = exchange.faults.first("repeat-marker") !== undefined;
  const truncated = repeats || page.truncated;
  // V1 has NextMarker only with a delimiter; without one the client continues from the last key.
  const next = truncated && delimiter !== "" ? spell(repeats ? marker : page.last) : undefined;
  const result =
    element("Name", bucket.name) +
    element("Prefix", spell(prefix)) +
    element("Marker", spell(marker)) +
    element("NextMarker", next) +
    element("MaxKeys", max) +
    element("Delimiter", delimiter === "" ? undefined : spell(delimiter)) +
    note +
    element("IsTruncated", truncated) +
    contents(core, exchange, page.keys, spell) +
    prefixElements(page.commonPrefixes, spell);
  await exchange.answerXml(document("ListBucketResult", result));
}

export async function listMultipartUploads(core: Core, exchange: Exchange): Promise<void> {
  const bucket = core.bucketOf(exchange);
  const { query } = exchange;
  const { spell, note } = spelling(core, exchange);
  const prefix = query.get("prefix") ?? "";
  const delimiter = query.get("delimiter") ?? "";
  const keyMarker = query.get("key-marker") ?? "";
  const uploadIdMarker = keyMarker === "" ? "" : (query.get("upload-id-marker") ?? "");
  const max = Math.min(1000, countParameter(exchange, "max-uploads", 1000));
  const repeats = exchange.faults.first("repeat-marker") !== undefined;
  const page = uploadPage(
    [...bucket.uploads.values()],
    { prefix, delimiter, after: keyMarker, max },
    uploadIdMarker,
  );
  const uploads = page.uploads.map((upload) =>
    wrap(
      "Upload",
      element("Key", spell(upload.key)) +
        element("UploadId", upload.id) +
        wrap("Initiator", element("ID", "test-store")) +
        owner +
        element("StorageClass", upload.attributes.storageClass) +
        element("Initiated", isoTime(upload.initiated)) +
        element("ChecksumAlgorithm", upload.checksum?.algorithm) +
        element("ChecksumType", upload.checksum?.type),
    ),
  );
  const result =
    element("Bucket", bucket.name) +
    element("KeyMarker", spell(keyMarker)) +
    element("UploadIdMarker", uploadIdMarker) +
    element("NextKeyMarker", spell(repeats ? keyMarker : page.lastKey)) +
    element("NextUploadIdMarker", repeats ? uploadIdMarker : page.lastId) +
    element("Prefix", spell(prefix)) +
    element("Delimiter", delimiter === "" ? undefined : spell(delimiter)) +
    element("MaxUploads", max) +
    note +
    element("IsTruncated", repeats || page.truncated) +
    uploads.join("") +
    prefixElements(page.commonPrefixes, spell);
  await exchange.answerXml(document("ListMultipartUploadsResult", result));
}

interface UploadPage {
  readonly uploads: readonly Upload[];
  readonly commonPrefixes: readonly string[];
  readonly truncated: boolean;
  readonly lastKey: string;
  readonly lastId: string;
}

/** Uploads by key, then by age. The upload-id marker distinguishes several uploads of one key. */
function uploadPage(all: readonly Upload[], request: PageRequest, uploadIdMarker: string): UploadPage {
  const { prefix, delimiter, after, max } = request;
  const sorted = all
    .filter((upload) => upload.key.startsWith(prefix))
    .toSorted((a, b) => compareKeys(a.key, b.key) || a.initiated - b.initiated || compareKeys(a.id, b.id));
  const uploads: Upload[] = [];
  const commonPrefixes: string[] = [];
  let lastKey = "";
  let lastId = "";
  let passedMarker = false;
  for (const upload of sorted) {
    const order = compareKeys(upload.key, after);
    if (order < 0 || (order === 0 && after !== "" && (uploadIdMarker === "" || !passedMarker))) {
      if (order === 0 && upload.id === uploadIdMarker) passedMarker = true;
      continue;
    }
    const end = delimiter === "" ? -1 : upload.key.indexOf(delimiter, prefix.length);
    const fold = end < 0 ? undefined : upload.key.slice(0, end + delimiter.length);
    if (fold !== undefined && (fold === commonPrefixes.at(-1) || fold === after)) continue;
    if (uploads.length + commonPrefixes.length >= max) {
      return { uploads, commonPrefixes, truncated: max > 0, lastKey, lastId };
    }
    if (fold === undefined) uploads.push(upload);
    else commonPrefixes.push(fold);
    lastKey = fold ?? upload.key;
    lastId = fold === undefined ? upload.id : "";
  }
  return { uploads, commonPrefixes, truncated: false, lastKey, lastId };
}
