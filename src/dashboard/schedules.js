// The schedules: what each starts and when, its last run, and the form that makes or changes one.

import { call, repeat } from "./api.js";
import {
  actionButton,
  announce,
  clearFormError,
  confirmed,
  field,
  formatObject,
  formatTime,
  h,
  keyedTable,
  setText,
  showFormError,
  timeCell,
  valuesOf,
} from "./dom.js";

/** @typedef {import("./calls.ts").Schedule} Schedule */

/**
 * @param {HTMLElement} main
 * @param {AbortSignal} signal
 */
export async function showSchedules(main, signal) {
  const table = keyedTable(
    "Schedules",
    [
      { title: "Name", cell: ({ name }) => name },
      {
        title: "Due",
        cell: ({ cron, timezone, enabled }) => `${cron} ${timezone}${enabled ? "" : " (disabled)"}`,
      },
      { title: "Starts", cell: startsWhat },
      { title: "Next", cell: ({ nextRunAt }) => timeCell(nextRunAt) },
      { title: "Last", cell: lastRun },
      { title: "Actions", cell: (schedule) => scheduleActions(schedule, refresh, form.load) },
    ],
    /** @param {Schedule} schedule */ (schedule) => schedule.name,
  );
  const empty = h("p", { class: "quiet" });
  const refresh = async () => {
    const { schedules } = await call("GET", "/schedules?limit=500", undefined, signal);
    table.show(schedules);
    empty.textContent = schedules.length === 0 ? "None yet." : "";
  };
  const form = scheduleForm(refresh);
  main.replaceChildren(h("h1", {}, "Schedules"), table.node, empty, form.node);
  await repeat(refresh, signal);
}

/** @param {Schedule} schedule */
function startsWhat(schedule) {
  const { copy, sync } = schedule;
  const words =
    copy !== undefined
      ? `copy ${formatObject(copy.source)} → ${formatObject(copy.destination)}`
      : sync === undefined
        ? ""
        : `sync ${sync.source} → ${sync.destination}`;
  const options = optionWords(schedule);
  return options === "" ? words : h("div", {}, words, h("div", { class: "quiet" }, options));
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
  return options.map(([name, value]) => (value === true ? name : `${name}: ${wordsOf(value)}`)).join(", ");
}

/** @param {unknown} value */
function wordsOf(value) {
  if (Array.isArray(value)) return value.join(" ");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/**
 * The copy or sync that a schedule asks for.
 *
 * @param {Schedule} schedule
 * @returns {Readonly<Record<string, unknown>>}
 */
function workOf({ copy, sync }) {
  return copy ?? sync ?? {};
}

/** @param {Schedule} schedule */
function lastRun({ lastRun: run }) {
  if (run === null) return "never";
  const words = `${(run.phase ?? run.outcome).replaceAll("_", " ")}, ${formatTime(run.dueAt)}`;
  if (run.copyId !== null) return h("a", { href: `#/copies/${run.copyId}` }, words);
  if (run.syncId !== null) return h("a", { href: `#/syncs/${run.syncId}` }, words);
  return run.detail === null ? words : h("div", {}, words, h("div", { class: "quiet" }, run.detail));
}

/**
 * @param {Schedule} schedule
 * @param {() => Promise<void>} refresh
 * @param {(schedule: Schedule) => void} edit
 */
function scheduleActions(schedule, refresh, edit) {
  const { name, enabled } = schedule;
  const path = /** @type {const} */ (`/schedules/${encodeURIComponent(name)}`);
  /** @param {string} label @param {() => Promise<void>} act @param {string} [kind] */
  const button = (label, act, kind) => {
    const node = actionButton(label, act, kind);
    node.setAttribute("aria-label", `${label}: ${name}`);
    return node;
  };
  return h(
    "div",
    { class: "actions" },
    button("Run now", async () => {
      if (!(await mayRun(schedule))) return;
      await call("POST", `${path}/run`);
      announce(`${name} was started`);
      await refresh();
    }),
    button("Edit", async () => edit(schedule)),
    button(enabled ? "Disable" : "Enable", async () => {
      await call("PATCH", path, { enabled: !enabled });
      announce(`${name} is ${enabled ? "disabled" : "enabled"}`);
      await refresh();
    }),
    button(
      "Delete",
      async () => {
        const question = `Delete the schedule ${name} and its history? What it has started continues.`;
        if (!(await confirmed(question, "Delete it"))) return;
        await call("DELETE", path);
        announce(`${name} was deleted`);
        await refresh();
      },
      "danger",
    ),
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

/**
 * Makes a schedule, or changes one that was loaded into it. What the form cannot hold is kept.
 *
 * @param {() => Promise<void>} refresh
 */
function scheduleForm(refresh) {
  /** @type {Schedule | null} */
  let edited = null;
  const title = h("h2");
  const kept = h("p", { class: "quiet" });
  const other = h("button", { type: "button" }, "Make a new one instead");
  const save = h("button", { class: "main" }, "Save schedule");
  const form = h("form", {}, ...scheduleFields(), kept, h("div", { class: "actions" }, save, other));
  /** @param {Schedule | null} schedule */
  const load = (schedule) => {
    edited = schedule;
    form.reset();
    clearFormError(form);
    setText(title, schedule === null ? "New schedule" : `Change ${schedule.name}`);
    controlOf(form, "name").toggleAttribute("readonly", schedule !== null);
    other.hidden = schedule === null;
    const options = schedule === null ? "" : optionWords(schedule);
    setText(kept, options === "" ? "" : `Kept as they are: ${options}`);
    if (schedule !== null) fill(form, schedule);
  };
  other.addEventListener("click", () => load(null));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    clearFormError(form);
    try {
      const name = await saveSchedule(valuesOf(form), edited);
      load(null);
      announce(`${name} was saved`);
      await refresh();
    } catch (error) {
      showFormError(form, error);
    }
  });
  load(null);
  return { node: h("section", { class: "panel spaced" }, title, form), load };
}

function scheduleFields() {
  const place = { required: true, placeholder: "store:bucket/key or prefix" };
  return [
    field("Name", { name: "name", required: true, pattern: "[A-Za-z0-9][A-Za-z0-9._\\-]{0,62}" }),
    field("Cron, five fields", { name: "cron", required: true, placeholder: "0 3 * * *" }),
    field("Time zone", { name: "timezone", value: "UTC" }),
    field("Starts a", { name: "kind" }, ["copy", "sync"]),
    field("Source", { name: "source", ...place }),
    field("Destination; may hold {yyyy}, {mm}, {dd}", { name: "destination", ...place }),
    field("If the previous run has not ended", { name: "overlap" }, ["skip", "queue"]),
  ];
}

/**
 * @param {HTMLFormElement} form
 * @param {string} name
 */
function controlOf(form, name) {
  return /** @type {HTMLInputElement | HTMLSelectElement} */ (form.elements.namedItem(name));
}

/**
 * @param {HTMLFormElement} form
 * @param {Schedule} schedule
 */
function fill(form, schedule) {
  const { name, cron, timezone, overlap } = schedule;
  const { source, destination } = workOf(schedule);
  const places = { source: placeText(source), destination: placeText(destination) };
  const shown = { name, cron, timezone, overlap, kind: kindOf(schedule), ...places };
  for (const [label, value] of Object.entries(shown)) controlOf(form, label).value = value;
  controlOf(form, "cron").focus();
}

/** @param {Schedule} schedule */
function kindOf({ copy }) {
  return copy === undefined ? "sync" : "copy";
}

/**
 * @param {Readonly<Record<string, string>>} values of the form
 * @param {Schedule | null} edited
 * @returns {Promise<string>} its name
 */
async function saveSchedule({ name = "", kind = "", source = "", destination = "", ...rest }, edited) {
  const path = /** @type {const} */ (`/schedules/${encodeURIComponent(name)}`);
  const before = edited === null || kindOf(edited) !== kind ? {} : workOf(edited);
  const places = {
    source: placeOf(before["source"], source),
    destination: placeOf(before["destination"], destination),
  };
  const body = { ...rest, [kind]: { ...before, ...places } };
  if (edited === null) await call("PUT", path, body, undefined, { "if-none-match": "*" });
  else await call("PATCH", path, body);
  return name;
}

/**
 * A place that was not touched is sent as it was, which text may not be able to say.
 *
 * @param {unknown} was
 * @param {string} text
 */
function placeOf(was, text) {
  return placeText(was) === text ? was : text;
}

/**
 * Source or destination of a request: text, or an object where text cannot say it.
 *
 * @param {unknown} place
 */
function placeText(place) {
  if (typeof place === "string") return place;
  if (typeof place !== "object" || place === null) return "";
  const { store = "", bucket = "", key = "" } = /** @type {Record<string, string>} */ (place);
  return formatObject({ store, bucket, key });
}
