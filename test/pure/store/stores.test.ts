// The STORE_<NAME> secrets: what is wrong with a bad one is said by field and rule, and no part of it is ever
// shown.
import { describe, expect, test } from "vitest";
import { Problem } from "../../../src/http/problem.ts";
import { isLoopback } from "../../../src/store/endpoint.ts";
import {
  type Store,
  type StoreEntry,
  canCopyInside,
  describeStore,
  findStore,
  isSameService,
  readStores,
  styleOf,
} from "../../../src/store/stores.ts";

const GOOD = {
  endpoint: "https://s3.example.com",
  region: "r",
  accessKeyId: "id",
  secretAccessKey: "key",
};
const PROVIDERS =
  "aws, r2, gcs, b2, wasabi, minio, ceph, spaces, ibm, oracle, alibaba, tencent, storj, tigris, scaleway, ovh, " +
  "hetzner, linode, garage, seaweedfs, swift, other";
const KNOWN =
  "kind, endpoint, region, anonymous, accessKeyId, secretAccessKey, sessionToken, style, provider, buckets, readOnly, allowInsecure, " +
  "maxConcurrency, maxRequestsPerSecond, maxBytesPerSecond, limits, requesterPays, location, encryption, profile, prices";
const CUSTOMER_KEY = `${"A".repeat(43)}=`;

function entryOf(secret: unknown): StoreEntry {
  const entry = readStores({ STORE_A: secret }).get("a");
  if (entry === undefined) throw new Error("no entry");
  return entry;
}

function store(changes: Record<string, unknown> = {}): Store {
  const entry = entryOf(JSON.stringify({ ...GOOD, ...changes }));
  if (!entry.ok) throw new Error(entry.error);
  return entry.store;
}

function errorOf(secret: unknown): string {
  const entry = entryOf(secret);
  return entry.ok ? "" : entry.error;
}

describe("readStores()", () => {
  test("finds the stores among the variables, by lower-case name", () => {
    const stores = readStores({ STORE_EAST_1: JSON.stringify(GOOD), LANES: "8", STORED: "x", store_x: "y" });
    expect([...stores.keys()]).toEqual(["east_1"]);
    expect(stores.get("east_1")).toMatchObject({ ok: true, store: { ...GOOD, name: "east_1" } });
  });

  test("one bad secret leaves the others usable", () => {
    const stores = readStores({ STORE_A: "{", STORE_B: JSON.stringify(GOOD) });
    expect([stores.get("a")?.ok, stores.get("b")?.ok]).toEqual([false, true]);
  });

  test("fills in style, provider and profile, which the secret may override", () => {
    expect(store()).toMatchObject({ style: "path", provider: "other", profile: { maxParts: 10_000 } });
    const alibaba = store({ endpoint: "https://s3.oss-cn-hangzhou.aliyuncs.com" });
    expect(alibaba).toMatchObject({ style: "virtual", provider: "alibaba" });
    const own = store({ provider: "scaleway", style: "virtual", profile: { maxParts: 77 } });
    expect(own).toMatchObject({ style: "virtual", profile: { maxParts: 77, maxPartBytes: 5e9 } });
  });

  test("knows the R2 that wrangler dev serves, the one endpoint with a path", () => {
    const local = store({ endpoint: "http://localhost:8787/cdn-cgi/local/r2/s3" });
    expect(local).toMatchObject({ provider: "r2", profile: { md5PartEtag: false, checksums: [] } });
    expect(local.endpoint).toBe("http://localhost:8787/cdn-cgi/local/r2/s3");
  });

  test.each([
    ["https://S3.Example.com/", "https://s3.example.com"],
    ["https://s3.example.com:443", "https://s3.example.com"],
    ["https://s3.example.com:9000/", "https://s3.example.com:9000"],
    ["http://127.0.0.1:9000", "http://127.0.0.1:9000"],
    ["http://[::1]:9000", "http://[::1]:9000"],
    ["http://minio.localhost:9000", "http://minio.localhost:9000"],
  ])("keeps of the endpoint %s its scheme, host and port", (endpoint, kept) => {
    expect(store({ endpoint }).endpoint).toBe(kept);
  });
});

const notText = (field: string) => `"${field}" must be text`;

test.each(["http://127.0.0.1:9000", "http://[::1]:9000"])(
  "at %s, an address, no bucket stands before the host: virtual style is refused, and is nobody's default",
  (endpoint) => {
    const secret = { endpoint, region: "r", accessKeyId: "a", secretAccessKey: "secret-secret" };
    const read = (more: object) =>
      readStores({ STORE_EAST: JSON.stringify({ ...secret, ...more }) }).get("east");
    expect(read({ style: "virtual" })).toMatchObject({
      ok: false,
      error: expect.stringMatching(/"style" cannot be "virtual" at .*, an address: use "path"/),
    });
    expect(read({ provider: "alibaba" })).toMatchObject({ ok: true, store: { style: "path" } });
  },
);

describe("readStores() says what is wrong", () => {
  const empty = "must have at least 1 character";
  const rows: [field: string, value: unknown, message: string][] = [
    ["endpoint", 5, notText("endpoint")],
    ["endpoint", undefined, '"endpoint" is missing'],
    ["region", "", `"region" ${empty}`],
    ["region", 7, notText("region")],
    ["accessKeyId", null, notText("accessKeyId")],
    ["secretAccessKey", "", `"secretAccessKey" ${empty}`],
    ["sessionToken", "", `"sessionToken" ${empty}`],
    ["style", "vhost", '"style" must be one of path, virtual'],
    ["provider", "amazon", `"provider" must be one of ${PROVIDERS}`],
    ["buckets", "b", '"buckets" must be a list'],
    ["buckets", [""], `"buckets.0" ${empty}`],
    ["readOnly", "yes", '"readOnly" must be true or false'],
    ["allowInsecure", 1, '"allowInsecure" must be true or false'],
    ["maxConcurrency", 0, '"maxConcurrency" must be at least 1'],
    ["maxConcurrency", 1.5, '"maxConcurrency" must be a whole number'],
    ["maxRequestsPerSecond", 0, '"maxRequestsPerSecond" must be above 0'],
    ["requesterPays", 1, '"requesterPays" must be true or false'],
    ["encryption", { kind: "x" }, '"encryption.kind" must be one of AES256, aws:kms, customer'],
    ["encryption", { kind: "customer", key: "abc" }, '"encryption.key" must be 32 bytes in base64'],
    ["encryption", { kind: "AES256", keyId: "x" }, 'unknown field "keyId" in "encryption"'],
    ["profile", { maxParts: "x" }, '"profile.maxParts" must be a number'],
    ["profile", { nope: 1 }, 'unknown field "nope" in "profile"'],
    ["profile", { checksums: ["md5"] }, '"profile.checksums.0" must be one of crc64nvme, crc32c, crc32'],
    ["prices", { put: -1 }, '"prices.put" must be at least 0'],
    ["prices", { get: "0.4" }, '"prices.get" must be a number'],
    ["prices", { egress: 0.09 }, 'unknown field "egress" in "prices"'],
    ["secretAccesKey", "x", `unknown field "secretAccesKey"; known are ${KNOWN}`],
  ];
  test.each(rows)("%s: %j", (field, value, message) => {
    expect(errorOf(JSON.stringify({ ...GOOD, [field]: value }))).toBe(`Cannot use STORE_A: ${message}`);
  });

  const bare =
    "must be scheme, host and port alone: no path, query or fragment (buckets are named in requests)";
  test.each([
    ["s3.example.com", "is not a URL; expected one like https://s3.eu-central-1.amazonaws.com"],
    ["", "is not a URL; expected one like https://s3.eu-central-1.amazonaws.com"],
    ["https://me:pw@s3.example.com", "must not contain a user name or password"],
    ["https://me@s3.example.com", "must not contain a user name or password"],
    ["ftp://s3.example.com", "must begin with https://"],
    ["https://s3.example.com/bucket", bare],
    ["https://s3.example.com?x=1", bare],
    ["https://s3.example.com/#x", bare],
    ["https://s3.example.com/cdn-cgi/local/r2/s3", bare],
    [
      "http://s3.example.com",
      'is http://, which is allowed for loopback hosts only: use https://, or set "allowInsecure": true',
    ],
    [
      "http://127.0.0.1.example.com",
      'is http://, which is allowed for loopback hosts only: use https://, or set "allowInsecure": true',
    ],
    [
      "https://x.mrap.accesspoint.s3-global.amazonaws.com",
      "is a Multi-Region Access Point, which needs SigV4A signatures; use the endpoint of one region",
    ],
  ])("endpoint %j", (endpoint, problem) => {
    expect(errorOf(JSON.stringify({ ...GOOD, endpoint }))).toBe(`Cannot use STORE_A: "endpoint" ${problem}`);
  });

  test.each([
    ["https://203.0.113.7:9000", "203.0.113.7"],
    ["https://3405803783", "203.0.113.7"],
    ["https://[2001:db8::1]", "[2001:db8::1]"],
  ])("an IP address (%s) is refused: no Worker reaches one", (endpoint, shown) => {
    for (const allowInsecure of [false, true])
      expect(errorOf(JSON.stringify({ ...GOOD, endpoint, allowInsecure }))).toBe(
        `Cannot use STORE_A: "endpoint" is the IP address ${shown}, and a Worker reaches none (error 1003): give the store a host name`,
      );
  });

  test("allowInsecure allows http:// elsewhere", () => {
    expect(store({ endpoint: "http://s3.example.com", allowInsecure: true }).endpoint).toBe(
      "http://s3.example.com",
    );
  });

  test.each([
    [5, "it must be a string of JSON"],
    ["{", 'it is not JSON; expected {"endpoint": …, "region": …, "accessKeyId": …, "secretAccessKey": …}'],
    ["[]", "the value must be an object"],
    ["null", "the value must be an object"],
  ])("the secret %j", (secret, problem) => {
    expect(errorOf(secret)).toBe(`Cannot use STORE_A: ${problem}`);
  });

  test.each(["accessKeyId", "sessionToken", "requesterPays"])("%s beside anonymous", (field) => {
    const { endpoint, region } = GOOD;
    const value = field === "requesterPays" ? true : "x";
    expect(errorOf(JSON.stringify({ endpoint, region, anonymous: true, [field]: value }))).toBe(
      `Cannot use STORE_A: "${field}" cannot be used with "anonymous", whose requests nobody signs`,
    );
  });

  test("all that is wrong, at once", () => {
    const [...fields] = errorOf("{}").matchAll(/"(\w+)" is missing/g);
    expect(fields.map(([, field]) => field)).toEqual([
      "endpoint",
      "region",
      "accessKeyId",
      "secretAccessKey",
    ]);
  });

  test.each(["STORE_A-B", "STORE_", "STORE_Ä"])("the name of %s", (variable) => {
    const [entry] = readStores({ [variable]: JSON.stringify(GOOD) }).values();
    expect(entry).toMatchObject({
      ok: false,
      error: `Cannot use ${variable}: a store's name has letters, digits and underscores only`,
    });
  });
});

/** Every word that a store's secret, good or bad, can make anybody see. */
function everythingSaid(secret: unknown): string {
  const env = { STORE_A: secret };
  let thrown = "";
  try {
    findStore(env, "a");
  } catch (error) {
    thrown = error instanceof Problem ? `${error.code} ${error.message}` : String(error);
  }
  return JSON.stringify(describeStore(entryOf(secret))) + thrown;
}

describe("a secret never occurs in a message or a description", () => {
  const SECRET = "zZsEcReTzZ";
  const full = {
    ...GOOD,
    sessionToken: "token",
    style: "path",
    provider: "aws",
    buckets: ["b"],
    readOnly: false,
    allowInsecure: false,
    maxConcurrency: 1,
    maxRequestsPerSecond: 1,
    requesterPays: false,
    encryption: { kind: "customer", key: CUSTOMER_KEY },
    profile: { maxParts: 1 },
  };

  test.each(Object.keys(full))("misplaced in %s, in any shape", (field) => {
    for (const value of [
      SECRET,
      [SECRET],
      { key: SECRET },
      { kind: SECRET },
      { kind: "customer", key: SECRET },
    ]) {
      const secret = JSON.stringify({ ...full, [field]: value });
      const said = everythingSaid(secret);
      const isPublic = ["region", "buckets"].includes(field) && entryOf(secret).ok;
      expect(isPublic || !said.includes(SECRET), said).toBe(true);
    }
  });

  test.each(["accessKeyId", "secretAccessKey", "sessionToken"])(
    "in its own field %s, of a good store",
    (field) => {
      expect(everythingSaid(JSON.stringify({ ...full, [field]: SECRET }))).not.toContain(SECRET);
    },
  );

  test("as a customer's key, of a good store", () => {
    const said = everythingSaid(JSON.stringify(full));
    expect(said).not.toContain(CUSTOMER_KEY);
    expect(JSON.parse(said)).toMatchObject({ encryption: "customer", temporaryCredentials: true, ok: true });
  });

  test.each([SECRET, `{"secretAccessKey": "${SECRET}"`, `"${SECRET}"`, `["${SECRET}"]`, `{"a": ${SECRET}}`])(
    "in a secret that is no store: %s",
    (secret) => {
      expect(everythingSaid(secret)).not.toContain(SECRET);
    },
  );

  test("in an endpoint with a password", () => {
    const endpoint = `https://me:${SECRET}@s3.example.com`;
    expect(everythingSaid(JSON.stringify({ ...full, endpoint }))).not.toContain(SECRET);
  });
});

describe("findStore()", () => {
  const env = { STORE_B: JSON.stringify(GOOD), STORE_A: "{" };
  const problemOf = (name: string, variables: Record<string, unknown> = env) => {
    try {
      return findStore(variables, name);
    } catch (error) {
      return error instanceof Problem ? [error.status, error.code, error.message] : error;
    }
  };

  test("finds a good store, and only by its exact name", () => {
    expect(problemOf("b")).toMatchObject({ name: "b" });
    for (const name of ["B", "constructor", "__proto__", ""]) {
      expect(problemOf(name)).toEqual([
        400,
        "unknown_store",
        `There is no store "${name}"; configured stores: a, b (a store "x" is the secret STORE_X)`,
      ]);
    }
  });

  test("says that a store is misconfigured, and how to configure the first", () => {
    expect(problemOf("a")).toMatchObject([503, "store_misconfigured", expect.stringContaining("STORE_A")]);
    expect(problemOf("a", {})).toEqual([
      400,
      "unknown_store",
      'There is no store "a"; no store is configured: set a secret STORE_<NAME>',
    ]);
  });
});

describe("one service or two", () => {
  test("scheme, case and default port do not tell services apart; hosts and ports do", () => {
    const one = store();
    expect(isSameService(one, store({ endpoint: "https://S3.EXAMPLE.com:443/" }))).toBe(true);
    expect(isSameService(one, store({ endpoint: "http://s3.example.com", allowInsecure: true }))).toBe(true);
    expect(isSameService(one, store({ endpoint: "https://s3.example.com:444" }))).toBe(false);
    expect(isSameService(one, store({ endpoint: "https://s3.example.org" }))).toBe(false);
  });

  test("a service copies by itself only where one credential reaches both sides", () => {
    const one = store();
    expect(canCopyInside(one, store())).toBe(true);
    expect(canCopyInside(one, store({ accessKeyId: "other" }))).toBe(false);
    expect(canCopyInside(one, store({ secretAccessKey: "other" }))).toBe(false);
    expect(canCopyInside(one, store({ endpoint: "https://s3.example.org" }))).toBe(false);
  });

  test("a bucket with dots is addressed by path over TLS, whose certificates cover no dots", () => {
    const virtual = store({ style: "virtual" });
    const plain = store({ style: "virtual", endpoint: "http://localhost:9000" });
    expect([styleOf(virtual, "my.dotted"), styleOf(virtual, "plain")]).toEqual(["path", "virtual"]);
    expect(styleOf(plain, "my.dotted")).toBe("virtual");
    expect(styleOf(store(), "plain")).toBe("path");
  });

  test("isLoopback() goes by the whole host", () => {
    const loopback = ["localhost", "a.localhost", "127.0.0.1", "127.255.0.9", "[::1]"];
    const others = ["localhost.example.com", "127.0.0.1.nip.io", "10.0.0.1", "[::2]", "notlocalhost", ""];
    expect(loopback.map(isLoopback)).toEqual(loopback.map(() => true));
    expect(others.map(isLoopback)).toEqual(others.map(() => false));
  });
});
