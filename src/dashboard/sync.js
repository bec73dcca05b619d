// The page of one sync: its totals, the failed keys, the plan of a dry run, and its actions.

import { createElement, render } from "preact";
import { call } from "./api.js";
import { RateChart } from "./chart.js";
import { budgetWords, quoteWords, spentWords } from "./cost.js";
import {
  actionButton,
  announce,
  confirmed,
  formatBytes,
  formatSeconds,
  formatTime,
  h,
  keyedTable,
  terms,
} from "./dom.js";
import { Report } from "./report.js";
import {
  ENDED,
  endWords,
  followWork,
  paceWords,
  rightsOver,
  saveReport,
  steeringButtons,
  workHead,
} from "./work.js";

/** @typedef {import("./calls.ts").SyncStatus} SyncStatus */

/** @typedef {Awaited<ReturnType<typeof rightsOver>>} Can */

/**
 * @param {HTMLElement} main
 * @param {AbortSignal} signal
 * @param {string} id
 */
export async function showSync(main, signal, id) {
  const path = /** @type {const} */ (`/syncs/${id}`);
  const read = async () => await call("GET", path, undefined, signal);
  const status = await read();
  const can = await rightsOver(status.source, status.destination);
  if (signal.aborted) return;
  const page = syncPage(path, signal, can);
  signal.addEventListener("abort", page.close);
  main.replaceChildren(...page.nodes);
  page.status(status);
  void page.past(signal);
  await followWork({ path, query: "", read, readMore: async () => {} }, page, signal);
}

/**
 * @param {`/syncs/${string}`} path
 * @param {AbortSignal} signal
 * @param {Can} can
 */
function syncPage(path, signal, can) {
  const head = workHead(path, can);
  const bar = h("progress", { "aria-label": "Keys decided" });
  const sums = syncSums();
  const details = syncDetails();
  const failed = failedPanel(path);
  const report = reportPanel(path, signal);
  const chart = new RateChart();
  const rateNow = rateSince();
  let isQuiet = false;
  return {
    nodes: [
      ...head.nodes,
      h(
        "div",
        { class: "panels" },
        h("section", { class: "panel" }, h("h2", {}, "Progress"), bar, sums.node),
        h(
          "section",
          { class: "panel" },
          h("h2", {}, "Details"),
          details.node,
          h(
            "p",
            {},
            h("a", { href: `#/copies?sync=${path.split("/").at(-1)}` }, "The copies of its large objects"),
          ),
          h(
            "div",
            { class: "actions" },
            actionButton("Show the report", async () => report.show(false)),
            actionButton("Save the report", async () => await saveReport(path)),
          ),
        ),
        report.node,
        failed.node,
        chart.node,
        head.timelineNode,
      ),
    ],
    /** @param {import("./calls.ts").Untimed<SyncStatus>} status */
    status(status) {
      const { phase, dryRun, objects, bytes } = status;
      const isEnded = ENDED.includes(phase);
      const name = `${dryRun ? "Dry run: " : ""}${status.source} → ${status.destination}`;
      head.show(status, name, status, requestOf(status));
      head.buttons(buttonsFor(status, head.post));
      bar.max = Math.max(1, objects.listed);
      bar.value = objects.listed === 0 && isEnded ? 1 : objects.listed - objects.underWay;
      sums.show(status);
      details.show(status);
      failed.show(status);
      if (!isEnded && !dryRun) chart.add(rateNow(bytes.copied));
      chart.setEnded(isEnded || dryRun);
      if (isEnded && !isQuiet) {
        announce(`The sync ${endWords(phase)}`);
        if (dryRun) report.show(true);
      }
      isQuiet = isEnded;
    },
    timeline: head.timeline,
    parts: () => {},
    state: head.state,
    onAct: head.onAct,
    past: /** @param {AbortSignal} ended */ async (ended) => chart.setPast(await readPast(path, ended)),
    close: () => chart.close(),
  };
}

/**
 * The rate before the page was opened.
 *
 * @param {`/syncs/${string}`} path
 * @param {AbortSignal} signal
 */
async function readPast(path, signal) {
  const { samples } = await call("GET", `${path}/rates`, undefined, signal).catch(() => ({ samples: [] }));
  return samples;
}

/** How often what was copied meanwhile makes a rate. */
const RATE_MS = 1_000;

/**
 * The rate since it was asked for last, if that is long enough ago.
 *
 * @returns {(copiedBytes: number) => number | null}
 */
function rateSince() {
  let before = { atMs: performance.now(), bytes: -1 };
  return (bytes) => {
    const atMs = performance.now();
    const isFirst = before.bytes < 0;
    if (!isFirst && atMs - before.atMs < RATE_MS) return null;
    const rate = isFirst ? null : Math.max(0, (bytes - before.bytes) * 1000) / (atMs - before.atMs);
    before = { atMs, bytes };
    return rate;
  };
}

/** @param {import("./calls.ts").Untimed<SyncStatus>["restores"]} restores */
function restoresWords(restores) {
  if (restores === undefined) return "";
  const { asked, readable, waiting, nextLookAt } = restores;
  const waits = waiting === 0 || nextLookAt === null ? "" : `, next look at ${formatTime(nextLookAt)}`;
  return `${readable} of ${asked} archived keys, ${waiting} waiting${waits}`;
}

/** The totals of the keys; for a dry run, what they would be. */
function syncSums() {
  const { node, set } = terms([
    "Listed",
    "Copied",
    "Skipped",
    "Failed",
    "Under way",
    "Deleted",
    "Rate",
    "Time left",
    "Pace",
    "Cost",
    "Budget",
    "Restored",
    "Quote",
  ]);
  return {
    node,
    /** @param {import("./calls.ts").Untimed<SyncStatus>} status */
    show(status) {
      const { dryRun, objects, bytes, deletes, rate, skippedBy, pace } = status;
      set("Listed", `${objects.listed} keys, ${formatBytes(bytes.listed)}`);
      set(
        "Copied",
        dryRun
          ? `would copy ${objects.wouldCopy} keys, ${formatBytes(bytes.wouldCopy)}`
          : `${objects.copied} keys, ${formatBytes(bytes.copied)}`,
      );
      set("Skipped", `${objects.skipped}${reasons(skippedBy)}`);
      set("Restored", restoresWords(status.restores));
      set("Failed", String(objects.failed + deletes.failed));
      set("Under way", String(objects.underWay));
      set(
        "Deleted",
        dryRun
          ? deletes.refused
            ? "would be refused, a warning says why"
            : `would delete ${deletes.wouldDelete} of ${deletes.destinationObjects} keys`
          : `${deletes.deleted}${deletes.refused ? "; deleting was refused, a warning says why" : ""}`,
      );
      set(
        "Rate",
        dryRun || rate.objectsPerSecond === null
          ? ""
          : `${rate.objectsPerSecond} keys/s, ${formatBytes(rate.bytesPerSecond)}/s`,
      );
      set("Time left", rate.etaSeconds === null ? "" : formatSeconds(rate.etaSeconds));
      const perSecond = pace?.requestsPerSecond ?? null;
      const requests = perSecond === null ? "" : `, ${perSecond} requests/s`;
      set("Pace", `${paceWords(pace)}${requests}`);
      set("Cost", spentWords(status.spent));
      set("Budget", budgetWords(status.budget, status.reason));
      set("Quote", quoteWords(status.quote));
    },
  };
}

/** The request, and its times. */
function syncDetails() {
  const { node, set } = terms(["Source", "Destination", "Compare", "Report", "Requested", "Ended"]);
  return {
    node,
    /** @param {import("./calls.ts").Untimed<SyncStatus>} status */
    show({ source, destination, options, report, createdAt, endedAt }) {
      set("Source", source);
      set("Destination", destination);
      set("Compare", options.compare);
      set("Report", report.storedAt ?? `GET ${report.path}`);
      set("Requested", formatTime(createdAt));
      set("Ended", formatTime(endedAt));
    },
  };
}

/**
 * The failed keys; of many, the first ones.
 *
 * @param {string} path of the sync
 */
function failedPanel(path) {
  const table = keyedTable(
    "Failed keys",
    [
      { title: "Key", cell: ({ key }) => key },
      { title: "Why", cell: ({ code, message }) => `${code}: ${message}` },
      { title: "Attempts", cell: ({ attempts }) => String(attempts) },
    ],
    /** @param {SyncStatus["failures"][number]} failure */ (failure) => failure.key,
  );
  const more = h("p", { class: "quiet" });
  const node = h(
    "section",
    { class: "panel wide", hidden: true },
    h("h2", {}, "Failed keys"),
    more,
    table.node,
  );
  return {
    node,
    /** @param {import("./calls.ts").Untimed<SyncStatus>} status */
    show({ failures, objects, deletes }) {
      node.hidden = failures.length === 0;
      table.show(failures);
      const all = objects.failed + deletes.failed;
      more.textContent =
        failures.length < all ? `${failures.length} of ${all}; GET ${path}/report has all.` : "";
    },
  };
}

/**
 * The report: of a dry run at once, of another sync when it is asked for.
 *
 * @param {`/syncs/${string}`} path
 * @param {AbortSignal} signal
 */
function reportPanel(path, signal) {
  const place = h("div", { class: "wide" });
  signal.addEventListener("abort", () => render(null, place));
  return {
    node: place,
    show: /** @param {boolean} isPlan */ (isPlan) => render(createElement(Report, { path, isPlan }), place),
  };
}

/** @param {Record<string, number>} skippedBy */
function reasons(skippedBy) {
  const told = Object.entries(skippedBy).map(([reason, count]) => `${count} ${reason.replaceAll("_", " ")}`);
  return told.length === 0 ? "" : ` (${told.join(", ")})`;
}

/**
 * The actions possible in a sync's phase.
 *
 * @param {import("./calls.ts").Untimed<SyncStatus>} status
 * @param {ReturnType<typeof workHead>["post"]} post
 */
function buttonsFor(status, post) {
  const { phase, dryRun, options } = status;
  /** @type {import("./work.js").Button[]} */
  const own = [];
  const deletes = options.delete ? /** @type {const} */ (["delete"]) : [];
  if (phase === "finished_with_errors") {
    const act = async () => await post("retry");
    own.push({ name: "Retry the failed keys", kind: "main", rights: ["steer", ...deletes], act });
  }
  if (dryRun && phase === "completed") {
    const act = async () => {
      const { wouldCopy } = status.objects;
      const { wouldDelete: deleted = 0, refused } = status.deletes;
      const loss = deleted > 0 && !refused ? ` and delete ${deleted}` : "";
      const question = `Copy ${wouldCopy} keys to ${status.destination}${loss}? Existing objects with the same keys are overwritten.`;
      if (!(await confirmed(question, "Run it"))) return;
      const sync = await call("POST", "/syncs", { ...requestOf(status), dryRun: false });
      location.hash = `#/syncs/${sync.id}`;
    };
    own.push({ name: "Run it", kind: "main", rights: ["start", ...deletes], act });
  }
  const question = "Cancel this sync? What it has copied stays; what is under way is stopped.";
  return steeringButtons(status, post, { question, yes: "Cancel the sync" }, own);
}

/**
 * The request that makes a sync like it.
 *
 * @param {import("./calls.ts").Untimed<SyncStatus>} status
 */
function requestOf({ source, destination, options }) {
  const { minSizeBytes: minSize, maxSizeBytes: maxSize, ...rest } = options;
  const asked = { source, destination, minSize, maxSize, ...rest };
  // A status shows null for what was not requested; a request leaves it out.
  return Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== null));
}
