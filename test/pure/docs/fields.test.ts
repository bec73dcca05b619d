// Each table of fields in the documents holds what its schema has, and nothing else: the fields themselves,
// the fields inside them, the words that they take, and whether they are required.
import { describe, expect, test } from "vitest";
import type { z } from "zod";
import { EntrySchema } from "../../../src/access/entries.ts";
import { CopyRequestSchema } from "../../../src/copy/spec.ts";
import { CheckRequestSchema } from "../../../src/diagnose/check_answer.ts";
import { ProbeRequestSchema } from "../../../src/diagnose/probe_answer.ts";
import { LinkRequestSchema } from "../../../src/front/link.ts";
import { SecretRequestSchema } from "../../../src/front/secret_request.ts";
import { ANSWER_CODES, FAILURE_CODES, PROBLEM_STATUS } from "../../../src/http/codes.ts";
import {
  COMPARISON_PHASES,
  COPY_PHASES,
  CUTOVER_REASONS,
  REPLICATION_PHASES,
  SYNC_PHASES,
} from "../../../src/http/vocabulary.ts";
import { CutoverRequestSchema, ReplicationRequestSchema } from "../../../src/replication/spec.ts";
import { ScheduleSchema } from "../../../src/schedule/spec.ts";
import { FACTS, ProfileSchema } from "../../../src/store/profiles.ts";
import { PricesSchema } from "../../../src/store/prices.ts";
import { StoreSchema } from "../../../src/store/stores.ts";
import { WebSchema } from "../../../src/store/web.ts";
import { ComparisonRequestSchema } from "../../../src/sync/comparison_spec.ts";
import { RepairRequestSchema, SyncRequestSchema } from "../../../src/sync/spec.ts";
import * as answers from "../../../src/view/answers.ts";
import * as eventAnswers from "../../../src/view/event_answers.ts";
import * as listAnswers from "../../../src/view/list_answers.ts";
import * as comparisonAnswers from "../../../src/view/comparison_answers.ts";
import * as meshAnswers from "../../../src/view/mesh_answers.ts";
import * as replicationAnswers from "../../../src/view/replication_answers.ts";
import { Page, type Table, codesIn, fieldsOf, namesOf, wordsOf } from "./page.ts";

/** Of lists, the log and the timeline; and beginnings of codes and secrets. */
const OTHER_WORDS = [
  "next",
  "source_",
  "destination_",
  "copyId",
  "api_call",
  "syncId",
  "throttled_by_source",
  "state_refused",
  "throttled_by_destination",
  "http_",
  "whsec_",
];

const api = new Page("src/docs/api.md");
const stores = new Page("src/docs/stores.md");
const sync = new Page("src/docs/sync.md");
const compare = new Page("src/docs/compare.md");
const replicate = new Page("src/docs/replicate.md");
const events = new Page("src/docs/events.md");
const proof = new Page("src/docs/proof.md");
const operate = new Page("src/docs/operate.md");
const cost = new Page("src/docs/cost.md");
const security = new Page("src/docs/security.md");
const trouble = new Page("src/docs/trouble.md");
const web = new Page("src/docs/web.md");

interface Described {
  readonly page: Page;
  readonly table: Table;
  readonly schema: z.ZodType;
}

const requests: [name: string, described: Described][] = [
  ["a copy", { page: api, table: api.table("fields-of-a-copy", "field"), schema: CopyRequestSchema }],
  ["a sync", { page: sync, table: sync.table("fields", "field"), schema: SyncRequestSchema }],
  [
    "a comparison",
    { page: compare, table: compare.table("fields", "field"), schema: ComparisonRequestSchema },
  ],
  ["a repair", { page: compare, table: compare.table("repair", "field"), schema: RepairRequestSchema }],
  [
    "a replication",
    { page: replicate, table: replicate.table("fields", "field"), schema: ReplicationRequestSchema },
  ],
  [
    "a cutover",
    { page: replicate, table: replicate.table("cut-over", "field"), schema: CutoverRequestSchema },
  ],
  ["a schedule", { page: sync, table: sync.table("schedules", "field"), schema: ScheduleSchema }],
  ["a check", { page: stores, table: stores.table("check", "field"), schema: CheckRequestSchema }],
  ["a probe", { page: operate, table: operate.table("probe", "field"), schema: ProbeRequestSchema }],
  ["a link", { page: api, table: api.table("links", "field"), schema: LinkRequestSchema }],
  [
    "a secret of senders",
    { page: events, table: events.table("who-may-send", "field"), schema: SecretRequestSchema },
  ],
  ["a store", { page: stores, table: stores.table("fields", "field"), schema: StoreSchema }],
  ["a web server", { page: web, table: web.table("fields", "field"), schema: WebSchema }],
  ["the prices of a store", { page: cost, table: cost.table("prices", "price"), schema: PricesSchema }],
  ["a token", { page: security, table: security.table("tokens", "field"), schema: EntrySchema }],
];

const { stores: StoreList, notify } = meshAnswers.Stores.shape;

const shown: [name: string, described: Described][] = [
  ["a copy", { page: api, table: api.table("status-of-a-copy", "field"), schema: answers.CopyStatus }],
  ["a sync", { page: sync, table: sync.table("status-of-a-sync", "field"), schema: answers.SyncStatus }],
  [
    "a comparison",
    {
      page: compare,
      table: compare.table("status-of-a-comparison", "field"),
      schema: comparisonAnswers.ComparisonStatus,
    },
  ],
  [
    "a line of a comparison's report",
    { page: compare, table: compare.table("report", "field"), schema: comparisonAnswers.ComparisonLine },
  ],
  [
    "a digest",
    { page: compare, table: compare.table("digest", "field"), schema: comparisonAnswers.ReportDigest },
  ],
  [
    "a replication",
    {
      page: replicate,
      table: replicate.table("status-of-a-replication", "field"),
      schema: replicationAnswers.Replication,
    },
  ],
  ["a line of a report", { page: sync, table: sync.table("report", "field"), schema: answers.ReportLine }],
  ["a check", { page: stores, table: stores.table("check", "answer"), schema: meshAnswers.Check }],
  ["a probe", { page: operate, table: operate.table("probe", "answer"), schema: meshAnswers.Probe }],
  ["events", { page: events, table: events.table("try-it", "answer"), schema: eventAnswers.EventsTaken }],
  [
    "events of a bucket",
    {
      page: events,
      table: events.table("several-replications-of-one-bucket", "answer"),
      schema: eventAnswers.BucketEventsTaken,
    },
  ],
  [
    "a secret of senders",
    { page: events, table: events.table("who-may-send", "answer"), schema: eventAnswers.EventSecret },
  ],
  ["a link", { page: api, table: api.table("links", "answer"), schema: meshAnswers.Link }],
  [
    "a webhook to one receiver",
    { page: operate, table: operate.table("webhooks", "notification"), schema: meshAnswers.Notification },
  ],
  [
    "a store",
    { page: stores, table: stores.table("what-get-stores-shows", "field"), schema: StoreList.element },
  ],
  [
    "a run",
    {
      page: sync,
      table: sync.table("schedules", "field of a run"),
      schema: answers.Schedule.shape.runs.element,
    },
  ],
  ["the overview", { page: api, table: api.table("overview", "field"), schema: listAnswers.Overview }],
  [
    "a call",
    {
      page: operate,
      table: operate.table("audit", "field of a call"),
      schema: meshAnswers.Audit.shape.calls.element,
    },
  ],
  ["the profile of a store", { page: stores, table: stores.table("profile", "fact"), schema: ProfileSchema }],
];

describe("the table of a request has its fields, their words, and what is required:", () => {
  test.each(requests)("%s", (_name, described) => {
    expectFields(described, "input");
    const fields = fieldsOf(described.schema, "input");
    for (const [cell = "", , byDefault] of described.table.rows) {
      const isRequired = fields.get(codesIn(cell)[0] ?? "")?.isRequired;
      expect([cell, byDefault === "required"]).toEqual([cell, isRequired]);
    }
  });
});

describe("the table of an answer has its fields, and those inside them:", () => {
  test.each(shown)("%s", (_name, described) => {
    expectFields(described, "output");
  });
});

/** Lists that have no table: a sentence names their fields. */
const inProse: [name: string, page: Page, slug: string, schema: z.ZodType][] = [
  ["a row of the copies", api, "status-of-a-copy", listAnswers.CopyList.shape.copies.element],
  ["a row of the parts", api, "status-of-a-copy", answers.PartsPage.shape.parts.element],
  [
    "a row of the comparisons",
    compare,
    "status-of-a-comparison",
    listAnswers.ComparisonList.shape.comparisons.element,
  ],
  [
    "a stretch of the lag",
    replicate,
    "status-of-a-replication",
    replicationAnswers.ReplicationLag.shape.series.element,
  ],
  ["a row of the syncs", sync, "status-of-a-sync", listAnswers.SyncList.shape.syncs.element],
  ["a caller", api, "overview", listAnswers.Me],
  ["due times", sync, "schedules", listAnswers.DueTimes],
  ["a sample of the rate", api, "status-of-a-copy", listAnswers.Rates.shape.samples.element],
  ["a sample of the rate of a sync", sync, "status-of-a-sync", listAnswers.SyncRates.shape.samples.element],
  ["a schedule", sync, "schedules", answers.Schedule],
  ["a run that waits", sync, "schedules", answers.QueuedRun],
  ["the receivers of webhooks", stores, "what-get-stores-shows", notify.element],
];

test.each(inProse)("the fields of %s are named", (_name, page, slug, schema) => {
  const named = codesIn(page.section(slug).text);
  expect([...fieldsOf(schema, "output").keys()].filter((field) => !named.includes(field))).toEqual([]);
});

test("the facts that a check can see are marked so", () => {
  const marked = stores.table("profile", "fact").rows.filter(([, , seen]) => seen === "seen");
  expect(namesOf({ header: [], rows: marked }).toSorted()).toEqual([...FACTS].toSorted());
});

test("no field, word or code is named that there is not", () => {
  const answered = [...shown.map(([, { schema }]) => schema), ...inProse.map(([, , , schema]) => schema)];
  const known = new Set([
    ...requests.flatMap(([, { schema }]) => [...wordsOf(schema, "input")]),
    ...answered.flatMap((schema) => [...wordsOf(schema, "output")]),
    ...Object.keys(PROBLEM_STATUS),
    ...FAILURE_CODES,
    ...ANSWER_CODES,
    ...COPY_PHASES,
    ...SYNC_PHASES,
    ...COMPARISON_PHASES,
    ...REPLICATION_PHASES,
    ...CUTOVER_REASONS,
    ...OTHER_WORDS,
  ]);
  // Words that only a name of ours has the form of: camelCase and snake_case.
  const named = [api, stores, sync, compare, replicate, cost, operate, proof, security]
    .flatMap(({ markdown }) => codesIn(markdown))
    .filter(
      (code) => /^[a-z][a-z0-9]*(?:[A-Z_][A-Za-z0-9_]*)+$/.test(code) && !code.startsWith("bucket_brigade_"),
    );
  expect(named.length).toBeGreaterThan(200);
  expect([...new Set(named)].filter((name) => !known.has(name) && !/^http_\d+$/.test(name))).toEqual([]);
});

/**
 * A word of the schema may stand in its row, in a section that the row links to, in the row before, where it
 * says "The same", or in the text around the table.
 */
function expectFields({ page, table, schema }: Described, io: "input" | "output"): void {
  const fields = fieldsOf(schema, io);
  expect(namesOf(table).toSorted()).toEqual([...fields.keys()].toSorted());
  const prose = page.tokens.filter(({ type }) => type === "paragraph").map(({ raw }) => raw);
  const around = codesIn(prose.join("\n"));
  for (const [index, row] of table.rows.entries()) {
    const name = codesIn(row[0] ?? "")[0] ?? "";
    const { inner = [], values = [] } = fields.get(name) ?? {};
    const isSame = row[1]?.startsWith("The same") ?? false;
    const text = `${row[0]} ${row[1]} ${isSame ? (table.rows[index - 1]?.[1] ?? "") : ""}`;
    const named = [...codesIn(text), ...around, ...linkedFrom(page, text).flatMap(codesIn)];
    const words = [...inner, ...values].filter((word) => word !== "true" && word !== "false");
    const missing = words.filter(
      (word) => !named.some((code) => code === word || code.includes(`"${word}"`)),
    );
    expect([name, missing]).toEqual([name, []]);
  }
}

function linkedFrom(page: Page, text: string): string[] {
  const pages: Readonly<Record<string, Page>> = {
    "": page,
    "api.md": api,
    "cost.md": cost,
    "stores.md": stores,
    "proof.md": proof,
    "trouble.md": trouble,
    "sync.md": sync,
    "compare.md": compare,
    "replicate.md": replicate,
  };
  const links = [...text.matchAll(/\]\(([a-z]*(?:\.md)?)(?:#([a-z-]+))?\)/g)];
  const asCopy = text.includes("As for a copy") ? [api.section("fields-of-a-copy").text] : [];
  const asSync = text.includes("As of a sync")
    ? [sync.section("fields").text, api.section("fields-of-a-copy").text]
    : [];
  const linked = links.flatMap(([, file = "", slug]) => {
    const target = pages[file];
    return slug === undefined ? (target?.markdown ?? []) : (target?.section(slug).text ?? []);
  });
  return [...linked, ...asCopy, ...asSync];
}
