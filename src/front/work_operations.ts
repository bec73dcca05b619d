// The rows of operations.ts for the routes of work_routes.ts, which copies and syncs have alike.

import { type Operation, json } from "./operation.ts";
import { CURSOR, LIMIT, SEARCH, WAIT, phases } from "./parameters.ts";
import type { ProblemCode } from "../http/codes.ts";
import { COMPARISON_PHASES, COPY_PHASES, SYNC_PHASES } from "../http/vocabulary.ts";

interface Kind {
  readonly name: "copy" | "sync" | "comparison";
  readonly plural: "copies" | "syncs" | "comparisons";
  readonly tag: Operation["tag"];
  readonly status: "CopyStatus" | "SyncStatus" | "ComparisonStatus";
  readonly phases: readonly string[];
  readonly missing: readonly ProblemCode[];
  readonly errors: readonly ProblemCode[];
  /** The schema of its past rates. */
  readonly rates?: "Rates" | "SyncRates";
}

const KINDS: readonly Kind[] = [
  {
    name: "copy",
    plural: "copies",
    tag: "Copies",
    status: "CopyStatus",
    phases: COPY_PHASES,
    missing: ["copy_not_found"],
    errors: [],
    rates: "Rates",
  },
  {
    name: "sync",
    plural: "syncs",
    tag: "Syncs",
    status: "SyncStatus",
    phases: SYNC_PHASES,
    missing: ["sync_not_found"],
    errors: ["work_finished_with_errors"],
    rates: "SyncRates",
  },
  {
    name: "comparison",
    plural: "comparisons",
    tag: "Comparisons",
    status: "ComparisonStatus",
    phases: COMPARISON_PHASES,
    missing: ["comparison_not_found"],
    errors: ["work_different", "work_inconclusive"],
  },
];

const EFFECTS = {
  pause: "Pauses many at once: those of a phase, a store, a schedule",
  resume: "Resumes many at once, those that are paused or blocked unless a phase is named",
  cancel: "Cancels many at once",
} as const;

/** Keyed as OPERATIONS. */
export const WORK_OPERATIONS: Readonly<Record<string, Operation>> = Object.fromEntries(
  KINDS.flatMap((kind) => [
    [`GET /${kind.plural}/:id/result`, resultOperation(kind)] as const,
    [`DELETE /${kind.plural}/:id`, deleteOperation(kind)] as const,
    ...(kind.rates === undefined
      ? []
      : [[`GET /${kind.plural}/:id/rates`, ratesOperation(kind, kind.rates)] as const]),
    ...(["pause", "resume", "cancel"] as const).map(
      (verb) => [`POST /${kind.plural}/${verb}`, manyOperation(kind, verb)] as const,
    ),
  ]),
);

function resultOperation({ name, tag, status, missing, errors }: Kind): Operation {
  return {
    summary: `How a ${name} ended, as an HTTP status: 200 done, 409 it waits for you, 422 not done, 504 ask again`,
    tag,
    right: "read",
    reach: "own",
    parameters: [WAIT],
    answers: { 200: json("Its status; as lines for Accept: text/plain", status) },
    problems: {
      404: missing,
      409: ["work_blocked", "work_paused"],
      422: ["work_failed", "work_cancelled", ...errors],
      503: ["too_many_viewers"],
      504: ["work_goes_on"],
    },
  };
}

function ratesOperation({ name, tag, missing }: Kind, rates: "Rates" | "SyncRates"): Operation {
  return {
    summary: `How fast a ${name} was, from its beginning on`,
    tag,
    right: "read",
    reach: "own",
    answers: { 200: json("At most 120 samples", rates) },
    problems: { 404: missing },
  };
}

function deleteOperation({ name, tag, missing }: Kind): Operation {
  return {
    summary: `Forgets a ${name} that has ended; what it has written stays`,
    tag,
    right: "steer",
    reach: "own",
    answers: { 204: null },
    problems: { 404: missing, 409: ["work_running", "clean_up_owed"] },
  };
}

function manyOperation(kind: Kind, verb: keyof typeof EFFECTS): Operation {
  return {
    summary: EFFECTS[verb],
    tag: kind.tag,
    right: "steer",
    reach: "own",
    parameters: [phases(kind.phases), ...SEARCH, LIMIT, CURSOR],
    answers: { 200: json("A page: what became of each; as a table for Accept: text/plain", "SteeredMany") },
  };
}
