/**
 * Multipart uploads: create, upload and copy parts, list, complete, abort.
 *
 * The last attempt of a part to finish wins. Sizes are judged at Complete, not when a part comes in, in S3's
 * order: order, presence and ETag, smallest size, R2's equal lengths, declared total, checksums, conditions;
 * an upload survives a refused Complete. Parts not named in Complete are dropped. A finished upload remembers
 * its result, so that Complete may be repeated.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
 */
import { attributesFromRequest, customerKey, encryptionHeaders } from "./attributes.ts";
import { joinBodies, readBody, releaseBody, retainBody, bodySize } from "./bodies.ts";
import {
  allowsChecksumType,
  checksumAlgorithm,
  combineChecksums,
  defaultChecksumType,
  startChecksum,
  type Checksum,
} from "./checksums.ts";
import { bareEtag, isoTime, type Core } from "./core.ts";
import { StoreError } from "./errors.ts";
import type { Exchange, Headers } from "./exchange.ts";
import { checksumElements, copySource, storeObject, tooLarge, writtenHeaders } from "./operations_object.ts";
import { checkLock } from "./locks.ts";
import type { Bucket, StoredObject, Upload, UploadedPart } from "./state.ts";
import { childText, childrenOf, document, element, parseXml, wrap, xmlProlog, errorDocument } from "./xml.ts";

export async function createMultipartUpload(core: Core, exchange: Exchange): Promise<void> {
  const bucket = core.bucketOf(exchange);
  checkLock(core, exchange, bucket, "none");
  const attributes = attributesFromRequest(
    exchange.headerNames(),
    (name) => exchange.header(name),
    core.options,
  );
  const checksum = requestedChecksum(core, exchange);
  await exchange.receiveText();
  const upload: Upload = {
    id: newUploadId(core),
    bucket: bucket.name,
    key: exchange.key,
    initiated: core.options.clock(),
    attributes,
    checksum,
    parts: new Map(),
  };
  bucket.uploads.set(upload.id, upload);
  exchange.worked();
  exchange.record.uploadId = upload.id;
  const result = element("Bucket", bucket.name) + element("Key", upload.key) + element("UploadId", upload.id);
  await exchange.answerXml(document("InitiateMultipartUploadResult", result), {
    ...encryptionHeaders(attributes.encryption),
    "x-amz-checksum-algorithm": checksum?.algorithm,
    "x-amz-checksum-type": checksum?.type,
  });
}

function requestedChecksum(core: Core, exchange: Exchange): Upload["checksum"] {
  const name = exchange.header("x-amz-checksum-algorithm");
  const type = exchange.header("x-amz-checksum-type");
  if (name === undefined) {
    if (type !== undefined)
      throw new StoreError(
        "InvalidRequest",
        "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.",
      );
    if (core.options.automaticChecksum === "none") return undefined;
    return { algorithm: core.options.automaticChecksum, type: "FULL_OBJECT" };
  }
  if (core.options.without.includes("checksums")) throw new StoreError("NotImplemented");
  const algorithm = checksumAlgorithm(name);
  if (algorithm === undefined) {
    throw new StoreError(
      "InvalidRequest",
      "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]",
    );
  }
  const chosen = type ?? defaultChecksumType(algorithm);
  if ((chosen !== "COMPOSITE" && chosen !== "FULL_OBJECT") || !allowsChecksumType(algorithm, chosen)) {
    throw new StoreError(
      "InvalidRequest",
      `The ${chosen} checksum type cannot be used with the ${algorithm.toLowerCase()} checksum algorithm.`,
    );
  }
  return { algorithm, type: chosen };
}

/** "symbols" ids hold every character that a careless client forgets to encode in a query. */
function newUploadId(core: Core): string {
  const bytes = core.random.bytes(33);
  // A letter in front: ids that begin with a dash are taken for options by command-line tools, and S3 has
  // none.
  if (core.options.uploadIds === "plain") return `u${bytes.toString("base64url")}`;
  return `2~XlNd+M+/${bytes.toString("base64").slice(0, 26)}/izs==`;
}

/** @throws StoreError NoSuchUpload unless the request names an upload in progress of this very key. */
function findUpload(bucket: Bucket, exchange: Exchange): Upload {
  const id = exchange.query.get("uploadId") ?? "";
  const upload = bucket.uploads.get(id);
  if (upload === undefined || upload.key !== exchange.key) {
    throw new StoreError("NoSuchUpload", undefined, { elements: { UploadId: id } });
  }
  return upload;
}

function partNumberOf(core: Core, exchange: Exchange): number {
  const number = Number(exchange.query.get("partNumber") ?? Number.NaN);
  if (Number.isInteger(number) && number >= 1 && number <= core.options.maxParts) return number;
  throw new StoreError(
    "InvalidArgument",
    `Part number must be an integer between 1 and ${core.options.maxParts}, inclusive`,
    {
      elements: { ArgumentName: "partNumber", ArgumentValue: exchange.query.get("partNumber") ?? "" },
    },
  );
}

/** Takes a part in, unless the upload ended meanwhile. @throws StoreError NoSuchUpload then. */
function keepPart(core: Core, bucket: Bucket, upload: Upload, part: UploadedPart): void {
  if (!bucket.uploads.has(upload.id)) {
    // A part in flight may land after the abort and go on costing money: the upload is back.
    if (core.options.lateParts === "kept" && bucket.aborted.delete(upload.id)) {
      bucket.uploads.set(upload.id, upload);
    } else {
      releaseBody(part.body);
      throw new StoreError("NoSuchUpload", undefined, { elements: { UploadId: upload.id } });
    }
  }
  const before = upload.parts.get(part.number);
  if (before !== undefined) releaseBody(before.body);
  upload.parts.set(part.number, part);
}

export async function uploadPart(core: Core, exchange: Exchange): Promise<void> {
  const bucket = core.bucketOf(exchange);
  core.checkDigest(exchange, "Part");
  const number = partNumberOf(core, exchange);
  const upload = findUpload(bucket, exchange);
  const { encryption } = upload.attributes;
  const presented = customerKey((name) => exchange.header(name), "x-amz-server-side-encryption-customer");
  if ((encryption.kind === "customer" ? encryption.keyMd5 : undefined) !== presented) {
    throw new StoreError(
      "InvalidRequest",
      "The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate encryption parameters.",
    );
  }
  const length = exchange.requireLength();
  if (length !== undefined && length > core.options.maxPartBytes)
    throw tooLarge(length, core.options.maxPartBytes);
  const received = await exchange.receive(
    () => core.sinkFor(bucket.name, upload.key, length, { number, uploadId: upload.id }),
    { md5: core.usesMd5(encryption), checksum: upload.checksum?.algorithm },
  );
  const { checksum } = received;
  if (
    checksum !== undefined &&
    upload.checksum !== undefined &&
    checksum.algorithm !== upload.checksum.algorithm
  ) {
    releaseBody(received.body);
    throw new StoreError(
      "InvalidRequest",
      `Checksum Type mismatch occurred, expected checksum Type: ${upload.checksum.algorithm.toLowerCase()}, actual checksum Type: ${checksum.algorithm.toLowerCase()}`,
    );
  }
  const etag = core.etagOf(received.md5, encryption);
  keepPart(core, bucket, upload, {
    number,
    size: received.size,
    etag,
    body: received.body,
    digest: upload.checksum === undefined ? undefined : checksum?.digest,
    lastModified: core.now(),
  });
  exchange.worked();
  await exchange.answer(200, {
    ETag: core.showEtag(etag),
    ...encryptionHeaders(encryption),
    ...(checksum === undefined
      ? {}
      : { [`x-amz-checksum-${checksum.algorithm.toLowerCase()}`]: checksum.digest.toString("base64") }),
  });
}

export async function uploadPartCopy(core: Core, exchange: Exchange): Promise<void> {
  const bucket = core.bucketOf(exchange);
  const number = partNumberOf(core, exchange);
  const upload = findUpload(bucket, exchange);
  const source = copySource(core, exchange);
  const size = bodySize(source.body);
  if (size > core.options.maxPartBytes) {
    throw new StoreError(
      "InvalidRequest",
      `The specified copy source is larger than the maximum allowable size for a copy source: ${core.options.maxPartBytes}`,
    );
  }
  const { algorithm } = upload.checksum ?? {};
  const running = algorithm === undefined ? undefined : startChecksum(algorithm);
  if (running !== undefined) for (const chunk of readBody(source.body)) running.update(chunk);
  await exchange.stage("before-work");
  const etag = core.etagOfBody(source.body, upload.attributes.encryption);
  const digest = running?.digest();
  const lastModified = core.now();
  retainBody(source.body);
  keepPart(core, bucket, upload, { number, size, etag, body: source.body, digest, lastModified });
  exchange.worked();
  const result =
    element("LastModified", isoTime(lastModified)) +
    element("ETag", core.showEtag(etag)) +
    (algorithm === undefined ? "" : element(`Checksum${algorithm}`, digest?.toString("base64")));
  await exchange.answerXml(document("CopyPartResult", result), {
    "x-amz-copy-source-version-id": source.versioned ? source.object.versionId : undefined,
  });
}

export async function listParts(core: Core, exchange: Exchange): Promise<void> {
  const bucket = core.bucketOf(exchange);
  const upload = findUpload(bucket, exchange);
  const marker = countParameter(exchange, "part-number-marker", 0);
  const max = Math.min(core.options.maxPageParts, countParameter(exchange, "max-parts", 1000));
  const omitted = new Set(exchange.faults.all("omit-part").map((effect) => effect.partNumber));
  const rest = [...upload.parts.values()]
    .filter((part) => part.number > marker && !omitted.has(part.number))
    .toSorted((a, b) => a.number - b.number);
  const page = rest.slice(0, max);
  const repeats = exchange.faults.first("repeat-marker") !== undefined;
  const algorithm = upload.checksum?.algorithm;
  const owner = wrap("Initiator", element("ID", "test-store")) + wrap("Owner", element("ID", "test-store"));
  const parts = page.map((part) =>
    wrap(
      "Part",
      element("PartNumber", part.number) +
        element("LastModified", isoTime(part.lastModified)) +
        element("ETag", core.showEtag(part.etag)) +
        element("Size", part.size) +
        (algorithm === undefined ? "" : element(`Checksum${algorithm}`, part.digest?.toString("base64"))),
    ),
  );
  const result =
    element("Bucket", bucket.name) +
    element("Key", upload.key) +
    element("UploadId", upload.id) +
    owner +
    element("StorageClass", upload.attributes.storageClass) +
    element("PartNumberMarker", marker) +
    element("NextPartNumberMarker", repeats ? marker : (page.at(-1)?.number ?? 0)) +
    element("MaxParts", max) +
    element("IsTruncated", repeats || page.length < rest.length) +
    element("ChecksumAlgorithm", algorithm) +
    element("ChecksumType", upload.checksum?.type);
  await exchange.answerXml(document("ListPartsResult", result + parts.join("")));
}

/** @throws StoreError InvalidArgument unless the parameter is absent or a whole number. */
export function countParameter(exchange: Exchange, name: string, fallback: number): number {
  const text = exchange.query.get(name);
  if (text === undefined || text === "") return fallback;
  if (/^\d+$/.test(text)) return Number(text);
  throw new StoreError("InvalidArgument", `Provided ${name} not an integer or within integer range`, {
    elements: { ArgumentName: name, ArgumentValue: text },
  });
}

export async function abortMultipartUpload(core: Core, exchange: Exchange): Promise<void> {
  const bucket = core.bucketOf(exchange);
  const id = exchange.query.get("uploadId") ?? "";
  // Aborting a finished upload is harmless on AWS.
  const isFinished = core.options.idempotentComplete && bucket.finished.get(id)?.key === exchange.key;
  if (!isFinished) {
    const upload = findUpload(bucket, exchange);
    bucket.uploads.delete(id);
    for (const part of upload.parts.values()) releaseBody(part.body);
    upload.parts.clear();
    bucket.aborted.set(id, upload);
    exchange.worked();
  }
  await exchange.answer(204);
}

interface NamedPart {
  readonly number: number;
  readonly etag: string;
  readonly checksums: ReadonlyMap<string, string>;
}

export async function completeMultipartUpload(core: Core, exchange: Exchange): Promise<void> {
  const bucket = core.bucketOf(exchange);
  const named = parseComplete(await exchange.receiveText("object"));
  const errorInside = exchange.faults.first("complete-error");
  if (errorInside !== undefined) {
    const { code } = errorInside;
    exchange.record.errorCode = code;
    const message = "We encountered an internal error. Please try again.";
    return exchange.answerXml(
      errorDocument({ Code: code, Message: message, RequestId: "TEST", HostId: "TEST" }),
    );
  }
  const cut = exchange.faults.first("complete-cut");
  if (cut?.work === false) return exchange.sendInPieces([xmlProlog, " ".repeat(16)], "break");

  const id = exchange.query.get("uploadId") ?? "";
  const finished = core.options.idempotentComplete ? bucket.finished.get(id) : undefined;
  const object = finished?.key === exchange.key ? finished.object : complete(core, exchange, bucket, named);
  if (cut !== undefined) return exchange.sendInPieces([xmlProlog, " ".repeat(16)], "break");

  const location = `http://${exchange.header("host")}/${bucket.name}/${encodeURIComponent(object.key)}`;
  const result =
    element("Location", location) +
    element("Bucket", bucket.name) +
    element("Key", object.key) +
    element("ETag", core.options.completeEtag === "empty" ? "" : core.showEtag(object.etag)) +
    checksumElements(object.checksum);
  const xml = document("CompleteMultipartUploadResult", result);
  if (core.options.completeSpaces === 0) {
    const { "x-amz-version-id": version } = writtenHeaders(bucket, object);
    const headers: Headers = {
      ...encryptionHeaders(object.attributes.encryption),
      "x-amz-version-id": version,
    };
    return exchange.answerXml(xml, headers);
  }
  await exchange.stage("before-answer");
  const spaces = " ".repeat(core.options.completeSpaces);
  return exchange.sendInPieces([xmlProlog, spaces, xml.slice(xmlProlog.length)], "end");
}

function parseComplete(text: string): NamedPart[] {
  const root = parseXml(text);
  if (root.name !== "CompleteMultipartUpload") throw new StoreError("MalformedXML");
  const parts = childrenOf(root, "Part").map((node): NamedPart => {
    const number = Number(childText(node, "PartNumber")?.trim());
    const etag = childText(node, "ETag");
    if (!Number.isInteger(number) || etag === undefined) throw new StoreError("MalformedXML");
    const checksums = node.children.filter((child) => child.name.startsWith("Checksum"));
    return {
      number,
      etag: bareEtag(etag),
      checksums: new Map(checksums.map((child) => [child.name, child.text.trim()])),
    };
  });
  if (parts.length === 0) throw new StoreError("MalformedXML", "You must specify at least one part");
  return parts;
}

function complete(core: Core, exchange: Exchange, bucket: Bucket, named: readonly NamedPart[]): StoredObject {
  const upload = findUpload(bucket, exchange);
  const parts = chooseParts(core, upload, named);
  const size = parts.reduce((sum, part) => sum + part.size, 0);
  const declaredSize = exchange.header("x-amz-mp-object-size");
  if (declaredSize !== undefined && Number(declaredSize) !== size) {
    throw new StoreError(
      "InvalidRequest",
      "The provided 'x-amz-mp-object-size' header value does not match what was computed.",
    );
  }
  const checksum = completeChecksum(exchange, upload, parts);
  core.checkWriteConditions(exchange, bucket.current(upload.key));
  core.checkPlaces(bucket.name, upload.key, upload.id, parts);
  const chosen = new Set(parts);
  for (const part of upload.parts.values()) if (!chosen.has(part)) releaseBody(part.body);
  bucket.uploads.delete(upload.id);
  const object = storeObject(core, bucket, upload.key, {
    body: joinBodies(parts.map((part) => part.body)),
    etag: core.multipartEtag(parts),
    attributes: upload.attributes,
    parts: parts.map((part, index) => ({
      number: index + 1,
      size: part.size,
      checksum: part.digest?.toString("base64"),
    })),
    checksum,
  });
  bucket.finished.set(upload.id, { key: upload.key, object });
  exchange.worked();
  return object;
}

function chooseParts(core: Core, upload: Upload, named: readonly NamedPart[]): UploadedPart[] {
  if (named.some((part, index) => index > 0 && part.number <= (named[index - 1]?.number ?? 0))) {
    throw new StoreError("InvalidPartOrder", undefined, { elements: { UploadId: upload.id } });
  }
  const parts = named.map(({ number, etag, checksums }) => {
    const part = upload.parts.get(number);
    const stated = upload.checksum && checksums.get(`Checksum${upload.checksum.algorithm}`);
    if (
      part === undefined ||
      part.etag !== etag ||
      (stated !== undefined && stated !== part.digest?.toString("base64"))
    ) {
      throw new StoreError("InvalidPart", undefined, {
        elements: { UploadId: upload.id, PartNumber: String(number), ETag: etag },
      });
    }
    if (upload.checksum?.type === "COMPOSITE" && stated === undefined) {
      const name = upload.checksum.algorithm.toLowerCase();
      throw new StoreError(
        "InvalidRequest",
        `The upload was created using a ${name} checksum. The complete request must include the checksum for each part. It was missing for part ${number} in the request.`,
      );
    }
    return part;
  });
  const small = parts.slice(0, -1).find((part) => part.size < core.options.minPartBytes);
  if (small !== undefined) {
    throw new StoreError("EntityTooSmall", undefined, {
      elements: {
        ProposedSize: String(small.size),
        MinSizeAllowed: String(core.options.minPartBytes),
        PartNumber: String(small.number),
        ETag: small.etag,
      },
    });
  }
  if (core.options.equalParts) {
    const first = parts[0]?.size ?? 0;
    const last = parts.at(-1)?.size ?? 0;
    if (last > first || parts.slice(0, -1).some((part) => part.size !== first)) {
      throw new StoreError("InvalidPart", "All non-trailing parts must have the same length.");
    }
  }
  return parts;
}

function completeChecksum(
  exchange: Exchange,
  upload: Upload,
  parts: readonly UploadedPart[],
): Checksum | undefined {
  if (upload.checksum === undefined) return undefined;
  const { algorithm, type } = upload.checksum;
  const digests = parts.map((part) => ({ size: part.size, digest: part.digest ?? Buffer.alloc(0) }));
  const checksum = combineChecksums(algorithm, type, digests);
  const statedType = exchange.header("x-amz-checksum-type");
  if (statedType !== undefined && statedType !== type) {
    throw new StoreError(
      "InvalidRequest",
      `The upload was created using the ${type} checksum mode. The complete request must use the same checksum mode.`,
    );
  }
  const stated = exchange.header(`x-amz-checksum-${algorithm.toLowerCase()}`);
  // Some clients leave the part count of a composite value out.
  if (stated !== undefined && stated !== checksum.value && stated !== checksum.value.split("-")[0]) {
    throw new StoreError(
      "BadDigest",
      `The ${algorithm.toLowerCase()} you specified did not match the calculated checksum.`,
    );
  }
  return checksum;
}
