// What a person looks at first: what needs them, what runs, what comes next; and nothing that their token may
// not see.

import { expect, test } from "vitest";
import { READ_TOKEN, digestOfToken, storeSecret } from "../../mesh/mesh.ts";
import { PART, openWorld } from "../world.ts";

const EAST_TOKEN = "a-token-of-those-who-see-films-only";
const sha256 = digestOfToken(EAST_TOKEN);
const places = { source: ["east:films"], destination: ["west:films"] };

const {
  mesh,
  stores: { east, west },
} = await openWorld(
  { east: { buckets: ["photos", "films"] }, west: { buckets: ["backup", "films"] } },
  (stores) => ({
    bindings: {
      STORE_TYPO: storeSecret(stores.west, { endpoint: "s3.example.com" }),
      API_TOKENS: JSON.stringify([{ name: "films", sha256, may: ["read", "start"], ...places }]),
    },
  }),
);

type Work = { code: string; count: number; store: string; phase: string; kind: string };

const overview = async (token?: string) =>
  (
    await mesh.call("GET", "/overview", {
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    })
  ).body as {
    needsYou: {
      count: number;
      work: Work[];
      stores: { name: string }[];
      schedules: { name: string }[];
      replications: { name: string; source: string; destination: string }[];
    };
    running: { count: number; work: { id: string; kind: string; bytes: unknown }[] };
    nextRuns: { name: string }[];
  };

const copy = async (bucket: string, key: string) =>
  await mesh.copy({
    source: `east:${bucket}/${key}`,
    destination: `west:${bucket === "films" ? "films" : "backup"}/${key}`,
  });

test("what needs a person is told by reason and store, and only to who may see it", async () => {
  for (const key of ["a", "b"]) {
    east.put("photos", key, key);
    east.fault({ operation: ["HeadObject", "GetObject"], key }, { kind: "answer", code: "AccessDenied" });
  }
  await copy("photos", "a");
  const { id } = await copy("photos", "b");
  await copy("films", "missing");
  const whole = await overview();
  expect(whole.needsYou.work).toEqual([
    expect.objectContaining({
      kind: "copy",
      phase: "blocked",
      code: "source_access_denied",
      store: "east",
      count: 2,
      newest: { id, source: "east:photos/b", destination: "west:backup/b" },
    }),
    expect.objectContaining({ phase: "failed", code: "source_not_found", store: "east", count: 1 }),
  ]);
  expect(whole.needsYou.stores.map(({ name }) => name)).toEqual(["typo"]);
  expect(whole.needsYou.count).toBe(4);
  const films = await overview(EAST_TOKEN);
  expect(films.needsYou.work.map(({ code }) => code)).toEqual(["source_not_found"]);
  expect(films.needsYou).toMatchObject({ count: 1, stores: [], webhooks: null });
});

test("what runs has its size and how far it is, and a list finds it by text, store and schedule", async () => {
  east.putGenerated("photos", "Long-Name.MOV", { size: 3 * PART });
  const gate = west.hold({ operation: "UploadPart" });
  const id = await mesh.startCopy({
    source: "east:photos/Long-Name.MOV",
    destination: "west:backup/x",
    partSize: PART,
  });
  await west.waitFor(() => gate.waiting.length > 0);
  await expect
    .poll(async () => (await overview()).running.work)
    .toMatchObject([{ id, kind: "copy", bytes: { done: 0, total: 3 * PART } }]);
  const found = async (query: string) =>
    ((await mesh.call("GET", `/copies?${query}`)).body["copies"] as { id: string }[]).map((row) => row.id);
  expect(await found("q=long-name")).toEqual([id]);
  expect(await found("q=long-name&store=WEST")).toEqual([id]);
  expect(await found("q=long-name&store=elsewhere")).toEqual([]);
  expect(await found("q=long-name&schedule=nightly")).toEqual([]);
  expect((await found("store=east&limit=2")).length).toBe(2);
  gate.release();
  await mesh.ended(id);
  const { body } = await mesh.call("GET", `/copies/${id}/rates`);
  expect(body["samples"]).not.toEqual([]);
  expect((await overview()).running.count).toBe(0);
});

test("the next runs, the next times of an expression, and who is asking", async () => {
  const work = { source: "east:photos/a", destination: "west:backup/a" };
  await mesh.call("PUT", "/schedules/nightly", { body: { cron: "0 3 * * *", copy: work } });
  await mesh.call("PUT", "/schedules/off", { body: { cron: "0 3 * * *", copy: work, enabled: false } });
  expect((await overview()).nextRuns.map(({ name }) => name)).toEqual(["nightly"]);
  expect((await overview(EAST_TOKEN)).nextRuns).toEqual([]);
  const { body } = await mesh.call("GET", "/cron?expression=0+3+*+*+*&timezone=Europe/Berlin");
  expect((body["next"] as string[]).length).toBe(3);
  const refused = await mesh.call("GET", "/cron?expression=0+3+*+*+9");
  expect([refused.status, refused.body["detail"]]).toEqual([
    400,
    expect.stringContaining('"expression" has "9"'),
  ]);
  const me = async (token: string) =>
    (await mesh.call("GET", "/me", { headers: { authorization: `Bearer ${token}` } })).body;
  expect(await me(EAST_TOKEN)).toEqual({ name: "films", grants: [{ may: ["read", "start"], ...places }] });
  expect((await me(READ_TOKEN))["grants"]).toEqual([{ may: ["read"], source: null, destination: null }]);
});

test("a replication that waits for a person is told to who may see it", async () => {
  const body = { source: "east:nowhere/", destination: "west:backup/kept/" };
  expect((await mesh.call("PUT", "/replications/stuck", { body })).status).toBe(201);
  const blocked = async () => (await overview()).needsYou.replications;
  await expect.poll(blocked).toEqual([{ name: "stuck", ...body }]);
  expect((await overview(EAST_TOKEN)).needsYou.replications).toEqual([]);
});
