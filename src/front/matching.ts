// What of a request can be judged by its route alone: the right that its caller must have, the names in its
// query, and the methods of its path.

import { matchedRoutes } from "hono/route";
import type { Call } from "./call.ts";
import { OPERATIONS } from "./operations.ts";
import { checkEncoding } from "../http/body.ts";
import { Problem } from "../http/problem.ts";
import { permit } from "./permission.ts";

/**
 * Refuses a call whose caller has nowhere the right that its route demands. A route without a row in
 * operations.ts is refused to everybody.
 *
 * @throws {Problem} 403
 */
export function checkRight(call: Call): void {
  const route = matchedRoutes(call).find(({ method }) => method !== "ALL");
  if (route === undefined) return; // nothing answers there
  const operation = OPERATIONS[`${route.method} ${route.path}`];
  if (operation?.open === true) return;
  if (operation === undefined) throw new Error(`${route.method} ${route.path} declares no right`);
  const touched = operation.reach === "mesh" ? "mesh" : null;
  permit(call.get("caller"), [operation.right], touched);
}

/**
 * Refuses a query parameter that the route does not take, or takes once only. Ignored, it would look obeyed.
 *
 * @throws {Problem} 400
 */
export function checkQuery(call: Call): void {
  const route = matchedRoutes(call).find(({ method }) => method !== "ALL");
  if (route === undefined) return;
  const { parameters = [] } = OPERATIONS[`${route.method} ${route.path}`] ?? {};
  checkEncoding("The address", new URL(call.req.url).search);
  const known = parameters.filter((parameter) => parameter.in === "query");
  const names = [...new URL(call.req.url).searchParams.keys()];
  for (const [index, name] of names.entries()) {
    const parameter = known.find((one) => one.name === name);
    if (parameter === undefined) {
      const takes = known.length === 0 ? "none" : known.map((one) => one.name).join(", ");
      throw new Problem(
        400,
        "invalid_request",
        `Unknown query parameter "${name}"; ${route.method} ${route.path} takes ${takes}`,
      );
    }
    if (names.indexOf(name) < index && parameter.schema["type"] !== "array")
      throw new Problem(400, "invalid_request", `The query parameter "${name}" is given twice`);
  }
}

/** The methods of a path, for `Allow`. @param routes as `GET /copies/:id` */
export function methodsOf(routes: readonly string[], path: string): string[] {
  const methods = routes.flatMap((route) => {
    const [method = "", pattern = ""] = route.split(" ");
    return new RegExp(`^${pattern.replaceAll(/:\w+/g, "[^/]+").replaceAll(".", "\\.")}/?$`).test(path)
      ? [method]
      : [];
  });
  return [...new Set(methods.flatMap((method) => (method === "GET" ? ["GET", "HEAD"] : [method])))];
}
