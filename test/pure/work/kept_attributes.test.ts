// When a service may copy an object without anybody looking at it: one row for each thing that has to be
// changed or looked at, and what two buckets must have said before.
import { afterEach, expect, test, vi } from "vitest";
import { resolveOptions } from "../../../src/object/options.ts";
import { type S3, connect } from "../../../src/s3/request.ts";
import { type Store, findStore } from "../../../src/store/stores.ts";
import { keepingHeaders, leavesNothing, mayKeepAttributes } from "../../../src/work/kept_attributes.ts";
import type { ObjectWork } from "../../../src/work/batch_task.ts";

const SECRET = { region: "us-east-1", accessKeyId: "id", secretAccessKey: "s" };
const KEPT = { copyKeeps: true, conditionalCopy: true };
const storeOf = (fields: Record<string, unknown> = {}, host = "store.test"): Store =>
  findStore(
    { STORE_A: JSON.stringify({ ...SECRET, endpoint: `https://${host}`, profile: KEPT, ...fields }) },
    "a",
  );
const profiled = (profile: Record<string, unknown>) => storeOf({ profile: { ...KEPT, ...profile } });

const WORK: ObjectWork = {
  key: "k",
  to: "k",
  sizeBytes: 1,
  etag: '"0cc175b9c0f1b6a831c399e269772661"',
  storageClass: null,
  failedAttempts: 0,
  first: "copy",
};

const may = (
  options: Parameters<typeof resolveOptions>[0] = {},
  work: Partial<ObjectWork> = {},
  source = storeOf(),
  destination = source,
) => mayKeepAttributes({ ...WORK, ...work }, resolveOptions(options), source, destination);

const { key: name, to, sizeBytes, etag, failedAttempts, first } = WORK;
const older: ObjectWork = { key: name, to, sizeBytes, etag, failedAttempts, first };
const tagless = profiled({ tags: false });
const key = { kind: "customer", key: `${"A".repeat(43)}=` };

test.each([
  ["one that was uploaded whole", true, may()],
  ["one of the standard class by its name", true, may({}, { storageClass: "STANDARD" })],
  ["one of another class that the store has", true, may({}, { storageClass: "STANDARD_IA" })],
  ["without tags at a store that has none", true, may({ tags: "none" }, {}, tagless)],
  ["one in parts", false, may({}, { etag: '"0cc175b9c0f1b6a831c399e269772661-2"' })],
  ["one of an opaque ETag", false, may({}, { etag: '"a"' })],
  ["one that is listed without an ETag", false, may({}, { etag: null })],
  ["one whose class is not known", false, mayKeepAttributes(older, resolveOptions({}), storeOf(), storeOf())],
  [
    "of a class that the store has not",
    false,
    may({}, { storageClass: "X" }, profiled({ storageClasses: [] })),
  ],
  ["with new attributes", false, may({ attributes: { contentType: "a/b" } })],
  ["with attributes replaced", false, may({ metadata: "replace" })],
  ["into a class", false, may({ storageClass: "STANDARD" })],
  ["with tags of its own", false, may({ tags: { a: "b" } })],
  ["without its tags", false, may({ tags: "none" })],
  ["with tags that are proved", false, may({ tags: "require" })],
  ["where a loss is a failure", false, may({ ifLossy: "fail" })],
  ["where ETags are opaque", false, may({}, {}, profiled({ md5Etag: false }))],
  ["where a copy loses attributes", false, may({}, {}, profiled({ copyKeeps: false }))],
  ["where no condition is heeded", false, may({}, {}, profiled({ conditionalCopy: false }))],
  ["where there is no CopyObject", false, may({}, {}, profiled({ copyObject: false }))],
  ["into an encryption", false, may({}, {}, storeOf(), storeOf({ encryption: { kind: "AES256" } }))],
  ["out of an encryption", false, may({}, {}, storeOf({ encryption: key }), storeOf())],
  ["between two services", false, may({}, {}, storeOf(), storeOf({}, "other.test"))],
])("%s: %j", (_, expected, answer) => {
  expect(answer).toBe(expected);
});

test("only a class that is not the standard one is sent", () => {
  expect(keepingHeaders(WORK)).toEqual({});
  expect(keepingHeaders({ ...WORK, storageClass: "STANDARD" })).toEqual({});
  expect(keepingHeaders({ ...WORK, storageClass: "GLACIER_IR" })).toEqual({
    "x-amz-storage-class": "GLACIER_IR",
  });
});

afterEach(() => vi.unstubAllGlobals());

const error = (status: number, code: string) =>
  new Response(`<Error><Code>${code}</Code></Error>`, { status });
const NO_LOCK = () => error(404, "ObjectLockConfigurationNotFoundError");
const NO_SITE = () => error(404, "NoSuchWebsiteConfiguration");

/** The buckets' answers, and how many were asked for, twice. */
async function asked(lock: () => Response, site: () => Response, store = storeOf()): Promise<unknown[]> {
  let requests = 0;
  vi.stubGlobal("fetch", async (url: unknown) => {
    requests += 1;
    return String(url).includes("object-lock") ? lock() : site();
  });
  const s3: S3 = connect(store, "test");
  const bucket = `bucket-${crypto.randomUUID()}`;
  const ask = async () => await leavesNothing(s3, bucket, s3, "to");
  return [await ask(), await ask(), requests];
}

test.each([
  ["neither locks nor serves a website", NO_LOCK, NO_SITE, [true, true, 2]],
  ["knows neither", () => error(501, "NotImplemented"), () => error(501, "NotImplemented"), [true, true, 2]],
  ["locks", () => new Response("<ObjectLockConfiguration/>"), NO_SITE, [false, false, 2]],
  ["is served as a website", NO_LOCK, () => new Response("<WebsiteConfiguration/>"), [false, false, 2]],
  ["does not say so to these credentials", NO_LOCK, () => error(403, "AccessDenied"), [false, false, 2]],
  ["is not there", () => error(404, "NoSuchBucket"), NO_SITE, [false, false, 2]],
  ["is too busy to say, which is asked again", () => error(503, "SlowDown"), NO_SITE, [false, false, 4]],
])("a bucket that %s", async (_, lock, site, expected) => {
  expect(await asked(lock, site)).toEqual(expected);
});

test("a store without redirects is not asked for websites", async () => {
  expect(await asked(NO_LOCK, NO_SITE, profiled({ websiteRedirect: false }))).toEqual([true, true, 1]);
});
