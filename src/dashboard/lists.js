// The lists of copies and syncs, refreshed every few seconds while the page is visible.

import { call, repeat } from "./api.js";
import {
  formatObject,
  actionButton,
  h,
  keyedTable,
  nameCell,
  phaseNode,
  showError,
  timeCell,
} from "./dom.js";

/** @typedef {import("./calls.ts").CopyRow} CopyRow */
/** @typedef {import("./calls.ts").SyncRow} SyncRow */

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
    beginner: /** @param {CopyRow} row */ ({ schedule, startedBy }) => schedule ?? startedBy ?? "manual",
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
    beginner: /** @param {SyncRow} row */ ({ schedule, startedBy, dryRun }) =>
      `${schedule ?? startedBy ?? "manual"}${dryRun ? ", dry run" : ""}`,
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
      { title: "Source", cell: ({ id, source }) => nameCell(formatObject(source), `#/${kind}/${id}`) },
      { title: "Destination", cell: ({ destination }) => nameCell(formatObject(destination)) },
      { title: "Started by", cell: beginner },
      { title: "Requested", cell: ({ createdAt }) => timeCell(createdAt) },
      { title: "Ended", cell: ({ endedAt }) => timeCell(endedAt) },
    ],
    /** @param {Row} row */ (row) => row.id,
  );
  const empty = h("p", { class: "quiet" });
  const phase = h("select", { "aria-label": "Phase" }, h("option", { value: "" }, "all phases"));
  phase.append(h("option", { value: "active" }, "active"), h("option", { value: "attention" }, "needs you"));
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
    const none =
      phase.value === "" ? "None yet. Start one under “Start”." : `None: ${phase.selectedOptions[0]?.text}.`;
    empty.textContent = page.rows.length === 0 ? none : "";
  };
  await repeat(refresh, signal);
}
