// POST /stores/{name}/check against stores of every kind: what it says is what they do, and nothing of it
// stays.

import { afterEach, expect, test } from "vitest";
import { READ_TOKEN, storeSecret } from "../../mesh/mesh.ts";
import type { StoreOptions } from "../../store/store.ts";
import { MIB, openWorld } from "../world.ts";

interface Check {
  readonly ok: boolean;
  readonly as: string;
  readonly findings: readonly { readonly check: string; readonly outcome: string; readonly detail: string }[];
  readonly advice: readonly string[];
  readonly profile: Readonly<Record<string, unknown>>;
  readonly overruled: Readonly<Record<string, unknown>>;
  readonly leftovers: readonly string[];
  readonly code?: string;
  readonly detail?: string;
}

const KINDS = {
  plain: {},
  opaque: { etags: "opaque" },
  heedless: { conditionalCopies: "ignored" },
  careless: {
    contentMd5: "ignored",
    conditionalWrites: "ignored",
    conditionalReads: "ignored",
    headPartNumber: "ignored",
  },
  raw: { canonicalPath: "raw" },
  poor: {
    without: ["tagging", "copyObject", "uploadPartCopy", "checksums", "listParts", "listMultipartUploads"],
  },
  tagless: { without: ["tagging"] },
  digesting: { digests: "every write" },
  clear: { forgets: ["x-amz-server-side-encryption"] },
  few: { maxParts: 3 },
  summing: { automaticChecksum: "CRC64NVME" },
  unpacking: { archives: "unpacked" },
  plainly: { archives: "unpacked plainly" },
} as const satisfies Record<string, StoreOptions>;
type Kind = keyof typeof KINDS;

/** What a check of the store `opaque` should answer. */
const OPAQUE_PROFILE = {
  md5Etag: false,
  md5PartEtag: false,
  md5MultipartEtag: false,
  checksumMode: true,
  conditionalPut: true,
  conditionalComplete: true,
  conditionalCopy: true,
  copyKeeps: true,
};

const { mesh, stores } = await openWorld(
  Object.fromEntries(
    Object.entries(KINDS).map(([name, options]) => [name, { buckets: ["bucket"], ...options }]),
  ) as unknown as Record<Kind, StoreOptions>,
  ({ plain, opaque, clear }) => ({
    bindings: {
      STORE_PROFILED: storeSecret(opaque, { profile: OPAQUE_PROFILE }),
      STORE_KEYED: storeSecret(plain, { encryption: { kind: "customer", key: `${"A".repeat(43)}=` } }),
      STORE_UNENCRYPTED: storeSecret(clear, { encryption: { kind: "AES256" } }),
      STORE_STUBBORN: storeSecret(plain, { profile: { md5Etag: false, tags: false, copyObject: true } }),
      STORE_LOCKED: storeSecret(plain, { readOnly: true }),
      STORE_FENCED: storeSecret(plain, { buckets: ["bucket"] }),
      STORE_UNKNOWN_KEY: storeSecret(plain, { accessKeyId: "nobody" }),
      STORE_WRONG_SECRET: storeSecret(plain, { secretAccessKey: "another-secret" }),
      STORE_ELSEWHERE: storeSecret(plain, { endpoint: "http://127.0.0.1:9" }),
      STORE_OTHER_REGION: storeSecret(plain, { region: "eu-nowhere-1" }),
    },
  }),
);

afterEach(() => {
  for (const store of Object.values(stores)) {
    const ours = store.objects("bucket").filter(({ key }) => key.startsWith(".bucket-brigade/"));
    expect(ours.map(({ key }) => key)).toEqual([]);
  }
});

const check = async (name: string, body: Record<string, unknown> = { bucket: "bucket" }) =>
  await mesh.call<Check>("POST", `/stores/${name}/check`, { body });
const outcomes = ({ findings }: Check) =>
  Object.fromEntries(findings.map(({ check: name, outcome }) => [name, outcome]));

const advised = async (name: string, body?: Record<string, unknown>) => {
  const { body: answer } = await check(name, body);
  expect(answer.ok).toBe(false);
  return answer.advice.join("\n");
};

/** What a check finds that the profile of an unknown store does not assume. */
const ABLE = { checksumMode: true, conditionalPut: true, conditionalComplete: true };

test("a store that can do everything: every check says yes, and the profile says what was assumed wrongly", async () => {
  const { status, body } = await check("plain");
  expect(status).toBe(200);
  expect(body).toMatchObject({ ok: true, as: "destination", advice: [], leftovers: [] });
  const { checksums, archives, ...others } = outcomes(body);
  expect([checksums, archives]).toEqual(["no", "no"]);
  expect(new Set(Object.values(others))).toEqual(new Set(["yes"]));
  expect(Object.keys(others).length).toBeGreaterThan(18);
  expect(body.profile).toEqual({ ...ABLE, conditionalCopy: true, copyKeeps: true });
});

test("a service that heeds no condition, or loses attributes when it copies, is seen as it is", async () => {
  const { plain } = stores;
  // What a service would store that drops the metadata of the source.
  plain.fault(
    { operation: "HeadObject", key: /\/kept$/ },
    { kind: "header", name: "expires", value: undefined },
  );
  const { body } = await check("plain");
  expect(outcomes(body)).toMatchObject({ "condition on a copy": "yes", "attributes of a copy": "no" });
  expect(body.profile).toMatchObject({ conditionalCopy: true });
  expect(body.profile).not.toHaveProperty("copyKeeps");
  const heedless = await check("heedless");
  expect(outcomes(heedless.body)).toMatchObject({ "condition on a copy": "ignored" });
  expect(heedless.body.profile).not.toHaveProperty("conditionalCopy");
});

const seen: readonly (readonly [Kind, Record<string, string>, Record<string, unknown>])[] = [
  [
    "opaque",
    { put: "yes", multipart: "yes" },
    { md5Etag: false, md5PartEtag: false, md5MultipartEtag: false },
  ],
  [
    "careless",
    {
      "if-none-match on PutObject": "ignored",
      "if-none-match on Complete": "ignored",
      "if-match": "ignored",
      "content-md5": "ignored",
      "part sizes by HEAD": "ignored",
    },
    { contentMd5: false },
  ],
  ["raw", { "dot segments": "yes", "awkward keys": "yes" }, { signedPath: "raw" }],
  [
    "poor",
    {
      tags: "refused",
      "server-side copy": "refused",
      "server-side part copy": "refused",
      "list parts": "refused",
    },
    { tags: false, copyObject: false, uploadPartCopy: false },
  ],
  ["digesting", { put: "yes", multipart: "yes", "write without digest": "no" }, {}],
  ["summing", { checksums: "yes" }, { checksums: ["crc64nvme"], checksumMode: true }],
];

test.for(seen)("a store of the kind %j is seen as it is", async ([name, expected, profile]) => {
  const { body } = await check(name);
  expect(outcomes(body)).toMatchObject(expected);
  expect(body.profile).toMatchObject(profile);
  // A source that does not heed If-Match may change unnoticed: that is no store to copy from.
  expect(body.ok).toBe(name !== "careless");
});

test("with the profile that it answers in its secret, a check has nothing to add", async () => {
  expect((await check("opaque")).body).toMatchObject({ profile: OPAQUE_PROFILE, overruled: {} });
  expect((await check("profiled")).body).toMatchObject({ profile: {}, overruled: {} });
});

test("a check asks the store as it is configured, whatever was seen before", async () => {
  const { body } = await check("raw");
  expect((await check("raw")).body.profile).toEqual(body.profile);
});

test("what a secret says wrongly is told apart from what is used", async () => {
  const { body } = await check("stubborn");
  expect(body.overruled).toEqual({ md5Etag: true, tags: true });
  expect(body.profile).toEqual({ ...ABLE, conditionalCopy: true, copyKeeps: true });
  const headers = { accept: "text/plain" };
  const { text } = await mesh.call("POST", "/stores/stubborn/check", { body: { bucket: "bucket" }, headers });
  expect(text).toContain(
    'Differs from "profile" of STORE_STUBBORN, which takes precedence until it is changed there:\n' +
      '  {"md5Etag":true,"tags":true}\n',
  );
});

test.for(["AccessDenied", "InternalError", "SlowDown"] as const)(
  "%s is a refusal and no fact: what is not seen in an answer is not believed",
  async (code) => {
    const writes = { operation: ["PutObject", "CopyObject", "UploadPartCopy", "HeadObject"] } as const;
    const first = { ...writes, key: /\/(?:tags|redirect|copy|parts-copy)$/ };
    stores.plain.fault(first, { kind: "answer", code });
    const { body } = await check("plain");
    expect(outcomes(body)).toMatchObject({
      tags: "refused",
      "website redirect": "refused",
      "server-side copy": "refused",
    });
    expect(body.profile).toEqual(ABLE);
  },
);

test.for([
  ["GetObject", { kind: "truncate", missingBytes: 1, how: "cut" }, 0, "get"],
  ["ListObjectsV2", { kind: "drop", stage: "before-answer" }, 1, "get"],
  ["ListObjectsV2", { kind: "drop", stage: "before-answer" }, 2, "intermediary"],
] as const)(
  "an answer to %s that breaks off by %j after %i is a finding of the check, of a source as well",
  async ([operation, effect, after, finding]) => {
    stores.plain.put("bucket", "a.jpg", "x".repeat(5_000));
    stores.plain.fault({ operation }, effect, { after });
    const { status, body } = await check("plain", { bucket: "bucket", as: "source" });
    expect([status, outcomes(body)]).toMatchObject([200, { [finding]: "refused" }]);
    stores.plain.delete("bucket", "a.jpg");
  },
);

test("tags are unknown to a store only if it knows neither how to write nor how to read them", async () => {
  const tagged = { operation: "PutObject", key: /\/tags$/ } as const;
  stores.plain.fault(tagged, { kind: "answer", code: "NotImplemented" });
  const { body } = await check("plain");
  expect(outcomes(body)).toMatchObject({ tags: "refused" });
  expect(body.profile).not.toHaveProperty("tags");
  expect((await check("poor")).body.profile).toMatchObject({ tags: false });
});

test("a copy inside a service without tags is asked for without a word of tags", async () => {
  const { body } = await check("tagless");
  expect(outcomes(body)).toMatchObject({ "server-side copy": "yes" });
  expect(body.profile).toMatchObject({ tags: false });
});

test("a checksum that only whole uploads get is none that a copy may wait for", async () => {
  const parts = { operation: "HeadObject", key: /\/parts$/ } as const;
  stores.summing.fault(parts, { kind: "header", name: "x-amz-checksum-type", value: "COMPOSITE" });
  const { body } = await check("summing");
  expect(outcomes(body)).toMatchObject({ checksums: "yes" });
  expect(body.profile).toMatchObject({ checksumMode: true });
  expect(body.profile).not.toHaveProperty("checksums");
});

test("with a customer's key every question carries it, and an ETag is not taken for an MD5", async () => {
  const { body } = await check("keyed");
  expect(body.ok).toBe(true);
  expect(outcomes(body)).toMatchObject({
    checksums: "no",
    "server-side copy": "yes",
    "server-side part copy": "yes",
  });
  expect(body.profile).toMatchObject({ md5Etag: false, checksumMode: true });
});

test("of a source that is only read it is seen whether a HEAD may be asked for checksums", async () => {
  stores.summing.put("bucket", "something", "to read");
  const { body } = await check("summing", { bucket: "bucket", as: "source" });
  expect(outcomes(body)).toMatchObject({ checksums: "no" });
  expect(body.profile).toEqual({ checksumMode: true });
});

test("a store that is readOnly is checked by reading alone", async () => {
  stores.plain.put("bucket", "something", "to read");
  const { body } = await check("locked");
  expect(body).toMatchObject({ ok: true, as: "source" });
  expect(outcomes(body)).toMatchObject({ list: "yes", get: "yes", range: "yes", "if-match": "yes" });
  const { status, body: refusal } = await check("locked", { bucket: "bucket", as: "destination" });
  expect([status, refusal.code]).toEqual([403, "store_read_only"]);
  expect(stores.plain.count("PutObject")).toBe(0);
});

test("a source whose first keys are archived is checked by one that can be read", async () => {
  const { plain } = stores;
  plain.put("bucket", "0-deep.zip", "as listed", { storageClass: "DEEP_ARCHIVE" });
  plain.put("bucket", "1-tiered", "as tried");
  plain.put("bucket", "2-plain", "to read");
  const tiered = plain.fault(
    { operation: "GetObject", key: "1-tiered" },
    { kind: "answer", code: "InvalidObjectState" },
  );
  const { body } = await check("locked");
  expect(body).toMatchObject({ ok: true, advice: [] });
  expect(outcomes(body)).toMatchObject({
    get: "yes",
    range: "yes",
    "if-match": "yes",
    "cacheable key": "skipped",
  });
  expect(body.findings.find(({ check: name }) => name === "get")?.detail).toContain("2-plain");
  plain.delete("bucket", "2-plain");
  for (const { key } of plain.objects("bucket")) if (!/^[01]-/.test(key)) plain.delete("bucket", key);
  const { body: archived } = await check("locked");
  expect(archived).toMatchObject({ ok: true, advice: [] });
  expect(outcomes(archived)).toMatchObject({ get: "skipped", range: "skipped" });
  tiered.remove();
  for (const key of ["0-deep.zip", "1-tiered"]) plain.delete("bucket", key);
});

test("the usual mistakes are told in words that say what to change", async () => {
  expect(await advised("unknown_key")).toMatch(/"accessKeyId" of STORE_UNKNOWN_KEY/);
  expect(await advised("wrong_secret")).toMatch(/"secretAccessKey" of STORE_WRONG_SECRET/);
  expect(await advised("elsewhere")).toMatch(/No connection: check the host name and port/);
  expect(await advised("plain", { bucket: "missing" })).toMatch(/no such bucket/);
});

test("a wrong region is found out and told, and the rest is checked all the same", async () => {
  const { body } = await check("other_region");
  expect(body.ok).toBe(true);
  expect(body.advice.join()).toMatch(/is in us-east-1, but "region" of store "other_region" is eu-nowhere-1/);
});

test("a permission that is missing is named by its name in a policy", async () => {
  stores.plain.fault({ operation: "PutObject" }, { kind: "answer", code: "AccessDenied" });
  const { body } = await check("plain");
  expect(body).toMatchObject({ ok: false });
  expect(body.advice.join()).toMatch(/needs s3:PutObject on this bucket/);
});

test("objects that an earlier check has left behind are taken away, and those of one that runs are not", async () => {
  const old = `.bucket-brigade/check/${Date.now() - 2 * 3_600_000}/once`;
  const running = `.bucket-brigade/check/${Date.now() - 60_000}/once`;
  stores.plain.put("bucket", old, "x");
  stores.plain.put("bucket", running, "x");
  await check("plain");
  expect(stores.plain.get("bucket", old)).toBeUndefined();
  expect(stores.plain.get("bucket", running)).toBeDefined();
  stores.plain.delete("bucket", running);
});

test("what cannot be deleted is named", async () => {
  const rule = stores.plain.fault({ operation: "DeleteObjects" }, { kind: "answer", code: "AccessDenied" });
  const { body } = await check("plain");
  expect(body.leftovers.length).toBeGreaterThan(0);
  expect(body.advice.join()).toMatch(/could not be deleted: delete them by hand/);
  rule.remove();
  for (const key of body.leftovers) stores.plain.delete("bucket", key);
});

test("curl gets a table when it asks for text, and a form is as good as JSON", async () => {
  const { status, text } = await mesh.call("POST", "/stores/opaque/check", {
    body: "bucket=bucket",
    headers: { "content-type": "application/x-www-form-urlencoded", accept: "text/plain" },
  });
  expect(status).toBe(200);
  expect(text).toMatch(/^opaque:bucket as a destination: works\n/);
  expect(text).toMatch(/ {2}put +yes +PutObject; the ETag is the store's own\n/);
  expect(text).toMatch(/Differs from the provider's defaults:\n {2}\{.*"md5Etag":false.*\}\n/);
  expect(text).toMatch(/will use it; DELETE \/stores\/opaque\/check forgets it\.\n$/);
});

test("the bucket may be left out where the store has but one, and is checked where it has a fence", async () => {
  expect((await check("fenced", {})).body).toMatchObject({ ok: true });
  const refused = async (name: string, body: Record<string, unknown>) => (await check(name, body)).body.code;
  expect(await refused("plain", {})).toBe("invalid_request");
  expect(await refused("fenced", { bucket: "other" })).toBe("bucket_not_allowed");
  expect(await refused("nobody", { bucket: "bucket" })).toBe("unknown_store");
});

test("the reading token may not check", async () => {
  const { status } = await mesh.call("POST", "/stores/plain/check", {
    body: { bucket: "bucket" },
    headers: { authorization: `Bearer ${READ_TOKEN}` },
  });
  expect(status).toBe(403);
});

test("a store that is set to encrypt and does not is said not to work", async () => {
  const { body } = await check("unencrypted");
  expect(body.ok).toBe(false);
  expect(outcomes(body)).toMatchObject({ put: "yes", encryption: "ignored" });
  expect(outcomes((await check("keyed")).body)).toMatchObject({ encryption: "yes" });
});

test("a store that takes fewer parts than S3 is asked how many, and a copy makes larger ones", async () => {
  const { body } = await check("few");
  expect(outcomes(body)).toMatchObject({ multipart: "yes", "part numbers": "no" });
  expect(body.profile).toMatchObject({ maxParts: 3 });
  stores.plain.putGenerated("bucket", "large", { size: 80 * MIB, seed: "few", parts: 8 * MIB });
  const copy = { source: "plain:bucket/large", destination: "few:bucket/large" };
  expect(await mesh.copy(copy)).toMatchObject({ phase: "completed", parts: { total: 2 } });
  const refused = await mesh.copy({ ...copy, partSize: "8MiB" });
  expect(refused).toMatchObject({ phase: "failed", failure: { operation: "plan" } });
  expect(stores.few.requests({ operation: "UploadPart", key: "large" }).length).toBeLessThanOrEqual(3);
});

test("a store that refuses the right ETag to UploadPartCopy is not asked for any", async () => {
  stores.plain.fault({ operation: "UploadPartCopy" }, { kind: "answer", code: "PreconditionFailed" });
  const { body } = await check("plain");
  expect(outcomes(body)).toMatchObject({ "server-side part copy": "refused" });
  expect(body.profile).toMatchObject({ uploadPartCopy: false });
});

test("a store that unpacks archives is found out, also if it loses attributes by it or does half of it", async () => {
  const { unpacking, plainly } = stores;
  const { body } = await check("unpacking");
  expect(outcomes(body)).toMatchObject({ archives: "yes" });
  expect(body.profile).toMatchObject({ unpacksTar: true });
  expect(outcomes((await check("plainly")).body)).toMatchObject({ archives: "no" });
  for (const effect of [
    { kind: "omit-entries", key: /short$/ },
    { kind: "store-archive" },
    { kind: "answer", code: "NotImplemented" },
  ] as const) {
    unpacking.fault({ operation: "PutObject", key: /archive\.tar$/ }, effect);
    const { body: half } = await check("unpacking");
    expect(outcomes(half)).toMatchObject({ archives: "no" });
    expect([half.profile, half.leftovers]).toEqual([expect.not.objectContaining({ unpacksTar: true }), []]);
    unpacking.clearFaults();
  }
  expect(plainly.objects("bucket")).toEqual([]);
});
