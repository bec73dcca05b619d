// Which due times of a schedule run, by when it was made and changed.
import { beforeEach, describe, expect, test } from "vitest";
import { WorkRows } from "../../../src/registry/work_rows.ts";
import { type Schedule, parseSchedule } from "../../../src/schedule/spec.ts";
import { Schedules } from "../../../src/schedule/schedules.ts";
import { memorySql } from "../sqlite.ts";

const secret = JSON.stringify({
  endpoint: "https://s3.example.com",
  region: "auto",
  accessKeyId: "id",
  secretAccessKey: "secret",
});
const ENV = { STORE_EAST: secret };
const schedule = (changes: Record<string, unknown> = {}): Schedule =>
  parseSchedule({
    cron: "* * * * *",
    copy: { source: "east:source/a", destination: "east:destination/a" },
    ...changes,
  });
const at = (time: string) => Date.parse(`2026-11-25T${time}Z`);

let sql: SqlStorage;
let schedules: Schedules;

beforeEach(() => {
  sql = memorySql();
  schedules = new Schedules(sql, { runningOf: () => null, start: () => "another sync writes there" }, ENV);
  schedules.createTables();
});

/** The Cron event of a minute, and the due times that have a run by then, whatever became of it. */
function afterCron(minute: string, seconds: number): string[] {
  schedules.tick(at(minute), at(minute) + seconds * 1000);
  return sql
    .exec("SELECT due_at_ms FROM runs ORDER BY due_at_ms")
    .toArray()
    .map((row) => new Date(Number(row["due_at_ms"])).toISOString().slice(11, 19));
}

describe("a due time before", () => {
  test("the schedule was made does not run, though its Cron event comes after", () => {
    schedules.put("a", schedule(), at("11:02:14"));
    expect(afterCron("11:02:00", 20)).toEqual([]);
    expect(afterCron("11:03:00", 5)).toEqual(["11:03:00"]);
  });

  test.each([
    ["cron", { cron: "*/2 * * * *" }],
    ["work", { copy: { source: "east:source/b", destination: "east:destination/b" } }],
    ["timezone", { timezone: "Europe/Berlin" }],
  ])("its %s was changed does not run", (_, change) => {
    schedules.put("a", schedule(), at("10:59:30"));
    schedules.put("a", schedule(change), at("11:02:14"));
    expect(afterCron("11:02:00", 20)).toEqual([]);
    expect(afterCron("11:04:00", 5)).toEqual(["11:04:00"]);
  });

  test("it was enabled again does not run", () => {
    schedules.put("a", schedule({ enabled: false }), at("10:00:00"));
    schedules.put("a", schedule(), at("11:02:14"));
    expect(afterCron("11:02:00", 20)).toEqual([]);
  });
});

test("a due time at which the schedule was made runs", () => {
  schedules.put("a", schedule(), at("11:02:00"));
  expect(afterCron("11:02:00", 3)).toEqual(["11:02:00"]);
});

test("a schedule that is put again as it is misses nothing", () => {
  schedules.put("a", schedule(), at("11:01:30"));
  schedules.put("a", schedule(), at("11:02:01"));
  expect(afterCron("11:02:00", 3)).toEqual(["11:02:00"]);
});

describe("a run bears the name of", () => {
  const started: (string | undefined)[] = [];
  const starting = () => {
    const found = new Schedules(
      sql,
      {
        runningOf: () => null,
        start: ({ spec }) => {
          started.push(spec.startedBy);
          return "another sync writes there";
        },
      },
      ENV,
    );
    found.createTables();
    for (const table of ["copies", "syncs", "comparisons"] as const) new WorkRows(sql, table).createTables();
    started.length = 0;
    return found;
  };

  test("who has put the schedule last; one that is called for, of who called", () => {
    const found = starting();
    found.put("a", schedule(), at("11:00:30"), "ann");
    found.put("a", schedule(), at("11:00:40"), "bob");
    found.tick(at("11:01:00"), at("11:01:01"));
    found.run("a", at("11:01:30"), "ci");
    found.tick(at("11:02:00"), at("11:02:01"));
    expect(started).toEqual(["bob", "ci", "bob"]);
    expect(found.get("a", at("11:03:00"))?.startedBy).toBe("bob");
  });

  test("nobody, where an older deployment put it", () => {
    sql.exec("ALTER TABLE schedules DROP COLUMN started_by");
    sql.exec(
      "INSERT INTO schedules VALUES ('old', '* * * * *', 'UTC', ?, 'skip', 1, 0, ?)",
      JSON.stringify(schedule().work),
      at("11:00:00"),
    );
    const found = starting();
    found.tick(at("11:01:00"), at("11:01:01"));
    expect(started).toEqual([undefined]);
    expect(found.get("old", at("11:03:00"))?.startedBy).toBeNull();
  });
});
