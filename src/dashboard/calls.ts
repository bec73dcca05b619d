// The type of the mesh's answer to each call of the page, from the schemas of the API
// (view/answers.ts, list_answers.ts and mesh_answers.ts). For the type checker only: nothing of it is in the
// page.

import type { z } from "zod";
import type * as answers from "../view/answers.ts";
import type * as comparisonAnswers from "../view/comparison_answers.ts";
import type * as eventAnswers from "../view/event_answers.ts";
import type * as listAnswers from "../view/list_answers.ts";
import type * as meshAnswers from "../view/mesh_answers.ts";
import type * as replicationAnswers from "../view/replication_answers.ts";

type Answers = typeof answers &
  typeof comparisonAnswers &
  typeof eventAnswers &
  typeof listAnswers &
  typeof meshAnswers &
  typeof replicationAnswers;

type Body<Name extends keyof Answers> = z.infer<Answers[Name]>;

export type CopyStatus = Body<"CopyStatus">;

export type SyncStatus = Body<"SyncStatus">;

export type CopyRow = Body<"CopyList">["copies"][number];

export type SyncRow = Body<"SyncList">["syncs"][number];

export type ComparisonStatus = Body<"ComparisonStatus">;

export type ComparisonRow = Body<"ComparisonList">["comparisons"][number];

export type Replication = Body<"Replication">;

export type ReplicationRow = Body<"ReplicationList">["replications"][number];

export type ReplicationLag = Body<"ReplicationLag">;

export type EventSecret = Body<"EventSecret">;

export type Schedule = Body<"Schedule">;

export type Store = Body<"Stores">["stores"][number];

export type Overview = Body<"Overview">;

export type Grant = Body<"Me">["grants"][number];

export type AuditRow = Body<"Audit">["calls"][number];

export type Check = Body<"Check">;

export type TimelineEntry = CopyStatus["timeline"][number];

export type Failure = NonNullable<CopyStatus["failure"]>;

/** A status as an event sends it. The timeline has events of its own. */
export type Untimed<Status> = Omit<Status, "timeline">;

/** The answer to `METHOD /path`. A call without a row has no usable type. */
export type AnswerTo<Call extends string> = Find<Call, Rows>;

/** The first match counts, so a longer path stands before the path that it begins with. */
type Rows = [
  ["GET /stores", Body<"Stores">],
  ["GET /me", Body<"Me">],
  ["GET /overview", Body<"Overview">],
  [`GET /cron?${string}`, Body<"DueTimes">],
  [`POST /stores/${string}/check`, Check],
  [`GET /copies?${string}`, Body<"CopyList">],
  [`GET /copies/${string}/parts?${string}`, Body<"PartsPage">],
  [`GET /copies/${string}/rates`, Body<"Rates">],
  [`GET /syncs/${string}/rates`, Body<"SyncRates">],
  [`POST /${"copies" | "syncs" | "comparisons"}/resume?${string}`, Body<"SteeredMany">],
  ["POST /copies", CopyStatus | Body<"Admitted">],
  [`${"GET" | "POST"} /copies/${string}`, CopyStatus],
  [`GET /syncs?${string}`, Body<"SyncList">],
  [`GET /comparisons?${string}`, Body<"ComparisonList">],
  ["POST /comparisons", ComparisonStatus | Body<"Admitted">],
  [`${"GET" | "POST"} /comparisons/${string}`, ComparisonStatus],
  ["POST /syncs", SyncStatus | Body<"Admitted">],
  [`${"GET" | "POST"} /syncs/${string}`, SyncStatus],
  [`GET /audit?${string}`, Body<"Audit">],
  [`GET /schedules?${string}`, Body<"ScheduleList">],
  [`${"PUT" | "PATCH"} /schedules/${string}`, Schedule],
  [`POST /schedules/${string}/run`, CopyStatus | SyncStatus | Body<"Admitted"> | Body<"QueuedRun">],
  ["GET /replications", Body<"ReplicationList">],
  [`GET /replications/${string}/lag`, ReplicationLag],
  [`POST /replications/${string}/secret`, EventSecret],
  [`${"GET" | "PUT" | "POST"} /replications/${string}`, Replication],
  [`DELETE /${"schedules" | "stores" | "replications"}/${string}`, null],
];

type Find<Call extends string, Table> = Table extends [
  readonly [infer Pattern, infer Answer],
  ...infer Others,
]
  ? Call extends Pattern
    ? Answer
    : Find<Call, Others>
  : never;
