// A replication follows a store by the store's own events, which clients of others cause; what they find at
// the source is at the destination afterwards. Ceph sends its bucket notifications over HTTP: objects are
// created, overwritten, uploaded in parts and deleted. Local R2 sends none, so a producer puts what R2 would
// say into the Queue of which the mesh is the consumer.

import { randomBytes } from "node:crypto";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, inject, test } from "vitest";
import type { Replication } from "../../src/view/replication_answers.ts";
import { aws, awsPut, curl, rclone, rcloneCheck, remote } from "./clients.ts";
import { QueuedMesh } from "./queued_mesh.ts";
import { secretOf } from "./stores.ts";
import { MIB, PART, openMesh, openWorkshop, stores } from "./world.ts";

const OBJECTS = 2_000;

/** A bucket of its own, since notifications are of a bucket. None in a run between stores of a user. */
const ceph = stores
  .filter(({ name }) => name === "ceph")
  .map((store) => ({ ...store, name: "followed", bucket: "followed", prefix: "" }));
const last = stores.at(-1);
if (last === undefined) throw new Error("This run has no stores");
const destination = { ...last, name: "follower" };

const mesh = await openMesh({
  ...Object.fromEntries(ceph.map((store) => [`STORE_${store.name.toUpperCase()}`, secretOf(store)])),
  STORE_FOLLOWER: secretOf(destination),
});
const workshop = openWorkshop();

const status = async () => (await mesh.call<Replication>("GET", "/replications/followed")).body;

/** All that was named is done: nothing is under way any more, and nothing has failed. */
async function settled(): Promise<Replication> {
  await expect.poll(async () => (await status()).pending.keys, { interval: 250 }).toBe(0);
  const now = await status();
  expect(now.failures).toEqual([]);
  return now;
}

/** What rclone finds different, byte by byte. */
async function differences(source: (typeof ceph)[number]): Promise<string[]> {
  const folders = [remote(source, ""), remote(destination, "followed/")] as const;
  const verdict = await rcloneCheck([source, destination], folders);
  return verdict.filter((line) => !line.startsWith("= "));
}

describe.each(ceph)("$title", (source) => {
  test("2,000 objects are there soon after, and so is what becomes of them; no repair was needed", async () => {
    await curl(source, { method: "PUT", name: "" });
    const body = {
      source: `${source.name}:${source.bucket}/`,
      destination: `follower:${destination.bucket}/${destination.prefix}followed/`,
      deletes: true,
      maxDeletes: OBJECTS,
      allowEmptySource: true,
      repair: "off",
    };
    expect(await mesh.call("PUT", "/replications/followed", { body })).toMatchObject({ status: 201 });
    await expect.poll(async () => (await status()).phase).toBe("following");
    const { body: made } = await mesh.call<{ url: string }>("POST", "/replications/followed/secret");
    const attributes = JSON.stringify({ "push-endpoint": made.url, persistent: "false" });
    const topic = await aws(source, ["sns", "create-topic", "--name", "mesh", "--attributes", attributes]);
    const { TopicArn } = JSON.parse(topic) as { TopicArn: string };
    const notification = { Id: "mesh", TopicArn, Events: ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"] };
    // prettier-ignore
    await aws(source, [
      "s3api", "put-bucket-notification-configuration", "--bucket", source.bucket,
      "--notification-configuration", JSON.stringify({ TopicConfigurations: [notification] }),
    ]);

    // Created: an event is acknowledged before the writer is.
    const tree = workshop.path("tree");
    for (let n = 0; n < OBJECTS; n++) {
      const folder = join(tree, ["a b", "a+b", "é %41", "deep"][n % 4] ?? "");
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, `${n}.bin`), randomBytes(1 + (n % 997)));
    }
    await rclone([source], ["copy", "--transfers", "16", tree, remote(source, "")]);
    expect((await settled()).keys.copied).toBe(OBJECTS);
    expect(await differences(source)).toEqual([]);

    // Overwritten, in parts, copied, and deleted.
    writeFileSync(join(tree, "a+b", "1.bin"), "other bytes");
    await rclone([source], ["copy", tree, remote(source, "")]);
    await awsPut(source, workshop.file("large", randomBytes(2 * PART + MIB)), "é %41/large", {
      partSizeBytes: PART,
    });
    rmSync(join(tree, "deep"), { recursive: true });
    await rclone([source], ["delete", remote(source, "deep")]);
    const { keys, events } = await settled();
    expect(await differences(source)).toEqual([]);
    expect(keys).toMatchObject({ copied: OBJECTS + 2, deleted: OBJECTS / 4, failed: 0, lost: 0 });
    expect(events.taken).toBeGreaterThanOrEqual(OBJECTS + 2 + OBJECTS / 4);
  }, 600_000);
});

const r2 = stores.filter(({ name }) => name === "r2");

describe.each(r2)("$title", (source) => {
  test("what a Queue tells of it is copied and deleted, by the consumer in the mesh's own script", async () => {
    const queued = await QueuedMesh.start(inject("bundlePath"), {
      STORE_R2: secretOf(source),
      STORE_FOLLOWER: secretOf(destination),
    });
    afterAll(() => queued.stop());
    const body = {
      source: `r2:${source.bucket}/${source.prefix}queue/`,
      destination: `follower:${destination.bucket}/${destination.prefix}queued/`,
      deletes: true,
      maxDeletes: 10,
      allowEmptySource: true,
      repair: "off",
    };
    const put = await queued.call("PUT", "/replications/queued", { body });
    expect(put.status, put.text).toBe(201);
    const now = async () => (await queued.call<Replication>("GET", "/replications/queued")).body;
    await expect.poll(async () => (await now()).phase).toBe("following");

    const tell = async (action: string, name: string) =>
      await queued.send({
        account: "3f4b7e3dcab231cbfdaa90a6a28bd548",
        action,
        bucket: source.bucket,
        object: { key: `${source.prefix}queue/${name}` },
        eventTime: new Date().toISOString(),
      });
    const names = ["a b+c", "é/%41", ...Array.from({ length: 20 }, (_, n) => String(n))];
    for (const name of names) {
      await curl(source, { method: "PUT", name: `queue/${name}`, body: `bytes of ${name}` });
      await tell("PutObject", name);
    }
    await expect.poll(async () => (await now()).keys.copied).toBe(names.length);
    for (const name of names) {
      const { text } = await curl(destination, { method: "GET", name: `queued/${name}` });
      expect(text).toBe(`bytes of ${name}`);
    }
    await curl(source, { method: "DELETE", name: "queue/0" });
    await tell("DeleteObject", "0");
    await expect.poll(async () => (await now()).keys.deleted).toBe(1);
    expect((await curl(destination, { method: "GET", name: "queued/0" })).status).toBe(404);
  });
});
