/**
 * Operations that change or describe single objects: put, copy, delete, tagging, attributes, ACL, restore.
 *
 * A write is atomic: conditions are judged after the whole body has arrived, and the object appears in one
 * step. Attributes of a copy come from the source unless the directive is REPLACE; an object cannot be copied
 * onto itself unchanged. ACLs are answered in their minimal form (owner, full control) and never kept.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html
 */
import { checkReadable, restoring } from "./archive.ts";
import {
  attributesFromRequest,
  checkReadKey,
  checkTags,
  customerKey,
  encryptionHeaders,
  type Attributes,
  type Tag,
} from "./attributes.ts";
import { bodySize, isReadable, readBody, retainBody, sliceBody, type Body } from "./bodies.ts";
import { checksumAlgorithm, startChecksum, type Checksum, type ChecksumAlgorithm } from "./checksums.ts";
import { bareEtag, isoTime, type Core } from "./core.ts";
import { StoreError } from "./errors.ts";
import type { Exchange, Headers } from "./exchange.ts";
import { checkLock, checkUnlocked } from "./locks.ts";
import { findObject, parseRange, readCondition } from "./operations_read.ts";
import { GiB } from "./options.ts";
import { decodeText } from "./sigv4.ts";
import type { ArchiveTier, Bucket, PartLayout, StoredObject } from "./state.ts";
import { childText, childrenOf, document, element, parseXml, wrap } from "./xml.ts";

export async function putObject(core: Core, exchange: Exchange): Promise<void> {
  const bucket = core.bucketOf(exchange);
  const { key } = exchange;
  core.checkDigest(exchange, "Object");
  checkLock(core, exchange, bucket, "digest");
  const attributes = attributesFromRequest(
    exchange.headerNames(),
    (name) => exchange.header(name),
    core.options,
  );
  const length = exchange.requireLength();
  if (length !== undefined && length > core.options.maxPartBytes)
    throw tooLarge(length, core.options.maxPartBytes);
  const received = await exchange.receive(() => core.sinkFor(bucket.name, key, length), {
    md5: core.usesMd5(attributes.encryption),
    checksum: core.options.automaticChecksum === "none" ? undefined : core.options.automaticChecksum,
    judge: () => core.checkWriteConditions(exchange, bucket.current(key)),
  });
  const checksum: Checksum | undefined = received.checksum && {
    algorithm: received.checksum.algorithm,
    type: "FULL_OBJECT",
    value: received.checksum.digest.toString("base64"),
  };
  const object = storeObject(core, bucket, key, {
    body: received.body,
    etag: core.etagOf(received.md5, attributes.encryption),
    attributes,
    checksum,
  });
  exchange.worked();
  await exchange.answer(200, { ETag: core.showEtag(object.etag), ...writtenHeaders(bucket, object) });
}

export function tooLarge(size: number, limit: number): StoreError {
  return new StoreError("EntityTooLarge", undefined, {
    elements: { ProposedSize: String(size), MaxSizeAllowed: String(limit) },
  });
}

export interface NewObject {
  readonly body: Body;
  readonly etag: string;
  readonly attributes: Attributes;
  readonly parts?: readonly PartLayout[];
  readonly checksum?: Checksum | undefined;
  readonly archiveTier?: ArchiveTier | undefined;
  /** Default: now. */
  readonly lastModified?: number | undefined;
}

/** Makes `parts` the current version of `key`; the body passes into the bucket's keeping. */
export function storeObject(core: Core, bucket: Bucket, key: string, parts: NewObject): StoredObject {
  const object: StoredObject = {
    kind: "object",
    key,
    versionId: bucket.nextVersionId(),
    body: parts.body,
    size: bodySize(parts.body),
    etag: parts.etag,
    lastModified: parts.lastModified ?? core.now(),
    attributes: parts.attributes,
    parts: parts.parts ?? [],
    checksum: parts.checksum,
    archiveTier: parts.archiveTier,
    restore: undefined,
  };
  bucket.add(object);
  return object;
}

/** Headers that every successful write answers with. */
export function writtenHeaders(bucket: Bucket, object: StoredObject): Headers {
  const { checksum } = object;
  return {
    "x-amz-version-id": bucket.versioning === "off" ? undefined : object.versionId,
    "x-amz-request-charged": bucket.requesterPays ? "requester" : undefined,
    ...encryptionHeaders(object.attributes.encryption),
    ...(checksum === undefined
      ? {}
      : {
          [`x-amz-checksum-${checksum.algorithm.toLowerCase()}`]: checksum.value,
          "x-amz-checksum-type": checksum.type,
        }),
  };
}

/** The source of a copy, all its conditions met. */
export interface CopySource {
  readonly object: StoredObject;
  readonly body: Body;
  readonly versioned: boolean;
}

/**
 * Resolves `x-amz-copy-source` and, for parts, `x-amz-copy-source-range`.
 * @throws StoreError as S3 does for a source that is missing, archived, changed or out of range.
 */
export function copySource(core: Core, exchange: Exchange): CopySource {
  const raw = exchange.header("x-amz-copy-source") ?? "";
  const [rawPath = "", versionId] = raw.split("?versionId=");
  const path = decodeText(rawPath, "plus-is-space").replace(/^\//, "");
  const slash = path.indexOf("/");
  if (slash <= 0 || slash === path.length - 1) {
    throw new StoreError(
      "InvalidArgument",
      "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
    );
  }
  const bucket = core.buckets.get(path.slice(0, slash));
  const object = findObject(bucket, path.slice(slash + 1), versionId);
  if (
    core.options.conditionalCopies === "honoured" &&
    readCondition((name) => exchange.header(name), object, "x-amz-copy-source-") === "not-modified"
  ) {
    throw new StoreError("PreconditionFailed", undefined, {
      elements: { Condition: "x-amz-copy-source-If-None-Match" },
    });
  }
  checkReadable(core, object);
  checkReadKey(
    object.attributes.encryption,
    customerKey((name) => exchange.header(name), "x-amz-copy-source-server-side-encryption-customer"),
  );
  const range = exchange.header("x-amz-copy-source-range");
  const versioned = bucket.versioning !== "off";
  if (range === undefined) return { object, body: object.body, versioned };
  const parsed = parseRange(range, object.size);
  const outside = /-(\d+)$/.exec(range)?.[1];
  if (typeof parsed === "string" || Number(outside) >= object.size) {
    throw new StoreError(
      "InvalidArgument",
      `Range specified is not valid for source object of size: ${object.size}`,
      { elements: { ArgumentName: "x-amz-copy-source-range", ArgumentValue: range } },
    );
  }
  return { object, body: sliceBody(object.body, parsed.start, parsed.end), versioned };
}

export async function copyObject(core: Core, exchange: Exchange): Promise<void> {
  const bucket = core.bucketOf(exchange);
  const { object: source, versioned } = copySource(core, exchange);
  if (source.size > 5 * GiB) {
    throw new StoreError(
      "InvalidRequest",
      "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120",
    );
  }
  const requested = attributesFromRequest(
    exchange.headerNames(),
    (name) => exchange.header(name),
    core.options,
  );
  const replacesMetadata = directive(exchange, "x-amz-metadata-directive") === "REPLACE";
  const replacesTags = directive(exchange, "x-amz-tagging-directive") === "REPLACE";
  // As local R2 has it.
  if (replacesTags && core.options.without.includes("tagging")) {
    throw new StoreError(
      "NotImplemented",
      "Header 'x-amz-tagging-directive' with value 'REPLACE' not implemented",
    );
  }
  checkLock(core, exchange, bucket, "none");
  const ownClass = exchange.header("x-amz-storage-class") !== undefined;
  const ownEncryption = requested.encryption.kind !== "none";
  const isSelf = bucket.current(exchange.key) === source;
  if (isSelf && !replacesMetadata && !ownClass && !ownEncryption) {
    throw new StoreError(
      "InvalidRequest",
      "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
    );
  }
  const attributes: Attributes = {
    ...(replacesMetadata ? requested : keptByCopy(source.attributes)),
    tags: replacesTags ? requested.tags : source.attributes.tags,
    storageClass: requested.storageClass,
    encryption: requested.encryption,
  };
  if (!isReadable(source.body))
    throw new StoreError("NotImplemented", "The bytes of this object were counted and discarded");
  await exchange.stage("before-work");
  core.checkWriteConditions(exchange, bucket.current(exchange.key));
  const plainSource = source.parts.length === 0 && core.usesMd5(source.attributes.encryption);
  const named = checksumAlgorithm(
    exchange.header("x-amz-checksum-algorithm") ?? source.checksum?.algorithm ?? "",
  );
  retainBody(source.body);
  const object = storeObject(core, bucket, exchange.key, {
    body: source.body,
    etag:
      plainSource && core.usesMd5(attributes.encryption)
        ? source.etag
        : core.etagOfBody(source.body, attributes.encryption),
    attributes,
    checksum: named === undefined ? undefined : checksumOfBody(named, source.body),
  });
  exchange.worked();
  const result =
    element("LastModified", isoTime(object.lastModified)) + element("ETag", core.showEtag(object.etag));
  await exchange.answerXml(document("CopyObjectResult", result + checksumElements(object.checksum)), {
    ...writtenHeaders(bucket, object),
    "x-amz-copy-source-version-id": versioned ? source.versionId : undefined,
  });
}

/** No copy takes a redirect or a lock along. */
function keptByCopy({ headers, ...others }: Attributes): Attributes {
  const kept = Object.entries(headers).filter(([name]) => !/^x-amz-(?:website|object-lock)-/.test(name));
  return { ...others, headers: Object.fromEntries(kept) };
}

function directive(exchange: Exchange, name: string): "COPY" | "REPLACE" {
  const value = exchange.header(name) ?? "COPY";
  if (value === "COPY" || value === "REPLACE") return value;
  throw new StoreError("InvalidArgument", `Unknown ${name.replace("x-amz-", "")}.`);
}

function checksumOfBody(algorithm: ChecksumAlgorithm, body: Body): Checksum {
  const running = startChecksum(algorithm);
  for (const chunk of readBody(body)) running.update(chunk);
  return { algorithm, type: "FULL_OBJECT", value: running.digest().toString("base64") };
}

/** `ChecksumCRC32` and `ChecksumType` elements of a result document. */
export function checksumElements(checksum: Checksum | undefined): string {
  if (checksum === undefined) return "";
  return element(`Checksum${checksum.algorithm}`, checksum.value) + element("ChecksumType", checksum.type);
}

export async function deleteObject(core: Core, exchange: Exchange): Promise<void> {
  const bucket = core.bucketOf(exchange);
  const ifMatch = exchange.header("if-match");
  const current = bucket.current(exchange.key);
  if (ifMatch !== undefined && current !== undefined) core.checkWriteConditions(exchange, current);
  const removed = removeObject(core, bucket, exchange.key, exchange.query.get("versionId"));
  exchange.worked();
  await exchange.answer(204, {
    "x-amz-version-id": bucket.versioning === "off" ? undefined : removed.versionId,
    "x-amz-delete-marker": removed.marker ? "true" : undefined,
  });
}

/** Deletes as S3 does: a named version for good, otherwise the null version or by a delete marker. */
function removeObject(
  core: Core,
  bucket: Bucket,
  key: string,
  versionId: string | undefined,
): { readonly versionId: string | undefined; readonly marker: boolean } {
  if (versionId !== undefined) {
    checkUnlocked(
      core,
      bucket.versions(key).find((version) => version.versionId === versionId),
    );
    const removed = bucket.remove(key, versionId);
    return { versionId, marker: removed?.kind === "delete-marker" };
  }
  if (bucket.versioning === "off") {
    bucket.remove(key, "null");
    return { versionId: undefined, marker: false };
  }
  const marker = bucket.nextVersionId();
  bucket.add({ kind: "delete-marker", key, versionId: marker, lastModified: core.now() });
  return { versionId: marker, marker: true };
}

export async function deleteObjects(core: Core, exchange: Exchange): Promise<void> {
  const bucket = core.bucketOf(exchange);
  if (!exchange.hasDigest()) {
    throw new StoreError(
      "InvalidRequest",
      "Missing required header for this request: Content-MD5 OR x-amz-checksum-*",
    );
  }
  const root = parseXml(await exchange.receiveText());
  const objects = childrenOf(root, "Object");
  if (root.name !== "Delete" || objects.length === 0 || objects.length > 1000)
    throw new StoreError("MalformedXML");
  const quiet = childText(root, "Quiet")?.trim() === "true";
  const results = objects.map((node) => {
    const key = childText(node, "Key");
    if (key === undefined || key === "") throw new StoreError("MalformedXML");
    const condition = childText(node, "ETag");
    const current = bucket.current(key);
    if (condition !== undefined && (current === undefined || bareEtag(condition) !== current.etag)) {
      const failure = element("Key", key) + element("Code", "PreconditionFailed");
      return wrap(
        "Error",
        failure + element("Message", "At least one of the pre-conditions you specified did not hold"),
      );
    }
    const versionId = childText(node, "VersionId");
    const removed = removeObject(core, bucket, key, versionId);
    if (quiet) return "";
    return wrap(
      "Deleted",
      element("Key", key) +
        element("VersionId", versionId) +
        (removed.marker
          ? element("DeleteMarker", true) + element("DeleteMarkerVersionId", removed.versionId)
          : ""),
    );
  });
  await exchange.answerXml(document("DeleteResult", results.join("")));
}

export async function getObjectTagging(core: Core, exchange: Exchange): Promise<void> {
  const bucket = core.bucketOf(exchange);
  const object = findObject(bucket, exchange.key, exchange.query.get("versionId"));
  const tags = object.attributes.tags.map(({ key, value }) =>
    wrap("Tag", element("Key", key) + element("Value", value)),
  );
  await exchange.answerXml(document("Tagging", wrap("TagSet", tags.join(""))), versionHeader(bucket, object));
}

export async function putObjectTagging(core: Core, exchange: Exchange): Promise<void> {
  const bucket = core.bucketOf(exchange);
  if (!exchange.hasDigest()) {
    throw new StoreError(
      "InvalidRequest",
      "Missing required header for this request: Content-MD5 OR x-amz-checksum-*",
    );
  }
  const root = parseXml(await exchange.receiveText());
  const set = childrenOf(root, "TagSet")[0];
  if (root.name !== "Tagging" || set === undefined) throw new StoreError("MalformedXML");
  const tags = childrenOf(set, "Tag").map((node): Tag => {
    const key = childText(node, "Key");
    const value = childText(node, "Value");
    if (key === undefined || value === undefined) throw new StoreError("MalformedXML");
    return { key, value };
  });
  const object = findObject(bucket, exchange.key, exchange.query.get("versionId"));
  bucket.replace({ ...object, attributes: { ...object.attributes, tags: checkTags(tags) } });
  await exchange.answer(200, versionHeader(bucket, object));
}

export async function deleteObjectTagging(core: Core, exchange: Exchange): Promise<void> {
  const bucket = core.bucketOf(exchange);
  const object = findObject(bucket, exchange.key, exchange.query.get("versionId"));
  bucket.replace({ ...object, attributes: { ...object.attributes, tags: [] } });
  await exchange.answer(204, versionHeader(bucket, object));
}

function versionHeader(bucket: Bucket, object: StoredObject): Headers {
  return { "x-amz-version-id": bucket.versioning === "off" ? undefined : object.versionId };
}

export async function getObjectAttributes(core: Core, exchange: Exchange): Promise<void> {
  const bucket = core.bucketOf(exchange);
  const object = findObject(bucket, exchange.key, exchange.query.get("versionId"));
  const wanted = new Set(
    (exchange.header("x-amz-object-attributes") ?? "").split(",").map((name) => name.trim()),
  );
  if (wanted.has(""))
    throw new StoreError(
      "InvalidRequest",
      "The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty",
    );
  const pieces = [
    wanted.has("ETag") ? element("ETag", object.etag) : "",
    wanted.has("Checksum") && object.checksum !== undefined
      ? wrap("Checksum", checksumElements(object.checksum))
      : "",
    wanted.has("ObjectParts") && object.parts.length > 0 ? objectParts(exchange, object) : "",
    wanted.has("StorageClass") ? element("StorageClass", object.attributes.storageClass) : "",
    wanted.has("ObjectSize") ? element("ObjectSize", object.size) : "",
  ];
  await exchange.answerXml(document("GetObjectAttributesResponse", pieces.join("")), {
    "Last-Modified": new Date(object.lastModified).toUTCString(),
    ...versionHeader(bucket, object),
  });
}

/** The parts themselves are listed only when they have checksums, as on AWS; their count always. */
function objectParts(exchange: Exchange, object: StoredObject): string {
  const count = element("PartsCount", object.parts.length);
  const { checksum } = object;
  if (checksum === undefined) return wrap("ObjectParts", count);
  const marker = Number(exchange.header("x-amz-part-number-marker") ?? 0);
  const max = Number(exchange.header("x-amz-max-parts") ?? 1000);
  const rest = object.parts.filter((part) => part.number > marker);
  const page = rest.slice(0, max);
  const parts = page.map((part) =>
    wrap(
      "Part",
      element("PartNumber", part.number) +
        element("Size", part.size) +
        element(`Checksum${checksum.algorithm}`, part.checksum),
    ),
  );
  return wrap(
    "ObjectParts",
    count +
      element("PartNumberMarker", marker) +
      element("NextPartNumberMarker", page.at(-1)?.number ?? 0) +
      element("MaxParts", max) +
      element("IsTruncated", page.length < rest.length) +
      parts.join(""),
  );
}

const ownerXml = element("ID", "75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a");

export async function getAcl(core: Core, exchange: Exchange): Promise<void> {
  const bucket = core.bucketOf(exchange);
  if (exchange.record.operation === "GetObjectAcl")
    findObject(bucket, exchange.key, exchange.query.get("versionId"));
  const grantee = `<Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser">${ownerXml}</Grantee>`;
  const grant = wrap("Grant", grantee + element("Permission", "FULL_CONTROL"));
  await exchange.answerXml(
    document("AccessControlPolicy", wrap("Owner", ownerXml) + wrap("AccessControlList", grant)),
  );
}

/** Takes only what leaves full control with the owner, as a bucket with ACLs switched off does. */
export async function putObjectAcl(core: Core, exchange: Exchange): Promise<void> {
  findObject(core.bucketOf(exchange), exchange.key, exchange.query.get("versionId"));
  const text = await exchange.receiveText();
  const canned = exchange.header("x-amz-acl");
  const keepsOwner =
    canned === undefined
      ? Array.from(text.matchAll(/<Permission>([^<]*)</g)).every((match) => match[1] === "FULL_CONTROL")
      : canned === "private" || canned === "bucket-owner-full-control";
  if (!keepsOwner) throw new StoreError("AccessControlListNotSupported");
  await exchange.answer(200);
}

/** 202 begins a restore, 200 confirms one that is done. */
export async function restoreObject(core: Core, exchange: Exchange): Promise<void> {
  const bucket = core.bucketOf(exchange);
  const asked = parseXml(await exchange.receiveText());
  const object = findObject(bucket, exchange.key, exchange.query.get("versionId"));
  const [restored, status] = restoring(core, object, asked);
  bucket.replace(restored);
  exchange.worked();
  return exchange.answer(status);
}
