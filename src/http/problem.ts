// Errors of the HTTP API: RFC 9457 problem details with a stable `code`. A Problem names the wrong value and
// says what is allowed and what to do. It never contains a secret or a stack.

export class Problem extends Error {
  override readonly name = "Problem";
  readonly status: number;
  readonly code: string;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, code: string, detail: string, headers: Readonly<Record<string, string>> = {}) {
    super(detail);
    this.status = status;
    this.code = code;
    this.headers = headers;
  }

  toResponse(): Response {
    const title = TITLES[this.status] ?? "Error";
    const body = { type: "about:blank", title, status: this.status, code: this.code, detail: this.message };
    return new Response(prettyJson(body), {
      status: this.status,
      headers: { "content-type": "application/problem+json", "cache-control": "no-store", ...this.headers },
    });
  }
}

const TITLES: Readonly<Record<number, string>> = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  409: "Conflict",
  413: "Content Too Large",
  422: "Unprocessable Content",
  500: "Internal Server Error",
  503: "Service Unavailable",
};

/** Made for curl: indented by two spaces, with a final newline so that the prompt starts on its own line. */
function prettyJson(value: unknown): string {
  return JSON.stringify(value, null, 2) + "\n";
}

export function jsonResponse(value: unknown, status = 200, headers: Record<string, string> = {}): Response {
  return new Response(prettyJson(value), {
    status,
    headers: { "content-type": "application/json", "cache-control": "no-store", ...headers },
  });
}
