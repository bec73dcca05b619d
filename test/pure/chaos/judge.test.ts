// The judge of the chaos suite is proven itself: a run in order is acquitted, and each rule, broken by hand,
// is reported.
import { describe, expect, test } from "vitest";
import type { CopyEvidence, Evidence, SeenRequest, Version } from "../../chaos/evidence.ts";
import type { Status } from "../../mesh/mesh.ts";
import { COPY_STATUS } from "../statuses.ts";
import { type Rule, judge, partsResent } from "../../chaos/judge.ts";
import { isLookedAtLater } from "../../chaos/uploads_left.ts";
import { type CopyPlan, PART_BYTES, type RunPlan, sourceAttributes } from "../../chaos/plan.ts";

const KEY = "object-1";
const SIZE = 2 * PART_BYTES;
const SOURCE: Version = { at: 0, digest: "source-digest", etag: "e0", sizeBytes: SIZE };
const THEIRS: Version = { at: 0, digest: "their-digest", etag: "e9", sizeBytes: 5 };

const copyPlan: CopyPlan = {
  key: KEY,
  from: "east",
  sizeBytes: SIZE,
  sourcePartBytes: null,
  occupied: false,
  request: {
    partSize: PART_BYTES,
    verify: "auto",
    ifExists: "overwrite",
    ifSourceChanges: "fail",
    lanes: 1,
    concurrency: 5,
    markCopy: true,
    metadata: "preserve",
  },
  postedTwice: false,
  expected: sourceAttributes(KEY),
};

const plan: RunPlan = {
  seed: 1,
  faultySeconds: 5,
  stores: {
    east: { options: { etags: "md5" }, fields: {} },
    west: { options: { etags: "md5" }, fields: { profile: { conditionalPut: false } } },
  },
  copies: [copyPlan],
  faults: [],
  blows: [],
  deeds: [],
  atPost: null,
};

function seen(operation: string, at: number, changes: Partial<SeenRequest> = {}): SeenRequest {
  return {
    store: "west",
    bucket: "destination",
    key: KEY,
    operation,
    uploadId: "u1",
    partNumber: null,
    copy: "id-1",
    lane: null,
    status: 200,
    errorCode: null,
    outcome: "answered",
    startedAt: at,
    workedAt: at + 1,
    endedAt: at + 2,
    bytesReceived: 0,
    ifMatch: null,
    range: null,
    hasContentMd5: false,
    faults: [],
    ...changes,
  };
}

const read = (at: number, changes: Partial<SeenRequest> = {}) =>
  seen("GetObject", at, {
    store: "east",
    bucket: "source",
    uploadId: null,
    workedAt: null,
    ifMatch: '"e0"',
    ...changes,
  });
const part = (partNumber: number, at: number, changes: Partial<SeenRequest> = {}) =>
  seen("UploadPart", at, { partNumber, lane: "1", ...changes });
const look = (at: number, status = 200) => seen("HeadObject", at, { uploadId: null, workedAt: null, status });

/** A copy of two parts as it should be. */
const REQUESTS: readonly SeenRequest[] = [
  seen("CreateMultipartUpload", 10),
  read(20),
  part(1, 21),
  read(22),
  part(2, 23),
  seen("CompleteMultipartUpload", 40),
  look(50),
];

const COMPLETED: Status = {
  ...COPY_STATUS,
  phase: "completed",
  size: SIZE,
  partSize: PART_BYTES,
  parts: { total: 2, done: 2, inFlight: 0, failedAttempts: 0 },
  bytes: { done: SIZE, total: SIZE },
  attempts: 2,
  proof: "part-md5",
  etag: '"E1-2"',
  timeline: [{ at: "2026-11-25T00:00:00.000Z", event: "created" }],
};

const ORDERLY: CopyEvidence = {
  plan: copyPlan,
  ids: ["id-1"],
  status: COMPLETED,
  requests: REQUESTS,
  sources: [SOURCE],
  foreign: [],
  found: {
    digest: SOURCE.digest,
    etag: "e1-2",
    sizeBytes: SIZE,
    contentType: copyPlan.expected.contentType,
    metadata: { ...copyPlan.expected.metadata, "bucket-brigade-copy": "random" },
  },
  seenDone: [],
  cancels: [],
};

function run(copy: Partial<CopyEvidence> = {}, world: Partial<Evidence> = {}): Evidence {
  const one = { ...ORDERLY, ...copy };
  return {
    plan,
    copies: [one],
    uploadsLeft: [],
    openRequests: [],
    storeFailures: [],
    listed: [{ id: one.status.id, phase: one.status.phase }],
    deaths: [],
    troubles: [],
    ...world,
  };
}

const rulesBroken = (evidence: Evidence): Rule[] => [...new Set(judge(evidence).map(({ rule }) => rule))];

const status = (changes: Partial<Status>): Status => ({ ...COMPLETED, ...changes });
const asked = (changes: Partial<CopyPlan["request"]>): CopyPlan => ({
  ...copyPlan,
  request: { ...copyPlan.request, ...changes },
});
/** Of a copy that made no object. */
const UNMADE = REQUESTS.filter(({ operation }) => operation !== "CompleteMultipartUpload");
const FAILURE: NonNullable<Status["failure"]> = {
  code: "destination_error",
  message: "The store said no",
  operation: "UploadPart",
  status: 507,
  requestId: null,
};
const FAILED = status({ phase: "failed", failure: FAILURE });
const failed = (changes: Partial<CopyEvidence> = {}): Partial<CopyEvidence> => ({
  status: FAILED,
  requests: [...UNMADE, seen("UploadPart", 30, { faults: ["destination-full"] })],
  found: null,
  ...changes,
});
const found = (changes: Partial<NonNullable<CopyEvidence["found"]>>): Partial<CopyEvidence> => ({
  found: {
    ...(ORDERLY.found ?? { digest: "", etag: "", sizeBytes: 0, contentType: "", metadata: {} }),
    ...changes,
  },
});
/** Its object was made, and the resend met a full store. */
const deletedAsCorrupt: Partial<CopyEvidence> = {
  status: status({
    phase: "failed",
    failure: FAILURE,
    timeline: ["corrupt_object_deleted", "parts_corrupt"].map((event) => ({ at: "", event })),
  }),
  requests: [...REQUESTS, part(1, 5000, { status: 507, workedAt: null, faults: ["destination-full"] })],
  found: null,
};
const theirs = found({ digest: THEIRS.digest, etag: THEIRS.etag, sizeBytes: THEIRS.sizeBytes });
const also = (...requests: SeenRequest[]): Partial<CopyEvidence> => ({
  requests: [...REQUESTS, ...requests].toSorted((a, b) => a.startedAt - b.startedAt),
});
const lost = { status: null, outcome: "aborted" } as const;

describe("the judge acquits", () => {
  const acquitted: Readonly<Record<string, Evidence>> = {
    "a copy in order": run(),
    "a copy that failed of something deadly and left nothing": run(failed()),
    "an object of which only the beginning of Complete's answer came, and nothing tells whose it is": run(
      {
        plan: asked({ markCopy: false }),
        status: FAILED,
        requests: REQUESTS.map((request) =>
          request.operation === "CompleteMultipartUpload" ? { ...request, outcome: "aborted" } : request,
        ),
      },
      {
        plan: { ...plan, stores: { ...plan.stores, west: { options: { etags: "opaque" }, fields: {} } } },
      },
    ),
    "a cancelled copy over which nothing was written": run({
      status: status({ phase: "cancelled" }),
      requests: UNMADE,
      foreign: [THEIRS],
      ...theirs,
    }),
    "a skipped copy": run({
      plan: asked({ ifExists: "skip" }),
      status: status({ skipped: true }),
      requests: [],
      foreign: [THEIRS],
      ...theirs,
    }),
    "a Complete that was lost, looked for, and repeated": run(
      also(seen("CompleteMultipartUpload", 30, { ...lost, workedAt: null }), look(35, 404)),
    ),
    "a part that was sent again before it was known to be there": run(also(part(1, 19, lost))),
    "a part that was answered to somebody who died": run(also(part(1, 35)), { deaths: [30] }),
    "bytes that nobody can have noticed": run({
      ...found({ digest: "other" }),
      requests: REQUESTS.map((request) =>
        request.operation === "GetObject"
          ? { ...request, faults: ["source-flipped-byte"] as const }
          : request,
      ),
    }),
    "an upload that cannot be listed, was never known and is warned of": run(
      {
        status: status({
          warnings: ["CreateMultipartUpload … may have left an upload: uploads cannot be listed"],
        }),
      },
      {
        plan: {
          ...plan,
          stores: {
            ...plan.stores,
            west: { options: { etags: "md5", without: ["listMultipartUploads"] }, fields: {} },
          },
        },
        uploadsLeft: [{ id: "u0", key: KEY }],
      },
    ),
    "a doubtful object that was deleted, and that a store without room did not take again": run(
      deletedAsCorrupt,
      {
        plan: {
          ...plan,
          stores: { ...plan.stores, west: { options: { etags: "opaque" }, fields: {} } },
        },
      },
    ),
  };
  test.for(Object.entries(acquitted))("%s", ([, evidence]) => {
    expect(judge(evidence)).toEqual([]);
  });
});

describe("the judge reports", () => {
  const cases: readonly (readonly [Rule, string, Evidence])[] = [
    ["ends", "a copy that is still under way", run({ status: status({ phase: "uploading" }) })],
    ["answers", "a call that nobody answered", run({}, { troubles: ["GET /copies"] })],
    ["answers", "a copy without a status", run({}, { copies: [], listed: [] })],
    [
      "no crash",
      "a step that threw",
      run({ status: status({ timeline: [{ at: "", event: "step_crashed", detail: "TypeError" }] }) }),
    ],
    ["one copy per key", "two ids for one Idempotency-Key", run({ ids: ["id-1", "id-2"] })],
    [
      "one copy per key",
      "a copy that nobody asked for",
      run(
        {},
        {
          listed: [
            { id: "id-1", phase: "completed" },
            { id: "id-2", phase: "completed" },
          ],
        },
      ),
    ],
    ["list agrees", "a list that says otherwise", run({}, { listed: [{ id: "id-1", phase: "uploading" }] })],
    ["right bytes", "other bytes than the source's", run(found({ digest: "other" }))],
    [
      "right bytes",
      "the bytes of another version than the pinned one",
      run({
        sources: [SOURCE, { ...SOURCE, at: 30, digest: "new", etag: "e2" }],
        ...found({ digest: "new" }),
      }),
    ],
    ["right bytes", "no object at all", run({ found: null })],
    [
      "right bytes",
      "a proof of bytes that were inverted on arrival",
      run({
        ...found({ digest: "other" }),
        requests: REQUESTS.map((request) =>
          request.operation === "UploadPart"
            ? { ...request, faults: ["body-flipped-byte"] as const }
            : request,
        ),
      }),
    ],
    ["attributes kept", "another content type", run(found({ contentType: "text/plain" }))],
    ["attributes kept", "lost metadata", run(found({ metadata: { "bucket-brigade-copy": "random" } }))],
    ["attributes kept", "no copy ID", run(found({ metadata: copyPlan.expected.metadata }))],
    ["honest proof", "equal ETags that are not equal", run({ status: status({ proof: "etag" }) })],
    [
      "honest proof",
      "a checksum that the store does not tell",
      run({ status: status({ proof: "checksum" }) }),
    ],
    ["honest proof", "content-md5 without the header", run({ status: status({ proof: "content-md5" }) })],
    [
      "honest proof",
      "part-md5 where ETags are opaque",
      run(
        {},
        { plan: { ...plan, stores: { ...plan.stores, west: { options: { etags: "opaque" }, fields: {} } } } },
      ),
    ],
    ["honest proof", "a proof although verify is off", run({ plan: asked({ verify: "off" }) })],
    [
      "honest proof",
      "a strict copy with length",
      run({ plan: asked({ verify: "strict" }), status: status({ proof: "length" }) }),
    ],
    ["true status", "a size that is not the object's", run({ status: status({ size: 1 }) })],
    ["true status", "an ETag that is not the object's", run({ status: status({ etag: '"e7"' }) })],
    [
      "true status",
      "parts that are not all done",
      run({ status: status({ parts: { total: 2, done: 1, inFlight: 0, failedAttempts: 0 } }) }),
    ],
    ["true status", "completed without a write", run({ requests: UNMADE })],
    [
      "skips only what is there",
      "a skip where nothing was",
      run({
        plan: asked({ ifExists: "skip" }),
        status: status({ skipped: true }),
        requests: [],
        found: null,
      }),
    ],
    [
      "skips only what is there",
      "a skip that was not asked for",
      run({ status: status({ skipped: true }), requests: [], foreign: [THEIRS], ...theirs }),
    ],
    [
      "reason for a failure",
      "a failure without a reason",
      run(failed({ status: status({ phase: "failed", failure: { ...FAILURE, message: "" } }) })),
    ],
    ["reason for a failure", "a failure of what must be survived", run(failed({ requests: UNMADE }))],
    ["nothing of an ended copy visible", "an object of a failed copy", run({ status: FAILED })],
    [
      "nothing of an ended copy visible",
      "an object of a cancelled copy",
      run({ status: status({ phase: "cancelled" }) }),
    ],
    [
      "nothing of an ended copy visible",
      "a good object that a failed copy has deleted",
      run({ status: FAILED, found: null }),
    ],
    [
      "nothing of an ended copy visible",
      "a good object that a failed copy has deleted as corrupt, where nothing raised a doubt",
      run(deletedAsCorrupt),
    ],
    ["nothing overwritten unasked", "what was there has gone", run(failed({ foreign: [THEIRS] }))],
    [
      "nothing overwritten unasked",
      "an object overwritten although ifExists is fail",
      run({ plan: asked({ ifExists: "fail" }), foreign: [THEIRS] }),
    ],
    ["no upload left", "an unfinished upload", run({}, { uploadsLeft: [{ id: "u2", key: KEY }] })],
    [
      "no upload left",
      "an upload that a part landed in which was sent after the abort",
      run(
        also(
          seen("AbortMultipartUpload", 50, { uploadId: "u2", status: 204, workedAt: 50 }),
          seen("UploadPart", 51, { uploadId: "u2", partNumber: 1, workedAt: 52 }),
        ),
        { uploadsLeft: [{ id: "u2", key: KEY }] },
      ),
    ],
    ["no open request", "a body that nobody reads", run({}, { openRequests: ["GetObject /source/x"] })],
    ["sound store", "a bug of the store", run({}, { storeFailures: ["TypeError"] })],
    [
      "object whole or not at all",
      "a PutObject of a part",
      run(also(seen("PutObject", 38, { uploadId: null, bytesReceived: PART_BYTES }))),
    ],
    ["one Complete at a time", "two at once", run(also(seen("CompleteMultipartUpload", 41)))],
    [
      "one Complete at a time",
      "a second one before the first was found out",
      run(also(seen("CompleteMultipartUpload", 30, { ...lost, workedAt: null }))),
    ],
    [
      "no Abort before Complete is decided",
      "an Abort after a lost Complete",
      run(
        failed({
          requests: [
            ...UNMADE,
            seen("CompleteMultipartUpload", 60, { ...lost, workedAt: null }),
            seen("AbortMultipartUpload", 70, { faults: ["destination-full"] }),
          ],
        }),
      ),
    ],
    [
      "nothing sent again",
      "a part that was seen as done",
      run({ ...also(part(1, 35)), seenDone: [{ partNumber: 1, attempt: 1, at: 30 }] }),
    ],
    [
      "nothing sent again",
      "a part that was answered for, and nobody died",
      run(also(part(1, 35)), { deaths: [5000] }),
    ],
    [
      "nothing sent again",
      "parts doubted without a reason",
      run({ status: status({ timeline: [{ at: "", event: "parts_missing", detail: "2 parts" }] }) }),
    ],
    [
      "no haste",
      "a part that is refused again and again",
      run(also(...Array.from({ length: 13 }, (_, index) => part(1, 24 + index * 70, { status: 503 })))),
    ],
    [
      "cancel wins",
      "a copy that was cancelled and completed afterwards",
      run({ cancels: [{ answeredAt: 30, phase: "aborting" }] }),
    ],
  ];
  test.for(cases)("%s: %s", ([rule, , evidence]) => {
    expect(rulesBroken(evidence)).toContain(rule);
  });
});

test("parts sent again are counted by upload, and only if the store had them", () => {
  const again = also(part(1, 30), part(2, 31, { uploadId: "u2" }), part(2, 22, { ...lost, workedAt: null }));
  expect(partsResent({ ...ORDERLY, ...again })).toBe(1);
});

const requestsOf = (...requests: SeenRequest[]) => ({ requests }) as unknown as CopyEvidence;

test("an upload that a part landed in after the abort, under way before it, is looked at later", () => {
  const abort = seen("AbortMultipartUpload", 50, { status: 204, workedAt: 50 });
  expect(isLookedAtLater(requestsOf(part(1, 40, { workedAt: 60 }), abort), "u1")).toBe(true);
  expect(isLookedAtLater(requestsOf(part(1, 40, { workedAt: 45 }), abort), "u1")).toBe(false);
  expect(isLookedAtLater(requestsOf(part(1, 40, { workedAt: 60 })), "u1")).toBe(false);
  expect(isLookedAtLater(requestsOf(part(1, 55, { workedAt: 60 }), abort), "u1")).toBe(false);
});
