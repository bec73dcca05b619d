// May a service copy an object with the attributes that it has, so that nobody has to look at them? Only if
// nothing is to be changed, and all that such a copy leaves behind is known not to be there: a website
// redirect (https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html, 2026-11) and an object lock.
//
// What it needs: both sides. It keeps in memory what buckets have said, and where a copy got another ETag;
// losing that costs a request.

import { STORAGE_CLASS } from "../object/attributes.ts";
import { isWholeMd5Etag } from "../s3/digest.ts";
import { S3Error } from "../s3/errors.ts";
import { type S3, ask } from "../s3/request.ts";
import { type Store, canCopyInside } from "../store/stores.ts";
import type { BatchTask, ObjectWork } from "./batch_task.ts";

/** What decides whether an attribute has to be changed. */
type Asked = Pick<
  BatchTask["options"],
  "metadata" | "attributes" | "storageClass" | "tags" | "ifLossy" | "compare"
>;

/** Can one CopyObject be all, as far as request, listing and the stores' profiles say? */
export function mayKeepAttributes(
  { etag, storageClass, isRenamed, isInHistory }: ObjectWork,
  { metadata, attributes, storageClass: wanted, tags, ifLossy }: Omit<Asked, "compare">,
  source: Store,
  destination: Store,
): boolean {
  const { copyObject, copyKeeps, md5Etag, storageClasses, tags: hasTags } = destination.profile;
  const knowsService =
    copyObject &&
    copyKeeps &&
    md5Etag &&
    source.profile.conditionalCopy &&
    canCopyInside(source, destination);
  // An encryption is confirmed by the object, and what is lost is known only from the source's attributes.
  const looksAtNone = source.encryption === undefined && destination.encryption === undefined;
  const changesNone =
    metadata === "preserve" && Object.keys(attributes).length === 0 && wanted === null && ifLossy === "warn";
  const keepsTags = tags === "preserve" || (tags === "none" && !hasTags && !source.profile.tags);
  // The ETag of a multipart object changes with the copy, and nothing but a mark shows then what it is.
  const isWhole = etag !== null && isWholeMd5Etag(etag);
  const hasClass =
    storageClass !== undefined &&
    (isStandard(storageClass) || storageClasses === null || storageClasses.includes(storageClass));
  // Only a mark shows later that a key which its source does not tell is a copy, and which version it is.
  const needsMark = isRenamed === true || isInHistory === true;
  return !needsMark && knowsService && looksAtNone && changesNone && keepsTags && isWhole && hasClass;
}

/** What has to be sent so that nothing changes: the class, which no copy keeps by itself. */
export function keepingHeaders({ storageClass }: ObjectWork): Record<string, string> {
  return isStandard(storageClass) ? {} : { [STORAGE_CLASS]: storageClass };
}

function isStandard(storageClass: string | null | undefined): storageClass is null | undefined | "STANDARD" {
  return storageClass === undefined || storageClass === null || storageClass === "STANDARD";
}

const pairOf = (source: S3, from: string, destination: S3, to: string) =>
  JSON.stringify([source.store.endpoint, from, destination.store.endpoint, to]);

/** Pairs of buckets between which nothing is left behind, and pairs where that is not known. */
const answers = new Map<string, boolean>();

/**
 * Do both buckets say that there is nothing that such a copy leaves behind?
 *
 * @param from the source's bucket
 * @param to the destination's bucket
 */
export async function leavesNothing(source: S3, from: string, destination: S3, to: string): Promise<boolean> {
  const pair = pairOf(source, from, destination, to);
  const known = answers.get(pair);
  if (known !== undefined) return known;
  // A redirect has an effect only in a bucket that is served as a website.
  const redirects = destination.store.profile.websiteRedirect;
  const told = [
    await isWithout(source, from, ["object-lock", "ObjectLockConfigurationNotFoundError"]),
    redirects ? await isWithout(destination, to, ["website", "NoSuchWebsiteConfiguration"]) : true,
  ];
  if (!told.includes(null)) answers.set(pair, !told.includes(false));
  return told.every((isLess) => isLess === true);
}

/** A copy between these buckets has got another ETag than its source has: the others would as well. */
export function rememberOtherEtags(source: S3, from: string, destination: S3, to: string): void {
  answers.set(pairOf(source, from, destination, to), false);
}

/** @param code by which S3 says that the bucket has none @returns null: this answer says nothing */
async function isWithout(
  s3: S3,
  bucket: string,
  [name, code]: readonly [string, string],
): Promise<boolean | null> {
  try {
    const operation = name === "website" ? "GetBucketWebsite" : "GetObjectLockConfiguration";
    await ask(s3, operation, { bucket, key: null }, { method: "GET", query: { [name]: "" } });
    return false;
  } catch (error) {
    if (!(error instanceof S3Error)) throw error;
    if (error.code === code || error.code === "NotImplemented") return true;
    return error.status !== null && error.status < 500 && error.status !== 429 ? false : null;
  }
}
