// What a check of a store has seen so far: findings, facts for the store's profile, and advice.
//
// Invariant: a refusal becomes a finding; an error that is not the store's answer is thrown on. Copies rely
// on facts, so a fact is only what an answer showed. A missing permission, an overloaded store or no answer
// is a finding but not a fact.

import { adviceFor } from "./advice.ts";
import { S3Error } from "../s3/errors.ts";
import { verdictOf } from "../s3/retry.ts";
import { sentence } from "../s3/told.ts";
import type { Fact, Facts } from "../store/profiles.ts";

/** `ignored`: the store accepted it and did not do it, which is worse than a no. */
export type Outcome = "yes" | "no" | "ignored" | "refused" | "skipped";

export interface Finding {
  readonly check: string;
  readonly outcome: Outcome;
  readonly detail: string;
}

/** Facts that a store's refusal answers. */
type Feature = Extract<
  Fact,
  | "checksumMode"
  | "conditionalPut"
  | "conditionalComplete"
  | "copyObject"
  | "uploadPartCopy"
  | "websiteRedirect"
>;

export class Findings {
  readonly #store: string;
  readonly #list: Finding[] = [];
  readonly #advice = new Set<string>();
  readonly facts: { -readonly [K in keyof Facts]?: Facts[K] } = {};

  /** @param store its name in the configuration, for advice */
  constructor(store: string) {
    this.#store = store;
  }

  list(): readonly Finding[] {
    return this.#list;
  }

  advice(): string[] {
    return [...this.#advice];
  }

  outcomeOf(check: string): Outcome | null {
    return this.#list.find((finding) => finding.check === check)?.outcome ?? null;
  }

  advise(text: string): void {
    this.#advice.add(sentence(text));
  }

  /**
   * Runs one check; null: it has found nothing that is to be told.
   *
   * @param feature that it tests; a store without it says so
   * @returns whether the store did what it was asked to
   */
  async attempt(
    check: string,
    run: () => Promise<[Outcome, string] | null>,
    feature: Feature | null = null,
  ): Promise<boolean> {
    try {
      const found = await run();
      if (found === null) return true;
      const [outcome, detail] = found;
      this.found(check, outcome, detail);
      return outcome === "yes";
    } catch (error) {
      if (!(error instanceof S3Error)) throw error;
      if (feature !== null && isUnknown(error)) this.facts[feature] = false;
      this.refused(check, error);
      return false;
    }
  }

  /** Runs several checks. What is refused between them is a finding too, under this name. */
  async each(check: string, run: () => Promise<void>): Promise<void> {
    await this.attempt(check, async () => {
      await run();
      return null;
    });
  }

  refused(check: string, error: S3Error): void {
    this.found(check, "refused", error.message);
    const advice = adviceFor(this.#store, error);
    if (advice !== null) this.#advice.add(advice);
  }

  /** A later finding replaces a "yes" of the same check: deleting is tried twice. */
  found(check: string, outcome: Outcome, detail: string): void {
    const index = this.#list.findIndex((finding) => finding.check === check);
    const finding = { check, outcome, detail: sentence(detail) };
    if (index === -1) this.#list.push(finding);
    else if (this.#list[index]?.outcome === "yes") this.#list[index] = finding;
  }
}

/** Whether the store says that it does not have the feature. Any other refusal may change. */
export function isUnknown(error: S3Error): boolean {
  const isStatus = error.status === 400 || error.status === 405 || error.status === 501;
  return isStatus && verdictOf(error.toFailure("destination")) === "fatal";
}
