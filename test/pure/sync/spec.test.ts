// What a sync is refused for before anything is sent.
import { expect, test } from "vitest";
import { parseSyncRequest, resolveSync } from "../../../src/sync/spec.ts";

const secret = (more: Record<string, unknown> = {}) =>
  JSON.stringify({
    endpoint: "https://s3.example.com",
    region: "auto",
    accessKeyId: "id",
    secretAccessKey: "secret",
    ...more,
  });
const ENV = { STORE_EAST: secret(), STORE_WEST: secret(), STORE_HOSTED: secret({ style: "virtual" }) };
const resolve = (change: Record<string, unknown>) =>
  resolveSync(parseSyncRequest({ source: "east:source/", destination: "west:target/", ...change }), ENV);
const long = (bytes: number) => "k".repeat(bytes);

const RULES = [{ match: "a", to: "b" }];

test.each([
  [{ source: "hosted:My_Photos/" }, "invalid_bucket", /makes no host name in front of store "hosted"/],
  [{ source: { store: "east", bucket: "source", prefix: "a\ud800" } }, "invalid_key", /half of a surrogate/],
  [{ destination: `west:target/${long(1025)}` }, "invalid_key", /it has 1025 bytes, and at most 1024/],
  [
    { rename: [{ match: "(a", to: "b" }] },
    "invalid_request",
    /"rename.0" "match": "\(a" is no pattern of RE2/,
  ],
  [
    { rename: '[{"match": "a", "to": "$1"}]' },
    "invalid_request",
    /"\$1" at character 1 of "\$1"; known are \$0,/,
  ],
  [{ rename: "s/a/b/" }, "invalid_request", /must be a list of \{"match": .* not "s\/a\/b\/"/],
  [{ rename: [] }, "invalid_request", /"rename"/],
  [{ rename: RULES, delete: true, include: "a" }, "invalid_request", /does not tell which name it had/],
  [{ rename: RULES, delete: true, markCopy: false }, "invalid_request", /leave "markCopy" as it is/],
  [{ keys: ["a"], manifest: "east:lists/l.csv" }, "invalid_request", /both name the keys/],
  [
    { keys: ["b/a"], source: "east:source/a/" },
    "invalid_request",
    /"b\/a", which is not below .*named whole/,
  ],
  [
    { keys: [long(65_537)] },
    "invalid_request",
    /at most 65536 bytes together: put a longer list into an object/,
  ],
  [{ keys: ["a"], delete: true }, "invalid_request", /"delete" cannot be used with "keys"/],
  [{ manifest: "east:lists/l.csv", delete: true }, "invalid_request", /may well be at the source/],
  [
    { manifest: "east:lists/l.csv", minSize: 1 },
    "invalid_request",
    /"minSize" cannot be used with "manifest"/,
  ],
  [{ manifest: "east:lists/l.csv", partSize: "source" }, "invalid_request", /"partSize" cannot be used/],
  [
    { keys: ["a"], rename: [{ match: "a", to: "{dd}" }] },
    "invalid_request",
    /names a time, which "keys" does/,
  ],
  [{ manifestFormat: "csv" }, "invalid_request", /"manifest" is, which is missing/],
  [{ manifest: "east:lists/l.csv", manifestActions: "failed" }, "invalid_request", /must be one, as ndjson/],
  [{ manifest: "east:lists/l.orc", manifestFormat: "orc" }, "invalid_request", /"manifestFormat"/],
  [{ manifest: "south:lists/l.csv" }, "unknown_store", /south/],
  [{ report: `west:target/${long(960)}` }, "invalid_key", /"report": .* at most 960 leave room for a name/],
])("%j is refused as %s", (change, code, detail) => {
  expect(() => resolve(change)).toThrow(
    expect.objectContaining({ code, message: expect.stringMatching(detail) }),
  );
});

test("the patterns of a list are bounded together, with the braces written out", () => {
  const wide = `{a,b}{c,d}{e,f}/${"x".repeat(100)}`;
  const list = (count: number) => Array<string>(count).fill(wide);
  expect(resolve({ include: list(15), exclude: list(15) })).toMatchObject({ include: list(15) });
  for (const field of ["include", "exclude"])
    expect(() => resolve({ [field]: list(60) })).toThrow(/more than 16384 characters together/);
});

test.each([
  { source: "hosted:my-photos/" },
  { rename: JSON.stringify(RULES), include: "a" },
  { keys: "a" },
  { manifest: "east:lists/x/manifest.json" },
  {
    manifest: { store: "west", bucket: "lists", key: "l", versionId: "v" },
    manifestFormat: "ndjson",
    manifestActions: "failed",
  },
  { source: "east:My_Photos/" },
  { destination: `west:target/${long(1024)}` },
])("%j is taken", (change) => {
  expect(resolve(change)).toMatchObject({ delete: false });
});
