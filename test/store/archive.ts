/**
 * Archived objects: what may be read of them, RestoreObject, and what it brings, by the store's clock.
 *
 * As S3 has it: an object of GLACIER or DEEP_ARCHIVE is restored as a copy that expires at the midnight (UTC)
 * after its days; one in an archive tier of INTELLIGENT_TIERING moves back for good, and its restore takes no
 * number of days. A second request while the first is under way is 409, one for a restored copy is 200 and
 * sets its days anew. `restoreMs` says how long a restore takes; left out, a test ends it by hand.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_RestoreObject.html
 */
import { archiveClasses } from "./attributes.ts";
import { isoTime, type Core } from "./core.ts";
import { StoreError } from "./errors.ts";
import type { Headers } from "./exchange.ts";
import type { ArchiveTier, StoredObject } from "./state.ts";
import { childrenOf, childText, element, wrap, type XmlNode } from "./xml.ts";

const DAY_MS = 86_400_000;
const TIERS = ["Bulk", "Standard", "Expedited"];

type State =
  /** Not of an archive class, and in no archive tier. */
  | { readonly kind: "active" }
  | { readonly kind: "archived" }
  | { readonly kind: "ongoing" }
  | { readonly kind: "restored"; readonly untilMs: number };

/** What an object is at this moment. */
function archiveState(core: Core, object: StoredObject): State {
  const { restore, archiveTier } = object;
  const ofClass = archiveClasses.has(object.attributes.storageClass);
  if (!ofClass && archiveTier === undefined) return { kind: "active" };
  if (restore === undefined) return { kind: "archived" };
  const now = core.options.clock();
  if (now < restore.readyMs) return { kind: "ongoing" };
  if (!ofClass) return { kind: "active" };
  return now < restore.untilMs ? { kind: "restored", untilMs: restore.untilMs } : { kind: "archived" };
}

/** @throws StoreError InvalidObjectState */
export function checkReadable(core: Core, object: StoredObject): void {
  const { kind } = archiveState(core, object);
  if (kind === "active" || kind === "restored") return;
  const { archiveTier } = object;
  throw new StoreError("InvalidObjectState", undefined, {
    elements: {
      StorageClass: object.attributes.storageClass,
      ...(archiveTier === undefined ? {} : { AccessTier: archiveTier }),
    },
  });
}

/** Of HEAD and GET. */
export function archiveHeaders(core: Core, object: StoredObject): Headers {
  const state = archiveState(core, object);
  const status = state.kind === "active" ? undefined : object.archiveTier;
  return { "x-amz-archive-status": status, "x-amz-restore": restoreHeader(state) };
}

function restoreHeader(state: State): string | undefined {
  if (state.kind === "ongoing") return 'ongoing-request="true"';
  if (state.kind !== "restored") return undefined;
  return `ongoing-request="false", expiry-date="${new Date(state.untilMs).toUTCString()}"`;
}

/** Of a listing that asks for it. */
export function restoreStatus(core: Core, object: StoredObject): string {
  const state = archiveState(core, object);
  if (state.kind !== "ongoing" && state.kind !== "restored") return "";
  const expiry = state.kind === "restored" ? element("RestoreExpiryDate", isoTime(state.untilMs)) : "";
  return wrap("RestoreStatus", element("IsRestoreInProgress", state.kind === "ongoing") + expiry);
}

/**
 * The object once its restore is asked for, and S3's status.
 * @throws StoreError if it is not archived, is being restored, or the request is wrong
 */
export function restoring(core: Core, object: StoredObject, asked: XmlNode): [StoredObject, 200 | 202] {
  const state = archiveState(core, object);
  if (state.kind === "active") {
    const detail = "Restore is not allowed for the object's current storage class";
    throw new StoreError("InvalidObjectState", detail);
  }
  const days = daysOf(asked, object);
  if (state.kind === "ongoing") throw new StoreError("RestoreAlreadyInProgress");
  const isDone = state.kind === "restored";
  const readyMs = core.options.clock() + (isDone ? 0 : core.options.restoreMs);
  return [{ ...object, restore: { readyMs, untilMs: expiryAfter(readyMs, days), days } }, isDone ? 200 : 202];
}

/** @throws StoreError for what S3 refuses */
function daysOf(asked: XmlNode, object: StoredObject): number | null {
  const isTiered = object.archiveTier !== undefined;
  const text = childText(asked, "Days");
  const [parameters] = childrenOf(asked, "GlacierJobParameters");
  const tier = parameters === undefined ? "Standard" : (childText(parameters, "Tier") ?? "");
  if (asked.name !== "RestoreRequest" || !TIERS.includes(tier)) throw new StoreError("MalformedXML");
  if (isTiered && text !== undefined)
    throw new StoreError("InvalidArgument", "Days must not be given for objects of INTELLIGENT_TIERING");
  if (!isTiered && !/^[1-9]\d*$/.test(text ?? "")) throw new StoreError("MalformedXML");
  const deep: (string | undefined)[] = ["DEEP_ARCHIVE", "DEEP_ARCHIVE_ACCESS"];
  if (
    tier === "Expedited" &&
    (deep.includes(object.attributes.storageClass) || deep.includes(object.archiveTier))
  )
    throw new StoreError("InvalidArgument", "Retrieval option is not supported by this storage class");
  return isTiered ? null : Number(text);
}

/** "rounds the resulting time to the next day at midnight UTC" */
function expiryAfter(readyMs: number, days: number | null): number {
  if (days === null || readyMs === Infinity) return Infinity;
  return Math.ceil((readyMs + days * DAY_MS) / DAY_MS) * DAY_MS;
}

/** A restore for a day is under way. */
export function begun(core: Core, object: StoredObject): StoredObject {
  const readyMs = core.options.clock() + core.options.restoreMs;
  return { ...object, restore: { readyMs, untilMs: expiryAfter(readyMs, 1), days: 1 } };
}

/** The restore that was begun is done at this moment. */
export function finished(core: Core, object: StoredObject): StoredObject {
  const { days = 1 } = object.restore ?? {};
  const readyMs = core.options.clock();
  return { ...object, restore: { readyMs, untilMs: expiryAfter(readyMs, days), days } };
}

/** The restored copy is gone, or INTELLIGENT_TIERING has archived the object once more. */
export function expired(object: StoredObject, archiveTier: ArchiveTier | undefined): StoredObject {
  return { ...object, archiveTier, restore: undefined };
}
