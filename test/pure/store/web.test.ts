// The secrets of stores of kind https: what they may say, and what nobody may read of them.
import { describe, expect, test } from "vitest";
import { parseCopyRequest, resolveCopy } from "../../../src/copy/spec.ts";
import { resolveCheck } from "../../../src/diagnose/check_answer.ts";
import { Problem } from "../../../src/http/problem.ts";
import { withoutSecrets } from "../../../src/store/secrets.ts";
import { type StoreEntry, describeStore, readStores } from "../../../src/store/stores.ts";
import { parseComparisonRequest, resolveComparison } from "../../../src/sync/comparison_spec.ts";
import { parseSyncRequest, resolveSync } from "../../../src/sync/spec.ts";

const GOOD = { kind: "https", endpoint: "https://downloads.example.org/pub" };
const SIGNATURE = "c2lnbmF0dXJlIG9mIHRoZSB1cmw";

function entryOf(secret: Record<string, unknown>): StoreEntry {
  const entry = readStores({ STORE_PUB: JSON.stringify(secret) }).get("pub");
  if (entry === undefined) throw new Error("no entry");
  return entry;
}

function storeOf(changes: Record<string, unknown> = {}) {
  const entry = entryOf({ ...GOOD, ...changes });
  if (!entry.ok) throw new Error(entry.error);
  return entry.store;
}

describe("a secret of kind https", () => {
  test.each([
    ["https://Downloads.example.org", "https://downloads.example.org"],
    ["https://downloads.example.org/", "https://downloads.example.org"],
    ["https://downloads.example.org:443/a%20b//", "https://downloads.example.org/a%20b"],
    ["http://127.0.0.1:9000/pub", "http://127.0.0.1:9000/pub"],
  ])("keeps of the base URL %s what stands before a key", (endpoint, kept) => {
    expect(storeOf({ endpoint }).endpoint).toBe(kept);
  });

  test("is a source alone, whose ETags are no MD5s unless the secret says so", () => {
    expect(storeOf()).toMatchObject({ readOnly: true, profile: { md5Etag: false, tags: false } });
    expect(storeOf({ profile: { md5Etag: true } }).profile.md5Etag).toBe(true);
  });

  const rows: [changes: Record<string, unknown>, message: string][] = [
    [{ kind: "http" }, '"kind" must be one of s3, https'],
    [{ endpoint: undefined }, '"endpoint" is missing'],
    [
      { endpoint: "downloads" },
      '"endpoint" is not a URL; expected one like https://downloads.example.org/releases',
    ],
    [{ endpoint: "ftp://a.example" }, '"endpoint" must begin with https://'],
    [{ endpoint: "https://me:pw@a.example" }, '"endpoint" must not contain a user name or password'],
    [
      { endpoint: "https://a.example/x?sig=1" },
      '"endpoint" must have no query or fragment: what every request needs goes into "query", which is never shown',
    ],
    [
      { endpoint: "http://a.example" },
      '"endpoint" is http://, which is allowed for loopback hosts only: use https://, or set "allowInsecure": true',
    ],
    [
      { endpoint: "https://10.0.0.1" },
      '"endpoint" is the IP address 10.0.0.1, and a Worker reaches none (error 1003): give the store a host name',
    ],
    [
      { redirects: ["https://a.example/x"] },
      '"redirects.0" must be scheme, host and port alone: no path, query or fragment (buckets are named in requests)',
    ],
    [
      { redirects: ["https://169.254.169.254"] },
      '"redirects.0" is the IP address 169.254.169.254, and a Worker reaches none (error 1003): give the store a host name',
    ],
    [{ headers: { Range: "bytes=0-" } }, '"headers", entry 1: "range" is set by each request itself'],
    [
      { headers: { a: "b", "If-Match": "x" } },
      '"headers", entry 2: "if-match" is set by each request itself',
    ],
    [{ headers: { "secret token": "b" } }, '"headers", entry 1: its name is none of a header'],
    [
      { headers: { a: "b\r\nc: d" } },
      '"headers", entry 1: its value must be visible ASCII, without spaces around it',
    ],
    [{ headers: { a: "b", A: "c" } }, '"headers", entry 2: "a" is there twice'],
    [
      { query: "?sig=1" },
      '"query" must be the text after the question mark, percent-encoded, such as "sv=2024-11-04&sp=r&sig=…"',
    ],
    [
      { query: "sig=ü" },
      '"query" must be the text after the question mark, percent-encoded, such as "sv=2024-11-04&sp=r&sig=…"',
    ],
    [
      { accessKeyId: "AKIA" },
      'unknown field "accessKeyId"; known are kind, endpoint, headers, query, redirects, allowInsecure, maxConcurrency, maxRequestsPerSecond, maxBytesPerSecond, limits, profile, prices',
    ],
    [{ profile: { tags: true } }, 'unknown field "tags" in "profile"'],
  ];
  test.each(rows)("%j is refused", (changes, message) => {
    const entry = entryOf({ ...GOOD, ...changes });
    expect(entry.ok ? "" : entry.error).toBe(`Cannot use STORE_PUB: ${message}`);
  });

  test("is shown without what it sends, which no text shows either", () => {
    const headers = { Authorization: "Bearer dG9rZW4gb2YgdGhl", "x-version": "2024-11-04" };
    const query = `sv=2024-11-04&se=2026-12-01T00%3A00%3A00Z&sig=${SIGNATURE}%3D`;
    const shown = describeStore(entryOf({ ...GOOD, headers, query, redirects: ["https://b.example"] }));
    expect(shown).toMatchObject({
      kind: "https",
      headers: ["authorization", "x-version"],
      redirects: ["https://b.example"],
    });
    expect(JSON.stringify(shown)).not.toMatch(/dG9rZW4|sig=|2024/);
    expect(shown).not.toHaveProperty("region");
    const text = `403 for dG9rZW4gb2YgdGhl at ?${query}, ${SIGNATURE}=, modified 2024-11-04`;
    expect(withoutSecrets(text)).toBe("403 for … at ?…, …, modified 2024-11-04");
  });
});

const ENV = {
  STORE_PUB: JSON.stringify(GOOD),
  STORE_WEST: JSON.stringify({
    kind: "s3",
    endpoint: "https://s3.example.com",
    region: "r",
    accessKeyId: "i",
    secretAccessKey: "s",
  }),
};

function problemOf(call: () => unknown): string {
  try {
    call();
    return "";
  } catch (error) {
    if (error instanceof Problem) return `${error.status} ${error.code}: ${error.message}`;
    throw error;
  }
}

const copy = (changes: Record<string, unknown>) =>
  problemOf(() =>
    resolveCopy(parseCopyRequest({ source: "pub:./a", destination: "west:target/a", ...changes }), ENV),
  );

const check = (name: string, body: Record<string, unknown>) => problemOf(() => resolveCheck(name, body, ENV));

describe("a request with such a store", () => {
  const sides = { source: "pub:./", destination: "west:target/" };
  const sync = (changes: Record<string, unknown>) =>
    problemOf(() => resolveSync(parseSyncRequest({ ...sides, ...changes }), ENV));
  const compare = (changes: Record<string, unknown>) =>
    problemOf(() => resolveComparison(parseComparisonRequest({ ...sides, ...changes }), ENV));
  test("is taken as a source of named keys", () => {
    expect([
      copy({}),
      sync({ keys: "a" }),
      compare({ manifest: "west:lists/l.csv" }),
      check("pub", { key: "a" }),
    ]).toEqual(["", "", "", ""]);
  });

  const one =
    '400 invalid_bucket: "source": store "pub" is of kind https and has one bucket, ".", not "folder": write what follows its base URL as pub:./folder/file';
  const none =
    '400 invalid_request: "destination": store "pub" is of kind https, which serves objects and takes none: it can be a source alone';
  const named =
    '400 invalid_request: Store "pub" is of kind https, which has no listing: name the keys with "keys", or with a "manifest"';
  test.each([
    [() => copy({ source: "pub:folder/a" }), one],
    [() => copy({ source: "west:target/b", destination: "pub:./b" }), none],
    [() => sync({ keys: "a", source: "west:target/", destination: "pub:./" }), none],
    [() => compare({ keys: "a", source: "west:target/", destination: "pub:./" }), none],
    [() => sync({ keys: "a", report: "pub:./r/" }), none.replace("destination", "report")],
    [() => sync({}), named],
    [() => compare({}), named],
    [
      () => copy({ source: { store: "pub", bucket: ".", key: "a", versionId: "1" } }),
      '400 invalid_request: "source.versionId" cannot be chosen: store "pub" is of kind https, which has no versions',
    ],
    [
      () => copy({ asOf: "2026-01-01T00:00:00Z" }),
      '400 invalid_request: "asOf" cannot be chosen: store "pub" is of kind https, which has no versions',
    ],
    [
      () => copy({ source: "pub:./a/../b" }),
      '400 invalid_key: "source": Cannot address key "a/../b" at a store of kind https: a URL resolves its segment "." or ".."',
    ],
    [
      () => copy({ source: "west:./a" }),
      '400 invalid_bucket: "source": "." is not a bucket name (letters, digits, ".", "-" and "_")',
    ],
    [
      () => check("pub", {}),
      '400 invalid_request: "key" is missing: store "pub" is of kind https and has no listing, so name a file that it serves, as in -d key=folder/file',
    ],
    [
      () => check("pub", { key: ".." }),
      '400 invalid_key: "key": Cannot address key ".." at a store of kind https: a URL resolves its segment "." or ".."',
    ],
    [
      () => check("west", { bucket: "target", key: "a" }),
      '400 invalid_request: "key" is for stores of kind https: store "west" is one of S3, which lists its keys',
    ],
    [
      () => check("pub", { key: "a", as: "destination" }),
      '403 store_read_only: Store "pub" is set readOnly: it can be checked as a source only',
    ],
  ])("case %#", (call, problem) => {
    expect(call()).toBe(problem);
  });
});
