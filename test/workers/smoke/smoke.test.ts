// `npm run smoke` against meshes and stores in every state: it finds each difference, and leaves nothing,
// whatever happens.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Options, type StepName, readOptions, STEPS, UsageError } from "../../smoke/options.ts";
import { runSmoke } from "../../smoke/run.ts";
import { READ_TOKEN, storeSecret, TOKEN } from "../../mesh/mesh.ts";
import { openWorld } from "../world.ts";

const {
  mesh,
  stores: { east, west, opaque },
} = await openWorld({
  east: { buckets: ["source"] },
  west: { buckets: ["destination"] },
  // Its ETags prove nothing, so the mesh cannot notice what it does to bytes.
  opaque: { buckets: ["destination"], etags: "opaque", contentMd5: "ignored", without: ["checksums"] },
});

const ENV = {
  STORE_EAST: storeSecret(east),
  STORE_WEST: storeSecret(west),
  STORE_OPAQUE: storeSecret(opaque),
};

function options(steps: readonly StepName[], flags: Record<string, string> = {}): Options {
  const skip = STEPS.filter((step) => !steps.includes(step)).join(",");
  return readOptions(
    {
      mesh: mesh.url.origin,
      token: TOKEN,
      source: "east:source/in",
      destination: "west:destination",
      large: "16MiB",
      keys: "30",
      skip,
      ...flags,
    },
    ENV,
  );
}

const fireCron = async (at: Date) => await mesh.fireCron(at);

async function run(asked: Options, signal = new AbortController().signal) {
  const lines: string[] = [];
  const exitCode = await runSmoke(asked, { print: (line) => lines.push(line), signal, fireCron });
  const rows = lines.filter((line) => / (?:pass|FAIL|skip) /.test(line));
  return { exitCode, text: lines.join("\n"), failed: rows.filter((line) => / FAIL /.test(line)) };
}

function expectNothingLeft(): void {
  for (const [store, bucket] of [
    [east, "source"],
    [west, "destination"],
    [opaque, "destination"],
  ] as const) {
    expect(store.objects(bucket).map(({ key }) => key)).toEqual([]);
    expect(store.uploads()).toEqual([]);
  }
}

test("a good mesh between good stores passes every step and is left as it was", async () => {
  const { exitCode, text, failed } = await run(options(STEPS));
  expect(failed).toEqual([]);
  expect(exitCode).toBe(0);
  expect(text).toMatch(/copy: gzip-encoded, both ways +pass/);
  expect(text).toMatch(/copy: awkward keys +pass +[\d.]+ +10 objects/);
  expect(text).toMatch(/large, with digests +pass .* 40 lanes, proof part-md5/);
  expect(text).toMatch(/the same sync once more +pass +[\d.]+ +nothing was copied/);
  expect(text).toMatch(/cancel in mid-copy +pass .* no upload is left/);
  expect(text).toMatch(/cleaning up +pass +[\d.]+ +nothing is left/);
  expect(text).not.toContain(east.credentials.secretAccessKey);
  expectNothingLeft();
  expect((await mesh.call<{ schedules: unknown[] }>("GET", "/schedules")).body.schedules).toEqual([]);
}, 180_000);

test("a store that spoils a byte on its way in is found by reading back, where the mesh can prove nothing", async () => {
  opaque.fault(
    { operation: "UploadPart", key: /part-plus-1$/ },
    { kind: "flip", direction: "in", at: 0 },
    { times: 1 },
  );
  opaque.fault({ operation: "PutObject", key: /sync\/7\/00007/ }, { kind: "flip", direction: "in", at: 9 });
  const { exitCode, text, failed } = await run(
    options(["copies", "sync"], { destination: "opaque:destination" }),
  );
  expect(exitCode).toBe(1);
  expect(failed.length).toBe(2);
  expect(text).toMatch(/copy: part \+ 1 +FAIL .*"part-plus-1": byte \d+ is \d+ and was written as \d+/);
  expect(text).toMatch(/sync of 30 keys +FAIL .*1 of 30 differ\n +sync\/7\/00007\.jpg: byte 9 is/);
  expect(text).toMatch(/the same sync once more +skip/);
  expectNothingLeft();
});

test("a header that gets lost is a difference", async () => {
  west.fault(
    { operation: "GetObject", key: /scheduled\.txt$/ },
    { kind: "header", name: "Content-Type", value: undefined },
  );
  const { exitCode, failed } = await run(options(["schedule"]));
  expect(exitCode).toBe(1);
  expect(failed.join("\n")).toMatch(/^schedule +FAIL .*content-type is null, not "text\/x-smoke"$/);
  expectNothingLeft();
});

const describeStore = (name: string, { endpoint }: { endpoint: string }) => ({ name, ok: true, endpoint });

/** A mesh that says of every work that it is done, and does none. */
async function startLiar(): Promise<Server> {
  const server = createServer((request, response) => {
    const answer = (status: number, body: unknown) =>
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    let text = "";
    request.setEncoding("utf8").on("data", (piece: string) => (text += piece));
    request.on("end", () => {
      if (request.url === "/stores")
        answer(200, { stores: [describeStore("east", east), describeStore("west", west)] });
      else if (request.url === "/schedules") answer(200, { schedules: [] });
      else if (text === "{}") answer(400, { code: "invalid_request" });
      else if (request.method === "POST" && text !== "") answer(202, { id: "1" });
      else {
        const objects = { copied: 30, skipped: 0, failed: 0, listed: 30 };
        answer(200, { id: "1", phase: "completed", proof: "etag", objects, parts: { total: 4, done: 4 } });
      }
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

test("a mesh that says it is done and did nothing fails everything that is read back", async () => {
  const liar = await startLiar();
  try {
    const origin = `http://127.0.0.1:${(liar.address() as AddressInfo).port}`;
    const asked = options(["copies", "large", "sync", "cancel"], { mesh: origin });
    const { exitCode, text } = await run(asked);
    expect(exitCode).toBe(1);
    expect(text.split("\n").filter((line) => / pass /.test(line)).length).toBe(1); // cleaning up
    expect(text).toMatch(/large, with digests +FAIL .*404 NoSuchKey/);
  } finally {
    liar.closeAllConnections();
    liar.close();
  }
  expectNothingLeft();
});

test("a run that is stopped in mid-copy cancels what it has started and deletes what it has put", async () => {
  const held = west.hold({ operation: "UploadPart" });
  const stopped = new AbortController();
  const running = run(options(["large", "sync", "schedule"]), stopped.signal);
  await west.waitFor(() => held.waiting.length > 0);
  stopped.abort(new Error("Stopped by SIGINT"));
  const { exitCode, text } = await running;
  held.release();
  expect(exitCode).toBe(1);
  expect(text).toMatch(/\nStopped by SIGINT; cleaning up\n/);
  expect(text).toMatch(/cleaning up +pass +[\d.]+ +nothing is left/);
  expectNothingLeft();
  const { body } = await mesh.call<{ copies: { phase: string }[] }>("GET", "/copies?limit=1");
  expect(body.copies[0]?.phase).toBe("cancelled");
});

test("what cannot be deleted is told, and is a failure", async () => {
  west.fault({ operation: "DeleteObject", key: /scheduled\.txt$/ }, { kind: "answer", code: "AccessDenied" });
  const { exitCode, text } = await run(options(["schedule"]));
  expect(exitCode).toBe(1);
  expect(text).toMatch(
    /cleaning up +FAIL .*this is left, delete it by hand:\n +west:destination\/bucket-brigade-smoke-.*AccessDenied/,
  );
  for (const { key } of west.objects("destination")) west.delete("destination", key);
});

test("what a run has left that died is deleted a day later, and nothing else of that prefix", async () => {
  east.put("source", "in/bucket-brigade-smoke-20200101t000000z-0a0a0a/x", "old");
  east.put("source", "in/bucket-brigade-smoke-mine/x", "mine");
  east.put("source", "in/other", "other");
  await mesh.call("PUT", "/schedules/smoke-20200101t000000z-0a0a0a", {
    body: { cron: "0 0 1 1 *", copy: { source: "east:source/in/other", destination: "west:destination/x" } },
  });
  const { text } = await run(options(["schedule"]));
  expect(text).toMatch(/what old runs had left +pass +[\d.]+ +2 objects and schedules deleted/);
  expect(east.objects("source").map(({ key }) => key)).toEqual([
    "in/bucket-brigade-smoke-mine/x",
    "in/other",
  ]);
  for (const { key } of east.objects("source")) east.delete("source", key);
  expectNothingLeft();
});

/** The one line that is said when a run cannot begin. */
async function refusal(asked: Options): Promise<string> {
  const error: unknown = await run(asked).then(
    () => null,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(UsageError);
  const { message } = error as UsageError;
  expect(message).not.toContain("\n");
  return message;
}

test("a run that cannot begin says why in a line, and has put nothing anywhere", async () => {
  const asked = options(["copies"]);
  expect(await refusal({ ...asked, token: READ_TOKEN })).toMatch(
    /^This token may only read.*pass the one of API_TOKEN$/,
  );
  expect(await refusal({ ...asked, token: "guess" })).toMatch(/^The mesh does not know this token: pass/);
  expect(await refusal({ ...asked, mesh: new URL("http://127.0.0.1:9") })).toMatch(
    /^No mesh answers at http:\/\/127/,
  );
  expect(await refusal({ ...asked, mesh: new URL(west.endpoint) })).toMatch(
    /^The mesh cannot be used|is no mesh/,
  );
  const { store } = asked.source;
  const source = (change: Partial<typeof store>) => ({
    ...asked,
    source: { ...asked.source, store: { ...store, ...change } },
  });
  expect(await refusal(source({ name: "north" }))).toMatch(
    /^The mesh has no store "north", it has east, west, opaque: set the secret STORE_NORTH$/,
  );
  expect(await refusal(source({ endpoint: west.endpoint }))).toMatch(
    /^STORE_EAST is http.* here and http.* at the mesh/,
  );
  expect(await refusal(source({ secretAccessKey: "wrong" }))).toMatch(
    /^The source east:source cannot be listed with STORE_EAST \(.*403 SignatureDoesNotMatch.*\): set its credentials$/,
  );
  expectNothingLeft();
  expect(west.requests({ operation: "PutObject" })).toEqual([]);
});

const command = async (...args: readonly string[]) => {
  const child = spawn(process.execPath, [join(import.meta.dirname, "../../smoke/smoke.ts"), ...args]);
  let text = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (piece: string) => (text += piece));
  const [exitCode] = (await once(child, "close")) as [number];
  return { exitCode, text };
};

test("the command ends with 2 and one line when it is asked wrongly, and with 0 for its help", async () => {
  expect(await command("--mesh", "http://mesh.example", "--token", "t")).toEqual({
    exitCode: 2,
    text: "--mesh is http, and the token would be read on the way: use https://mesh.example\n",
  });
  expect((await command("--secrets", "/nowhere")).exitCode).toBe(2);
  expect(await command("--help")).toMatchObject({
    exitCode: 0,
    text: expect.stringContaining("npm run smoke") as string,
  });
});
