// Errors of the HTTP API: RFC 9457 problem details with a stable `code`. A Problem names the wrong value and
// says what is allowed and what to do. It never contains a secret or a stack.

import { toJson } from "./json.ts";
import type { PROBLEM_STATUS, ProblemCode } from "./codes.ts";

/** The page that explains a code, relative to the mesh that answers, as RFC 9457 allows. */
export function typeOf(code: ProblemCode): string {
  return `/docs/api#code-${code}`;
}

/** codes.ts has the status of each code. */
type ProblemArguments = {
  [Status in ProblemStatus]: [
    status: Status,
    code: CodeOf<Status>,
    detail: string,
    headers?: Readonly<Record<string, string>>,
  ];
}[ProblemStatus];

type ProblemStatus = (typeof PROBLEM_STATUS)[ProblemCode];

type CodeOf<Status extends ProblemStatus> = {
  [Code in ProblemCode]: (typeof PROBLEM_STATUS)[Code] extends Status ? Code : never;
}[ProblemCode];

/** A detail may quote what was sent. */
const MAX_DETAIL_CHARACTERS = 2_500;

export class Problem extends Error {
  override readonly name = "Problem";
  readonly status: ProblemStatus;
  readonly code: ProblemCode;
  readonly headers: Readonly<Record<string, string>>;

  constructor(...[status, code, detail, headers = {}]: ProblemArguments) {
    super(detail.length <= MAX_DETAIL_CHARACTERS ? detail : `${detail.slice(0, MAX_DETAIL_CHARACTERS)}…`);
    this.status = status;
    this.code = code;
    this.headers = headers;
  }

  /** @param members of its own, beside those that every problem has */
  toResponse(members: Readonly<Record<string, unknown>> = {}): Response {
    const title = TITLES[this.status];
    const { status, code, message: detail } = this;
    const body = { type: typeOf(code), title, status, code, detail, ...members };
    return new Response(prettyJson(body), {
      status: this.status,
      headers: { "content-type": "application/problem+json", "cache-control": "no-store", ...this.headers },
    });
  }
}

const TITLES: Readonly<Record<ProblemStatus, string>> = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  409: "Conflict",
  410: "Gone",
  412: "Precondition Failed",
  413: "Content Too Large",
  421: "Misdirected Request",
  422: "Unprocessable Content",
  429: "Too Many Requests",
  500: "Internal Server Error",
  503: "Service Unavailable",
  504: "Gateway Timeout",
};

/** Made for curl: indented by two spaces, with a final newline so that the prompt starts on its own line. */
function prettyJson(value: unknown): string {
  return toJson(value, 2) + "\n";
}

export function jsonResponse(value: unknown, status = 200, headers: Record<string, string> = {}): Response {
  return new Response(prettyJson(value), {
    status,
    headers: { "content-type": "application/json", "cache-control": "no-store", ...headers },
  });
}
