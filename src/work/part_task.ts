// What passes between coordinator, lane and part copier: plain data, so that it survives RPC and a deployment
// in which two versions meet. Callees return results and never call back.

import type { Digest } from "../object/proof.ts";
import type { Failure } from "../s3/failure.ts";
import type { ObjectRef } from "../store/address.ts";
import type { Amounts } from "../store/budget.ts";
import type { StoreFacts } from "../store/facts.ts";
import type { StreamRate } from "../throttle/byte_bucket.ts";
import type { Pace } from "../throttle/sender.ts";
import type { Claim, Grant } from "./claim.ts";
import type { Spent } from "./spent.ts";

/** Everything that one part copy needs, except the credentials, which each Worker reads from its own env. */
export interface PartTask {
  readonly copyId: string;
  readonly lane: number;
  readonly partNumber: number;
  /** From 1; it identifies the report of an older attempt. */
  readonly attempt: number;
  readonly source: ObjectRef;
  readonly destination: ObjectRef;
  readonly sourceEtag: string;
  /**
   * What the source is to be told so that it sends the bytes as they are stored; undefined: nothing special.
   */
  readonly acceptEncoding?: string | undefined;
  readonly objectBytes: number;
  readonly offset: number;
  readonly length: number;
  /**
   * `stream`: GET into PUT, with these digests computed on the way. `server`: the service copies by itself.
   */
  readonly via: "stream" | "server";
  /** After this long the attempt is given up. */
  readonly limitMs: number;
  readonly digests: readonly Digest[];
  /**
   * The destination has it, under this ETag, from an earlier attempt. Streamed, only the digests are wanted,
   * which were lost; copied by the service, only the source's ETag, which no HEAD could tell.
   */
  readonly heldEtag: string | null;
  /** What checks had found out about its buckets when the copy was admitted. */
  readonly known?: readonly StoreFacts[];
  /** When its requests may go out, at stores whose requests per second are capped; null: at once. */
  readonly pace: { readonly source: Pace | null; readonly destination: Pace | null };
  /** What it may spend; absent: as much as it likes. */
  readonly purse?: Amounts | undefined;
  /** How fast its bytes may pass; absent: as fast as they can. */
  readonly rate?: StreamRate;
  /**
   * `part` of a multipart upload, or the `whole` object in one PutObject with its attributes and conditions.
   */
  readonly target:
    | { readonly kind: "part"; readonly uploadId: string }
    | { readonly kind: "whole"; readonly headers: Readonly<Record<string, string>> };
}

/** The warning of a copy that pays for its bytes twice. */
export const READ_TWICE =
  "The destination demands a digest of every write, as a bucket with Object Lock does: bytes whose MD5 is " +
  "unknown are read twice from the source";

/** Of the bytes that passed, in hex. */
export type PartDigests = Readonly<Partial<Record<Digest, string>>>;

export type PartResult = PartOutcome & {
  /** Absent: the call broke, and nobody knows. */
  readonly spent?: Spent;
};

export type PartOutcome =
  | {
      readonly ok: true;
      readonly etag: string;
      /** The store says that it encrypted the bytes with a key, so the ETag is not their MD5. */
      readonly encryptedWithKey: boolean;
      readonly digests: PartDigests;
      readonly durationMs: number;
      /** The bucket demands a digest of every write, so the source was read once more, for that. */
      readonly readTwice?: true;
    }
  | {
      readonly ok: false;
      readonly failure: Failure;
      /** The destination has it under this ETag; what failed came after that. */
      readonly heldEtag?: string;
    };

export interface PartReport {
  readonly partNumber: number;
  readonly attempt: number;
  readonly result: PartResult;
}

export type PartAttempt = Pick<PartTask, "partNumber" | "attempt">;

export type PartClaim = Claim<PartReport, PartAttempt>;

export type PartGrant = Grant<PartTask>;
