// What scripts use: results as the status of an answer, text instead of JSON, many at once, and forgetting.

import { expect, test } from "vitest";
import { READ_TOKEN } from "../../mesh/mesh.ts";
import { PART, openWorld } from "../world.ts";

const {
  mesh,
  stores: { east, west },
} = await openWorld({ east: { buckets: ["source"] }, west: { buckets: ["destination"] } });

const request = (key: string) => ({ source: `east:source/${key}`, destination: `west:destination/${key}` });
const text = { accept: "text/plain" };
const ofKind = { copies: "copies", syncs: "syncs" } as const;
const resultOf = async (kind: keyof typeof ofKind, id: string, query = "?wait=50") => {
  const { status, body, headers } = await mesh.call("GET", `/${kind}/${id}/result${query}`);
  return { status, body, code: body["code"], retryAfter: headers.get("retry-after") };
};

/** A copy whose parts do not end before its gate is released. */
async function held(key: string): Promise<{ id: string; gate: ReturnType<typeof west.hold> }> {
  east.put("source", key, Buffer.alloc(2 * PART));
  const gate = west.hold({ operation: "UploadPart", key });
  const id = await mesh.startCopy({ ...request(key), partSize: PART });
  await west.waitFor(() => gate.waiting.length === 2);
  return { id, gate };
}

/** A copy that the destination refuses until the fault is cleared. */
async function blocked(key: string): Promise<string> {
  east.put("source", key, key);
  west.fault({ operation: "PutObject", key }, { kind: "answer", code: "AccessDenied" });
  const status = await mesh.copy(request(key));
  expect(status.phase).toBe("blocked");
  return status.id;
}

test("a result is 504 with Retry-After while the copy runs, 200 when it is done", async () => {
  const { id, gate } = await held("runs");
  expect(await resultOf("copies", id, "")).toMatchObject({
    status: 504,
    code: "work_goes_on",
    retryAfter: "5",
  });
  expect(await resultOf("copies", id, "?wait=1")).toMatchObject({ status: 504, retryAfter: "1" });
  expect(await resultOf("copies", id, "?wait=301")).toMatchObject({ status: 400, code: "invalid_request" });
  const waiting = resultOf("copies", id);
  gate.release();
  expect(await waiting).toMatchObject({ status: 200, body: { id, phase: "completed" } });
  const lines = await mesh.call("GET", `/copies/${id}/result`, { headers: text });
  expect([lines.status, lines.text]).toEqual([
    200,
    expect.stringMatching(/^completed: \d+ MiB in .*proof \S+\n$/),
  ]);
});

test("a result is 422 with the failure when the copy has failed or was cancelled, 404 for none", async () => {
  const failed = await mesh.copy(request("absent"));
  expect(await resultOf("copies", failed.id)).toMatchObject({
    status: 422,
    code: "work_failed",
    body: { id: failed.id, phase: "failed", failure: { code: "source_not_found" } },
  });
  const { id, gate } = await held("cancelled");
  await mesh.call("POST", `/copies/${id}/cancel`);
  gate.release();
  expect(await resultOf("copies", id)).toMatchObject({ status: 422, code: "work_cancelled" });
  expect(await resultOf("copies", "0000000000000000000000000x")).toMatchObject({ code: "copy_not_found" });
});

test("a result is 409 at once when the work waits for a person, be it blocked or paused meanwhile", async () => {
  const id = await blocked("locked");
  expect(await resultOf("copies", id)).toMatchObject({
    status: 409,
    code: "work_blocked",
    body: { failure: { code: "destination_access_denied" } },
  });
  west.clearFaults();
  await mesh.cancel(id);
  const { id: large, gate } = await held("large");
  const waiting = resultOf("copies", large);
  await mesh.call("POST", `/copies/${large}/pause`);
  expect(await waiting).toMatchObject({ status: 409, code: "work_paused" });
  gate.release();
  await mesh.call("POST", `/copies/${large}/resume`);
  expect(await resultOf("copies", large)).toMatchObject({ status: 200 });
});

test("a sync that could not copy a key is 422, one that could is 200", async () => {
  for (const key of ["s/a", "s/b"]) east.put("source", key, key);
  west.fault({ operation: "PutObject", key: "s/b" }, { kind: "answer", status: 400, code: "Odd" });
  const sync = { source: "east:source/s/", destination: "west:destination/s/" };
  const id = await mesh.startSync(sync);
  expect(await resultOf("syncs", id)).toMatchObject({
    status: 422,
    code: "work_finished_with_errors",
    body: { phase: "finished_with_errors" },
  });
  west.clearFaults();
  await mesh.call("POST", `/syncs/${id}/retry`);
  expect(await resultOf("syncs", id)).toMatchObject({ status: 200, body: { phase: "completed" } });
});

test("as text a POST is the bare id, a list is a table, a status is lines; problems stay problems", async () => {
  east.put("source", "texts", "T");
  const started = await mesh.call("POST", "/copies", { body: request("texts"), headers: text });
  const id = started.text.trimEnd();
  expect([started.status, started.text]).toEqual([202, `${id}\n`]);
  expect(started.headers.get("location")).toBe(`/copies/${id}`);
  await mesh.ended(id);
  const list = await mesh.call("GET", "/copies?limit=1", { headers: text });
  const [head = "", row = ""] = list.text.split("\n");
  expect(row.split(/ +/).slice(0, 4)).toEqual([
    id,
    "completed",
    "east:source/texts",
    "west:destination/texts",
  ]);
  for (const word of ["PHASE", "SOURCE"]) expect(row.charAt(head.indexOf(word) - 1)).toBe(" ");
  expect(list.headers.get("link")).toBe(`</copies?limit=1&cursor=${id}>; rel="next"`);
  const status = await mesh.call("GET", `/copies/${id}`, { headers: text });
  expect(status.text).toMatch(/^\[#{16}\] 100% .*completed\ncompleted: 1 B/);
  await mesh.call("PUT", "/schedules/yearly", { body: { cron: "0 3 1 1 *", copy: request("texts") } });
  const schedules = await mesh.call("GET", "/schedules", { headers: text });
  expect(schedules.text).toMatch(/^NAME .*\nyearly  true {5}0 3 1 1 \* /);
  for (const path of ["/audit", "/notifications", "/syncs"])
    expect((await mesh.call("GET", path, { headers: text })).text).toMatch(/^[A-Z]+ .*\n/);
  const run = await mesh.call("POST", "/schedules/yearly/run", { headers: text });
  expect(await resultOf("copies", run.text.trimEnd())).toMatchObject({ status: 200 });
  const wrong = await mesh.call("POST", "/copies", { body: {}, headers: text });
  expect([wrong.status, wrong.body["code"]]).toEqual([400, "invalid_request"]);
});

test("all that a store has blocked are resumed in one call, page by page, and what was not is named", async () => {
  const ids = [await blocked("many-1"), await blocked("many-2"), await blocked("many-3")];
  const { id: runs, gate } = await held("many-runs");
  west.clearFaults();
  const steer = async (call: string) =>
    (await mesh.call<Record<"changed" | "unchanged", string[]> & { next: string | null }>("POST", call)).body;
  expect(await steer("/copies/resume?store=east&phase=failed&limit=1")).toMatchObject({ changed: [] });
  expect(await steer("/copies/resume?store=north")).toMatchObject({ changed: [], next: null });
  const first = await steer("/copies/resume?phase=blocked&store=west&limit=2");
  expect(first).toEqual({ changed: [ids[2], ids[1]], unchanged: [], failed: [], next: expect.any(String) });
  const rest = await steer(`/copies/resume?phase=blocked&store=west&limit=2&cursor=${first.next}`);
  expect([rest.changed, rest.next]).toEqual([[ids[0]], null]);
  for (const id of ids) expect(await resultOf("copies", id)).toMatchObject({ status: 200 });
  expect(await steer("/copies/resume?phase=completed&limit=3")).toMatchObject({ changed: [] });
  const table = await mesh.call("POST", "/copies/cancel?store=WEST", { headers: text });
  expect(table.text).toBe(`ID${" ".repeat(26)}OUTCOME  DETAIL\n${runs}  changed  -\n`);
  gate.release();
  expect(await resultOf("copies", runs)).toMatchObject({ code: "work_cancelled" });
});

test("many syncs are paused, resumed and cancelled as copies are", async () => {
  for (const key of ["held/a", "held/b"]) east.put("source", key, key);
  const gate = west.hold({ operation: "PutObject", key: "held/a" });
  const id = await mesh.startSync({ source: "east:source/held/", destination: "west:destination/held/" });
  await west.waitFor(() => gate.waiting.length === 1);
  const steer = async (verb: string) => (await mesh.call("POST", `/syncs/${verb}?store=west`)).body;
  const changed = { changed: [id], unchanged: [], failed: [], next: null };
  expect(await steer("pause")).toEqual(changed);
  // The list has the phase as soon as the sync has reported it.
  await expect.poll(async () => (await mesh.call("GET", "/syncs?phase=paused")).text).toContain(id);
  for (const verb of ["resume", "cancel"]) expect(await steer(verb)).toEqual(changed);
  gate.release();
  expect(await resultOf("syncs", id)).toMatchObject({ code: "work_cancelled" });
});

test("many are never meant by mistake, and who may only read steers none", async () => {
  for (const kind of ["copies", "syncs"]) {
    const all = await mesh.call("POST", `/${kind}/cancel`);
    expect([all.status, all.body["detail"]]).toEqual([400, expect.stringContaining(`cancel all ${kind}`)]);
    const wrong = await mesh.call("POST", `/${kind}/cancel?phase=stuck`);
    expect([wrong.status, wrong.body["code"]]).toEqual([400, "invalid_request"]);
    const headers = { authorization: `Bearer ${READ_TOKEN}` };
    expect((await mesh.call("POST", `/${kind}/cancel?phase=active`, { headers })).status).toBe(403);
  }
});

test("what has ended is forgotten for good, with its report; what runs is not", async () => {
  const { id, gate } = await held("forgotten");
  const forget = async (path: string) => {
    const { status, body } = await mesh.call("DELETE", path);
    return [status, body["code"]];
  };
  expect(await forget(`/copies/${id}`)).toEqual([409, "work_running"]);
  gate.release();
  await mesh.ended(id);
  expect(await forget(`/copies/${id}`)).toEqual([204, undefined]);
  expect(await forget(`/copies/${id}`)).toEqual([404, "copy_not_found"]);
  for (const path of [`/copies/${id}`, `/copies/${id}/result`])
    expect((await mesh.call("GET", path)).body["code"]).toBe("copy_not_found");
  expect(west.bytes("destination", "forgotten").length).toBe(2 * PART);
  const sync = await mesh.sync({
    source: "east:source/s/",
    destination: "west:destination/s/",
    dryRun: true,
  });
  expect(await forget(`/syncs/${sync.id}`)).toEqual([204, undefined]);
  expect((await mesh.call("GET", `/syncs/${sync.id}/report`)).body["code"]).toBe("sync_not_found");
});
