// The stores of their own that people bring to `npm run dev`.

import { parseEnv } from "node:util";
import { expect, test } from "vitest";
import { envFileOf, ownVariables } from "../../mesh/own_variables.ts";

const LOCAL = ["API_TOKEN", "STORE_EAST", "STORE_WEST"];

const storeWith = (fields: object = {}) =>
  JSON.stringify({
    endpoint: "https://s3.example.com",
    region: "eu",
    accessKeyId: "key",
    secretAccessKey: "s3cr3t",
    ...fields,
  });

test("of the shell the stores count, of the file everything; the shell wins", () => {
  const shell = { STORE_AWS: storeWith({ region: "shell" }), HOME: "/root", MAX_PART_MIB: "20" };
  const file = `STORE_AWS='${storeWith({ region: "file" })}'\nSTORE_R2='${storeWith()}'\nLANES=3 # few\n`;
  const { variables, stores, ignored } = ownVariables(shell, file, LOCAL);
  expect(variables).toEqual({ STORE_AWS: shell.STORE_AWS, STORE_R2: storeWith(), LANES: "3" });
  expect([stores, ignored]).toEqual([["aws", "r2"], []]);
});

test("nothing of one's own is nothing", () => {
  const nothing = { variables: {}, stores: [], ignored: [] };
  expect(ownVariables({ HOME: "/root" }, null, LOCAL)).toEqual(nothing);
});

test("a token of the file is not used, and its name is told", () => {
  expect(ownVariables({}, "API_TOKEN=mine\n", LOCAL)).toEqual({
    variables: {},
    stores: [],
    ignored: ["API_TOKEN"],
  });
});

test.each(["STORE_EAST", "STORE_west"])("%s cannot be one's own: it is a local store", (name) => {
  expect(() => ownVariables({ [name]: storeWith() }, null, LOCAL)).toThrow(
    `${name} is a local store of this mesh: give your store another name`,
  );
});

test.each([
  ["no JSON", "{", /STORE_AWS: it is not JSON/],
  ["a missing field", storeWith({ region: undefined }), /STORE_AWS: "region" is missing/],
  [
    "http to another machine",
    storeWith({ endpoint: "http://s3.example.com" }),
    /STORE_AWS: "endpoint" is http/,
  ],
])("a store with %s is refused by its name, without its value", (_, value, message) => {
  const act = () => ownVariables({ STORE_AWS: value }, null, LOCAL);
  expect(act).toThrow(message);
  expect(act).not.toThrow(/s3cr3t/);
});

const nasty = "a'b`c\"d$HOME${HOME}\\n#=é ";

test("a file of variables holds every character of a store's secret, and nothing that would be expanded", () => {
  const file = envFileOf({ STORE_AWS: storeWith({ secretAccessKey: nasty }), LANES: "3" });
  const { STORE_AWS = "", ...others } = parseEnv(file);
  expect(JSON.parse(STORE_AWS)).toMatchObject({ secretAccessKey: nasty });
  expect(STORE_AWS).not.toContain("$");
  expect(others).toEqual({ LANES: "3" });
});

test.each(["plain", "it's", 'say "no"', "it's `so`", "with $5"])("a file of variables holds %j", (value) => {
  expect(parseEnv(envFileOf({ NOTIFY_URL: value }))["NOTIFY_URL"]?.replaceAll("\\$", "$")).toBe(value);
});

test.each(["'`\"", "\\$5", "'`\\n"])("a file of variables refuses %j rather than change it", (value) => {
  expect(() => envFileOf({ NOTIFY_URL: value })).toThrow(/^NOTIFY_URL holds/);
});
