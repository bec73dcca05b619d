import { expect, inject, test } from "vitest";
import { type Answer, Mesh, READ_TOKEN, type Status, TOKEN } from "../../mesh/mesh.ts";
import { PART, openWorld } from "../world.ts";

const {
  mesh,
  stores: { east, west },
} = await openWorld({ east: { buckets: ["source"] }, west: { buckets: ["destination"] } });

const ID = /^[0-7][0-9a-hjkmnp-tv-z]{25}$/;
const request = (key: string) => ({ source: `east:source/${key}`, destination: `west:destination/${key}` });

interface Page {
  readonly copies: readonly { readonly id: string; readonly phase: string; readonly source: string }[];
  readonly next: string | null;
}

test("POST /copies answers 202 with the status and its Location at once", async () => {
  east.put("source", "a", "A");
  const gate = east.hold({ operation: "HeadObject" });
  const answer = await mesh.call<Status>("POST", "/copies", { body: request("a") });
  expect(answer.status).toBe(202);
  expect(answer.body.id).toMatch(ID);
  expect(answer.headers.get("location")).toBe(`/copies/${answer.body.id}`);
  expect(answer.body.phase).toBe("sizing");
  gate.release();
  expect(await mesh.ended(answer.body.id)).toMatchObject({ phase: "completed" });
});

test("POST /copies takes a form as curl -d sends it", async () => {
  east.put("source", "form", "F");
  const answer = await mesh.call<Status>("POST", "/copies", {
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: "source=east:source/form&destination=west:destination/form%20copy&partSize=5MiB&lanes=2&concurrency=7",
  });
  expect(answer.body).toMatchObject({ lanes: 2, concurrency: 7 });
  expect(await mesh.ended(answer.body.id)).toMatchObject({ phase: "completed" });
  expect(west.bytes("destination", "form copy").toString()).toBe("F");
});

test("POST /copies takes JSON that curl -d has called a form", async () => {
  east.put("source", "json as form", "J");
  const answer = await mesh.call<Status>("POST", "/copies", {
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: `\n ${JSON.stringify(request("json as form"))}`,
  });
  expect(await mesh.ended(answer.body.id)).toMatchObject({ phase: "completed" });
});

test("POST /copies takes keys that do not fit a string as objects", async () => {
  east.put("source", "x\n/y", "N");
  const answer = await mesh.call<Status>("POST", "/copies", {
    body: {
      source: { store: "east", bucket: "source", key: "x\n/y" },
      destination: { store: "west", bucket: "destination", key: "//x" },
    },
  });
  expect(await mesh.ended(answer.body.id)).toMatchObject({ phase: "completed" });
  expect(west.bytes("destination", "//x").toString()).toBe("N");
});

test("answers end with a newline, problems and successes alike", async () => {
  const answers = [
    await mesh.call("GET", "/copies"),
    await mesh.call("GET", "/copies/nothing"),
    await mesh.call("GET", "/stores"),
    await mesh.call("GET", "/healthz", { headers: { authorization: "" } }),
    await mesh.call("GET", "/", { headers: { authorization: "" } }),
  ];
  expect(answers.map(({ text }) => text.at(-1))).toEqual(answers.map(() => "\n"));
  expect(answers.map(({ status }) => status)).toEqual([200, 404, 200, 200, 200]);
});

test("a problem has the shape of RFC 9457 with a code, and is not cached", async () => {
  const answer = await mesh.call("GET", "/copies/nothing");
  expect(answer.headers.get("content-type")).toBe("application/problem+json");
  expect(answer.headers.get("cache-control")).toBe("no-store");
  expect(answer.body).toEqual({
    type: "/docs/api#code-copy_not_found",
    title: "Not Found",
    status: 404,
    code: "copy_not_found",
    detail: 'There is no copy "nothing"',
  });
});

test.for<[string, Record<string, string>, string, number, string]>([
  ["no token", { authorization: "" }, "GET", 401, "token_missing"],
  ["a token of another scheme", { authorization: `Basic ${TOKEN}` }, "GET", 401, "token_missing"],
  ["a wrong token", { authorization: `Bearer ${TOKEN}x` }, "GET", 401, "token_wrong"],
  ["a wrong token of equal length", { authorization: "Bearer test-tokem" }, "GET", 401, "token_wrong"],
  [
    "the reading token for a write",
    { authorization: `Bearer ${READ_TOKEN}` },
    "POST",
    403,
    "token_read_only",
  ],
])("%s is refused", async ([, headers, method, status, code]) => {
  const answer = await mesh.call(method, "/copies", { headers });
  expect([answer.status, answer.body["code"]]).toEqual([status, code]);
  expect(answer.headers.has("www-authenticate")).toBe(status === 401);
  expect(answer.text).not.toContain(TOKEN);
});

test("the reading token reads", async () => {
  const answer = await mesh.call<Page>("GET", "/copies", {
    headers: { authorization: `bearer  ${READ_TOKEN}` },
  });
  expect(answer.status).toBe(200);
});

test("without API_TOKEN every API route answers 503 and says so, whatever the token", async () => {
  const closed = await Mesh.start({ bundlePath: inject("bundlePath"), bindings: { API_TOKEN: null } });
  try {
    for (const path of ["/copies", "/stores", "/schedules", "/nothing"]) {
      const answer = await closed.call("GET", path, { headers: { authorization: `Bearer ${READ_TOKEN}` } });
      expect([path, answer.status, answer.body["code"]]).toEqual([path, 503, "api_token_unset"]);
    }
    expect((await closed.call("GET", "/healthz")).status).toBe(200);
    const stores = await closed.call("GET", "/stores", { headers: { authorization: "Bearer " } });
    expect(stores.status).toBe(503);
  } finally {
    await closed.stop();
  }
});

test("GET /copies pages newest first, each copy once", async () => {
  east.put("source", "paged", "P");
  const ids: string[] = [];
  for (let n = 0; n < 5; n++)
    ids.push(await mesh.startCopy({ ...request("paged"), destination: `west:destination/${n}` }));
  await Promise.all(ids.map((id) => mesh.ended(id)));
  const seen: string[] = [];
  let cursor: string | null = null;
  do {
    const query: string = cursor === null ? "?limit=2" : `?limit=2&cursor=${cursor}`;
    const page: Answer<Page> = await mesh.call<Page>("GET", `/copies${query}`);
    expect(page.body.copies.length).toBeLessThanOrEqual(2);
    seen.push(...page.body.copies.map(({ id }) => id));
    cursor = page.body.next;
  } while (cursor !== null);
  expect(seen.slice(0, 5)).toEqual(ids.toReversed());
  expect(new Set(seen).size).toBe(seen.length);
});

test("GET /copies?phase= shows the copies of that phase", async () => {
  east.put("source", "phase", "P");
  const done = await mesh.startCopy(request("phase"));
  const lost = await mesh.startCopy(request("no such key"));
  await Promise.all([mesh.ended(done), mesh.ended(lost)]);
  const idsOf = async (phase: string) =>
    (await mesh.call<Page>("GET", `/copies?phase=${phase}`)).body.copies.map(({ id }) => id);
  await expect.poll(() => idsOf("failed")).toContain(lost);
  await expect.poll(() => idsOf("completed")).toContain(done);
  expect(await idsOf("completed")).not.toContain(lost);
  expect(await idsOf("paused")).toEqual([]);
});

test("GET /copies takes several phases, and names for what is active and what needs a person", async () => {
  east.put("source", "phases", "P");
  const done = await mesh.startCopy(request("phases"));
  const lost = await mesh.startCopy(request("not one of these"));
  const gate = west.hold({ operation: "PutObject", key: "phases too" });
  const running = await mesh.startCopy({ ...request("phases"), destination: "west:destination/phases too" });
  await west.waitFor(() => gate.waiting.length === 1);
  await Promise.all([mesh.ended(done), mesh.ended(lost)]);
  const rows = async (query: string) => {
    const { copies } = (await mesh.call<Page>("GET", `/copies?${query}`)).body;
    return [done, lost, running].filter((id) => copies.some((row) => row.id === id));
  };
  await expect.poll(() => rows("phase=failed&phase=completed")).toEqual([done, lost]);
  expect(await rows("phase=active")).toEqual([running]);
  expect(await rows("phase=attention")).toEqual([lost]);
  expect(await rows("phase=active&phase=completed")).toEqual([done, running]);
  gate.release();
  await mesh.ended(running);
});

test("pause, resume and cancel say when they had no effect", async () => {
  east.put("source", "steered", "S");
  const gate = west.hold({ operation: "PutObject", key: "steered" });
  const id = await mesh.startCopy(request("steered"));
  await west.waitFor(() => gate.waiting.length === 1);
  const changed = async (verb: string) =>
    (await mesh.call<{ changed: boolean }>("POST", `/copies/${id}/${verb}`)).body.changed;
  expect([await changed("pause"), await changed("pause"), await changed("resume")]).toEqual([
    true,
    false,
    true,
  ]);
  gate.release();
  await mesh.ended(id);
  expect([await changed("pause"), await changed("resume"), await changed("cancel")]).toEqual([
    false,
    false,
    false,
  ]);
  expect((await mesh.status(id)).phase).toBe("completed");
});

test("POST /copies/{id}/retry starts a failed copy again as a new one, with the same options", async () => {
  const first = await mesh.copy({ ...request("late"), lanes: 3, storageClass: "STANDARD_IA" });
  expect(first.phase).toBe("failed");
  east.put("source", "late", "L");
  const again = async () =>
    await mesh.call<Status>("POST", `/copies/${first.id}/retry`, { headers: { "idempotency-key": "again" } });
  const answer = await again();
  expect([answer.status, answer.headers.get("location")]).toEqual([202, `/copies/${answer.body.id}`]);
  expect(answer.body.id).not.toBe(first.id);
  expect(await mesh.ended(answer.body.id)).toMatchObject({
    phase: "completed",
    lanes: 3,
    options: { storageClass: "STANDARD_IA" },
  });
  expect((await again()).body.id).toBe(answer.body.id);
  const done = await mesh.call("POST", `/copies/${answer.body.id}/retry`);
  expect([done.status, done.body["code"]]).toEqual([409, "nothing_to_retry"]);
  for (const id of ["nothing", "0000000000000000000000000x"])
    expect((await mesh.call("POST", `/copies/${id}/retry`)).body["code"]).toBe("copy_not_found");
});

test("a copy to a folder goes into it, under its own name", async () => {
  east.put("source", "reports/2026/q3.csv", "Q");
  const status = await mesh.copy({
    source: "EAST:source/reports/2026/q3.csv",
    destination: "west:destination/in/",
  });
  expect(status).toMatchObject({ phase: "completed", destination: "west:destination/in/q3.csv" });
  expect(west.bytes("destination", "in/q3.csv").toString()).toBe("Q");
});

test.for<[path: string, detail: string]>([
  ["/copies?limit=0", '"limit" must be a whole number from 1 to 500, not "0"'],
  ["/copies?limit=501", '"limit" must be a whole number from 1 to 500, not "501"'],
  ["/copies?limit=ten", '"limit" must be a whole number from 1 to 500, not "ten"'],
  ["/copies?cursor=yesterday", '"cursor" must be the "next" of an earlier page, not "yesterday"'],
])("GET %s is refused", async ([path, detail]) => {
  const answer = await mesh.call("GET", path);
  expect([answer.status, answer.body["code"], answer.body["detail"]]).toEqual([
    400,
    "invalid_request",
    detail,
  ]);
});

test("an Idempotency-Key with the same body is the same copy, however often and however fast it comes", async () => {
  east.put("source", "idem", "I");
  const send = () =>
    mesh.call<Status>("POST", "/copies", { body: request("idem"), headers: { "idempotency-key": "once" } });
  const answers = await Promise.all(Array.from({ length: 8 }, send));
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 202));
  expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
  expect(answers.filter(({ headers }) => headers.get("idempotency-replayed") === "true")).toHaveLength(7);
  const id = answers[0]?.body.id ?? "";
  await mesh.ended(id);
  const again = await send();
  expect(again.body).toMatchObject({ id, phase: "completed" });
  expect(again.headers.get("location")).toBe(`/copies/${id}`);
  expect(west.requests({ operation: "PutObject", key: "idem" })).toHaveLength(1);
});

test("an Idempotency-Key means the same request as JSON and as a form", async () => {
  east.put("source", "idem-form", "I");
  const headers = { "idempotency-key": "two-spellings" };
  const json = await mesh.call<Status>("POST", "/copies", { body: request("idem-form"), headers });
  const form = await mesh.call<Status>("POST", "/copies", {
    body: "source=east:source/idem-form&destination=west:destination/idem-form",
    headers: { ...headers, "content-type": "application/x-www-form-urlencoded" },
  });
  expect(form.body.id).toBe(json.body.id);
  await mesh.ended(json.body.id);
});

test("an Idempotency-Key with another body is refused", async () => {
  east.put("source", "idem-2", "I");
  const headers = { "idempotency-key": "reused" };
  const first = await mesh.call<Status>("POST", "/copies", { body: request("idem-2"), headers });
  const other = await mesh.call("POST", "/copies", { body: { ...request("idem-2"), lanes: 1 }, headers });
  expect([other.status, other.body["code"]]).toEqual([422, "idempotency_key_reused"]);
  await mesh.ended(first.body.id);
});

test("every other POST is done once under its Idempotency-Key, and answered the same", async () => {
  east.put("source", "kept", "K");
  const { id } = await mesh.copy(request("kept"));
  const steer = async (verb: string, key: string) =>
    await mesh.call("POST", `/copies/${id}/${verb}`, { headers: { "idempotency-key": key } });
  const [first, second] = [await steer("cancel", "steer-1"), await steer("cancel", "steer-1")];
  expect([first.status, first.headers.get("idempotency-replayed")]).toEqual([200, null]);
  expect([second.status, second.headers.get("idempotency-replayed")]).toEqual([200, "true"]);
  expect(second.text).toBe(first.text);
  expect(await steer("pause", "steer-1")).toMatchObject({
    status: 422,
    body: { code: "idempotency_key_reused" },
  });
  const check = async (body: Record<string, string>) =>
    await mesh.call("POST", "/stores/east/check", { body, headers: { "idempotency-key": "check-1" } });
  const refused = await check({ bucket: "NO/bucket" });
  expect(refused.status).toBe(400);
  const requestsBefore = east.journal.count();
  const checked = await check({ bucket: "source" });
  const requestsAfter = east.journal.count();
  const again = await check({ bucket: "source" });
  expect([checked.status, again.text]).toEqual([200, checked.text]);
  expect(requestsAfter).toBeGreaterThan(requestsBefore);
  expect(east.journal.count()).toBe(requestsAfter);
});

test("an Idempotency-Key with spaces or without end is refused", async () => {
  for (const key of ["a b", "x".repeat(256)]) {
    const answer = await mesh.call("POST", "/copies", {
      body: request("k"),
      headers: { "idempotency-key": key },
    });
    expect([answer.status, answer.body["code"]]).toEqual([400, "invalid_request"]);
  }
});

test("GET /copies/{id}?wait= answers when the copy ends, and when the time is over", async () => {
  east.put("source", "wait", "W");
  const gate = west.hold({ operation: "PutObject", key: "wait" });
  const id = await mesh.startCopy(request("wait"));
  await west.waitFor(() => gate.waiting.length === 1);
  expect((await mesh.call<Status>("GET", `/copies/${id}?wait=1`)).body.phase).toBe("uploading");
  const waiting = mesh.call<Status>("GET", `/copies/${id}?wait=50`);
  gate.release();
  expect((await waiting).body.phase).toBe("completed");
  expect((await mesh.call<Status>("GET", `/copies/${id}?wait=300`)).body.phase).toBe("completed");
});

test.for(["-1", "301", "soon", "1.5", ""])("GET /copies/{id}?wait=%s is refused", async (wait) => {
  east.put("source", "w", "W");
  const { id } = await mesh.copy(request("w"));
  const answer = await mesh.call("GET", `/copies/${id}?wait=${wait}`);
  expect([answer.status, answer.body["detail"]]).toEqual([
    400,
    `"wait" must be a whole number from 0 to 300, not "${wait}"`,
  ]);
});

test("GET /copies/{id}/parts pages through the part table without gap", async () => {
  east.putGenerated("source", "five", { size: 4 * PART + 1 });
  const { id } = await mesh.copy({ ...request("five"), partSize: PART });
  const seen: unknown[] = [];
  let next: string | null = "0";
  while (next !== null) {
    const page: Answer<{ parts: Record<string, unknown>[]; next: string | null }> = await mesh.call(
      "GET",
      `/copies/${id}/parts?limit=2&cursor=${next}`,
    );
    seen.push(
      ...page.body.parts.map((part) => [part["partNumber"], part["offset"], part["length"], part["state"]]),
    );
    next = page.body.next;
  }
  expect(seen).toEqual([
    [1, 0, PART, "done"],
    [2, PART, PART, "done"],
    [3, 2 * PART, PART, "done"],
    [4, 3 * PART, PART, "done"],
    [5, 4 * PART, 1, "done"],
  ]);
});

test("GET /copies/{id}/parts?limit=0 is refused: a page without parts would never end", async () => {
  east.putGenerated("source", "page0", { size: PART + 1 });
  const { id } = await mesh.copy({ ...request("page0"), partSize: PART });
  expect((await mesh.call("GET", `/copies/${id}/parts?limit=0`)).status).toBe(400);
});

test("pause, resume and cancel are idempotent", async () => {
  east.put("source", "verbs", "V");
  const gate = east.hold({ operation: "HeadObject", key: "verbs" });
  const id = await mesh.startCopy(request("verbs"));
  await east.waitFor(() => gate.waiting.length === 1);
  const phaseAfter = async (verb: string) => {
    const answer = await mesh.call<Status>("POST", `/copies/${id}/${verb}`);
    expect(answer.status).toBe(200);
    return answer.body.phase;
  };
  expect(await phaseAfter("resume")).toBe("sizing");
  expect(await phaseAfter("pause")).toBe("paused");
  expect(await phaseAfter("pause")).toBe("paused");
  expect(await phaseAfter("resume")).toBe("sizing");
  expect(await phaseAfter("cancel")).toBe("cancelled");
  expect(await phaseAfter("cancel")).toBe("cancelled");
  expect(await phaseAfter("resume")).toBe("cancelled");
  gate.release();
  expect(await mesh.ended(id)).toMatchObject({ phase: "cancelled" });
  expect(west.count()).toBe(0);
});

test("a completed copy stays completed whatever is asked of it", async () => {
  east.put("source", "done", "D");
  const { id } = await mesh.copy(request("done"));
  for (const verb of ["cancel", "pause", "resume"]) {
    expect((await mesh.call<Status>("POST", `/copies/${id}/${verb}`)).body.phase).toBe("completed");
  }
});

test("a copy that never was is not found", async () => {
  const id = "01jzzzzzzzzzzzzzzzzzzzzzzz";
  for (const [method, path] of [
    ["GET", ""],
    ["GET", "/parts"],
    ["POST", "/cancel"],
    ["POST", "/pause"],
  ]) {
    const answer = await mesh.call(String(method), `/copies/${id}${path}`);
    expect([answer.status, answer.body["code"]]).toEqual([404, "copy_not_found"]);
  }
});

test("an unknown route names itself", async () => {
  const answer = await mesh.call("PATCH", "/copys");
  expect([answer.status, answer.body["code"]]).toEqual([404, "no_such_route"]);
  expect(answer.body["detail"]).toBe("There is no PATCH /copys; GET / lists the routes");
});
