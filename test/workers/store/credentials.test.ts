// Credentials that stop working, on either side and at every request of a copy: the copy waits for a person
// with all it has, and goes on after the secret is replaced, the mesh deployed again and `resume` called. A
// copy that waits so can be cancelled.
//
// All scenes share the mesh that has the old secrets and the one that has the new.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { Mesh, type Status, storeSecret } from "../../mesh/mesh.ts";
import {
  type Credentials,
  type Operation,
  type RequestRecord,
  type TestStore,
  startStore,
} from "../../store/store.ts";
import { PART } from "../world.ts";

const OLD: Credentials = { accessKeyId: "AKIAOLD", secretAccessKey: "old-secret" };
const NEW: Credentials = { accessKeyId: "AKIANEW", secretAccessKey: "new-secret" };

const directory = mkdtempSync(join(tmpdir(), "bucket-brigade-state-"));
const east = await startStore({ minPartBytes: PART, buckets: ["source"], credentials: [OLD, NEW] });
const west = await startStore({
  minPartBytes: PART,
  buckets: ["destination"],
  credentials: [OLD, NEW],
  etags: "opaque",
});
const stores = { east, west };

async function startMesh({ accessKeyId, secretAccessKey }: Credentials): Promise<Mesh> {
  const secret = (store: TestStore) => storeSecret(store, { accessKeyId, secretAccessKey });
  const bindings = { STORE_EAST: secret(east), STORE_WEST: secret(west) };
  return await Mesh.start({ bundlePath: inject("bundlePath"), directory, bindings });
}
let mesh = await startMesh(OLD);

const CODES = ["AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken"] as const;
const REQUESTS = [
  ["source", "HeadObject"],
  ["source", "GetObject"],
  ["destination", "CreateMultipartUpload"],
  ["destination", "UploadPart"],
  ["destination", "ListParts"],
  ["destination", "CompleteMultipartUpload"],
  ["destination", "HeadObject"],
  ["destination", "PutObject"],
] as const satisfies readonly (readonly [string, Operation])[];

const scenes = REQUESTS.flatMap(
  ([side, operation]) =>
    CODES.map((code) => ({ side, operation, code, key: `${code} at ${operation} of the ${side}` })),
  // May list no parts: then it is done without the list.
).filter(({ operation, code }) => !(operation === "ListParts" && code === "AccessDenied"));
type Scene = (typeof scenes)[number];

const ids = new Map<string, string>();
const cancelledIds = new Map<string, string>();

/** The request of a scene, made with the old secret. */
function isRefused({ operation }: Scene, { headers, partNumber, ...request }: RequestRecord): boolean {
  if (headers["authorization"]?.includes(OLD.accessKeyId) !== true) return false;
  const range = headers["range"];
  switch (operation) {
    // An answer to HEAD has no body; the reason is asked for by a GET of one byte.
    case "HeadObject":
      return (
        request.operation === "HeadObject" || (request.operation === "GetObject" && range === "bytes=0-0")
      );
    case "GetObject":
      return request.operation === operation && range?.startsWith("bytes=0-") === false;
    case "UploadPart":
      return request.operation === operation && partNumber === 2;
    default:
      return request.operation === operation;
  }
}

const storeOf = ({ side }: Scene) => (side === "source" ? east : west);

/** Starts a copy whose credentials are refused at one request once the other part, if any, is through. */
async function startCopy(scene: Scene, key: string): Promise<string> {
  const { operation, code } = scene;
  east.putGenerated("source", key, { size: operation === "PutObject" ? 1000 : PART + 1, seed: key });
  const where = (request: RequestRecord) => isRefused(scene, request);
  storeOf(scene).fault({ key, where }, { kind: "answer", code });
  const destination = `west:destination/${key}`;
  return await mesh.startCopy({
    source: `east:source/${key}`,
    destination,
    partSize: PART,
    concurrency: 1,
    verify: "off",
  });
}

const blocked = new Map<string, Status>();
const cancelKey = ({ operation, side }: Scene) => `cancelled, blocked at ${operation} of the ${side}`;
const cancelledId = ({ operation, side }: Scene) => cancelledIds.get(operation + side) ?? "";
const cancelScenes = scenes.filter(({ code }) => code === "InvalidAccessKeyId");
const DONE = new Set(["blocked", "completed", "failed", "cancelled"]);

beforeAll(async () => {
  await Promise.all([
    ...scenes.map(async (scene) => ids.set(scene.key, await startCopy(scene, scene.key))),
    ...cancelScenes.map(async (scene) =>
      cancelledIds.set(scene.operation + scene.side, await startCopy(scene, cancelKey(scene))),
    ),
  ]);
  for (const [key, id] of ids) blocked.set(key, await mesh.until(id, ({ phase }) => DONE.has(phase)));
  for (const scene of cancelScenes) {
    const id = cancelledId(scene);
    await mesh.until(id, ({ phase }) => DONE.has(phase));
    await mesh.call("POST", `/copies/${id}/cancel`);
    // An abort is checked by ListParts: with the old secret it goes on until the mesh stops.
    if (scene.operation !== "ListParts") await mesh.ended(id);
  }
  await mesh.stop();
  mesh = await startMesh(NEW);
  await Promise.all([...ids.values()].map((id) => mesh.call("POST", `/copies/${id}/resume`)));
}, 120_000);

afterAll(async () => {
  await mesh.stop();
  for (const store of Object.values(stores)) {
    await store.waitFor(() => store.openRequests().length === 0);
    expect(store.failures).toEqual([]);
    expect(store.uploads()).toEqual([]);
    await store.stop();
  }
  rmSync(directory, { recursive: true, force: true });
});

const worked = (operation: Operation, key: string) =>
  west.requests({ operation, key }).filter(({ workedAt }) => workedAt !== undefined).length;

test.for(scenes)("$key blocks the copy, which goes on with the new secret and all it had", async (scene) => {
  const { key, side, operation, code } = scene;
  const waiting = blocked.get(key);
  const denied = code === "AccessDenied" ? "access_denied" : "credentials_refused";
  expect(waiting).toMatchObject({
    phase: "blocked",
    failure: { code: `${side}_${denied}`, storeCode: code },
  });
  // The answer will not change by itself, so it is not asked for again and again.
  const asked = storeOf(scene)
    .requests({ key })
    .filter((request) => isRefused(scene, request));
  expect(asked.length).toBeLessThanOrEqual(operation === "HeadObject" ? 3 : 1);

  const status = await mesh.ended(ids.get(key) ?? "");
  expect({ phase: status.phase, failure: status.failure }).toEqual({
    phase: "completed",
    failure: undefined,
  });
  expect(west.bytes("destination", key).equals(east.bytes("source", key))).toBe(true);
  expect(worked("CreateMultipartUpload", key)).toBe(operation === "PutObject" ? 0 : 1);
  expect(worked("UploadPart", key)).toBe(operation === "PutObject" ? 0 : 2);
});

test.for(cancelScenes)(
  "cancelled while blocked at $operation of the $side: nothing is left behind, and the status says what became of it",
  async (scene) => {
    const { operation, side } = scene;
    const key = cancelKey(scene);
    const status = await mesh.ended(cancelledId(scene));
    if (operation === "HeadObject" && side === "destination") {
      // The object is there: what cannot be done any more is to prove it.
      expect(status).toMatchObject({
        phase: "failed",
        failure: { message: expect.stringContaining("complete but not verified") as unknown },
      });
      expect(west.bytes("destination", key).equals(east.bytes("source", key))).toBe(true);
    } else {
      expect(status.phase).toBe("cancelled");
      expect(west.get("destination", key)).toBeUndefined();
    }
    expect(west.uploads().filter((upload) => upload.key === key)).toEqual([]);
  },
);

test("a copy that may not list its parts is completed without the list", async () => {
  const key = "unlisted";
  east.putGenerated("source", key, { size: PART + 1, seed: key });
  west.fault({ operation: "ListParts", key }, { kind: "answer", code: "AccessDenied" });
  const destination = `west:destination/${key}`;
  const status = await mesh.copy({ source: `east:source/${key}`, destination, partSize: PART });
  expect(status.phase).toBe("completed");
  expect(worked("UploadPart", key)).toBe(2);
});

test("no status of such a copy holds a secret", async () => {
  const answers = await Promise.all(
    [...ids.values()].map(async (id) => (await mesh.call("GET", `/copies/${id}`)).text),
  );
  for (const text of answers) expect(text).not.toContain("-secret");
});
