/**
 * Faults taken from the key: an object called `….fault=throttle-twice.bin` misbehaves without any rule being
 * set, so that tools which only know a bucket and a key (a demo, a bench, curl) can meet every fault there
 * is.
 *
 * Several names are joined by commas: `fault=throttle-twice,short-body`. Each (bucket, key) gets its own
 * rules the first time it is seen, with counters of its own. An unknown name is a 500 that says so: a typo
 * must not pass as a store in good health.
 */
import type { Core } from "./core.ts";
import { generatedBytes } from "./generated.ts";
import { StoreError } from "./errors.ts";
import type { Effect, FaultMatch, Faults, FaultSchedule } from "./faults.ts";
import { md5Of } from "./core.ts";
import { storeObject } from "./operations_object.ts";
import type { Operation } from "./routing.ts";

interface NamedFault {
  readonly means: string;
  readonly match: FaultMatch;
  readonly schedule: FaultSchedule;
  readonly effect: (core: Core, bucket: string, key: string) => Effect;
}

const data: readonly Operation[] = ["GetObject", "PutObject", "UploadPart"];
const slowDown: Effect = { kind: "answer", code: "SlowDown", headers: { "Retry-After": "1" } };

function fault(
  means: string,
  operation: Operation | readonly Operation[],
  schedule: FaultSchedule,
  effect: Effect,
): NamedFault {
  return { means, match: { operation }, schedule, effect: () => effect };
}

/** Every fault that a key can name. */
export const namedFaults: Readonly<Record<string, NamedFault>> = {
  "throttle-twice": fault(
    "the first two data requests: 503 SlowDown, Retry-After 1",
    data,
    { times: 2 },
    slowDown,
  ),
  "throttle-some": fault(
    "three in ten requests of any kind: 503 SlowDown",
    [...data, "HeadObject", "CreateMultipartUpload", "ListParts", "CompleteMultipartUpload"],
    { probability: 0.3 },
    slowDown,
  ),
  "html-429": fault(
    "the first data request: 429 with an HTML page",
    data,
    { times: 1 },
    {
      kind: "answer",
      status: 429,
      contentType: "text/html",
      body: "<html><body><h1>429 Too Many Requests</h1></body></html>",
    },
  ),
  "empty-500": fault(
    "the first data request: 500 without a body",
    data,
    { times: 1 },
    { kind: "answer", status: 500, body: "" },
  ),
  "drop-once": fault(
    "the first data request: connection cut before the body",
    data,
    { times: 1 },
    { kind: "drop", stage: "before-body" },
  ),
  denied: fault("reading or writing: 403 AccessDenied", data, {}, { kind: "answer", code: "AccessDenied" }),
  "expired-token": fault(
    "UploadPart after the third: 400 ExpiredToken, five times",
    "UploadPart",
    { after: 3, times: 5 },
    { kind: "answer", code: "ExpiredToken" },
  ),
  "missing-etag": fault(
    "the first UploadPart: 200 without an ETag",
    "UploadPart",
    { times: 1 },
    { kind: "header", name: "ETag", value: undefined },
  ),
  "part-lost-answer": fault(
    "the first UploadPart: stored, answer lost",
    "UploadPart",
    { times: 1 },
    { kind: "drop", stage: "before-answer" },
  ),
  "early-503": fault(
    "the first UploadPart: 503 before its body is read, then closed",
    "UploadPart",
    { times: 1 },
    { ...slowDown, close: true },
  ),
  "short-body": fault(
    "the first GET: one byte short, clean end",
    "GetObject",
    { times: 1 },
    { kind: "truncate", missingBytes: 1, how: "clean" },
  ),
  "cut-body": fault(
    "the first GET: cut one byte before its declared end",
    "GetObject",
    { times: 1 },
    { kind: "truncate", missingBytes: 1, how: "cut" },
  ),
  "long-body": fault(
    "the first GET: one byte too many",
    "GetObject",
    { times: 1 },
    { kind: "oversize", extraBytes: 1 },
  ),
  "flipped-byte": fault(
    "the first GET: its first byte inverted",
    "GetObject",
    { times: 1 },
    { kind: "flip", direction: "out", at: 0 },
  ),
  "flipped-part": fault(
    "the first UploadPart: its first byte inverted on arrival",
    "UploadPart",
    { times: 1 },
    { kind: "flip", direction: "in", at: 0 },
  ),
  "wrong-range": fault(
    "every GET: Content-Range starts one byte off",
    "GetObject",
    {},
    { kind: "content-range", start: 1 },
  ),
  "wrong-total": fault(
    "every GET: Content-Range names a total one too large",
    "GetObject",
    {},
    { kind: "content-range", total: 1 },
  ),
  "range-ignored": fault("every GET: 200 and the whole object", "GetObject", {}, { kind: "ignore-range" }),
  "if-match-ignored": fault(
    "conditions have no effect",
    ["GetObject", "HeadObject", "PutObject", "CompleteMultipartUpload"],
    {},
    { kind: "ignore-conditions" },
  ),
  "tagging-denied": fault(
    "GetObjectTagging: 403",
    "GetObjectTagging",
    {},
    { kind: "answer", code: "AccessDenied" },
  ),
  "tagging-missing": fault(
    "GetObjectTagging: 501",
    "GetObjectTagging",
    {},
    { kind: "answer", code: "NotImplemented" },
  ),
  "create-fails-once": fault(
    "the first CreateMultipartUpload: 500",
    "CreateMultipartUpload",
    { times: 1 },
    { kind: "answer", code: "InternalError" },
  ),
  "create-lost": fault(
    "the first CreateMultipartUpload: done, answer lost",
    "CreateMultipartUpload",
    { times: 1 },
    { kind: "drop", stage: "before-answer" },
  ),
  "complete-200-error": fault(
    "the first Complete: 200 with InternalError inside",
    "CompleteMultipartUpload",
    { times: 1 },
    { kind: "complete-error", code: "InternalError" },
  ),
  "complete-200-error-always": fault(
    "every Complete: 200 with InternalError inside",
    "CompleteMultipartUpload",
    {},
    { kind: "complete-error", code: "InternalError" },
  ),
  "complete-cut": fault(
    "the first Complete: 200, spaces, then cut; not completed",
    "CompleteMultipartUpload",
    { times: 1 },
    { kind: "complete-cut", work: false },
  ),
  "complete-lost": fault(
    "the first Complete: done, answer lost",
    "CompleteMultipartUpload",
    { times: 1 },
    { kind: "drop", stage: "before-answer" },
  ),
  "complete-forgotten": fault(
    "Complete after the first: 404 NoSuchUpload",
    "CompleteMultipartUpload",
    { after: 1 },
    { kind: "answer", code: "NoSuchUpload" },
  ),
  "complete-empty": fault(
    "the first Complete: done, 200 with an empty body",
    "CompleteMultipartUpload",
    { times: 1 },
    { kind: "empty-result" },
  ),
  "abort-fails-thrice": fault("the first three Aborts: 503", "AbortMultipartUpload", { times: 3 }, slowDown),
  "list-parts-stuck": fault("ListParts: always the same marker", "ListParts", {}, { kind: "repeat-marker" }),
  "list-parts-denied": fault("ListParts: 403", "ListParts", {}, { kind: "answer", code: "AccessDenied" }),
  archived: fault(
    "GET: 403 InvalidObjectState",
    "GetObject",
    {},
    { kind: "answer", code: "InvalidObjectState" },
  ),
  "source-changed": {
    means: "before the third GET the object is replaced by another of the same size",
    match: { operation: "GetObject" },
    schedule: { after: 2, times: 1 },
    effect: (core, bucket, key) => ({
      kind: "run",
      stage: "before-body",
      action: () => replaceBytes(core, bucket, key),
    }),
  },
};

function replaceBytes(core: Core, bucketName: string, key: string): void {
  const bucket = core.buckets.get(bucketName);
  const current = bucket.current(key);
  if (current === undefined) return;
  const body =
    current.size <= 1024 * 1024
      ? ({ kind: "memory", bytes: generatedBytes("replaced", 0, current.size) } as const)
      : ({ kind: "generated", seed: "replaced", start: 0, size: current.size } as const);
  const etag = body.kind === "memory" ? md5Of(body).toString("hex") : core.random.bytes(16).toString("hex");
  storeObject(core, bucket, key, { body, etag, attributes: current.attributes, parts: current.parts });
}

const seen = new WeakMap<Faults, Set<string>>();

/** Sets up the faults a key names, once. @throws StoreError InternalError for a name that does not exist. */
export function namedFaultsOf(core: Core, faults: Faults, bucket: string, key: string): void {
  const names = /fault=([a-z0-9-]+(?:,[a-z0-9-]+)*)/.exec(key)?.[1]?.split(",");
  if (names === undefined) return;
  const known = seen.get(faults) ?? new Set<string>();
  seen.set(faults, known);
  const place = `${bucket}/${key}`;
  if (known.has(place)) return;
  const chosen = names.map((name) => {
    const named = namedFaults[name];
    if (named === undefined) throw new StoreError("InternalError", `There is no fault called "${name}"`);
    return named;
  });
  known.add(place);
  for (const { match, schedule, effect } of chosen) {
    faults.add({ ...match, bucket, key }, effect(core, bucket, key), schedule);
  }
}
