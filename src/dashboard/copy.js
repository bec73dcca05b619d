// The live page of one copy: its map of parts, throughput, timeline, result and actions.

import { call, follow } from "./api.js";
import { RateChart } from "./chart.js";
import {
  actionButton,
  announce,
  byId,
  confirmed,
  formatBytes,
  formatObject,
  formatSeconds,
  formatTime,
  h,
  setPhase,
  setText,
  terms,
} from "./dom.js";
import { PartMap } from "./map.js";

/** @typedef {import("./calls.ts").CopyStatus} CopyStatus */
/** @typedef {import("./calls.ts").TimelineEntry} TimelineEntry */
/** @typedef {Pick<CopyStatus, "failure" | "warnings" | "orphans">} Troubles */
/** @typedef {import("../http/vocabulary.ts").PartsMessage} PartsMessage */

/** @type {readonly string[]} */
const ENDED = ["completed", "failed", "cancelled"];
/** Nothing moves until somebody, or another copy, does something. @type {readonly string[]} */
const RESTING = ["paused", "blocked", "queued"];
const STATES = {
  live: "live",
  polling: "polling every 2 s",
  reconnecting: "connection lost, reconnecting",
  ended: "ended",
};

/**
 * @param {HTMLElement} main
 * @param {AbortSignal} signal
 * @param {string} id
 */
export async function showCopy(main, signal, id) {
  const path = /** @type {const} */ (`/copies/${id}`);
  const read = async () => await call("GET", path, undefined, signal);
  const status = await read();
  const page = copyPage(path);
  signal.addEventListener("abort", page.close);
  main.replaceChildren(...page.nodes);
  page.status(status);
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
 * @template Status
 * @typedef {{
 *   status: (status: import("./calls.ts").Untimed<Status>) => void,
 *   timeline: (entries: readonly TimelineEntry[]) => void,
 *   parts: (message: PartsMessage) => void,
 *   state: (text: string) => void,
 *   onAct: (act: () => void) => void,
 * }} WorkPage the page of a copy or a sync; `onAct` takes what to call after a button has changed the work
 */

/**
 * Keeps a page up to date by events or by polling. Starts over after an action, because a paused copy sends
 * nothing for half a minute.
 *
 * @template {CopyStatus | import("./calls.ts").SyncStatus} Status
 * @param {{ path: string, query: string, read: () => Promise<Status>, readMore: () => Promise<void> }} work
 * @param {WorkPage<Status>} page
 * @param {AbortSignal} signal
 */
export async function followWork({ path, query, read, readMore }, page, signal) {
  for (;;) {
    const again = new AbortController();
    page.onAct(() => again.abort());
    const viewer = {
      /**
       * @param {string} name
       * @param {string} json
       */
      event(name, json) {
        /** @type {unknown} */
        const data = JSON.parse(json);
        if (name === "status") page.status(/** @type {import("./calls.ts").Untimed<Status>} */ (data));
        if (name === "timeline") page.timeline([/** @type {TimelineEntry} */ (data)]);
        if (name === "parts") page.parts(/** @type {PartsMessage} */ (data));
      },
      async poll() {
        const status = await read();
        page.status(status);
        page.timeline(status.timeline);
        await readMore();
        return [...ENDED, "finished_with_errors"].includes(status.phase);
      },
      /** @param {keyof typeof STATES} state */
      state: (state) => page.state(STATES[state]),
    };
    try {
      await follow(path, query, viewer, AbortSignal.any([signal, again.signal]));
      // It has ended, and only an action of the user can change that.
      await new Promise((resolve) =>
        AbortSignal.any([signal, again.signal]).addEventListener("abort", resolve),
      );
    } catch (error) {
      if (!again.signal.aborted || signal.aborted) throw error;
    }
    if (signal.aborted) return;
  }
}

/** @param {`/copies/${string}`} path */
function copyPage(path) {
  const head = workHead(path);
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
      head.show(status, `${formatObject(status.source).split("/").at(-1)}`);
      head.buttons(buttonsFor(status, path, head.acted));
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
      chart.node.hidden = isEnded && chart.isEmpty;
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
    close: () => {
      map.close();
      chart.close();
    },
  };
}

/** The progress and the result of the copy. */
function copyFacts() {
  const names = ["Copied", "Rate", "Time left", "Parts", "Failed attempts", "Lanes", "Pace", "Proof", "ETag"];
  const { node, set } = terms(names);
  return {
    node,
    /** @param {import("./calls.ts").Untimed<CopyStatus>} status */
    show({ phase, bytes, parts, rate, lanes, concurrency, pace, proof, skipped, etag }) {
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
      set("Proof", proof ?? (skipped === true ? "none: it was skipped" : ""));
      set("ETag", etag ?? "");
    },
  };
}

/** The request, and its times. */
function copyDetails() {
  const { node, set } = terms(["Source", "Destination", "Requested", "Started", "Ended"]);
  return {
    node,
    /** @param {import("./calls.ts").Untimed<CopyStatus>} status */
    show({ source, destination, createdAt, startedAt, endedAt }) {
      set("Source", formatObject(source));
      set("Destination", formatObject(destination));
      set("Requested", formatTime(createdAt));
      set("Started", formatTime(startedAt));
      set("Ended", formatTime(endedAt));
    },
  };
}

/**
 * @param {CopyStatus["pace"]} pace
 * @returns {string} how much may be under way at this moment, and who holds it back
 */
export function paceWords(pace) {
  if (pace === undefined) return "";
  const slow =
    pace.throttledBy.length === 0
      ? ""
      : `; the ${pace.throttledBy.join(" and the ")} asked for fewer requests`;
  return `up to ${pace.streams} transfers at once${slow}`;
}

/** @param {string} phase one in which nothing more happens */
export function endWords(phase) {
  if (phase === "completed") return "has completed";
  return phase === "cancelled" ? "was cancelled" : `has ${phase.replaceAll("_", " ")}`;
}

/**
 * The head and the timeline of a page, the same for copies and syncs.
 *
 * @param {string} path
 */
export function workHead(path) {
  const title = h("h1");
  const phase = h("span");
  const state = h("span", { class: "quiet" });
  const actions = h("div", { class: "actions" });
  const troubles = troublesPanel();
  const timeline = timelinePanel();
  let shownButtons = "";
  let followed = "";
  let isResting = false;
  // "live" beside "blocked" would say that something goes on.
  const showState = () => setText(state, isResting && followed === STATES.live ? "" : followed);
  /** @type {(() => void) | null} */
  let act = null;
  return {
    nodes: [title, h("p", {}, phase, " ", state), actions, ...troubles.nodes],
    timelineNode: timeline.node,
    timeline: timeline.add,
    /** An action has changed the work, so what is shown is stale. */
    acted: () => act?.(),
    onAct: /** @param {() => void} then */ (then) => {
      act = then;
    },
    state: /** @param {string} text */ (text) => {
      followed = text;
      showState();
    },
    /**
     * @param {Troubles & { phase: string }} status
     * @param {string} name
     */
    show(status, name) {
      setText(title, name === "" ? path : name);
      setPhase(phase, status.phase);
      isResting = RESTING.includes(status.phase);
      showState();
      troubles.show(status);
    },
    /** @param {{ name: string, make: () => HTMLElement }[]} buttons */
    buttons(buttons) {
      const names = buttons.map(({ name }) => name).join();
      if (names === shownButtons) return;
      shownButtons = names;
      const hadFocus = actions.contains(document.activeElement);
      actions.replaceChildren(...buttons.map(({ make }) => make()));
      if (hadFocus) (actions.querySelector("button") ?? byId("main")).focus();
    },
  };
}

/** Why it failed or waits, what it may have left behind, and its warnings. */
function troublesPanel() {
  const failure = h("div", { class: "failure", hidden: true });
  const warnings = h("ul", { hidden: true, "aria-label": "Warnings" });
  let shown = "";
  return {
    nodes: [failure, warnings],
    /** @param {Troubles} status */
    show({ failure: reason, warnings: texts, orphans = [] }) {
      const text = JSON.stringify([reason, texts, orphans]);
      if (text === shown) return;
      shown = text;
      failure.hidden = reason === undefined && orphans.length === 0;
      failure.replaceChildren();
      if (reason !== undefined) failure.append(...failureNodes(reason));
      for (const orphan of orphans) {
        const id = orphan.uploadId === undefined ? "" : ` ${orphan.uploadId}`;
        const left = `May be left at the destination: ${orphan.kind.replaceAll("_", " ")}${id}.`;
        failure.append(h("p", {}, `${left} ${orphan.failure.message}`));
      }
      warnings.hidden = texts.length === 0;
      warnings.replaceChildren(...texts.map((warning) => h("li", {}, warning)));
    },
  };
}

/** What happened, newest first. A repeated entry is shown once. */
function timelinePanel() {
  const list = h("ol", { class: "timeline", tabindex: "0", "aria-label": "Timeline" });
  /** @type {Set<string>} */
  const known = new Set();
  return {
    node: h("section", { class: "panel wide" }, h("h2", {}, "Timeline"), list),
    /** @param {readonly TimelineEntry[]} entries */
    add(entries) {
      for (const { at, event, detail } of entries) {
        const key = `${at} ${event} ${detail ?? ""}`;
        if (known.has(key)) continue;
        known.add(key);
        const time = h("time", { datetime: at }, new Date(at).toLocaleTimeString());
        list.prepend(
          h("li", {}, time, event.replaceAll("_", " "), detail === undefined ? "" : `: ${detail}`),
        );
      }
    },
  };
}

/** @param {import("./calls.ts").Failure} failure */
function failureNodes({ code, message, operation, status, requestId, storeCode }) {
  const facts = terms(["Code", "Store's code", "Operation", "HTTP status", "Request ID"]);
  facts.set("Code", code);
  facts.set("Store's code", storeCode ?? "");
  facts.set("Operation", operation);
  facts.set("HTTP status", status === null ? "" : String(status));
  facts.set("Request ID", requestId ?? "");
  const explained = h("a", { href: `/docs/api#code-${code}` }, "What it means, and what to do");
  return [h("p", {}, message), facts.node, h("p", {}, explained)];
}

/**
 * The actions possible in a copy's phase.
 *
 * @param {import("./calls.ts").Untimed<CopyStatus>} status
 * @param {`/copies/${string}`} path
 * @param {() => void} acted
 */
function buttonsFor(status, path, acted) {
  const { phase, source, destination, orphans } = status;
  /** @type {{ name: string, make: () => HTMLElement }[]} */
  const buttons = [];
  /** @param {string} name @param {() => Promise<void>} work @param {string} [kind] */
  const add = (name, work, kind) => buttons.push({ name, make: () => actionButton(name, work, kind) });
  /** @param {string} verb */
  const post = (verb) => async () => {
    await call("POST", `${path}/${verb}`);
    acted();
  };
  if (!ENDED.includes(phase) && !["paused", "blocked", "aborting"].includes(phase))
    add("Pause", post("pause"));
  if (phase === "paused" || phase === "blocked") add("Resume", post("resume"), "main");
  if (orphans !== undefined && ENDED.includes(phase)) add("Try to clean up now", post("resume"));
  if (!ENDED.includes(phase) && phase !== "aborting") {
    add(
      "Cancel",
      async () => {
        const question = `Cancel this copy? Its upload is aborted, and ${formatBytes(status.bytes.done)} already sent are lost.`;
        if (await confirmed(question, "Cancel the copy")) await post("cancel")();
      },
      "danger",
    );
  }
  if (ENDED.includes(phase)) {
    add("Start again", async () => {
      const { options, lanes, concurrency } = status;
      // A status shows null for what was not requested; a request leaves it out.
      const asked = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== null));
      const overwrites =
        options.ifExists === "overwrite"
          ? `${formatObject(destination)} is overwritten.`
          : `If ${formatObject(destination)} exists, it stays.`;
      const question = `Copy ${formatObject(source)} again, with the same options? ${overwrites}`;
      if (!(await confirmed(question, "Copy it again"))) return;
      // A completed one is no retry, but a copy like it.
      const copy =
        phase === "completed"
          ? await call("POST", "/copies", { source, destination, lanes, concurrency, ...asked })
          : await call("POST", `${path}/retry`);
      location.hash = `#/copies/${copy.id}`;
    });
  }
  return buttons;
}
