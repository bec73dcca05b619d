// Events of a bucket, dealt out to the replications from it.

import { expect, test } from "vitest";
import { shares } from "../../../src/replication/fan_in.ts";
import { resolveReplication, parseReplication } from "../../../src/replication/spec.ts";

const STORE = JSON.stringify({
  endpoint: "https://s3.example.com",
  region: "auto",
  accessKeyId: "id",
  secretAccessKey: "secret",
});
const ENV = { STORE_EAST: STORE, STORE_WEST: STORE.replace("s3.", "west.") };

const from = (name: string, source: string) => ({
  name,
  spec: resolveReplication(name, parseReplication({ source, destination: `west:to/${name}/` }), ENV),
});
const hint = (bucket: string, key: string) => ({ bucket, key, atMs: null });

test("each hint goes to every replication from its bucket whose prefix its key has; the others are counted", () => {
  const all = [
    from("photos", "east:bucket-a/photos/"),
    from("all", "east:bucket-a/"),
    from("other", "east:bucket-b/"),
  ];
  const hints = [
    hint("bucket-a", "photos/1"),
    hint("bucket-a", "2"),
    hint("bucket-b", "photos/3"),
    hint("bucket-c", "4"),
    hint("bucket-a", "photos"),
  ];
  const { shares: dealt, ignored } = shares(all, hints);
  expect(dealt.map(({ name, hints: own }) => [name, own.map(({ key }) => key)])).toEqual([
    ["photos", ["photos/1"]],
    ["all", ["photos/1", "2", "photos"]],
    ["other", ["photos/3"]],
  ]);
  expect(ignored).toBe(1);
});

test("what is for nobody calls nobody", () => {
  expect(shares([from("all", "east:bucket-a/")], [hint("bucket-b", "1")])).toEqual({
    shares: [],
    ignored: 1,
  });
  expect(shares([], [])).toEqual({ shares: [], ignored: 0 });
});
