// The registry's index of replications, in its SQLite: one row each, by name.
//
// Invariants:
// - Of two replications whose destination prefixes overlap in one bucket only one is there, and no sync of
//   somebody else writes there. The caller makes the check and the row one transaction.
// - No two replications that are not cut over copy in opposite directions: each would copy what the other has
//   written, and an old object could win.
//
// The only state that it holds is the phase last reported. The replicator is the authority.

import { placesOfSync } from "../access/places.ts";
import { type Caller, type Touched, sees } from "../access/rights.ts";
import { makeId } from "../http/id.ts";
import { type ReplicationPlaces, type ReplicationSpec, shownSpec } from "../replication/spec.ts";
import { isoTime } from "../http/fields.ts";
import { overlap } from "../store/address.ts";
import type { ReplicationNews, Webhook } from "../view/news.ts";

/** A page of a list shows them all. */
export const MAX_REPLICATIONS = 100;

export interface Replication {
  readonly name: string;
  readonly id: string;
  readonly spec: ReplicationSpec;
  /** `admitted` until its replicator has reported; `deleting` from the request on. */
  readonly phase: string;
  readonly createdAtMs: number;
}

/** Why a replication may not be there beside what is. */
export type ReplicationObstacle =
  | { readonly kind: "taken"; readonly by: string }
  | { readonly kind: "two_way"; readonly by: string }
  | { readonly kind: "other_places" }
  /** What the one of that name has started has not ended. */
  | { readonly kind: "deleting" }
  | { readonly kind: "full" };

export type PutReplication =
  { readonly kind: "created" | "replaced"; readonly replication: Replication } | ReplicationObstacle;

export class ReplicationRows {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  createTables(): void {
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS replications (
        name TEXT PRIMARY KEY,
        id TEXT NOT NULL,
        spec TEXT NOT NULL,              -- ReplicationSpec
        source TEXT NOT NULL,            -- bucketIdentity() of either side
        destination TEXT NOT NULL,
        phase TEXT NOT NULL,             -- admitted, then as the replicator reports it
        created_at_ms INTEGER NOT NULL
      );
    `);
    const columns = this.#sql.exec("SELECT name FROM pragma_table_info('replications')").toArray();
    // The number of the last alert that receivers were told of.
    if (!columns.some(({ name }) => name === "told"))
      this.#sql.exec("ALTER TABLE replications ADD COLUMN told INTEGER NOT NULL DEFAULT 0");
  }

  find(name: string): Replication | null {
    return this.#rows("WHERE name = ?", name)[0] ?? null;
  }

  all(): Replication[] {
    return this.#rows("ORDER BY name");
  }

  /** Those that wait for a person, of which the caller sees both sides. */
  blocked(caller: Caller): Replication[] {
    return this.#rows("WHERE phase = 'blocked' ORDER BY name").filter((one) =>
      sees(caller, placesOfReplication(one)),
    );
  }

  /** What may not have its object yet, or an object that may not know that it is to go. */
  undelivered(): Replication[] {
    return this.#rows("WHERE phase IN ('admitted', 'deleting')");
  }

  /** @returns the replication that is to go; null: there is none */
  startDeleting(name: string): Replication | null {
    this.#sql.exec("UPDATE replications SET phase = 'deleting' WHERE name = ?", name);
    return this.find(name);
  }

  /** Makes it, or takes the place of the one that copies between the same places. */
  put(name: string, spec: ReplicationSpec, places: ReplicationPlaces, now: number): PutReplication {
    const found = this.find(name);
    if (found?.phase === "deleting") return { kind: "deleting" };
    if (found !== null && !isSamePlaces(found.spec, spec)) return { kind: "other_places" };
    const obstacle = this.#inTheWayOf(name, spec, places);
    if (obstacle !== null) return obstacle;
    const all = this.all();
    if (found === null && all.length >= MAX_REPLICATIONS) return { kind: "full" };
    const id = found?.id ?? makeId(now, crypto.getRandomValues(new Uint8Array(10)));
    const phase = found?.phase ?? "admitted";
    const createdAtMs = found?.createdAtMs ?? now;
    this.#sql.exec(
      `INSERT INTO replications (name, id, spec, source, destination, phase, created_at_ms)
       VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET
         spec = excluded.spec, source = excluded.source, destination = excluded.destination`,
      name,
      id,
      JSON.stringify(spec),
      places.source,
      places.destination,
      phase,
      createdAtMs,
    );
    const replication = { name, id, spec, phase, createdAtMs };
    return { kind: found === null ? "created" : "replaced", replication };
  }

  #inTheWayOf(name: string, spec: ReplicationSpec, places: ReplicationPlaces): ReplicationObstacle | null {
    const { source, destination } = spec.sync;
    for (const row of this.#sql.exec("SELECT * FROM replications WHERE name <> ?", name).toArray()) {
      const other = replicationOf(row);
      const their = other.spec.sync;
      const by = other.name;
      const isOntoSame =
        row["destination"] === places.destination && overlap(their.destination.prefix, destination.prefix);
      if (isOntoSame) return { kind: "taken", by };
      const isBack =
        row["destination"] === places.source &&
        row["source"] === places.destination &&
        overlap(their.destination.prefix, source.prefix) &&
        overlap(their.source.prefix, destination.prefix);
      if (isBack && other.phase !== "cut_over") return { kind: "two_way", by };
    }
    return null;
  }

  /** The replication, of others than this, that writes there; null: none. */
  writerAt(destination: string, prefix: string, except: string | null): string | null {
    const rows = this.#sql.exec("SELECT * FROM replications WHERE destination = ?", destination).toArray();
    const writer = rows
      .map(replicationOf)
      .find((one) => one.name !== except && overlap(one.spec.sync.destination.prefix, prefix));
    return writer?.name ?? null;
  }

  /** @returns whether it was in another phase */
  takePhase(name: string, id: string, phase: string): boolean {
    const changed = this.#sql.exec(
      "UPDATE replications SET phase = ?1 WHERE name = ?2 AND id = ?3 AND phase NOT IN (?1, 'deleting')",
      phase,
      name,
      id,
    );
    return changed.rowsWritten > 0;
  }

  /** @returns what nobody was told of yet: what is reported twice must not be announced twice */
  takeAlerts(name: string, id: string, alerts: ReplicationNews["alerts"]): Webhook[] {
    const where = "WHERE name = ? AND id = ?";
    const [row] = this.#sql.exec(`SELECT told FROM replications ${where}`, name, id).toArray();
    const told = row === undefined ? Infinity : Number(row["told"]);
    const news = alerts.filter(({ seq }) => seq > told);
    const last = news.at(-1);
    if (last !== undefined) this.#sql.exec(`UPDATE replications SET told = ? ${where}`, last.seq, name, id);
    return news.map(({ webhook }) => webhook);
  }

  forget(name: string, id: string): void {
    this.#sql.exec("DELETE FROM replications WHERE name = ? AND id = ?", name, id);
    this.#sql.exec("DELETE FROM counted WHERE id = ?", id);
  }

  #rows(where: string, ...values: readonly string[]): Replication[] {
    return this.#sql
      .exec(`SELECT * FROM replications ${where}`, ...values)
      .toArray()
      .map(replicationOf);
  }
}

export function placesOfReplication({ spec }: Pick<Replication, "spec">): Touched {
  return placesOfSync(spec.sync);
}

export function listedAs({ name, id, spec, phase, createdAtMs }: Replication) {
  return { name, id, phase, ...shownSpec(spec), createdAt: isoTime(createdAtMs) };
}

function replicationOf(row: Readonly<Record<string, unknown>>): Replication {
  return {
    name: String(row["name"]),
    id: String(row["id"]),
    spec: JSON.parse(String(row["spec"])) as ReplicationSpec,
    phase: String(row["phase"]),
    createdAtMs: Number(row["created_at_ms"]),
  };
}

function isSamePlaces(one: ReplicationSpec, other: ReplicationSpec): boolean {
  return sidesOf(one) === sidesOf(other);
}

function sidesOf({ sync: { source, destination } }: ReplicationSpec): string {
  return JSON.stringify([source, destination]);
}
