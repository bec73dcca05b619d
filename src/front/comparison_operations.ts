// The rows of operations.ts for comparisons.

import { COMPARISON_PHASES } from "../http/vocabulary.ts";
import { type Operation, EVENTS, json, linkTo, raising, START_PROBLEMS, text, WATCHED } from "./operation.ts";
import { CURSOR, LAST_EVENT_ID, LIMIT, LINK, PROGRESS, SEARCH, WAIT, phases } from "./parameters.ts";

const NO_COMPARISON = { 404: ["comparison_not_found"] } as const;

export const COMPARISON_REFUSALS = ["invalid_key", "overlapping_prefixes"] as const;

const verb = (summary: string): Operation => ({
  summary,
  tag: "Comparisons",
  right: "steer",
  reach: "own",
  answers: { 200: json("The status, and whether the call has changed it", "SteeredComparison") },
  problems: NO_COMPARISON,
});

export const COMPARISON_OPERATIONS: Readonly<Record<string, Operation>> = {
  "POST /comparisons": {
    summary: "Starts a comparison of two prefixes, which writes nothing",
    example: "-d source=store:bucket/prefix -d destination=store:bucket/prefix",
    tag: "Comparisons",
    right: "start",
    reach: "own",
    body: "ComparisonRequest",
    answers: { 202: json("It has an id and will run", "ComparisonStatus", "Admitted") },
    problems: { ...START_PROBLEMS, 400: [...START_PROBLEMS[400], ...COMPARISON_REFUSALS] },
  },
  "GET /comparisons": {
    summary: "Comparisons, newest first",
    tag: "Comparisons",
    right: "read",
    reach: "own",
    parameters: [phases(COMPARISON_PHASES), ...SEARCH, LIMIT, CURSOR],
    answers: { 200: json("A page", "ComparisonList") },
  },
  "GET /comparisons/:id": {
    summary: "The status of a comparison",
    tag: "Comparisons",
    right: "read",
    reach: "own",
    parameters: [WAIT, ...LINK],
    answers: { 200: json("The status", "ComparisonStatus") },
    problems: { ...NO_COMPARISON, ...WATCHED },
  },
  "GET /comparisons/:id/report": {
    summary: "A line of JSON for each key",
    tag: "Comparisons",
    right: "read",
    reach: "own",
    answers: {
      200: {
        description: "A ComparisonLine on each line",
        type: "application/x-ndjson",
        schemas: ["ComparisonLine"],
      },
    },
    problems: NO_COMPARISON,
  },
  "GET /comparisons/:id/digest": {
    summary: "The Merkle root over the report's lines, signed by REPORT_KEY",
    tag: "Comparisons",
    right: "read",
    reach: "own",
    answers: { 200: json("The digest of a comparison that has ended", "ReportDigest") },
    problems: { ...NO_COMPARISON, 409: ["work_running"], 503: ["misconfigured"] },
  },
  "GET /comparisons/:id/events": {
    summary: "Server-Sent Events of a comparison, to its end",
    tag: "Comparisons",
    right: "read",
    reach: "own",
    parameters: [LAST_EVENT_ID, ...LINK],
    answers: { 200: EVENTS, 204: null },
    problems: { ...NO_COMPARISON, ...WATCHED },
  },
  "GET /comparisons/:id/progress": {
    summary: "A live bar for curl -N, and the result",
    tag: "Comparisons",
    right: "read",
    reach: "own",
    parameters: [...PROGRESS, ...LINK],
    answers: { 200: text("Lines", "text/plain") },
    problems: { ...NO_COMPARISON, ...WATCHED },
  },
  "POST /comparisons/:id/repair": {
    summary: "Starts the sync of the keys that were missing, different or unknown",
    tag: "Comparisons",
    right: "start",
    reach: "own",
    body: "RepairRequest",
    answers: { 202: json("It has an id and will run", "SyncStatus", "Admitted") },
    problems: {
      ...START_PROBLEMS,
      400: [...START_PROBLEMS[400], ...COMPARISON_REFUSALS],
      ...NO_COMPARISON,
      409: ["nothing_to_repair", "repair_exists", "destination_in_use"],
    },
  },
  "POST /comparisons/:id/pause": verb("Asks for nothing more"),
  "POST /comparisons/:id/resume": raising(verb("Continues where it stopped")),
  "POST /comparisons/:id/cancel": verb("Ends it"),
  "POST /comparisons/:id/link": linkTo("Comparisons", NO_COMPARISON),
};
