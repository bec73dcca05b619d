// A request for a replication: what is refused, and what is kept of it.

import { expect, test } from "vitest";
import { Problem } from "../../../src/http/problem.ts";
import { parseReplication, resolveReplication, reversed, shownSpec } from "../../../src/replication/spec.ts";

const STORE = {
  endpoint: "https://s3.example.com",
  region: "auto",
  accessKeyId: "id",
  secretAccessKey: "secret",
};
const ENV = {
  STORE_EAST: JSON.stringify(STORE),
  STORE_WEST: JSON.stringify({ ...STORE, endpoint: "https://west.example.com" }),
  STORE_FILES: JSON.stringify({ kind: "https", endpoint: "https://files.example.com/" }),
};
const made = (more: Record<string, unknown>) =>
  resolveReplication("r", parseReplication({ source: "east:from/", destination: "west:to/", ...more }), ENV);
const fromFiles = () => made({ source: "files:./folder/" });

test("a web server as its source is refused: it can neither be listed nor send events", () => {
  expect(fromFiles).toThrow(Problem);
  expect(fromFiles).toThrow(
    /^"source": store "files" is of kind https: a web server has no listing, .*sends no events\. Copy its files by a sync/,
  );
});

test("it tells the receivers that it names, each once; without a word, all", () => {
  expect(shownSpec(made({})).notify).toBe(null);
  expect(shownSpec(made({ notify: [] })).notify).toEqual([]);
  const spec = made({ notify: ["ops", "sales", "ops"] });
  expect(shownSpec(spec).notify).toEqual(["ops", "sales"]);
  expect(shownSpec(reversed("r-reverse", spec)).notify).toEqual(["ops", "sales"]);
  expect(shownSpec(made({ notify: "ops" })).notify).toEqual(["ops"]);
  expect(shownSpec(made({ notify: "" })).notify).toEqual([]);
  expect(() => made({ notify: {} })).toThrow("a list of names");
  expect(() => made({ notify: [1] })).toThrow(Problem);
});
