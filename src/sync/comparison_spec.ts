// Requests for comparisons, parsed into types once, at the door. And what a run may be: a sync or a
// comparison.
//
// A comparison writes nothing, so it needs no right to write and no store that may be written to.
//
// Pure, except for the env it is given. Errors are Problems that name the field, the value and what is
// allowed.

import { z } from "zod";
import { Flag, parseWith } from "../http/fields.ts";
import { Problem } from "../http/problem.ts";
import { type ObjectOptions, optionsOf, resolveOptions } from "../object/options.ts";
import { type PrefixRef, bucketIdentity, formatPrefix } from "../store/address.ts";
import { type NamesSpec, NameFields, checkNamed, namesOf } from "./names.ts";
import { type RunBase, resolveRun, RunFields } from "./run_spec.ts";
import type { SyncSpec } from "./spec.ts";
import { type VersionsSpec, AsOfField, versionsOf } from "./version_spec.ts";

/** A comparison as it was requested, with every default filled in; what its object keeps. */
export interface ComparisonSpec extends RunBase, NamesSpec, Pick<VersionsSpec, "asOf"> {
  readonly kind: "comparison";
  /** Reads the bytes of what nothing else decides. */
  readonly deep: boolean;
}

export type RunSpec = SyncSpec | ComparisonSpec;

export function isComparison(spec: RunSpec): spec is ComparisonSpec {
  return spec.kind === "comparison";
}

/** Does it take its keys from a comparison's report? */
export function isRepair(spec: RunSpec): boolean {
  return spec.kind !== "comparison" && spec.repairs !== undefined;
}

/** Does it bring over histories, not the current objects? */
export function isOfHistories(spec: RunSpec): boolean {
  return spec.kind !== "comparison" && spec.versions === "all";
}

export function kindOf(spec: RunSpec): "sync" | "comparison" {
  return spec.kind ?? "sync";
}

/** For the steps that only a sync takes. */
export function asSync(spec: RunSpec): SyncSpec {
  if (spec.kind === "comparison") throw new Error("A comparison writes nothing");
  return spec;
}

/** The place of the report's parts; null: they are kept in the run's own storage. */
export function reportPlaceOf(spec: RunSpec): PrefixRef | null {
  return spec.kind === "comparison" ? null : spec.report;
}

/** How objects are copied. A comparison copies none, and has the defaults. */
export function optionsOfRun(spec: RunSpec): ObjectOptions {
  return spec.kind === "comparison" ? resolveOptions({}) : optionsOf(spec);
}

export const ComparisonRequestSchema = z.strictObject({
  ...RunFields,
  ...NameFields,
  ...AsOfField,
  deep: Flag.optional(),
});

export type ComparisonRequest = z.infer<typeof ComparisonRequestSchema>;

/** The body of `POST /comparisons`. @throws {Problem} 400 */
export function parseComparisonRequest(body: unknown): ComparisonRequest {
  return parseWith(ComparisonRequestSchema, body);
}

/**
 * Fills in the defaults and checks a request against the configuration.
 *
 * @throws {Problem} when the comparison could not work as asked
 */
export function resolveComparison(
  request: ComparisonRequest,
  env: Readonly<Record<string, unknown>>,
): ComparisonSpec {
  const { run, source: sourceStore, destination: destinationStore } = resolveRun(request, env);
  const { source, destination, compare } = run;
  const isSameBucket =
    bucketIdentity(sourceStore, source.bucket) === bucketIdentity(destinationStore, destination.bucket);
  if (isSameBucket && source.prefix === destination.prefix) {
    const message = `Cannot compare: "source" and "destination" are the same place, ${formatPrefix(source)}`;
    throw new Problem(400, "overlapping_prefixes", message);
  }
  const deep = request.deep ?? false;
  if (deep && (compare === "size" || compare === "size+mtime")) {
    const message = `"deep" reads what nothing else decides, and "compare": "${compare}" believes the listings: leave one of them out`;
    throw new Problem(400, "invalid_request", message);
  }
  const names = namesOf(request, request, env);
  checkNamed(names, sourceStore);
  const versions = versionsOf(request, request, { source: sourceStore, destination: destinationStore });
  return { kind: "comparison", ...run, ...names, ...versions, deep };
}
