// The large objects of a replication: each becomes a copy with its own coordinator, a few at once. As
// sync/large.ts does it: every call may be made twice, and the replication polls how a copy has ended.
//
// What it needs: the classes Registry and Coordinator.

import { createWork } from "../schedule/create.ts";
import { resolveCopy } from "../copy/spec.ts";
import type { Env } from "../env.ts";
import { Problem } from "../http/problem.ts";
import { type Mesh, ownKey, registryOf } from "../mesh.ts";
import { optionsOf } from "../object/options.ts";
import { type Failure, meshFailure } from "../s3/failure.ts";
import { limitsOf } from "../store/limits.ts";
import type { CopyStatus } from "../view/answers.ts";
import type { ObjectWork } from "../work/batch_task.ts";
import { settleKey } from "./handout.ts";
import { isHandingOut } from "./job.ts";
import type { KeyRow } from "./queue.ts";
import type { ReplicationRecord } from "./record.ts";
import type { KeyEnd } from "./settle.ts";

/** Copies at once: each has lanes of its own. */
const AT_ONCE = 4;

export class LargeKeys {
  readonly #record: ReplicationRecord;
  readonly #mesh: Mesh;
  readonly #env: Env;

  constructor(record: ReplicationRecord, mesh: Mesh, env: Env) {
    this.#record = record;
    this.#mesh = mesh;
    this.#env = env;
  }

  /** Polls those that run and starts those that wait. @returns whether any is left */
  async tend(): Promise<boolean> {
    // They are cancelled, and what comes of them does not matter.
    if (this.#record.job().phase === "deleting") return false;
    for (const row of this.#record.queue.copying(AT_ONCE)) {
      if (row.copyId !== null) await this.#poll(row, row.copyId);
      else if (isHandingOut(this.#record.job())) await this.#start(row);
    }
    return this.#record.queue.copying(1).length > 0;
  }

  async #start({ key, work, seq }: KeyRow): Promise<void> {
    if (work === null) return;
    const { id, spec } = this.#record.load();
    const { sync } = spec;
    let copy: ReturnType<typeof resolveCopy>;
    try {
      copy = resolveCopy(
        {
          source: { store: sync.source.store, bucket: sync.source.bucket, key },
          destination: { store: sync.destination.store, bucket: sync.destination.bucket, key: work.to },
          ifBusy: "queue",
          ifSourceChanges: "restart",
        },
        this.#env,
      );
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      return this.#end(key, failedWith(meshFailure(error.code, error.message, "plan"), work));
    }
    const by = sync.startedBy === undefined ? {} : { startedBy: sync.startedBy };
    const full = {
      ...copy,
      ...optionsOf(sync),
      location: sync.location,
      known: sync.known ?? [],
      ...by,
      ...limitsOf(sync),
    };
    const name = `replication ${id} copy ${seq}`;
    const admission = await registryOf(this.#mesh).admit({ kind: "copy", spec: full }, ownKey(name), id);
    if (admission.kind !== "new" && admission.kind !== "known")
      throw new Error(`The registry knows another "${name}"`);
    this.#record.queue.copyStarted(key, admission.kind === "new" ? admission.work.id : admission.id);
    if (admission.kind === "new") await createWork(this.#mesh, admission.work, this.#env);
  }

  async #poll({ key, work }: KeyRow, copyId: string): Promise<void> {
    const coordinator = this.#mesh.Coordinator.getByName(copyId);
    const response = await coordinator.fetch(`https://coordinator/copies/${copyId}`);
    if (!response.ok || work === null) return; // admitted and not created yet: the registry takes care of it
    const status: CopyStatus = await response.json();
    switch (status.phase) {
      case "completed": {
        const bytes = status.size ?? work.sizeBytes;
        return this.#end(key, { kind: "copied", bytes, etag: status.etag ?? "", modifiedMs: null });
      }
      case "blocked": {
        // It would wait for a person, and one key of many is not worth that.
        await coordinator.fetch(`https://coordinator/copies/${copyId}/cancel`, { method: "POST" });
        return this.#end(key, failedWith(failureOf(status), work));
      }
      case "failed":
        // Gone, or in trouble: looked at again, HEAD says which.
        return this.#end(
          key,
          work.failedAttempts < MOST_TRIES
            ? { kind: "again", attempts: work.failedAttempts + 1, notBeforeMs: Date.now() + RETRY_MS }
            : failedWith(failureOf(status), work),
        );
      case "cancelled":
        return this.#end(key, failedWith(failureOf(status), work));
    }
  }

  #end(key: string, end: KeyEnd): void {
    const now = Date.now();
    this.#record.transaction(() => {
      if (this.#record.queue.find(key) === null) return;
      settleKey(this.#record, key, end, now);
      if (end.kind === "copied")
        this.#record.lag.add({ copied: 1, deleted: 0, failed: 0, pending: 0, lagsMs: [] }, now);
    });
  }
}

const MOST_TRIES = 3;

const RETRY_MS = 5_000;

function failedWith(failure: Failure, work: ObjectWork): KeyEnd {
  return { kind: "failed", failure, attempts: work.failedAttempts + 1 };
}

function failureOf({ failure }: CopyStatus): Failure {
  const { code = "cancelled", message = "The copy was cancelled", operation = "copy" } = failure ?? {};
  return meshFailure(code, message, operation);
}
