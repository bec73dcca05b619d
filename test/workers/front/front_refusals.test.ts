// What is asked wrongly, each with its answer: refused at the door with a problem that names the field, the
// value and what is allowed; or, where only the store can know, a failed copy with a stable code.

import { expect, test } from "vitest";
import { TOKEN, storeSecret } from "../../mesh/mesh.ts";
import { MIB, openWorld } from "../world.ts";

/** The smallest part of S3. */
const PART = 5 * MIB;

const {
  mesh,
  stores: { east, west },
} = await openWorld(
  { east: { buckets: ["source"] }, west: { buckets: ["destination"], minPartBytes: PART } },
  ({ east: source, west: destination }) => ({
    bindings: {
      STORE_TWIN: storeSecret(source, { endpoint: source.endpoint.replace("http://", "HTTP://") + "/" }),
      STORE_ARCHIVE: storeSecret(destination, { readOnly: true }),
      STORE_FENCED: storeSecret(destination, { buckets: ["alpha", "beta"] }),
      STORE_STRANGER: storeSecret(source, { accessKeyId: "AKIASTRANGER" }),
      STORE_FORGER: storeSecret(source, { secretAccessKey: "forged-secret" }),
      STORE_VIRTUAL: storeSecret(source, { endpoint: source.virtualEndpoint, style: "virtual" }),
      STORE_JUNK: '{"secretAccessKey": "junk-secret", ',
      STORE_TYPO: storeSecret(source, { secretAccesKey: "typo-secret" }),
      STORE_HALF: JSON.stringify({
        endpoint: "https://s3.example.com",
        region: "r",
        accessKeyId: "half-key",
      }),
      STORE_PATHY: storeSecret(source, { endpoint: "https://s3.example.com/bucket" }),
      STORE_QUERY: storeSecret(source, { endpoint: "https://s3.example.com?region=x" }),
      STORE_PLAIN: storeSecret(source, { endpoint: "http://s3.example.com" }),
      STORE_USER: storeSecret(source, { endpoint: "https://me:user-secret@s3.example.com" }),
      STORE_NOURL: storeSecret(source, { endpoint: "s3.example.com" }),
    },
  }),
);

const good = { source: "east:source/a", destination: "west:destination/a" };

interface Refusal {
  readonly name: string;
  readonly body: unknown;
  readonly headers?: Record<string, string>;
  readonly answer: readonly [number, string, string];
}

const FORM = { "content-type": "application/x-www-form-urlencoded" };
const CONFIGURED =
  "configured stores: archive, east, fenced, forger, half, junk, nourl, pathy, plain, query, stranger, twin, typo, user, " +
  'virtual, west (a store "x" is the secret STORE_X)';

const refusals: readonly Refusal[] = [
  {
    name: "an unknown store",
    body: { ...good, source: "north:source/a" },
    answer: [400, "unknown_store", `There is no store "north"; ${CONFIGURED}`],
  },
  {
    name: "an unknown store as destination",
    body: { ...good, destination: "constructor:source/a" },
    answer: [400, "unknown_store", `There is no store "constructor"; ${CONFIGURED}`],
  },
  {
    name: "a destination that is set readOnly",
    body: { ...good, destination: "archive:destination/a" },
    answer: [403, "store_read_only", 'Cannot copy to store "archive": it is set readOnly'],
  },
  {
    name: "a bucket that the store may not use",
    body: { ...good, destination: "fenced:gamma/a" },
    answer: [
      403,
      "bucket_not_allowed",
      '"destination": store "fenced" may not use bucket "gamma"; allowed are: alpha, beta',
    ],
  },
  {
    name: "one object as source and destination",
    body: { ...good, destination: "east:source/a" },
    answer: [
      400,
      "same_object",
      'Source and destination are the same object, east:source/a: nothing to copy. Name a "versionId" of the source to restore it, or set "metadata", "attributes", "tags" or "storageClass" to change them',
    ],
  },
  {
    name: "one object under two stores that spell one endpoint",
    body: { ...good, destination: "twin:source/a" },
    answer: [
      400,
      "same_object",
      'Source and destination are the same object, east:source/a: nothing to copy. Name a "versionId" of the source to restore it, or set "metadata", "attributes", "tags" or "storageClass" to change them',
    ],
  },
  {
    name: "a part size that is too small",
    body: { ...good, partSize: 5_000_000 },
    answer: [
      400,
      "part_size_too_small",
      "Cannot use parts of 5000000 bytes: the destination requires at least 5242880 bytes (5 MiB) in every part but the last",
    ],
  },
  {
    name: "a part size that is too large",
    body: { ...good, partSize: "96MiB" },
    answer: [
      400,
      "part_size_too_large",
      "Cannot use parts of 100663296 bytes: MAX_PART_MIB allows 99614720 bytes (95 MiB)",
    ],
  },
  {
    name: "a part size that is no number",
    body: { ...good, partSize: "many" },
    answer: [
      400,
      "invalid_request",
      '"partSize" must be bytes, or text with a unit such as "64MiB" (B, KiB, MiB, GiB, TiB; KB, MB, GB, TB are powers of 1,000), or "source", not "many"',
    ],
  },
  {
    name: "lanes that are no number",
    body: { ...good, lanes: "many" },
    answer: [400, "invalid_request", '"lanes" must be a whole number from 1 to 250, not "many"'],
  },
  {
    name: "too many lanes",
    body: { ...good, lanes: 251 },
    answer: [400, "invalid_request", '"lanes" must be a whole number from 1 to 250, not 251'],
  },
  {
    name: "no concurrency at all",
    body: { ...good, concurrency: 0 },
    answer: [400, "invalid_request", '"concurrency" must be a whole number from 1 to 1250, not 0'],
  },
  {
    name: "an unknown field",
    body: { ...good, partsize: PART },
    answer: [400, "invalid_request", 'Unknown field "partsize"'],
  },
  {
    name: "an unknown field of an object",
    body: { ...good, source: { store: "east", bucket: "source", key: "a", version: "1" } },
    answer: [400, "invalid_request", 'Unknown field "version" in "source"'],
  },
  {
    name: "a source without a key",
    body: { ...good, source: "east:source" },
    answer: [
      400,
      "invalid_request",
      '"source" must be "store:bucket/key" or {"store", "bucket", "key"}, not "east:source"',
    ],
  },
  {
    name: "a URL as source",
    body: { ...good, source: "https://s3.example.com/bucket/key" },
    answer: [
      400,
      "invalid_request",
      '"source" must be "store:bucket/key" or {"store", "bucket", "key"}, not "https://s3.example.com/bucket/key"',
    ],
  },
  {
    name: "no destination",
    body: { source: good.source },
    answer: [
      400,
      "invalid_request",
      '"destination" must be "store:bucket/key" or {"store", "bucket", "key", "versionId"?}',
    ],
  },
  {
    name: "a destination version",
    body: { ...good, destination: { store: "west", bucket: "destination", key: "a", versionId: "v1" } },
    answer: [400, "invalid_request", '"destination.versionId" cannot be chosen: the store assigns it'],
  },
  {
    name: "a bucket that is a path",
    body: { ...good, destination: { store: "west", bucket: "a/b", key: "a" } },
    answer: [
      400,
      "invalid_bucket",
      '"destination": "a/b" is not a bucket name (letters, digits, ".", "-" and "_")',
    ],
  },
  {
    name: "a bucket that climbs",
    body: { ...good, destination: { store: "west", bucket: "..", key: "a" } },
    answer: [
      400,
      "invalid_bucket",
      '"destination": ".." is not a bucket name (letters, digits, ".", "-" and "_")',
    ],
  },
  {
    name: "a key longer than S3 takes",
    body: { ...good, destination: `west:destination/${"é".repeat(513)}` },
    answer: [
      400,
      "invalid_key",
      '"destination": Cannot address a key of 1026 bytes: S3 keys have at most 1024 bytes of UTF-8',
    ],
  },
  {
    name: "a key of dots that a virtual-host URL cannot carry",
    body: { ...good, source: "virtual:source/.." },
    answer: [
      400,
      "invalid_key",
      '"source": Cannot address key ".." in bucket "source" in virtual style: a URL would name "/" instead; ' +
        "use path style",
    ],
  },
  {
    name: "a body that is not JSON",
    body: "source: east",
    answer: [400, "invalid_json", expect.stringMatching(/^The body is neither JSON nor a form: /) as string],
  },
  {
    name: "an empty body",
    body: "",
    headers: FORM,
    answer: [400, "invalid_json", expect.stringMatching(/^The body is neither JSON nor a form: /) as string],
  },
  {
    name: "JSON that is no object",
    body: "[]",
    headers: FORM,
    answer: [400, "invalid_request", "The body must be an object, not []"],
  },
  {
    name: "a form that gives a field twice",
    body: "source=east:source/a&source=east:source/b&destination=west:destination/a",
    headers: FORM,
    answer: [400, "invalid_request", 'The field "source" is given twice'],
  },
  {
    name: "a body of 2 MB",
    body: { ...good, padding: "x".repeat(2_000_000) },
    answer: [413, "body_too_large", "The body of this request may have at most 65536 bytes"],
  },
  {
    name: "a store whose secret is not JSON",
    body: { ...good, source: "junk:source/a" },
    answer: [
      503,
      "store_misconfigured",
      'Cannot use STORE_JUNK: it is not JSON; expected {"endpoint": …, "region": …, "accessKeyId": …, "secretAccessKey": …}',
    ],
  },
  {
    name: "a store whose secret has an unknown field",
    body: { ...good, source: "typo:source/a" },
    answer: [
      503,
      "store_misconfigured",
      expect.stringMatching(
        /^Cannot use STORE_TYPO: unknown field "secretAccesKey"; known are kind, endpoint, region, /,
      ) as string,
    ],
  },
  {
    name: "a store whose secret lacks a field",
    body: { ...good, source: "half:source/a" },
    answer: [
      503,
      "store_misconfigured",
      expect.stringMatching(/^Cannot use STORE_HALF: "secretAccessKey" is missing/) as string,
    ],
  },
  ...(["pathy", "query"] as const).map((name): Refusal => ({
    name: `a store whose endpoint has more than a host (${name})`,
    body: { ...good, source: `${name}:source/a` },
    answer: [
      503,
      "store_misconfigured",
      `Cannot use STORE_${name.toUpperCase()}: "endpoint" must be scheme, host and port alone: no path, query or ` +
        "fragment (buckets are named in requests)",
    ],
  })),
  {
    name: "a store whose endpoint is http and not loopback",
    body: { ...good, source: "plain:source/a" },
    answer: [
      503,
      "store_misconfigured",
      'Cannot use STORE_PLAIN: "endpoint" is http://, which is allowed for loopback hosts only: use https://, or set ' +
        '"allowInsecure": true',
    ],
  },
  {
    name: "a store whose endpoint holds a password",
    body: { ...good, source: "user:source/a" },
    answer: [
      503,
      "store_misconfigured",
      'Cannot use STORE_USER: "endpoint" must not contain a user name or password',
    ],
  },
  {
    name: "a store whose endpoint is no URL",
    body: { ...good, source: "nourl:source/a" },
    answer: [
      503,
      "store_misconfigured",
      'Cannot use STORE_NOURL: "endpoint" is not a URL; expected one like https://s3.eu-central-1.amazonaws.com',
    ],
  },
];

test.for(refusals)("POST /copies refuses $name", async ({ body, headers = {}, answer }) => {
  const given = await mesh.call("POST", "/copies", { body, headers });
  const { status, code, detail } = given.body;
  expect([status, code, detail]).toEqual(answer);
  expect(given.status).toBe(answer[0]);
  expect(given.headers.get("content-type")).toBe("application/problem+json");
  expect(east.count() + west.count()).toBe(0);
});

test.for<[string, string, string]>([
  [
    "GET",
    "/copies?state=failed",
    'Unknown query parameter "state"; GET /copies takes phase, orphans, sync, q, store, schedule, limit, cursor',
  ],
  ["POST", "/copies?wait=30", 'Unknown query parameter "wait"; POST /copies takes none'],
  ["GET", "/copies/x?parts", 'Unknown query parameter "parts"; GET /copies/:id takes wait, expires, sig'],
  ["GET", "/stores?__proto__=1", 'Unknown query parameter "__proto__"; GET /stores takes none'],
  ["GET", "/copies?limit=1&limit=2", 'The query parameter "limit" is given twice'],
  [
    "GET",
    "/syncs?phase=failed&phase=lost",
    '"phase" must be one of admitted, listing, copying, restoring, deleting, stopping, reporting, completed, finished_with_errors, failed, cancelled, paused, blocked, active, attention, not "lost"',
  ],
])("%s %s is refused: what is ignored would look obeyed", async ([method, path, detail]) => {
  const body = method === "POST" ? { body: good } : {};
  const answer = await mesh.call(method, path, body);
  expect([answer.status, answer.body["code"], answer.body["detail"]]).toEqual([
    400,
    "invalid_request",
    detail,
  ]);
});

test.for<[string, string, string]>([
  ["PUT", "/copies/0000000000000000000000000x", "DELETE, GET, HEAD"],
  ["PUT", "/copies", "POST, GET, HEAD"],
  ["POST", "/schedules", "GET, HEAD"],
  ["POST", "/schedules/x", "PUT, PATCH, GET, HEAD, DELETE"],
  ["GET", "/copies/x/pause", "POST"],
  ["PATCH", "/stores/east/check/", "POST, DELETE"],
])("%s %s is 405 and names what is allowed", async ([method, path, allow]) => {
  const answer = await mesh.call(method, path);
  expect([answer.status, answer.body["code"], answer.headers.get("allow")]).toEqual([
    405,
    "method_not_allowed",
    allow,
  ]);
});

test("what no route has stays 404, and a final slash makes no other address", async () => {
  expect((await mesh.call("GET", "/copys")).body["code"]).toBe("no_such_route");
  expect((await mesh.call("GET", "/copies/a/b/c")).body["code"]).toBe("no_such_route");
  for (const path of ["/copies/", "/syncs/", "/stores/", "/schedules/", "/healthz/"])
    expect((await mesh.call("GET", path)).status, path).toBe(200);
});

test("a request that is too large is refused without Content-Length as well", async () => {
  const response = await fetch(new URL("/copies", mesh.url), {
    method: "POST",
    headers: { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" },
    body: ReadableStream.from([new Uint8Array(40 * 1024).fill(0x20), new Uint8Array(40 * 1024).fill(0x20)]),
    duplex: "half",
  });
  expect(response.status).toBe(413);
});

test("GET /stores names what is wrong with a secret and shows none of it", async () => {
  const answer = await mesh.call<{ stores: { name: string; ok: boolean }[] }>("GET", "/stores");
  const bad = answer.body.stores.filter(({ ok }) => !ok).map(({ name }) => name);
  expect(bad.toSorted()).toEqual(["half", "junk", "nourl", "pathy", "plain", "query", "typo", "user"]);
  for (const secret of ["junk-secret", "typo-secret", "half-key", "user-secret", "forged-secret"]) {
    expect(answer.text).not.toContain(secret);
  }
  expect(answer.text).not.toContain(east.credentials.secretAccessKey);
  expect(answer.text).not.toContain(east.credentials.accessKeyId);
});

// What only the stores can know.

const denied = { kind: "answer", code: "AccessDenied" } as const;

interface Failing {
  readonly name: string;
  readonly body?: Record<string, unknown>;
  readonly fault?: () => void;
  readonly code: string;
  readonly storeCode: string;
}

const failing: readonly Failing[] = [
  {
    name: "a source object that is not there",
    body: { source: "east:source/missing" },
    code: "source_not_found",
    storeCode: "NoSuchKey",
  },
  {
    name: "a source bucket that is not there",
    body: { source: "east:elsewhere/a" },
    code: "source_bucket_not_found",
    storeCode: "NoSuchBucket",
  },
  {
    name: "a destination bucket that is not there",
    body: { destination: "west:elsewhere/a" },
    code: "destination_bucket_not_found",
    storeCode: "NoSuchBucket",
  },
  {
    name: "a source that may not be headed",
    fault: () => east.fault({ operation: ["HeadObject", "GetObject"] }, denied),
    code: "source_access_denied",
    storeCode: "AccessDenied",
  },
  {
    name: "a source that may be headed and not read",
    fault: () => east.fault({ operation: "GetObject" }, denied),
    code: "source_access_denied",
    storeCode: "AccessDenied",
  },
  {
    name: "a destination that may not be written",
    fault: () => west.fault({}, denied),
    code: "destination_access_denied",
    storeCode: "AccessDenied",
  },
  {
    name: "an access key that the store does not know",
    body: { source: "stranger:source/a" },
    code: "source_credentials_refused",
    storeCode: "InvalidAccessKeyId",
  },
  {
    name: "a secret key that is not the store's",
    body: { source: "forger:source/a" },
    code: "source_credentials_refused",
    storeCode: "SignatureDoesNotMatch",
  },
];

for (const [kind, size] of [
  ["whole", 1000],
  ["in parts", PART + 1],
] as const) {
  test.for(failing)(`a copy ${kind} stops for $name`, async ({ body = {}, fault, code, storeCode }) => {
    east.putGenerated("source", "a", { size });
    fault?.();
    const status = await mesh.copy({ ...good, partSize: PART, ...body });
    // What is not there is not there; a permission or a secret can be put right while the copy waits.
    expect(status.phase).toBe(code.endsWith("not_found") ? "failed" : "blocked");
    expect(status.failure).toMatchObject({ code, storeCode });
    expect(status.failure?.message).not.toContain("forged-secret");
    east.clearFaults();
    west.clearFaults();
    if (status.phase === "blocked") expect((await mesh.cancel(status.id)).phase).toBe("cancelled");
    expect(west.objects("destination")).toEqual([]);
  });
}

test("an object of more than 10,000 of the largest parts fails before an upload is created", async () => {
  east.putGenerated("source", "huge", { size: 10_000 * 95 * MIB + 1 });
  const status = await mesh.copy({ ...good, source: "east:source/huge" });
  expect(status.failure).toMatchObject({
    code: "object_too_large",
    message:
      `Cannot copy ${10_000 * 95 * MIB + 1} bytes in 10000 parts of at most ${95 * MIB} bytes: the smallest part size ` +
      `that fits is ${96 * MIB} bytes; raise MAX_PART_MIB to 96`,
  });
  expect(west.count("CreateMultipartUpload")).toBe(0);
});

test("a part size of which 10,000 do not hold the object fails before an upload is created", async () => {
  east.putGenerated("source", "large", { size: 10_000 * PART + 1 });
  const status = await mesh.copy({ ...good, source: "east:source/large", partSize: PART });
  expect(status.failure?.code).toBe("part_size_too_small");
  expect(status.failure?.message).toContain(`the smallest part size that fits is ${6 * MIB} bytes`);
  expect(west.count("CreateMultipartUpload")).toBe(0);
});
