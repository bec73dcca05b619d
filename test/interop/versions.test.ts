// Histories and locks between stores that keep versions, as the AWS CLI lists them at both sides.

import { createHash } from "node:crypto";
import { describe, expect } from "vitest";
import { aws } from "./clients.ts";
import type { StoreAccess } from "./stores.ts";
import { feature } from "./table.ts";
import { openMesh, openWorkshop, stores } from "./world.ts";

const mesh = await openMesh();
const workshop = openWorkshop();

/** Each text is a version, null a deletion. */
const HISTORIES: Readonly<Record<string, readonly (string | null)[]>> = {
  "p/a b+c": ["one", "second", null, "one"],
  "p/gone": ["x", null],
};
const LOCKED = "p/locked";
const UNTIL = "2099-01-01T00:00:00Z";

interface Listed {
  readonly Key: string;
  readonly VersionId: string;
  readonly LastModified: string;
  readonly Size?: number;
  readonly ETag?: string;
  readonly IsLatest: boolean;
}

async function s3api(
  store: StoreAccess,
  command: string,
  bucket: string,
  ...args: string[]
): Promise<unknown> {
  const text = await aws(store, ["s3api", command, "--bucket", bucket, ...args]);
  return text.trim() === "" ? {} : JSON.parse(text);
}

async function makeBucket(store: StoreAccess, bucket: string): Promise<void> {
  await s3api(store, "create-bucket", bucket, "--object-lock-enabled-for-bucket");
}

async function write(store: StoreAccess, bucket: string): Promise<void> {
  for (const [key, versions] of Object.entries(HISTORIES)) {
    for (const text of versions) {
      if (text === null) await s3api(store, "delete-object", bucket, "--key", key);
      else await s3api(store, "put-object", bucket, "--key", key, "--body", workshop.file("body", text));
    }
  }
  const lock = ["--object-lock-mode", "GOVERNANCE", "--object-lock-retain-until-date", UNTIL];
  const md5 = createHash("md5").update("locked").digest("base64");
  const body = ["--body", workshop.file("body", "locked"), "--content-md5", md5];
  const held = ["--object-lock-legal-hold-status", "ON", ...body];
  await s3api(store, "put-object", bucket, "--key", LOCKED, ...lock, ...held);
}

/** By key, oldest first: the ETag of each version; null: a delete marker. */
async function histories(store: StoreAccess, bucket: string): Promise<Record<string, (string | null)[]>> {
  const { Versions = [], DeleteMarkers = [] } = (await s3api(store, "list-object-versions", bucket)) as {
    Versions?: Listed[];
    DeleteMarkers?: Listed[];
  };
  // The CLI groups them: what is latest tells the order, and their times, as far as these differ.
  const all = [...Versions, ...DeleteMarkers].toSorted(
    (one, other) =>
      Number(one.IsLatest) - Number(other.IsLatest) ||
      Date.parse(one.LastModified) - Date.parse(other.LastModified),
  );
  const byKey: Record<string, (string | null)[]> = {};
  for (const { Key, ETag = null } of all) (byKey[Key] ??= []).push(ETag);
  return byKey;
}

const versioned = [stores.find(({ name }) => name === "ceph"), stores.at(-1)].filter(
  (store) => store !== undefined,
);
const routes = versioned
  .flatMap((source) => versioned.map((destination) => ({ source, destination })))
  .filter(({ source, destination }) => source !== destination || source !== stores.at(-1));

describe.each(routes)("$source.title → $destination.title", ({ source, destination }) => {
  const title =
    source === destination ? `${source.title} → itself` : `${source.title} → ${destination.title}`;
  const from = `versions-${source.name}-${destination.name}-from`;
  const to = `versions-${source.name}-${destination.name}-to`;
  const asked = {
    source: { store: source.name, bucket: from, prefix: "p/" },
    destination: { store: destination.name, bucket: to, prefix: "q/" },
    versions: "all",
  };

  feature(
    "sync of versions",
    title,
    "the AWS CLI lists the same history of each key at both sides",
    async () => {
      await makeBucket(source, from);
      await makeBucket(destination, to);
      await write(source, from);
      const first = await mesh.sync(asked);
      expect(first, JSON.stringify(first)).toMatchObject({
        phase: "completed",
        objects: { copied: 7, failed: 0 },
      });
      const [ours, theirs] = [await histories(destination, to), await histories(source, from)];
      const renamed = Object.entries(theirs).map(([key, all]) => [key.replace("p/", "q/"), all.length]);
      expect(Object.fromEntries(Object.entries(ours).map(([key, all]) => [key, all.length]))).toEqual(
        Object.fromEntries(renamed),
      );
      expect(ours["q/a b+c"]?.filter((etag) => etag === null)).toHaveLength(1);
      expect(ours["q/a b+c"]?.at(-1)).toBe(theirs["p/a b+c"]?.at(-1));
      expect(ours["q/gone"]?.at(-1)).toBeNull();
      expect(await mesh.sync(asked)).toMatchObject({ objects: { copied: 0, skipped: 7 } });
    },
  );

  feature("object lock", title, "the retention and the legal hold of an object are kept", async () => {
    const head = (await s3api(destination, "head-object", to, "--key", "q/locked")) as Record<string, string>;
    expect(head["ObjectLockMode"]).toBe("GOVERNANCE");
    expect(head["ObjectLockLegalHoldStatus"]).toBe("ON");
    expect(Date.parse(head["ObjectLockRetainUntilDate"] ?? "")).toBe(Date.parse(UNTIL));
  });
});
