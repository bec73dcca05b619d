// A check of a store as it is asked for and as it is answered: the request's schema, the report as JSON, and as a table for
// a terminal. Pure.

import { z } from "zod";
import { checkBucket, parseWith } from "./api.ts";
import { Problem } from "./problem.ts";
import type { Profile } from "./profiles.ts";
import type { CheckResult } from "./store_check.ts";
import type { Outcome } from "./store_findings.ts";
import { type Store, findStore } from "./stores.ts";

/** `as`: what it is checked for; by default a destination, unless it is readOnly. */
export const CheckRequestSchema = z.strictObject({
  bucket: z.string().min(1).optional(),
  as: z.enum(["source", "destination"]).optional(),
});

/** @throws {Problem} when the store, the bucket or the role cannot be checked */
export function resolveCheck(
  name: string,
  body: unknown,
  env: Readonly<Record<string, unknown>>,
): { store: Store; bucket: string; as: CheckReport["as"] } {
  const request = parseWith(CheckRequestSchema, body);
  const { buckets: [only] = [], readOnly = false } = findStore(env, name);
  const bucket = request.bucket ?? only;
  if (bucket === undefined)
    throw new Problem(400, "invalid_request", `"bucket" is missing: name one, as in -d bucket=photos`);
  const store = checkBucket("bucket", { store: name, bucket }, env);
  const as = request.as ?? (readOnly ? "source" : "destination");
  if (readOnly && as === "destination")
    throw new Problem(
      403,
      "store_read_only",
      `Store "${name}" is set readOnly: it can be checked as a source only`,
    );
  return { store, bucket, as };
}

export interface CheckReport {
  readonly store: string;
  readonly bucket: string;
  readonly as: "source" | "destination";
  readonly ok: boolean;
  readonly findings: CheckResult["findings"];
  readonly advice: readonly string[];
  /** What the store's profile says otherwise; goes into its secret as "profile". */
  readonly profile: Partial<Profile>;
  readonly leftovers: readonly string[];
}

export function checkReport(
  store: Store,
  bucket: string,
  as: CheckReport["as"],
  { ok, findings, advice, facts, leftovers }: CheckResult,
): CheckReport {
  const { profile } = store;
  const differences = Object.entries(facts).filter(
    ([name, value]) => JSON.stringify(profile[name as keyof Profile]) !== JSON.stringify(value),
  );
  return {
    store: store.name,
    bucket,
    as,
    ok,
    findings,
    advice,
    profile: Object.fromEntries(differences) as Partial<Profile>,
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

/** For `curl -H "Accept: text/plain"`. */
export function checkTable({
  store,
  bucket,
  as,
  ok,
  findings,
  advice,
  profile,
  leftovers,
}: CheckReport): string {
  const width = Math.max(...findings.map(({ check }) => check.length));
  const lines = [
    `${store}:${bucket} as a ${as}: ${ok ? "works" : "does NOT work"}`,
    "",
    ...findings.map(
      ({ check, outcome, detail }) => `  ${check.padEnd(width)}  ${MARKS[outcome].padEnd(7)}  ${detail}`,
    ),
  ];
  if (advice.length > 0) lines.push("", "What to do:", ...advice.map((sentence) => `  - ${sentence}`));
  if (Object.keys(profile).length > 0) {
    const secret = `STORE_${store.toUpperCase()}`;
    lines.push(
      "",
      `This differs from what is assumed. Put it into ${secret}:`,
      `  "profile": ${JSON.stringify(profile)}`,
    );
  }
  if (leftovers.length > 0) lines.push("", "Could not be deleted:", ...leftovers.map((key) => `  ${key}`));
  return lines.join("\n") + "\n";
}
