// The two stores of a simulated copy, in memory: the source's version, and at the destination the uploads
// with their parts and the one object. They can be down, refuse credentials or permissions, and do things
// behind one's back.
//
// It knows nothing of jobs. Each call either has its effect or throws what a store would answer.

import type { Failure } from "../../../src/s3/failure.ts";
import { PARTS_PLAN, failure } from "../samples.ts";

/** A call to a store that did not succeed. */
export class Refusal extends Error {
  readonly failure: Failure;

  constructor(what: Failure) {
    super(what.code);
    this.failure = what;
  }
}

interface StoredUpload {
  readonly sinceMs: number;
  /** Part numbers, each with the version of the source that its bytes came from. */
  readonly parts: Map<number, string>;
}

type StoredObject =
  { readonly kind: "none" | "foreign" } | { readonly kind: "ours"; readonly versions: ReadonlySet<string> };

const WHIMS: readonly (readonly [below: number, Failure])[] = [
  [0.03, failure("network")],
  [0.06, failure("SlowDown", 503)],
  [0.07, failure("ExpiredToken", 400)],
  [0.08, failure("TooManyRequests", 429)],
  [0.083, failure("AccessDenied", 403)],
];

export class SimulatedStore {
  readonly #remembersUploads: boolean;
  readonly #completed = new Set<string>();
  #serial = 0;
  readonly uploads = new Map<string, StoredUpload>();
  object: StoredObject = { kind: "none" };
  sourceVersion = '"v1"';
  downUntilMs = 0;
  credentials: "good" | "expired" | "denied" = "good";

  /**
   * @param remembersUploads whether Complete of a completed upload is answered once more, as AWS does for a
   * while
   */
  constructor(remembersUploads: boolean) {
    this.#remembersUploads = remembersUploads;
  }

  /** What every call is answered now, whatever it asks for; null when all is well. */
  refusal(now: number): Failure | null {
    if (now < this.downUntilMs) return failure("network");
    if (this.credentials === "expired") return failure("ExpiredToken", 400);
    return this.credentials === "denied" ? failure("AccessDenied", 403) : null;
  }

  /** What one call in twelve is answered, for no reason. @param fate in [0, 1) */
  whim(fate: number): Failure | null {
    return WHIMS.find(([below]) => fate < below)?.[1] ?? null;
  }

  /**
   * An upload expires, a part is lost, somebody else writes the object, an outage begins, a secret is revoked
   * …
   */
  mishap(random: () => number, now: number): void {
    const fate = random();
    if (fate < 0.11) this.uploads.clear();
    else if (fate < 0.23) [...this.uploads.values()][0]?.parts.delete(0);
    else if (fate < 0.43) this.object = this.object.kind === "none" ? { kind: "foreign" } : this.object;
    else if (fate < 0.7) this.downUntilMs = now + Math.floor(60 * 60_000 * random() ** 4);
    else if (fate < 0.85) this.credentials = random() < 0.5 ? "expired" : "denied";
    else this.sourceVersion = `"v${++this.#serial + 1}"`;
  }

  recover(): void {
    this.downUntilMs = 0;
    this.credentials = "good";
  }

  createUpload(now: number): string {
    const uploadId = `upload-${++this.#serial}`;
    this.uploads.set(uploadId, { sinceMs: now, parts: new Map() });
    return uploadId;
  }

  upload(uploadId: string): StoredUpload {
    const upload = this.uploads.get(uploadId);
    if (upload === undefined) throw new Refusal(failure("NoSuchUpload", 404));
    return upload;
  }

  putObject(version: string, onlyIfAbsent: boolean): void {
    if (this.object.kind === "foreign" && onlyIfAbsent) {
      throw new Refusal(failure("PreconditionFailed", 412, { operation: "PutObject" }));
    }
    this.object = { kind: "ours", versions: new Set([version]) };
  }

  complete(uploadId: string, { onlyIfAbsent }: { onlyIfAbsent: boolean }): void {
    if (this.#completed.has(uploadId) && this.#remembersUploads) return;
    const { parts } = this.upload(uploadId);
    const operation = "CompleteMultipartUpload";
    if (this.object.kind === "foreign" && onlyIfAbsent)
      throw new Refusal(failure("PreconditionFailed", 412, { operation }));
    if (parts.size < PARTS_PLAN.partCount) throw new Refusal(failure("InvalidPart", 400, { operation }));
    this.uploads.delete(uploadId);
    this.#completed.add(uploadId);
    this.object = { kind: "ours", versions: new Set(parts.values()) };
  }

  /** What ends what is ours and leaves all else. */
  removeOurs(): void {
    if (this.object.kind === "ours") this.object = { kind: "none" };
  }
}

/** A refusal that came instead of the work, not after it. */
export function isRefusal({ status, code }: Failure): boolean {
  return status !== null && status < 500 && status !== 412 && code !== "NoSuchUpload";
}
