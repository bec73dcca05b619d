// The rules that every run must keep, checked against the evidence. Pure. It believes the stores' contents
// and journals, and checks the mesh's claims against them.
//
// A rule says what must never happen, whatever has struck. Where a fault justifies a bad ending (a source
// that was replaced, a byte whose change cannot be noticed), the rule looks for that fault in the record of
// strikes.

import type { CopyEvidence, Evidence, SeenRequest, Version } from "./evidence.ts";
import { type FaultKind, faultOf } from "./faults.ts";
import type { RunPlan } from "./plan.ts";
import { MAX_ATTEMPTS } from "../../src/s3/retry.ts";
import { isAnnouncedStray, isLookedAtLater } from "./uploads_left.ts";

export type Rule =
  | "ends"
  | "answers"
  | "no crash"
  | "one copy per key"
  | "list agrees"
  | "right bytes"
  | "attributes kept"
  | "honest proof"
  | "true status"
  | "skips only what is there"
  | "reason for a failure"
  | "nothing of an ended copy visible"
  | "nothing overwritten unasked"
  | "no upload left"
  | "no open request"
  | "sound store"
  | "object whole or not at all"
  | "one Complete at a time"
  | "no Abort before Complete is decided"
  | "nothing sent again"
  | "no haste"
  | "cancel wins";

export interface Violation {
  readonly rule: Rule;
  /** The copy's key. Null: the whole run. */
  readonly key: string | null;
  readonly detail: string;
}

const ENDED: ReadonlySet<string> = new Set(["completed", "failed", "cancelled"]);
const COPY_ID = "bucket-brigade-copy";
/** Events by which the mesh records that it sends finished parts again. */
const RESENT_EVENTS: ReadonlySet<string> = new Set([
  "parts_missing",
  "parts_corrupt",
  "parts_refused",
  "sent_again",
]);
/** Faults by which a store loses a finished part, denies it, or makes it doubtful. */
const DOUBTS: ReadonlySet<FaultKind> = new Set([
  "list-omits",
  "complete-invalid-part",
  "source-flipped-byte",
  "body-flipped-byte",
]);

/** By then a lane has reported an answered part, and the coordinator has stored it. */
const REPORTED_MS = 3_000;
/** For this long, requests of a killed object may still be answered. */
const SETTLING_MS = 1_000;

export function judge(evidence: Evidence): Violation[] {
  const violations: Violation[] = [];
  const of = (key: string | null) => (rule: Rule, detail: string) => {
    violations.push({ rule, key, detail });
  };
  judgeWorld(evidence, of(null));
  for (const copy of evidence.copies) {
    const report = of(copy.plan.key);
    judgeIdentity(copy, evidence, report);
    judgeCalls(copy, report);
    judgeResends(copy, evidence, report);
    judgeHaste(copy, report);
    if (!ENDED.has(copy.status.phase)) {
      report("ends", `it is still ${copy.status.phase}: ${copy.status.failure?.message ?? ""}`);
      continue;
    }
    if (copy.status.phase !== "completed") judgeUnmade(copy, evidence.plan, report);
    else if (copy.status.skipped === true) judgeSkipped(copy, report);
    else judgeCompleted(copy, evidence, report);
    judgeWrites(copy, evidence, report);
  }
  return violations;
}

type Report = (rule: Rule, detail: string) => void;

function judgeWorld(evidence: Evidence, report: Report): void {
  const { plan, copies, uploadsLeft, openRequests, storeFailures, listed, troubles } = evidence;
  for (const trouble of troubles) report("answers", trouble);
  for (const failure of storeFailures) report("sound store", failure);
  for (const request of openRequests) report("no open request", request);
  if (copies.length !== plan.copies.length)
    report("answers", `${plan.copies.length - copies.length} copies have no status`);
  if (listed.length !== copies.length)
    report("one copy per key", `${plan.copies.length} copies were asked for, ${listed.length} are listed`);
  for (const { id, key } of uploadsLeft) {
    const copy = copies.find((candidate) => candidate.plan.key === key);
    if (copy === undefined || !(isAnnouncedStray(copy, evidence, id) || isLookedAtLater(copy, id)))
      report("no upload left", `upload ${id} of ${key}`);
  }
}

function judgeIdentity({ ids, status, plan }: CopyEvidence, { listed }: Evidence, report: Report): void {
  const different = [...new Set(ids)];
  if (different.length > 1) report("one copy per key", `one Idempotency-Key made ${different.join(" and ")}`);
  const phase = listed.find(({ id }) => id === status.id)?.phase;
  if (phase !== status.phase) report("list agrees", `${plan.key} is ${status.phase}, listed as ${phase}`);
  for (const { event, detail } of status.timeline)
    if (event === "step_crashed") report("no crash", detail ?? "");
}

/** One thing is asked for in vain so often within a second at most. A backoff asks less, a loop far more. */
const MOST_IN_VAIN = 12;

function judgeHaste({ requests }: CopyEvidence, report: Report): void {
  const inVain = requests.filter(
    ({ outcome, status }) => outcome === "aborted" || (status !== null && status >= 400),
  );
  for (const [what, same] of Map.groupBy(inVain, whatOf)) {
    const starts = same.map(({ startedAt }) => startedAt).toSorted((a, b) => a - b);
    if (starts.some((at, index) => (starts[index + MOST_IN_VAIN] ?? Infinity) - at < 1000))
      report("no haste", `${what}, in vain more than ${MOST_IN_VAIN} times within a second`);
  }
}

function whatOf({ store, operation, uploadId, partNumber, range }: SeenRequest): string {
  return [store, operation, uploadId ?? "", partNumber ?? "", range ?? ""].join(" ").trim();
}

// --- Endings -----------------------------------------------------------------------------------------------

function judgeCompleted(copy: CopyEvidence, evidence: Evidence, report: Report): void {
  const { status, found, plan } = copy;
  const written = lastOf(ownWrites(copy).map(({ workedAt }) => workedAt ?? 0));
  const foreign = copy.foreign.at(-1);
  judgeNumbers(copy, report);
  judgeProof(copy, evidence, report);
  if (written === null) return report("true status", "completed, but the store has executed no write of it");
  // Another user has replaced the object since, so only their bytes can be checked.
  if (foreign !== undefined && foreign.at > written) return expectForeign(copy, foreign, report);
  if (found === null) return report("right bytes", "there is no object at the destination");
  const pinned = pinnedVersion(copy);
  const right = pinned === null ? copy.sources : [pinned];
  const source = right.find(({ digest }) => digest === found.digest);
  if (source === undefined && !isUnnoticeable(copy, evidence.plan))
    report("right bytes", `${found.sizeBytes} bytes with SHA-256 ${found.digest}, proof ${status.proof}`);
  if (status.proof === "etag" && !right.some(({ etag }) => etag === found.etag))
    report("honest proof", `proof etag, but the destination has ${found.etag}`);
  if (status.size !== found.sizeBytes)
    report("true status", `size ${status.size}; the object has ${found.sizeBytes}`);
  if (bare(status.etag ?? "") !== found.etag)
    report("true status", `etag ${status.etag}; the object has ${found.etag}`);
  const { [COPY_ID]: copyId, ...metadata } = found.metadata;
  if (plan.request.markCopy !== (copyId !== undefined)) report("attributes kept", `copy ID ${copyId}`);
  if (found.contentType !== plan.expected.contentType)
    report("attributes kept", `content type ${found.contentType}, not ${plan.expected.contentType}`);
  if (canonical(metadata) !== canonical(plan.expected.metadata))
    report("attributes kept", `metadata ${canonical(metadata)}, not ${canonical(plan.expected.metadata)}`);
}

function judgeNumbers({ status }: CopyEvidence, report: Report): void {
  const { parts, bytes, size } = status;
  if (parts.done !== parts.total || parts.inFlight !== 0)
    report(
      "true status",
      `completed with ${parts.done} of ${parts.total} parts, ${parts.inFlight} in flight`,
    );
  if (bytes.done !== size || bytes.total !== size)
    report("true status", `completed with ${bytes.done} of ${bytes.total} bytes, size ${size}`);
}

/** Whether these stores allow this proof at all. */
function judgeProof({ status, requests, plan }: CopyEvidence, evidence: Evidence, report: Report): void {
  const { east, west } = evidence.plan.stores;
  const kms = (west.fields["encryption"] as { kind?: string } | undefined)?.kind === "aws:kms";
  const westMd5 = west.options.etags === "md5" && !kms;
  const sourceMd5 = (plan.from === "east" ? east : west).options.etags === "md5";
  const possible: Readonly<Record<string, boolean>> = {
    etag: westMd5 && sourceMd5,
    "content-md5": requests.some(
      (request) => request.operation === "PutObject" && request.workedAt !== null && request.hasContentMd5,
    ),
    checksum: west.options.automaticChecksum === "CRC64NVME",
    "part-md5": westMd5,
    length: plan.request.verify !== "strict",
  };
  const { proof = "none" } = status;
  if (possible[proof] !== true) report("honest proof", `proof ${proof} cannot be had from these stores`);
  if (plan.request.verify === "off" && proof !== "length")
    report("honest proof", `verify is off and the proof ${proof}`);
}

/** A byte was changed where this copy's proof does not reach. */
function isUnnoticeable(copy: CopyEvidence, { stores }: RunPlan): boolean {
  const { proof } = copy.status;
  if (struckBy(copy, "body-flipped-byte")) return proof === "length";
  // Without a checksum from the source, a checksum of the bytes that passed covers only the way from the mesh
  // to the destination.
  const { automaticChecksum = "none" } = stores[copy.plan.from].options;
  const ownWord =
    proof === "etag" || proof === "content-md5" || (proof === "checksum" && automaticChecksum !== "none");
  return struckBy(copy, "source-flipped-byte") && !ownWord;
}

function judgeSkipped(copy: CopyEvidence, report: Report): void {
  const { plan, foreign } = copy;
  if (plan.request.ifExists !== "skip")
    report("skips only what is there", `ifExists is ${plan.request.ifExists}`);
  const last = foreign.at(-1);
  if (last === undefined) report("skips only what is there", "nothing was there");
  else expectForeign(copy, last, report);
}

const REMOVALS: ReadonlySet<string> = new Set(["checksum_mismatch", "proof_impossible"]);

/** A copy that has failed or was cancelled: is the reason right, and has it left nothing behind? */
function judgeUnmade(copy: CopyEvidence, plan: RunPlan, report: Report): void {
  const { status, found, foreign } = copy;
  if (isUnknowable(copy, plan)) return;
  if (status.phase === "failed") judgeReason(copy, plan, report);
  const written = lastOf(ownWrites(copy).map(({ workedAt }) => workedAt ?? 0));
  const last = foreign.at(-1);
  if (written === null || (last !== undefined && last.at > written)) {
    if (last !== undefined) expectForeign(copy, last, report);
    else if (found !== null) report("nothing of an ended copy visible", `${found.sizeBytes} bytes`);
    return;
  }
  // Its object was there. Then it may be gone only because it was no longer wanted, because it was corrupt,
  // because a required proof failed, or because it was doubtful, went, and was to be sent again.
  const doubted =
    status.timeline.some(({ event }) => event === "corrupt_object_deleted") && isDoubtful(copy, plan);
  const mayGo = status.phase === "cancelled" || REMOVALS.has(status.failure?.code ?? "") || doubted;
  if (found !== null)
    report("nothing of an ended copy visible", `its own object: ${status.failure?.message ?? ""}`);
  else if (!mayGo) report("nothing of an ended copy visible", "its object was there and has been deleted");
}

/**
 * A store that is down for a minute ends a copy that has nothing to lose yet. So does one that is down for
 * less and refuses before or after, if a step has failed as often as it may.
 */
function metOutage({ requests, status }: CopyEvidence, plan: RunPlan): boolean {
  const begun = requests.some(({ operation }) => operation === "UploadPart" || operation === "PutObject");
  const code = status.failure?.code ?? "";
  return (
    !begun &&
    (code.endsWith("_unreachable") || code.endsWith("_throttled")) &&
    (plan.faults.some(({ kind }) => kind === "minute-outage") ||
      status.timeline.filter(({ event }) => event === "step_failed").length >= MAX_ATTEMPTS)
  );
}

/**
 * The last answer was lost, and neither a mark nor the ETag distinguishes the object from another's: nobody
 * can know.
 */
function isUnknowable({ plan, requests }: CopyEvidence, { stores }: RunPlan): boolean {
  const opaque = stores.west.options.etags === "opaque";
  const unanswered = requests.some(
    ({ operation, workedAt, status, outcome }) =>
      (operation === "CompleteMultipartUpload" || operation === "PutObject") &&
      workedAt !== null &&
      // A Complete may have begun its answer.
      (status !== 200 || outcome !== "answered"),
  );
  return plan.request.markCopy === false && opaque && unanswered;
}

function judgeReason(copy: CopyEvidence, plan: RunPlan, report: Report): void {
  const { failure } = copy.status;
  const { ifExists, verify } = copy.plan.request;
  if (failure === undefined || failure.message === "")
    return report("reason for a failure", "failed without a reason");
  const explained =
    (failure.code === "destination_exists" && ifExists !== "overwrite" && copy.foreign.length > 0) ||
    (failure.code === "proof_impossible" && verify === "strict") ||
    metOutage(copy, plan) ||
    copy.requests.some(({ faults }) => faults.some((kind) => faultOf(kind).deadly));
  if (!explained)
    report("reason for a failure", `nothing deadly has hit it: ${failure.code}: ${failure.message}`);
}

function expectForeign({ found }: CopyEvidence, { digest, etag }: Version, report: Report): void {
  if (found?.digest !== digest)
    report(
      "nothing overwritten unasked",
      found === null ? "the object that was there is gone" : `ETag ${found.etag} instead of ${etag}`,
    );
}

/** An object that was there before the copy started is replaced only if the request allows it. */
function judgeWrites(copy: CopyEvidence, evidence: Evidence, report: Report): void {
  const { plan, foreign, sources } = copy;
  const guarded =
    (evidence.plan.stores.west.fields["profile"] as { conditionalPut?: boolean } | undefined)
      ?.conditionalPut === true;
  for (const write of ownWrites(copy)) {
    const at = write.workedAt ?? 0;
    // Without conditions at the store, an object that appears between the check and the write is lost, and no
    // client can prevent it.
    const there = foreign.some((version) => (guarded ? version.at < at : version.at === 0));
    if (plan.request.ifExists !== "overwrite" && there)
      report(
        "nothing overwritten unasked",
        `ifExists is ${plan.request.ifExists}, and ${write.operation} wrote`,
      );
    if (
      write.operation === "PutObject" &&
      !sources.some(({ sizeBytes }) => sizeBytes === write.bytesReceived)
    )
      report("object whole or not at all", `PutObject made an object of ${write.bytesReceived} bytes`);
  }
}

// --- The order of calls ------------------------------------------------------------------------------------

function judgeCalls(copy: CopyEvidence, report: Report): void {
  const calls = copy.requests.filter(({ bucket }) => bucket === "destination");
  const completes = calls.filter(({ operation }) => operation === "CompleteMultipartUpload");
  const before = (call: SeenRequest) =>
    completes.findLast(({ uploadId, startedAt }) => uploadId === call.uploadId && startedAt < call.startedAt);
  for (const complete of completes) {
    const earlier = before(complete);
    if (earlier === undefined) continue;
    if ((earlier.endedAt ?? Infinity) > complete.startedAt)
      report("one Complete at a time", `two of upload ${complete.uploadId}`);
    else if (!isDecided(earlier, complete, calls))
      report("one Complete at a time", `upload ${complete.uploadId}: again before the first was found out`);
  }
  for (const abort of calls.filter(({ operation }) => operation === "AbortMultipartUpload")) {
    const complete = before(abort);
    if (complete !== undefined && !isDecided(complete, abort, calls))
      report("no Abort before Complete is decided", `upload ${abort.uploadId}`);
  }
  for (const { answeredAt, phase } of copy.cancels) {
    const begun = calls.some(({ operation, startedAt }) => isWrite(operation) && startedAt < answeredAt);
    const made = copy.status.phase === "completed" && copy.status.skipped !== true;
    if (made && !begun && phase !== "completed")
      report("cancel wins", `cancelled while ${phase}, and completed`);
  }
}

/**
 * Whether the outcome of a Complete was known before the next call, from its own answer or from looking at
 * the key.
 */
function isDecided(complete: SeenRequest, next: SeenRequest, calls: readonly SeenRequest[]): boolean {
  const endedAt = complete.endedAt ?? Infinity;
  if (endedAt > next.startedAt) return false;
  const refused =
    complete.outcome === "answered" &&
    complete.status !== null &&
    complete.status >= 400 &&
    complete.status < 500;
  const errorInside = complete.faults.includes("complete-error-inside");
  if (refused || (complete.outcome === "answered" && complete.status === 200 && !errorInside)) return true;
  return calls.some(
    ({ operation, status, startedAt, endedAt: lookedAt }) =>
      operation === "HeadObject" &&
      (status === 200 || status === 404) &&
      startedAt >= endedAt &&
      (lookedAt ?? Infinity) <= next.startedAt,
  );
}

/**
 * Parts that the coordinator had recorded as done are not sent again, unless the store has lost or refused
 * them.
 */
function judgeResends(copy: CopyEvidence, { plan, deaths }: Evidence, report: Report): void {
  const sends = partSends(copy);
  const noted = copy.status.timeline.some(({ event }) => RESENT_EVENTS.has(event));
  if (noted && !isDoubtful(copy, plan)) {
    const events = copy.status.timeline.filter(({ event }) => RESENT_EVENTS.has(event));
    report("nothing sent again", events.map(({ event, detail }) => `${event}: ${detail}`).join("; "));
  }
  const twice = noted ? undefined : sentAgainForNothing(copy, deaths);
  if (twice !== undefined)
    report("nothing sent again", `part ${twice.partNumber} of upload ${twice.uploadId}, answered before`);
  for (const { partNumber, at } of copy.seenDone) {
    const ofPart = sends.filter((send) => send.partNumber === partNumber);
    const done = ofPart.findLast(({ workedAt, startedAt }) => workedAt !== null && startedAt < at);
    const again = ofPart.find(({ startedAt, uploadId }) => startedAt > at && uploadId === done?.uploadId);
    if (done !== undefined && again !== undefined && !noted)
      report("nothing sent again", `part ${partNumber} of upload ${done.uploadId}, seen as done before`);
  }
}

/** Whether the mesh may doubt what the destination has of this copy. */
function isDoubtful({ plan, sources, requests }: CopyEvidence, { stores }: RunPlan): boolean {
  // Stores whose ETags turn out not to be MD5s raise doubts by themselves.
  const opaque =
    stores.west.options.etags === "opaque" ||
    stores.west.fields["encryption"] !== undefined ||
    stores[plan.from].options.etags === "opaque";
  return (
    opaque || sources.length > 1 || requests.some(({ faults }) => faults.some((kind) => DOUBTS.has(kind)))
  );
}

/**
 * A part that was answered, whose report no death can have lost, and that was sent again anyway. A source
 * that sends more than it announced makes a part doubtful even if the store has taken it.
 */
function sentAgainForNothing(copy: CopyEvidence, deaths: readonly number[]): SeenRequest | undefined {
  if (struckBy(copy, "source-long-body")) return undefined;
  const sends = partSends(copy);
  return sends.find(({ uploadId, partNumber, startedAt }) =>
    sends.some((earlier) => {
      if (earlier.uploadId !== uploadId || earlier.partNumber !== partNumber) return false;
      const { endedAt, outcome, status, workedAt, faults } = earlier;
      const good = workedAt !== null && outcome === "answered" && status === 200 && faults.length === 0;
      if (!good || endedAt === null || endedAt > startedAt) return false;
      const until = Math.min(startedAt, endedAt + REPORTED_MS);
      return !deaths.some((at) => at >= earlier.startedAt - SETTLING_MS && at <= until);
    }),
  );
}

/** How many parts were sent although the store already had them. */
export function partsResent(copy: CopyEvidence): number {
  const sends = partSends(copy);
  return sends.filter((send) =>
    sends.some(
      (earlier) =>
        earlier.uploadId === send.uploadId &&
        earlier.partNumber === send.partNumber &&
        earlier.workedAt !== null &&
        earlier.workedAt < send.startedAt,
    ),
  ).length;
}

// --- Reading the evidence ----------------------------------------------------------------------------------

function partSends({ requests }: CopyEvidence): SeenRequest[] {
  return requests.filter(({ operation }) => operation === "UploadPart" || operation === "UploadPartCopy");
}

function isWrite(operation: string): boolean {
  return operation === "CompleteMultipartUpload" || operation === "PutObject" || operation === "CopyObject";
}

/** Writes of this copy that put an object under the key. */
function ownWrites({ requests }: CopyEvidence): SeenRequest[] {
  return requests.filter(
    ({ bucket, operation, workedAt }) => bucket === "destination" && isWrite(operation) && workedAt !== null,
  );
}

/**
 * The version of the source that the copy was pinned to when its object was made. Null if no read was pinned.
 */
function pinnedVersion(copy: CopyEvidence): Version | null {
  const made = Math.max(...ownWrites(copy).map(({ startedAt }) => startedAt));
  const reads = copy.requests.filter(
    ({ ifMatch, operation, startedAt }) =>
      ifMatch !== null &&
      ["GetObject", "UploadPartCopy", "CopyObject"].includes(operation) &&
      startedAt <= made,
  );
  const etag = reads.at(-1)?.ifMatch;
  return etag === undefined || etag === null
    ? null
    : (copy.sources.find((version) => version.etag === bare(etag)) ?? null);
}

function struckBy({ requests }: CopyEvidence, kind: FaultKind): boolean {
  return requests.some(({ faults }) => faults.includes(kind));
}

function lastOf(times: readonly number[]): number | null {
  return times.length === 0 ? null : Math.max(...times);
}

function bare(etag: string): string {
  return etag.replaceAll('"', "").toLowerCase();
}

function canonical(metadata: Readonly<Record<string, string>>): string {
  return JSON.stringify(Object.entries(metadata).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
