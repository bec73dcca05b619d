// Each table of routes, codes, phases, reasons, providers, proofs, variables and webhooks in the documents
// holds what the code has, and nothing else.
import { COMPARISON_STATUS, COPY_STATUS, SYNC_STATUS } from "../statuses.ts";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { COMMON_PROBLEMS, OPERATIONS, POST_PROBLEMS, WRITE_PROBLEMS } from "../../../src/front/operations.ts";
import { ANSWER_CODES, FAILURE_CODES, PROBLEM_STATUS } from "../../../src/http/codes.ts";
import {
  COMPARE_MODES,
  COMPARISON_PHASES,
  COMPARISON_PROOFS,
  COPY_PHASES,
  REPLICATION_PHASES,
  COPY_REASONS,
  DELETE_REASON,
  DIFFERENCES,
  DOUBTS,
  EQUALITY_PROOFS,
  KEY_ACTIONS,
  OUTCOMES,
  PROOFS,
  RIGHTS,
  SKIP_REASONS,
  SYNC_PHASES,
  WEBHOOK_TYPES,
} from "../../../src/http/vocabulary.ts";
import { type Verdict, S3_VERDICTS } from "../../../src/s3/verdicts.ts";
import { providerOf, PROVIDERS } from "../../../src/store/profiles.ts";
import { webhookFor, webhookOf } from "../../../src/view/news.ts";
import { Page, ROOT, codesIn, namesOf } from "./page.ts";

const api = new Page("src/docs/api.md");
const stores = new Page("src/docs/stores.md");
const sync = new Page("src/docs/sync.md");
const compare = new Page("src/docs/compare.md");
const proof = new Page("src/docs/proof.md");
const operate = new Page("src/docs/operate.md");
const security = new Page("src/docs/security.md");
const trouble = new Page("src/docs/trouble.md");

describe("the table of routes", () => {
  const rows = api.table("routes", "call").rows.map(([cell = "", meaning = ""]) => {
    const [call = ""] = codesIn(cell);
    const [route = "", query = ""] = call.split("?");
    return {
      route: route.replaceAll(/\{(\w+)\}/g, ":$1"),
      query: query === "" ? [] : query.split("&").map((parameter) => parameter.replace(/=$/, "")),
      named: codesIn(meaning),
    };
  });

  test("has every operation, and no other", () => {
    expect(rows.map(({ route }) => route).toSorted()).toEqual(Object.keys(OPERATIONS).toSorted());
  });

  test("has the query and the headers of each", () => {
    for (const { route, query, named } of rows) {
      const { parameters = [] } = OPERATIONS[route] ?? {};
      const of = (place: string) => parameters.filter((known) => known.in === place).map(({ name }) => name);
      expect([route, query.toSorted()]).toEqual([route, of("query").toSorted()]);
      expect([route, of("header").filter((name) => !named.includes(name))]).toEqual([route, []]);
    }
  });
});

describe("the table of codes", () => {
  const { rows } = api.table("codes", "code");

  test("has each code of a refused request once, and no other, with its status", () => {
    const told = rows.map(([cell = "", status = ""]) => [codesIn(cell)[0] ?? "", Number(status)]);
    expect(told.length).toBe(Object.keys(PROBLEM_STATUS).length);
    expect(Object.fromEntries(told)).toEqual(PROBLEM_STATUS);
  });

  test("says of each what it means and what to do", () => {
    for (const [code, , meaning = "", doing = ""] of rows) {
      expect([code, meaning !== "" && doing !== ""]).toEqual([code, true]);
    }
  });

  test("has the words for answers that a store's own code does not tell", () => {
    expect(namesOf(api.table("store-codes", "store code")).toSorted()).toEqual([...ANSWER_CODES].toSorted());
  });

  test("is complete: what an operation may answer is among them, and each is some operation's", () => {
    const used = new Set(
      Object.values(OPERATIONS).flatMap(({ problems = {} }) => Object.values(problems).flat()),
    );
    const common = [COMMON_PROBLEMS, WRITE_PROBLEMS, POST_PROBLEMS].flatMap((table) =>
      Object.values(table).flat(),
    );
    const others = [...common, "no_such_route", "method_not_allowed"];
    expect([...new Set([...used, ...others])].toSorted()).toEqual(Object.keys(PROBLEM_STATUS).toSorted());
  });
});

describe("the table of failures", () => {
  const table = trouble.table("failures", "code");

  test("has each code of a failure once, and no other", () => {
    expect(namesOf(table).toSorted()).toEqual(FAILURE_CODES.toSorted());
  });

  test("says of each what it means, what the mesh does and what to do", () => {
    expect(table.header).toEqual(["code", "meaning", "the mesh", "you"]);
    expect(table.rows.filter((row) => row.length !== 4 || row.includes(""))).toEqual([]);
  });
});

test("what the mesh does after each code of a store", () => {
  const does: Readonly<Record<string, Verdict>> = {
    "slows down": "throttle",
    "tries again": "retry",
    "blocks the copy": "blocked",
    "gives up": "fatal",
  };
  const { rows } = operate.table("what-a-stores-code-leads-to", "the mesh");
  const told = rows.flatMap(([what = "", codes = ""]) => codesIn(codes).map((code) => [code, does[what]]));
  expect(Object.fromEntries(told)).toEqual(S3_VERDICTS);
});

test.each([
  ["phases of a copy", api.table("phases", "phase"), COPY_PHASES],
  ["phases of a sync", sync.table("phases", "phase"), SYNC_PHASES],
  ["phases of a comparison", compare.table("phases", "phase"), COMPARISON_PHASES],
  ["outcomes", compare.table("what-a-key-ends-as", "outcome"), OUTCOMES],
  ["proofs of a comparison", compare.table("what-a-key-ends-as", "proof"), COMPARISON_PROOFS],
  ["reasons of a comparison", compare.table("what-a-key-ends-as", "reason"), [...DIFFERENCES, ...DOUBTS]],
  ["rights", security.table("tokens", "right"), RIGHTS],
  ["ways to compare", sync.table("when-is-a-key-equal", "`compare`"), COMPARE_MODES],
  [
    "reasons",
    sync.table("report", "reason"),
    [...new Set([...SKIP_REASONS, ...COPY_REASONS, DELETE_REASON])],
  ],
  ["providers", stores.table("providers", "provider"), PROVIDERS],
  ["proofs", proof.table("proof", "proof"), PROOFS],
])("the table of %s", (_name, table, words) => {
  expect(namesOf(table).toSorted()).toEqual([...words].toSorted());
});

test("each reason stands beside the actions that it can have", () => {
  for (const [cell = "", actions = ""] of sync.table("report", "reason").rows) {
    const [reason = ""] = codesIn(cell);
    expect([reason, codesIn(actions)]).toEqual([reason, actionsOf(reason)]);
  }
});

test("the actions of a report, and by what a key is known to be equal", () => {
  const { rows } = sync.table("report", "field");
  const wordsOf = (field: string) => codesIn(rows.find(([cell]) => cell === `\`${field}\``)?.[1] ?? "");
  expect(wordsOf("action")).toEqual([...KEY_ACTIONS]);
  expect(wordsOf("proof")).toEqual([...EQUALITY_PROOFS]);
});

test("each provider is found by the host that its row names", () => {
  for (const [cell = "", endpoint = ""] of stores.table("providers", "provider").rows) {
    const [url] = codesIn(endpoint);
    if (url === undefined) continue;
    expect([cell, `\`${providerOf(new URL(url.replaceAll(/[<>]/g, "")).host)}\``]).toEqual([cell, cell]);
  }
});

describe("the table of secrets and variables", () => {
  const names = operate
    .table("secrets-and-variables", "name")
    .rows.map(([cell = "", kind = ""]) => ({ name: codesIn(cell)[0] ?? "", kind }));

  test("has what the code reads, and nothing else", () => {
    const read = sources().flatMap((text) => [
      ...text.matchAll(/\benv, "([A-Z][A-Z_]+)"/g),
      ...text.matchAll(/\b([A-Z][A-Z_]+): \w+[^}]*\} = env;/g),
      ...text.matchAll(/, ([A-Z][A-Z_]+): \w+ \} = env;/g),
    ]);
    const expected = [...new Set(read.map(([, name]) => name)), "STORE_<NAME>", "crons"];
    expect(names.map(({ name }) => name).toSorted()).toEqual(expected.toSorted());
  });

  test("calls variable what wrangler.toml sets, with its value, and secret what it does not", () => {
    const toml = readFileSync(join(ROOT, "wrangler.toml"), "utf8");
    const [, section = ""] = /^\[vars\]\n((?:.+\n)*)/m.exec(toml) ?? [];
    const set = new Map(
      Array.from(section.matchAll(/^(\w+) = "(.*?)"/gm), ([, name, value]) => [name, value]),
    );
    const { rows } = operate.table("secrets-and-variables", "name");
    const variables = rows.filter(([, kind]) => kind === "variable");
    expect(new Map(variables.map(([cell = "", , , value]) => [codesIn(cell)[0], value]))).toEqual(set);
    const others = names.filter(({ kind }) => kind !== "variable" && !kind.includes("wrangler.toml"));
    for (const { name, kind } of others) expect([name, kind.startsWith("secret")]).toEqual([name, true]);
  });
});

test("the types of webhooks", () => {
  const reason = "budget_reached" as const;
  const types = [
    ...[
      webhookFor("copy", { ...COPY_STATUS, phase: "paused", reason }),
      webhookFor("sync", { ...SYNC_STATUS, phase: "paused", reason }),
      webhookFor("comparison", { ...COMPARISON_STATUS, phase: "paused", reason }),
    ].map((webhook) => webhook?.type ?? ""),
    ...COPY_PHASES.flatMap((phase) => webhookFor("copy", { ...COPY_STATUS, phase })?.type ?? []),
    ...SYNC_PHASES.flatMap((phase) => webhookFor("sync", { ...SYNC_STATUS, phase })?.type ?? []),
    ...COMPARISON_PHASES.flatMap(
      (phase) => webhookFor("comparison", { ...COMPARISON_STATUS, phase })?.type ?? [],
    ),
    ...REPLICATION_PHASES.flatMap(
      (phase) => webhookFor("replication", { timeline: [], phase } as never)?.type ?? [],
    ),
    ...(["backlog_full", "deletions_held", "not_ready"] as const).map(
      (type) => webhookOf({ seq: 1, type, atMs: 0 }, { timeline: [] } as never).type,
    ),
  ];
  expect(WEBHOOK_TYPES.toSorted()).toEqual(types.toSorted());
  expect(namesOf(operate.table("webhooks", "type")).toSorted()).toEqual(types.toSorted());
});

function actionsOf(reason: string): string[] {
  return [
    ...(SKIP_REASONS.some((known) => known === reason) ? ["skipped"] : []),
    ...(COPY_REASONS.some((known) => known === reason) ? ["would_copy"] : []),
    ...(reason === DELETE_REASON ? ["deleted", "would_delete"] : []),
  ];
}

function sources(): string[] {
  return readdirSync(join(ROOT, "src"), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts"))
    .map((path) => readFileSync(join(ROOT, "src", path), "utf8"));
}
