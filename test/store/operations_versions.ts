/**
 * Versions: versioning of a bucket, ListObjectVersions, and whether the bucket has object lock.
 *
 * Versions and delete markers are one list, keys in UTF-8 byte order, a key's newest first; a page counts
 * each of them, and may end within a key.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html
 */
import { isoTime, type Core } from "./core.ts";
import { StoreError } from "./errors.ts";
import type { Exchange } from "./exchange.ts";
import { objectElements, prefixElements, spelling } from "./operations_list.ts";
import { countParameter } from "./operations_multipart.ts";
import { compareKeys, type Bucket, type Version } from "./state.ts";
import { childText, document, element, parseXml, wrap } from "./xml.ts";

export async function getBucketVersioning(core: Core, exchange: Exchange): Promise<void> {
  const { versioning } = core.bucketOf(exchange);
  await exchange.answerXml(
    document("VersioningConfiguration", versioning === "off" ? "" : element("Status", versioning)),
  );
}

export async function putBucketVersioning(core: Core, exchange: Exchange): Promise<void> {
  const bucket = core.bucketOf(exchange);
  const status = childText(parseXml(await exchange.receiveText()), "Status");
  if (status !== "Enabled" && status !== "Suspended") throw new StoreError("MalformedXML");
  bucket.versioning = status;
  await exchange.answer(200);
}

interface VersionRequest {
  readonly prefix: string;
  readonly delimiter: string;
  readonly keyMarker: string;
  readonly versionIdMarker: string;
  readonly max: number;
}

interface VersionPage {
  readonly versions: readonly { readonly version: Version; readonly isLatest: boolean }[];
  readonly commonPrefixes: readonly string[];
  /** Empty: the page is the last one. */
  readonly next: { readonly key: string; readonly versionId: string } | undefined;
}

function versionPage(bucket: Bucket, request: VersionRequest): VersionPage {
  const { prefix, delimiter, keyMarker, versionIdMarker, max } = request;
  const versions: { version: Version; isLatest: boolean }[] = [];
  const commonPrefixes: string[] = [];
  let last = { key: "", versionId: "" };
  for (const key of bucket.keys()) {
    if (!key.startsWith(prefix)) continue;
    const order = keyMarker === "" ? 1 : compareKeys(key, keyMarker);
    if (order < 0 || (order === 0 && versionIdMarker === "")) continue;
    const end = delimiter === "" ? -1 : key.indexOf(delimiter, prefix.length);
    if (end >= 0) {
      const fold = key.slice(0, end + delimiter.length);
      if (fold === commonPrefixes.at(-1) || fold === keyMarker) continue;
      if (versions.length + commonPrefixes.length >= max) return { versions, commonPrefixes, next: last };
      commonPrefixes.push(fold);
      last = { key: fold, versionId: "" };
      continue;
    }
    const all = bucket.versions(key);
    // Newest first: from the end of the list to its beginning.
    const from = order === 0 ? all.findIndex(({ versionId }) => versionId === versionIdMarker) : all.length;
    for (let at = from - 1; at >= 0; at--) {
      const version = all[at];
      if (version === undefined) continue;
      if (versions.length + commonPrefixes.length >= max)
        return { versions, commonPrefixes, next: max > 0 ? last : undefined };
      versions.push({ version, isLatest: at === all.length - 1 });
      last = { key, versionId: version.versionId };
    }
  }
  return { versions, commonPrefixes, next: undefined };
}

export async function listObjectVersions(core: Core, exchange: Exchange): Promise<void> {
  const bucket = core.bucketOf(exchange);
  const { spell, note } = spelling(core, exchange);
  const parameter = (name: string) => exchange.query.get(name) ?? "";
  const [prefix, delimiter] = [parameter("prefix"), parameter("delimiter")];
  const [keyMarker, versionIdMarker] = [parameter("key-marker"), parameter("version-id-marker")];
  if (exchange.query.has("version-id-marker") && keyMarker === "") {
    const message = "A version-id marker cannot be specified without a key marker.";
    throw new StoreError("InvalidArgument", message);
  }
  const max = Math.min(core.options.maxPageKeys, countParameter(exchange, "max-keys", 1000));
  const page = versionPage(bucket, { prefix, delimiter, keyMarker, versionIdMarker, max });
  const entries = page.versions.map(({ version, isLatest }) => {
    const common = element("VersionId", version.versionId) + element("IsLatest", isLatest);
    if (version.kind === "object") return wrap("Version", objectElements(core, version, spell) + common);
    const time = element("LastModified", isoTime(version.lastModified));
    return wrap("DeleteMarker", element("Key", spell(version.key)) + common + time);
  });
  const next = page.next;
  const result =
    element("Name", bucket.name) +
    element("Prefix", spell(prefix)) +
    element("KeyMarker", spell(keyMarker)) +
    element("VersionIdMarker", versionIdMarker) +
    element("NextKeyMarker", next && spell(next.key)) +
    element("NextVersionIdMarker", next === undefined || next.versionId === "" ? undefined : next.versionId) +
    element("MaxKeys", max) +
    element("Delimiter", delimiter === "" ? undefined : spell(delimiter)) +
    note +
    element("IsTruncated", next !== undefined) +
    entries.join("") +
    prefixElements(page.commonPrefixes, spell);
  await exchange.answerXml(document("ListVersionsResult", result));
}

export async function getObjectLockConfiguration(core: Core, exchange: Exchange): Promise<void> {
  if (!core.bucketOf(exchange).objectLock) throw new StoreError("ObjectLockConfigurationNotFoundError");
  await exchange.answerXml(document("ObjectLockConfiguration", element("ObjectLockEnabled", "Enabled")));
}
