// Work whose alarm the runtime has lost stands still and does not know it. The Cron event sets the alarm
// again. The loss is made by hand: the alarms are removed from the disk while nothing runs.

import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, inject, onTestFinished, test } from "vitest";
import { MEMORY, Mesh } from "../../mesh/mesh.ts";
import { startStore } from "../../store/store.ts";
import { MIB } from "../world.ts";

/** As workerd keeps them: in a list for each class, and in each object's own database. */
function loseAlarms(directory: string, className: string): void {
  const folder = join(directory, className);
  for (const name of readdirSync(folder).filter((file) => file.endsWith(".sqlite"))) {
    const database = new DatabaseSync(join(folder, name));
    const table = name === "metadata.sqlite" ? "_cf_ALARM" : "_cf_METADATA";
    const { changes } = database.prepare(`DELETE FROM ${table}`).run();
    database.close();
    expect(changes).toBe(1);
  }
}

test.each([
  ["Sync", { operation: "UploadPart" }],
  ["Coordinator", { operation: "CreateMultipartUpload" }],
] as const)("the lost alarm of a %s is set again", async (className, at) => {
  const directory = mkdtempSync(join(MEMORY, "bucket-brigade-state-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  await using east = await startStore({ buckets: ["source"] });
  await using west = await startStore({ buckets: ["destination"] });
  east.putGenerated("source", "p/large", { size: 7 * MIB, seed: "large" });
  const start = async () => {
    const mesh = await Mesh.start({
      bundlePath: inject("bundlePath"),
      stores: { east, west },
      directory,
      // What is larger than a part is a copy of its own.
      bindings: { MAX_PART_MIB: "5" },
    });
    onTestFinished(async () => await mesh.stop());
    return mesh;
  };
  const gate = west.hold(at, "before-work");
  const killed = await start();
  const id = await killed.startSync({ source: "east:source/p/", destination: "west:destination/p/" });
  await west.waitFor(() => gate.waiting.length > 0);
  killed.kill();
  await killed.stop();
  loseAlarms(directory, className);
  gate.release();

  const mesh = await start();
  await mesh.fireCron(new Date());
  const status = await mesh.syncEnded(id);
  expect(status).toMatchObject({ phase: "completed", objects: { copied: 1 } });
  const { body } = await mesh.call<{ copies: { id: string }[] }>("GET", `/copies?sync=${id}`);
  const copy = await mesh.ended(body.copies[0]?.id ?? "");
  const { timeline } = className === "Sync" ? status : copy;
  expect(timeline.map(({ event }) => event)).toContain("alarm_lost");
});
