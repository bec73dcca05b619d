// The last word on a copy: does the finished object have the bytes, the encryption and the attributes that
// were sent? It is asked of the destination itself. What is wrong is taken back, so that nobody finds it and
// takes it for right.
//
// What it needs: the record of the copy, and the destination. It may run twice.

import { etagOfOnlyAttempt, isOurs } from "./ours.ts";
import type { Prepared } from "./phase.ts";
import { unitCount } from "./plan.ts";
import type { CopyRecord } from "./record.ts";
import { unshownAttributes } from "../object/attributes.ts";
import { fullObjectChecksums } from "../object/checksum.ts";
import { concludeProof } from "../object/proof.ts";
import { areAllMd5, combinedChecksum } from "../parts/digests.ts";
import { removeExactly } from "../s3/conditions.ts";
import { confirmsEncryption, isEncryptedWithKey } from "../s3/encryption.ts";
import { FailureError, failureOf } from "../s3/errors.ts";
import { type Failure, meshFailure } from "../s3/failure.ts";
import { headObject } from "../s3/read.ts";
import type { S3 } from "../s3/request.ts";
import { saysNo } from "../s3/retry.ts";
import { etagOf, sizeOf } from "../s3/value.ts";
import { notEncrypted, unkept } from "../work/confirm.ts";

export const NO_PROOF = "The destination reports no value that proves the copy, and verify is strict";

export class Verification {
  readonly #record: CopyRecord;
  readonly #destination: S3;
  readonly #ownPart: "object" | "version";

  /** @param ownPart what may be deleted, see removeExactly() */
  constructor(record: CopyRecord, destination: S3, ownPart: "object" | "version") {
    this.#record = record;
    this.#destination = destination;
    this.#ownPart = ownPart;
  }

  /** @returns why the copy has failed; null: it is verified, and that is recorded */
  async verify(object: Prepared, completedEtag: string | null): Promise<Failure | null> {
    const { spec } = this.#record.load();
    const { headers } = await headObject(this.#destination, spec.destination).catch((error: unknown) => {
      const failure = failureOf(error, "destination");
      throw failure.side !== "mesh" && failure.status === 404
        ? new FailureError({ ...failure, code: "object_not_visible" })
        : error;
    });
    const etag = etagOf(headers);
    const answered =
      object.plan.kind === "parts" ? (completedEtag ?? "unsaid") : etagOfOnlyAttempt(this.#record.parts);
    if (etag !== null && (await isOurs(headers, object, this.#record.parts, answered)))
      return await this.#conclude(object, etag, headers);
    return meshFailure(
      "verification_failed",
      `The destination holds a different object from the one copied: ${sizeOf(headers)} bytes ` +
        `with ETag ${etag}; ${object.plan.sizeBytes} bytes were copied`,
      "HeadObject",
    );
  }

  async #conclude(object: Prepared, etag: string, headers: Headers): Promise<Failure | null> {
    const { spec } = this.#record.load();
    if (!(await confirmsEncryption(this.#destination.store.encryption, headers))) {
      await this.removeObject(etag, "unencrypted");
      return notEncrypted(this.#destination, "HeadObject").failure;
    }
    const proved = concludeProof({
      plan: object.proof,
      sourceEtag: object.sourceEtag,
      destinationEtag: etag,
      destinationEncryptedWithKey: isEncryptedWithKey(headers),
      destinationChecksums: spec.verify === "off" ? [] : fullObjectChecksums(headers),
      ourChecksum: combinedChecksum(object, this.#record.parts),
      partsMatch: areAllMd5(this.#record.parts.finished(), unitCount(object.plan)),
    });
    if (!proved.ok) {
      await this.removeObject(etag, "corrupt");
      return meshFailure("checksum_mismatch", proved.message, "HeadObject");
    }
    if (spec.verify === "strict" && proved.proof === "length") {
      await this.removeObject(etag, "unproved");
      return meshFailure("proof_impossible", NO_PROOF, "HeadObject");
    }
    const losses = [
      ...unshownAttributes(object.headers, headers),
      ...(await unkept(this.#destination, spec.destination, object.headers, headers)),
    ];
    if (losses.length > 0 && spec.ifLossy === "fail") {
      await this.removeObject(etag, "incomplete");
      return meshFailure("attribute_lost", losses.join("; "), "HeadObject");
    }
    for (const loss of losses) this.#record.warn(loss);
    this.#record.applyEvent({ type: "verified", etag, proof: proved.proof }, "verified", proved.proof);
    return null;
  }

  /** Deletes this copy's object if it is not what the request demands. */
  async removeObject(
    etag: string,
    why: "corrupt" | "unproved" | "unencrypted" | "incomplete",
  ): Promise<void> {
    const { spec } = this.#record.load();
    try {
      if ((await removeExactly(this.#destination, spec.destination, etag, this.#ownPart)) === "removed")
        this.#record.timeline.add(Date.now(), `${why}_object_deleted`);
      else this.#record.warn(`The destination object is ${why} and was kept: it is the source's own key`);
    } catch (error) {
      const failure = failureOf(error, "destination");
      if (!saysNo(failure)) throw error;
      this.#record.warn(`The destination object is ${why} and could not be deleted: ${failure.message}`);
    }
  }
}
