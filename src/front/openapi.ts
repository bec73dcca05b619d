// The description of the HTTP API: OpenAPI 3.1 at /openapi.json. It is built from the schemas that parse the
// requests and the schemas that the tests check every answer against. Pure.
//
// Invariant: it lists exactly the routes of the app, which the caller passes in. A route without a row in
// operations.ts appears without a description, and a test fails.

import { z } from "zod";
import { VERSION } from "../http/version.ts";
import * as answers from "../view/answers.ts";
import * as comparisonAnswers from "../view/comparison_answers.ts";
import * as eventAnswers from "../view/event_answers.ts";
import * as listAnswers from "../view/list_answers.ts";
import * as meshAnswers from "../view/mesh_answers.ts";
import * as quoteAnswer from "../view/quote_answer.ts";
import * as replicationAnswers from "../view/replication_answers.ts";
import { COMMON_PROBLEMS, OPERATIONS, POST_PROBLEMS, WRITE_PROBLEMS } from "./operations.ts";
import { type Answer, REQUESTS } from "./operation.ts";
import { IDEMPOTENCY_KEY } from "./parameters.ts";

/** @param routes those of the app, as `GET /copies/:id` */
export function openApi(routes: readonly string[]): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of routes) {
    const [method = "", path = ""] = route.split(" ");
    const operations = (paths[inBraces(path)] ??= {});
    operations[method.toLowerCase()] = describe(route, method, path);
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Bucket Brigade",
      version: VERSION,
      description: "Copies objects of any size between S3-compatible object stores",
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [{ url: "/" }],
    security: [{ token: [] }],
    paths,
    components: {
      securitySchemes: { token: { type: "http", scheme: "bearer" } },
      schemas: {
        ...schemasOf(REQUESTS, "input"),
        ...schemasOf(
          {
            ...answers,
            ...comparisonAnswers,
            ...eventAnswers,
            ...listAnswers,
            ...meshAnswers,
            ...quoteAnswer,
            ...replicationAnswers,
          },
          "output",
        ),
      },
    },
  };
}

/** The same in a few lines, for a terminal. */
export function usage(routes: readonly string[]): string {
  const rows = routes.map((route) => {
    const [method = "", path = ""] = route.split(" ");
    const { summary = "", parameters = [], example } = OPERATIONS[route] ?? {};
    const fields = parameters.filter((parameter) => parameter.in === "query").map(({ name }) => `${name}=`);
    const query = fields.length === 0 ? "" : `?${fields.join("&")}`;
    return { call: `${method.padEnd(6)} ${inBraces(path)}${query}`, summary, example };
  });
  const width = Math.max(...rows.map(({ call }) => call.length));
  const lines = rows.flatMap(({ call, summary, example }) => [
    `  ${call.padEnd(width)}  ${summary}`,
    ...(example === undefined ? [] : [`  ${" ".repeat(width)}  ${example}`]),
  ]);
  return `Bucket Brigade ${VERSION} copies objects and whole prefixes between S3-compatible stores.\n\n${lines.join("\n")}\n`;
}

function inBraces(path: string): string {
  return path.replaceAll(/:(\w+)/g, "{$1}");
}

function describe(route: string, method: string, path: string): Record<string, unknown> {
  const operation = OPERATIONS[route];
  if (operation === undefined) return { responses: { default: { description: "Not described" } } };
  const { summary, tag, open, parameters = [], body, answers: given, problems = {} } = operation;
  const inPath = [...path.matchAll(/:(\w+)/g)].map(([, name]) => ({
    name,
    in: "path",
    required: true,
    schema: { type: "string" },
  }));
  const isPost = method === "POST";
  const writes = [...(method === "GET" ? [] : [WRITE_PROBLEMS]), ...(isPost ? [POST_PROBLEMS] : [])];
  const common = open === true ? [] : [COMMON_PROBLEMS, ...writes];
  const responses: Record<string, unknown> = {};
  for (const [status, answer] of Object.entries(given)) responses[status] = describeAnswer(answer);
  for (const table of [problems, ...common]) {
    for (const [status, codes] of Object.entries(table)) {
      const before = (responses[status] as { description?: string } | undefined)?.description;
      const said = before === undefined ? [] : before.split(", ");
      responses[status] = {
        description: [...new Set([...said, ...codes])].join(", "),
        content: { "application/problem+json": { schema: reference("ProblemBody") } },
      };
    }
  }
  const schema = body === undefined ? null : reference(body);
  return {
    operationId: operationId(method, path),
    summary,
    tags: [tag],
    ...(open === true ? { security: [] } : {}),
    parameters: [...inPath, ...parameters, ...(isPost ? [IDEMPOTENCY_KEY] : [])],
    ...(schema === null
      ? {}
      : {
          requestBody: {
            required: true,
            content: { "application/json": { schema }, "application/x-www-form-urlencoded": { schema } },
          },
        }),
    responses,
  };
}

function describeAnswer(answer: Answer | null): Record<string, unknown> {
  if (answer === null) return { description: "No content" };
  const { description, type, schemas } = answer;
  const [first, ...others] = schemas.map(reference);
  const content =
    first === undefined ? {} : { schema: others.length === 0 ? first : { anyOf: [first, ...others] } };
  return { description, content: { [type]: content } };
}

function reference(name: string): { $ref: string } {
  return { $ref: `#/components/schemas/${name}` };
}

/** `GET /copies/:id/parts` becomes getCopiesIdParts. */
function operationId(method: string, path: string): string {
  const words = path.split(/\W+/).filter((word) => word !== "");
  return method.toLowerCase() + words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join("");
}

function schemasOf(
  schemas: Readonly<Record<string, z.ZodType>>,
  io: "input" | "output",
): Record<string, unknown> {
  const described = Object.entries(schemas).map(([name, schema]) => {
    const { $schema: _, ...rest } = z.toJSONSchema(schema, { io });
    return [name, rest] as const;
  });
  return Object.fromEntries(described);
}
