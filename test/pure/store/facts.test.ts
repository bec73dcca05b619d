// What checks have seen, as a store's profile: who overrules whom, what is kept, and of which store and
// bucket it holds.
import { describe, expect, test } from "vitest";
import { type Facts, FACTS, profileOf, ProfileSchema, PROVIDERS } from "../../../src/store/profiles.ts";
import {
  type KeptCheck,
  type StoreFacts,
  configurationOf,
  describeChecks,
  describeKnown,
  effectOf,
  findKnownStore,
  mergeChecks,
} from "../../../src/store/facts.ts";
import { findStore } from "../../../src/store/stores.ts";

const BASE = { endpoint: "https://s3.example.com", region: "r", accessKeyId: "id", secretAccessKey: "key" };
const envOf = (fields: Record<string, unknown> = {}) => ({ STORE_A: JSON.stringify({ ...BASE, ...fields }) });
const storeOf = (fields: Record<string, unknown> = {}) => findStore(envOf(fields), "a");

const seen = (facts: Facts, changes: Partial<StoreFacts> = {}): StoreFacts => ({
  store: "a",
  bucket: "photos",
  configuration: configurationOf(storeOf()),
  facts,
  ...changes,
});
const checked = (facts: Facts, changes: Partial<KeptCheck> = {}): KeptCheck => ({
  ...seen(facts),
  as: "destination",
  ok: true,
  checkedAtMs: 1000,
  ...changes,
});

/** The profile by which bucket "photos" of store "a" is used. */
const profileBy = (known: readonly StoreFacts[], fields: Record<string, unknown> = {}, bucket = "photos") =>
  findKnownStore(envOf(fields), { store: "a", bucket }, known).profile;

describe("precedence", () => {
  test("what a check has seen goes before what is assumed of the provider", () => {
    expect(storeOf().profile).toMatchObject({ checksumMode: false, md5Etag: true });
    expect(profileBy([seen({ checksumMode: true, md5Etag: false })])).toEqual({
      ...profileOf("other"),
      checksumMode: true,
      md5Etag: false,
    });
  });

  test.each(PROVIDERS)("also of %s", (provider) => {
    const configuration = configurationOf(storeOf({ provider }));
    const { md5Etag } = profileOf(provider);
    const known = [seen({ md5Etag: !md5Etag }, { configuration })];
    expect(profileBy(known, { provider })).toEqual({ ...profileOf(provider), md5Etag: !md5Etag });
  });

  test("the secret's own profile goes before both, fact by fact", () => {
    const profile = { md5Etag: true, maxParts: 100 };
    const used = profileBy([seen({ checksumMode: true, md5Etag: false })], { profile });
    expect(used).toMatchObject({ checksumMode: true, md5Etag: true, maxParts: 100 });
  });

  test("of two checks the later one is right", () => {
    const known = [seen({ tags: false, md5Etag: false }), seen({ tags: true })];
    expect(profileBy(known)).toMatchObject({ tags: true, md5Etag: false });
  });

  test("a store of which nothing is known is used as it is configured", () => {
    for (const known of [undefined, []]) {
      expect(findKnownStore(envOf(), { store: "a", bucket: "photos" }, known)).toEqual(storeOf());
    }
  });
});

describe("of what a fact holds", () => {
  const known = [seen({ md5PartEtag: false })];

  test("of the bucket that was checked, and of no other: each has an encryption of its own", () => {
    expect(profileBy(known).md5PartEtag).toBe(false);
    expect(profileBy(known, {}, "backup").md5PartEtag).toBe(true);
  });

  test("of the store that was checked, and of no other that is called otherwise", () => {
    expect(profileBy([seen({ md5PartEtag: false }, { store: "b" })]).md5PartEtag).toBe(true);
  });

  test.each([
    ["endpoint", { endpoint: "https://s3.example.org" }],
    ["provider", { provider: "minio" }],
    ["encryption", { encryption: { kind: "aws:kms" } }],
  ])("of a store as it was configured: not with another %s", (_, fields) => {
    expect(profileBy(known, fields).md5PartEtag).toBe(true);
  });

  test.each([
    ["credentials", { accessKeyId: "other", secretAccessKey: "other" }],
    ["caps", { maxConcurrency: 3 }],
    ["region", { region: "elsewhere" }],
  ])("also with other %s", (_, fields) => {
    expect(profileBy(known, fields).md5PartEtag).toBe(false);
  });
});

describe("mergeChecks()", () => {
  test("replaces what was seen again and keeps the rest", () => {
    const before = checked({ tags: true, md5Etag: true, checksums: ["crc32c"] });
    const now = checked({ tags: false, checksums: [] }, { ok: false, checkedAtMs: 2000 });
    expect(mergeChecks(before, now)).toEqual({
      ...now,
      facts: { tags: false, md5Etag: true, checksums: [] },
    });
  });

  test("takes the first check as it is", () => {
    const now = checked({ tags: false });
    expect(mergeChecks(null, now)).toEqual(now);
  });

  test("forgets all of a store that was another one", () => {
    const configuration = { ...configurationOf(storeOf()), endpoint: "https://before.example.com" };
    const now = checked({ tags: false });
    expect(mergeChecks(checked({ md5Etag: false }, { configuration }), now)).toEqual(now);
  });
});

describe("effectOf()", () => {
  test("tells what a fact changes, and nothing that was assumed anyway", () => {
    const facts: Facts = { md5Etag: true, tags: false, checksums: [], signedPath: "raw" };
    expect(effectOf(storeOf(), facts)).toEqual({
      profile: { tags: false, signedPath: "raw" },
      overruled: {},
    });
  });

  test("tells apart what the secret says otherwise", () => {
    const store = storeOf({ profile: { tags: true, md5Etag: false } });
    const facts: Facts = { tags: false, md5Etag: false, checksums: ["crc64nvme"] };
    expect(effectOf(store, facts)).toEqual({
      profile: { checksums: ["crc64nvme"] },
      overruled: { tags: false },
    });
  });
});

test("what is told of a store's checks is what is used of them", () => {
  const other = { ...configurationOf(storeOf()), endpoint: "https://before.example.com" };
  const checks = [
    checked({ tags: false }),
    checked({ md5Etag: false }, { bucket: "old", configuration: other, ok: false }),
    checked({ md5Etag: false }, { store: "b" }),
  ];
  const at = { as: "destination", checkedAt: "1970-01-01T00:00:01.000Z", overruled: {} };
  expect(describeChecks(storeOf(), checks)).toEqual([
    { ...at, bucket: "photos", ok: true, applies: true, profile: { tags: false } },
    { ...at, bucket: "old", ok: false, applies: false, profile: {} },
  ]);
});

test("a timeline says whose facts a copy has, each once", () => {
  expect(describeKnown(undefined)).toBeNull();
  expect(describeKnown([])).toBeNull();
  const known = [seen({}), seen({}), seen({}, { bucket: "backup" })];
  expect(describeKnown(known)).toBe("with what was seen in the check of a:photos and of a:backup");
});

test("every fact is part of a profile, and no size is a fact", () => {
  const names = Object.keys(ProfileSchema.shape);
  expect(names).toEqual(expect.arrayContaining([...FACTS]));
  expect(
    names.filter((name) => /^(?:max|min).*Bytes$/.test(name)).some((name) => FACTS.includes(name as never)),
  ).toBe(false);
});
