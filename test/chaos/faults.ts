// The menu of faults: which requests of which store each one hits, what it does to them, how often, and
// whether a copy may fail because of it. Data. run.ts sets up the chosen ones and does what they do to the
// world.
//
// A copy must survive every fault that is not `deadly`: failing without a deadly fault is a violation.

import type { Effect, Operation, RequestRecord } from "../store/store.ts";

export type StoreName = "east" | "west";

/** What a fault can do to the world, beyond one bad answer. */
export interface World {
  readonly name: StoreName;
  /** Replaces the source by another object with other bytes. */
  replaceSource(key: string): void;
  /** Writes an object under the destination's key, as another user would. */
  writeForeign(key: string): void;
  /** The store loses an unfinished upload with all its parts. */
  forgetUpload(uploadId: string): void;
  /** The store is away for a while. */
  outage(kind: "refuse" | "503", durationMs: number): void;
  /** The store refuses every request until the faults end. */
  refuseAll(code: "ExpiredToken" | "InvalidAccessKeyId" | "AccessDenied"): void;
  /** Resolves after a pause. */
  wait(durationMs: number): Promise<void>;
}

interface Fault {
  readonly means: string;
  readonly store: StoreName;
  readonly operations: readonly Operation[];
  /** The least and the most requests that it hits. */
  readonly times: readonly [least: number, most: number];
  readonly weight: number;
  readonly deadly: boolean;
  /** It may strike long after the first such request. */
  readonly late: boolean;
  /** It takes a minute or more, so few runs have it. */
  readonly long: boolean;
  /** @param roll in [0, 1), the same for each request that is hit */
  readonly effect: (roll: number, world: World) => Effect;
}

const READS: readonly Operation[] = ["HeadObject", "GetObject", "GetObjectTagging"];
const BODIES: readonly Operation[] = ["UploadPart", "PutObject"];
const WRITES: readonly Operation[] = [...BODIES, "UploadPartCopy", "CopyObject"];
const CALLS: readonly Operation[] = [
  ...WRITES,
  "HeadObject",
  "CreateMultipartUpload",
  "ListParts",
  "ListMultipartUploads",
  "CompleteMultipartUpload",
  "AbortMultipartUpload",
];

const HTML = "<html><head><title>Bad</title></head><body><h1>Try again later</h1></body></html>";

type Options = Partial<Pick<Fault, "times" | "weight" | "deadly" | "late" | "long">>;

function fault(
  store: StoreName,
  operations: readonly Operation[],
  means: string,
  effect: Fault["effect"],
  { times = [1, 2], weight = 4, deadly = false, late = true, long = false }: Options = {},
): Fault {
  return { store, operations, means, effect, times, weight, deadly, late, long };
}

const slowDown = (roll: number): Effect => ({
  kind: "answer",
  code: "SlowDown",
  ...(roll < 0.5 ? { headers: { "Retry-After": "1" } } : {}),
});
const internal: Effect = { kind: "answer", code: "InternalError" };
const page = (status: number): Effect => ({
  kind: "answer",
  status,
  contentType: "text/html",
  body: HTML,
  close: status === 502,
});
const lost: Effect = { kind: "drop", stage: "before-answer" };
/** An effect on the world alone: the request itself is answered normally. */
const once = (action: (request: RequestRecord) => void): Effect => ({
  kind: "run",
  stage: "before-body",
  action,
});

export const FAULTS = {
  "source-503": fault("east", READS, "503 SlowDown", slowDown, { times: [1, 3] }),
  "source-500": fault("east", READS, "500", () => internal, { times: [1, 3] }),
  "source-429-html": fault("east", READS, "429 with an HTML page", () => page(429)),
  "source-reset": fault("east", READS, "connection reset before an answer", () => ({
    kind: "drop",
    stage: "before-body",
  })),
  "source-cut-body": fault("east", ["GetObject"], "body cut before its declared end", (roll) => ({
    kind: "truncate",
    missingBytes: 1 + Math.floor(roll * 100_000),
    how: "cut",
  })),
  "source-short-body": fault("east", ["GetObject"], "body ends early, without a length to tell", (roll) => ({
    kind: "truncate",
    missingBytes: 1 + Math.floor(roll * 1000),
    how: "clean",
  })),
  "source-long-body": fault("east", ["GetObject"], "body longer than asked for", () => ({
    kind: "oversize",
    extraBytes: 1,
  })),
  "source-flipped-byte": fault(
    "east",
    ["GetObject"],
    "one byte inverted on the way out",
    (roll) => ({ kind: "flip", direction: "out", at: Math.floor(roll * 1000) }),
    { deadly: true, times: [1, 1] },
  ),
  "source-wrong-range": fault("east", ["GetObject"], "Content-Range one byte off", () => ({
    kind: "content-range",
    start: 1,
  })),
  "source-range-ignored": fault(
    "east",
    ["GetObject"],
    "200 and the whole object for a range",
    () => ({ kind: "ignore-range" }),
    { deadly: true, weight: 1, times: [1, 1] },
  ),
  "source-stall": fault("east", ["GetObject"], "body stands still for a while", (roll, world) => ({
    kind: "during",
    direction: "out",
    share: roll,
    action: async () => world.wait(500 + roll * 2500),
    after: "go-on",
  })),
  "source-slow": fault(
    "east",
    ["GetObject"],
    "a few MB a second",
    (roll) => ({ kind: "throttle", direction: "out", bytesPerSecond: 3e6 + roll * 9e6 }),
    { times: [1, 6] },
  ),
  "source-replaced": fault(
    "east",
    ["GetObject"],
    "replaced by another object",
    (_roll, world) => once(({ key }) => world.replaceSource(key ?? "")),
    { deadly: true, times: [1, 1] },
  ),
  "source-clock-skew": fault("east", READS, "RequestTimeTooSkewed", () => ({
    kind: "answer",
    code: "RequestTimeTooSkewed",
  })),
  "source-expired": fault(
    "east",
    READS,
    "credentials expired until they are replaced",
    (roll, world) =>
      once(() =>
        world.refuseAll(roll < 0.5 ? "ExpiredToken" : roll < 0.75 ? "AccessDenied" : "InvalidAccessKeyId"),
      ),
    { times: [1, 1], weight: 3 },
  ),
  "source-outage": fault(
    "east",
    READS,
    "away for some seconds",
    (roll, world) => once(() => world.outage(roll < 0.5 ? "refuse" : "503", 1000 + roll * 5000)),
    { times: [1, 1] },
  ),

  "destination-503": fault("west", CALLS, "503 SlowDown", slowDown, { times: [1, 4], weight: 6 }),
  "destination-500": fault("west", CALLS, "500", () => internal, { times: [1, 3] }),
  "destination-429-html": fault("west", CALLS, "429 with an HTML page", () => page(429)),
  "destination-502-html": fault("west", CALLS, "502 with an HTML page, then closed", () => page(502)),
  "destination-reset": fault("west", CALLS, "connection reset before anything is read", () => ({
    kind: "drop",
    stage: "before-body",
  })),
  "destination-reset-unworked": fault("west", CALLS, "connection reset when all is read", () => ({
    kind: "drop",
    stage: "before-work",
  })),
  "body-reset": fault("west", BODIES, "connection reset in mid-body", (roll) => ({
    kind: "during",
    direction: "in",
    share: roll,
    action: () => undefined,
    after: "cut",
  })),
  "body-stall": fault("west", BODIES, "body not read for a while", (roll, world) => ({
    kind: "during",
    direction: "in",
    share: roll,
    action: async () => world.wait(500 + roll * 2500),
    after: "go-on",
  })),
  "body-slow": fault(
    "west",
    BODIES,
    "a few MB a second",
    (roll) => ({ kind: "throttle", direction: "in", bytesPerSecond: 3e6 + roll * 9e6 }),
    { times: [1, 6] },
  ),
  "body-flipped-byte": fault(
    "west",
    BODIES,
    "one byte inverted on arrival",
    (roll) => ({ kind: "flip", direction: "in", at: Math.floor(roll * 1000) }),
    { deadly: true, times: [1, 1] },
  ),
  "body-early-503": fault("west", BODIES, "503 before the body is read, then closed", () => ({
    kind: "answer",
    code: "SlowDown",
    close: true,
  })),
  "body-bad-digest": fault(
    "west",
    BODIES,
    "400 BadDigest",
    () => ({ kind: "answer", code: "BadDigest", stage: "before-work" }),
    {
      times: [1, 1],
    },
  ),
  "body-request-timeout": fault("west", BODIES, "400 RequestTimeout", () => ({
    kind: "answer",
    code: "RequestTimeout",
    status: 400,
  })),
  "destination-clock-skew": fault("west", CALLS, "RequestTimeTooSkewed", () => ({
    kind: "answer",
    code: "RequestTimeTooSkewed",
  })),
  "destination-expired": fault(
    "west",
    CALLS,
    "credentials expired until they are replaced",
    (roll, world) =>
      once(() =>
        world.refuseAll(roll < 0.5 ? "ExpiredToken" : roll < 0.75 ? "AccessDenied" : "InvalidAccessKeyId"),
      ),
    { times: [1, 1], weight: 3 },
  ),
  "destination-outage": fault(
    "west",
    CALLS,
    "away for some seconds",
    (roll, world) => once(() => world.outage(roll < 0.5 ? "refuse" : "503", 1000 + roll * 5000)),
    { times: [1, 1] },
  ),
  "destination-full": fault(
    "west",
    [...BODIES, "CreateMultipartUpload"],
    "507: no space left",
    () => ({ kind: "answer", code: "XMinioStorageFull", status: 507 }),
    { deadly: true, weight: 2, times: [1, 1] },
  ),
  "destination-written": fault(
    "west",
    ["UploadPart", "PutObject", "CompleteMultipartUpload", "CreateMultipartUpload"],
    "somebody else writes the object",
    (_roll, world) => once(({ key }) => world.writeForeign(key ?? "")),
    { deadly: true, times: [1, 1] },
  ),

  "create-lost": fault("west", ["CreateMultipartUpload"], "done, answer lost", () => lost, {
    late: false,
    times: [1, 1],
  }),
  "part-lost": fault("west", ["UploadPart", "UploadPartCopy"], "done, answer lost", () => lost, {
    times: [1, 3],
  }),
  "part-500-worked": fault("west", ["UploadPart"], "done, then 500", () => ({
    ...internal,
    stage: "before-answer",
  })),
  "part-without-etag": fault("west", ["UploadPart"], "200 without an ETag", () => ({
    kind: "header",
    name: "ETag",
    value: undefined,
  })),
  "put-lost": fault("west", ["PutObject", "CopyObject"], "done, answer lost", () => lost, { late: false }),
  "put-500-worked": fault(
    "west",
    ["PutObject"],
    "done, then 500",
    () => ({ ...internal, stage: "before-answer" }),
    {
      late: false,
      times: [1, 1],
    },
  ),

  "upload-forgotten": fault(
    "west",
    ["UploadPart"],
    "the store loses the upload",
    (_roll, world) => once(({ uploadId }) => world.forgetUpload(uploadId ?? "")),
    { times: [1, 1] },
  ),
  "upload-denied": fault(
    "west",
    ["UploadPart"],
    "404 NoSuchUpload, though it is there",
    () => ({
      kind: "answer",
      code: "NoSuchUpload",
    }),
    { times: [1, 1], weight: 2 },
  ),
  "list-stuck": fault(
    "west",
    ["ListParts"],
    "repeats its marker for ever",
    () => ({ kind: "repeat-marker" }),
    {
      late: false,
    },
  ),
  "list-omits": fault(
    "west",
    ["ListParts"],
    "leaves a part out",
    (roll) => ({ kind: "omit-part", partNumber: 1 + Math.floor(roll * 4) }),
    { late: false },
  ),
  "list-refused": fault(
    "west",
    ["ListParts"],
    "403 or 501",
    (roll) => ({ kind: "answer", code: roll < 0.5 ? "AccessDenied" : "NotImplemented" }),
    { late: false, times: [1, 3] },
  ),

  "complete-lost": fault("west", ["CompleteMultipartUpload"], "done, answer lost", () => lost, {
    late: false,
  }),
  "complete-reset": fault(
    "west",
    ["CompleteMultipartUpload"],
    "connection reset, not done",
    () => ({ kind: "drop", stage: "before-work" }),
    { late: false },
  ),
  "complete-error-inside": fault(
    "west",
    ["CompleteMultipartUpload"],
    "200, then <Error>",
    (roll) => ({ kind: "complete-error", code: roll < 0.5 ? "InternalError" : "SlowDown" }),
    { late: false },
  ),
  "complete-cut": fault(
    "west",
    ["CompleteMultipartUpload"],
    "200 and white space, then cut; done or not",
    (roll) => ({ kind: "complete-cut", work: roll < 0.5 }),
    { late: false },
  ),
  "complete-empty": fault(
    "west",
    ["CompleteMultipartUpload"],
    "done, 200 with an empty body",
    () => ({ kind: "empty-result" }),
    {
      late: false,
      times: [1, 1],
    },
  ),
  "complete-500-worked": fault(
    "west",
    ["CompleteMultipartUpload"],
    "done, then 500",
    () => ({ ...internal, stage: "before-answer" }),
    { late: false },
  ),
  "complete-invalid-part": fault(
    "west",
    ["CompleteMultipartUpload"],
    "400 InvalidPart, though all is there",
    () => ({ kind: "answer", code: "InvalidPart" }),
    { late: false, times: [1, 1] },
  ),
  "complete-slow": fault(
    "west",
    ["CompleteMultipartUpload"],
    "takes its time",
    (roll) => ({ kind: "delay", stage: "before-work", milliseconds: 300 + roll * 2000 }),
    { late: false },
  ),

  "abort-lost": fault("west", ["AbortMultipartUpload"], "done, answer lost", () => lost, { late: false }),
  "abort-503": fault("west", ["AbortMultipartUpload"], "503", slowDown, { late: false, times: [1, 4] }),
  "abort-403": fault(
    "west",
    ["AbortMultipartUpload"],
    "403 AccessDenied",
    () => ({ kind: "answer", code: "AccessDenied" }),
    {
      late: false,
      times: [1, 2],
    },
  ),

  "minute-outage": fault(
    "west",
    CALLS,
    "away for a minute",
    (roll, world) => once(() => world.outage(roll < 0.5 ? "refuse" : "503", 60_000)),
    { times: [1, 1], weight: 0, long: true },
  ),
  "stalled-for-ever": fault(
    "west",
    ["UploadPart", "PutObject"],
    "body never read to its end",
    () => ({ kind: "stall", direction: "in", afterBytes: 1 }),
    { times: [1, 1], weight: 0, long: true },
  ),
} as const satisfies Readonly<Record<string, Fault>>;

export type FaultKind = keyof typeof FAULTS;

export function faultOf(kind: FaultKind): Fault {
  return FAULTS[kind];
}
