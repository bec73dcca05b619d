// The rows of operations.ts for events.

import { type Operation, json } from "./operation.ts";

const NO_REPLICATION = { 404: ["replication_not_found"] } as const;

const REFUSALS = {
  400: ["invalid_request", "invalid_json", "invalid_key", "unknown_event_form"],
  401: ["signature_wrong"],
  503: ["sender_unreachable", "misconfigured"],
} as const;

const TAKING = {
  tag: "Replications",
  right: "events",
  reach: "own",
  isQuiet: true,
  example: '-H content-type:application/json -d \'{"keys": ["a", "b"]}\'',
} as const;

export const EVENT_OPERATIONS: Readonly<Record<string, Operation>> = {
  "POST /replications/:name/events": {
    ...TAKING,
    summary: "Takes events of the source, in the form of any known sender: each names a key to look at",
    answers: { 202: json("They are stored", "EventsTaken") },
    problems: { ...REFUSALS, ...NO_REPLICATION },
  },
  "POST /replications/:name/events/:secret": {
    ...TAKING,
    summary: "The same for a sender that knows only an address: the secret is its right",
    answers: { 202: json("They are stored", "EventsTaken") },
    problems: { ...REFUSALS, ...NO_REPLICATION },
  },
  "POST /events": {
    ...TAKING,
    summary: "Takes events of a bucket for every replication that copies from it",
    answers: { 202: json("They are stored", "BucketEventsTaken") },
    problems: REFUSALS,
  },
  "POST /replications/:name/secret": {
    summary: "Makes a secret for the senders of its events, in the place of the one before",
    example: "-d overlapSeconds=86400",
    tag: "Replications",
    right: "start",
    reach: "own",
    body: "SecretRequest",
    answers: { 201: json("The secret, this once", "EventSecret") },
    problems: { ...NO_REPLICATION, 400: ["invalid_request", "invalid_json"] },
  },
};
