// The live page of one copy: its map of parts, throughput, result and actions.

import { call } from "./api.js";
import { RateChart } from "./chart.js";
import { budgetWords, spentWords } from "./cost.js";
import {
  announce,
  confirmed,
  formatBytes,
  formatObject,
  formatSeconds,
  formatTime,
  h,
  terms,
} from "./dom.js";
import { PartMap } from "./map.js";
import {
  ENDED,
  RESTING,
  endWords,
  followWork,
  paceWords,
  resumeAll,
  rightsOver,
  steeringButtons,
  workHead,
} from "./work.js";

/** @typedef {import("./calls.ts").CopyStatus} CopyStatus */
/** @typedef {import("../http/vocabulary.ts").PartsMessage} PartsMessage */
/** @typedef {Awaited<ReturnType<typeof rightsOver>>} Can */

/**
 * @param {HTMLElement} main
 * @param {AbortSignal} signal
 * @param {string} id
 */
export async function showCopy(main, signal, id) {
  const path = /** @type {const} */ (`/copies/${id}`);
  const read = async () => await call("GET", path, undefined, signal);
  const status = await read();
  const can = await rightsOver(formatObject(status.source), formatObject(status.destination));
  if (signal.aborted) return;
  const page = copyPage(path, can);
  signal.addEventListener("abort", page.close);
  main.replaceChildren(...page.nodes);
  page.status(status);
  void page.past(signal);
  await followWork(
    { path, query: "?parts", read, readMore: () => readParts(path, page, signal) },
    page,
    signal,
  );
}

/**
 * @param {`/copies/${string}`} path
 * @param {ReturnType<typeof copyPage>} page
 * @param {AbortSignal} signal
 */
async function readParts(path, page, signal) {
  /** @type {import("../http/vocabulary.ts").PartWord[]} */
  const words = [];
  /** @type {string | null} */
  let cursor = "0";
  while (cursor !== null) {
    /** @type {import("./calls.ts").AnswerTo<"GET /copies/1/parts?">} */
    const { parts, next } = await call("GET", `${path}/parts?cursor=${cursor}`, undefined, signal);
    for (const { partNumber, state, lane, failedAttempts } of parts)
      words.push([partNumber, state, lane, failedAttempts]);
    cursor = next;
  }
  page.parts({ total: words.length, reset: true, parts: words });
}

/**
 * @param {`/copies/${string}`} path
 * @param {Can} can
 */
function copyPage(path, can) {
  const head = workHead(path, can);
  const bar = h("progress", { "aria-label": "Bytes copied" });
  const facts = copyFacts();
  const details = copyDetails();
  const map = new PartMap();
  const chart = new RateChart();
  let total = 0;
  let isQuiet = false;
  return {
    nodes: [
      ...head.nodes,
      h(
        "div",
        { class: "panels" },
        h("section", { class: "panel" }, h("h2", {}, "Progress"), bar, facts.node),
        h("section", { class: "panel" }, h("h2", {}, "Details"), details.node),
        map.node,
        chart.node,
        head.timelineNode,
      ),
    ],
    /** @param {import("./calls.ts").Untimed<CopyStatus>} status */
    status(status) {
      const { phase, bytes, parts, rate } = status;
      const places = { source: formatObject(status.source), destination: formatObject(status.destination) };
      head.show(status, places.source, places, requestOf(status));
      head.buttons(buttonsFor(status, path, head));
      const isEnded = ENDED.includes(phase);
      if (bytes.total === null && !isEnded && !RESTING.includes(phase)) bar.removeAttribute("value");
      else {
        bar.max = Math.max(1, bytes.total ?? 1);
        bar.value = bytes.total === 0 && phase === "completed" ? 1 : bytes.done;
      }
      facts.show(status);
      details.show(status);
      map.setFailed(phase === "failed" || phase === "blocked");
      if (!isEnded) chart.add(rate.bytesPerSecond);
      else if (!isQuiet) announce(`The copy ${endWords(phase)}`);
      chart.setEnded(isEnded);
      isQuiet = isEnded;
      if (parts.total !== null && parts.total !== total) {
        total = parts.total;
        map.take({ total, reset: false, parts: [] });
      }
    },
    timeline: head.timeline,
    parts: /** @param {PartsMessage} message */ (message) => map.take(message),
    state: head.state,
    onAct: head.onAct,
    /** The rate before the page was opened. @param {AbortSignal} signal */
    async past(signal) {
      const { samples } = await call("GET", `${path}/rates`, undefined, signal).catch(() => ({
        samples: [],
      }));
      chart.setPast(samples);
    },
    close: () => {
      map.close();
      chart.close();
    },
  };
}

/** The progress and the result of the copy. */
function copyFacts() {
  const names = [
    "Copied",
    "Rate",
    "Time left",
    "Parts",
    "Failed attempts",
    "Lanes",
    "Pace",
    "Cost",
    "Budget",
    "Restored",
    "Proof",
    "ETag",
  ];
  const { node, set } = terms(names);
  return {
    node,
    /** @param {import("./calls.ts").Untimed<CopyStatus>} status */
    show(status) {
      const { phase, bytes, parts, rate, lanes, concurrency, pace, proof, skipped, etag } = status;
      const isEnded = ENDED.includes(phase);
      const size = bytes.total === null ? "unknown size" : formatBytes(bytes.total);
      set("Copied", `${formatBytes(bytes.done)} of ${size}`);
      set("Rate", rate.bytesPerSecond === null ? "" : `${formatBytes(rate.bytesPerSecond)}/s`);
      set("Time left", isEnded || rate.etaSeconds === null ? "" : formatSeconds(rate.etaSeconds));
      set("Pace", paceWords(pace));
      const ofParts = `${parts.done} of ${parts.total} done, ${parts.inFlight} in flight`;
      set("Parts", parts.total === null ? "" : ofParts);
      set("Failed attempts", String(parts.failedAttempts));
      set("Lanes", `${lanes}, up to ${concurrency} parts at once`);
      set("Cost", spentWords(status.spent));
      set("Budget", budgetWords(status.budget, status.reason));
      set("Restored", restoredWords(status));
      set("Proof", proof ?? (skipped === true ? "none: it was skipped" : ""));
      set("ETag", etag ?? "");
    },
  };
}

/** @param {import("./calls.ts").Untimed<CopyStatus>} status */
function restoredWords({ restored, skippedBy }) {
  if (restored === undefined) return skippedBy === undefined ? "" : "no: it is archived";
  const { storageClass, tier, readableAt, until, nextLookAt } = restored;
  const from = `from ${storageClass}, ${tier}`;
  if (readableAt !== null) return until === null ? from : `${from}, until ${formatTime(until)}`;
  return nextLookAt === undefined ? `${from}: not yet` : `${from}: next look at ${formatTime(nextLookAt)}`;
}

/** The request, and its times. */
function copyDetails() {
  const names = ["Source", "Destination", "Size", "Options", "Started by", "Requested", "Started", "Ended"];
  const { node, set } = terms(names);
  return {
    node,
    /** @param {import("./calls.ts").Untimed<CopyStatus>} status */
    show({ source, destination, size, options, startedBy, createdAt, startedAt, endedAt }) {
      set("Source", formatObject(source));
      set("Destination", formatObject(destination));
      set("Size", size === null ? "" : `${formatBytes(size)}, ${size.toLocaleString("en")} bytes`);
      set("Options", optionWords(options));
      set("Started by", startedBy ?? "");
      set("Requested", formatTime(createdAt));
      set("Started", formatTime(startedAt));
      set("Ended", formatTime(endedAt));
    },
  };
}

/** @param {Readonly<Record<string, unknown>>} options */
function optionWords(options) {
  return Object.entries(options)
    .filter(([, value]) => value !== null && JSON.stringify(value) !== "{}")
    .map(([name, value]) => `${name}: ${typeof value === "object" ? JSON.stringify(value) : String(value)}`)
    .join(", ");
}

/**
 * The request that makes a copy like it.
 *
 * @param {import("./calls.ts").Untimed<CopyStatus>} status
 */
function requestOf({ source, destination, lanes, concurrency, options }) {
  // A status shows null for what was not requested; a request leaves it out.
  const asked = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== null));
  return { source, destination, lanes, concurrency, ...asked };
}

/**
 * The store whose answer a blocked copy waits for, or null.
 *
 * @param {import("./calls.ts").Untimed<CopyStatus>} status
 */
function blockerOf({ phase, failure, source, destination }) {
  if (phase !== "blocked" || failure === undefined) return null;
  const [side] = failure.code.split("_");
  const place = side === "source" ? source : side === "destination" ? destination : "";
  return formatObject(place).split(":")[0] || null;
}

/**
 * The actions possible in a copy's phase.
 *
 * @param {import("./calls.ts").Untimed<CopyStatus>} status
 * @param {`/copies/${string}`} path
 * @param {ReturnType<typeof workHead>} head
 */
function buttonsFor(status, path, { post, acted }) {
  const { phase, source, destination, orphans, bytes, options } = status;
  const rights = /** @type {const} */ (["steer"]);
  /** @type {import("./work.js").Button[]} */
  const own = [];
  const blockedBy = blockerOf(status);
  if (blockedBy !== null) {
    const act = async () => {
      await resumeAll("copies", blockedBy);
      acted();
    };
    own.push({ name: `Resume all that ${blockedBy} has blocked`, rights, act });
  }
  if (orphans !== undefined && ENDED.includes(phase))
    own.push({ name: "Try to clean up now", rights, act: async () => await post("resume") });
  if (ENDED.includes(phase)) {
    const act = async () => {
      const place = formatObject(destination);
      const overwrites =
        options.ifExists === "overwrite" ? `${place} is overwritten.` : `If ${place} exists, it stays.`;
      const question = `Copy ${formatObject(source)} again, with the same options? ${overwrites}`;
      if (!(await confirmed(question, "Copy it again"))) return;
      // A completed one is no retry, but a copy like it.
      const copy =
        phase === "completed"
          ? await call("POST", "/copies", requestOf(status))
          : await call("POST", `${path}/retry`);
      location.hash = `#/copies/${copy.id}`;
    };
    own.push({ name: "Start again", rights: ["start"], act });
  }
  const lost = `Its upload is aborted, and ${formatBytes(bytes.done)} already sent are lost.`;
  const cancelling = { question: `Cancel this copy? ${lost}`, yes: "Cancel the copy" };
  return steeringButtons(status, post, cancelling, own);
}
