// Who may do what, and where: rights, routes and places, each held against each.
import { describe, expect, test } from "vitest";
import {
  placesOfCopy,
  placesOfStore,
  placesOfSync,
  withDelete,
  withRestore,
} from "../../../src/access/places.ts";
import {
  type Caller,
  type Right,
  type Touched,
  formatScope,
  knowsOf,
  parseScope,
  reaches,
  rightsOf,
  ruleOn,
  type Scope,
  sees,
} from "../../../src/access/rights.ts";
import { OPERATIONS } from "../../../src/front/operations.ts";
import { RIGHTS } from "../../../src/http/vocabulary.ts";

const scope = (text: string): Scope => {
  const parsed = parseScope(text);
  if (parsed === null) throw new Error(text);
  return parsed;
};

interface Given {
  readonly may: readonly Right[];
  readonly source?: readonly string[];
  readonly destination?: readonly string[];
}

const caller = (...given: readonly Given[]): Caller => ({
  name: "ci",
  grants: given.map(({ may, source, destination }) => ({
    may,
    source: source?.map(scope) ?? null,
    destination: destination?.map(scope) ?? null,
  })),
});

const copy = (source: string, destination: string): Touched => {
  const [from, to] = [source, destination].map((text) => {
    const [, store = "", bucket = "", key = ""] = /^(\w+):([^/]+)\/(.*)$/.exec(text) ?? [];
    return { store, bucket, key };
  });
  if (from === undefined || to === undefined) throw new Error(source);
  return placesOfCopy({ source: from, destination: to });
};

describe("a route", () => {
  const routes = Object.entries(OPERATIONS);

  test.each(routes)("%s is open, or declares the right that it needs", (route, { open, ...operation }) => {
    if (open === true) {
      expect(route).toMatch(/^GET \/(?:|healthz|docs|docs\/:page|openapi\.json)$/);
      return;
    }
    expect(operation).toMatchObject({ reach: expect.stringMatching(/^(?:mesh|own)$/) });
    const { right } = operation as { right: Right };
    expect(right === "read").toBe(route.startsWith("GET "));
    for (const one of RIGHTS)
      expect([one, ruleOn(caller({ may: [one] }), [right], "mesh").kind]).toEqual([
        one,
        one === right ? "allowed" : "right_missing",
      ]);
  });
});

describe("a place", () => {
  test.each<[from: readonly string[] | null, to: readonly string[] | null, touched: Touched, kind: string]>([
    [null, null, copy("east:a/k", "west:b/k"), "allowed"],
    [["east"], null, copy("east:a/k", "west:b/k"), "allowed"],
    [["east"], ["west"], copy("east:a/k", "west:b/k"), "allowed"],
    [["east"], ["west"], copy("west:a/k", "east:b/k"), "out_of_scope"],
    [["east:a"], ["west:b"], copy("east:a/k", "west:b/k"), "allowed"],
    [["east:a"], ["west:b"], copy("east:ab/k", "west:b/k"), "out_of_scope"],
    [["east:a/x/"], null, copy("east:a/x/k", "west:b/k"), "allowed"],
    [["east:a/x/"], null, copy("east:a/x", "west:b/k"), "out_of_scope"],
    [["east:a/x/"], null, copy("east:a/y/k", "west:b/k"), "out_of_scope"],
    [["east:a/x/"], null, copy("east:a/../a/x/k", "west:b/k"), "out_of_scope"],
    [["east:a/x"], null, copy("east:a/xy", "west:b/k"), "allowed"], // a prefix is a string
    [["north", "east:a"], null, copy("east:a/k", "west:b/k"), "allowed"],
    // The same service under another name has another key.
    [["east"], null, copy("east2:a/k", "west:b/k"), "out_of_scope"],
    [null, ["west:b/ci/"], placesOfStore("west", "b", ["destination"]), "out_of_scope"],
    [null, ["west:b"], placesOfStore("west", "b", ["destination"]), "allowed"],
    [null, ["west:b"], placesOfStore("west", null, ["destination"]), "out_of_scope"],
    [null, ["west"], placesOfStore("west", null, ["destination"]), "allowed"],
    [["east"], ["west"], placesOfStore("west", "b", ["source"]), "out_of_scope"],
    [["east"], null, "mesh", "out_of_scope"],
    [null, ["west"], "mesh", "out_of_scope"],
    [null, null, "mesh", "allowed"],
  ])("from %j to %j: %j is %s, with every right", (source, destination, touched, kind) => {
    const given = {
      ...(source === null ? {} : { source }),
      ...(destination === null ? {} : { destination }),
    };
    for (const right of RIGHTS) {
      expect(ruleOn(caller({ may: [right], ...given }), [right], touched).kind).toBe(kind);
      const other = RIGHTS.find((one) => one !== right) ?? right;
      expect(ruleOn(caller({ may: [other], ...given }), [right], touched)).toEqual({
        kind: "right_missing",
        right,
      });
    }
  });

  test("where a sync reports to is written, too", () => {
    const sync = {
      source: { store: "east", bucket: "a", prefix: "" },
      destination: { store: "west", bucket: "b", prefix: "ci/" },
    };
    const ci = caller({ may: ["start"], destination: ["west:b/ci/"] });
    const within = { ...sync, report: { ...sync.destination, prefix: "ci/reports/" } };
    const outside = { ...sync, report: { ...sync.destination, prefix: "reports/" } };
    expect(ruleOn(ci, ["start"], placesOfSync(sync)).kind).toBe("allowed");
    expect(ruleOn(ci, ["start"], placesOfSync(within)).kind).toBe("allowed");
    expect(ruleOn(ci, ["start"], placesOfSync(outside)).kind).toBe("out_of_scope");
  });

  test.each([
    ["ci/list.csv", {}, "allowed"],
    ["list.csv", {}, "out_of_scope"],
    ["ci/daily/now/manifest.json", {}, "allowed"],
    ["ci/manifest.json", {}, "out_of_scope"],
    ["ci/x/report-000001.ndjson", {}, "allowed"],
    ["ci/x/list", { manifestFormat: "inventory" }, "allowed"],
    ["ci/list", { manifestFormat: "inventory" }, "out_of_scope"],
  ])("a manifest is read where it lies, an inventory with its folder: %s %j", (key, format, kind) => {
    const sync = {
      source: { store: "east", bucket: "a", prefix: "ci/" },
      destination: { store: "west", bucket: "b", prefix: "ci/" },
      manifest: { store: "east", bucket: "a", key },
      ...format,
    };
    const ci = caller({ may: ["start"], source: ["east:a/ci/"], destination: ["west:b/ci/"] });
    expect(ruleOn(ci, ["start"], placesOfSync(sync)).kind).toBe(kind);
  });

  test("with a part of a report, all its parts are read", () => {
    const place = { store: "east", bucket: "a", prefix: "" };
    const manifest = { store: "east", bucket: "a", key: "x/report-000001.ndjson" };
    const { source } = placesOfSync({ source: place, destination: place, manifest }) as Exclude<
      Touched,
      "mesh"
    >;
    expect(source[1]).toEqual({ store: "east", bucket: "a", name: "x/report-" });
  });
});

test("what deletes needs the right to delete, of a grant for that place; a dry run does not", () => {
  expect(withDelete("start", {})).toEqual(["start"]);
  expect(withDelete("start", { delete: true })).toEqual(["start", "delete"]);
  expect(withDelete("start", { delete: true, dryRun: true })).toEqual(["start"]);
  expect(withDelete("start", { versions: "all" })).toEqual(["start", "delete"]);
  expect(withDelete("start", { versions: "all", dryRun: true })).toEqual(["start"]);
  expect(withDelete("start", { versions: "current" })).toEqual(["start"]);
  const touched = copy("east:a/k", "west:b/k");
  const both: Right[] = ["start", "delete"];
  expect(ruleOn(caller({ may: ["start"] }), both, touched)).toEqual({
    kind: "right_missing",
    right: "delete",
  });
  const elsewhere = caller({ may: ["start"] }, { may: ["delete"], destination: ["north"] });
  expect(ruleOn(elsewhere, both, touched)).toEqual({ kind: "out_of_scope", right: "delete" });
  expect(ruleOn(caller({ may: ["start"] }, { may: ["delete"] }), both, touched).kind).toBe("allowed");
});

test("two grants do not make a third: a source of one and a destination of the other are no way between them", () => {
  const two = caller(
    { may: ["read", "start"], source: ["east"], destination: ["west"] },
    { may: ["read", "start"], source: ["north"], destination: ["south"] },
  );
  expect(ruleOn(two, ["start"], copy("east:a/k", "south:b/k")).kind).toBe("out_of_scope");
  expect(ruleOn(two, ["start"], copy("north:a/k", "south:b/k")).kind).toBe("allowed");
  expect(sees(two, copy("east:a/k", "south:b/k"))).toBe(false);
});

test("lists show what may be read on both sides; that a thing exists is told to who may do anything to it", () => {
  const touched = copy("east:a/k", "west:b/k");
  const starter = caller({ may: ["start"], source: ["east"], destination: ["west"] });
  expect([sees(starter, touched), knowsOf(starter, touched)]).toEqual([false, true]);
  const reader = caller({ may: ["read"], source: ["east"] });
  expect([sees(reader, touched), knowsOf(reader, touched)]).toEqual([true, true]);
  const stranger = caller({ may: ["read", "start"], source: ["north"] });
  expect([sees(stranger, touched), knowsOf(stranger, touched)]).toEqual([false, false]);
});

test("a store is within reach by either side, a bucket only as far as the grant goes", () => {
  const one = caller({ may: ["read"], source: ["east:a/x/"], destination: ["west"] });
  expect(reaches(one, "read", "east", null)).toBe(true);
  expect(reaches(one, "read", "east", "a")).toBe(true);
  expect(reaches(one, "read", "east", "b")).toBe(false);
  expect(reaches(one, "read", "west", "b")).toBe(true);
  expect(reaches(one, "read", "north", null)).toBe(false);
  expect(reaches(one, "stores", "east", null)).toBe(false);
  expect(rightsOf(caller({ may: ["steer"] }, { may: ["read", "steer"] }))).toEqual(["read", "steer"]);
});

test.each([
  ["east", { store: "east", bucket: null, prefix: "" }],
  ["EAST:photos", { store: "east", bucket: "photos", prefix: "" }],
  ["east:photos/", { store: "east", bucket: "photos", prefix: "" }],
  ["east:photos/a/b:c/", { store: "east", bucket: "photos", prefix: "a/b:c/" }],
])("%j is a place", (text, parsed) => {
  expect(parseScope(text)).toEqual(parsed);
  expect(parseScope(formatScope(parsed))).toEqual(parsed);
});

test.each(["", ":b", "east:", "east:/k", "east/k", "https://east", "*", "e ast"])(
  "%j is no place",
  (text) => {
    expect(parseScope(text)).toBeNull();
  },
);

test("a restore is a write at the source, and nothing else of ifArchived is", () => {
  const touched = placesOfCopy({
    source: { store: "east", bucket: "b", key: "k" },
    destination: { store: "west", bucket: "b", key: "k" },
  });
  const [from] = touched === "mesh" ? [] : touched.source;
  const writes = (ifArchived: unknown) => {
    const after = withRestore(touched, { ifArchived });
    return after === "mesh" ? [] : after.destination;
  };
  expect(writes({ restore: "Bulk", days: 3 })).toContainEqual(from);
  for (const wish of [undefined, "fail", "skip"]) expect(writes(wish)).not.toContainEqual(from);
});
