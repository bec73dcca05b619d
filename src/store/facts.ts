// The results of store checks, as copies use them: which facts there are, where they apply, and how they
// become a store's profile. Pure.
//
// A fact applies to one store and one bucket. Many facts belong to a bucket (its default encryption decides
// what an ETag is), and the others were seen through one bucket's policy. So nothing is assumed of a bucket
// that was not checked. A fact applies as long as the store is configured as it was at the check: another
// endpoint is another store.
//
// Precedence: the secret's own `profile`, then the results of checks, then the provider's defaults.
//
// Invariant: a fact never replaces evidence. It decides what is asked, sent and compared, but a copy's claim
// rests only on the answers to that copy. If a bucket starts to encrypt after its check, its answers say so
// or its ETags turn out not to be MD5s, and the copy claims less, as it would without a check. One thing is
// taken on trust, with a check or without: that a store which accepts a Content-MD5 compares it. A check can
// only withdraw that.

import { isoTime } from "../http/fields.ts";
import type { BucketRef } from "./address.ts";
import { type Fact, type Facts, type Provider, FACTS } from "./profiles.ts";
import { type Encryption, type Store, findStore } from "./stores.ts";

/** What facts depend on. Not the credentials: what they forbid is not a fact. */
export interface Configuration {
  readonly endpoint: string;
  readonly provider: Provider;
  readonly encryption: Encryption["kind"] | null;
}

/** The facts of one check, as a copy carries them from its start to its end. */
export interface StoreFacts extends BucketRef {
  readonly configuration: Configuration;
  readonly facts: Facts;
}

/** What is kept of a check. */
export interface KeptCheck extends StoreFacts {
  readonly as: "source" | "destination";
  readonly ok: boolean;
  readonly checkedAtMs: number;
}

export function configurationOf({ endpoint, provider, encryption }: Store): Configuration {
  return { endpoint, provider, encryption: encryption?.kind ?? null };
}

/**
 * What is kept after a check. Facts that it has not seen again stay, unless the store was configured
 * differently.
 *
 * @param before of the same bucket and role
 */
export function mergeChecks(before: KeptCheck | null, now: KeptCheck): KeptCheck {
  if (before === null || !isSame(before.configuration, now.configuration)) return now;
  return { ...now, facts: { ...before.facts, ...now.facts } };
}

/**
 * A store as configured, with what is known of this bucket.
 *
 * @param known in the order of the checks: later ones win
 * @throws {Problem} if the store does not exist or its secret is bad
 */
export function findKnownStore(
  env: Readonly<Record<string, unknown>>,
  { store: name, bucket }: BucketRef,
  known: readonly StoreFacts[] = [],
): Store {
  const store = findStore(env, name);
  const holding = known.filter((seen) => seen.bucket === bucket && holdsFor(seen, store));
  return holding.length === 0 ? store : withFacts(store, Object.assign({}, ...holding.map(factsOf)) as Facts);
}

/** @param facts of the bucket to be used */
export function withFacts(store: Store, facts: Facts): Store {
  return { ...store, profile: { ...store.profile, ...facts, ...store.ownProfile } };
}

/** Whether this was seen of the store as it is configured now. */
export function holdsFor({ store: name, configuration }: StoreFacts, store: Store): boolean {
  return name === store.name && isSame(configuration, configurationOf(store));
}

/** The changes that facts make to a store's profile, and those that its secret overrules. */
interface Effect {
  readonly profile: Facts;
  readonly overruled: Facts;
}

export function effectOf({ profile, ownProfile }: Store, facts: Facts): Effect {
  const isNews = (name: Fact) => JSON.stringify(profile[name]) !== JSON.stringify(facts[name]);
  const news = FACTS.filter((name) => facts[name] !== undefined && isNews(name));
  return {
    profile: pick(
      facts,
      news.filter((name) => ownProfile[name] === undefined),
    ),
    overruled: pick(
      facts,
      news.filter((name) => ownProfile[name] !== undefined),
    ),
  };
}

/** The checks of one store as `GET /stores` shows them. */
export function describeChecks(store: Store, checks: readonly KeptCheck[]): Record<string, unknown>[] {
  return checks
    .filter((check) => check.store === store.name)
    .map((check) => {
      const applies = holdsFor(check, store);
      return {
        bucket: check.bucket,
        as: check.as,
        ok: check.ok,
        checkedAt: isoTime(check.checkedAtMs),
        applies,
        ...(applies ? effectOf(store, check.facts) : { profile: {}, overruled: {} }),
      };
    });
}

/** For the timeline of a copy: the buckets whose check results it uses. Null: none. */
export function describeKnown(known: readonly StoreFacts[] | undefined): string | null {
  const names = new Set((known ?? []).map(({ store, bucket }) => `${store}:${bucket}`));
  return names.size === 0 ? null : `with what was seen in the check of ${[...names].join(" and of ")}`;
}

function factsOf({ facts }: StoreFacts): Facts {
  return facts;
}

function pick(facts: Facts, names: readonly Fact[]): Facts {
  return Object.fromEntries(names.map((name) => [name, facts[name]])) as Facts;
}

function isSame(one: Configuration, other: Configuration): boolean {
  return (
    one.endpoint === other.endpoint && one.provider === other.provider && one.encryption === other.encryption
  );
}
