// Stores that are not to be trusted: they repeat what they were told, answer in the mesh's own words, and say
// more than anybody wants to read. Every answer and every line of the log of this file is searched for the
// secrets and for signatures (mesh.ts).

import { afterAll, expect, test } from "vitest";
import { Clock } from "../../mesh/clock.ts";
import { READ_TOKEN, type Status, storeSecret } from "../../mesh/mesh.ts";
import { FORGED, startEchoStore } from "../../store/echo.ts";
import { MIB, openWorld } from "../world.ts";

/** The smallest part that a store takes of which the mesh knows nothing. */
const PART = 5 * MIB;

const KEY = Buffer.alloc(32, 7).toString("base64");
const SECRET = {
  region: "us-east-1",
  accessKeyId: "AKIAECHOED0123456789",
  secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYzECHOEDKEY",
  sessionToken: "IQoJb3JpZ2luX2Vj//////////wEaCXVzLWVhc3QtMSJHMEUCIQD=",
  encryption: { kind: "customer", key: KEY },
};
const echo = await startEchoStore();
afterAll(() => echo.stop());
const values = [SECRET.accessKeyId, SECRET.secretAccessKey, SECRET.sessionToken, KEY];
echo.tell([...values, ...values.map(encodeURIComponent)]);

const {
  mesh,
  stores: { east, west },
} = await openWorld(
  { east: { buckets: ["source"] }, west: { buckets: ["destination"] } },
  (stores) => ({
    bindings: {
      STORE_EVIL: JSON.stringify({ endpoint: echo.endpoint, ...SECRET }),
      // The same service by another name, so that it is asked to copy by itself.
      STORE_TWIN: JSON.stringify({ endpoint: echo.endpoint, ...SECRET, encryption: undefined }),
      STORE_SEALED: storeSecret(stores.west, { encryption: SECRET.encryption }),
    },
  }),
  Clock.fast(),
);

const viewer = { authorization: `Bearer ${READ_TOKEN}`, "user-agent": "curl/8.9" };

/** Everything that can be read of a copy or sync; each answer is searched. */
async function readAll(kind: "copies" | "syncs", id: string): Promise<string> {
  const paths = [
    `/${kind}/${id}`,
    `/${kind}/${id}/progress`,
    `/${kind}/${id}/progress?plain`,
    `/${kind}/${id}/events`,
  ];
  paths.push(kind === "copies" ? `/copies/${id}/parts` : `/syncs/${id}/report`, `/${kind}`, "/metrics");
  const texts: string[] = [];
  for (const path of paths) texts.push((await mesh.call("GET", path, { headers: viewer })).text);
  return texts.join("\n");
}

/** The copy when it has failed once at least, and all that can be read of it then and in the end. */
async function refused(request: Record<string, unknown>): Promise<Status> {
  const id = await mesh.startCopy(request);
  await mesh.until(id, ({ timeline }) => timeline.some(({ event }) => /failed|blocked/.test(event)));
  const status = await mesh.status(id);
  // Only one that rests has an end to its events.
  await mesh.cancel(id);
  await readAll("copies", id);
  return status;
}

test.for<[what: string, request: Record<string, unknown>]>([
  ["a source that refuses", { source: "evil:refuse/a", destination: "west:destination/a" }],
  ["a destination that refuses", { source: "east:source/small", destination: "evil:refuse/a" }],
  [
    "a destination that refuses an upload",
    { source: "east:source/large", destination: "evil:refuse/a", partSize: PART },
  ],
  ["a source whose answers are none", { source: "evil:inside/a", destination: "west:destination/a" }],
  [
    "a destination that refuses inside a 200",
    { source: "east:source/large", destination: "evil:inside/a", partSize: PART },
  ],
  ["a service that copies inside, and refuses", { source: "evil:inside/a", destination: "twin:inside/b" }],
  ["a destination whose ETag is a secret", { source: "east:source/small", destination: "evil:ids/a" }],
  [
    "a destination whose upload is a secret",
    { source: "east:source/large", destination: "evil:ids/b", partSize: PART },
  ],
])("%s repeats everything, and none of it is told", async ([, request]) => {
  east.put("source", "small", "0123456789");
  east.putGenerated("source", "large", { size: PART + 1 });
  const before = echo.asked.length;
  const status = await refused(request);
  expect(echo.asked.length).toBeGreaterThan(before);
  expect(JSON.stringify(status)).toMatch(/failed|blocked/);
});

test("of a prefix that such a store lists or is to take, neither report nor status tells a secret", async () => {
  east.put("source", "small", "0123456789");
  for (const request of [
    { source: "evil:lists/", destination: "west:destination/listed/" },
    { source: "evil:lists/", destination: "west:destination/listed/", dryRun: true },
    { source: "east:source/", destination: "evil:refuse/" },
    { source: "evil:refuse/", destination: "west:destination/x/" },
  ]) {
    const id = await mesh.startSync(request);
    await mesh.syncEnded(id);
    await mesh.call("POST", `/syncs/${id}/cancel`);
    await mesh.syncEnded(id);
    await readAll("syncs", id);
  }
});

test.for(["refuse", "inside", "ids", "lists"])(
  "a check of %s tells none either, as JSON and as a table",
  async (bucket) => {
    for (const as of ["source", "destination"])
      for (const accept of ["application/json", "text/plain"]) {
        const { status } = await mesh.call("POST", "/stores/evil/check", {
          body: { bucket, as },
          headers: { accept },
        });
        expect(status).toBe(200);
      }
  },
);

test.for([
  "cancelled",
  "platform_limit",
  "source_made_up",
  "source_archived",
  "store_misconfigured",
  "copy_blocked",
  "constructor",
  "__proto__",
  "network",
])("a store that answers %s has said nothing: it is a refusal by its status", async (code) => {
  east.putGenerated("source", "five", { size: PART - 1 });
  const before = echo.asked.length;
  const bucket = code === "__proto__" ? "x__proto__" : code;
  const status = await mesh.copy({ source: "east:source/five", destination: `evil:${bucket}/x` });
  expect(status).toMatchObject({
    phase: "blocked",
    failure: { code: "destination_access_denied", storeCode: "http_403", status: 403 },
  });
  expect(echo.asked.slice(before).filter((asked) => asked.startsWith("PUT")).length).toBeLessThan(4);
  expect((await mesh.cancel(status.id)).phase).toBe("cancelled");
  expect((await mesh.call("GET", "/metrics")).text).not.toContain("made_up");
});

test("a store's words are one line, in which nothing is a command to a terminal", async () => {
  const status = await mesh.copy({ source: "east:source/small", destination: "evil:escape/x" });
  expect(status.failure?.message).toContain(String.raw`\u001b]0;owned\u0007\u001b[31mx completed: 10 B`);
  const { text: json } = await mesh.call("GET", `/copies/${status.id}`);
  const { text: events } = await mesh.call("GET", `/copies/${status.id}/events`);
  const { text: plain } = await mesh.call("GET", `/copies/${status.id}/progress?plain`, { headers: viewer });
  for (const text of [json, events, plain, mesh.logged.join("\n")]) {
    expect(text).not.toContain(FORGED.slice(0, 5));
    expect(text).not.toMatch(/(?!\n)[\p{Cc}\u202a-\u202e]/u);
  }
  expect(plain.split("\n").filter((line) => line.startsWith("completed"))).toEqual([]);
  await mesh.cancel(status.id);
});

test("a store's words are bounded", async () => {
  const status = await mesh.copy({ source: "east:source/small", destination: "evil:long/x" });
  expect(status.failure?.message.length).toBeLessThan(1_000);
  expect(status.failure?.requestId?.length).toBeLessThan(140);
  expect((await mesh.call("GET", `/copies/${status.id}`)).text.length).toBeLessThan(8_000);
  expect(mesh.logged.every((line) => line.length < 4_000)).toBe(true);
  await mesh.cancel(status.id);
});

test("an answer without end is read to its bound, and a packed one is not unpacked", async () => {
  const fat = await mesh.startCopy({ source: "evil:fat/a", destination: "twin:fat/b" });
  await mesh.until(fat, ({ timeline }) => timeline.some(({ detail }) => /16777216 bytes/.test(detail ?? "")));
  await mesh.cancel(fat);
  expect(echo.poured()).toBeLessThan(200 * 2 ** 20);
  const zipped = await mesh.startSync({
    source: "evil:zipped/",
    destination: "west:destination/zipped/",
    dryRun: true,
  });
  await mesh.untilSync(zipped, ({ timeline }) => timeline.some(({ event }) => event === "step_failed"));
  await mesh.call("POST", `/syncs/${zipped}/cancel`);
  expect(await mesh.syncEnded(zipped)).toMatchObject({ phase: "cancelled", objects: { listed: 0 } });
});

test("a page of more keys than were asked for is read", async () => {
  const status = await mesh.sync({
    source: "evil:many/",
    destination: "west:destination/many/",
    dryRun: true,
  });
  expect(status).toMatchObject({ phase: "completed", objects: { listed: 20_000, wouldCopy: 20_000 } });
});

test("a store that asks for three years is a reason to ask a person", async () => {
  const status = await mesh.copy({ source: "evil:later/a", destination: "west:destination/later" });
  expect(status).toMatchObject({ phase: "blocked" });
  expect(JSON.stringify(status.failure)).toMatch(/99999999 s|1157 days|Retry-After/);
  expect((await mesh.cancel(status.id)).phase).toBe("cancelled");
});

test("a store's clock of another age is believed by nobody", async () => {
  const skewed = await mesh.startCopy({ source: "evil:skewed/a", destination: "west:destination/skewed" });
  const { timeline } = await mesh.until(skewed, (status) =>
    status.timeline.some(({ event }) => /failed/.test(event)),
  );
  expect(JSON.stringify(timeline)).not.toContain("Invalid time value");
  await mesh.cancel(skewed);
  const next = await mesh.copy({ source: "evil:latin/a", destination: "west:destination/after" });
  expect(next.phase).toBe("completed");
});

test("a header of the source that is not UTF-8 is a loss that is named, and fails a copy that may lose nothing", async () => {
  const request = { source: "evil:latin/a", destination: "west:destination/latin" };
  const status = await mesh.copy(request);
  expect(status.warnings.join()).toContain("The source's content-language is not UTF-8");
  expect(west.bytes("destination", "latin").toString()).toBe("0123456789");
  const strict = await mesh.copy({ ...request, ifLossy: "fail" });
  expect(strict).toMatchObject({ phase: "failed", failure: { code: "attribute_lost" } });
});

test("a key whose name runs backwards or commands a terminal is shown escaped, and copied under its own name", async () => {
  const key = "in\u009b2J/\u202egpj.exe";
  east.put("source", key, "E");
  const object = (store: string, bucket: string) => ({ store, bucket, key });
  const status = await mesh.copy({
    source: object("east", "source"),
    destination: object("west", "destination"),
  });
  expect(status.phase).toBe("completed");
  expect(west.bytes("destination", key).toString()).toBe("E");
  expect((await mesh.call("GET", `/copies/${status.id}`)).text).not.toMatch(/[\u009b\u202e]/);
  expect(status.destination).toBe(`west:destination/${key}`);
  east.delete("source", key);
});
