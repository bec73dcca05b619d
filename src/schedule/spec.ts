// Requests for schedules, parsed into types once on arrival, as copy/spec.ts does it for copies; and the work
// that a schedule starts at a given time. Pure but for the env passed in. Errors are Problems that name the
// field and what is allowed.

import { z } from "zod";
import { type CopyRequest, CopyRequestSchema, resolveCopy } from "../copy/spec.ts";
import { Flag, parseWith } from "../http/fields.ts";
import { checkCron, checkTimeZone } from "./cron.ts";
import type { Work } from "./kinds.ts";
import { checkTemplate, fillTemplate } from "./template.ts";
import { BudgetFields, budgetOf } from "../store/budget.ts";
import { WindowsSchema } from "../store/limits.ts";
import { formatPrefix, writeObject } from "../store/address.ts";
import {
  type ComparisonRequest,
  ComparisonRequestSchema,
  resolveComparison,
} from "../sync/comparison_spec.ts";
import { describeMaxDeletes } from "../sync/deletes.ts";
import { type SyncRequest, resolveSync, SyncRequestSchema } from "../sync/spec.ts";

/** The request as it was made, with the templates in its destination. */
export type ScheduledWork =
  | { readonly kind: "copy"; readonly copy: CopyRequest }
  | { readonly kind: "sync"; readonly sync: SyncRequest }
  | { readonly kind: "comparison"; readonly comparison: ComparisonRequest };

export interface Schedule {
  readonly cron: string;
  readonly timeZone: string;
  readonly work: ScheduledWork;
  /**
   * What happens to a run that is due while the previous one is active: skipped, or started when that ends.
   */
  readonly overlap: "skip" | "queue";
  /** A schedule that is not enabled runs only by POST /schedules/{name}/run. */
  readonly enabled: boolean;
}

const refused =
  (check: (text: string) => string | null) => (text: string, context: z.RefinementCtx<string>) => {
    const problem = check(text);
    if (problem !== null) context.addIssue({ code: "custom", message: problem });
  };

/** Lists of every minute and every hour fit. */
const MAX_CRON_CHARACTERS = 256;

const MAX_ZONE_CHARACTERS = 64;

const ScheduleFields = z.strictObject({
  cron: z.string().max(MAX_CRON_CHARACTERS, { abort: true }).superRefine(refused(checkCron)),
  timezone: z
    .string()
    .max(MAX_ZONE_CHARACTERS, { abort: true })
    .superRefine(refused(checkTimeZone))
    .default("UTC"),
  copy: CopyRequestSchema.optional(),
  sync: SyncRequestSchema.optional(),
  comparison: ComparisonRequestSchema.optional(),
  limits: WindowsSchema.optional(),
  ...BudgetFields,
  overlap: z.enum(["skip", "queue"]).default("skip"),
  enabled: Flag.default(true),
});

/** The body of `PATCH /schedules/{name}`, for its description: it is validated with what it changes. */
export const ScheduleChangesSchema = ScheduleFields.partial();

export const ScheduleSchema = ScheduleFields.transform(
  (
    {
      cron,
      timezone,
      copy: oneCopy,
      sync: oneSync,
      comparison: oneComparison,
      limits,
      overlap,
      enabled,
      ...budget
    },
    context,
  ): Schedule => {
    const common = { cron: cron.trim(), timeZone: timezone, overlap, enabled };
    // They are kept with the work, and the budget is that of each run. The hours of limits are those of the
    // schedule, unless they say otherwise.
    const windows = limits === undefined ? {} : { limits: limits.map((window) => ({ timezone, ...window })) };
    const own = { ...windows, ...budgetOf(budget) };
    const copy = oneCopy && { ...oneCopy, ...own };
    const sync = oneSync && { ...oneSync, ...own };
    const comparison = oneComparison && { ...oneComparison, ...own };
    const [work, ...others] = [
      ...(copy === undefined ? [] : [{ kind: "copy", copy } as const]),
      ...(sync === undefined ? [] : [{ kind: "sync", sync } as const]),
      ...(comparison === undefined ? [] : [{ kind: "comparison", comparison } as const]),
    ];
    if (work === undefined || others.length > 0) {
      context.addIssue({ code: "custom", message: 'must have either "copy", "sync" or "comparison"' });
      return z.NEVER;
    }
    const problem = checkTemplate(templateOf(work));
    if (problem !== null)
      context.addIssue({ code: "custom", path: [work.kind, "destination"], message: problem });
    return { ...common, work };
  },
);

function templateOf(work: ScheduledWork): string {
  if (work.kind === "copy") return work.copy.destination.key;
  return (work.kind === "sync" ? work.sync : work.comparison).destination.prefix;
}

/** The body of `PUT /schedules/{name}`. @throws {Problem} 400 */
export function parseSchedule(body: unknown): Schedule {
  return parseWith(ScheduleSchema, body);
}

export interface ScheduleRequest {
  readonly cron: string;
  readonly timezone: string;
  readonly overlap: Schedule["overlap"];
  readonly enabled: boolean;
  readonly copy?: unknown;
  readonly sync?: unknown;
  readonly comparison?: unknown;
}

/** The body that makes this schedule: what a client reads, changes and sends back. */
export function requestOf({ cron, timeZone, work, overlap, enabled }: Schedule): ScheduleRequest {
  const common = { cron, timezone: timeZone, overlap, enabled };
  if (work.kind === "copy") {
    const { source, destination, ...rest } = work.copy;
    return {
      ...common,
      copy: { source: writeObject(source), destination: writeObject(destination), ...rest },
    };
  }
  if (work.kind === "comparison") {
    const { source, destination, ...rest } = work.comparison;
    const sides = { source: formatPrefix(source), destination: formatPrefix(destination) };
    return { ...common, comparison: { ...sides, ...rest } };
  }
  const { source, destination, maxDeletes, report, ...rest } = work.sync;
  return {
    ...common,
    sync: {
      source: formatPrefix(source),
      destination: formatPrefix(destination),
      ...rest,
      ...(maxDeletes === undefined ? {} : { maxDeletes: describeMaxDeletes(maxDeletes) }),
      ...(report === undefined ? {} : { report: formatPrefix(report) }),
    },
  };
}

/**
 * The work of one run: checked against the configuration, with every template filled in.
 *
 * @param dueMs the time that the templates are filled with
 * @throws {Problem} when the request cannot run as written
 */
export function resolveWork(
  work: ScheduledWork,
  dueMs: number,
  timeZone: string,
  env: Readonly<Record<string, unknown>>,
): Work {
  if (work.kind === "copy") {
    const { destination } = work.copy;
    const key = fillTemplate(destination.key, dueMs, timeZone);
    const spec = resolveCopy({ ...work.copy, destination: { ...destination, key } }, env);
    return { kind: "copy", spec };
  }
  if (work.kind === "comparison") {
    const { destination } = work.comparison;
    const prefix = fillTemplate(destination.prefix, dueMs, timeZone);
    const spec = resolveComparison({ ...work.comparison, destination: { ...destination, prefix } }, env);
    return { kind: "comparison", spec };
  }
  const { destination } = work.sync;
  const prefix = fillTemplate(destination.prefix, dueMs, timeZone);
  return { kind: "sync", spec: resolveSync({ ...work.sync, destination: { ...destination, prefix } }, env) };
}
