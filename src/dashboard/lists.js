// The lists of copies, syncs and schedules, refreshed every few seconds while the page is visible.

import { call, repeat } from "./api.js";
import {
  actionButton,
  confirmed,
  field,
  formatObject,
  formatPrefix,
  formatTime,
  h,
  keyedTable,
  nameCell,
  phaseNode,
  announce,
  showError,
  timeCell,
  valuesOf,
} from "./dom.js";

/** @typedef {import("./calls.ts").CopyRow} CopyRow */
/** @typedef {import("./calls.ts").SyncRow} SyncRow */
/** @typedef {import("./calls.ts").Schedule} Schedule */

/**
 * @param {HTMLElement} main
 * @param {AbortSignal} signal
 */
export async function showCopies(main, signal) {
  /** @type {readonly CopyRow["phase"][]} */
  const phases = ["uploading", "queued", "blocked", "paused", "completed", "failed", "cancelled"];
  await showWork(main, signal, {
    kind: "copies",
    title: "Copies",
    phases,
    read: async (query) => {
      const { copies, next } = await call("GET", `/copies?${query}`, undefined, signal);
      return { rows: copies, next };
    },
    beginner: /** @param {CopyRow} row */ ({ schedule }) => schedule ?? "manual",
  });
}

/**
 * @param {HTMLElement} main
 * @param {AbortSignal} signal
 */
export async function showSyncs(main, signal) {
  /** @type {readonly SyncRow["phase"][]} */
  const phases = ["copying", "blocked", "paused", "completed", "finished_with_errors", "failed", "cancelled"];
  await showWork(main, signal, {
    kind: "syncs",
    title: "Syncs",
    phases,
    read: async (query) => {
      const { syncs, next } = await call("GET", `/syncs?${query}`, undefined, signal);
      return { rows: syncs, next };
    },
    beginner: /** @param {SyncRow} row */ ({ schedule, dryRun }) =>
      `${schedule ?? "manual"}${dryRun ? ", dry run" : ""}`,
  });
}

/**
 * @template {CopyRow | SyncRow} Row
 * @param {HTMLElement} main
 * @param {AbortSignal} signal
 * @param {{
 *   kind: "copies" | "syncs",
 *   title: string,
 *   phases: readonly string[],
 *   read: (query: string) => Promise<{ rows: readonly Row[], next: string | null }>,
 *   beginner: (row: Row) => string,
 * }} work
 */
async function showWork(main, signal, { kind, title, phases, read, beginner }) {
  const table = keyedTable(
    title,
    [
      { title: "Phase", cell: ({ phase }) => phaseNode(phase) },
      { title: "Source", cell: ({ id, source }) => nameCell(source, `#/${kind}/${id}`) },
      { title: "Destination", cell: ({ destination }) => nameCell(destination) },
      { title: "Started by", cell: beginner },
      { title: "Requested", cell: ({ createdAt }) => timeCell(createdAt) },
      { title: "Ended", cell: ({ endedAt }) => timeCell(endedAt) },
    ],
    /** @param {Row} row */ (row) => row.id,
  );
  const empty = h("p", { class: "quiet" });
  const phase = h("select", { "aria-label": "Phase" }, h("option", { value: "" }, "all phases"));
  for (const name of phases) phase.append(h("option", { value: name }, name.replaceAll("_", " ")));
  /** @type {string | null} */
  let cursor = null;
  /** @type {string | null} */
  let next = null;
  const older = actionButton("Older", async () => {
    cursor = next;
    await refresh();
  });
  const newest = actionButton("Newest", async () => {
    cursor = null;
    await refresh();
  });
  phase.addEventListener("change", () => {
    cursor = null;
    void refresh().catch(showError);
  });
  main.replaceChildren(
    h("h1", {}, title),
    h("div", { class: "actions inline" }, h("span", {}, "Show"), phase, newest, older),
    table.node,
    empty,
  );
  const refresh = async () => {
    const query = new URLSearchParams({ limit: "50" });
    if (phase.value !== "") query.set("phase", phase.value);
    if (cursor !== null) query.set("cursor", cursor);
    const page = await read(query.toString());
    next = page.next;
    older.disabled = next === null;
    newest.disabled = cursor === null;
    table.show(page.rows);
    empty.textContent = page.rows.length === 0 ? "None yet. Start one under “Start”." : "";
  };
  await repeat(refresh, signal);
}

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
      { title: "Actions", cell: (schedule) => scheduleActions(schedule, refresh) },
    ],
    /** @param {Schedule} schedule */ (schedule) => schedule.name,
  );
  const empty = h("p", { class: "quiet" });
  const refresh = async () => {
    const { schedules } = await call("GET", "/schedules", undefined, signal);
    table.show(schedules);
    empty.textContent = schedules.length === 0 ? "None yet." : "";
  };
  main.replaceChildren(h("h1", {}, "Schedules"), table.node, empty, scheduleForm(refresh));
  await repeat(refresh, signal);
}

/** @param {Schedule} schedule */
function startsWhat({ copy, sync }) {
  if (copy !== undefined) return `copy ${formatObject(copy.source)} → ${formatObject(copy.destination)}`;
  return sync === undefined ? "" : `sync ${formatPrefix(sync.source)} → ${formatPrefix(sync.destination)}`;
}

/** @param {Schedule} schedule */
function lastRun({ lastRun: run }) {
  if (run === null) return "never";
  const words = `${run.phase ?? run.outcome}, ${formatTime(run.dueAt)}`;
  if (run.copyId !== null) return h("a", { href: `#/copies/${run.copyId}` }, words);
  if (run.syncId !== null) return h("a", { href: `#/syncs/${run.syncId}` }, words);
  return words;
}

/**
 * @param {Schedule} schedule
 * @param {() => Promise<void>} refresh
 */
function scheduleActions({ name }, refresh) {
  const path = `/schedules/${encodeURIComponent(name)}`;
  const run = actionButton("Run now", async () => {
    await call("POST", `${path}/run`);
    announce(`${name} was started`);
    await refresh();
  });
  run.setAttribute("aria-label", `Run now: ${name}`);
  const remove = actionButton(
    "Delete",
    async () => {
      if (
        !(await confirmed(
          `Delete the schedule ${name} and its history? What it has started continues.`,
          "Delete it",
        ))
      )
        return;
      await call("DELETE", path);
      announce(`${name} was deleted`);
      await refresh();
    },
    "danger",
  );
  remove.setAttribute("aria-label", `Delete: ${name}`);
  return h("div", { class: "actions" }, run, remove);
}

/** @param {() => Promise<void>} refresh */
function scheduleForm(refresh) {
  const form = h(
    "form",
    {},
    field("Name", { name: "name", required: true, pattern: "[A-Za-z0-9][A-Za-z0-9._\\-]{0,62}" }),
    field("Cron, five fields", { name: "cron", required: true, placeholder: "0 3 * * *" }),
    field("Time zone", { name: "timezone", value: "UTC" }),
    field("Starts a", { name: "kind" }, ["copy", "sync"]),
    field("Source", { name: "source", required: true, placeholder: "store:bucket/key or prefix" }),
    field("Destination; may hold {yyyy}, {mm}, {dd}", {
      name: "destination",
      required: true,
      placeholder: "store:bucket/key or prefix",
    }),
    field("If the previous run has not ended", { name: "overlap" }, ["skip", "queue"]),
    h("div", { class: "actions" }, h("button", { class: "main" }, "Save schedule")),
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const { name, kind, source, destination, ...rest } = valuesOf(form);
    try {
      await call("PUT", `/schedules/${encodeURIComponent(name ?? "")}`, {
        ...rest,
        [kind ?? ""]: { source, destination },
      });
      announce(`${name} was saved`);
      form.reset();
      await refresh();
    } catch (error) {
      showError(error);
    }
  });
  return h("section", { class: "panel spaced" }, h("h2", {}, "Create or change a schedule"), form);
}
