// Requests at the door: what is taken, what is filled in, and how each mistake is answered.
import { describe, expect, test } from "vitest";
import { parseCopyRequest, requestOf, resolveCopy } from "../../../src/copy/spec.ts";
import { LANES_LIMIT, PARTS_PER_LANE, planLimits } from "../../../src/env.ts";
import { MIB } from "../../../src/http/fields.ts";
import { Problem } from "../../../src/http/problem.ts";

const REQUEST = { source: "east:source/a", destination: "west:target/b" };
const REFERENCE = 'must be "store:bucket/key" or {"store", "bucket", "key", "versionId"?}';
const TEXT = 'must be "store:bucket/key" or {"store", "bucket", "key"}';
const SIZE =
  'must be bytes, or text with a unit such as "64MiB" (B, KiB, MiB, GiB, TiB; KB, MB, GB, TB are powers of 1,000), or "source"';

function secret(changes: Record<string, unknown> = {}): string {
  return JSON.stringify({
    endpoint: "https://east.example.com",
    region: "r",
    accessKeyId: "id",
    secretAccessKey: "key",
    ...changes,
  });
}

const ENV: Readonly<Record<string, unknown>> = {
  STORE_EAST: secret(),
  STORE_TWIN: secret({ endpoint: "https://EAST.example.com:443/" }),
  STORE_WEST: secret({ endpoint: "https://west.example.com", maxConcurrency: 12 }),
  STORE_ARCHIVE: secret({ endpoint: "https://archive.example.com", readOnly: true }),
  STORE_FENCED: secret({ endpoint: "https://fenced.example.com", buckets: ["alpha", "beta"] }),
  STORE_HOSTED: secret({ endpoint: "https://hosted.example.com", style: "virtual" }),
};

function problemOf(call: () => unknown): [number, string, string] | null {
  try {
    call();
    return null;
  } catch (error) {
    if (error instanceof Problem) return [error.status, error.code, error.message];
    throw error;
  }
}

const resolve = (changes: Record<string, unknown> = {}, env = ENV) =>
  resolveCopy(parseCopyRequest({ ...REQUEST, ...changes }), env);

const option = (...values: string[]) => `must be one of ${values.join(", ")}`;

describe("parseCopyRequest()", () => {
  test("takes everything that there is", () => {
    const request = {
      source: { store: "east", bucket: "source", key: "a", versionId: "v" },
      destination: "west:target/b",
      partSize: "64MiB",
      lanes: "8",
      concurrency: 12,
      verify: "strict",
      ifExists: "skip",
      ifBusy: "queue",
      ifSourceChanges: "restart",
      metadata: "replace",
      attributes: { contentType: "text/plain", meta: { owner: "me" } },
      storageClass: "STANDARD_IA",
      tags: { a: "1" },
      ifLossy: "fail",
      markCopy: "false",
      via: "stream",
    };
    expect(parseCopyRequest(request)).toEqual({
      ...request,
      destination: { store: "west", bucket: "target", key: "b" },
      partSize: 64 * MIB,
      lanes: 8,
      markCopy: false,
    });
  });

  const rows: [change: Record<string, unknown>, message: string][] = [
    [{ source: 1 }, `"source" ${REFERENCE}`],
    [{ source: null }, `"source" ${REFERENCE}`],
    [{ source: "nocolon" }, `"source" ${TEXT}, not "nocolon"`],
    [{ source: "a:b" }, `"source" ${TEXT}, not "a:b"`],
    [{ source: "a:b/" }, `"source" ${TEXT}, not "a:b/"`],
    [{ source: "s3://bucket/key" }, `"source" ${TEXT}, not "s3://bucket/key"`],
    [{ source: { store: "a", bucket: "b" } }, `"source" ${REFERENCE}`],
    [{ source: { store: "a", bucket: "b", key: "" } }, '"source.key" must have at least 1 character, not ""'],
    [{ source: { store: "a", bucket: "b", key: "k", x: 1 } }, 'Unknown field "x" in "source"'],
    [{ destination: "" }, `"destination" ${TEXT}, not ""`],
    [{ partSize: true }, `"partSize" ${SIZE}`],
    [{ partSize: "many" }, `"partSize" ${SIZE}, not "many"`],
    [{ partSize: -1 }, `"partSize" ${SIZE}, not -1`],
    [{ partSize: 1.5 }, `"partSize" ${SIZE}, not 1.5`],
    [{ lanes: 0 }, '"lanes" must be a whole number from 1 to 250, not 0'],
    [{ lanes: 251 }, '"lanes" must be a whole number from 1 to 250, not 251'],
    [{ lanes: 1.5 }, '"lanes" must be a whole number from 1 to 250, not 1.5'],
    [{ lanes: "many" }, '"lanes" must be a whole number from 1 to 250, not "many"'],
    [{ lanes: "1e1" }, '"lanes" must be a whole number from 1 to 250, not "1e1"'],
    [{ lanes: "" }, '"lanes" must be a whole number from 1 to 250, not ""'],
    [{ lanes: [1] }, '"lanes" must be a whole number from 1 to 250'],
    [{ concurrency: 1251 }, '"concurrency" must be a whole number from 1 to 1250, not 1251'],
    [{ verify: "yes" }, `"verify" ${option("auto", "strict", "off")}, not "yes"`],
    [{ ifExists: "ask" }, `"ifExists" ${option("overwrite", "skip", "fail")}, not "ask"`],
    [{ ifBusy: "wait" }, `"ifBusy" ${option("fail", "queue")}, not "wait"`],
    [{ ifSourceChanges: "skip" }, `"ifSourceChanges" ${option("fail", "restart")}, not "skip"`],
    [{ metadata: "merge" }, `"metadata" ${option("preserve", "replace")}, not "merge"`],
    [
      { attributes: { contentType: "a\r\nx: y" } },
      '"attributes.contentType" must not contain line breaks or other control characters',
    ],
    [
      { attributes: { meta: { a: "b\n" } } },
      '"attributes.meta.a" must not contain line breaks or other control characters',
    ],
    [
      { attributes: { cacheControl: "no\u001bcache" } },
      '"attributes.cacheControl" must not contain line breaks or other control characters',
    ],
    [
      { attributes: { contentType: "x".repeat(2049) } },
      `"attributes.contentType" must have at most 2048 characters, not "${"x".repeat(99)}…`,
    ],
    [
      { attributes: { meta: { ["n".repeat(257)]: "x" } } },
      `"attributes.meta.${"n".repeat(257)}" must have at most 256 characters, not "${"n".repeat(99)}…`,
    ],
    [
      { source: { store: "a", bucket: "b", key: "k", versionId: "v".repeat(1025) } },
      `"source.versionId" must have at most 1024 characters, not "${"v".repeat(99)}…`,
    ],
    [{ attributes: { color: "x" } }, 'Unknown field "color" in "attributes"'],
    [{ storageClass: "a\nb" }, '"storageClass" must not contain line breaks or other control characters'],
    [
      { location: "mars" },
      '"location" must be one of wnam, enam, sam, weur, eeur, apac, apac-ne, apac-se, oc, afr, me, not "mars"',
    ],
    [{ tags: "all" }, `"tags" ${option("preserve", "require", "none")}, not "all"`],
    [
      { tags: Object.fromEntries(Array.from({ length: 11 }, (_, index) => [`k${index}`, "v"])) },
      '"tags" must have at most 10 tags',
    ],
    [{ tags: { "k\ud800": "v" } }, '"tags" must be valid Unicode: a tag has half of a surrogate pair'],
    [{ tags: { k: "v".repeat(257) } }, `"tags.k" must have at most 256 characters, not "${"v".repeat(99)}…`],
    [{ ifLossy: "ignore" }, `"ifLossy" ${option("warn", "fail")}, not "ignore"`],
    [{ markCopy: "maybe" }, `"markCopy" ${option("true", "false")}, not "maybe"`],
    [{ via: "server" }, `"via" ${option("auto", "stream")}, not "server"`],
    [{ partsize: 1, Lanes: 2 }, 'Unknown field "partsize", "Lanes"'],
    [
      { lanes: 0, verify: "x" },
      `"lanes" must be a whole number from 1 to 250, not 0; "verify" ${option("auto", "strict", "off")}, not "x"`,
    ],
  ];
  test.each(rows)("refuses %j", (change, message) => {
    expect(problemOf(() => parseCopyRequest({ ...REQUEST, ...change }))).toEqual([
      400,
      "invalid_request",
      message,
    ]);
  });

  test.each([
    [null, "The body must be an object, not null"],
    [[], "The body must be an object, not []"],
    ["x", 'The body must be an object, not "x"'],
    [{}, `"source" ${REFERENCE}; "destination" ${REFERENCE}`],
  ])("refuses the body %j", (body, message) => {
    expect(problemOf(() => parseCopyRequest(body))).toEqual([400, "invalid_request", message]);
  });

  test("takes the name of a store in any case, as its secret has it", () => {
    const source = { store: "East", bucket: "Source", key: "A" };
    expect(parseCopyRequest({ source, destination: "WEST:Target/B" })).toEqual({
      source: { store: "east", bucket: "Source", key: "A" },
      destination: { store: "west", bucket: "Target", key: "B" },
    });
  });

  test("refuses a metadata name that would be another header", () => {
    for (const name of ["a b", "a:b", "a\r\nb", "é", ""]) {
      const attributes = { meta: { [name]: "v" } };
      expect(problemOf(() => parseCopyRequest({ ...REQUEST, attributes }))?.[1], name).toBe(
        "invalid_request",
      );
    }
  });

  test.each(["k1", "k".repeat(128)])("takes a tag of up to 128 characters: %s", (key) => {
    expect(parseCopyRequest({ ...REQUEST, tags: { [key]: "v".repeat(256) } }).tags).toEqual({
      [key]: "v".repeat(256),
    });
  });
});

describe("resolveCopy()", () => {
  test.each([
    ["west:target/dir/", "a/b/c.bin", "dir/c.bin"],
    ["west:target/", "a/b/c.bin", "c.bin"],
    ["west:target/dir/", "c.bin", "dir/c.bin"],
    ["west:target/", "a/b/", "b/"],
    // The marker of a folder is copied to the very key.
    ["west:target/dir/", "a/b/", "dir/"],
    ["west:target/dir", "a/b/c.bin", "dir"],
  ])("to %s copies %s as %s", (destination, source, key) => {
    expect(resolve({ source: `east:source/${source}`, destination }).destination.key).toBe(key);
  });

  test("an object names the very key, whatever that ends with", () => {
    const destination = { store: "west", bucket: "target", key: "dir//" };
    expect(resolve({ source: "east:source/c.bin", destination }).destination).toEqual(destination);
  });

  test("what it says can be asked for again", () => {
    for (const changes of [
      {},
      { partSize: "8MiB", storageClass: "GLACIER", location: "weur", tags: { a: "b" } },
    ]) {
      const spec = resolve(changes);
      const again = parseCopyRequest(JSON.parse(JSON.stringify(requestOf(spec))));
      expect(resolveCopy(again, ENV)).toEqual(spec);
    }
  });

  test("fills in the defaults", () => {
    expect(resolve()).toEqual({
      source: { store: "east", bucket: "source", key: "a" },
      destination: { store: "west", bucket: "target", key: "b" },
      partSizeBytes: null,
      lanes: 100,
      firstLanes: 8,
      concurrency: 12, // what the store "west" allows
      verify: "auto",
      ifExists: "overwrite",
      ifBusy: "fail",
      ifSourceChanges: "fail",
      metadata: "preserve",
      attributes: {},
      storageClass: null,
      tags: "preserve",
      ifLossy: "warn",
      markCopy: true,
      via: "auto",
      location: null,
    });
  });

  test.each([
    [{ lanes: 1 }, {}, 1, PARTS_PER_LANE],
    [{ lanes: LANES_LIMIT }, {}, 250, 1250],
    [{ lanes: 2, concurrency: 7 }, {}, 2, 7],
    [{ lanes: 2, concurrency: 11 }, {}, 2, 10],
    [{}, {}, 100, 500],
    [{}, { MAX_LANES: "3" }, 3, 15],
    [{ destination: "west:target/b" }, { MAX_LANES: "3" }, 3, 12],
  ])("%j with %j runs at most %d lanes and %d parts at once", (change, variables, lanes, concurrency) => {
    const spec = resolve({ destination: "hosted:target/b", ...change }, { ...ENV, ...variables });
    expect([spec.lanes, spec.concurrency]).toEqual([lanes, concurrency]);
  });

  test.each([
    [{}, {}, 8],
    [{}, { LANES: "20" }, 20],
    [{ lanes: 3 }, { LANES: "20" }, 3],
    [{}, { LANES: "20", MAX_LANES: "10" }, 10],
  ])("%j with %j begins with %d lanes", (change, variables, firstLanes) => {
    const spec = resolve({ destination: "hosted:target/b", ...change }, { ...ENV, ...variables });
    expect(spec.firstLanes).toBe(firstLanes);
  });

  const key = "k".repeat(1025);
  const rows: [change: Record<string, unknown>, answer: [number, string, string]][] = [
    [
      { destination: "archive:target/b" },
      [403, "store_read_only", 'Cannot copy to store "archive": it is set readOnly'],
    ],
    [
      { source: "archive:source/a", ifArchived: "Bulk" },
      [
        403,
        "store_read_only",
        'Cannot restore objects at store "archive": it is set readOnly. "ifArchived" may be "fail" or "skip" there',
      ],
    ],
    [
      { destination: { store: "west", bucket: "target", key: "b", versionId: "v" } },
      [400, "invalid_request", '"destination.versionId" cannot be chosen: the store assigns it'],
    ],
    [
      { destination: "twin:source/a" },
      [
        400,
        "same_object",
        'Source and destination are the same object, east:source/a: nothing to copy. Name a "versionId" of the source to restore it, or set "metadata", "attributes", "tags" or "storageClass" to change them',
      ],
    ],
    [
      { source: "east:b?d/a" },
      [400, "invalid_bucket", '"source": "b?d" is not a bucket name (letters, digits, ".", "-" and "_")'],
    ],
    [
      { destination: "west:-bad/a" },
      [
        400,
        "invalid_bucket",
        '"destination": "-bad" is not a bucket name (letters, digits, ".", "-" and "_")',
      ],
    ],
    [
      { source: "fenced:gamma/a" },
      [
        403,
        "bucket_not_allowed",
        '"source": store "fenced" may not use bucket "gamma"; allowed are: alpha, beta',
      ],
    ],
    [
      { source: `east:source/${key}` },
      [
        400,
        "invalid_key",
        '"source": Cannot address a key of 1025 bytes: S3 keys have at most 1024 bytes of UTF-8',
      ],
    ],
    [
      { destination: "hosted:target/.." },
      [
        400,
        "invalid_key",
        '"destination": Cannot address key ".." in bucket "target" in virtual style: ' +
          'a URL would name "/" instead; use path style',
      ],
    ],
    [
      { partSize: 5_000_000 },
      [
        400,
        "part_size_too_small",
        "Cannot use parts of 5000000 bytes: the destination requires at least 5242880 bytes (5 MiB) in every part but the last",
      ],
    ],
    [
      { partSize: "96MiB" },
      [
        400,
        "part_size_too_large",
        "Cannot use parts of 100663296 bytes: MAX_PART_MIB allows 99614720 bytes (95 MiB)",
      ],
    ],
  ];
  test.each(rows)("refuses %j", (change, answer) => {
    expect(problemOf(() => resolve(change))).toEqual(answer);
  });

  test("takes parts as small as the destination's profile allows", () => {
    const env = {
      ...ENV,
      STORE_WEST: secret({ endpoint: "https://w.example.com", profile: { minPartBytes: 65_536 } }),
    };
    expect(resolve({ partSize: 65_536 }, env).partSizeBytes).toBe(65_536);
    expect(problemOf(() => resolve({ partSize: 65_535 }, env))?.[1]).toBe("part_size_too_small");
  });

  test("takes the source's own parts, and asks for them again", () => {
    const spec = resolve({ partSize: "source" });
    expect(spec.partSizeBytes).toBe("source");
    expect(requestOf(spec).partSize).toBe("source");
  });

  test("takes another key or another bucket of one service", () => {
    expect(resolve({ destination: "twin:source/b" }).destination.key).toBe("b");
    expect(resolve({ destination: "twin:target/a" }).destination.bucket).toBe("target");
  });

  test("reads from a store that is readOnly, and a version of a source", () => {
    expect(resolve({ source: "archive:source/a" }).source.store).toBe("archive");
    const source = { store: "east", bucket: "source", key: "a", versionId: "v" };
    expect(resolve({ source }).source).toEqual(source);
  });
});

describe("planLimits()", () => {
  test.each([
    [undefined, 95],
    ["5", 5],
    ["5120", 5120],
    [64, 64],
  ])("MAX_PART_MIB %j is %d MiB", (value, mib) => {
    expect(planLimits({ MAX_PART_MIB: value })).toEqual({ maxPartBytes: mib * MIB });
  });

  test.each(["", "4", "5121", "64MiB", 1.5, null])("MAX_PART_MIB %j is a misconfiguration", (value) => {
    expect(problemOf(() => planLimits({ MAX_PART_MIB: value }))).toEqual([
      503,
      "misconfigured",
      `The variable MAX_PART_MIB must be a whole number from 5 to 5120, not ${JSON.stringify(value)}`,
    ]);
  });
});
