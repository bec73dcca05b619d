// The lists of copies, syncs and comparisons: a line for each, found by search and filters that are kept in
// the address, and refreshed while the page is visible. Older lines are fetched on demand.

import { createElement } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { call } from "./api.js";
import { formatBytes, formatObject, formatSeconds } from "./dom.js";
import { withPage } from "./paging.js";
import { Line, memo, useTable } from "./table.js";
import { Action, Ago, Bar, Name, Phase, mount, usePolled, valueOf } from "./ui.js";
import { ENDED, RESTING } from "./work.js";

/** @typedef {import("./calls.ts").CopyRow} CopyRow */
/** @typedef {import("./calls.ts").SyncRow} SyncRow */
/** @typedef {import("./calls.ts").ComparisonRow} ComparisonRow */
/** @typedef {"copies" | "syncs" | "comparisons"} Kind */
/** @typedef {CopyRow | SyncRow | ComparisonRow} Row */
/** @typedef {import("./paging.js").Known<Row>} Known */
/** @typedef {Readonly<Record<string, string>>} Filter as the query of the list has it */

const h = createElement;

const PAGE = 100;

const TITLES = { copies: "Copies", syncs: "Syncs", comparisons: "Comparisons" };

/** @type {Readonly<Record<Kind, readonly Row["phase"][]>>} */
const PHASES = {
  copies: ["uploading", "queued", "blocked", "paused", "completed", "failed", "cancelled"],
  syncs: ["copying", "blocked", "paused", "completed", "finished_with_errors", "failed", "cancelled"],
  comparisons: [
    "comparing",
    "blocked",
    "paused",
    "equal",
    "different",
    "inconclusive",
    "failed",
    "cancelled",
  ],
};

/** What a filter may have in the address. */
const FILTERS = ["phase", "q", "store", "schedule", "sync", "orphans"];

/** Nothing moves there. @type {readonly string[]} */
const STILL = [...RESTING, "admitted"];

/**
 * @param {HTMLElement} main
 * @param {AbortSignal} signal
 * @param {Kind} kind
 * @param {URLSearchParams} query
 */
export async function showWork(main, signal, kind, query) {
  const asked = [...query].filter(([name, value]) => FILTERS.includes(name) && value !== "");
  mount(main, signal, Work, { kind, first: Object.fromEntries(asked) });
}

/** @param {{ kind: Kind, first: Filter }} props */
function Work({ kind, first }) {
  const [filter, setFilter] = useState(first);
  const { rows, next, older } = useRows(kind, filter);
  /** @param {string} name @param {string} value */
  const set = (name, value) => {
    const others = Object.entries(filter).filter(([other]) => other !== name);
    const changed = Object.fromEntries(value === "" ? others : [...others, [name, value]]);
    setFilter(changed);
    // A reload, a bookmark and the way back find the same list.
    const query = new URLSearchParams(changed).toString();
    history.replaceState(null, "", `#/${kind}${query === "" ? "" : `?${query}`}`);
  };
  return h(
    "div",
    {},
    h("h1", {}, TITLES[kind]),
    h(Filters, { kind, filter, set }),
    rows === null ? h("p", { class: "quiet" }, "Loading…") : h(Rows, { kind, rows }),
    rows?.length === 0 && h("p", { class: "quiet" }, noneWords(filter)),
    next !== null && h("div", { class: "actions" }, h(Action, { act: older }, "Show older")),
  );
}

/** @param {Filter} filter */
function noneWords(filter) {
  const words = Object.entries(filter).map(([name, value]) =>
    name === "phase" ? phaseWords(value) : `${name} ${value}`,
  );
  return words.length === 0 ? "None yet. Start one under “Start”." : `None: ${words.join(", ")}.`;
}

/** @param {string} phase */
function phaseWords(phase) {
  if (phase === "attention") return "needs you";
  return phase.replaceAll("_", " ");
}

/**
 * The newest rows and the older ones that were asked for, as they are now: of the older ones a page is read
 * again with each newest, in turn.
 *
 * @param {Kind} kind
 * @param {Filter} filter
 * @returns {{ rows: readonly Row[] | null, next: string | null, older: () => Promise<void> }}
 */
function useRows(kind, filter) {
  const key = `${kind} ${JSON.stringify(filter)}`;
  const [list, setList] = useState({ key, known: /** @type {Known | null} */ (null) });
  const known = list.key === key ? list.known : null;
  const latest = useRef(known);
  latest.current = known;
  const turn = useRef(/** @type {string | null} */ (null));
  /** @param {string | null} cursor @param {AbortSignal} [signal] */
  const take = async (cursor, signal) => {
    const page = await readPage(kind, filter, cursor, signal);
    setList((was) => {
      const isOther = was.key !== key;
      // It was asked for by a list that is no longer shown.
      if (signal?.aborted === true || (isOther && cursor !== null)) return was;
      const now = withPage(isOther ? null : was.known, cursor, page);
      return isOther || now !== was.known ? { key, known: now } : was;
    });
    return page.next;
  };
  usePolled(async (signal) => {
    const newest = await take(null, signal);
    const cursor = turn.current ?? newest;
    const end = latest.current?.next ?? null;
    // Only what was asked for is read again.
    const isAsked = latest.current?.isLong === true && cursor !== null && (end === null || cursor > end);
    turn.current = isAsked ? await take(cursor, signal) : null;
  }, key);
  const older = async () => {
    if (known !== null && known.next !== null) await take(known.next);
  };
  return { rows: known?.rows ?? null, next: known?.next ?? null, older };
}

/**
 * @param {Kind} kind
 * @param {Filter} filter
 * @param {string | null} cursor
 * @param {AbortSignal} [signal]
 * @returns {Promise<{ rows: readonly Row[], next: string | null }>}
 */
async function readPage(kind, filter, cursor, signal) {
  const query = new URLSearchParams({ ...filter, limit: String(PAGE) });
  if (cursor !== null) query.set("cursor", cursor);
  if (kind === "copies") {
    const { copies, next } = await call("GET", `/copies?${query.toString()}`, undefined, signal);
    return { rows: copies, next };
  }
  if (kind === "comparisons") {
    const { comparisons, next } = await call("GET", `/comparisons?${query.toString()}`, undefined, signal);
    return { rows: comparisons, next };
  }
  const { syncs, next } = await call("GET", `/syncs?${query.toString()}`, undefined, signal);
  return { rows: syncs, next };
}

/** @param {{ kind: Kind, filter: Filter, set: (name: string, value: string) => void }} props */
function Filters({ kind, filter, set }) {
  const [names, setNames] = useState({
    stores: /** @type {string[]} */ ([]),
    schedules: /** @type {string[]} */ ([]),
  });
  const search = useRef(/** @type {HTMLInputElement | null} */ (null));
  useEffect(() => {
    void Promise.all([call("GET", "/stores"), call("GET", "/schedules?limit=500")]).then(
      ([{ stores }, { schedules }]) =>
        setNames({ stores: stores.map(({ name }) => name), schedules: schedules.map(({ name }) => name) }),
      () => {}, // then there is less to choose from
    );
    /** @param {KeyboardEvent} event */
    const onKey = (event) => {
      if (event.key !== "/" || /** @type {Element} */ (event.target).matches("input, select, textarea"))
        return;
      event.preventDefault();
      search.current?.focus();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
  const phases = ["active", "attention", ...PHASES[kind]];
  /** @param {string} name @param {string} label @param {string} all @param {readonly string[]} choices */
  const choice = (name, label, all, choices) => {
    const chosen = filter[name] ?? "";
    const listed = chosen === "" || choices.includes(chosen) ? choices : [...choices, chosen];
    return h(
      "select",
      { "aria-label": label, value: chosen, onInput: (event) => set(name, valueOf(event)) },
      h("option", { value: "" }, all),
      ...listed.map((one) => h("option", { value: one }, name === "phase" ? phaseWords(one) : one)),
    );
  };
  return h(
    "div",
    { class: "actions inline filters" },
    h("input", {
      type: "search",
      "aria-label": "Search",
      placeholder: "Search source and destination ( / )",
      value: filter["q"] ?? "",
      ref: search,
      onInput: (event) => set("q", valueOf(event)),
    }),
    choice("phase", "Phase", "all phases", phases),
    choice("store", "Store", "all stores", names.stores),
    choice("schedule", "Schedule", "however started", names.schedules),
    filter["sync"] !== undefined &&
      h("button", { type: "button", onClick: () => set("sync", "") }, `Of sync ${filter["sync"]} ✕`),
    filter["orphans"] !== undefined &&
      h("button", { type: "button", onClick: () => set("orphans", "") }, "With something left behind ✕"),
  );
}

/** @param {Row} row */
const idOf = ({ id }) => id;

const COLUMNS = ["Phase", "Source", "Destination", "Size", "Progress", "Rate or reason", "By", "When"];

/** @param {{ kind: Kind, rows: readonly Row[] }} props */
export function Rows({ kind, rows }) {
  return useTable({
    label: TITLES[kind],
    kind: "rows",
    titles: COLUMNS,
    rows,
    keyOf: idOf,
    line: (row) => h(WorkLine, { key: row.id, kind, row }),
  });
}

const WorkLine = memo(
  /** @param {{ kind: Kind, row: Row }} props */
  ({ kind, row }) => {
    const { id, phase, source, destination, failure, schedule, startedBy, createdAt, endedAt } = row;
    const by = `${schedule ?? startedBy ?? "manual"}${"dryRun" in row && row.dryRun ? ", dry run" : ""}`;
    const reason =
      failure === null || !["failed", "blocked"].includes(phase)
        ? rateWords(row)
        : h("span", { class: "failing", title: failure.message }, failure.code.replaceAll("_", " "));
    const from = h(Name, { name: formatObject(source), href: `#/${kind}/${id}` });
    const cells = [
      { title: "Phase", kind: "is", children: h(Phase, { phase }) },
      { title: "Source", kind: "from", children: from },
      { title: "Destination", kind: "to", children: h(Name, { name: formatObject(destination) }) },
      { title: "Size", kind: "size", children: sizeWords(row) },
      { title: "Progress", kind: "bar", children: progressOf(row) },
      { title: "Rate or reason", kind: "why", children: reason },
      { title: "By", kind: "by", children: by },
      { title: "When", kind: "when", children: h(Ago, { at: endedAt ?? createdAt }) },
    ];
    return h(Line, { cells });
  },
);

/** @param {Row} row */
function sizeWords(row) {
  if ("dryRun" in row) return row.objects === null ? "" : `${row.objects.listed} keys`;
  if ("deep" in row) return row.keys === null ? "" : `${row.keys.listed} keys`;
  return row.bytes === null || row.bytes.total === null ? "" : formatBytes(row.bytes.total);
}

/** @param {Row} row */
function progressOf(row) {
  if (ENDED.includes(row.phase)) return null;
  if ("dryRun" in row || "deep" in row) {
    const counts = "deep" in row ? row.keys : row.objects;
    if (counts === null) return null;
    const { listed, underWay } = counts;
    return h(Bar, { label: "Keys decided", done: listed - underWay, total: listed });
  }
  return row.bytes === null ? null : h(Bar, { label: "Bytes copied", ...row.bytes });
}

/** @param {Row} row */
function rateWords(row) {
  if (row.phase === "finished_with_errors" && "dryRun" in row && row.objects !== null)
    return h("span", { class: "failing" }, `${row.objects.failed} failed`);
  if (row.rate === null || STILL.includes(row.phase)) return "";
  if ("keysPerSecond" in row.rate)
    return row.rate.keysPerSecond === null ? "" : `${row.rate.keysPerSecond} keys/s`;
  const { bytesPerSecond } = row.rate;
  if (bytesPerSecond === null || bytesPerSecond === 0) return "";
  const left = ENDED.includes(row.phase) ? null : (row.rate.etaSeconds ?? null);
  return `${formatBytes(Math.round(bytesPerSecond))}/s${left === null ? "" : `, ${formatSeconds(left)} left`}`;
}
