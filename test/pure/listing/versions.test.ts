// Pages of versions: how they are read, which are believed, and what a prefix was at a time.
import { describe, expect, test } from "vitest";
import { nextState, stateAt } from "../../../src/listing/version_state.ts";
import {
  type VersionCursor,
  expectVersions,
  faultOf,
  listVersions,
  versionsOfKey,
} from "../../../src/listing/versions.ts";
import { type ListedVersion, parseVersioning, parseVersions } from "../../../src/s3/versions_xml.ts";
import { startStore } from "../../store/store.ts";
import { connectTo } from "../listed_store.ts";

const entry = (name: "Version" | "DeleteMarker", fields: Record<string, string>) =>
  `<${name}>${Object.entries(fields)
    .map(([field, value]) => `<${field}>${value}</${field}>`)
    .join("")}<Owner><ID>x</ID></Owner></${name}>`;
const at = { LastModified: "2026-11-01T00:00:00.000Z", IsLatest: "false" };
const version = (Key: string, VersionId: string, more: Record<string, string> = {}) =>
  entry("Version", { Key, VersionId, ...at, ETag: "&quot;e&quot;", Size: "1", ...more });
const marker = (Key: string, VersionId: string, more: Record<string, string> = {}) =>
  entry("DeleteMarker", { Key, VersionId, ...at, ...more });
const list = (entries: string, head = "<IsTruncated>false</IsTruncated>") =>
  `<?xml version="1.0"?>\n<ListVersionsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><Prefix/>${head}${entries}</ListVersionsResult>`;

describe("a page of versions", () => {
  test("keeps the order of the document, in which markers stand between versions", () => {
    const text = list(
      version("a", "3", { IsLatest: "true" }) + marker("a", "2") + version("a", "1") + marker("b", "null"),
    );
    const parsed = parseVersions(text);
    expect(parsed).toMatchObject({
      kind: "page",
      page: {
        next: null,
        versions: [
          { key: "a", versionId: "3", isLatest: true, isDeleteMarker: false, sizeBytes: 1, etag: '"e"' },
          { key: "a", versionId: "2", isDeleteMarker: true, sizeBytes: 0, etag: null },
          { key: "a", versionId: "1", isDeleteMarker: false },
          { key: "b", versionId: "null", isDeleteMarker: true },
        ],
      },
    });
  });

  test("decodes names where it says so, and goes on from both markers", () => {
    const head =
      "<IsTruncated>true</IsTruncated><EncodingType>url</EncodingType><NextKeyMarker>a+b%2B</NextKeyMarker><NextVersionIdMarker>v</NextVersionIdMarker>";
    expect(parseVersions(list(version("a+b%2B", "v"), head))).toMatchObject({
      page: { versions: [{ key: "a b+" }], next: { key: "a b+", versionId: "v" } },
    });
  });

  test.each([
    ["no IsTruncated", list(version("a", "1"), ""), "unclear"],
    ["truncated, and no marker", list(version("a", "1"), "<IsTruncated>true</IsTruncated>"), "unclear"],
    ["groups that nobody asked for", list("<CommonPrefixes><Prefix>a/</Prefix></CommonPrefixes>"), "unclear"],
    ["a version without an ID", list(entry("Version", { Key: "a", ...at, Size: "1" })), "no_listing"],
    ["a version without a size", list(entry("Version", { Key: "a", VersionId: "1", ...at })), "no_listing"],
    ["an ID that is there twice", list(version("a", "1</VersionId><VersionId>2")), "no_listing"],
    ["no IsLatest", list(version("a", "1", { IsLatest: "" })), "no_listing"],
    ["half a document", list(version("a", "1")).slice(0, -10), "no_listing"],
    ["a listing of objects", "<ListBucketResult></ListBucketResult>", "no_listing"],
    ["a key with a control character", list(version("a&#1;", "1")), "unreadable_key"],
  ])("is refused: %s", (_name, text, kind) => {
    expect(parseVersions(text).kind).toBe(kind);
  });

  const cursor: VersionCursor = { kind: "versions", after: { key: "b", versionId: "2" }, lastKey: "b" };
  const range = { bucket: "b", prefix: "" };
  const pageOf = (entries: string, head?: string) => {
    const parsed = parseVersions(list(entries, head));
    if (parsed.kind !== "page") throw new Error(parsed.kind);
    return parsed.page;
  };
  test.each<[string, ReturnType<typeof pageOf>, VersionCursor | null]>([
    ["keys fall", pageOf(version("b", "1") + version("a", "1")), null],
    ["a key before the cursor", pageOf(version("a", "1")), cursor],
    [
      "the latest is not the first",
      pageOf(version("a", "1") + version("a", "2", { IsLatest: "true" })),
      null,
    ],
    ["a version twice", pageOf(version("a", "1") + version("a", "1")), null],
    ["no time", pageOf(version("a", "1", { LastModified: "" })), null],
    [
      "it does not move on",
      pageOf(
        version("b", "1"),
        "<IsTruncated>true</IsTruncated><NextKeyMarker>b</NextKeyMarker><NextVersionIdMarker>2</NextVersionIdMarker>",
      ),
      cursor,
    ],
  ])("is not believed: %s", (_name, page, from) => {
    expect(faultOf(page, range, from)).not.toBeNull();
    expect(faultOf(pageOf(version("b", "1") + version("c", "1")), range, cursor)).toBeNull();
    expect(faultOf(page, { bucket: "b", prefix: "z" }, null)).not.toBeNull();
  });

  test.each([
    ["<Status>Enabled</Status>", "enabled"],
    ["<Status>Suspended</Status>", "suspended"],
    ["", "off"],
    ["<Status>Perhaps</Status>", null],
  ])("the versioning of a bucket: %s", (status, expected) => {
    expect(parseVersioning(`<VersioningConfiguration>${status}</VersioningConfiguration>`)).toBe(expected);
  });
});

const of = (key: string, day: number, more: Partial<ListedVersion> = {}): ListedVersion => ({
  key,
  versionId: `${day}`,
  isLatest: false,
  isDeleteMarker: false,
  sizeBytes: 1,
  etag: null,
  lastModifiedMs: day,
  storageClass: null,
  isRestored: false,
  ...more,
});

test("a state is the newest version of then of each key, whatever pages cut, and a deletion is none", () => {
  const all = [
    of("a", 9),
    of("a", 5),
    of("a", 1),
    of("b", 9),
    of("b", 4, { isDeleteMarker: true }),
    of("b", 1),
    of("late", 6),
    of("x", 5),
    of("x", 5),
  ];
  for (let cut = 0; cut <= all.length; cut++) {
    const first = stateAt(all.slice(0, cut), 5, null);
    const second = stateAt(all.slice(cut), 5, first.decidedKey);
    const objects = [...first.objects, ...second.objects];
    expect(
      objects.map(({ key, versionId }) => `${key}${versionId}`),
      `${cut}`,
    ).toEqual(["a5", "x5"]);
  }
  const after: VersionCursor = { kind: "versions", after: { key: "a", versionId: "5" }, lastKey: "a" };
  expect(nextState(after, "a")?.list.after).toEqual({ key: "a", versionId: null });
  expect(nextState(after, null)?.list.after).toEqual({ key: "a", versionId: "5" });
  expect(nextState(null, "a")).toBeNull();
});

test("a real store's versions are listed to their end, page by page", async () => {
  await using store = await startStore({ maxPageKeys: 3 });
  store.createBucket("bucket", { versioning: true });
  store.createBucket("plain");
  for (let n = 0; n < 7; n++) store.put("bucket", "k&", `${n}`);
  store.put("bucket", "k&more", "x");
  store.mark("bucket", "k&");
  const s3 = connectTo(store);
  const versions: ListedVersion[] = [];
  for (let cursor: VersionCursor | null = null; ;) {
    const page: Awaited<ReturnType<typeof listVersions>> = await listVersions(
      s3,
      { bucket: "bucket", prefix: "k" },
      cursor,
    );
    versions.push(...page.versions);
    if (page.next === null) break;
    cursor = JSON.parse(JSON.stringify(page.next)) as VersionCursor;
  }
  const ids = store
    .bucket("bucket")
    .versions("k&")
    .map(({ versionId }) => versionId)
    .toReversed();
  expect(versions.map(({ versionId }) => versionId).slice(0, -1)).toEqual(ids);
  const own: string[] = [];
  for await (const { versionId } of versionsOfKey(s3, { bucket: "bucket", key: "k&" }, ids[2] ?? null))
    own.push(versionId);
  expect(own).toEqual(ids.slice(3));
  await expectVersions(s3, "bucket", "all", "destination");
  await expect(expectVersions(s3, "plain", "some", "source")).rejects.toThrow(/keeps no versions: enable/);
});
