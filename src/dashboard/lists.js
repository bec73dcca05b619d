// The lists: copies, syncs, schedules and stores, asked for every few seconds while somebody looks.

import { call, pause } from "./api.js";
import {
  actionButton,
  confirmed,
  field,
  formatTime,
  h,
  keyedTable,
  phaseNode,
  announce,
  showError,
} from "./dom.js";

const POLL_MS = 3_000;

/**
 * @param {HTMLElement} main
 * @param {AbortSignal} signal
 * @param {"copies" | "syncs"} kind
 */
export async function showWork(main, signal, kind) {
  const title = kind === "copies" ? "Copies" : "Syncs";
  const table = keyedTable(
    title,
    [
      { title: "Phase", cell: ({ phase }) => phaseNode(phase) },
      { title: "Source", cell: ({ id, source }) => h("a", { href: `#/${kind}/${id}` }, source) },
      { title: "Destination", cell: ({ destination }) => destination },
      {
        title: "Begun by",
        cell: ({ schedule, dryRun }) =>
          [schedule ?? "hand", ...(dryRun === true ? ["dry run"] : [])].join(", "),
      },
      { title: "Asked for", cell: ({ createdAt }) => formatTime(createdAt) },
      { title: "Ended", cell: ({ endedAt }) => formatTime(endedAt) },
    ],
    /** @param {any} item */ (item) => item.id,
  );
  const empty = h("p", { class: "quiet" });
  const phase = h("select", { "aria-label": "Phase" }, h("option", { value: "" }, "every phase"));
  const phases = [
    "uploading",
    "copying",
    "queued",
    "blocked",
    "paused",
    "completed",
    "finished_with_errors",
    "failed",
    "cancelled",
  ];
  const foreign = kind === "copies" ? ["copying", "finished_with_errors"] : ["uploading", "queued"];
  for (const name of phases)
    if (!foreign.includes(name)) phase.append(h("option", { value: name }, name.replaceAll("_", " ")));
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
    const page = await call("GET", `/${kind}?${query}`, undefined, signal);
    next = page.next;
    older.disabled = next === null;
    newest.disabled = cursor === null;
    table.show(page[kind]);
    empty.textContent = page[kind].length === 0 ? "None yet. Start one under “Start”." : "";
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
        cell: ({ cron, timezone, enabled }) => `${cron} ${timezone}${enabled ? "" : " (not enabled)"}`,
      },
      { title: "Starts", cell: startsWhat },
      { title: "Next", cell: ({ nextRunAt }) => formatTime(nextRunAt) },
      { title: "Last", cell: lastRun },
      { title: "Do", cell: (schedule) => scheduleActions(schedule, refresh) },
    ],
    /** @param {any} schedule */ (schedule) => schedule.name,
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

/** @param {any} schedule */
function startsWhat({ copy, sync }) {
  const [kind, { source, destination }] = copy === undefined ? ["sync", sync] : ["copy", copy];
  return `${kind} ${place(source)} → ${place(destination)}`;
}

/** @param {{ store: string, bucket: string, key?: string, prefix?: string }} ref */
function place({ store, bucket, key, prefix }) {
  return `${store}:${bucket}/${key ?? prefix ?? ""}`;
}

/** @param {any} schedule */
function lastRun({ lastRun: run }) {
  if (run === null) return "never";
  const words = `${run.phase ?? run.outcome}, ${formatTime(run.dueAt)}`;
  if (run.copyId !== null) return h("a", { href: `#/copies/${run.copyId}` }, words);
  if (run.syncId !== null) return h("a", { href: `#/syncs/${run.syncId}` }, words);
  return words;
}

/**
 * @param {any} schedule
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
          `Delete the schedule ${name} and its history? What it has started goes on.`,
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
    field("While the run before goes on", { name: "overlap" }, ["skip", "queue"]),
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
  return h("section", { class: "panel" }, h("h2", {}, "New or changed schedule"), form);
}

/**
 * @param {HTMLElement} main
 * @param {AbortSignal} signal
 */
export async function showStores(main, signal) {
  const table = keyedTable(
    "Stores",
    [
      { title: "Name", cell: ({ name }) => name },
      {
        title: "State",
        cell: ({ ok, error }) => (ok ? "configured" : h("span", { class: "phase bad" }, error)),
      },
      { title: "Provider", cell: ({ provider = "" }) => provider },
      { title: "Endpoint", cell: ({ endpoint = "" }) => endpoint },
      { title: "Region", cell: ({ region = "" }) => region },
      { title: "Buckets", cell: ({ ok, buckets }) => (ok ? (buckets?.join(", ") ?? "all") : "") },
      {
        title: "Use",
        cell: ({ ok, readOnly }) =>
          ok ? (readOnly === true ? "source only" : "source and destination") : "",
      },
    ],
    /** @param {any} store */ (store) => store.name,
  );
  const notify = h("p", { class: "quiet" });
  main.replaceChildren(h("h1", {}, "Stores"), table.node, notify);
  await repeat(async () => {
    const answer = await call("GET", "/stores", undefined, signal);
    table.show(answer.stores);
    const { state, host, error } = answer.notify;
    notify.textContent = `Webhooks: ${state === "on" ? `to ${host}` : (error ?? "off")}`;
  }, signal);
}

/**
 * The filled fields of a form by their names.
 *
 * @param {HTMLFormElement} form
 * @returns {Record<string, string>}
 */
export function valuesOf(form) {
  const entries = [...new FormData(form)].map(
    ([name, value]) => /** @type {const} */ ([name, String(value).trim()]),
  );
  return Object.fromEntries(entries.filter(([, value]) => value !== ""));
}

/**
 * Does something again and again, and rests while nobody looks.
 *
 * @param {() => Promise<void>} work
 * @param {AbortSignal} signal
 */
async function repeat(work, signal) {
  for (;;) {
    if (signal.aborted) return;
    if (document.visibilityState === "visible") await work();
    await pause(POLL_MS, signal);
  }
}
