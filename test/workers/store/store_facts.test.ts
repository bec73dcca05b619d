// What POST /stores/{name}/check has seen is used by the copies, syncs and scheduled runs that begin
// afterwards, and by no other; it is shown, forgotten when asked, and lives through evictions.

import { afterEach, describe, expect, inject, test } from "vitest";
import { Mesh, READ_TOKEN, type Status, storeSecret } from "../../mesh/mesh.ts";
import type { TestStore } from "../../store/store.ts";
import { expectSameBytes, memoryDirectory } from "../fidelity/fidelity.ts";
import { MIB, PART, openWorld } from "../world.ts";

interface Checked {
  readonly bucket: string;
  readonly as: string;
  readonly ok: boolean;
  readonly checkedAt: string;
  readonly applies: boolean;
  readonly profile: Readonly<Record<string, unknown>>;
  readonly overruled: Readonly<Record<string, unknown>>;
}

/** Of a mesh that is started more than once. */
const directory = memoryDirectory();

const {
  mesh,
  stores: { east, summing, deaf, raw, poor },
} = await openWorld(
  {
    east: { buckets: ["source"] },
    // Proves nothing by its ETags and all by its checksums, which nobody assumes of it.
    summing: { buckets: ["destination", "other"], etags: "opaque", automaticChecksum: "CRC64NVME" },
    // Takes whatever comes, and says nothing of it.
    deaf: { buckets: ["destination"], etags: "opaque", contentMd5: "ignored" },
    raw: { buckets: ["destination"], canonicalPath: "raw" },
    poor: { buckets: ["source", "destination"], without: ["tagging", "copyObject", "uploadPartCopy"] },
  },
  (stores) => ({
    bindings: {
      // What is larger than a part is a copy of its own.
      MAX_PART_MIB: "5",
      // Of this provider it is assumed that the ETag of an object in parts is nothing to go by.
      STORE_CAUTIOUS: storeSecret(stores.poor, { provider: "ibm" }),
      STORE_STUBBORN: storeSecret(stores.summing, { profile: { checksums: [], checksumMode: false } }),
      STORE_ELSEWHERE: storeSecret(stores.summing, { endpoint: "http://127.0.0.1:9" }),
    },
  }),
);

const check = async (store: string, body: Record<string, unknown> = {}, at = mesh) =>
  (
    await at.call<{ ok: boolean; kept: boolean; use: string }>("POST", `/stores/${store}/check`, {
      body: { bucket: "destination", ...body },
    })
  ).body;
const checked = async (store: string, at = mesh) => {
  const { body } = await at.call<{ stores: { name: string; checked: Checked[] }[] }>("GET", "/stores");
  return body.stores.find(({ name }) => name === store)?.checked ?? [];
};
const forget = async (store: string, query = "") =>
  (await mesh.call<{ code?: string }>("DELETE", `/stores/${store}/check${query}`)).status;

afterEach(async () => {
  for (const store of ["summing", "deaf", "raw", "poor", "stubborn", "cautious"]) await forget(store);
});

const IN_PARTS = { partSize: PART, concurrency: 1 };

/** A copy in two parts whose proof tells what it knew of its destination. */
async function copyInParts(key: string, to: string, at = mesh): Promise<Status> {
  east.putGenerated("source", key, { size: PART + 1, seed: key });
  const [store = ""] = to.split(":");
  const destination = to === store ? `${store}:destination/${key}` : `${to}/${key}`;
  return await at.copy({ source: `east:source/${key}`, destination, ...IN_PARTS });
}

/** A copy whose ETag is the source's own if parts are cut alike. */
async function copyAlike(key: string, to: string): Promise<Status> {
  east.putGenerated("source", key, { size: PART + 1, seed: key, parts: PART, computeEtag: true });
  return await mesh.copy({ source: `east:source/${key}`, destination: `${to}:destination/${key}` });
}

const refusals = (store: TestStore) => store.requests({ status: 501 }).map(({ operation }) => operation);
const askedForChecksums = (key: string) =>
  summing
    .requests({ operation: "HeadObject", key })
    .filter(({ headers }) => headers["x-amz-checksum-mode"] !== undefined).length;

describe("a copy that begins after the check", () => {
  test("proves by checksums what it could not prove before", async () => {
    expect(await copyInParts("unproved", "summing")).toMatchObject({ phase: "completed", proof: "length" });
    expect((await check("summing")).ok).toBe(true);
    const status = await copyInParts("proved", "summing");
    expect(status).toMatchObject({ phase: "completed", proof: "checksum" });
    expect(status.timeline[0]).toMatchObject({
      event: "created",
      detail: "with what was seen in the check of summing:destination",
    });
    expectSameBytes(east, summing, "proved");
  });

  test("may be strict where it could not be", async () => {
    const strict = { verify: "strict", ...IN_PARTS };
    const copy = async (key: string) => {
      east.putGenerated("source", key, { size: PART + 1, seed: key });
      return await mesh.copy({
        source: `east:source/${key}`,
        destination: `summing:destination/${key}`,
        ...strict,
      });
    };
    expect(await copy("doubted")).toMatchObject({ phase: "failed", failure: { code: "proof_impossible" } });
    await check("summing");
    expect(await copy("certain")).toMatchObject({ phase: "completed", proof: "checksum" });
  });

  test("signs as its destination wants it, in the coordinator and in the part copiers", async () => {
    await check("raw");
    raw.journal.clear();
    expect(await copyInParts("a/../after", "raw")).toMatchObject({ phase: "completed", warnings: [] });
    expectSameBytes(east, raw, "a/../after");
    expect(raw.requests({ status: 403 })).toEqual([]);
    // Without the check the store's refusals show it.
    await forget("raw");
    expect(await copyInParts("a/../found out", "raw")).toMatchObject({ phase: "completed", warnings: [] });
    expect(raw.requests({ status: 403 }).length).toBeGreaterThan(0);
  });

  test("asks for nothing that its destination has not got", async () => {
    const copy = async (key: string, from: TestStore, name: string) => {
      from.put("source", key, key, { tags: [{ key: "team", value: "a" }] });
      poor.journal.clear();
      return await mesh.copy({ source: `${name}:source/${key}`, destination: `poor:destination/${key}` });
    };
    expect(await copy("tags before", east, "east")).toMatchObject({ phase: "completed" });
    expect(refusals(poor)).toEqual(["PutObject"]);
    poor.put("source", "inside before", "x");
    expect(await mesh.copy(within("inside before"))).toMatchObject({ phase: "completed" });
    expect(poor.count("CopyObject")).toBe(1);
    await check("poor");
    const status = await copy("tags after", east, "east");
    expect(status).toMatchObject({ phase: "completed" });
    expect(status.warnings).toEqual(['The destination does not support tags: "team=a" is lost']);
    expect(refusals(poor)).toEqual([]);
    poor.put("source", "inside after", "x");
    poor.putGenerated("source", "inside in parts", { size: 2 * PART, seed: "x" });
    await mesh.copy(within("inside after"));
    await mesh.copy({ ...within("inside in parts"), partSize: PART });
    expect([poor.count("CopyObject"), poor.count("UploadPartCopy")]).toEqual([0, 0]);
    expect(poor.bytes("destination", "inside after").toString()).toBe("x");
  });

  test("claims no more than its own answers show, of a bucket that encrypts since it was checked", async () => {
    await check("cautious");
    expect((await checked("cautious"))[0]?.profile).toMatchObject({ md5MultipartEtag: true });
    expect(await copyAlike("open", "cautious")).toMatchObject({ phase: "completed", proof: "etag" });
    const header = { kind: "header", name: "x-amz-server-side-encryption", value: "aws:kms" } as const;
    poor.fault({ operation: "HeadObject", bucket: "destination", key: "locked" }, header);
    expect(await copyAlike("locked", "cautious")).toMatchObject({ phase: "completed", proof: "length" });
  });

  test("does not claim that its destination compares an MD5 which that takes and does not look at", async () => {
    const copy = async (key: string) => {
      east.put("source", key, key);
      deaf.fault({ operation: "PutObject", key }, { kind: "flip", direction: "in", at: 0 });
      return await mesh.copy({ source: `east:source/${key}`, destination: `deaf:destination/${key}` });
    };
    expect(await copy("believed")).toMatchObject({ phase: "completed", proof: "content-md5" });
    expect(deaf.bytes("destination", "believed").toString()).not.toBe("believed");
    await check("deaf");
    expect(await copy("doubted")).toMatchObject({ phase: "completed", proof: "length" });
    const prefix = { source: "east:source/lot/", destination: "deaf:destination/lot/" };
    east.put("source", "lot/a", "a");
    const { id } = await mesh.sync(prefix);
    expect(await mesh.report(id)).toMatchObject([{ action: "copied", proof: "length" }]);
  });

  test("believes nothing of a bucket that was not checked, although the store is the same", async () => {
    await check("summing");
    expect(await copyInParts("elsewhere", "summing:other")).toMatchObject({ proof: "length" });
    expect(askedForChecksums("elsewhere")).toBe(0);
  });

  test("goes by the secret where that says otherwise", async () => {
    await check("stubborn");
    expect((await checked("stubborn"))[0]).toMatchObject({
      overruled: { checksums: ["crc64nvme"], checksumMode: true },
    });
    expect(await copyInParts("stubborn", "stubborn")).toMatchObject({ proof: "length" });
  });
});

/** A copy that has been paused with one of two parts through. */
async function paused(key: string): Promise<string> {
  east.putGenerated("source", key, { size: PART + 1, seed: key });
  const gate = summing.hold({ operation: "UploadPart", key, partNumber: 1 });
  const destination = `summing:destination/${key}`;
  const id = await mesh.startCopy({ source: `east:source/${key}`, destination, ...IN_PARTS });
  await summing.waitFor(() => gate.waiting.length === 1);
  await mesh.call("POST", `/copies/${id}/pause`);
  gate.release();
  await mesh.until(id, ({ phase, parts }) => phase === "paused" && parts.inFlight === 0);
  return id;
}

const resume = async (id: string) => {
  await mesh.call("POST", `/copies/${id}/resume`);
  return await mesh.ended(id);
};

const within = (key: string) => ({ source: `poor:source/${key}`, destination: `poor:destination/${key}` });

describe("a copy goes by what was known when it began", () => {
  test("one that began before the check and is resumed after it learns nothing of it", async () => {
    const id = await paused("early");
    await check("summing");
    await mesh.evict("Coordinator", id);
    expect(await resume(id)).toMatchObject({ phase: "completed", proof: "length" });
    expect(askedForChecksums("early")).toBe(0);
  });

  test("one that began after it goes on by it, forgotten and evicted as it may be", async () => {
    await check("summing");
    const id = await paused("late");
    expect(await forget("summing")).toBe(204);
    await mesh.evict("Coordinator", id);
    expect(await resume(id)).toMatchObject({ phase: "completed", proof: "checksum" });
    expect(askedForChecksums("late")).toBeGreaterThan(0);
  });

  test("one that waits for another copy to end is begun already", async () => {
    const first = await paused("queue");
    const destination = "summing:destination/queue";
    const second = await mesh.startCopy({
      source: "east:source/queue",
      destination,
      ifBusy: "queue",
      ...IN_PARTS,
    });
    await mesh.until(second, ({ phase }) => phase === "queued");
    await check("summing");
    await resume(first);
    expect(await mesh.ended(second)).toMatchObject({ phase: "completed", proof: "length" });
  });
});

const sync = (prefix: string) => ({
  source: `east:source/${prefix}`,
  destination: `poor:destination/${prefix}`,
});

describe("a sync", () => {
  const tags = [{ key: "team", value: "a" }];
  const put = (prefix: string) => {
    east.put("source", `${prefix}small`, "small", { tags });
    east.putGenerated("source", `${prefix}large`, { size: 6 * MIB, seed: "large", tags });
    poor.journal.clear();
  };

  test("that begins after the check goes by it, in its batches and in the copies of its large objects", async () => {
    put("before/");
    expect(await mesh.sync(sync("before/"))).toMatchObject({ phase: "completed", objects: { copied: 2 } });
    expect(refusals(poor).toSorted()).toEqual(["CreateMultipartUpload", "PutObject"]);
    await check("poor");
    put("after/");
    expect(await mesh.sync(sync("after/"))).toMatchObject({ phase: "completed", objects: { copied: 2 } });
    expect(refusals(poor)).toEqual([]);
  });

  test("that began before the check does not, and neither do the copies that it begins later", async () => {
    put("begun/");
    const gate = east.hold({ operation: "ListObjectsV2" });
    const id = await mesh.startSync(sync("begun/"));
    await east.waitFor(() => gate.waiting.length > 0);
    await check("poor");
    poor.journal.clear();
    gate.release();
    expect(await mesh.syncEnded(id)).toMatchObject({ phase: "completed", objects: { copied: 2 } });
    expect(refusals(poor).toSorted()).toEqual(["CreateMultipartUpload", "PutObject"]);
  });

  test("knows by its ETag what it would copy again before the check", async () => {
    const parts = { size: PART + 1, seed: "same", parts: PART, computeEtag: true };
    east.putGenerated("source", "equal/a", parts);
    poor.putGenerated("destination", "equal/a", parts);
    const request = {
      source: "east:source/equal/",
      destination: "cautious:destination/equal/",
      dryRun: true,
    };
    const run = async () => await mesh.sync(request);
    expect(await run()).toMatchObject({ phase: "completed", objects: { wouldCopy: 1, skipped: 0 } });
    await check("cautious");
    poor.journal.clear();
    expect(await run()).toMatchObject({ phase: "completed", objects: { wouldCopy: 0, skipped: 1 } });
    expect(poor.count("HeadObject")).toBe(0);
  });

  test("shows its options without what it carries of checks", async () => {
    await check("poor");
    east.put("source", "shown/small", "small");
    const status = await mesh.sync(sync("shown/"));
    expect(status).toMatchObject({ phase: "completed", options: { compare: "auto" } });
    expect(status).not.toHaveProperty("options.known");
  });
});

test("a run of a schedule goes by what is known when it starts, not when the schedule was made", async () => {
  east.putGenerated("source", "nightly", { size: PART + 1, seed: "nightly" });
  const copy = { source: "east:source/nightly", destination: "summing:destination/nightly", ...IN_PARTS };
  await mesh.call("PUT", "/schedules/nightly", { body: { cron: "0 3 * * *", copy } });
  await check("summing");
  const { body } = await mesh.call<Status>("POST", "/schedules/nightly/run");
  expect(await mesh.ended(body.id)).toMatchObject({ phase: "completed", proof: "checksum" });
  await mesh.call("DELETE", "/schedules/nightly");
});

describe("what is kept", () => {
  test("is shown with the stores: which bucket, as what, when, and what it changes", async () => {
    const before = Date.now();
    const { kept, use } = await check("summing");
    expect(kept).toBe(true);
    expect(use).toMatch(/will use it/);
    await check("summing", { bucket: "other", as: "source" });
    const [destination, source] = await checked("summing");
    expect(destination).toMatchObject({ bucket: "destination", as: "destination", ok: true, applies: true });
    expect(destination?.profile).toMatchObject({
      md5Etag: false,
      checksums: ["crc64nvme"],
      checksumMode: true,
    });
    expect(Date.parse(destination?.checkedAt ?? "")).toBeGreaterThanOrEqual(before);
    expect(source).toMatchObject({ bucket: "other", as: "source" });
  });

  test("is nothing where the store was not reached", async () => {
    expect(await check("elsewhere")).toMatchObject({
      ok: false,
      kept: false,
      use: "Nothing is kept: the store was not reached",
    });
    expect(await checked("elsewhere")).toEqual([]);
  });

  test("is what was seen, also in a check that fails, and what one before has seen", async () => {
    await check("summing");
    const [before] = await checked("summing");
    summing.fault(
      { operation: ["UploadPart", "CreateMultipartUpload"] },
      { kind: "answer", code: "AccessDenied" },
    );
    expect(await check("summing")).toMatchObject({ ok: false, kept: true });
    expect((await checked("summing"))[0]).toMatchObject({ ok: false, profile: before?.profile });
  });

  test("is forgotten for one bucket or for all, and copies begin as before", async () => {
    await check("summing");
    await check("summing", { bucket: "other" });
    expect(await forget("summing", "?bucket=other")).toBe(204);
    expect((await checked("summing")).map(({ bucket }) => bucket)).toEqual(["destination"]);
    expect(await forget("summing")).toBe(204);
    expect(await checked("summing")).toEqual([]);
    const { status, body } = await mesh.call<{ code: string }>("DELETE", "/stores/summing/check");
    expect([status, body.code]).toEqual([404, "check_not_found"]);
    expect(await copyInParts("forgotten", "summing")).toMatchObject({ proof: "length" });
  });

  test("is not forgotten for a token that may only read, which sees it", async () => {
    await check("summing");
    const headers = { authorization: `Bearer ${READ_TOKEN}` };
    const { status, body } = await mesh.call<{ code: string }>("DELETE", "/stores/summing/check", {
      headers,
    });
    expect([status, body.code]).toEqual([403, "token_read_only"]);
    expect((await mesh.call("GET", "/stores", { headers })).text).toContain('"crc64nvme"');
  });

  test("lives through an eviction of the registry", async () => {
    await check("summing");
    const before = await checked("summing");
    await mesh.evict("Registry", "registry");
    expect(await checked("summing")).toEqual(before);
    expect(await copyInParts("evicted", "summing")).toMatchObject({ proof: "checksum" });
  });

  test("holds on after a deployment, but not for a store that has another endpoint since", async () => {
    const open = async (endpoint: string) =>
      await Mesh.start({
        bundlePath: inject("bundlePath"),
        directory,
        stores: { east, summing },
        storeFields: { summing: { endpoint } },
      });
    let other = await open(summing.endpoint);
    await check("summing", {}, other);
    await other.stop();
    other = await open(summing.endpoint);
    expect((await checked("summing", other))[0]).toMatchObject({ applies: true });
    expect(await copyInParts("deployed", "summing", other)).toMatchObject({ proof: "checksum" });
    await other.stop();
    other = await open(summing.endpoint.replace("127.0.0.1", "localhost"));
    expect((await checked("summing", other))[0]).toMatchObject({
      applies: false,
      profile: {},
      overruled: {},
    });
    expect(await copyInParts("moved", "summing", other)).toMatchObject({ proof: "length" });
    await other.stop();
  });
});
