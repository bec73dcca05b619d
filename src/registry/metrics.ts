// The metrics of the whole mesh, in the registry's SQLite, and their Prometheus text.
//
// What it needs: the registry's tables `copies`, `syncs` and `schedules` beside its own. Coordinators and
// syncs push their counters when their phase changes and every half minute while they work. So a scrape wakes
// no object, and it reads a few rows per running copy and none per ended one.
//
// Invariant: a counter never falls, even when a copy starts over, is pushed twice, or is retried after its
// end. What is added is how far a number has risen since that copy's last push.

import type { ReplicationCounters, WorkCounters } from "../view/news.ts";
import { VERSION } from "../http/version.ts";

interface Family {
  readonly type: "counter" | "gauge";
  readonly help: string;
}

const FAMILIES = {
  build_info: { type: "gauge", help: "1, with the version that runs as its label" },
  copies: { type: "gauge", help: "Copies that have not ended, by phase" },
  copies_oldest_seconds: { type: "gauge", help: "Age of the oldest copy in a phase, since it was requested" },
  copies_ended_total: { type: "counter", help: "Copies ended, by outcome" },
  copied_bytes_total: {
    type: "counter",
    help: "Bytes written to destinations, by copies, syncs and replications",
  },
  parts_total: { type: "counter", help: "Parts written to destinations" },
  part_attempts_total: {
    type: "counter",
    help: "Part attempts handed to lanes, first ones and retries",
  },
  failed_attempts_total: {
    type: "counter",
    help: "Requests and parts of copies that failed and were tried again or ended the copy, by failure code",
  },
  throttled_total: { type: "counter", help: "Of these, how often a store asked to slow down, by side" },
  parts_in_flight: { type: "gauge", help: "Parts in flight, as last reported" },
  lanes: { type: "gauge", help: "Active lanes, by kind of job, as last reported" },
  syncs: { type: "gauge", help: "Syncs that have not ended, by phase" },
  syncs_oldest_seconds: { type: "gauge", help: "Age of the oldest sync in a phase, since it was requested" },
  syncs_ended_total: { type: "counter", help: "Syncs ended, by outcome" },
  sync_objects_total: { type: "counter", help: "Keys of syncs, by outcome" },
  comparisons: { type: "gauge", help: "Comparisons that have not ended, by phase" },
  comparisons_oldest_seconds: {
    type: "gauge",
    help: "Age of the oldest comparison in a phase, since it was requested",
  },
  comparisons_ended_total: { type: "counter", help: "Comparisons ended, by outcome" },
  compared_keys_total: { type: "counter", help: "Keys of comparisons, by outcome" },
  replications: { type: "gauge", help: "Replications, by phase" },
  replication_keys_total: {
    type: "counter",
    help: "Keys of replications, by outcome; lost: only a repair has found them",
  },
  replication_pending_keys: {
    type: "gauge",
    help: "Keys that wait or are worked on, by replication, as last reported",
  },
  replication_oldest_seconds: {
    type: "gauge",
    help: "How long the oldest of them has waited, by replication",
  },
  replication_lag_seconds: { type: "gauge", help: "Lag of the last hour, by replication and quantile" },
  batches_in_flight: { type: "gauge", help: "Batches of small objects in flight, as last reported" },
  schedules: { type: "gauge", help: "Schedules, by whether they are enabled" },
  orphans: { type: "gauge", help: "Uploads and objects that ended copies may have left at destinations" },
  refused_calls_total: { type: "counter", help: "Calls that were refused with 401, 403 or 429, by code" },
  notices_total: { type: "counter", help: "Webhooks, by outcome" },
  notices_waiting: { type: "gauge", help: "Webhooks not delivered yet" },
  notices_oldest_seconds: { type: "gauge", help: "Age of the oldest webhook not delivered yet" },
} as const satisfies Record<string, Family>;

type Name = keyof typeof FAMILIES;

type Labels = Readonly<Record<string, string>>;

interface Sample {
  readonly name: Name;
  readonly labels: Labels;
  readonly value: number;
}

export class Metrics {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  createTables(): void {
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS counted (
        id TEXT PRIMARY KEY,             -- of a copy or a sync
        counters TEXT NOT NULL           -- WorkCounters, as last pushed
      );
      CREATE TABLE IF NOT EXISTS totals (
        name TEXT NOT NULL, labels TEXT NOT NULL, value INTEGER NOT NULL, PRIMARY KEY (name, labels)
      );
    `);
  }

  /** Adds how far each counter has risen since the last push. */
  take(id: string, counters: WorkCounters): void {
    const row = this.#sql.exec("SELECT counters FROM counted WHERE id = ?", id).toArray()[0];
    const before = row === undefined ? [] : risingOf(JSON.parse(String(row["counters"])) as WorkCounters);
    const known = new Map(before.map((sample) => [keyOf(sample), sample.value]));
    for (const sample of risingOf(counters)) {
      this.add(sample.name, sample.labels, sample.value - (known.get(keyOf(sample)) ?? 0));
    }
    this.#sql.exec("INSERT OR REPLACE INTO counted VALUES (?, ?)", id, JSON.stringify(counters));
  }

  add(name: Name, labels: Labels, rise: number): void {
    if (rise <= 0) return;
    this.#sql.exec(
      "INSERT INTO totals VALUES (?1, ?2, ?3) ON CONFLICT (name, labels) DO UPDATE SET value = value + ?3",
      name,
      JSON.stringify(labels),
      rise,
    );
  }

  /** @param waiting the webhooks that are not delivered yet */
  render(waiting: { readonly count: number; readonly oldestMs: number | null }, now: number): string {
    const running = (["copies", "syncs", "comparisons"] as const).flatMap((table) =>
      this.#running(table, now),
    );
    const build: Sample = { name: "build_info", labels: { version: VERSION }, value: 1 };
    const samples = [build, ...this.#totals(), ...running];
    samples.push(...this.#activity(), ...this.#replications());
    for (const row of this.#sql.exec("SELECT enabled, count(*) AS n FROM schedules GROUP BY enabled")) {
      const enabled = row["enabled"] === 1 ? "true" : "false";
      samples.push({ name: "schedules", labels: { enabled }, value: Number(row["n"]) });
    }
    const orphans = this.#sql
      .exec("SELECT coalesce(sum(orphans), 0) AS n FROM copies WHERE orphans > 0")
      .one();
    samples.push({ name: "orphans", labels: {}, value: Number(orphans["n"]) });
    samples.push({ name: "notices_waiting", labels: {}, value: waiting.count });
    const ageMs = waiting.oldestMs === null ? 0 : now - waiting.oldestMs;
    samples.push({ name: "notices_oldest_seconds", labels: {}, value: ageMs / 1000 });
    return renderText(samples);
  }

  #totals(): Sample[] {
    const rows = this.#sql.exec("SELECT name, labels, value FROM totals ORDER BY name, labels").toArray();
    return rows.map((row) => ({
      name: String(row["name"]) as Name,
      labels: JSON.parse(String(row["labels"])) as Labels,
      value: Number(row["value"]),
    }));
  }

  #running(table: "copies" | "syncs" | "comparisons", now: number): Sample[] {
    return this.#sql
      .exec(
        `SELECT phase, count(*) AS n, min(created_at_ms) AS oldest FROM ${table} WHERE ended_at_ms IS NULL
         GROUP BY phase ORDER BY phase`,
      )
      .toArray()
      .flatMap((row): Sample[] => {
        const labels = { phase: String(row["phase"]) };
        const ageSeconds = Math.max(0, now - Number(row["oldest"])) / 1000;
        return [
          { name: table, labels, value: Number(row["n"]) },
          { name: `${table}_oldest_seconds`, labels, value: ageSeconds },
        ];
      });
  }

  #replications(): Sample[] {
    const phases = this.#sql.exec("SELECT phase, count(*) AS n FROM replications GROUP BY phase").toArray();
    const rows = this.#sql.exec(
      "SELECT name, counters FROM replications JOIN counted ON counted.id = replications.id ORDER BY name",
    );
    const lags = rows.toArray().flatMap((row): Sample[] => {
      const replication = String(row["name"]);
      const counters = JSON.parse(String(row["counters"])) as ReplicationCounters;
      const { pending, oldestSeconds, p50Seconds, p99Seconds } = counters;
      const lag = (quantile: string, value: number | null): Sample[] =>
        value === null ? [] : [{ name: "replication_lag_seconds", labels: { replication, quantile }, value }];
      return [
        { name: "replication_pending_keys", labels: { replication }, value: pending },
        { name: "replication_oldest_seconds", labels: { replication }, value: oldestSeconds },
        ...lag("0.5", p50Seconds),
        ...lag("0.99", p99Seconds),
      ];
    });
    const counts = phases.map((row): Sample => ({
      name: "replications",
      labels: { phase: String(row["phase"]) },
      value: Number(row["n"]),
    }));
    return [...counts, ...lags];
  }

  #activity(): Sample[] {
    const sums = { partsInFlight: 0, batchesInFlight: 0, copyLanes: 0, syncLanes: 0, comparisonLanes: 0 };
    const rows = this.#sql.exec(
      `SELECT counters FROM counted WHERE id IN (SELECT id FROM copies WHERE ended_at_ms IS NULL
       UNION ALL SELECT id FROM syncs WHERE ended_at_ms IS NULL
       UNION ALL SELECT id FROM comparisons WHERE ended_at_ms IS NULL)`,
    );
    for (const row of rows) {
      const counters = JSON.parse(String(row["counters"])) as WorkCounters;
      if (counters.kind === "copy") {
        sums.partsInFlight += counters.partsInFlight;
        sums.copyLanes += counters.lanes;
      } else if (counters.kind !== "replication") {
        sums.batchesInFlight += counters.batchesInFlight;
        if (counters.kind === "sync") sums.syncLanes += counters.lanes;
        else sums.comparisonLanes += counters.lanes;
      }
    }
    return [
      { name: "parts_in_flight", labels: {}, value: sums.partsInFlight },
      { name: "batches_in_flight", labels: {}, value: sums.batchesInFlight },
      { name: "lanes", labels: { of: "copies" }, value: sums.copyLanes },
      { name: "lanes", labels: { of: "syncs" }, value: sums.syncLanes },
      { name: "lanes", labels: { of: "comparisons" }, value: sums.comparisonLanes },
    ];
  }
}

/** The counters that only rise. */
function risingOf(counters: WorkCounters): Sample[] {
  if (counters.kind === "replication") {
    const keys = Object.entries(counters.outcomes).map(([outcome, value]): Sample => ({
      name: "replication_keys_total",
      labels: { outcome },
      value,
    }));
    return [{ name: "copied_bytes_total", labels: { by: "replications" }, value: counters.bytes }, ...keys];
  }
  if (counters.kind === "comparison") {
    return Object.entries(counters.outcomes).map(([outcome, value]) => ({
      name: "compared_keys_total",
      labels: { outcome },
      value,
    }));
  }
  if (counters.kind === "sync") {
    const { bytes, copied, skipped, failed, deleted } = counters;
    const objects = Object.entries({ copied, skipped, failed, deleted });
    return [
      { name: "copied_bytes_total", labels: { by: "syncs" }, value: bytes },
      ...objects.map(([action, value]): Sample => ({
        name: "sync_objects_total",
        labels: { action },
        value,
      })),
    ];
  }
  const { bytes, parts, partAttempts, failures } = counters;
  const samples: Sample[] = [
    { name: "copied_bytes_total", labels: { by: "copies" }, value: bytes },
    { name: "parts_total", labels: {}, value: parts },
    { name: "part_attempts_total", labels: {}, value: partAttempts },
  ];
  for (const [code, value] of Object.entries(failures)) {
    samples.push({ name: "failed_attempts_total", labels: { code }, value });
    const side = /^(source|destination)_throttled$/.exec(code)?.[1];
    if (side !== undefined) samples.push({ name: "throttled_total", labels: { side }, value });
  }
  return samples;
}

function keyOf({ name, labels }: Sample): string {
  return name + JSON.stringify(labels);
}

/** https://prometheus.io/docs/instrumenting/exposition_formats/ (text format 0.0.4) */
function renderText(samples: readonly Sample[]): string {
  const lines: string[] = [];
  for (const [name, { type, help }] of Object.entries(FAMILIES)) {
    const full = `bucket_brigade_${name}`;
    lines.push(`# HELP ${full} ${help}`, `# TYPE ${full} ${type}`);
    for (const sample of samples) {
      if (sample.name !== name) continue;
      const labels = Object.entries(sample.labels).map(
        ([label, value]) => `${label}="${escapeLabel(value)}"`,
      );
      lines.push(`${full}${labels.length === 0 ? "" : `{${labels.join(",")}}`} ${sample.value}`);
    }
  }
  return lines.join("\n") + "\n";
}

function escapeLabel(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
