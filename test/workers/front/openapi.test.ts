// The API's description of itself. That answers fit it is checked at every answer of every test
// (test/mesh/api_answers.ts).

import { Validator } from "@seriousme/openapi-schema-validator";
import { Ajv2020 } from "ajv/dist/2020.js";
import { expect, test } from "vitest";
import { OPERATIONS } from "../../../src/front/operations.ts";
import { openWorld } from "../world.ts";

const {
  mesh,
  stores: { east },
} = await openWorld({ east: { buckets: ["source"] }, west: { buckets: ["destination"] } });

interface Described {
  readonly operationId?: string;
  readonly summary?: string;
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
  readonly responses: Readonly<Record<string, unknown>>;
}

interface Document {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Described>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Record<string, unknown>>> };
}

const { body: document, status } = await mesh.call<Document>("GET", "/openapi.json", {
  headers: { authorization: "" },
});
const described = Object.entries(document.paths).flatMap(([path, operations]) =>
  Object.entries(operations).map(([method, operation]) => ({ path, method, operation })),
);

test("GET /openapi.json is OpenAPI 3.1, by the judgement of a validator", async () => {
  expect(status).toBe(200);
  expect(document.openapi).toBe("3.1.0");
  const result = await new Validator().validate(
    structuredClone(document) as unknown as Record<string, unknown>,
  );
  expect(result).toMatchObject({ valid: true });
});

test("it has every route that the app has, each with a summary, its parameters and a name of its own", () => {
  expect(described.filter(({ operation }) => operation.summary === undefined)).toEqual([]);
  const names = described.map(({ operation }) => operation.operationId);
  expect(new Set(names).size).toBe(names.length);
  for (const { path, operation } of described) {
    const inPath = operation.parameters
      ?.filter((parameter) => parameter.in === "path")
      .map(({ name }) => `{${name}}`);
    expect(path.match(/\{\w+\}/g) ?? []).toEqual(inPath);
  }
});

test("GET / lists for curl every call with its summary, in the words of /openapi.json", async () => {
  const { text } = await mesh.call("GET", "/", { headers: { authorization: "" } });
  const lines = text.split("\n");
  for (const { path, method, operation } of described) {
    const call = `  ${method.toUpperCase().padEnd(6)} ${path}`;
    const line = lines.find(
      (candidate) => candidate.startsWith(call) && /^[ ?]/.test(candidate.slice(call.length)),
    );
    expect(line, call).toContain(operation.summary);
  }
});

test("it describes no route that the app has not", () => {
  const routes = described.map(
    ({ path, method }) => `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ":$1")}`,
  );
  expect(routes.toSorted()).toEqual(Object.keys(OPERATIONS).toSorted());
});

test("its schemas take real answers and refuse wrong ones, as JSON Schema", async () => {
  east.put("source", "schema", "S");
  const { id } = await mesh.copy({ source: "east:source/schema", destination: "west:destination/schema" });
  const { body } = await mesh.call("GET", `/copies/${id}`);
  const ajv = new Ajv2020({ strict: false, formats: { "date-time": true } });
  const isStatus = ajv.compile(document.components.schemas["CopyStatus"] ?? {});
  expect(isStatus(body)).toBe(true);
  expect(isStatus({ ...body, phase: "finished" })).toBe(false);
  const isRequest = ajv.compile(document.components.schemas["CopyRequest"] ?? {});
  expect(isRequest({ source: "east:source/a", destination: "west:destination/a", lanes: 2 })).toBe(true);
  expect(isRequest({ source: "east:source/a" })).toBe(false);
});
