// No deletions in a run that could not copy everything; and deletions that make room for a copy.

import { beforeEach, expect, test } from "vitest";
import { openWorld } from "../world.ts";

const {
  mesh,
  stores: { east, west },
} = await openWorld({ east: { buckets: ["source"] }, west: { buckets: ["destination"] } });

beforeEach(() => {
  for (const { key } of east.objects("source")) east.delete("source", key);
  for (const { key } of west.objects("destination")) west.delete("destination", key);
});

const REQUEST = {
  source: "east:source/p/",
  destination: "west:destination/p/",
  delete: true,
  maxDeletes: "100%",
};

const keys = () =>
  west
    .objects("destination")
    .map(({ key }) => key)
    .filter((key) => !key.startsWith(".bucket-brigade/"));

const denied = { kind: "answer", code: "AccessDenied" } as const;

function renamed(): void {
  east.put("source", "p/new-name", "bytes");
  west.put("destination", "p/old-name", "bytes");
}

/** A store of files: no object beside a folder of its name. */
function refuseWhatIsInTheWay(): void {
  const has = (key: string) =>
    west
      .objects("destination")
      .some((object) => (key.endsWith("/") ? object.key.startsWith(key) : object.key === key));
  west.fault(
    { operation: "PutObject", where: ({ key }) => key === "p/x/1" && has("p/x") },
    { kind: "answer", status: 409, code: "ObjectParentIsFile" },
  );
  west.fault(
    { operation: "PutObject", where: ({ key }) => key === "p/y" && has("p/y/") },
    { kind: "answer", status: 409, code: "ExistingObjectIsDirectory" },
  );
}

test("case 107: the old name of an object stays when its new name could not be written; retry copies, then deletes", async () => {
  renamed();
  const fault = west.fault({ operation: "PutObject", key: "p/new-name" }, denied);
  const status = await mesh.sync(REQUEST);
  expect(status).toMatchObject({
    phase: "finished_with_errors",
    deletes: { extra: 1, deleted: 0, refused: true, refusedBy: "failed_keys" },
  });
  expect(status.warnings.join()).toContain('"deleteDespiteFailures": true');
  expect(keys()).toEqual(["p/old-name"]);
  expect(west.count("DeleteObjects") + west.count("DeleteObject")).toBe(0);

  fault.remove();
  await mesh.call("POST", `/syncs/${status.id}/retry`);
  const retried = await mesh.syncEnded(status.id);
  expect(retried).toMatchObject({
    phase: "completed",
    deletes: { deleted: 1, refused: false },
    warnings: [],
  });
  expect(keys()).toEqual(["p/new-name"]);
});

test("case 107: it is deleted all the same if the request says so", async () => {
  renamed();
  west.fault({ operation: "PutObject", key: "p/new-name" }, denied);
  const status = await mesh.sync({ ...REQUEST, deleteDespiteFailures: true });
  expect(status).toMatchObject({ phase: "finished_with_errors", deletes: { deleted: 1, refused: false } });
  expect(keys()).toEqual([]);
});

test("case 107: a file that became a folder, and a folder that became a file, make room first, in one run", async () => {
  refuseWhatIsInTheWay();
  east.put("source", "p/x/1", "one");
  east.put("source", "p/y", "file");
  for (const key of ["p/x", "p/y/1", "p/y/2/3", "p/z"]) west.put("destination", key, "old");
  const status = await mesh.sync(REQUEST);
  expect(status).toMatchObject({ phase: "completed", objects: { copied: 2 }, deletes: { deleted: 4 } });
  expect(keys()).toEqual(["p/x/1", "p/y"]);
});

test("case 107: only what is in the way is deleted while another key fails", async () => {
  refuseWhatIsInTheWay();
  west.fault({ operation: "PutObject", key: "p/new-name" }, denied);
  renamed();
  east.put("source", "p/x/1", "one");
  for (const key of ["p/x", "p/xy"]) west.put("destination", key, "old");
  const status = await mesh.sync(REQUEST);
  expect(status).toMatchObject({
    phase: "finished_with_errors",
    deletes: { extra: 3, deleted: 1, refusedBy: "failed_keys" },
    failures: [{ key: "p/new-name" }],
  });
  expect(keys()).toEqual(["p/old-name", "p/x/1", "p/xy"]);
});

test("case 107: what is in the way and cannot be deleted ends the run, and stays", async () => {
  refuseWhatIsInTheWay();
  const body =
    "<DeleteResult><Error><Key>p/x</Key><Code>AccessDenied</Code><Message>Locked</Message></Error></DeleteResult>";
  west.fault({ operation: "DeleteObjects" }, { kind: "answer", status: 200, body });
  east.put("source", "p/x/1", "one");
  west.put("destination", "p/x", "old");
  const status = await mesh.sync(REQUEST);
  expect(status).toMatchObject({
    phase: "finished_with_errors",
    objects: { failed: 1 },
    deletes: { deleted: 0, failed: 1 },
  });
  expect(keys()).toEqual(["p/x"]);
});

test("case 113: a key that fails inside a 200 is tried again in the same run", async () => {
  for (let n = 0; n < 3; n++) west.put("destination", `p/gone${n}`, "x");
  east.put("source", "p/0", "x");
  const body =
    "<DeleteResult><Deleted><Key>p/gone0</Key></Deleted><Deleted><Key>p/gone1</Key></Deleted>" +
    "<Error><Key>p/gone2</Key><Code>InternalError</Code><Message>Try again</Message></Error></DeleteResult>";
  west.fault(
    { operation: "DeleteObjects" },
    {
      kind: "run",
      stage: "before-work",
      action: () => {
        for (const key of ["p/gone0", "p/gone1"]) west.delete("destination", key);
      },
    },
    { times: 1 },
  );
  west.fault(
    { operation: "DeleteObjects" },
    { kind: "answer", status: 200, body, stage: "before-work" },
    { times: 1 },
  );
  const status = await mesh.sync(REQUEST);
  expect(status).toMatchObject({ phase: "completed", deletes: { extra: 3, deleted: 3, failed: 0 } });
  expect(keys()).toEqual(["p/0"]);
  expect(west.count("DeleteObjects")).toBe(2);
});

test("case 112: a store that refuses DeleteObjects with 400 is asked key by key", async () => {
  for (let n = 0; n < 3; n++) west.put("destination", `p/gone${n}`, "x");
  east.put("source", "p/0", "x");
  west.fault({ operation: "DeleteObjects" }, { kind: "answer", status: 400, code: "InvalidArgument" });
  const status = await mesh.sync(REQUEST);
  expect(status).toMatchObject({ phase: "completed", deletes: { deleted: 3 } });
  expect(keys()).toEqual(["p/0"]);
});

test("an object that was written after the listing is not the one that was listed: it stays, and is told", async () => {
  for (const key of ["p/changed", "p/gone"]) west.put("destination", key, "as listed");
  east.put("source", "p/0", "x");
  west.fault(
    { operation: "PutObject", key: "p/0" },
    { kind: "run", stage: "before-work", action: () => west.put("destination", "p/changed", "since") },
  );
  const status = await mesh.sync(REQUEST);
  expect(status).toMatchObject({
    phase: "finished_with_errors",
    deletes: { extra: 2, deleted: 1, failed: 1 },
    failures: [{ key: "p/changed", code: "destination_changed" }],
  });
  expect(keys()).toEqual(["p/0", "p/changed"]);
});

test("what a retry is still to delete is left if the source has it again", async () => {
  renamed();
  west.put("destination", "p/back", "bytes");
  const fault = west.fault({ operation: "PutObject", key: "p/new-name" }, denied);
  const { id } = await mesh.sync(REQUEST);
  fault.remove();
  east.put("source", "p/back", "bytes");
  await mesh.call("POST", `/syncs/${id}/retry`);
  expect(await mesh.syncEnded(id)).toMatchObject({
    phase: "finished_with_errors",
    deletes: { deleted: 1, failed: 1 },
    failures: [{ key: "p/back", code: "source_changed" }],
  });
  expect(keys()).toEqual(["p/back", "p/new-name"]);
});
