// The table behind /openapi.json: what each route of the HTTP API takes and answers, in words and by the
// names of its schemas. A test fails for a route without a row here.

import { COMPARISON_OPERATIONS, COMPARISON_REFUSALS } from "./comparison_operations.ts";
import {
  type Operation,
  type Problems,
  EVENTS,
  json,
  linkTo,
  raising,
  START_PROBLEMS,
  text,
  WATCHED,
} from "./operation.ts";
import { OVERVIEW } from "./overview_operations.ts";
import { COPY_PHASES, NOTIFICATION_STATES, SYNC_PHASES } from "../http/vocabulary.ts";
import {
  CURSOR,
  IF_MATCH,
  IF_NONE_MATCH,
  LAST_EVENT_ID,
  LIMIT,
  LINK,
  PROGRESS,
  SEARCH,
  SWITCH,
  WAIT,
  phases,
  query,
} from "./parameters.ts";
import { REPLICATION_OPERATIONS } from "./replication_operations.ts";
import { WORK_OPERATIONS } from "./work_operations.ts";

const DOCUMENT = text("Markdown; a page for a browser", "text/markdown; charset=utf-8");

const SEEN = null;

const COPY_REFUSALS = ["invalid_key", "same_object", "part_size_too_small", "part_size_too_large"] as const;

const SYNC_REFUSALS = ["invalid_key", "overlapping_prefixes"] as const;

const NO_COPY = { 404: ["copy_not_found"] } as const;

const NO_SYNC = { 404: ["sync_not_found"] } as const;

const NO_SCHEDULE = { 404: ["schedule_not_found"] } as const;

const copyVerb = (summary: string): Operation => ({
  summary,
  tag: "Copies",
  right: "steer",
  reach: "own",
  answers: { 200: json("The status, and whether the call has changed it", "SteeredCopy") },
  problems: NO_COPY,
});

const syncVerb = (summary: string): Operation => ({
  summary,
  tag: "Syncs",
  right: "steer",
  reach: "own",
  answers: { 200: json("The status, and whether the call has changed it", "SteeredSync") },
  problems: NO_SYNC,
});

/** Keyed by method and path, spelled as in the app. */
export const OPERATIONS: Readonly<Record<string, Operation>> = {
  "GET /": {
    summary: "The dashboard for a browser, a short list of calls for other clients",
    tag: "Mesh",
    open: true,
    answers: { 200: text("Either", "text/plain") },
  },
  "GET /healthz": {
    summary: "Liveness",
    tag: "Mesh",
    open: true,
    answers: { 200: text("ok", "text/plain") },
  },
  "GET /docs": {
    summary: "The documents of this version: which pages there are",
    tag: "Mesh",
    open: true,
    answers: { 200: DOCUMENT },
  },
  "GET /docs/:page": {
    summary: "A page of the documents of this version",
    tag: "Mesh",
    open: true,
    answers: { 200: DOCUMENT },
    problems: { 404: ["no_such_page"] },
  },
  "GET /openapi.json": {
    summary: "This API as OpenAPI 3.1",
    tag: "Mesh",
    open: true,
    answers: { 200: json("OpenAPI 3.1") },
  },
  "GET /metrics": {
    summary: "Counters and gauges of all copies and syncs",
    tag: "Mesh",
    right: "read",
    reach: "mesh",
    answers: { 200: text("Prometheus text format 0.0.4", "text/plain; version=0.0.4; charset=utf-8") },
  },
  ...OVERVIEW,
  "GET /stores": {
    summary:
      "The configured stores without their secrets, what is wrong with them, and what checks have seen",
    tag: "Mesh",
    right: "read",
    reach: "own",
    answers: { 200: json("The stores", "Stores") },
  },
  "POST /stores/:name/check": {
    summary:
      "Asks a store whether it works and what it can do; writes under a prefix of its own and cleans up. Later work uses the result",
    example: "-d bucket=…",
    tag: "Mesh",
    right: "stores",
    reach: "own",
    body: "CheckRequest",
    answers: { 200: json("What was seen; as a table for Accept: text/plain", "Check") },
    problems: {
      400: ["invalid_request", "invalid_bucket", "unknown_store"],
      403: ["bucket_not_allowed", "store_read_only"],
      503: ["store_misconfigured", "store_busy"],
    },
  },
  "DELETE /stores/:name/check": {
    summary: "Forgets what checks of a store have seen; running work keeps using it",
    tag: "Mesh",
    right: "stores",
    reach: "own",
    parameters: [query("bucket", "Only what was seen of this bucket", { type: "string" })],
    answers: { 204: null },
    problems: { 404: ["check_not_found"] },
  },
  "POST /probe": {
    summary: "Starts measuring what this account allows: bodies, streams, lanes; takes minutes",
    example: "-d store=… -d bucket=…",
    tag: "Mesh",
    right: "stores",
    reach: "own",
    body: "ProbeRequest",
    answers: { 202: json("It runs; as a table for Accept: text/plain", "Probe") },
    problems: {
      400: ["invalid_request", "invalid_json", "invalid_bucket", "unknown_store"],
      403: ["bucket_not_allowed", "store_read_only"],
      409: ["probe_running", "store_capped"],
      503: ["store_misconfigured", "misconfigured"],
    },
  },
  "GET /probe": {
    summary: "What the last probe has measured, each held against what the mesh assumes",
    tag: "Mesh",
    right: "read",
    reach: "own",
    parameters: [WAIT],
    answers: { 200: json("So far, or in the end; as a table for Accept: text/plain", "Probe") },
    problems: { 404: ["probe_not_found"] },
  },
  "POST /probe/cancel": {
    summary: "Ends the probe and takes away what it has put",
    tag: "Mesh",
    right: "stores",
    reach: "own",
    answers: { 200: json("As it is; as a table for Accept: text/plain", "Probe") },
    problems: { 404: ["probe_not_found"] },
  },
  "POST /copies": {
    summary: "Starts a copy of one object",
    example: "-d source=store:bucket/key -d destination=store:bucket/key",
    tag: "Copies",
    right: "start",
    reach: "own",
    body: "CopyRequest",
    answers: {
      202: json("It has an id and will run; the bare id for Accept: text/plain", "CopyStatus", "Admitted"),
    },
    problems: {
      ...START_PROBLEMS,
      400: [...START_PROBLEMS[400], ...COPY_REFUSALS],
      409: ["destination_busy"],
    },
  },
  "GET /copies": {
    summary: "Copies, newest first",
    tag: "Copies",
    right: "read",
    reach: "own",
    parameters: [
      phases(COPY_PHASES),
      query("orphans", "Only those that may have left something at the destination", SWITCH),
      query("sync", "Only those of this sync's large objects, which are not listed otherwise", {
        type: "string",
      }),
      ...SEARCH,
      LIMIT,
      CURSOR,
    ],
    answers: { 200: json("A page; as a table for Accept: text/plain", "CopyList") },
  },
  "GET /copies/:id": {
    summary: "The status of a copy",
    tag: "Copies",
    right: "read",
    reach: "own",
    parameters: [WAIT, ...LINK],
    answers: { 200: json("The status; as lines for Accept: text/plain", "CopyStatus") },
    problems: { ...NO_COPY, ...WATCHED },
  },
  "GET /copies/:id/parts": {
    summary: "The part table of a copy",
    tag: "Copies",
    right: "read",
    reach: "own",
    parameters: [
      query("limit", "Rows of a page", { type: "integer", minimum: 1, maximum: 1000, default: 1000 }),
      CURSOR,
    ],
    answers: { 200: json("A page", "PartsPage") },
    problems: NO_COPY,
  },
  "GET /copies/:id/events": {
    summary: "Server-Sent Events of a copy, to its end",
    tag: "Copies",
    right: "read",
    reach: "own",
    parameters: [
      query("parts", "Also `parts` events: what becomes of each part", SWITCH),
      LAST_EVENT_ID,
      ...LINK,
    ],
    answers: { 200: EVENTS, 204: SEEN },
    problems: { ...NO_COPY, ...WATCHED },
  },
  "GET /copies/:id/progress": {
    summary: "A live bar for curl -N, and the result",
    tag: "Copies",
    right: "read",
    reach: "own",
    parameters: [...PROGRESS, ...LINK],
    answers: { 200: text("Lines", "text/plain") },
    problems: { ...NO_COPY, ...WATCHED },
  },
  "POST /copies/:id/pause": copyVerb("Hands out no more parts; the upload is kept"),
  "POST /copies/:id/resume": raising(
    copyVerb("Continues the copy; once it has ended, retries its clean-up at once"),
  ),
  "POST /copies/:id/cancel": copyVerb("Ends it and aborts the upload"),
  "POST /copies/:id/link": linkTo("Copies", NO_COPY),
  "POST /copies/:id/retry": {
    summary: "Starts the same again, as a new copy, after it has failed or was cancelled",
    tag: "Copies",
    right: "start",
    reach: "own",
    answers: { 202: json("The new copy", "CopyStatus", "Admitted") },
    problems: {
      ...START_PROBLEMS,
      400: [...START_PROBLEMS[400], ...COPY_REFUSALS],
      ...NO_COPY,
      409: ["nothing_to_retry", "destination_busy"],
    },
  },
  "POST /quotes": {
    summary:
      "What a copy, a sync or a comparison would ask of both stores, in requests, bytes and dollars; starts nothing",
    example: "-d source=store:bucket/key -d destination=store:bucket/key",
    tag: "Copies",
    right: "start",
    reach: "own",
    body: "QuoteRequest",
    answers: { 200: json("The quote", "Quote") },
    problems: {
      ...START_PROBLEMS,
      400: [...START_PROBLEMS[400], ...COPY_REFUSALS, ...SYNC_REFUSALS],
      422: ["not_quoted"],
      503: [...START_PROBLEMS[503], "store_busy"],
    },
  },
  ...WORK_OPERATIONS,
  "POST /syncs": {
    summary: "Starts a sync of a prefix",
    example: "-d source=store:bucket/prefix -d destination=store:bucket/prefix",
    tag: "Syncs",
    right: "start",
    reach: "own",
    body: "SyncRequest",
    answers: {
      202: json("It has an id and will run; the bare id for Accept: text/plain", "SyncStatus", "Admitted"),
    },
    problems: {
      ...START_PROBLEMS,
      400: [...START_PROBLEMS[400], ...SYNC_REFUSALS],
      409: ["destination_in_use"],
    },
  },
  "GET /syncs": {
    summary: "Syncs, newest first",
    tag: "Syncs",
    right: "read",
    reach: "own",
    parameters: [phases(SYNC_PHASES), ...SEARCH, LIMIT, CURSOR],
    answers: { 200: json("A page; as a table for Accept: text/plain", "SyncList") },
  },
  "GET /syncs/:id": {
    summary: "The status of a sync",
    tag: "Syncs",
    right: "read",
    reach: "own",
    parameters: [WAIT, ...LINK],
    answers: { 200: json("The status; as lines for Accept: text/plain", "SyncStatus") },
    problems: { ...NO_SYNC, ...WATCHED },
  },
  "GET /syncs/:id/report": {
    summary: "A line of JSON for each key",
    tag: "Syncs",
    right: "read",
    reach: "own",
    answers: {
      200: {
        description: "A ReportLine on each line",
        type: "application/x-ndjson",
        schemas: ["ReportLine"],
      },
    },
    problems: NO_SYNC,
  },
  "GET /syncs/:id/events": {
    summary: "Server-Sent Events of a sync, to its end",
    tag: "Syncs",
    right: "read",
    reach: "own",
    parameters: [LAST_EVENT_ID, ...LINK],
    answers: { 200: EVENTS, 204: SEEN },
    problems: { ...NO_SYNC, ...WATCHED },
  },
  "GET /syncs/:id/progress": {
    summary: "A live bar for curl -N, and the result",
    tag: "Syncs",
    right: "read",
    reach: "own",
    parameters: [...PROGRESS, ...LINK],
    answers: { 200: text("Lines", "text/plain") },
    problems: { ...NO_SYNC, ...WATCHED },
  },
  "POST /syncs/:id/pause": syncVerb("Hands out nothing more"),
  "POST /syncs/:id/resume": raising(syncVerb("Continues where it stopped")),
  "POST /syncs/:id/cancel": syncVerb("Ends it; every listed key gets its line in the report"),
  "POST /syncs/:id/link": linkTo("Syncs", NO_SYNC),
  "POST /syncs/:id/retry": {
    ...syncVerb("Retries the failed keys of a sync that is finished_with_errors"),
    problems: { ...NO_SYNC, 409: ["nothing_to_retry"] },
  },
  ...COMPARISON_OPERATIONS,
  ...REPLICATION_OPERATIONS,
  "DELETE /links": {
    summary: "Ends all links to statuses",
    tag: "Mesh",
    right: "steer",
    reach: "mesh",
    answers: { 204: null },
  },
  "GET /notifications": {
    summary: "Webhooks, newest first: what became of each at each receiver",
    tag: "Mesh",
    right: "read",
    reach: "mesh",
    parameters: [
      query("state", "Only those in this state", { type: "string", enum: [...NOTIFICATION_STATES] }),
      query("receiver", "Only those to this receiver", { type: "string" }),
      LIMIT,
      CURSOR,
    ],
    answers: { 200: json("A page; as a table for Accept: text/plain", "NotificationList") },
  },
  "POST /notifications/:id/redeliver": {
    summary: "Sends a webhook once more, under the same webhook-id",
    tag: "Mesh",
    right: "steer",
    reach: "mesh",
    answers: { 202: json("It waits for delivery", "Notification") },
    problems: { 404: ["notification_not_found"], 409: ["no_receiver"] },
  },
  "GET /audit": {
    summary: "Who did what: calls that changed something, and calls that were refused, newest first",
    tag: "Mesh",
    right: "read",
    reach: "mesh",
    parameters: [
      query("who", "Only calls of this token or address", { type: "string" }),
      query("since", "Only from this time on", { type: "string" }),
      LIMIT,
      CURSOR,
    ],
    answers: { 200: json("A page; as a table for Accept: text/plain", "Audit") },
  },
  "GET /schedules": {
    summary: "Schedules with their next and last run, by name",
    tag: "Schedules",
    right: "read",
    reach: "own",
    parameters: [LIMIT, CURSOR],
    answers: { 200: json("A page; as a table for Accept: text/plain", "ScheduleList") },
  },
  "PUT /schedules/:name": {
    summary: "Creates or replaces a schedule",
    example: `-d '{"cron": "0 3 * * *", "copy": {"source": …, "destination": …}}'`,
    tag: "Schedules",
    right: "schedules",
    reach: "own",
    parameters: [IF_NONE_MATCH, IF_MATCH],
    body: "ScheduleRequest",
    answers: { 200: json("Replaced", "Schedule"), 201: json("Created", "Schedule") },
    problems: {
      ...START_PROBLEMS,
      400: [...START_PROBLEMS[400], ...COPY_REFUSALS, ...SYNC_REFUSALS, ...COMPARISON_REFUSALS],
      409: ["too_many_schedules"],
      412: ["schedule_exists", "schedule_changed"],
    },
  },
  "PATCH /schedules/:name": {
    summary: "Changes the fields that are given and keeps the others",
    example: "-d enabled=false",
    tag: "Schedules",
    right: "schedules",
    reach: "own",
    parameters: [IF_MATCH],
    body: "ScheduleChanges",
    answers: { 200: json("As it is now", "Schedule") },
    problems: {
      ...START_PROBLEMS,
      400: [...START_PROBLEMS[400], ...COPY_REFUSALS, ...SYNC_REFUSALS, ...COMPARISON_REFUSALS],
      ...NO_SCHEDULE,
      412: ["schedule_changed"],
    },
  },
  "GET /schedules/:name": {
    summary: "A schedule with its last 100 runs",
    tag: "Schedules",
    right: "read",
    reach: "own",
    answers: { 200: json("The schedule", "Schedule") },
    problems: NO_SCHEDULE,
  },
  "DELETE /schedules/:name": {
    summary: "Deletes a schedule; what it has started continues",
    tag: "Schedules",
    right: "schedules",
    reach: "own",
    answers: { 204: null },
    problems: NO_SCHEDULE,
  },
  "POST /schedules/:name/run": {
    summary: "Starts its work once, now",
    tag: "Schedules",
    right: "start",
    reach: "own",
    answers: {
      202: json("Started or queued", "CopyStatus", "SyncStatus", "ComparisonStatus", "Admitted", "QueuedRun"),
    },
    problems: { ...NO_SCHEDULE, 409: ["run_skipped", "run_refused"] },
  },
};

/** Possible answers to every call that needs a token. */
export const COMMON_PROBLEMS: Problems = {
  400: ["invalid_request"],
  401: ["token_missing", "token_wrong", "token_expired", "assertion_wrong"],
  403: ["token_read_only", "right_missing", "out_of_scope"],
  421: ["host_refused"],
  429: ["too_many_guesses"],
  500: ["internal_error"],
  503: ["api_token_unset", "misconfigured", "access_unavailable", "state_too_new"],
};

/** Further possible answers to every call that changes something. */
export const WRITE_PROBLEMS: Problems = {
  403: ["foreign_origin"],
  413: ["body_too_large"],
};

/** Further possible answers to every POST, which all take an Idempotency-Key. */
export const POST_PROBLEMS: Problems = {
  409: ["idempotency_key_in_use"],
  422: ["idempotency_key_reused"],
  429: ["too_many_running"],
};
