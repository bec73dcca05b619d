// What the tables of operations.ts are made of: a row for each route, and the schemas that it names.

import type { Right } from "../access/rights.ts";
import { CopyRequestSchema } from "../copy/spec.ts";
import { CheckRequestSchema } from "../diagnose/check_answer.ts";
import { ProbeRequestSchema } from "../diagnose/probe_answer.ts";
import type { ProblemCode } from "../http/codes.ts";
import { LinkRequestSchema } from "./link.ts";
import { SecretRequestSchema } from "./secret_request.ts";
import { QuoteRequestSchema } from "./quote.ts";
import type { Parameter } from "./parameters.ts";
import { CutoverRequestSchema, ReplicationRequestSchema } from "../replication/spec.ts";
import { ScheduleChangesSchema, ScheduleSchema } from "../schedule/spec.ts";
import { ResumeRequestSchema } from "../store/budget.ts";
import { ComparisonRequestSchema } from "../sync/comparison_spec.ts";
import { RepairRequestSchema, SyncRequestSchema } from "../sync/spec.ts";
import type * as answers from "../view/answers.ts";
import type * as comparisonAnswers from "../view/comparison_answers.ts";
import type * as eventAnswers from "../view/event_answers.ts";
import type * as listAnswers from "../view/list_answers.ts";
import type * as meshAnswers from "../view/mesh_answers.ts";
import type * as quoteAnswer from "../view/quote_answer.ts";
import type * as replicationAnswers from "../view/replication_answers.ts";

type AnswerName =
  | keyof typeof answers
  | keyof typeof comparisonAnswers
  | keyof typeof listAnswers
  | keyof typeof meshAnswers
  | keyof typeof eventAnswers
  | keyof typeof quoteAnswer
  | keyof typeof replicationAnswers;

export interface Answer {
  readonly description: string;
  readonly type: string;
  /** Several mean one of them. None means that the answer is not JSON. */
  readonly schemas: readonly AnswerName[];
}

export type Problems = Readonly<Record<number, readonly ProblemCode[]>>;

/** `mesh`: only for who has the right everywhere. `own`: the route asks what the caller's grants cover. */
type Access =
  | { readonly open: true }
  | { readonly open?: undefined; readonly right: Right; readonly reach: "mesh" | "own" };

export type Operation = Access & {
  readonly summary: string;
  /** The arguments of curl. */
  readonly example?: string;
  readonly tag: "Copies" | "Syncs" | "Comparisons" | "Replications" | "Schedules" | "Mesh";
  readonly parameters?: readonly Parameter[];
  readonly body?: keyof typeof REQUESTS;
  readonly answers: Readonly<Record<number, Answer | null>>;
  /** Problem codes beyond COMMON_PROBLEMS and WRITE_PROBLEMS. */
  readonly problems?: Problems;
  /** It is called by the thousand: the audit has it only where it fails, and then together with its like. */
  readonly isQuiet?: true;
};

export const REQUESTS = {
  CopyRequest: CopyRequestSchema,
  SyncRequest: SyncRequestSchema,
  ComparisonRequest: ComparisonRequestSchema,
  RepairRequest: RepairRequestSchema,
  ReplicationRequest: ReplicationRequestSchema,
  CutoverRequest: CutoverRequestSchema,
  ScheduleRequest: ScheduleSchema,
  ScheduleChanges: ScheduleChangesSchema,
  CheckRequest: CheckRequestSchema,
  ProbeRequest: ProbeRequestSchema,
  LinkRequest: LinkRequestSchema,
  SecretRequest: SecretRequestSchema,
  ResumeRequest: ResumeRequestSchema,
  QuoteRequest: QuoteRequestSchema,
} as const;

export const json = (description: string, ...schemas: AnswerName[]): Answer => ({
  description,
  type: "application/json",
  schemas,
});

export const text = (description: string, type: string): Answer => ({ description, type, schemas: [] });

export const EVENTS = text(
  "Events `status` (without its timeline), `timeline` (with an id), `end`; a comment while nothing is new",
  "text/event-stream",
);

export const START_PROBLEMS = {
  400: ["invalid_request", "invalid_json", "invalid_bucket", "unknown_store"],
  403: ["store_read_only", "bucket_not_allowed"],
  429: ["too_many_running"],
  503: ["store_misconfigured", "misconfigured"],
} as const;

/** A call that goes on with a higher budget, if it names one. */
export const raising = (operation: Operation): Operation => ({
  ...operation,
  body: "ResumeRequest",
  problems: { ...operation.problems, 400: ["invalid_request", "invalid_json"], 409: ["budget_reached"] },
});

/** Of what a link opens. */
export const WATCHED = { 403: ["link_invalid"], 410: ["link_expired"], 503: ["too_many_viewers"] } as const;

export const linkTo = (tag: Operation["tag"], problems: Problems): Operation => ({
  summary: "Makes a link that shows its status, progress and events to who has no token",
  example: "-d expiresInSeconds=86400",
  tag,
  right: "steer",
  reach: "own",
  body: "LinkRequest",
  answers: { 201: json("The link", "Link") },
  problems: { ...problems, 400: ["invalid_request", "invalid_json"] },
});
