// What a comparison has for its repair: which keys are not equal, how many there are of either side, and
// which sync repairs them.
//
// What it needs: the SQLite of the comparison, which has ended.
//
// Invariant: one comparison has one repair, however often it is asked for.

import type { CompareMode } from "../http/vocabulary.ts";
import type { RenameRule } from "../listing/rename.ts";
import type { PrefixRef } from "../store/address.ts";
import { NOTHING_FOUND, outcomesOf } from "./finding.ts";
import type { SyncRecord } from "./record.ts";
import type { ReportedKey, ReportedPage, ReportPlace } from "./repair_walk.ts";
import { partText } from "./report_parts.ts";

/** Lines of one page. */
const PAGE_KEYS = 1_000;

export interface RepairBasis {
  readonly phase: string;
  readonly source: PrefixRef;
  readonly destination: PrefixRef;
  readonly compare: CompareMode;
  readonly rename?: readonly RenameRule[] | undefined;
  readonly missing: number;
  readonly different: number;
  readonly unknown: number;
  readonly unreadable: number;
  /** Keys that a repair copies, and those that it may delete. */
  readonly unequal: number;
  readonly extra: number;
  /** Keys of either side. */
  readonly sourceKeys: number;
  readonly destinationKeys: number;
  readonly repair: Repair | null;
}

interface Repair {
  readonly syncId: string;
  /** The request, as text. */
  readonly request: string;
}

/** Keys that a sync has found equal, each with the source's ETag. */
export interface EqualPage {
  readonly keys: readonly { readonly key: string; readonly etag: string }[];
  /** Null: it was the last. */
  readonly next: ReportPlace | null;
}

export class Repairs {
  readonly #sql: SqlStorage;
  readonly #record: SyncRecord;

  constructor(sql: SqlStorage, record: SyncRecord) {
    this.#sql = sql;
    this.#record = record;
  }

  basis(): RepairBasis | null {
    const row = this.#record.find();
    if (row?.spec.kind !== "comparison") return null;
    const { source, destination, compare, rename } = row.spec;
    const { listed, skipped, found = NOTHING_FOUND } = row.counters;
    const { missing, different, unknown, unreadable, extra } = outcomesOf(found, "objects");
    return {
      phase: row.job.phase,
      source,
      destination,
      compare,
      rename,
      missing,
      different,
      unknown,
      unreadable,
      unequal: missing + different + unknown,
      extra,
      sourceKeys: listed.objects - extra - skipped.objects,
      destinationKeys: row.counters.destination.objects,
      repair: this.find(),
    };
  }

  find(): Repair | null {
    this.#createTable();
    const row = this.#sql.exec("SELECT sync_id, request FROM repair").toArray()[0];
    return row === undefined ? null : { syncId: String(row["sync_id"]), request: String(row["request"]) };
  }

  /** A repair has begun. The first stays. */
  keep({ syncId, request }: Repair): void {
    this.#createTable();
    const kept = this.#sql.exec("INSERT OR IGNORE INTO repair VALUES (1, ?, ?)", syncId, request);
    if (kept.rowsWritten > 0) this.#record.timeline.add(Date.now(), "repair_begun", `sync ${syncId}`);
  }

  /** The next lines that are not equal, from that line on: those of one part at most. */
  async page(from: ReportPlace): Promise<ReportedPage | null> {
    return await this.#lines(from, reportedOf);
  }

  /** Of a sync: the next keys that it has found equal, likewise. */
  async equalPage(from: ReportPlace): Promise<EqualPage | null> {
    return await this.#lines(from, equalOf);
  }

  async #lines<Key>(
    { part, line }: ReportPlace,
    keyOf: (text: string) => Key | null,
  ): Promise<{ readonly keys: readonly Key[]; readonly next: ReportPlace | null } | null> {
    if (this.#record.find() === null) return null;
    const parts = this.#record.report.parts();
    const stored = parts[part];
    if (stored === undefined) return { keys: [], next: null };
    const lines = (await partText(this.#record, stored)).split("\n").slice(0, -1);
    const keys: Key[] = [];
    let at = line;
    for (; at < lines.length && keys.length < PAGE_KEYS; at++) {
      const key = keyOf(lines[at] ?? "");
      if (key !== null) keys.push(key);
    }
    const isLast = at >= lines.length && part + 1 >= parts.length;
    const next = at < lines.length ? { part, line: at } : { part: part + 1, line: 0 };
    return { keys, next: isLast ? null : next };
  }

  #createTable(): void {
    this.#sql.exec(
      "CREATE TABLE IF NOT EXISTS repair (one INTEGER PRIMARY KEY CHECK (one = 1), sync_id TEXT NOT NULL, request TEXT NOT NULL)",
    );
  }
}

interface Line {
  readonly key: string;
  readonly to?: string;
  readonly versionId?: string;
  readonly outcome: string;
  readonly size: number;
  readonly etag: string | null;
  readonly modifiedAt?: string;
  readonly masked?: boolean;
}

/** Null: it is equal, or cannot be repaired. */
function reportedOf(text: string): ReportedKey | null {
  const { key, to, versionId, outcome, size, etag, modifiedAt, masked } = JSON.parse(text) as Line;
  if (outcome === "equal" || outcome === "unreadable" || masked === true) return null;
  const modifiedMs = modifiedAt === undefined ? null : Date.parse(modifiedAt);
  const renamed = to === undefined ? {} : { to };
  const version = versionId === undefined ? {} : { versionId };
  return { key, ...renamed, ...version, isExtra: outcome === "extra", sizeBytes: size, etag, modifiedMs };
}

function equalOf(text: string): EqualPage["keys"][number] | null {
  const { key, action, reason, etag } = JSON.parse(text) as {
    readonly key: string;
    readonly action?: string;
    readonly reason?: string;
    readonly etag?: string | null;
  };
  const isEqual = action === "skipped" && reason === "equal";
  return isEqual && etag !== null && etag !== undefined ? { key, etag } : null;
}
