// Another user interferes while a copy runs, or has done so before: an object exists already or appears, a
// source is overwritten, a copy is cancelled. What a client finds at the destination afterwards is the
// verdict.

import { randomBytes } from "node:crypto";
import { afterAll, describe, expect } from "vitest";
import { aws, awsPut, curl, head } from "./clients.ts";
import { HELD_BYTES, type LinedStore, holdInMidCopy, lineBindings, lineOf, putSource } from "./held_copy.ts";
import { Line } from "./line.ts";
import type { StoreAccess } from "./stores.ts";
import { feature } from "./table.ts";
import { copyOf, expectAgreement, expectSameBytes, openMesh, openWorkshop, pairs, stores } from "./world.ts";

const lined = await Promise.all(stores.map(withLine));
const mesh = await openMesh(lineBindings(lined));
const workshop = openWorkshop();

async function withLine(store: StoreAccess): Promise<LinedStore> {
  if (!Line.reaches(store)) return { store, line: null };
  const line = await Line.to(store);
  afterAll(() => line[Symbol.asyncDispose]());
  return { store, line };
}

function linedOf(store: StoreAccess): LinedStore {
  return lined.find((one) => one.store === store) ?? { store, line: null };
}

const THEIRS = "another's object";

async function putTheirs(store: StoreAccess, name: string): Promise<void> {
  const { status } = await curl(store, { method: "PUT", name, body: THEIRS });
  expect(status).toBe(200);
}

async function expectTheirs(store: StoreAccess, name: string): Promise<void> {
  expect((await curl(store, { method: "GET", name })).text).toBe(THEIRS);
}

async function expectAbsent(store: StoreAccess, name: string): Promise<void> {
  expect((await curl(store, { method: "HEAD", name })).status).toBe(404);
}

/** The uploads whose IDs went over the line are gone, as a client confirms by sending one more part. */
async function expectUploadsGone(
  store: StoreAccess,
  name: string,
  uploadIds: readonly string[],
): Promise<void> {
  expect(uploadIds).not.toEqual([]);
  for (const id of uploadIds) {
    const query = `partNumber=1&uploadId=${encodeURIComponent(id)}`;
    const { status, text } = await curl(store, { method: "PUT", name, query, body: "x" });
    expect([status, text]).toEqual([404, expect.stringMatching(/<Code>NoSuch(Upload|Key)</)]);
  }
}

/** `aws s3api list-multipart-uploads` lists none below this name. */
async function expectNoUploadListed(store: StoreAccess, name: string): Promise<void> {
  const options = ["--bucket", store.bucket, "--prefix", store.prefix + name];
  const told = await aws(store, ["s3api", "list-multipart-uploads", ...options]);
  const { Uploads: uploads = [] } = JSON.parse(told || "{}") as { Uploads?: unknown[] };
  expect(uploads).toEqual([]);
}

describe.each(pairs)("$title", (pair) => {
  const { source, destination, title } = pair;
  const folder = `interference/${source.name}-${destination.name}/`;
  const sides = { source: linedOf(source), destination: linedOf(destination) };
  const line = lineOf(sides);
  const hold = async (
    names: { from: string; to: string },
    fields: Record<string, unknown> = {},
  ): Promise<string> => await holdInMidCopy(mesh, { ...sides, ...names, at: line, fields });

  feature("create only if absent", title, "what is there already stays", async () => {
    await putTheirs(source, `${folder}ours`);
    await putTheirs(destination, `${folder}taken`);
    const copy = copyOf(pair, `${folder}ours`, `${folder}taken`);
    const failed = await mesh.copy({ ...copy, ifExists: "fail" });
    expect(failed).toMatchObject({ phase: "failed", failure: { code: "destination_exists" } });
    expect(await mesh.copy({ ...copy, ifExists: "skip" })).toMatchObject({
      phase: "completed",
      skipped: true,
    });
    await expectTheirs(destination, `${folder}taken`);
  });

  feature("create only if absent", title, "what appears while parts run stays", async () => {
    const names = { from: `${folder}late`, to: `${folder}appears` };
    await putSource(source, names.from);
    const id = await hold(names, { ifExists: "fail" });
    await putTheirs(destination, names.to);
    line.release();
    const status = await mesh.ended(id);
    expect(status).toMatchObject({ phase: "failed", failure: { code: "destination_exists" } });
    await expectTheirs(destination, names.to);
    await expectUploadsGone(destination, names.to, line.uploadIds);
  });

  feature("source changes in mid-copy", title, "the copy fails and leaves nothing", async () => {
    const names = { from: `${folder}changing`, to: `${folder}changed` };
    await putSource(source, names.from);
    const id = await hold(names);
    await awsPut(source, workshop.file("newer", randomBytes(HELD_BYTES)), names.from);
    line.release();
    const status = await mesh.ended(id);
    expect(status).toMatchObject({ phase: "failed", failure: { code: "source_changed" } });
    await expectAbsent(destination, names.to);
    await expectUploadsGone(destination, names.to, line.uploadIds);
    return "fails, or begins again";
  });

  feature(
    "source changes in mid-copy",
    title,
    "or the copy begins again, and copies the new object",
    async () => {
      const names = { from: `${folder}again`, to: `${folder}again` };
      await putSource(source, names.from);
      const id = await hold(names, { ifSourceChanges: "restart" });
      await awsPut(source, workshop.file("newer", randomBytes(HELD_BYTES + 1)), names.from);
      line.release();
      const status = await mesh.ended(id);
      const seen = await head(destination, names.to);
      expectAgreement(status, seen);
      expect(seen?.sizeBytes).toBe(HELD_BYTES + 1);
      await expectSameBytes(pair, folder, folder, ["again"]);
      // To a part of a completed upload Swift says 200, and breaks the object.
      const gone = destination.name === "swift" ? line.uploadIds.slice(0, -1) : line.uploadIds;
      await expectUploadsGone(destination, names.to, gone);
      return "fails, or begins again";
    },
  );

  feature("cancel leaves no upload", title, "a cancelled copy leaves neither object nor upload", async () => {
    const names = { from: `${folder}again`, to: `${folder}cancelled` };
    const id = await hold(names);
    const cancelling = mesh.call("POST", `/copies/${id}/cancel`);
    line.release();
    expect((await cancelling).status).toBe(200);
    expect(await mesh.ended(id)).toMatchObject({ phase: "cancelled" });
    await expectAbsent(destination, names.to);
    await expectUploadsGone(destination, names.to, line.uploadIds);
    if (!destination.facts.listsUploads) return "yes, by its ID";
    await expectNoUploadListed(destination, names.to);
    return "yes";
  });
});
