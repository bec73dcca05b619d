// Whether an object lies in an archive, from its HEAD or its listing, and what a request wants done then.
// Pure.
//
// Archived is what must be restored before it can be read: an object of an archive class, of which a restore
// makes a copy that can be read for some days, and one that INTELLIGENT_TIERING has moved to an archive tier,
// which a restore moves back for good
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/restoring-objects.html, 2026-11).

import { z } from "zod";
import { Span } from "../http/fields.ts";
import { type RetrievalTier, RETRIEVAL_TIERS } from "../http/vocabulary.ts";
import type { ListedObject } from "../s3/listing_xml.ts";
import { timeOf } from "../s3/value.ts";
import type { Provider } from "../store/profiles.ts";

/** What is asked of the source's store for an archived object. */
interface RestoreWish {
  readonly restore: RetrievalTier;
  /** For so long the restored copy can be read. */
  readonly days: number;
}

/** What a request wants done with an archived source. */
export type IfArchived = "fail" | "skip" | RestoreWish;

/** Most objects are copied within hours of their restore, and each day is paid for. */
const DEFAULT_DAYS = 3;

const MAX_DAYS = 365;

/** A tier alone is what a form can send. */
export const IfArchivedSchema = z
  .union([
    z
      .strictObject({
        restore: z.enum(RETRIEVAL_TIERS),
        days: Span({ min: 1, max: MAX_DAYS }).optional(),
      })
      .transform(({ restore, days = DEFAULT_DAYS }): RestoreWish => ({ restore, days })),
    z
      .enum(["fail", "skip", ...RETRIEVAL_TIERS])
      .transform((word): IfArchived =>
        word === "fail" || word === "skip" ? word : { restore: word, days: DEFAULT_DAYS },
      ),
  ])
  .describe("absent: a copy is blocked, a sync skips the key");

/** The restore that a request wants; null: none. */
export function restoreWish({
  ifArchived,
}: {
  readonly ifArchived?: IfArchived | undefined;
}): RestoreWish | null {
  return typeof ifArchived === "object" ? ifArchived : null;
}

type Archive =
  /** `untilMs`: of a restored copy; null: for good, or it is not told. */
  | { readonly kind: "readable"; readonly untilMs: number | null }
  | {
      /** `ongoing`: somebody has asked for its restore. */
      readonly kind: "archived" | "ongoing";
      readonly storageClass: string;
      /** By INTELLIGENT_TIERING: it is restored for good, and takes no number of days. */
      readonly isTiered: boolean;
    };

/** Can the object be read now, by its HEAD? */
export function archiveAt(headers: Headers, provider: Provider): Archive {
  const storageClass = headers.get("x-amz-storage-class");
  // For an object that INTELLIGENT_TIERING has archived.
  const status = headers.get("x-amz-archive-status");
  const restore = headers.get("x-amz-restore") ?? "";
  const ofClass = isArchiveClass(storageClass, provider);
  if ((!ofClass && status === null) || restore.includes('ongoing-request="false"'))
    return { kind: "readable", untilMs: timeOf(/expiry-date="([^"]*)"/.exec(restore)?.[1] ?? null) };
  return {
    kind: restore.includes('ongoing-request="true"') ? "ongoing" : "archived",
    storageClass: storageClass ?? status ?? "",
    isTiered: !ofClass,
  };
}

/** Why an archived object cannot be read now, from its HEAD. Null if it can. */
export function archiveOf(headers: Headers, provider: Provider): string | null {
  const archive = archiveAt(headers, provider);
  return archive.kind === "readable" ? null : whyUnread(archive);
}

function whyUnread({ kind, storageClass }: Exclude<Archive, { kind: "readable" }>): string {
  const state = kind === "ongoing" ? "is being restored" : "is archived";
  return `The source ${state} (${storageClass}): restore it, then resume this copy`;
}

/** Whether a listed object must be restored before it can be read. */
export function needsRestore(object: ListedObject, provider: Provider): boolean {
  return isArchiveClass(object.storageClass, provider) && !object.isRestored;
}

/**
 * `GLACIER_IR` can be read at once, and so can everything at Google, whose ARCHIVE is only a price
 * (https://cloud.google.com/storage/docs/storage-classes, 2026-11).
 */
function isArchiveClass(storageClass: string | null, provider: Provider): boolean {
  return provider !== "gcs" && ARCHIVE_CLASSES.has(storageClass?.trim().toUpperCase() ?? "");
}

const ARCHIVE_CLASSES: ReadonlySet<string> = new Set([
  "GLACIER", // AWS, Scaleway, IBM, OVH
  "DEEP_ARCHIVE", // AWS, Tencent
  "ACCELERATED", // IBM
  "ARCHIVE", // Oracle, Alibaba, Tencent
  "COLDARCHIVE", // Alibaba
  "DEEPCOLDARCHIVE",
  "COLD_ARCHIVE",
]);
