// The parameters of the routes, in queries and headers, as /openapi.json shows them.

import { PHASE_GROUPS } from "../http/vocabulary.ts";

export interface Parameter {
  readonly name: string;
  readonly in: "query" | "header";
  readonly description: string;
  readonly schema: Readonly<Record<string, unknown>>;
}

export const query = (name: string, description: string, schema: Record<string, unknown>): Parameter => ({
  name,
  in: "query",
  description,
  schema,
});

export const WAIT = query("wait", "Answers when it ends or needs a person, or after that many seconds", {
  type: "integer",
  minimum: 0,
  maximum: 300,
  default: 0,
});

export const LIMIT = query("limit", "Rows of a page", {
  type: "integer",
  minimum: 1,
  maximum: 500,
  default: 50,
});

export const CURSOR = query("cursor", 'The "next" of the previous page', { type: "string" });

export const phases = (known: readonly string[]): Parameter =>
  query("phase", "Only those in this phase, or in one of several", {
    type: "array",
    items: { type: "string", enum: [...known, ...Object.keys(PHASE_GROUPS)] },
  });

export const SEARCH = [
  query("q", "Only those with this text in their source or destination, in any case", { type: "string" }),
  query("store", "Only those that read or write this store", { type: "string" }),
  query("schedule", "Only those that this schedule has started", { type: "string" }),
];

export const SWITCH = { type: "string", enum: ["", "true", "false"] };

export const PROGRESS = [
  query(
    "plain",
    "A line at a time instead of one that rewrites itself, which is the default for curl",
    SWITCH,
  ),
  query("width", "Columns", { type: "integer", minimum: 20, maximum: 500, default: 79 }),
];

export const LAST_EVENT_ID: Parameter = {
  name: "Last-Event-ID",
  in: "header",
  description: "Timeline entries up to this one are left out",
  schema: { type: "string" },
};

export const IDEMPOTENCY_KEY: Parameter = {
  name: "Idempotency-Key",
  in: "header",
  description: "The same request with the same key is done once and answered the same; kept for 7 days",
  schema: { type: "string", pattern: "^[!-~]{1,255}$" },
};

export const IF_MATCH: Parameter = {
  name: "If-Match",
  in: "header",
  description: "ETags of GET: only if the schedule is still one of these",
  schema: { type: "string" },
};

export const IF_NONE_MATCH: Parameter = {
  name: "If-None-Match",
  in: "header",
  description: "`*`: only if there is no schedule of this name yet",
  schema: { type: "string", enum: ["*"] },
};

export const LINK = [
  query("expires", "Of a link: when it ends, in seconds since 1970", { type: "integer" }),
  query("sig", "Of a link: its signature, in place of a token", { type: "string" }),
];
