// The schedules: what each starts and when, and how its last runs went.

import { createElement } from "preact";
import { useState } from "preact/hooks";
import { call } from "./api.js";
import { announce, confirmed, formatObject, formatTime } from "./dom.js";
import { ScheduleForm, kindOf, workOf } from "./schedule_form.js";
import { Line, memo, useTable } from "./table.js";
import { Action, Ago, Phase, mount, usePolled, useRights } from "./ui.js";

/** @typedef {import("./calls.ts").Schedule} Schedule */
/** @typedef {Schedule["runs"][number]} Run */
/** @typedef {ReturnType<typeof useRights>} Can */

const h = createElement;

/**
 * @param {HTMLElement} main
 * @param {AbortSignal} signal
 * @param {URLSearchParams} query
 */
export async function showSchedules(main, signal, query) {
  mount(main, signal, Schedules, { first: query.get("q") ?? "" });
}

/** @param {{ first: string }} props */
function Schedules({ first }) {
  const can = useRights();
  const [wanted, setWanted] = useState(first);
  const [edited, setEdited] = useState(
    /** @type {{ schedule: Schedule | null, asNew: boolean }} */ ({ schedule: null, asNew: true }),
  );
  const { answer, again } = usePolled(
    async (signal) => await call("GET", "/schedules?limit=500", undefined, signal),
    "schedules",
  );
  const all = answer?.schedules ?? [];
  const shown = all.filter((one) => JSON.stringify(one).includes(wanted) || one.name.includes(wanted));
  const none = all.length === 0 ? "None yet." : "None that match.";
  const form = h(ScheduleForm, {
    // Another schedule is another form.
    key: `${edited.schedule?.name} ${edited.asNew}`,
    ...edited,
    done: () => setEdited({ schedule: null, asNew: true }),
    again,
  });
  return h(
    "div",
    {},
    h("h1", {}, "Schedules"),
    h(
      "div",
      { class: "actions inline filters" },
      h("input", {
        type: "search",
        "aria-label": "Search",
        placeholder: "Search",
        value: wanted,
        onInput: (event) => setWanted(event.currentTarget.value),
      }),
    ),
    answer === null ? h("p", { class: "quiet" }, "Loading…") : null,
    shown.length === 0 ? null : h(List, { shown, can, again, edit: setEdited }),
    answer !== null && shown.length === 0 && h("p", { class: "quiet" }, none),
    can("schedules") ? form : null,
  );
}

/**
 * @param {{
 *   shown: readonly Schedule[],
 *   can: Can,
 *   again: () => Promise<void>,
 *   edit: (edited: { schedule: Schedule, asNew: boolean }) => void,
 * }} props
 */
function List({ shown, can, again, edit }) {
  return useTable({
    label: "Schedules",
    kind: "schedules",
    titles: ["Name", "Due", "Starts", "Next", "Last runs", "Actions"],
    rows: shown,
    keyOf: ({ name }) => name,
    line: (schedule) => h(ScheduleLine, { key: schedule.name, schedule, can, again, edit }),
  });
}

const ScheduleLine = memo(
  /**
   * @param {{
   *   schedule: Schedule,
   *   can: Can,
   *   again: () => Promise<void>,
   *   edit: (edited: { schedule: Schedule, asNew: boolean }) => void,
   * }} props
   */
  ({ schedule, can, again, edit }) => {
    const { name, cron, timezone, enabled, nextRunAt, runs } = schedule;
    const options = optionWords(schedule);
    const more = options === "" ? null : h("div", { class: "quiet" }, options);
    const cells = [
      { title: "Name", children: name },
      { title: "Due", children: `${cron} ${timezone}${enabled ? "" : " (disabled)"}` },
      { title: "Starts", children: h("div", {}, startsWhat(schedule), more) },
      { title: "Next", children: h(Ago, { at: nextRunAt }) },
      { title: "Last runs", children: h(Runs, { runs }) },
      { title: "Actions", children: h(Actions, { schedule, can, again, edit }) },
    ];
    return h(Line, { cells });
  },
);

/** The last run in words, and those before as dots. @param {{ runs: readonly Run[] }} props */
function Runs({ runs }) {
  const [last] = runs;
  if (last === undefined) return "never";
  const dots = runs.toReversed().map((run) => {
    const href = hrefOf(run);
    const words = `${formatTime(run.dueAt)}: ${wordsOf(run)}`;
    const kind = `dot ${run.phase ?? run.outcome}`;
    return href === null
      ? h("span", { key: run.dueAt, class: kind, title: words, role: "img", "aria-label": words })
      : h("a", { key: run.dueAt, class: kind, title: words, href, "aria-label": words });
  });
  const words = h(
    "span",
    {},
    h(Phase, { phase: last.phase ?? last.outcome }),
    " ",
    h(Ago, { at: last.dueAt }),
  );
  const href = hrefOf(last);
  return h(
    "div",
    {},
    h("div", {}, href === null ? words : h("a", { href }, words)),
    last.detail === null ? null : h("div", { class: "quiet" }, last.detail),
    h("div", { class: "dots" }, dots),
  );
}

/** @param {Run} run */
function wordsOf({ phase, outcome, detail }) {
  return `${(phase ?? outcome).replaceAll("_", " ")}${detail === null ? "" : `, ${detail}`}`;
}

/** @param {Run} run */
function hrefOf({ copyId, syncId, comparisonId }) {
  if (copyId !== null) return `#/copies/${copyId}`;
  if (comparisonId !== null) return `#/comparisons/${comparisonId}`;
  return syncId === null ? null : `#/syncs/${syncId}`;
}

/** @param {Schedule} schedule */
function placesOf({ copy, sync, comparison }) {
  if (copy !== undefined)
    return { source: formatObject(copy.source), destination: formatObject(copy.destination) };
  const { source = "", destination = "" } = sync ?? comparison ?? {};
  return { source, destination };
}

/** @param {Schedule} schedule */
function startsWhat(schedule) {
  const { source, destination } = placesOf(schedule);
  return `${kindOf(schedule)} ${source} → ${destination}`;
}

/**
 * What a schedule asks for beside source and destination: what it deletes, what it leaves out.
 *
 * @param {Schedule} schedule
 */
function optionWords(schedule) {
  const options = Object.entries(workOf(schedule)).filter(
    ([name, value]) => !["source", "destination"].includes(name) && value !== false,
  );
  return options.map(([name, value]) => (value === true ? name : `${name}: ${valueWords(value)}`)).join(", ");
}

/** @param {unknown} value */
function valueWords(value) {
  if (Array.isArray(value)) return value.join(" ");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/**
 * @param {{
 *   schedule: Schedule,
 *   can: Can,
 *   again: () => Promise<void>,
 *   edit: (edited: { schedule: Schedule, asNew: boolean }) => void,
 * }} props
 */
function Actions({ schedule, can, again, edit }) {
  const { name, enabled } = schedule;
  const { source, destination } = placesOf(schedule);
  const path = /** @type {const} */ (`/schedules/${encodeURIComponent(name)}`);
  const mayChange = can("schedules", source, destination);
  /** @param {string} label @param {() => Promise<void>} act @param {string} [kind] */
  const button = (label, act, kind = "") => h(Action, { act, kind, label: `${label}: ${name}` }, label);
  /** @param {() => Promise<unknown>} act @param {string} said */
  const then = async (act, said) => {
    await act();
    announce(said);
    await again();
  };
  const run = async () => {
    if (await mayRun(schedule)) await then(() => call("POST", `${path}/run`), `${name} was started`);
  };
  const toggle = () =>
    then(() => call("PATCH", path, { enabled: !enabled }), `${name} is ${enabled ? "disabled" : "enabled"}`);
  const remove = async () => {
    const question = `Delete the schedule ${name} and its history? What it has started continues.`;
    if (await confirmed(question, "Delete it")) await then(() => call("DELETE", path), `${name} was deleted`);
  };
  return h(
    "div",
    { class: "actions" },
    can("start", source, destination) && button("Run now", run),
    mayChange && button("Edit", async () => edit({ schedule, asNew: false })),
    mayChange && button("Copy", async () => edit({ schedule, asNew: true })),
    mayChange && button(enabled ? "Disable" : "Enable", toggle),
    mayChange && button("Delete", remove, "danger"),
  );
}

/**
 * A run that deletes is asked about, as one that is started by hand.
 *
 * @param {Schedule} schedule
 */
async function mayRun({ sync }) {
  if (sync === undefined || sync["delete"] !== true || sync["dryRun"] === true) return true;
  const question = `Delete every key under ${sync.destination} that is not in ${sync.source}?`;
  return await confirmed(question, "Run and delete");
}
