// Which versions of the source a run takes: the fields of a request for them, and what they can be used with.
// Pure.

import { z } from "zod";
import { Instant } from "../http/fields.ts";
import { Problem } from "../http/problem.ts";
import type { Provider } from "../store/profiles.ts";
import type { Store } from "../store/stores.ts";

/** The part of a run's spec that says so. Both absent: the current ones. */
export interface VersionsSpec {
  /** `all`: of each key its whole history, in order. */
  readonly versions?: "all";
  /** The state of the source at this time, in the form of isoTime(). */
  readonly asOf?: string;
}

export const AsOfField = { asOf: Instant.optional() };

export const VersionFields = { versions: z.enum(["current", "all"]).optional(), ...AsOfField };

type Others = Readonly<Record<string, unknown>>;

/**
 * Stores that have no versions: Cloudflare's table of S3 operations has neither GetBucketVersioning nor
 * ListObjectVersions; Garage answers that versioning is off, always; Swift's S3 layer has none
 * (developers.cloudflare.com/r2/api/s3/api,
 * garagehq.deuxfleurs.fr/documentation/reference-manual/s3-compatibility,
 * docs.openstack.org/swift/latest/s3_compat.html, 2026-11).
 */
const WITHOUT_VERSIONS: ReadonlySet<Provider> = new Set(["r2", "garage", "swift"]);

/** Fields that would leave versions out, and so make another history of it. */
const FILTERS = ["minSize", "maxSize", "minAgeSeconds", "maxAgeSeconds", "storageClasses"];

/** @throws {Problem} for what cannot be asked for together, or what a side can never do */
export function versionsOf(
  request: { readonly versions?: "current" | "all" | undefined; readonly asOf?: string | undefined },
  others: Others,
  { source, destination }: { readonly source: Store; readonly destination: Store },
): VersionsSpec {
  const { asOf } = request;
  const versions = request.versions === "all" ? request.versions : undefined;
  if (versions === undefined && asOf === undefined) return {};
  if (versions !== undefined && asOf !== undefined)
    throw refused('"asOf" is one state, and "versions" the whole history: give one of them');
  const field = versions === undefined ? '"asOf"' : '"versions": "all"';
  const clash = clashWith(others, versions === undefined ? AS_OF_CLASHES : ALL_CLASHES);
  if (clash !== null) throw refused(`${clash.name} cannot be used with ${field}: ${clash.why}`);
  for (const [role, store] of Object.entries({
    source,
    ...(versions === undefined ? {} : { destination }),
  })) {
    if (!WITHOUT_VERSIONS.has(store.provider)) continue;
    throw refused(
      `${field} cannot be used here: the ${role} store "${store.name}" (${store.provider}) keeps no versions`,
    );
  }
  return { ...(versions === undefined ? {} : { versions }), ...(asOf === undefined ? {} : { asOf }) };
}

type Clash = readonly [names: readonly string[], why: string];

const LISTED: Clash = [["keys", "manifest"], "a manifest names versions itself, in its third column"];

const AS_OF_CLASHES: readonly Clash[] = [
  LISTED,
  [["delete"], "what was not there at that time may be all that is there now; it adds and changes only"],
];

const ALL_CLASHES: readonly Clash[] = [
  LISTED,
  [["delete"], "the deletions are a part of the history, and are copied as delete markers"],
  [["rename"], "two keys that become one would mix their histories; rename the copy of one state, with asOf"],
  [FILTERS, "a history with holes is another history; include and exclude choose whole keys"],
  [
    ["ifArchived"],
    "a history is copied in order, and would wait for each restore: restore its versions first",
  ],
  [["compare"], "the mark of each version, and nothing else, shows which are there"],
];

/** A request may name what holds without it. */
const DEFAULTS: readonly unknown[] = [undefined, false, "auto"];

function clashWith(others: Others, clashes: readonly Clash[]): { name: string; why: string } | null {
  for (const [names, why] of clashes) {
    const name = names.find((asked) => !DEFAULTS.includes(others[asked]));
    if (name !== undefined) return { name: `"${name}"`, why };
  }
  if (clashes === ALL_CLASHES && others["markCopy"] === false)
    return { name: '"markCopy": false', why: "the mark of each version shows which are there" };
  return null;
}

/** @throws {Problem} of a state that is not there yet */
export function checkAsOf({ asOf }: { readonly asOf?: string | undefined }, now: number): void {
  if (asOf === undefined || Date.parse(asOf) <= now) return;
  throw refused(`"asOf" is ${asOf}, which is still to come: give a time that has passed`);
}

/** Null: the current state. */
export function asOfMs({ asOf }: VersionsSpec): number | null {
  return asOf === undefined ? null : Date.parse(asOf);
}

function refused(message: string): Problem {
  return new Problem(400, "invalid_request", message);
}
