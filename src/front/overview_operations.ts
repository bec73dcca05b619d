// The rows of the table in operations.ts for the routes of overview_routes.ts.

import { type Operation, json } from "./operation.ts";
import { query } from "./parameters.ts";

export const OVERVIEW: Readonly<Record<string, Operation>> = {
  "GET /overview": {
    summary: "What needs a person, what runs, and which runs come next",
    tag: "Mesh",
    right: "read",
    reach: "own",
    answers: { 200: json("All of it, in bounded lists", "Overview") },
  },
  "GET /me": {
    summary: "Who is asking, and what that token or person may do",
    tag: "Mesh",
    right: "read",
    reach: "own",
    answers: { 200: json("The caller", "Me") },
  },
  "GET /cron": {
    summary: "When a cron expression is due next",
    tag: "Schedules",
    right: "read",
    reach: "own",
    parameters: [
      query("expression", "Five fields", { type: "string" }),
      query("timezone", "An IANA name", { type: "string", default: "UTC" }),
    ],
    answers: { 200: json("The next three times", "DueTimes") },
  },
};
