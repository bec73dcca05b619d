// Replicator: a Durable Object, one per replication. It takes in events, which name keys that must be looked
// at, and keeps the destination up with its source.

import { DurableObject } from "cloudflare:workers";
import type { Env } from "./env.ts";
import { registryOf } from "./mesh.ts";
import type { Hint, Taken } from "./replication/hint.ts";
import { type ReplicationRow, ReplicationRecord } from "./replication/record.ts";
import type { ReplicationSpec } from "./replication/spec.ts";
import { SecretTable } from "./replication/secrets.ts";
import { replicationStatus } from "./replication/status.ts";
import type { Replication } from "./view/replication_answers.ts";
import { wakeAt, wakeIfLost } from "./work/alarm.ts";

const WATCH_MS = 10_000;

export class Replicator extends DurableObject<Env> {
  readonly #record = new ReplicationRecord(this.ctx.storage);
  readonly #secrets = new SecretTable(this.ctx.storage.sql);

  /** Stores a new replication and starts it; a repeated call changes nothing. */
  async create(row: ReplicationRow): Promise<void> {
    await wakeAt(this.ctx.storage, Date.now());
    if (this.#record.find() === null) this.#record.put(row);
  }

  /** What is taken and how, from now on. */
  async update(spec: ReplicationSpec): Promise<void> {
    const row = this.#record.find();
    if (row === null) return;
    await wakeAt(this.ctx.storage, Date.now());
    this.#record.put({ ...row, spec });
  }

  /**
   * Takes hints in: once it has answered, they are stored. Each key is looked at, whatever its event says.
   *
   * @returns null: there is no such replication
   */
  async take(hints: readonly Hint[]): Promise<Taken | null> {
    const row = this.#record.find();
    if (row === null) return null;
    const taken = this.#record.take(hints, row.spec, Date.now());
    if (taken.taken > 0) await wakeIfLost(this.ctx.storage);
    return taken;
  }

  /** Whether senders that show this secret may hand in events. */
  async hasSecret(sha256: string): Promise<boolean> {
    return this.#record.find() !== null && this.#secrets.has(sha256, Date.now());
  }

  /**
   * Puts a secret in the place of the one that there is.
   *
   * @returns whether there is one before it that is still good; null: there is no such replication
   */
  async putSecret(sha256: string, formerUntilMs: number): Promise<boolean | null> {
    if (this.#record.find() === null) return null;
    return this.#secrets.put(sha256, formerUntilMs, Date.now());
  }

  /** Null: there is no such replication. */
  async status(): Promise<Replication | null> {
    const row = this.#record.find();
    if (row === null) return null;
    return replicationStatus({
      row,
      phase: "backfilling",
      counts: this.#record.queue.counts(),
      totals: this.#record.totals(),
      now: Date.now(),
    });
  }

  /** Removes all of it; what it has copied stays. */
  async forget(): Promise<void> {
    await this.ctx.storage.deleteAlarm();
    await this.ctx.storage.deleteAll();
  }

  /** Called by the registry from time to time: without an alarm, nothing would be looked at. */
  async keepAwake(): Promise<void> {
    if (this.#record.find() !== null) await wakeIfLost(this.ctx.storage);
  }

  override async alarm(): Promise<void> {
    // The next alarm first: mesh.ts says why.
    await wakeAt(this.ctx.storage, Date.now() + WATCH_MS);
    const row = this.#record.find();
    if (row === null) return this.ctx.storage.deleteAlarm();
    await registryOf(this.ctx.exports).takeReplicationPhase(row.name, row.id, "backfilling");
  }
}
