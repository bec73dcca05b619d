// Any key, byte for byte: copied under exactly that name or refused before anything happens, and never
// another object. The stores verify signatures from the raw request line, so a key that is signed as one
// thing and sent as another is refused there; what each request was about is taken from their journals.

import { expect, test } from "vitest";
import { storeSecret } from "../../mesh/mesh.ts";
import type { TestStore } from "../../store/store.ts";
import { memoryDirectory, seededRandom, toLoopback } from "./fidelity.ts";
import { PART, openWorld } from "../world.ts";

const directory = memoryDirectory();
// Two endpoints, each addressed in both styles. Their queries are verified as they stand on the wire.
const {
  mesh,
  stores: { east, west, garage, unknown, spaced },
} = await openWorld(
  {
    east: { buckets: ["source", "other"], canonicalQuery: "raw" },
    west: {
      buckets: ["destination", "other", "my.dotted.bucket"],
      canonicalQuery: "raw",
      uploadIds: "symbols",
    },
    // Nobody has said how they sign.
    unknown: { buckets: ["source", "destination"], canonicalPath: "raw" },
    spaced: { buckets: ["source", "destination"], signedValues: "as sent" },
    garage: {
      buckets: ["source", "destination"],
      canonicalPath: "raw",
      canonicalQuery: "raw",
      uploadIds: "symbols",
    },
  },
  (stores) => ({
    directory,
    edge: { resolve: toLoopback },
    storeFields: { garage: { profile: { signedPath: "raw" } } },
    bindings: {
      STORE_NUMBERED: storeSecret(stores.west, { style: "virtual" }),
      STORE_VEAST: storeSecret(stores.east, { endpoint: stores.east.virtualEndpoint, style: "virtual" }),
      STORE_VWEST: storeSecret(stores.west, { endpoint: stores.west.virtualEndpoint, style: "virtual" }),
    },
  }),
);

const random = seededRandom(20261125);
const below = (n: number) => Math.floor(random() * n);
const pick = <T>(items: readonly T[]): T => items[below(items.length)] as T;

const ASCII = Array.from({ length: 128 }, (_, code) => String.fromCodePoint(code));
const AWKWARD = [
  ["/", "/", "//", ".", "..", "..", "../..", "/.", "/..", "%2F", "%2E", "%2e%2e", "%41", "%", "+", " ", "\\"],
  ["?", "#", "=", "@", "!", "'", "(", ")", "*", "~", "&", ";", ":", ",", "|", "[", "]", "^", "{", "}", "`"],
  ['"', "<", ">", "$", "\t", "\r", "\n", "\0", "\x1f", "\x7f", "\u0080", "\u00a0", "é", "e\u0301", "日本"],
  ["😀", "\u{10ffff}", "\ufeff", "\u2028", "\ufffd", "\uffff", "ﬁ", "Å", "a", "b", "1", "soap", "?uploads"],
  ["&uploadId=1", "?tagging", "source", "other", "destination/"],
].flat();

function anyCharacter(): string {
  const code = below(0x110000);
  return code >= 0xd800 && code <= 0xdfff ? "·" : String.fromCodePoint(code);
}

/**
 * 1 to 1,024 bytes: most are short and made of what is awkward, some are random, some as long as a key can
 * be.
 */
function anyKey(): string {
  const kind = random();
  const piece = kind < 0.6 ? () => pick(AWKWARD) : kind < 0.8 ? () => pick(ASCII) : anyCharacter;
  const leastBytes = 1 + below(pick([6, 12, 12, 12, 100, 1024]));
  const characters: string[] = [];
  let bytes = 0;
  while (bytes < leastBytes) {
    for (const character of piece()) {
      const size = Buffer.byteLength(character);
      if (bytes + size > 1024) return characters.join("");
      characters.push(character);
      bytes += size;
    }
  }
  return characters.join("");
}

function distinctKeys(count: number): string[] {
  const keys = new Set<string>();
  while (keys.size < count) {
    const key = anyKey();
    // An object's bytes are its name, and a test store takes its faults from such names.
    if (key !== "" && !key.includes("fault=")) keys.add(key);
  }
  return [...keys];
}

const keysIn = (store: TestStore, bucket: string) => store.objects(bucket).map(({ key }) => key);
const sorted = (keys: Iterable<string>) => [...keys].toSorted();

/** Every key, bucket and host that a store was asked about. */
function asked(store: TestStore) {
  const requests = store.requests();
  return {
    keys: sorted(new Set(requests.map(({ key }) => JSON.stringify(key)))),
    buckets: sorted(new Set(requests.map(({ bucket }) => bucket ?? "none"))),
    hosts: sorted(new Set(requests.map(({ headers }) => headers["host"] ?? ""))),
    refused: requests.filter(({ status }) => status !== 200).map(({ url, errorCode }) => [url, errorCode]),
  };
}

async function forEachAtOnce<T>(
  items: readonly T[],
  width: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const rest = items.values();
  await Promise.all(
    Array.from({ length: width }, async () => {
      for (const item of rest) await work(item);
    }),
  );
}

function emptyBoth(): void {
  for (const key of keysIn(east, "source")) east.delete("source", key);
  for (const key of keysIn(west, "destination")) west.delete("destination", key);
}

// A sync costs little for each key. `asked` and the bytes tell what was read and written for which.
test.for([
  ["east", "vwest"],
  ["veast", "west"],
] as const)(
  "300 keys of any kind are each listed, read and written under exactly that name: from %s to %s",
  { timeout: 180_000 },
  async ([from, to]) => {
    emptyBoth();
    const keys = distinctKeys(300);
    for (const key of keys) east.put("source", key, key);
    const status = await mesh.sync({ source: `${from}:source/`, destination: `${to}:destination/` });
    // Alone in virtual style, `.` and `..` are the two keys that no URL can carry.
    const sent = keys.filter((key) => key !== "." && key !== "..");
    const failed = keys.length - sent.length;
    expect([status.objects.copied, status.objects.failed, status.failures]).toEqual([
      sent.length,
      failed,
      expect.objectContaining({ length: failed }),
    ]);
    for (const key of sent)
      expect(JSON.stringify(west.bytes("destination", key).toString())).toBe(JSON.stringify(key));
    expect(sorted(keysIn(west, "destination"))).toEqual(sorted(sent));
    for (const store of [east, west]) {
      // In path style they can be read; the other side cannot take them.
      const named = store === east && from === "east" ? keys : sent;
      const { keys: all, refused } = asked(store);
      // A listing names no key.
      expect(all.filter((key) => key !== undefined)).toEqual(sorted(named.map((key) => JSON.stringify(key))));
      // What is slow on a busy machine is given up and asked for again, and has no status.
      expect(refused.filter(([, code]) => code !== undefined)).toEqual([]);
    }
  },
);

test(
  "60 keys of any kind are each read or written by a copy under exactly that name, in both styles",
  { timeout: 180_000 },
  async () => {
    emptyBoth();
    const keys = distinctKeys(60);
    const pairs = keys.slice(0, 30).map((from, index) => ({
      from,
      to: keys[30 + index] ?? "",
      styles:
        index % 2 === 0 ? { source: "east", destination: "vwest" } : { source: "veast", destination: "west" },
    }));
    for (const { from } of pairs) east.put("source", from, from);
    const refused: unknown[] = [];
    await forEachAtOnce(pairs, 60, async ({ from, to, styles }) => {
      const copy = {
        source: { store: styles.source, bucket: "source", key: from },
        destination: { store: styles.destination, bucket: "destination", key: to },
        tags: "none",
        lanes: 1,
      };
      const answer = await mesh.call<{ id: string; code?: string }>("POST", "/copies", { body: copy });
      if (answer.status === 202) {
        const { phase, failure } = await mesh.ended(answer.body.id);
        if (phase !== "completed")
          throw new Error(`${JSON.stringify({ from, to })}: ${JSON.stringify(failure)}`);
      } else {
        expect([answer.status, answer.body.code]).toEqual([400, "invalid_key"]);
        refused.push([styles, from, to]);
      }
    });
    // Alone in virtual style, `.` and `..` are the two keys that no URL can carry.
    const unsendable = pairs.filter(
      ({ from, to, styles }) =>
        (styles.source === "veast" ? from : to) === "." || (styles.source === "veast" ? from : to) === "..",
    );
    expect(refused).toHaveLength(unsendable.length);
    const sent = pairs.filter((pair) => !unsendable.includes(pair));
    // What the store was asked of a missing one tells why it is missing.
    const missing = sent.filter(({ to }) => west.get("destination", to) === undefined);
    expect(missing.map(({ to }) => west.requests({ key: to }))).toEqual([]);
    for (const { from, to } of sent) {
      expect(JSON.stringify(west.bytes("destination", to).toString())).toBe(JSON.stringify(from));
    }
    expect(sorted(keysIn(west, "destination"))).toEqual(sorted(sent.map(({ to }) => to)));
    const hosts = (store: TestStore, bucket: string) =>
      sorted([`127.0.0.1:${store.port}`, `${bucket}.localhost:${store.port}`]);
    expect(asked(east)).toEqual({
      keys: sorted(sent.map(({ from }) => JSON.stringify(from))),
      buckets: ["source"],
      hosts: hosts(east, "source"),
      refused: [],
    });
    expect(asked(west)).toEqual({
      keys: sorted(sent.map(({ to }) => JSON.stringify(to))),
      buckets: ["destination"],
      hosts: hosts(west, "destination"),
      refused: [],
    });
  },
);

/** Names that one careless step or another takes for each other, and names that a URL parser would change. */
const DISTINCT = [
  ["a+b", "a b", "a%20b", "a%2Bb"],
  ["/x", "//x", "x", "x/"],
  ["a//b", "a/b", "a/", "a", "/a/b"],
  ["\u00e9", "e\u0301", "\u00c9"],
  ["country_iso=ETH/a@b!'(c)*.pmtiles", "country_iso%3DETH/a@b!'(c)*.pmtiles"],
  ["p/../q", "q", "p/./q", "./q", "../q", "p/q/..", "p/q/.", "p/../../q", "p/..q", "...", "p/%2e%2e/q"],
  ["r/.", "r/..", "r", "./r", "..r"],
  ["?", "#", "a?b", "a#b", "a?uploads", "%3F"],
  ["m%2Fn", "m/n", "m\\n", "%41", "A"],
  ["t\tu", "t\ru", "t\nu", "tu", "t u", "t u ", " t u", "tu "],
  ["10+2.jpg", "\u00e9//10+2.jpg", "\u00fcber/\u65e5\u672c/\ud83d\ude00.bin"],
];

test.for(DISTINCT)("%j and its like are objects of their own", async (keys) => {
  for (const key of keys) east.put("source", key, `bytes of ${key}`);
  for (const [from, to] of [
    ["east", "vwest"],
    ["veast", "west"],
  ] as const) {
    for (const key of keys) west.delete("destination", key);
    const statuses = await Promise.all(keys.map((key) => mesh.copy(copyOf(key, from, to))));
    expect(statuses.map(({ phase }) => phase)).toEqual(keys.map(() => "completed"));
    for (const key of keys) expect(west.bytes("destination", key).toString()).toBe(`bytes of ${key}`);
  }
});

const copyOf = (key: string, from: string, to: string) => ({
  source: { store: from, bucket: "source", key },
  destination: { store: to, bucket: "destination", key },
});

test.for([
  "country_iso=ETH/a@b!'(c)*.pmtiles",
  "\u00e9//10+2 3.jpg",
  "a/../b/..",
  "./%2F?#\\\t\r\n ",
  "//x",
  "~",
])("every operation of a multipart copy names %j alike", async (key) => {
  east.putGenerated("source", key, { size: 2 * PART + 1, seed: key, tags: [{ key: "k", value: "v" }] });
  west.fault({ operation: "CompleteMultipartUpload" }, { kind: "answer", code: "InvalidPart" }, { times: 1 });
  for (const [from, to] of [
    ["east", "vwest"],
    ["veast", "west"],
  ] as const) {
    const status = await mesh.copy({ ...copyOf(key, from, to), partSize: PART });
    expect(status).toMatchObject({ phase: "completed", parts: { failedAttempts: 0 } });
    expect(west.bytes("destination", key).equals(east.bytes("source", key))).toBe(true);
  }
  expect(asked(west).keys).toEqual([JSON.stringify(key)]);
  expect(asked(east).keys).toEqual([JSON.stringify(key)]);
  expect(new Set(west.requests().map(({ operation }) => operation))).toEqual(
    new Set(["CreateMultipartUpload", "UploadPart", "ListParts", "CompleteMultipartUpload", "HeadObject"]),
  );
});

test("an upload whose ID is full of symbols is aborted under that ID", async () => {
  east.putGenerated("source", "abort", { size: 2 * PART + 1 });
  west.fault({ operation: "CompleteMultipartUpload" }, { kind: "answer", code: "InvalidRequest" });
  const status = await mesh.copy({ ...copyOf("abort", "east", "west"), partSize: PART });
  expect(status).toMatchObject({ phase: "failed", failure: { storeCode: "InvalidRequest" } });
  const [abort] = west.requests({ operation: "AbortMultipartUpload" });
  expect(abort).toMatchObject({ status: 204, uploadId: expect.stringMatching(/^2~XlNd\+M\+\/.*==$/) });
});

test("a store that canonicalises the path as it came gets dot segments and all", async () => {
  const keys = ["a/../b", "..", ".", "a+b", "a b", "\u00e9", "x/", "//x", "a%2Fb", "=@!'()*~"];
  for (const key of keys) garage.put("source", key, key);
  for (const key of keys) {
    const copy = { ...copyOf(key, "garage", "garage"), via: "stream" };
    expect(await mesh.copy(copy)).toMatchObject({ phase: "completed" });
    expect(garage.bytes("destination", key).toString()).toBe(key);
  }
  garage.putGenerated("source", "big/../+", { size: PART + 1 });
  const big = { ...copyOf("big/../+", "garage", "garage"), partSize: PART, via: "stream" };
  expect(await mesh.copy(big)).toMatchObject({ phase: "completed" });
});

test.for([
  ["empty", ""],
  ["a lone surrogate", "a\ud800b"],
  ["1,025 bytes", "\u00e9".repeat(512) + "x"],
  ["a dot alone, in virtual style", "."],
  ["two dots alone, in virtual style", ".."],
] as const)("a key that no request can carry is refused before anything is created: %s", async ([, key]) => {
  for (const side of ["source", "destination"] as const) {
    const copy = { ...copyOf("good", "veast", "vwest"), [side]: { store: "vwest", bucket: "other", key } };
    const answer = await mesh.call("POST", "/copies", { body: copy });
    expect(answer.status).toBe(400);
    expect(["invalid_key", "invalid_request"]).toContain(answer.body["code"]);
  }
  expect(east.count() + west.count()).toBe(0);
});

test("a key of exactly 1,024 bytes is copied, dots at its end and all", async () => {
  for (const key of ["\u00e9".repeat(512), `${"/".repeat(1022)}..`, "+".repeat(1024)]) {
    east.put("source", key, "long");
    expect(await mesh.copy(copyOf(key, "veast", "vwest"))).toMatchObject({ phase: "completed" });
    expect(west.get("destination", key)?.size).toBe(4);
  }
});

test("a bucket with dots is addressed in both styles", async () => {
  east.put("source", "dots", "dots");
  for (const store of ["west", "vwest"]) {
    west.delete("my.dotted.bucket", "dots");
    const destination = `${store}:my.dotted.bucket/dots`;
    expect(await mesh.copy({ source: "east:source/dots", destination })).toMatchObject({
      phase: "completed",
    });
    expect(west.bytes("my.dotted.bucket", "dots").toString()).toBe("dots");
  }
  expect(asked(west).hosts).toEqual([`127.0.0.1:${west.port}`, `my.dotted.bucket.localhost:${west.port}`]);
});

test("a bucket that cannot stand in front of the host is refused before anything is created", async () => {
  for (const [destination, status, code] of [
    // Before an IP address no bucket can stand.
    ["numbered:destination/k", 503, "store_misconfigured"],
    ["vwest:UPPER/k", 400, "invalid_bucket"],
  ] as const) {
    const answer = await mesh.call("POST", "/copies", { body: { source: "east:source/k", destination } });
    expect([destination, answer.status, answer.body["code"]]).toEqual([destination, status, code]);
  }
  expect(east.count() + west.count()).toBe(0);
});

test("a store that canonicalises the path as it came is found out by the first such key", async () => {
  for (const key of ["a/../b", "..", "plain"]) {
    unknown.put("source", key, key);
    expect(await mesh.copy({ ...copyOf(key, "unknown", "unknown"), via: "stream" })).toMatchObject({
      phase: "completed",
    });
    expect(unknown.bytes("destination", key).toString()).toBe(key);
  }
});

test.for([
  ["a small object", 1000],
  ["parts", PART + 1],
])(
  "metadata is signed as it is sent where the store does not squeeze its spaces (%s)",
  async ([name, size]) => {
    const metadata = { note: "two  spaces,   three" };
    spaced.putGenerated("source", `${name}`, { size: Number(size), computeEtag: true, metadata });
    const copy = { ...copyOf(`${name}`, "spaced", "spaced"), partSize: PART, via: "stream" };
    expect(await mesh.copy(copy)).toMatchObject({ phase: "completed" });
    expect(spaced.get("destination", `${name}`)?.attributes.metadata).toMatchObject(metadata);
  },
);

test("a key whose dots a verifier resolves fails by name, alone, and blocks nothing", async () => {
  for (const key of ["dots/a/../b", "dots/x", "dots/y"]) east.put("source", key, key);
  const refused = { kind: "answer", code: "SignatureDoesNotMatch" } as const;
  const rules = [east, west].map((store) => [store, store.fault({ key: "dots/a/../b" }, refused)] as const);
  for (const [store, rule] of rules) {
    expect(await mesh.copy(copyOf("dots/a/../b", "east", "west"))).toMatchObject({
      phase: "failed",
      failure: { code: "key_not_addressable" },
    });
    const status = await mesh.sync({ source: "east:source/dots/", destination: "west:destination/dots/" });
    expect(status).toMatchObject({
      phase: "finished_with_errors",
      objects: { failed: 1 },
      failures: [{ key: "dots/a/../b", code: "key_not_addressable" }],
    });
    expect(west.bytes("destination", "dots/y").toString()).toBe("dots/y");
    if (store === east) rule.remove();
  }
});
