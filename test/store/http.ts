/**
 * The HTTP face of the store: from a raw request to the operation that answers it.
 *
 * Order of judgement: open a record; understand the request line; choose its faults; check the signature; the
 * rate cap; region; then faults before the body, and the operation. Faults are chosen before the signature is
 * checked but act after it, so that a badly signed request is never hidden by a fault. Whatever a handler
 * throws becomes S3's answer here; an error that is not S3's is a bug of the store, is answered as 500 and
 * kept in `failures`.
 */
import { createSecretKey } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Core } from "./core.ts";
import { ExchangeEnded, StoreError } from "./errors.ts";
import { Exchange } from "./exchange.ts";
import { FaultAnswer, FaultPlan, type Faults } from "./faults.ts";
import type { Journal, RequestRecord } from "./journal.ts";
import { namedFaultsOf } from "./named_faults.ts";
import * as list from "./operations_list.ts";
import * as multipart from "./operations_multipart.ts";
import * as object from "./operations_object.ts";
import * as read from "./operations_read.ts";
import * as versions from "./operations_versions.ts";
import type { Feature } from "./options.ts";
import type { RateLimit } from "./pacing.ts";
import { resolveAddress, resolveOperation, type Operation } from "./routing.ts";
import { parseQuery, verify, type Credentials, type RawRequest, type Verified } from "./sigv4.ts";
import { putObjectOrArchive } from "./unpacking.ts";
import { errorDocument } from "./xml.ts";

type Handler = (core: Core, exchange: Exchange) => Promise<void>;

const handlers: Readonly<Record<Operation, Handler>> = {
  ListBuckets: list.listBuckets,
  CreateBucket: list.createBucket,
  HeadBucket: list.headBucket,
  DeleteBucket: list.deleteBucket,
  GetBucketLocation: list.getBucketLocation,
  GetBucketVersioning: versions.getBucketVersioning,
  PutBucketVersioning: versions.putBucketVersioning,
  GetObjectLockConfiguration: versions.getObjectLockConfiguration,
  GetBucketAcl: object.getAcl,
  ListObjects: list.listObjects,
  ListObjectsV2: list.listObjectsV2,
  ListObjectVersions: versions.listObjectVersions,
  ListMultipartUploads: list.listMultipartUploads,
  DeleteObjects: object.deleteObjects,
  HeadObject: read.headObject,
  GetObject: read.getObject,
  PutObject: putObjectOrArchive,
  CopyObject: object.copyObject,
  DeleteObject: object.deleteObject,
  GetObjectAttributes: object.getObjectAttributes,
  GetObjectTagging: object.getObjectTagging,
  PutObjectTagging: object.putObjectTagging,
  DeleteObjectTagging: object.deleteObjectTagging,
  GetObjectAcl: object.getAcl,
  PutObjectAcl: object.putObjectAcl,
  RestoreObject: object.restoreObject,
  CreateMultipartUpload: multipart.createMultipartUpload,
  UploadPart: multipart.uploadPart,
  UploadPartCopy: multipart.uploadPartCopy,
  ListParts: multipart.listParts,
  CompleteMultipartUpload: multipart.completeMultipartUpload,
  AbortMultipartUpload: multipart.abortMultipartUpload,
};

/**
 * Operations that run the stage "before-work" themselves, after their body or after looking at their source.
 */
const stagesItself: ReadonlySet<Operation> = new Set<Operation>([
  "PutObject",
  "UploadPart",
  "CopyObject",
  "UploadPartCopy",
  "CreateMultipartUpload",
  "CompleteMultipartUpload",
  "DeleteObjects",
  "PutObjectTagging",
  "PutObjectAcl",
  "CreateBucket",
  "PutBucketVersioning",
  "RestoreObject",
]);

const featureOf: Readonly<Partial<Record<Operation, Feature>>> = {
  GetObjectAcl: "acl",
  PutObjectAcl: "acl",
  GetBucketAcl: "acl",
  GetObjectAttributes: "attributes",
  CopyObject: "copyObject",
  DeleteObjects: "deleteObjects",
  ListMultipartUploads: "listMultipartUploads",
  ListObjectsV2: "listObjectsV2",
  ListParts: "listParts",
  GetObjectTagging: "tagging",
  PutObjectTagging: "tagging",
  DeleteObjectTagging: "tagging",
  RestoreObject: "restore",
  UploadPartCopy: "uploadPartCopy",
};

/** What the public class lends to the request handler; the mutable fields change during a test. */
export interface Host {
  readonly core: Core;
  readonly journal: Journal;
  readonly faults: Faults;
  readonly failures: unknown[];
  credentials: readonly Credentials[];
  rateLimit: RateLimit | undefined;
  /** While true, every request is answered 503. */
  unavailable: boolean;
}

const noKey = createSecretKey(Buffer.alloc(32));
const noFaults = new FaultPlan([]);
const connections = new WeakMap<object, number>();
let lastConnection = 0;

/** Answers one request. Never rejects. */
export async function handle(
  host: Host,
  request: IncomingMessage,
  response: ServerResponse,
  expectsContinue: boolean,
): Promise<void> {
  const { core, journal } = host;
  const headers = recordedHeaders(request);
  let connection = connections.get(request.socket);
  if (connection === undefined) {
    connection = ++lastConnection;
    connections.set(request.socket, connection);
  }
  const url = request.url ?? "/";
  const record = journal.start({ method: request.method ?? "GET", url, headers, connection });
  // The end of a connection is taken down as it comes in, among what other connections bring, and not when
  // this one is done with: what a client sends elsewhere after it has hung up is later.
  const onHangUp = () => {
    if (!response.writableFinished) journal.finish(record, "aborted");
  };
  request.socket.once("end", onHangUp).once("error", onHangUp);
  response.once("close", () => {
    request.socket.off("end", onHangUp).off("error", onHangUp);
    journal.finish(record, response.writableFinished ? "answered" : "aborted");
  });
  // A write to a connection that is gone is the client's doing; "close" tells the rest.
  response.on("error", () => {});
  request.on("error", () => {});

  let exchange = provisionalExchange(host, request, response, record);
  try {
    identify(host, request, record);
    const faults = host.faults.plan(record);
    const rewrite = faults.first("rewrite-accept-encoding") !== undefined;
    const verified = checkSignature(host, request, record, rewrite);
    exchange = new Exchange({
      request,
      response,
      record,
      journal,
      options: core.options,
      faults,
      verified,
      expectsContinue,
    });
    if (host.unavailable) throw new StoreError("ServiceUnavailable");
    if (host.rateLimit?.take() === false) throw new StoreError("SlowDown");
    checkRegion(core, record, verified.region);
    await exchange.stage("before-body");
    await dispatch(core, exchange);
  } catch (error) {
    answerError(host, exchange, error, response);
  } finally {
    // Work can end after the client has gone and the record is closed; waiters for its effect must look
    // again.
    journal.changed();
  }
}

async function dispatch(core: Core, exchange: Exchange): Promise<void> {
  const { operation } = exchange.record;
  if (operation === undefined) throw new StoreError("MethodNotAllowed");
  const feature = featureOf[operation];
  if (feature !== undefined && core.options.without.includes(feature)) throw new StoreError("NotImplemented");
  if (!stagesItself.has(operation)) await exchange.stage("before-work");
  await handlers[operation](core, exchange);
}

/** Fills in what the request is about, as far as it can be understood. @throws StoreError where it cannot. */
function identify(host: Host, request: IncomingMessage, record: RequestRecord): void {
  const { options } = host.core;
  const [rawPath = "/", ...rest] = record.url.split("?");
  record.query = new Map(parseQuery(rest.join("?")));
  const address = resolveAddress(request.headers.host ?? "", rawPath, options);
  if (address.kind !== "service") record.bucket = address.bucket;
  if (address.kind === "object") record.key = address.key;
  const partNumber = record.query.get("partNumber");
  if (partNumber !== undefined) record.partNumber = Number(partNumber);
  record.uploadId = record.query.get("uploadId");
  const hasCopySource = request.headers["x-amz-copy-source"] !== undefined;
  const operation = resolveOperation(record.method, address, record.query, hasCopySource);
  if (record.bucket !== undefined && record.key !== undefined) {
    namedFaultsOf(host.core, host.faults, record.bucket, record.key);
  }
  host.journal.identify(record, operation);
}

function checkSignature(
  host: Host,
  request: IncomingMessage,
  record: RequestRecord,
  rewriteAcceptEncoding: boolean,
): Verified {
  const { options, buckets } = host.core;
  const headers: [string, string][] = [];
  for (let i = 0; i < request.rawHeaders.length; i += 2) {
    const name = request.rawHeaders[i] ?? "";
    const value = request.rawHeaders[i + 1] ?? "";
    const rewritten = rewriteAcceptEncoding && name.toLowerCase() === "accept-encoding";
    headers.push([name, rewritten ? `${value},gzip(gfe)` : value]);
  }
  const raw: RawRequest = { method: request.method ?? "GET", url: request.url ?? "/", headers };
  const regions = new Set([
    regionOf(host.core, record),
    options.region,
    ...buckets.all().map((bucket) => bucket.region),
  ]);
  const isPublic = options.publicBuckets.includes(record.bucket ?? "");
  const isRead = raw.method === "GET" || raw.method === "HEAD";
  if (isPublic && isRead && !headers.some(([name]) => name.toLowerCase() === "authorization"))
    return { ...UNSIGNED, region: regionOf(host.core, record) };
  return verify(raw, {
    credentials: host.credentials,
    regions: [...regions],
    now: options.clock(record.headers),
    canonicalPath: options.canonicalPath,
    canonicalQuery: options.canonicalQuery,
    signedValues: options.signedValues,
  });
}

/** The region that requests about this bucket, or about none, are to be signed for. */
function regionOf(core: Core, record: RequestRecord): string {
  const bucket = record.bucket === undefined ? undefined : core.buckets.find(record.bucket);
  return bucket?.region ?? core.options.region;
}

/**
 * A bucket elsewhere: 301 without Location for the endpoint's own region, a malformed header for any other.
 */
function checkRegion(core: Core, record: RequestRecord, signed: string): void {
  const bucket = record.bucket === undefined ? undefined : core.buckets.find(record.bucket);
  const expected = regionOf(core, record);
  if (signed === expected || record.operation === "CreateBucket") return;
  const headers = { "x-amz-bucket-region": expected };
  if (bucket !== undefined && signed === core.options.region) {
    const elements = { Endpoint: record.headers["host"] ?? "", Bucket: bucket.name };
    throw new StoreError("PermanentRedirect", undefined, { elements, headers });
  }
  throw new StoreError(
    "AuthorizationHeaderMalformed",
    `The authorization header is malformed; the region '${signed}' is wrong; expecting '${expected}'`,
    { elements: { Region: expected }, headers },
  );
}

function answerError(host: Host, exchange: Exchange, error: unknown, response: ServerResponse): void {
  const { record } = exchange;
  if (error instanceof ExchangeEnded) {
    if (!response.destroyed) response.destroy();
    return;
  }
  if (error instanceof FaultAnswer) {
    exchange.sendFault(error.effect);
    return;
  }
  if (response.headersSent) {
    host.failures.push(error);
    response.destroy();
    return;
  }
  const known = error instanceof StoreError ? error : new StoreError("InternalError", String(error));
  if (!(error instanceof StoreError)) host.failures.push(error);
  record.errorCode = known.code;
  const xml = errorDocument({
    Code: known.code,
    Message: known.message,
    ...known.elements,
    Resource: record.url.split("?")[0] ?? "/",
    RequestId: "TESTSTORE0000000",
    HostId: "test-store",
  });
  // The only hint a HEAD can give to a client that signed for another region.
  const region = known.code === "AuthorizationHeaderMalformed" ? regionOf(host.core, record) : undefined;
  const headers = { "Content-Type": "application/xml", "x-amz-bucket-region": region, ...known.headers };
  exchange.send(known.status, headers, xml);
}

/** Lower-case names, with the signature cut out so that no test output carries one. */
function recordedHeaders(request: IncomingMessage): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(request.headers)) {
    if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(", ") : value;
  }
  const authorization = headers["authorization"];
  if (authorization !== undefined) {
    headers["authorization"] = authorization.replace(/Signature=.*/, "Signature=redacted");
  }
  return headers;
}

/** Stands in until the signature has been checked, so that refusals up to then can be sent. */
const UNSIGNED: Verified = {
  accessKeyId: "",
  region: "",
  payload: { kind: "unsigned" },
  chain: { signingKey: noKey, date: "", scope: "", signature: "" },
};

function provisionalExchange(
  host: Host,
  request: IncomingMessage,
  response: ServerResponse,
  record: RequestRecord,
): Exchange {
  return new Exchange({
    request,
    response,
    record,
    journal: host.journal,
    options: host.core.options,
    faults: noFaults,
    verified: UNSIGNED,
    expectsContinue: false,
  });
}
