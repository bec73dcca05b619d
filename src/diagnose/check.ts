// The check of a store: does it work with these credentials, and what can it do? It asks the store itself,
// under a prefix of its own. It then deletes everything it wrote, and what an earlier check that died left
// behind.
//
// What it needs: a configured store and a bucket. It sends about sixty requests, one after the other, and 5
// MiB of zeros. The single questions are in questions.ts and intermediary.ts.
//
// Invariants: nothing outside its prefix is written or deleted. A refusal is a finding and does not end the
// check, unless the store cannot be reached at all. A finding states what an answer showed, never an
// assumption.
//
// It changes and stores nothing. It asks the store as configured, regardless of earlier checks, and returns
// the facts that it saw (store/facts.ts).

import { askDigest } from "./digests.ts";
import { askEncryption } from "./encryption.ts";
import { type Finding, Findings } from "./findings.ts";
import { Intermediary } from "./intermediary.ts";
import { Questions } from "./questions.ts";
import { askUnpacking } from "./unpacking.ts";
import { deleteObjects } from "../s3/delete.ts";
import { S3Error } from "../s3/errors.ts";
import { listObjects, listObjectsV2, MAX_PAGE_KEYS } from "../s3/list.ts";
import { type S3, ask, regionOf } from "../s3/request.ts";
import { isUnreachable } from "../s3/retry.ts";
import { named } from "../s3/told.ts";
import { abortMultipartUpload } from "../s3/s3.ts";
import type { Facts } from "../store/profiles.ts";

/** Every key that a check writes begins with this. */
const CHECK_PREFIX = ".bucket-brigade/check/";

/** A check this old has died; the next one deletes what it left. */
const LEFT_AFTER_MS = 60 * 60_000;

const CLOCK_SLACK_SECONDS = 300;

export interface CheckResult {
  /** Everything a copy requires works: reading, and for a destination writing and multipart uploads. */
  readonly ok: boolean;
  readonly findings: readonly Finding[];
  readonly advice: readonly string[];
  /** The store has answered. Otherwise there is nothing to keep. */
  readonly reached: boolean;
  readonly facts: Facts;
  readonly leftovers: readonly string[];
}

/** Without these a store is useless in the role it is checked for. */
const NEEDED: ReadonlySet<string> = new Set([
  "list",
  "put",
  "get",
  "range",
  "if-match",
  "multipart",
  "encryption",
  // A cache in front of the store answers with what was there before.
  "cacheable key",
  "pinned ranges",
]);

/**
 * @param writes check it as a destination too
 * @param now for the name of this check's prefix
 */
export async function checkStore(
  s3: S3,
  bucket: string,
  { writes, now }: { writes: boolean; now: number },
): Promise<CheckResult> {
  return await new StoreCheck(s3, bucket, now).run(writes);
}

class StoreCheck {
  readonly #s3: S3;
  readonly #bucket: string;
  readonly #now: number;
  readonly #prefix: string;
  readonly #findings: Findings;
  readonly #questions: Questions;
  readonly #intermediary: Intermediary;

  constructor(s3: S3, bucket: string, now: number) {
    this.#s3 = s3;
    this.#bucket = bucket;
    this.#now = now;
    this.#prefix = `${CHECK_PREFIX}${now}/`;
    this.#findings = new Findings(s3.store.name);
    this.#questions = new Questions(s3, bucket, this.#prefix, this.#findings);
    this.#intermediary = new Intermediary(s3, bucket, this.#findings);
  }

  async run(writes: boolean): Promise<CheckResult> {
    const findings = this.#findings;
    const questions = this.#questions;
    // 1. Does anything answer, are the credentials valid, is it the right region, what time is it there?
    const reached = await this.#reach();
    // 2. Can it list? Step 1 is repeated if only the list has revealed the region or the clock.
    const listed = reached && (await this.#list());
    if (listed && this.#findings.outcomeOf("bucket") === null) await this.#reach();
    if (reached && writes) {
      // 3. Delete what a check that died has left.
      await this.#takeAway(CHECK_PREFIX, (key) => this.#isLeftover(key));
      // 4. Can it be written to and read? Without that there is nothing more to ask.
      if (await questions.putAndRead()) {
        // 5. Do its answers come as it gave them?
        await findings.each("intermediary", async () => await this.#intermediary.ask(this.#prefix));
        // 6. Does it honour conditions?
        await findings.each("conditions", async () => await questions.conditions());
        // 7. Which attributes does it keep, and does it encrypt as it is told?
        await findings.each("attributes", async () => await questions.attributes());
        const encrypted = { bucket: this.#bucket, key: `${this.#prefix}encrypted` };
        await askEncryption(this.#s3, encrypted, findings);
        await askDigest(this.#s3, { bucket: this.#bucket, key: `${this.#prefix}streamed` }, findings);
        // 8. Which checksums does it report?
        await findings.each("checksums", async () => await questions.checksums());
        // 9. Can it copy an object itself?
        await findings.each("copies", async () => await questions.copyInside());
        // 10. Does it unpack archives?
        await askUnpacking(this.#s3, { bucket: this.#bucket, prefix: this.#prefix, findings });
        // 11. Does a multipart upload work, with everything that a copy may ask of it?
        await findings.each("multipart", async () => await questions.multipart());
      }
    } else if (listed) {
      // 4. A source that must not be written to: read an object that exists.
      await findings.each("get", async () => await questions.readOnly());
      await findings.each("intermediary", async () => await this.#intermediary.askReadOnly());
    }
    // 12. Delete everything.
    const leftovers = reached && writes ? await this.#cleanUp() : [];
    const isAsked = (check: string) =>
      check === "encryption"
        ? findings.outcomeOf(check) !== null
        : writes || !["put", "multipart"].includes(check);
    const needed = [...NEEDED].filter(isAsked);
    return {
      ok: reached && needed.every((check) => ["yes", "skipped"].includes(findings.outcomeOf(check) ?? "no")),
      findings: findings.list(),
      advice: findings.advice(),
      reached,
      facts: findings.facts,
      leftovers,
    };
  }

  async #reach(): Promise<boolean> {
    const { name, region } = this.#s3.store;
    try {
      const address = { bucket: this.#bucket, key: null };
      const { headers } = await ask(this.#s3, "HeadBucket", address, { method: "HEAD" });
      const told = regionOf(this.#s3.store, this.#bucket);
      this.#findings.found("bucket", "yes", `it exists, in region ${told}`);
      if (told !== region) {
        const sentence = `The bucket is in ${told}, but "region" of store "${name}" is ${region}: set it, which saves a refused request`;
        this.#findings.advise(sentence);
      }
      const serverMs = Date.parse(headers.get("date") ?? "");
      const offsetMs = serverMs - Date.now();
      if (!Number.isNaN(serverMs)) {
        const seconds = Math.round(offsetMs / 1000);
        this.#findings.found(
          "clock",
          Math.abs(seconds) < CLOCK_SLACK_SECONDS ? "yes" : "no",
          `the store's clock differs from ours by ${seconds} s`,
        );
      }
      return true;
    } catch (error) {
      if (!(error instanceof S3Error)) throw error;
      // A refused HEAD has no code. The list that follows reports the reason, and it may be allowed although
      // this is not. An answer of Cloudflare in the store's place is none of the store.
      if (error.status !== null && !isUnreachable(error) && error.code !== "wrong_region") return true;
      this.#findings.refused("bucket", error);
      return false;
    }
  }

  async #list(): Promise<boolean> {
    try {
      const page = await listObjectsV2(this.#s3, this.#bucket, { prefix: "", maxKeys: 1 });
      this.#findings.found(
        "list",
        "yes",
        page.isV1 ? "only version 1 of ListObjects is supported" : "ListObjectsV2",
      );
      return true;
    } catch (error) {
      if (!(error instanceof S3Error)) throw error;
      const first = await listObjects(this.#s3, this.#bucket, { prefix: "", maxKeys: 1 }).catch(() => null);
      if (first === null) this.#findings.refused("list", error);
      else this.#findings.found("list", "yes", "only version 1 of ListObjects is supported");
      return first !== null;
    }
  }

  /** Deletes everything. @returns the keys that are left */
  async #cleanUp(): Promise<string[]> {
    for (const { key, uploadId } of this.#questions.uploads) {
      await this.#findings.attempt("abort", async () => {
        await abortMultipartUpload(this.#s3, { bucket: this.#bucket, key }, uploadId);
        return ["yes", "uploads are aborted"];
      });
    }
    await this.#takeAway(this.#prefix, () => true);
    const left = await listObjectsV2(this.#s3, this.#bucket, { prefix: this.#prefix }).catch(() => null);
    const keys = keysUnder(this.#prefix, left?.objects ?? []).map(named);
    if (keys.length > 0)
      this.#findings.advise(
        `${keys.length} objects under "${this.#prefix}" could not be deleted: delete them by hand`,
      );
    return keys;
  }

  async #takeAway(prefix: string, isOurs: (key: string) => boolean): Promise<void> {
    await this.#findings.attempt("delete", async () => {
      const page = await listObjectsV2(this.#s3, this.#bucket, { prefix, maxKeys: MAX_PAGE_KEYS });
      const keys = keysUnder(prefix, page.objects).filter(isOurs);
      const { refused } =
        keys.length === 0 ? { refused: [] } : await deleteObjects(this.#s3, this.#bucket, keys);
      const [first] = refused;
      return first === undefined ? ["yes", "DeleteObjects"] : ["refused", `${first.code}: ${first.message}`];
    });
  }

  #isLeftover(key: string): boolean {
    const atMs = Number(/^(\d+)\//.exec(key.slice(CHECK_PREFIX.length))?.[1] ?? Number.NaN);
    return this.#now - atMs > LEFT_AFTER_MS;
  }
}

/** A store may list what was not asked for. */
function keysUnder(prefix: string, objects: readonly { readonly key: string }[]): string[] {
  return objects.map(({ key }) => key).filter((key) => key.startsWith(prefix));
}
