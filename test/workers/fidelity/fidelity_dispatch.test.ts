// How a request is signed and sent: with the store's clock, the bucket's region, the configured host and no
// other.

import type { IncomingMessage } from "node:http";
import { gzipSync } from "node:zlib";
import { beforeEach, expect, test } from "vitest";
import type { EdgeOptions } from "../../edge/edge.ts";
import { type Status, storeSecret } from "../../mesh/mesh.ts";
import { type RequestRecord, generatedBytes } from "../../store/store.ts";
import { expectSameBytes, memoryDirectory, partsTaken, toLoopback } from "./fidelity.ts";
import { PART, openWorld } from "../world.ts";

const HOUR_MS = 3_600_000;
const directory = memoryDirectory();
let lateByMs = 0;
/** Answers in a store's place. */
let intercept: NonNullable<EdgeOptions["intercept"]>;

const {
  mesh,
  stores: {
    east,
    west,
    early,
    late,
    guest,
    abroad,
    astray,
    hosted,
    paid,
    unpaid,
    google,
    bare,
    hopeful,
    cluster,
  },
} = await openWorld(
  {
    east: { buckets: ["source"] },
    west: { buckets: ["destination"] },
    early: { buckets: ["source", "destination"], clock: () => Date.now() - HOUR_MS },
    late: { buckets: ["source", "destination"], clock: () => Date.now() + lateByMs },
    guest: {
      buckets: ["source", "destination"],
      credentials: { accessKeyId: "guest", secretAccessKey: "secret", sessionToken: "token/with+symbols==" },
    },
    abroad: {},
    astray: {},
    hosted: { buckets: ["source", "destination"], style: "virtual" },
    paid: {},
    unpaid: {},
    google: { buckets: ["source", "destination"] },
    cluster: {
      buckets: ["source", "destination"],
      baseHosts: ["s3.cluster.localhost", "node7.cluster.localhost"],
    },
    bare: { buckets: ["source", "destination"], without: ["checksums"] },
    hopeful: { buckets: ["source", "destination"], without: ["checksums"] },
  },
  (stores) => {
    for (const store of [stores.abroad, stores.astray]) {
      store.createBucket("source", { region: "eu-central-1" });
      store.createBucket("destination", { region: "sa-east-1" });
    }
    for (const store of [stores.paid, stores.unpaid]) store.createBucket("source", { requesterPays: true });
    return {
      directory,
      edge: { resolve: toLoopback, intercept: (url, incoming) => intercept(url, incoming) },
      bindings: {
        STORE_CLUSTERED: storeSecret(stores.cluster, {
          endpoint: `http://s3.cluster.localhost:${stores.cluster.port}`,
        }),
      },
      storeFields: {
        astray: { region: "ap-south-1" },
        paid: { requesterPays: true },
        google: { provider: "gcs" },
        hopeful: { profile: { checksumMode: true, checksums: ["crc64nvme"] } },
      },
    };
  },
);

beforeEach(() => {
  intercept = () => null;
  mesh.edge.forget();
});

const hostsAsked = () => new Set(mesh.edge.records.map(({ url }) => new URL(url).host));

const request = (key: string, from: string, to: string) => ({
  source: `${from}:source/${key}`,
  destination: `${to}:destination/${key}`,
  partSize: PART,
});

const SIZES = [
  ["one PutObject", 1000],
  ["a multipart upload", 2 * PART + 1],
] as const;

test.for(SIZES)("a store whose clock is an hour behind is read and written (%s)", async ([key, size]) => {
  early.putGenerated("source", key, { size, computeEtag: true });
  expect(await mesh.copy(request(key, "early", "west"))).toMatchObject({ phase: "completed" });
  east.putGenerated("source", key, { size, computeEtag: true });
  expect(await mesh.copy(request(key, "east", "early"))).toMatchObject({ phase: "completed" });
  expectSameBytes(east, early, key);
});

test("a store whose clock jumps by an hour while parts run costs refused requests, no more", async () => {
  lateByMs = 0;
  late.putGenerated("source", "jump", { size: 5 * PART, seed: "jump" });
  const jump = { kind: "run", stage: "before-answer", action: () => void (lateByMs = HOUR_MS) } as const;
  late.fault({ operation: "GetObject" }, jump, { after: 1, times: 1 });
  const status = await mesh.copy({ ...request("jump", "late", "late"), via: "stream", concurrency: 1 });
  expect(status).toMatchObject({ phase: "completed" });
  expectSameBytes(late, late, "jump");
  expect(
    late.requests().filter(({ errorCode }) => errorCode === "RequestTimeTooSkewed").length,
  ).toBeGreaterThan(0);
});

test("a session token is sent and signed on every request", async () => {
  guest.putGenerated("source", "token", { size: PART + 1 });
  const status = await mesh.copy({ ...request("token", "guest", "guest"), via: "stream" });
  expect(status).toMatchObject({ phase: "completed" });
  const tokens = new Set(guest.requests().map(({ headers }) => headers["x-amz-security-token"]));
  expect(tokens).toEqual(new Set(["token/with+symbols=="]));
});

test("a session token that dies mid-copy keeps the parts, and the next one finishes the copy", async () => {
  const { credentials } = guest;
  east.putGenerated("source", "dies", { size: 5 * PART });
  const expire = () => guest.setCredentials({ ...credentials, expiresAt: 0 });
  const match = { operation: "UploadPart", partNumber: 3 } as const;
  guest.fault(match, { kind: "run", stage: "before-answer", action: expire }, { times: 1 });
  const id = await mesh.startCopy({ ...request("dies", "east", "guest"), concurrency: 1 });
  const blocked = await mesh.until(id, ({ phase }) => phase === "blocked");
  expect(blocked).toMatchObject({
    parts: { done: 3 },
    failure: { code: "destination_credentials_refused", storeCode: "ExpiredToken" },
  });
  guest.setCredentials(credentials);
  await mesh.call("POST", `/copies/${id}/resume`);
  expect(await mesh.ended(id)).toMatchObject({ phase: "completed" });
  expect(partsTaken(guest)).toEqual([1, 2, 3, 4, 5]);
  expectSameBytes(east, guest, "dies");
});

test.for([
  ["a 301 that only names the region in a header", "abroad"],
  ["a 400 AuthorizationHeaderMalformed", "astray"],
] as const)("a bucket's region is learned from %s, for reading and writing", async ([, name]) => {
  const store = name === "abroad" ? abroad : astray;
  for (const [key, size] of SIZES) {
    store.putGenerated("source", key, { size, computeEtag: true });
    const status = await mesh.copy({ ...request(key, name, name), via: "stream" });
    expect(status.phase).toBe("completed");
    expectSameBytes(store, store, key);
  }
  // Once per bucket and isolate, not on every request: a HEAD, its reason by GET, and the first write.
  const refused = store.requests().filter(({ status }) => status === 301 || status === 400);
  expect(refused.length).toBeLessThanOrEqual(6);
});

const scopeOf = ({ headers }: IncomingMessage) =>
  /Credential=[^/]*\/\d+\/([^/]+)/.exec(headers.authorization ?? "")?.[1];

test("a bucket's region is learned from a 307, whose host is never asked", async () => {
  abroad.createBucket("moved", { region: "eu-west-1" });
  abroad.put("moved", "k", "moved");
  intercept = ({ pathname }, incoming) =>
    pathname.startsWith("/moved/") && scopeOf(incoming) !== "eu-west-1"
      ? {
          status: 307,
          headers: { location: "http://elsewhere.localhost/moved/k", "x-amz-bucket-region": "eu-west-1" },
        }
      : null;
  const status = await mesh.copy({ source: "abroad:moved/k", destination: "west:destination/moved" });
  expect(status).toMatchObject({ phase: "completed" });
  expect(hostsAsked()).toEqual(new Set([abroad, west].map(({ port }) => `127.0.0.1:${port}`)));
});

test.for(SIZES)(
  "a 307 to another host of the same service is followed there, signed anew (%s)",
  async ([key, size]) => {
    const { port } = cluster;
    cluster.putGenerated("source", key, { size, computeEtag: true });
    const node = `node7.cluster.localhost:${port}`;
    intercept = ({ host, pathname }, { method = "" }) =>
      host === `s3.cluster.localhost:${port}` && method !== "GET" && method !== "HEAD"
        ? { status: 307, headers: { location: `http://${node}${pathname}` } }
        : null;
    const status = await mesh.copy({ ...request(key, "clustered", "clustered"), via: "stream" });
    expect(status.failure).toBeUndefined();
    expect(status).toMatchObject({ phase: "completed" });
    expectSameBytes(cluster, cluster, key);
    expect(hostsAsked()).toContain(node);
  },
);

test.for([301, 302, 303, 307, 308])(
  "a %i is never followed, and no other host sees our signature",
  async (code) => {
    for (const side of ["source", "destination"] as const) {
      east.put("source", "redirected", "r");
      const port = side === "source" ? east.port : west.port;
      intercept = ({ host }) =>
        host === `127.0.0.1:${port}`
          ? { status: code, headers: { location: "http://elsewhere.localhost:1/source/redirected" } }
          : null;
      const status = await mesh.copy(request("redirected", "east", "west"));
      expect(status.phase).toBe("failed");
      const ours = [east, west].map((store) => `127.0.0.1:${store.port}`);
      expect([...hostsAsked()].filter((host) => !ours.includes(host))).toEqual([]);
    }
  },
);

test("a 301 that tells no region fails at once and says what to set", async () => {
  intercept = () => ({ status: 301 });
  const status = await mesh.copy(request("nowhere", "east", "west"));
  expect(status).toMatchObject({ phase: "failed" });
  expect(status.failure?.message).toContain(`set the bucket's region for store "east"`);
});

test("a store that takes no path style is told from a refusal: set its style", async () => {
  hosted.put("source", "style", "s");
  const status = await mesh.copy(request("style", "hosted", "west"));
  expect(status).toMatchObject({ phase: "blocked", failure: { storeCode: "SecondLevelDomainForbidden" } });
  await mesh.cancel(status.id);
  expect(status.failure?.message).toContain('set "style": "virtual" for store "hosted"');
});

test("where the requester pays, every source request says so", async () => {
  for (const [key, size] of SIZES) {
    for (const store of [paid, unpaid]) {
      store.putGenerated("source", key, {
        size,
        computeEtag: true,
        parts: PART,
        tags: [{ key: "a", value: "1" }],
      });
    }
    expect(await mesh.copy({ ...request(key, "paid", "west"), partSize: undefined })).toMatchObject({
      phase: "completed",
      warnings: [],
    });
    const refused = await mesh.copy(request(key, "unpaid", "west"));
    expect(refused).toMatchObject({ phase: "blocked", failure: { code: "source_access_denied" } });
    await mesh.cancel(refused.id);
  }
  const operations = new Set(paid.requests().map(({ operation }) => operation));
  expect(operations).toEqual(new Set(["HeadObject", "GetObjectTagging", "GetObject"]));
  expect(new Set(paid.requests().map(({ headers }) => headers["x-amz-request-payer"]))).toEqual(
    new Set(["requester"]),
  );
});

const EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

const hasNoBody = ({ operation }: RequestRecord) =>
  operation !== "UploadPart" && operation !== "CompleteMultipartUpload";

test("every request declares its payload: a hash where the bytes are held, unsigned where they stream", async () => {
  east.putGenerated("source", "declared", { size: PART + 1 });
  await mesh.copy(request("declared", "east", "west"));
  west.fault({ operation: "CompleteMultipartUpload" }, { kind: "answer", code: "InvalidRequest" });
  await mesh.copy(request("declared", "east", "west"));
  const declared = (filter: (record: RequestRecord) => boolean) =>
    new Set(
      [...east.requests(), ...west.requests()]
        .filter(filter)
        .map(({ headers }) => headers["x-amz-content-sha256"]),
    );
  expect(declared(({ operation }) => operation === "UploadPart")).toEqual(new Set(["UNSIGNED-PAYLOAD"]));
  const [complete, ...others] = declared(({ operation }) => operation === "CompleteMultipartUpload");
  expect(complete).toMatch(/^[0-9a-f]{64}$/);
  expect([...others, complete]).not.toContain(EMPTY);
  expect(declared(hasNoBody)).toEqual(new Set([EMPTY]));
  expect(new Set(west.requests().map(({ operation }) => operation))).toContain("AbortMultipartUpload");
});

test("a front end that rewrites Accept-Encoding breaks no signature, and is asked for gzip as it is stored", async () => {
  google.fault({}, { kind: "rewrite-accept-encoding" });
  const bytes = gzipSync(generatedBytes("gcs", 0, PART + 1), { level: 0 });
  google.put("source", "gcs", bytes, { headers: { "content-encoding": "gzip" } });
  const status = await mesh.copy({ ...request("gcs", "google", "google"), via: "stream" });
  expect(status).toMatchObject({ phase: "completed" });
  expectSameBytes(google, google, "gcs");
  const reads = mesh.edge.records.filter(({ method }) => method === "GET" || method === "HEAD");
  const codings = reads.filter(({ url }) => !url.includes("?")).map(({ acceptEncoding }) => acceptEncoding);
  expect(new Set(codings)).toEqual(new Set(["gzip"]));
  const signed = google
    .requests()
    .map(({ headers }) => /SignedHeaders=([^,]*)/.exec(headers["authorization"] ?? "")?.[1]);
  expect(signed.filter((names) => names?.includes("accept-encoding"))).toEqual([]);
});

const asksForChecksum = ({ headers }: RequestRecord) =>
  Object.keys(headers).some((name) => name.startsWith("x-amz-checksum"));

test.for([
  ["is known not to take them", "bare", 0],
  ["is thought to take them", "hopeful", 1],
] as const)(
  "a store that refuses every x-amz-checksum header is read and written where it %s",
  async ([, name, tries]) => {
    const store = name === "bare" ? bare : hopeful;
    const rule = store.fault({ where: asksForChecksum }, { kind: "answer", code: "NotImplemented" });
    const ended: Status[] = [];
    for (const [key, size] of SIZES) {
      store.putGenerated("source", key, { size, computeEtag: true });
      ended.push(await mesh.copy({ ...request(key, name, name), via: "stream" }));
      expectSameBytes(store, store, key);
    }
    expect(ended.map(({ phase }) => phase)).toEqual(["completed", "completed"]);
    // Coordinator and part copiers may run in isolates of their own, each of which learns it for itself.
    expect(rule.hits).toBeLessThanOrEqual(tries * 2);
  },
);
