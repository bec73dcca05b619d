// Authentication: bearer tokens from the configuration, compared in constant time. It fails closed: without
// API_TOKEN every route of the API answers 503.

import { timingSafeEqual } from "hono/utils/buffer";
import { Problem } from "../http/problem.ts";

/**
 * Returns if the request may pass.
 *
 * @throws {Problem} 503 without API_TOKEN, 401 without a valid token, 403 for a write with API_TOKEN_READ
 */
export async function authorize(request: Request, env: Readonly<Record<string, unknown>>): Promise<void> {
  const full = tokenOf(env, "API_TOKEN");
  if (full === null) {
    throw new Problem(
      503,
      "api_token_unset",
      'No request is answered until the secret API_TOKEN is set: run "npx wrangler secret put API_TOKEN"',
    );
  }
  const match = /^Bearer +(\S+) *$/i.exec(request.headers.get("authorization") ?? "");
  const given = match?.[1];
  if (given === undefined) {
    throw new Problem(401, "token_missing", 'Send the header "Authorization: Bearer <API_TOKEN>"', {
      "www-authenticate": 'Bearer realm="bucket-brigade"',
    });
  }
  if (await timingSafeEqual(given, full)) return;
  const read = tokenOf(env, "API_TOKEN_READ");
  if (read === null || !(await timingSafeEqual(given, read))) {
    throw new Problem(401, "token_wrong", "The bearer token is not the one configured as API_TOKEN", {
      "www-authenticate": 'Bearer realm="bucket-brigade", error="invalid_token"',
    });
  }
  if (request.method !== "GET" && request.method !== "HEAD") {
    throw new Problem(403, "token_read_only", "The token API_TOKEN_READ may only read; use API_TOKEN");
  }
}

function tokenOf(env: Readonly<Record<string, unknown>>, name: string): string | null {
  const value = env[name];
  return typeof value === "string" && value !== "" ? value : null;
}
