/**
 * HeadObject and GetObject: conditions, ranges, part numbers, versions and the headers of everything stored.
 *
 * Rules in S3's order: version, then conditions, then archive state and SSE-C key, then range. A range that
 * cannot be understood is ignored (200), one that lies outside is 416; an empty object satisfies no range.
 * Range together with partNumber is refused. HEAD and GET share all of it and differ in the body only.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
 */
import { archiveHeaders, checkReadable } from "./archive.ts";
import { attributeHeaders, checkReadKey, customerKey } from "./attributes.ts";
import { emptyBody, sliceBody } from "./bodies.ts";
import { etagMatches, httpTime, type Core } from "./core.ts";
import { StoreError } from "./errors.ts";
import type { Exchange, Headers } from "./exchange.ts";
import type { Bucket, StoredObject } from "./state.ts";

export async function headObject(core: Core, exchange: Exchange): Promise<void> {
  const found = resolve(core, exchange, "HEAD");
  if (found.kind === "not-modified") return exchange.answer(304, found.headers);
  const { headers, status, start, end } = found;
  return exchange.answer(status, { ...headers, "Content-Length": end - start });
}

export async function getObject(core: Core, exchange: Exchange): Promise<void> {
  const found = resolve(core, exchange, "GET");
  if (found.kind === "not-modified") return exchange.answer(304, found.headers);
  const { headers, status, start, end, object } = found;
  const body = start === end ? emptyBody : sliceBody(object.body, start, end);
  return exchange.answerBody(status, headers, body);
}

type Resolution =
  | { readonly kind: "not-modified"; readonly headers: Headers }
  | {
      readonly kind: "object";
      readonly object: StoredObject;
      readonly status: 200 | 206;
      readonly headers: Headers;
      readonly start: number;
      readonly end: number;
    };

/**
 * The object a request names: its current version, or the one `versionId` asks for.
 * @throws StoreError NoSuchKey, NoSuchVersion, or MethodNotAllowed for a delete marker asked for by id.
 */
export function findObject(bucket: Bucket, key: string, versionId: string | undefined): StoredObject {
  const versions = bucket.versions(key);
  const version =
    versionId === undefined ? versions.at(-1) : versions.find((one) => one.versionId === versionId);
  if (version === undefined) {
    if (versionId === undefined) throw new StoreError("NoSuchKey", undefined, { elements: { Key: key } });
    throw new StoreError("NoSuchVersion", undefined, { elements: { Key: key, VersionId: versionId } });
  }
  if (version.kind === "object") return version;
  const headers = { "x-amz-delete-marker": "true", "x-amz-version-id": version.versionId };
  if (versionId !== undefined) throw new StoreError("MethodNotAllowed", undefined, { headers });
  throw new StoreError("NoSuchKey", undefined, { elements: { Key: key }, headers });
}

function resolve(core: Core, exchange: Exchange, method: "GET" | "HEAD"): Resolution {
  const bucket = core.bucketOf(exchange);
  const object = findObject(bucket, exchange.key, exchange.query.get("versionId"));
  const identity: Headers = {
    ETag: core.showEtag(object.etag),
    "Last-Modified": httpTime(object.lastModified),
    "x-amz-version-id": bucket.versioning === "off" ? undefined : object.versionId,
    "x-amz-request-charged": bucket.requesterPays ? "requester" : undefined,
  };
  if (
    core.options.conditionalReads === "honoured" &&
    exchange.faults.first("ignore-conditions") === undefined &&
    readCondition((name) => exchange.header(name), object) === "not-modified"
  ) {
    return { kind: "not-modified", headers: identity };
  }
  if (method === "GET") checkReadable(core, object);
  checkReadKey(
    object.attributes.encryption,
    customerKey((name) => exchange.header(name), "x-amz-server-side-encryption-customer"),
  );
  const window = chooseWindow(core, exchange, object, method);
  const partial = window.kind === "partial";
  const { start, end } = window;
  const shift = exchange.faults.first("content-range");
  const contentRange = `bytes ${start + (shift?.start ?? 0)}-${end - 1 + (shift?.start ?? 0)}/${object.size + (shift?.total ?? 0)}`;
  return {
    kind: "object",
    object,
    start,
    end,
    status: partial ? 206 : 200,
    headers: {
      ...identity,
      ...attributeHeaders(object.attributes),
      "Accept-Ranges": "bytes",
      "Content-Range": partial ? contentRange : undefined,
      "x-amz-mp-parts-count":
        window.partNumber !== undefined && object.parts.length > 0 ? object.parts.length : undefined,
      ...archiveHeaders(core, object),
      ...checksumHeaders(exchange, object, window),
      ...responseOverrides(exchange, method),
    },
  };
}

/**
 * Judges the four conditional headers; each "unmodified" one counts only without its ETag counterpart.
 * @throws StoreError PreconditionFailed
 */
export function readCondition(
  header: (name: string) => string | undefined,
  object: StoredObject,
  prefix = "",
): "proceed" | "not-modified" {
  const ifMatch = header(`${prefix}if-match`);
  const ifNoneMatch = header(`${prefix}if-none-match`);
  const modifiedSince = Date.parse(header(`${prefix}if-modified-since`) ?? "");
  const unmodifiedSince = Date.parse(header(`${prefix}if-unmodified-since`) ?? "");
  if (ifMatch !== undefined) {
    if (!etagMatches(ifMatch, object.etag)) throw preconditionFailed("If-Match");
  } else if (object.lastModified > unmodifiedSince) {
    throw preconditionFailed("If-Unmodified-Since");
  }
  if (ifNoneMatch !== undefined) return etagMatches(ifNoneMatch, object.etag) ? "not-modified" : "proceed";
  return object.lastModified <= modifiedSince ? "not-modified" : "proceed";
}

function preconditionFailed(condition: string): StoreError {
  return new StoreError("PreconditionFailed", undefined, { elements: { Condition: condition } });
}

interface Window {
  readonly kind: "whole" | "partial";
  readonly start: number;
  readonly end: number;
  readonly partNumber: number | undefined;
}

function chooseWindow(core: Core, exchange: Exchange, object: StoredObject, method: "GET" | "HEAD"): Window {
  const whole: Window = { kind: "whole", start: 0, end: object.size, partNumber: undefined };
  const range = exchange.header("range");
  const partNumber = exchange.query.get("partNumber");
  if (range !== undefined && partNumber !== undefined) {
    throw new StoreError("InvalidRequest", "Cannot specify both Range header and partNumber query parameter");
  }
  if (exchange.faults.first("ignore-range") !== undefined) return whole;
  if (partNumber !== undefined) {
    if (method === "HEAD" && core.options.headPartNumber === "ignored") return whole;
    return partWindow(object, Number(partNumber));
  }
  if (range === undefined) return whole;
  const parsed = parseRange(range, object.size);
  if (parsed === "ignored") return whole;
  if (parsed === "unsatisfiable") {
    throw new StoreError("InvalidRange", undefined, {
      elements: { RangeRequested: range, ActualObjectSize: String(object.size) },
      headers: { "Content-Range": `bytes */${object.size}` },
    });
  }
  return { kind: "partial", ...parsed, partNumber: undefined };
}

function partWindow(object: StoredObject, partNumber: number): Window {
  const parts = object.parts.length > 0 ? object.parts : [{ size: object.size }];
  if (!Number.isInteger(partNumber) || partNumber < 1 || partNumber > 10_000) {
    throw new StoreError("InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive");
  }
  const part = parts[partNumber - 1];
  if (part === undefined) {
    throw new StoreError("InvalidPartNumber", undefined, {
      elements: { PartNumberRequested: String(partNumber), ActualPartCount: String(parts.length) },
    });
  }
  const start = parts.slice(0, partNumber - 1).reduce((sum, earlier) => sum + earlier.size, 0);
  const kind = object.size === 0 ? "whole" : "partial";
  return { kind, start, end: start + part.size, partNumber };
}

/**
 * One range of a Range header against an object of `size` bytes; several ranges at once are ignored, as on
 * S3.
 */
export function parseRange(
  header: string,
  size: number,
): { readonly start: number; readonly end: number } | "ignored" | "unsatisfiable" {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header.trim());
  const [, first = "", last = ""] = match ?? [];
  if (match === null || (first === "" && last === "")) return "ignored";
  if (first === "") {
    const start = Math.max(0, size - Number(last));
    return start >= size ? "unsatisfiable" : { start, end: size };
  }
  const start = Number(first);
  const end = last === "" ? size : Math.min(size, Number(last) + 1);
  if (last !== "" && Number(last) < start) return "ignored";
  return start >= size ? "unsatisfiable" : { start, end };
}

function checksumHeaders(exchange: Exchange, object: StoredObject, window: Window): Headers {
  if (exchange.header("x-amz-checksum-mode")?.toUpperCase() !== "ENABLED" || object.checksum === undefined)
    return {};
  const { algorithm, type, value } = object.checksum;
  const name = `x-amz-checksum-${algorithm.toLowerCase()}`;
  if (window.partNumber !== undefined && object.parts.length > 0) {
    return { [name]: object.parts[window.partNumber - 1]?.checksum, "x-amz-checksum-type": type };
  }
  // No checksum goes with an arbitrary range: it would not be one of the bytes sent.
  if (window.end - window.start !== object.size) return {};
  return { [name]: value, "x-amz-checksum-type": type };
}

const overridable = [
  "content-type",
  "content-language",
  "expires",
  "cache-control",
  "content-disposition",
  "content-encoding",
];

function responseOverrides(exchange: Exchange, method: "GET" | "HEAD"): Headers {
  const headers: Record<string, string> = {};
  if (method === "HEAD") return headers;
  for (const name of overridable) {
    const value = exchange.query.get(`response-${name}`);
    if (value !== undefined) headers[name === "content-type" ? "Content-Type" : name] = value;
  }
  return headers;
}
