// Checks every answer that a test sees against the API's own description: the schema of its body, and the
// code of a problem. So /openapi.json is true of everything the tests do.

import * as answers from "../../src/view/answers.ts";
import * as comparisonAnswers from "../../src/view/comparison_answers.ts";
import * as eventAnswers from "../../src/view/event_answers.ts";
import * as listAnswers from "../../src/view/list_answers.ts";
import * as meshAnswers from "../../src/view/mesh_answers.ts";
import * as quoteAnswer from "../../src/view/quote_answer.ts";
import * as replicationAnswers from "../../src/view/replication_answers.ts";
import { COMMON_PROBLEMS, OPERATIONS, POST_PROBLEMS, WRITE_PROBLEMS } from "../../src/front/operations.ts";
import type { Answer } from "./mesh_client.ts";

/** @throws Error if the answer does not match its description */
export function checkAnswer(
  method: string,
  path: string,
  { status, headers, text, body }: Answer<unknown>,
): void {
  const route = routeOf(method, new URL(path, "http://mesh").pathname);
  if (route === null) return;
  const operation = OPERATIONS[route];
  const wrong = (what: string) => new Error(`${route} answered ${status}, ${what}\n${text.slice(0, 2000)}`);
  const type = headers.get("content-type") ?? "";
  if (type === "application/problem+json") {
    const problem = answers.ProblemBody.parse(body);
    const tables = [operation?.problems, COMMON_PROBLEMS, WRITE_PROBLEMS, POST_PROBLEMS];
    const known = tables.flatMap((table) => table?.[status] ?? []);
    if (!known.includes(problem.code)) throw wrong(`and "${problem.code}" is not among its problems`);
    return;
  }
  const answer = operation?.answers[status];
  if (answer === undefined) throw wrong("which is not among its answers");
  if (answer === null || !type.startsWith("application/json")) return;
  const reasons = answer.schemas.map((name) => SCHEMAS[name].safeParse(body));
  if (reasons.length === 0 || reasons.some(({ success }) => success)) return;
  const first = reasons[0]?.error?.issues
    .map((issue) => `${issue.path.join(".")}: ${issue.message}`)
    .join("; ");
  throw wrong(`which is no ${answer.schemas.join(" or ")} (src/view/): ${first}`);
}

const SCHEMAS = {
  ...answers,
  ...quoteAnswer,
  ...comparisonAnswers,
  ...eventAnswers,
  ...listAnswers,
  ...meshAnswers,
  ...replicationAnswers,
};

const PATTERNS = Object.keys(OPERATIONS).map((route) => {
  const [method = "", path = ""] = route.split(" ");
  return { route, method, pattern: new RegExp(`^${path.replaceAll(/:\w+/g, "[^/]+")}$`) };
});

function routeOf(method: string, path: string): string | null {
  return PATTERNS.find((known) => known.method === method && known.pattern.test(path))?.route ?? null;
}
