// A whole prefix is synced between every two stores, with deletes, from the same start as `rclone sync`. The
// mesh must produce what rclone produces.

import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { beforeAll, describe, expect } from "vitest";
import type { z } from "zod";
import type { SyncStatus } from "../../src/view/answers.ts";
import type { Quote as QuoteAnswer } from "../../src/view/quote_answer.ts";
import { AT_REST } from "../mesh/mesh_client.ts";
import { type Head, awsPut, listed, rclone, rcloneCheck, remote } from "./clients.ts";
import { type StoreAccess, place } from "./stores.ts";
import { feature } from "./table.ts";
import { MIB, openMesh, openWorkshop, pairs, stores } from "./world.ts";

type Quote = z.infer<typeof QuoteAnswer>;

const mesh = await openMesh();
const workshop = openWorkshop();

/**
 * What the source has, and what the destination has at first: the same bytes, other bytes of the same or
 * another length, or nothing.
 */
const NEW = workshop.path("new");
const OLD = workshop.path("old");
const SOURCE = "sync/source/";

function write(directory: string, name: string, bytes: Uint8Array): void {
  const path = join(directory, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, bytes);
}

/** Few objects with names that rules and lists have to spell, and what the rule below makes of them. */
const NAMED = "sync/named/";
const RULE = { match: "^(\\d{4})-(\\d\\d)/(.*)$", to: "$1/$2/${3:lower}" };
const RENAMED: Readonly<Record<string, string>> = {
  "2024-05/A b+c.TXT": "2024/05/a b+c.txt",
  "2024-06/é%2F,.txt": "2024/06/é%2f,.txt",
  README: "README",
};

/** Written by others. Names and lists are as S3 has them everywhere: what two such stores do, all do. */
const isOfOthers = ({ name }: StoreAccess) => name === "ceph" || name === "swift";

const expected = { copied: 0, skipped: 0, deleted: 0 };

function writeTrees(): void {
  for (let n = 0; n < 60; n++) {
    const name = `${["a b", "a+b", "é", "deep/er"][n % 4]}/${String(n).padStart(3, "0")} #${n}.bin`;
    const bytes = randomBytes(1 + n * 997);
    const relation = (["same", "same", "changed", "grown", "missing", "extra"] as const)[n % 6];
    if (relation !== "extra") write(NEW, name, bytes);
    if (relation === "same" || relation === "extra") write(OLD, name, bytes);
    if (relation === "changed") write(OLD, name, randomBytes(bytes.length));
    if (relation === "grown") write(OLD, name, Buffer.concat([bytes, bytes]));
    if (relation === "same") expected.skipped += 1;
    else if (relation === "extra") expected.deleted += 1;
    else expected.copied += 1;
  }
  write(NEW, "empty", Buffer.alloc(0));
  write(NEW, "large", randomBytes(9 * MIB));
  expected.copied += 2;
  for (const name of Object.keys(RENAMED)) write(workshop.path("named"), name, Buffer.from(name));
}

beforeAll(async () => {
  writeTrees();
  for (const store of stores) await rclone([store], ["copy", NEW, remote(store, SOURCE)]);
  for (const store of stores.filter(isOfOthers))
    await rclone([store], ["copy", workshop.path("named"), remote(store, NAMED)]);
}, 400_000);

/** Of both stores together. */
const askedFor = ({ source, destination }: Pick<Quote, "source" | "destination">) =>
  [source, destination]
    .flatMap((side) => Object.values(side.requests))
    .reduce((sum, count) => sum + count, 0);
/** So many times what was quoted. */
const ROOM = 10;

/** A HEAD of either side, after an answer that was lost; the tags; a GET and a PUT. */
const MOST_OF_AN_ATTEMPT = 5;

const hasStopped = ({ phase }: { readonly phase: string }) => AT_REST.has(phase) || phase === "paused";

/** As rclone spells what it finds. */
const SIGNS: Readonly<Record<string, string>> = { equal: "=", different: "*", missing: "+", extra: "-" };

describe.each(pairs)("$title", (pair) => {
  const { source, destination, title } = pair;
  const both = [source, destination];
  const ours = `sync/${source.name}-ours/`;
  const theirs = `sync/${source.name}-theirs/`;
  const contents = async (folder: string) =>
    new Map(
      [...(await listed(destination, folder))].map(
        ([name, { sizeBytes }]: [string, Pick<Head, "sizeBytes">]) => [name, sizeBytes],
      ),
    );

  const { key: prefix, ...from } = place(source, SOURCE);
  const { key: ourPrefix, ...to } = place(destination, ours);
  const request = {
    source: { ...from, prefix },
    destination: { ...to, prefix: ourPrefix },
    report: { ...to, prefix: `${destination.prefix}sync/reports/` },
    delete: true,
    maxDeletes: "100%",
  };

  feature("sync with delete", title, "the destination is what `rclone sync` makes of it", async () => {
    for (const folder of [ours, theirs])
      await rclone([destination], ["copy", OLD, remote(destination, folder)]);
    await rclone(both, ["sync", "--checksum", remote(source, SOURCE), remote(destination, theirs)]);
    const status: SyncStatus = await mesh.sync(request);
    expect(status, JSON.stringify(status.failure)).toMatchObject({
      phase: "completed",
      objects: { copied: expected.copied, skipped: expected.skipped, failed: 0 },
      deletes: { deleted: expected.deleted, failed: 0 },
    });
    expect(await contents(ours)).toEqual(await contents(theirs));
    const folders = [remote(destination, theirs), remote(destination, ours)] as const;
    const verdict = await rcloneCheck([destination], folders);
    expect(verdict.filter((line) => !line.startsWith("= "))).toEqual([]);
    return "as `rclone sync`";
  });

  feature("comparison", title, "it finds of each key what `rclone check --download` finds", async () => {
    const compared = `sync/${source.name}-compared/`;
    await rclone([destination], ["copy", OLD, remote(destination, compared)]);
    const { key, ...bucket } = place(destination, compared);
    const status = await mesh.compare({
      source: request.source,
      destination: { ...bucket, prefix: key },
      deep: true,
    });
    expect(status, JSON.stringify(status.failure)).toMatchObject({
      phase: "different",
      keys: { unknown: 0 },
    });
    const found = (await mesh.findings(status.id)).map(({ key: name, outcome }) => {
      const root = outcome === "extra" ? key : prefix;
      return `${SIGNS[outcome] ?? outcome} ${name.slice(root.length)}`;
    });
    const verdict = await rcloneCheck(both, [remote(source, SOURCE), remote(destination, compared)]);
    expect(found.toSorted()).toEqual(verdict.toSorted());
    return "as `rclone check`";
  });

  feature("sync with delete", title, "a second run finds nothing to do", async () => {
    expect(await mesh.sync(request)).toMatchObject({
      phase: "completed",
      objects: { copied: 0, skipped: expected.skipped + expected.copied, failed: 0 },
      deletes: { extra: 0, deleted: 0 },
    });
    return "as `rclone sync`";
  });

  feature(
    "quote and budget",
    title,
    "as many requests as were quoted, and no more than allowed",
    async () => {
      const into = { ...to, prefix: place(destination, `sync/${source.name}-quoted/`).key };
      const sync = { source: request.source, destination: into };
      const { body: quote } = await mesh.call<Quote>("POST", "/quotes", { body: { sync } });
      mesh.edge.forget();
      const allowed = Math.floor(askedFor(quote) / 2);
      const id = await mesh.startSync({ ...sync, maxRequests: allowed });
      const paused = await mesh.untilSync(id, hasStopped);
      expect(paused).toMatchObject({ phase: "paused", reason: "budget_reached" });
      expect(mesh.edge.records.length).toBeLessThanOrEqual(allowed);
      // A store that refuses for a moment is asked again, and no quote foresees how often: the rest has room.
      const most = Math.ceil(askedFor(quote) * (1 + quote.tolerance));
      const more = { maxRequests: ROOM * most };
      const resumed = await mesh.call("POST", `/syncs/${id}/resume`, { body: more });
      expect(resumed.status, resumed.text).toBe(200);
      const ended = await mesh.untilSync(id, hasStopped);
      expect(ended.phase, JSON.stringify(ended)).toBe("completed");
      const { spent } = ended;
      const sent = mesh.edge.records.length;
      expect(askedFor(spent)).toBe(sent);
      // What a store has not taken is sent again, which no quote foresees.
      const again = (await mesh.report(id))
        .filter(({ action }) => action === "copied")
        .reduce((sum, { attempts }) => sum + Number(attempts) - 1, 0);
      expect(sent - MOST_OF_AN_ATTEMPT * again).toBeLessThanOrEqual(most);
      expect(sent).toBeGreaterThanOrEqual(askedFor(quote) * (1 - quote.tolerance));
      expect(spent.source.bytes).toBeGreaterThanOrEqual(quote.source.bytes);
      if (again === 0) expect(spent.source.bytes).toBe(quote.source.bytes);
      return again === 0 && askedFor(quote) === sent ? "exact" : `${askedFor(quote)} quoted, ${sent} sent`;
    },
  );

  if (!isOfOthers(source) || !isOfOthers(destination)) return;
  const named = { ...from, prefix: place(source, NAMED).key };
  const into = (folder: string) => ({ ...to, prefix: place(destination, folder).key });
  const names = async (folder: string) => [...(await listed(destination, folder)).keys()].toSorted();

  feature("sync with rename", title, "each key gets the name that the rule makes of it", async () => {
    const renamed = `sync/${source.name}-renamed/`;
    const asked = { source: named, destination: into(renamed), rename: [RULE] };
    expect(await mesh.sync(asked)).toMatchObject({ phase: "completed", objects: { copied: 3 } });
    expect(await names(renamed)).toEqual(Object.values(RENAMED).toSorted());
    expect(await mesh.sync(asked)).toMatchObject({ objects: { copied: 0, skipped: 3 } });
  });

  feature("sync of a manifest", title, "the keys of the list are copied, and no other", async () => {
    const chosen = Object.keys(RENAMED).slice(0, 2);
    const keys = [...chosen, "gone"].map((name) => encodeURIComponent(`${named.prefix}${name}`));
    const list = workshop.file("list.csv", keys.map((key) => `${named.bucket},${key}\n`).join(""));
    await awsPut(source, list, "sync/list.csv");
    const copied = `sync/${source.name}-listed/`;
    const asked = { source: named, destination: into(copied), manifest: place(source, "sync/list.csv") };
    const status = await mesh.sync(asked);
    expect(status).toMatchObject({ phase: "finished_with_errors", objects: { copied: 2, failed: 1 } });
    expect(await names(copied)).toEqual(chosen.toSorted());
    return "yes, and what is not there is named";
  });
});
