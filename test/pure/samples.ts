// Jobs, objects, failures and random numbers for the tests of the pure modules.

import { newJob } from "../../src/copy/job.ts";
import type { Job } from "../../src/copy/phase.ts";
import type { Failure } from "../../src/s3/failure.ts";
import type { Aborting, Prepared, Working } from "../../src/copy/phase.ts";
import type { Retry } from "../../src/s3/retry.ts";
import { MIB } from "../../src/http/fields.ts";
import type { ObjectWork } from "../../src/work/batch_task.ts";

export const FRESH: Retry = { failedAttempts: 0, notBeforeMs: 0 };

export const WHOLE_PLAN = { kind: "whole", sizeBytes: 1000 } as const;
export const PARTS_PLAN = {
  kind: "parts",
  sizeBytes: 13 * MIB,
  partSizeBytes: 5 * MIB,
  partCount: 3,
} as const;

/** A source that has been sized: three parts, streamed. */
export function prepared(changes: Partial<Prepared> = {}): Prepared {
  return {
    sourceEtag: '"9a0364b9e99bb480dd25e1f0284c8555"',
    plan: PARTS_PLAN,
    via: "stream",
    copyId: "copy-1",
    headers: { "content-type": "text/plain", "x-amz-tagging": "a=1" },
    proof: {
      etag: "not-comparable",
      contentMd5: null,
      digests: ["md5"],
      sourceChecksum: null,
      destinationChecksums: [],
    },
    timesRedone: 0,
    timesRefused: 0,
    restarts: 0,
    ifExists: "overwrite",
    ifSourceChanges: "fail",
    onlyIfAbsent: false,
    ...changes,
  };
}

export const MD5 = '"0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"';

/** One object of a batch. */
export function work(changes: Partial<ObjectWork> = {}): ObjectWork {
  return {
    key: "p/k",
    to: "q/k",
    sizeBytes: 10,
    etag: MD5,
    failedAttempts: 0,
    first: "copy",
    ...changes,
  };
}

/** What the destination answered; `status` null: nothing at all. */
export function failure(
  code: string,
  status: number | null = null,
  changes: Partial<Omit<Failure, "code">> = {},
): Failure {
  const made = {
    side: "destination",
    code,
    message: `the store answered ${code}`,
    operation: "UploadPart",
    status,
    requestId: null,
    retryAfterMs: null,
    ...changes,
  };
  return made as Failure;
}

export const OUTAGE = failure("network");
/** What no retry and no person cures. */
export const REFUSED = failure("MalformedXML", 400);
export const DENIED = failure("AccessDenied", 403);
/** The store's own trouble with one request. */
export const ERROR = failure("InternalError", 500);
export const EXPIRED = failure("ExpiredToken", 400);
export const OBJECT = prepared();
export const WHOLE = prepared({ plan: WHOLE_PLAN });

const SIZING = { phase: "sizing", via: "auto", restarts: 0, retry: FRESH } as const;
const UPLOADING = {
  phase: "uploading",
  object: OBJECT,
  upload: { kind: "parts", uploadId: "up-1" },
  source: "same",
  retry: FRESH,
} as const;

/** A copy in each of its phases, several where a phase has several shapes. */
export const WORKING = {
  queued: { phase: "queued", behind: "copy-0", retry: FRESH },
  sizing: SIZING,
  restoring: { phase: "restoring", resume: SIZING, call: "unknown", looks: 0, retry: FRESH },
  restoringParts: { phase: "restoring", resume: UPLOADING, call: "asked", looks: 1, retry: FRESH },
  creating: { phase: "creating", object: OBJECT, sentAtMs: null, retry: FRESH },
  creatingSent: { phase: "creating", object: OBJECT, sentAtMs: 5000, retry: FRESH },
  uploading: UPLOADING,
  uploadingUnchecked: {
    phase: "uploading",
    object: OBJECT,
    upload: { kind: "parts", uploadId: "up-1" },
    source: "unchecked",
    retry: FRESH,
  },
  uploadingWhole: {
    phase: "uploading",
    object: WHOLE,
    upload: { kind: "whole" },
    source: "same",
    retry: FRESH,
  },
  completing: {
    phase: "completing",
    object: OBJECT,
    uploadId: "up-1",
    call: { sent: false },
    wish: "finish",
    retry: FRESH,
  },
  completingSent: {
    phase: "completing",
    object: OBJECT,
    uploadId: "up-1",
    call: { sent: true, failure: null },
    wish: "finish",
    retry: FRESH,
  },
  completingCancelled: {
    phase: "completing",
    object: OBJECT,
    uploadId: "up-1",
    call: { sent: true, failure: null },
    wish: "cancel",
    retry: FRESH,
  },
  verifying: { phase: "verifying", object: OBJECT, etag: '"abc-3"', wish: "finish", retry: FRESH },
  verifyingCancelled: {
    phase: "verifying",
    object: OBJECT,
    etag: '"abc-3"',
    wish: "cancel",
    retry: FRESH,
  },
} as const satisfies Record<string, Working>;

const ABORT = { phase: "aborting", object: OBJECT, strayAtMs: null, retry: FRESH } as const;
export const ABORTING = {
  aborting: { ...ABORT, upload: { kind: "parts", uploadId: "up-1" }, ending: { phase: "cancelled" } },
  abortingWhole: { ...ABORT, object: WHOLE, upload: { kind: "whole" }, ending: { phase: "cancelled" } },
  abortingStray: { ...ABORT, upload: null, strayAtMs: 5000, ending: { phase: "cancelled" } },
  abortingFailed: {
    ...ABORT,
    upload: { kind: "parts", uploadId: "up-1" },
    ending: { phase: "failed", failure: REFUSED },
  },
  abortingRestart: {
    ...ABORT,
    upload: { kind: "parts", uploadId: "up-1" },
    ending: { phase: "restart", via: "auto", restarts: 1, start: "now" },
  },
} as const satisfies Record<string, Aborting>;

export const ENDED = {
  completed: {
    phase: "completed",
    object: OBJECT,
    result: { kind: "copied", etag: '"abc-3"', proof: "part-md5" },
  },
  skipped: { phase: "completed", object: null, result: { kind: "skipped" } },
  failed: { phase: "failed", object: OBJECT, failure: REFUSED },
  cancelled: { phase: "cancelled", object: OBJECT },
} as const satisfies Record<string, Job>;

export const JOBS: Readonly<Record<string, Job>> = {
  new: newJob("fail"),
  ...WORKING,
  ...ABORTING,
  ...ENDED,
  paused: { phase: "paused", resume: WORKING.uploading },
  blocked: { phase: "blocked", resume: WORKING.uploading, failure: EXPIRED },
};

/** Numbers in [0, 1) that follow from the seed alone (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
