// The request and the answer of a store check: the request's schema, and the answer as JSON and as a table
// for a terminal. Pure.

import { z } from "zod";
import type { CheckResult } from "./check.ts";
import type { Outcome } from "./findings.ts";
import { parseWith } from "../http/fields.ts";
import { Problem } from "../http/problem.ts";
import { UnaddressableKeyError } from "../s3/url.ts";
import { webUrl } from "../s3/web.ts";
import { checkBucket } from "../store/address.ts";
import { effectOf } from "../store/facts.ts";
import type { Facts } from "../store/profiles.ts";
import { type Store, findStore } from "../store/stores.ts";
import { WEB_BUCKET } from "../store/web.ts";

/**
 * `as`: the role it is checked for. By default a destination, unless the store is readOnly. `key`: of a store
 * of kind https, what is asked.
 */
export const CheckRequestSchema = z.strictObject({
  bucket: z.string().min(1).optional(),
  as: z.enum(["source", "destination"]).optional(),
  key: z.string().min(1).optional(),
});

/** @throws {Problem} if the store, the bucket or the role cannot be checked */
export function resolveCheck(
  name: string,
  body: unknown,
  env: Readonly<Record<string, unknown>>,
): { store: Store; bucket: string; as: CheckAnswer["as"]; key: string | null } {
  const request = parseWith(CheckRequestSchema, body);
  const named = findStore(env, name.toLowerCase());
  const { buckets: [only] = [], readOnly = false } = named;
  const bucket = request.bucket ?? (named.web === undefined ? only : WEB_BUCKET);
  if (bucket === undefined)
    throw new Problem(400, "invalid_request", `"bucket" is missing: name one, as in -d bucket=photos`);
  const store = checkBucket("bucket", { store: named.name, bucket }, env);
  const as = request.as ?? (readOnly ? "source" : "destination");
  if (readOnly && as === "destination")
    throw new Problem(
      403,
      "store_read_only",
      `Store "${name}" is set readOnly: it can be checked as a source only`,
    );
  return { store, bucket, as, key: keyToAsk(named, request.key) };
}

/** S3 tells what there is to ask; a web server does not. */
function keyToAsk({ name, web, endpoint }: Store, key: string | undefined): string | null {
  if (web === undefined) {
    if (key === undefined) return null;
    throw new Problem(
      400,
      "invalid_request",
      `"key" is for stores of kind https: store "${name}" is one of S3, which lists its keys`,
    );
  }
  if (key === undefined)
    throw new Problem(
      400,
      "invalid_request",
      `"key" is missing: store "${name}" is of kind https and has no listing, so name a file that it serves, as in -d key=folder/file`,
    );
  try {
    webUrl(endpoint, web.query, key);
  } catch (error) {
    if (error instanceof UnaddressableKeyError)
      throw new Problem(400, "invalid_key", `"key": ${error.message}`);
    throw error;
  }
  return key;
}

interface CheckAnswer {
  readonly store: string;
  readonly bucket: string;
  readonly as: "source" | "destination";
  readonly ok: boolean;
  readonly findings: CheckResult["findings"];
  readonly advice: readonly string[];
  /** Facts that differ from the provider's defaults. They replace the defaults from now on. */
  readonly profile: Facts;
  /** Facts that differ from the secret's own profile, which takes precedence. */
  readonly overruled: Facts;
  /** The result is kept for work that starts from now on. */
  readonly kept: boolean;
  /** What happens with the result, in a sentence. */
  readonly use: string;
  readonly leftovers: readonly string[];
}

export function checkAnswer(
  store: Store,
  bucket: string,
  as: CheckAnswer["as"],
  { ok, reached, findings, advice, facts, leftovers }: CheckResult,
): CheckAnswer {
  const { name } = store;
  const use = reached
    ? `The result is kept: new copies, syncs and scheduled runs with ${name}:${bucket} will use it; ` +
      `DELETE /stores/${name}/check forgets it`
    : "Nothing is kept: the store was not reached";
  return {
    store: name,
    bucket,
    as,
    ok,
    findings,
    advice,
    ...effectOf(store, facts),
    kept: reached,
    use,
    leftovers,
  };
}

const MARKS: Readonly<Record<Outcome, string>> = {
  yes: "yes",
  no: "no",
  ignored: "IGNORED",
  refused: "REFUSED",
  skipped: "-",
};

/** The answer to `curl -H "Accept: text/plain"`. */
export function checkTable({
  store,
  bucket,
  as,
  ok,
  findings,
  advice,
  profile,
  overruled,
  use,
  leftovers,
}: CheckAnswer): string {
  const width = Math.max(...findings.map(({ check }) => check.length));
  const lines = [
    `${store}:${bucket} as a ${as}: ${ok ? "works" : "does NOT work"}`,
    "",
    ...findings.map(
      ({ check, outcome, detail }) => `  ${check.padEnd(width)}  ${MARKS[outcome].padEnd(7)}  ${detail}`,
    ),
  ];
  if (advice.length > 0) lines.push("", "What to do:", ...advice.map((sentence) => `  - ${sentence}`));
  if (Object.keys(profile).length > 0)
    lines.push("", "Differs from the provider's defaults:", `  ${JSON.stringify(profile)}`);
  if (Object.keys(overruled).length > 0) {
    const secret = `STORE_${store.toUpperCase()}`;
    lines.push(
      "",
      `Differs from "profile" of ${secret}, which takes precedence until it is changed there:`,
      `  ${JSON.stringify(overruled)}`,
    );
  }
  lines.push("", `${use}.`);
  if (leftovers.length > 0) lines.push("", "Could not be deleted:", ...leftovers.map((key) => `  ${key}`));
  return lines.join("\n") + "\n";
}
