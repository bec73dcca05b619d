// Where a store is, by its region.
import { expect, test } from "vitest";
import { locationFor, locationOf, placedAt, registryLocation } from "../../../src/store/location.ts";

test.each([
  ["us-east-1", "enam"],
  ["us-west-2", "wnam"],
  ["us-west-004", "wnam"],
  ["ca-central-1", "enam"],
  ["ca-west-1", "wnam"],
  ["sa-east-1", "sam"],
  ["eu-central-1", "weur"],
  ["eu-central-003", "weur"],
  ["fr-par", "weur"],
  ["fsn1", "weur"],
  ["pl-waw", "eeur"],
  ["ap-northeast-1", "apac-ne"],
  ["ap-southeast-1", "apac-se"],
  ["ap-southeast-2", "oc"],
  ["ap-south-1", "apac"],
  ["af-south-1", "afr"],
  ["me-central-1", "me"],
  ["il-central-1", "me"],
  ["WEUR", "weur"],
  ["nyc3", "enam"],
  ["auto", null],
  ["garage", null],
  ["default", null],
])("a store in %s is near %s", (region, location) => {
  expect(locationOf({ region })).toBe(location);
});

test("what the configuration says wins", () => {
  expect(locationOf({ region: "us-east-1", location: "oc" })).toBe("oc");
});

test.each([
  ["the request before the store", { location: "sam" }, { region: "us-east-1", location: "oc" }, "sam"],
  ["the store before its region", { location: null }, { region: "us-east-1", location: "oc" }, "oc"],
  ["the region where nobody says it", { location: null }, { region: "us-east-1" }, "enam"],
  ["the same, of work that was admitted before it could say so", {}, { region: "us-east-1" }, "enam"],
  ["the request, where the store is not configured any more", { location: "sam" }, null, "sam"],
  ["nobody", { location: null }, { region: "auto" }, null],
] as const)("where a copy runs says %s", (_, spec, store, location) => {
  expect(locationFor(spec, store)).toBe(location);
});

test("only a known place is a hint to the platform", () => {
  expect(placedAt("me")).toEqual({ locationHint: "me" });
  expect(placedAt(null)).toEqual({});
});

test("LOCATION is one of the platform's hints; without it the platform chooses", () => {
  expect(registryLocation({ LOCATION: "weur" })).toBe("weur");
  for (const env of [{}, { LOCATION: "" }]) expect(registryLocation(env)).toBeNull();
});

test.for(["mars", "WEUR", 5])("LOCATION may not be %j", (value) => {
  const read = () => registryLocation({ LOCATION: value });
  expect(read).toThrow(
    `The variable LOCATION must be one of wnam, enam, sam, weur, eeur, apac, apac-ne, apac-se, oc, afr, me, or empty, not ${JSON.stringify(value)}`,
  );
});
