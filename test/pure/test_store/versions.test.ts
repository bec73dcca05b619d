// The store's versions and locks over HTTP.
import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startStore, type TestStore } from "../../store/store.ts";
import { call, tagTexts } from "./client.ts";

let store: TestStore;

beforeAll(async () => {
  store = await startStore();
});
afterAll(async () => {
  await store.stop();
});

describe("versions", () => {
  test("versions and delete markers are one list, which a page may cut within a key", async () => {
    store.createBucket("paged", { versioning: true });
    for (const body of ["1", "2", "3"]) store.put("paged", "a", body);
    store.mark("paged", "a");
    store.put("paged", "a b", "4");
    const seen: string[] = [];
    for (let markers = ""; ;) {
      const { text } = await call(store, "GET", `/paged?encoding-type=url&max-keys=2${markers}&versions=`);
      const kinds = [...text.matchAll(/<(Version|DeleteMarker)><Key>([^<]*)/g)];
      seen.push(kinds.map(([, kind = "", key = ""]) => `${kind} ${key}`).join(", "));
      const [key] = tagTexts(text, "NextKeyMarker");
      const [version] = tagTexts(text, "NextVersionIdMarker");
      if (key === undefined) break;
      markers = `&key-marker=${key}&version-id-marker=${version}`;
    }
    expect(seen).toEqual(["DeleteMarker a, Version a", "Version a, Version a", "Version a+b"]);
    const after = await call(store, "GET", "/paged?key-marker=a&versions=");
    expect(tagTexts(after.text, "Key")).toEqual(["a b"]);
    expect((await call(store, "GET", "/paged?version-id-marker=x&versions=")).code).toBe("InvalidArgument");
  });

  test("a lock needs a bucket that has locks, a digest and a time to come, and keeps the version", async () => {
    store.createBucket("locked", { objectLock: true });
    const until = new Date(Date.now() + 86_400_000).toISOString();
    const lock = { "x-amz-object-lock-mode": "GOVERNANCE", "x-amz-object-lock-retain-until-date": until };
    const digest = { "content-md5": createHash("md5").update("x").digest("base64") };
    const put = async (bucket: string, headers: Record<string, string>) =>
      await call(store, "PUT", `/${bucket}/k`, { body: "x", headers });
    expect((await put("locked", lock)).text).toContain("Content-MD5 OR x-amz-checksum-");
    const past = { ...lock, "x-amz-object-lock-retain-until-date": "2020-01-01T00:00:00Z", ...digest };
    expect((await put("locked", past)).text).toContain("must be in the future");
    store.createBucket("plain", { versioning: true });
    expect((await put("plain", { ...lock, ...digest })).text).toContain("missing Object Lock Configuration");
    const { status, headers } = await put("locked", { ...lock, ...digest });
    expect(status).toBe(200);
    const version = `/locked/k?versionId=${headers["x-amz-version-id"]}`;
    expect((await call(store, "HEAD", version)).headers).toMatchObject(lock);
    expect((await call(store, "DELETE", version)).code).toBe("AccessDenied");
    expect((await call(store, "GET", "/plain?object-lock=")).code).toBe(
      "ObjectLockConfigurationNotFoundError",
    );
    expect((await call(store, "GET", "/locked?object-lock=")).text).toContain("<ObjectLockEnabled>Enabled");
  });
});
