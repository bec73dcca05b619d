// Requests for replications, parsed into types once, at the door. A replication copies as a sync does, so its
// spec holds that of the syncs that it starts. Pure, except for the env it is given. Errors are Problems that
// name the field, the value and what is allowed.

import { z } from "zod";
import { Flag, parseWith, Span } from "../http/fields.ts";
import { Problem } from "../http/problem.ts";
import { filterName } from "../listing/filter.ts";
import { destinationKey, nameOf } from "../listing/prefix.ts";
import { ObjectOptionFields } from "../object/options.ts";
import { checkCron, checkTimeZone } from "../schedule/cron.ts";
import { type PrefixRef, bucketIdentity, checkBucket, formatPrefix } from "../store/address.ts";
import {
  type MaxDeletes,
  DEFAULT_MAX_DELETES,
  describeMaxDeletes,
  MaxDeletesSchema,
} from "../sync/deletes.ts";
import { isReportKey } from "../sync/report_keys.ts";
import { filterOf, RunFields, RUN_LISTS } from "../sync/run_spec.ts";
import { type SyncSpec, destinationIdentity, resolveSync } from "../sync/spec.ts";
import type { Hint } from "./hint.ts";

/** A replication as it was requested, with every default filled in; what its object keeps. */
export interface ReplicationSpec {
  /** As its syncs have it, which delete nothing: deletions are the replicator's own. */
  readonly sync: SyncSpec;
  readonly deletes: boolean;
  /** In an hour; a share is of the keys that the destination had at the last repair. */
  readonly maxDeletes: MaxDeletes;
  readonly allowEmptySource: boolean;
  /** Null: no repair by itself. */
  readonly repair: { readonly cron: string; readonly timeZone: string } | null;
  /** Keys that may wait; with more, a sync catches up. */
  readonly maxPending: number;
  /** The receivers of webhooks that are told of it; absent: all. */
  readonly notify?: readonly string[];
}

const DEFAULT_MAX_PENDING = 100_000;

const MAX_PENDING_LIMIT = 1_000_000;

/** More receivers cannot be configured. */
const MAX_NOTIFIED = 11;

/** The fields that a form may give several times. */
export const REPLICATION_LISTS = [...RUN_LISTS, "notify"];

const DEFAULT_REPAIR = "0 3 * * *";

const { minSize: _min, maxSize: _max, minAgeSeconds: _new, maxAgeSeconds: _old, ...Names } = RunFields;

/** A form has no lists of one: it gives the name alone, or nothing for nobody. */
const Receivers = z
  .union([z.array(z.string().max(32)).max(MAX_NOTIFIED), z.string().max(32)], {
    error: "must be the name of a receiver, or a list of names",
  })
  .transform((names) => (typeof names !== "string" ? names : names === "" ? [] : [names]));

// What goes on without an end has no budget.
const { storageClasses: _classes, maxUsd: _usd, maxBytes: _bytes, maxRequests: _requests, ...Fields } = Names;

const { markCopy: _mark, ...Options } = ObjectOptionFields;

const Cron = z
  .string()
  .max(256)
  .superRefine((text, context) => {
    const problem = text === "off" ? null : checkCron(text);
    if (problem !== null) context.addIssue({ code: "custom", message: `${problem}; or "off"` });
  });

const TimeZone = z
  .string()
  .max(64)
  .superRefine((text, context) => {
    const problem = checkTimeZone(text);
    if (problem !== null) context.addIssue({ code: "custom", message: problem });
  });

export const ReplicationRequestSchema = z.strictObject({
  ...Fields,
  ...Options,
  deletes: Flag.optional(),
  maxDeletes: MaxDeletesSchema.optional(),
  allowEmptySource: Flag.optional(),
  repair: Cron.optional(),
  timezone: TimeZone.optional(),
  maxPending: Span({ min: 1, max: MAX_PENDING_LIMIT }).optional(),
  notify: Receivers.optional(),
});

type ReplicationRequest = z.infer<typeof ReplicationRequestSchema>;

/** The body of `PUT /replications/{name}`. @throws {Problem} 400 */
export function parseReplication(body: unknown): ReplicationRequest {
  return parseWith(ReplicationRequestSchema, body);
}

/** @throws {Problem} when the replication could not work as asked */
export function resolveReplication(
  name: string,
  request: ReplicationRequest,
  env: Readonly<Record<string, unknown>>,
): ReplicationSpec {
  const {
    deletes = false,
    maxDeletes,
    allowEmptySource,
    repair,
    timezone,
    maxPending,
    notify,
    ...rest
  } = request;
  if (!deletes && maxDeletes !== undefined)
    throw new Problem(400, "invalid_request", '"maxDeletes" says how much "deletes" may delete: set both');
  checkListable(request.source, env);
  const cron = repair ?? DEFAULT_REPAIR;
  // Whether the places overlap depends on what is deleted.
  const sync = resolveSync({ ...rest, delete: deletes }, env);
  return {
    sync: { ...sync, delete: false, replication: name },
    deletes,
    maxDeletes: maxDeletes ?? DEFAULT_MAX_DELETES,
    allowEmptySource: allowEmptySource ?? false,
    repair: cron === "off" ? null : { cron, timeZone: timezone ?? "UTC" },
    maxPending: maxPending ?? DEFAULT_MAX_PENDING,
    ...(notify === undefined ? {} : { notify: [...new Set(notify)] }),
  };
}

/** @throws {Problem} 400 */
function checkListable(source: PrefixRef, env: Readonly<Record<string, unknown>>): void {
  const { name, web } = checkBucket("source", source, env);
  if (web === undefined) return;
  const message =
    `"source": store "${name}" is of kind https: a web server has no listing, by which a replication begins and repairs, ` +
    'and sends no events. Copy its files by a sync with "keys" or a "manifest", again and again by a schedule';
  throw new Problem(400, "invalid_request", message);
}

/** What a client has asked for, as it reads it. */
export function shownSpec(spec: ReplicationSpec) {
  const { sync, deletes, maxDeletes, allowEmptySource, repair, maxPending, notify = null } = spec;
  return {
    source: formatPrefix(sync.source),
    destination: formatPrefix(sync.destination),
    deletes,
    ...(deletes ? { maxDeletes: describeMaxDeletes(maxDeletes) } : {}),
    allowEmptySource,
    include: [...sync.include],
    exclude: [...sync.exclude],
    compare: sync.compare,
    repair: repair?.cron ?? "off",
    timezone: repair?.timeZone ?? "UTC",
    maxPending,
    notify: notify && [...notify],
    startedBy: sync.startedBy ?? null,
  };
}

/** `fence`: the caller has stopped who writes to the source. */
export const CutoverRequestSchema = z.strictObject({
  fence: z
    .union([z.literal(true), z.literal("true")], {
      error: "must be true: stop who writes to the source, and say so. What is written later is not copied",
    })
    .transform(() => true as const),
  reverse: Flag.optional(),
});

/** The other way, for a rollback: it deletes nothing, since what it would delete are the originals. */
export function reversed(name: string, spec: ReplicationSpec): ReplicationSpec {
  const { source, destination, known: _known, ...sync } = spec.sync;
  return {
    ...spec,
    sync: { ...sync, source: destination, destination: source, replication: name },
    deletes: false,
  };
}

/** The name of that replication. The reverse of a reverse is the first one. */
export function reverseName(name: string): string {
  return name.endsWith(REVERSE) ? name.slice(0, -REVERSE.length) : `${name}${REVERSE}`;
}

const REVERSE = "-reverse";

/** Where a replication reads and writes, by names that do not depend on the configuration. */
export interface ReplicationPlaces {
  readonly source: string;
  readonly destination: string;
}

export function placesOf(
  { sync }: ReplicationSpec,
  env: Readonly<Record<string, unknown>>,
): ReplicationPlaces {
  const { source } = sync;
  return {
    source: bucketIdentity(checkBucket("source", source, env), source.bucket),
    destination: destinationIdentity(sync, env),
  };
}

/** The key of a hint at the destination; null: this replication does not copy it. */
export function targetOfHint({ sync }: ReplicationSpec): (hint: Hint) => string | null {
  const { source, destination } = sync;
  const filter = filterOf(sync, 0);
  return ({ bucket, key }) => {
    if (bucket !== source.bucket || !key.startsWith(source.prefix) || isReportKey(key)) return null;
    const name = nameOf(key, source.prefix);
    if (filterName(filter, name) !== null) return null;
    const target = destinationKey(destination.prefix, name);
    return target.ok ? target.key : null;
  };
}
