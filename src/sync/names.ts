// Which names a sync takes from its source, and what they become at the destination: the fields of a request
// for them. Pure, except for the env it is given.

import { z } from "zod";
import { Problem } from "../http/problem.ts";
import { KEY_ACTIONS, MANIFEST_FORMATS } from "../http/vocabulary.ts";
import type { Manifest } from "../listing/manifest.ts";
import { type KeyAction, type ManifestFormat, formatOf } from "../listing/manifest_lines.ts";
import { type Rename, type RenameRule, compileRename } from "../listing/rename.ts";
import { type DestinationKey, destinationKey } from "../listing/prefix.ts";
import { utf8Bytes } from "../s3/url.ts";
import { type ObjectRef, type PrefixRef, ObjectRefSchema, checkBucket } from "../store/address.ts";
import type { Store } from "../store/stores.ts";

/** The part of a sync's spec that says so. */
export interface NamesSpec {
  /** Applied in their order to the key below the source's prefix. Absent: names stay. */
  readonly rename?: readonly RenameRule[];
  /** What names the keys: a list, or an object of lines. Both absent: the source's listing. */
  readonly keys?: readonly string[];
  readonly manifest?: ObjectRef;
  readonly manifestFormat?: ManifestFormat;
  /** Of a report; absent: all. */
  readonly manifestActions?: readonly KeyAction[];
}

/** All of a request is at most as large. */
const MAX_KEYS_BYTES = 64 * 1024;

const Keys = z
  .union([z.string().min(1), z.array(z.string().min(1)).min(1)])
  .transform((value) => (typeof value === "string" ? [value] : value))
  .refine((keys) => keys.every((key) => key.isWellFormed()), "must be valid Unicode")
  .refine((keys) => utf8Bytes(keys.join("")) <= MAX_KEYS_BYTES, {
    error: `must have at most ${MAX_KEYS_BYTES} bytes together: put a longer list into an object, and name it as "manifest"`,
  });

const Actions = z
  .union([z.enum(KEY_ACTIONS), z.array(z.enum(KEY_ACTIONS)).min(1)])
  .transform((value) => (typeof value === "string" ? [value] : value));

const MAX_RULES = 32;

const MAX_RULE_CHARACTERS = 1024;

const RULES_HINT = 'must be a list of {"match": "a pattern of RE2", "to": "a text"}';

const Rules = z
  .array(
    z.strictObject({
      match: z.string().min(1).max(MAX_RULE_CHARACTERS),
      to: z.string().max(MAX_RULE_CHARACTERS),
    }),
  )
  .min(1)
  .max(MAX_RULES)
  .superRefine((rules, context) => {
    const compiled = compileRename(rules);
    if (!compiled.ok) context.addIssue({ code: "custom", path: [compiled.rule], message: compiled.message });
  });

/** A form sends it as the text of the JSON. */
const RulesText = z.string().transform((text, context): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    context.addIssue({ code: "custom", message: `${RULES_HINT}, not ${JSON.stringify(text)}` });
    return z.NEVER;
  }
});

/** The fields of a request that set it. */
export const NameFields = {
  rename: z.union([Rules, RulesText.pipe(Rules)], { error: RULES_HINT }).optional(),
  keys: Keys.optional(),
  manifest: ObjectRefSchema.optional(),
  manifestFormat: z.enum(MANIFEST_FORMATS).optional(),
  manifestActions: Actions.optional(),
};

/** Those that a form may give several times. */
export const NAME_LISTS = ["keys", "manifestActions"] as const;

type NamesRequest = z.infer<z.ZodObject<typeof NameFields>>;

interface Others {
  readonly source: PrefixRef;
  readonly delete?: boolean | undefined;
  readonly markCopy?: boolean | undefined;
  readonly include?: readonly string[] | undefined;
  readonly exclude?: readonly string[] | undefined;
  readonly minSize?: unknown;
  readonly maxSize?: unknown;
  readonly minAgeSeconds?: unknown;
  readonly maxAgeSeconds?: unknown;
  readonly storageClasses?: unknown;
  readonly partSize?: unknown;
}

/** @throws {Problem} for what cannot be asked for together, or the configuration forbids */
export function namesOf(
  request: NamesRequest,
  others: Others,
  env: Readonly<Record<string, unknown>>,
): NamesSpec {
  const { rename } = request;
  if (rename !== undefined && others.delete === true) checkDelete(others);
  checkManifest(request, others.source);
  const { keys, manifest, manifestFormat, manifestActions } = request;
  if (keys !== undefined || manifest !== undefined) checkListed(request, others);
  if (manifest !== undefined) checkBucket("manifest", manifest, env);
  return {
    ...(rename === undefined ? {} : { rename }),
    ...(keys === undefined ? {} : { keys }),
    ...(manifest === undefined ? {} : { manifest, manifestFormat: manifestFormat ?? formatOf(manifest.key) }),
    ...(manifestActions === undefined ? {} : { manifestActions }),
  };
}

function checkManifest(
  { keys, manifest, manifestFormat, manifestActions }: NamesRequest,
  { prefix }: PrefixRef,
): void {
  if (keys !== undefined && manifest !== undefined)
    throw new Problem(400, "invalid_request", '"keys" and "manifest" both name the keys: give one of them');
  if (manifestFormat !== undefined && manifest === undefined)
    throw new Problem(400, "invalid_request", '"manifestFormat" says what "manifest" is, which is missing');
  const format = manifest === undefined ? null : (manifestFormat ?? formatOf(manifest.key));
  if (manifestActions !== undefined && format !== "ndjson")
    throw new Problem(
      400,
      "invalid_request",
      '"manifestActions" chooses lines of a report: "manifest" must be one, as ndjson',
    );
  const stray = keys?.find((key) => !key.startsWith(prefix));
  if (stray === undefined) return;
  throw new Problem(
    400,
    "invalid_request",
    `"keys" has ${JSON.stringify(stray)}, which is not below the source's prefix ${JSON.stringify(prefix)}: ` +
      "keys are named whole, as they are in the bucket",
  );
}

/**
 * A web server has no listing, so something else must name the keys.
 *
 * @throws {Problem} 400
 */
export function checkNamed({ keys, manifest }: NamesSpec, { name, web }: Store): void {
  if (web === undefined || keys !== undefined || manifest !== undefined) return;
  throw new Problem(
    400,
    "invalid_request",
    `Store "${name}" is of kind https, which has no listing: name the keys with "keys", or with a "manifest"`,
  );
}

/** A list says nothing of its objects but their names, and nothing of what it does not name. */
function checkListed({ rename, keys }: NamesRequest, others: Others): void {
  const field = keys === undefined ? '"manifest"' : '"keys"';
  if (others.delete === true)
    throw new Problem(
      400,
      "invalid_request",
      `"delete" cannot be used with ${field}: what a list does not name may well be at the source`,
    );
  const asked = [
    "minSize",
    "maxSize",
    "minAgeSeconds",
    "maxAgeSeconds",
    "storageClasses",
    "partSize",
  ] as const;
  const wrong = asked.find((name) => others[name] !== undefined);
  if (wrong !== undefined)
    throw new Problem(
      400,
      "invalid_request",
      `"${wrong}" cannot be used with ${field}: a list names keys, and no sizes, times, classes or parts`,
    );
  const compiled = compileRename(rename ?? []);
  if (compiled.ok && compiled.needsTime)
    throw new Problem(
      400,
      "invalid_request",
      `A rule of "rename" names a time, which ${field} does not tell`,
    );
}

/** What names the keys of a run; null: the source's listing. */
export function manifestOf({ keys, manifest, manifestFormat, manifestActions }: NamesSpec): Manifest | null {
  if (keys !== undefined) return { kind: "keys", keys };
  if (manifest === undefined) return null;
  const format = manifestFormat ?? formatOf(manifest.key);
  return { kind: "object", object: manifest, format, actions: manifestActions ?? null };
}

/** A key at the destination does not tell which name it had at the source. */
function checkDelete({ markCopy, include, exclude }: Others): void {
  const withIt = '"delete" with "rename" ';
  if (markCopy === false) {
    const why = 'deletes only what the mark shows to be a copy: leave "markCopy" as it is';
    throw new Problem(400, "invalid_request", withIt + why);
  }
  if ((include ?? []).length + (exclude ?? []).length === 0) return;
  const why =
    'cannot be used with "include" or "exclude": a renamed key does not tell which name it had, and so not ' +
    "whether the patterns leave it out; sync a longer prefix, or delete in a run of its own";
  throw new Problem(400, "invalid_request", withIt + why);
}

/** What changes the names of a run. */
export interface Renaming {
  readonly rename: Rename;
  /** @returns the key of another object that has claimed this key of the destination */
  readonly claim: (image: string, key: string) => string | null;
}

/** The key of a source object at the destination, by the rules if there are any. */
export function targetOf(
  rename: Rename | null,
  prefix: string,
  { name, modifiedMs }: { readonly name: string; readonly modifiedMs: number | null },
  maxKeyBytes?: number,
): DestinationKey | Extract<ReturnType<Rename>, { ok: false }> {
  if (rename === null) return destinationKey(prefix, name, maxKeyBytes);
  const renamed = rename(name, modifiedMs);
  return renamed.ok ? destinationKey(prefix, renamed.name, maxKeyBytes) : renamed;
}
