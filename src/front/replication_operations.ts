// The rows of operations.ts for replications and their events.

import { EVENT_OPERATIONS } from "./event_operations.ts";
import { type Operation, json, START_PROBLEMS } from "./operation.ts";

const NO_REPLICATION = { 404: ["replication_not_found"] } as const;

const verb = (summary: string): Operation => ({
  summary,
  tag: "Replications",
  right: "steer",
  reach: "own",
  answers: { 200: json("The status, and whether the call has changed it", "SteeredReplication") },
  problems: NO_REPLICATION,
});

export const REPLICATION_OPERATIONS: Readonly<Record<string, Operation>> = {
  "PUT /replications/:name": {
    summary: "Makes a replication, which keeps a destination up with its source, or changes its options",
    example: "-d source=store:bucket/prefix -d destination=store:bucket/prefix",
    tag: "Replications",
    right: "start",
    reach: "own",
    body: "ReplicationRequest",
    answers: {
      200: json("It has these options from now on", "Replication"),
      201: json("It exists, and copies what is at the source already", "Replication"),
    },
    problems: {
      400: [...START_PROBLEMS[400], "invalid_key", "overlapping_prefixes"],
      403: START_PROBLEMS[403],
      409: [
        "destination_in_use",
        "replication_exists",
        "replication_deleting",
        "two_way_refused",
        "too_many_replications",
      ],
      503: START_PROBLEMS[503],
    },
  },
  "GET /replications": {
    summary: "Replications, by name",
    tag: "Replications",
    right: "read",
    reach: "own",
    answers: { 200: json("All of them; as a table for Accept: text/plain", "ReplicationList") },
  },
  "GET /replications/:name": {
    summary: "The status of a replication: what waits, how far the destination lags behind",
    tag: "Replications",
    right: "read",
    reach: "own",
    answers: { 200: json("The status", "Replication") },
    problems: NO_REPLICATION,
  },
  "GET /replications/:name/lag": {
    summary: "How far the destination has lagged behind in the last day, in stretches of five minutes",
    tag: "Replications",
    right: "read",
    reach: "own",
    answers: { 200: json("The oldest first", "ReplicationLag") },
    problems: NO_REPLICATION,
  },
  "POST /replications/:name/pause": verb("Hands out no more keys; events are taken in"),
  "POST /replications/:name/resume": verb("Continues, also with deletions that were held"),
  "POST /replications/:name/repair": verb("Compares both sides now, and looks at what differs"),
  "POST /replications/:name/cutover": {
    summary: "Lets all that waits end, compares both sides, and says whether they are equal",
    example: "-d fence=true",
    tag: "Replications",
    right: "steer",
    reach: "own",
    body: "CutoverRequest",
    answers: { 202: json("It has begun: `cutover` of the status says how it ends", "SteeredReplication") },
    problems: {
      ...NO_REPLICATION,
      400: ["invalid_request", "invalid_json"],
      409: ["not_following"],
    },
  },
  "DELETE /replications/:name": {
    summary: "Ends a replication and what it has started; both sides stay as they are",
    tag: "Replications",
    right: "steer",
    reach: "own",
    answers: {
      202: json("It is `deleting`: what it has started ends, then it is gone", "Replication"),
      204: null,
    },
    problems: NO_REPLICATION,
  },
  ...EVENT_OPERATIONS,
};
