// What a copy could not take back at the destination when it ended: the destination was down just then, or
// said no. It is owed: shown in the status and in GET /copies?orphans, tried again by itself and at once by
// resume, and gone from both when the store itself has none of it.

import { expect, test } from "vitest";
import { Clock } from "../../mesh/clock.ts";
import type { Status } from "../../mesh/mesh.ts";
import { PART, openWorld } from "../world.ts";

const {
  mesh,
  stores: { east, west, sealed },
} = await openWorld(
  {
    east: { buckets: ["source"] },
    west: { buckets: ["destination"], etags: "opaque" },
    sealed: { buckets: ["destination"], etags: "opaque" },
  },
  undefined,
  Clock.fast(),
);

async function startCopy(key: string, { size = PART + 1, to = "west" } = {}): Promise<string> {
  east.putGenerated("source", key, { size, seed: key });
  const destination = `${to}:destination/${key}`;
  return await mesh.startCopy({ source: `east:source/${key}`, destination, partSize: PART });
}

const post = async (id: string, verb: "cancel" | "resume") =>
  (await mesh.call<Status>("POST", `/copies/${id}/${verb}`)).body;
const ended = async (id: string) => await mesh.ended(id);
const kinds = ({ orphans = [] }: Status) => orphans.map(({ kind }) => kind);

interface Row {
  readonly id: string;
  readonly orphans: number;
}

/** The copies that may have left something behind, as the list tells. */
async function listed(): Promise<ReadonlyMap<string, number>> {
  const { body } = await mesh.call<{ copies: Row[] }>("GET", "/copies?orphans");
  return new Map(body.copies.map(({ id, orphans }) => [id, orphans]));
}

async function paid(id: string): Promise<void> {
  await mesh.until(id, (status) => kinds(status).length === 0);
  await expect.poll(async () => (await listed()).has(id)).toBe(false);
}

test(
  "a destination that is down, or forbids the abort, when copies end is rid of what they left behind later",
  { timeout: 120_000 },
  async () => {
    const forbidden = await cancelWithoutPermission("forbidden");
    // One copy for each thing that can be left behind, each held where the outage meets it.
    const creating = west.hold(
      { operation: "CreateMultipartUpload", key: "unanswered create" },
      "before-answer",
    );
    const putting = west.hold({ operation: "PutObject", key: "unanswered put" }, "before-answer");
    const uploading = west.hold({ operation: "UploadPart", key: "cancelled", partNumber: 2 });
    const created = await startCopy("unanswered create");
    const put = await startCopy("unanswered put", { size: 1000 });
    const cancelled = await startCopy("cancelled");
    await west.waitFor(() => [creating, putting, uploading].every(({ waiting }) => waiting.length === 1));
    await mesh.until(cancelled, ({ parts }) => parts.done === 1);
    // One fails in that very moment: its abort is the first request that the store does not answer.
    west.fault(
      { operation: "UploadPart", key: "failed", partNumber: 2 },
      { kind: "answer", code: "EntityTooLarge" },
    );
    const down = Promise.withResolvers<void>();
    const goDown = () => void west.outage().then(down.resolve);
    west.fault(
      { operation: "AbortMultipartUpload" },
      { kind: "run", stage: "before-body", action: goDown },
      { times: 1 },
    );
    west.fault({ operation: "AbortMultipartUpload" }, { kind: "drop", stage: "before-body" }, { times: 1 });
    const failed = await startCopy("failed");
    await down.promise;
    for (const gate of [creating, putting, uploading]) gate.release();
    for (const id of [created, put, cancelled]) await post(id, "cancel");

    const owing = await Promise.all([failed, cancelled, created, put].map(ended));
    expect(owing.map(({ phase }) => phase)).toEqual(["failed", "cancelled", "cancelled", "cancelled"]);
    expect(owing[0]?.failure).toMatchObject({ storeCode: "EntityTooLarge" });
    expect(owing.map(kinds)).toEqual([["upload"], ["upload"], ["possible_upload"], ["possible_object"]]);
    for (const { orphans = [] } of owing) {
      for (const { failure, nextTryAt } of orphans) {
        expect(failure.code).toBe("destination_unreachable");
        expect(nextTryAt).not.toBeNull();
      }
    }
    const refused = await ended(forbidden.id);
    expect(refused).toMatchObject({ phase: "cancelled", orphans: [{ kind: "upload" }] });
    expect(refused.orphans?.[0]?.failure.code).toBe("destination_access_denied");
    await expect.poll(async () => (await listed()).size).toBe(5);
    expect(await listed()).toEqual(new Map([...owing, refused].map(({ id }) => [id, 1])));
    const left = west.uploads().map(({ id, key }) => [key, id]);
    expect(left.map(([key]) => key).toSorted()).toEqual(["cancelled", "failed", "unanswered create"]);
    expect(owing[0]?.orphans?.[0]?.uploadId).toBe(left.find(([key]) => key === "failed")?.[1]);
    expect(west.get("destination", "unanswered put")).toBeDefined();

    await west.recover();
    forbidden.permit();
    for (const id of [failed, created, put, forbidden.id]) {
      await post(id, "resume");
      await paid(id);
    }
    expect(west.get("destination", "unanswered put")).toBeUndefined();
    // Nobody asks for this one.
    await paid(cancelled);
    expect([...west.uploads(), ...sealed.uploads()]).toEqual([]);
    expect((await ended(failed)).phase).toBe("failed");
    expect((await ended(cancelled)).phase).toBe("cancelled");
  },
);

/** Cancels a copy to a store whose credentials may write and not abort. */
async function cancelWithoutPermission(key: string): Promise<{ id: string; permit: () => void }> {
  const parts = sealed.hold({ operation: "UploadPart", key });
  const rule = sealed.fault(
    { operation: "AbortMultipartUpload", key },
    { kind: "answer", code: "AccessDenied" },
  );
  const id = await startCopy(key, { to: "sealed" });
  await sealed.waitFor(() => parts.waiting.length === 2);
  await post(id, "cancel");
  parts.release();
  return { id, permit: () => rule.remove() };
}

test("a copy that owes nothing is not listed, and resume does not wake an ended one", async () => {
  const id = await startCopy("clean", { size: 1000 });
  await ended(id);
  const asked = west.count();
  expect(await post(id, "resume")).toMatchObject({ phase: "completed" });
  expect(kinds(await ended(id))).toEqual([]);
  expect((await listed()).has(id)).toBe(false);
  expect(west.count()).toBe(asked);
});
