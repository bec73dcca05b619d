// What the pages of a copy and of a sync have in common: what it is called, how it is followed, why it has
// failed or waits and what to do then, and what has happened.

import { call, follow, may, myGrants, send } from "./api.js";
import { twiceTheBudget } from "./cost.js";
import { actionButton, announce, byId, confirmed, h, setPhase, setText, setTitle, terms } from "./dom.js";
import { inline, troubleOf } from "./trouble.js";

/** @typedef {import("./calls.ts").CopyStatus} CopyStatus */
/** @typedef {import("./calls.ts").SyncStatus} SyncStatus */
/** @typedef {import("./calls.ts").TimelineEntry} TimelineEntry */
/** @typedef {Pick<CopyStatus, "failure" | "warnings" | "orphans">} Troubles */
/** @typedef {import("../http/vocabulary.ts").PartsMessage} PartsMessage */

/** @type {readonly string[]} */
export const ENDED = [
  "completed",
  "finished_with_errors",
  "failed",
  "cancelled",
  "equal",
  "different",
  "inconclusive",
];
/** Nothing moves until somebody, or another copy, does something. @type {readonly string[]} */
export const RESTING = ["paused", "blocked", "queued"];
const STATES = {
  live: "live",
  polling: "polling every 2 s",
  reconnecting: "connection lost, reconnecting",
  ended: "ended",
};

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
        return ENDED.includes(status.phase);
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
 * @typedef {import("./calls.ts").Grant["may"][number]} Right
 * @typedef {{
 *   name: string,
 *   act: () => Promise<void>,
 *   kind?: "main" | "danger",
 *   rights: readonly Right[],
 * }} Button offered to who has all the rights
 */

/** It ends by itself already. @type {readonly string[]} */
const ENDING = [...ENDED, "aborting", "stopping"];

/**
 * How work can be steered in its phase.
 *
 * @param {Pick<import("./calls.ts").Untimed<CopyStatus>, "budget" | "reason"> & { phase: string }} status
 * @returns {{ mayPause: boolean, resume: { name: string, body?: object } | null, mayCancel: boolean }}
 */
export function steeringOf({ phase, budget, reason }) {
  const mayCancel = !ENDING.includes(phase);
  const rests = phase === "paused" || phase === "blocked";
  const raised = twiceTheBudget(budget, reason);
  const asItWas = rests ? { name: "Resume" } : null;
  return {
    mayPause: mayCancel && !rests && phase !== "reporting",
    resume: raised === null ? asItWas : { name: "Resume with twice the budget", body: raised },
    mayCancel,
  };
}

/**
 * The buttons that pause, resume and cancel work.
 *
 * @param {Parameters<typeof steeringOf>[0]} status
 * @param {(verb: string, body?: object) => Promise<void>} post
 * @param {{ question: string, yes: string }} cancelling what is asked before
 * @param {readonly Button[]} own what only this kind of work has
 * @returns {Button[]}
 */
export function steeringButtons(status, post, { question, yes }, own) {
  const { mayPause, resume, mayCancel } = steeringOf(status);
  const rights = /** @type {const} */ (["steer"]);
  /** @type {Button[]} */
  const buttons = [];
  if (mayPause) buttons.push({ name: "Pause", rights, act: async () => await post("pause") });
  if (resume !== null) {
    const { name, body } = resume;
    buttons.push({ name, kind: "main", rights, act: async () => await post("resume", body) });
  }
  buttons.push(...own);
  const cancel = async () => {
    if (await confirmed(question, yes)) await post("cancel");
  };
  if (mayCancel) buttons.push({ name: "Cancel", kind: "danger", rights, act: cancel });
  return buttons;
}

/**
 * The head and the timeline of a page, the same for copies and syncs.
 *
 * @param {`/${"copies" | "syncs"}/${string}`} path
 * @param {(right: Right) => boolean} can
 */
export function workHead(path, can) {
  const title = h("h1");
  const phase = h("span");
  const state = h("span", { class: "quiet" });
  const actions = h("div", { class: "actions" });
  const identity = identityPanel(path);
  const troubles = troublesPanel();
  const timeline = timelinePanel();
  /** @type {readonly Button[]} */
  let offered = [];
  let shownButtons = "";
  let followed = "";
  let isResting = false;
  // "live" beside "blocked" would say that something goes on.
  const showState = () => setText(state, isResting && followed === STATES.live ? "" : followed);
  /** @type {(() => void) | null} */
  let act = null;
  /** An action has changed the work, so what is shown is stale. */
  const acted = () => act?.();
  return {
    nodes: [title, h("p", {}, phase, " ", state), identity.node, actions, ...troubles.nodes],
    timelineNode: timeline.node,
    timeline: timeline.add,
    acted,
    /** @param {string} verb @param {object} [body] */
    async post(verb, body) {
      await call("POST", `${path}/${verb}`, body);
      acted();
    },
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
     * @param {{ source: string, destination: string }} places
     * @param {object} request that starts the same again
     */
    show(status, name, places, request) {
      setText(title, name === "" ? path : name);
      setTitle(
        `${name.split("/").findLast((part) => part !== "") ?? path} ${status.phase.replaceAll("_", " ")}`,
      );
      setPhase(phase, status.phase);
      isResting = RESTING.includes(status.phase);
      showState();
      identity.show(request);
      troubles.show(status, places);
    },
    /** @param {readonly Button[]} buttons */
    buttons(buttons) {
      offered = buttons.filter(({ rights }) => rights.every(can));
      const names = offered.map(({ name }) => name).join();
      if (names === shownButtons) return;
      shownButtons = names;
      const hadFocus = actions.contains(document.activeElement);
      // The button stays while the status goes on: what it does and asks is of the status by then.
      const actOf = /** @param {string} name */ (name) => offered.find((one) => one.name === name)?.act();
      const nodes = offered.map(({ name, kind }) => actionButton(name, async () => await actOf(name), kind));
      actions.replaceChildren(...nodes);
      if (hadFocus) (actions.querySelector("button") ?? byId("main")).focus();
    },
  };
}

/**
 * What the caller may do with the work of a page: a right that is asked for there is held against its places.
 *
 * @param {string} source
 * @param {string} destination
 */
export async function rightsOver(source, destination) {
  const grants = await myGrants();
  return /** @param {Right} right */ (right) => may(grants, right, source, destination);
}

/**
 * The id, to be copied, and the calls that show and repeat the work.
 *
 * @param {string} path
 */
function identityPanel(path) {
  const id = path.split("/").at(-1) ?? "";
  const calls = h("pre", { tabindex: "0" });
  const list = path.slice(0, path.lastIndexOf("/"));
  const node = h(
    "div",
    {},
    h(
      "div",
      { class: "id" },
      h("code", {}, id),
      copyButton("Copy id", () => id),
    ),
    h(
      "details",
      {},
      h("summary", {}, "As curl"),
      calls,
      h(
        "div",
        { class: "actions" },
        copyButton("Copy the calls", () => calls.textContent ?? ""),
      ),
    ),
  );
  return {
    node,
    /** @param {object} request */
    show(request) {
      const body = JSON.stringify(request).replaceAll("'", `'\\''`);
      const auth = `-H "Authorization: Bearer $TOKEN"`;
      const again = `curl ${auth} -H "Content-Type: application/json" ${location.origin}${list} -d '${body}'`;
      setText(calls, `curl ${auth} -N ${location.origin}${path}/progress\n\n${again}`);
    },
  };
}

/**
 * @param {string} label
 * @param {() => string} text
 */
function copyButton(label, text) {
  return actionButton(label, async () => {
    await navigator.clipboard.writeText(text());
    announce("Copied");
  });
}

/** Why it failed or waits, what it may have left behind, and its warnings. */
function troublesPanel() {
  const failure = h("div", { class: "failure", hidden: true });
  const todo = h("div", { class: "what-to-do", hidden: true });
  const warnings = h("ul", { hidden: true, "aria-label": "Warnings" });
  let shown = "";
  return {
    nodes: [failure, todo, warnings],
    /** @param {Troubles} status @param {{ source: string, destination: string }} places */
    show({ failure: reason, warnings: texts, orphans = [] }, places) {
      const text = JSON.stringify([reason, texts, orphans]);
      if (text === shown) return;
      shown = text;
      failure.hidden = reason === undefined && orphans.length === 0;
      failure.replaceChildren();
      if (reason !== undefined) failure.append(...failureNodes(reason));
      todo.hidden = reason === undefined;
      todo.replaceChildren(...(reason === undefined ? [] : whatToDo(reason.code, places)));
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

const TIME = new Intl.DateTimeFormat(undefined, {
  month: "short",
  day: "numeric",
  hour: "numeric",
  minute: "2-digit",
  second: "2-digit",
});

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
        const time = h("time", { datetime: at }, TIME.format(new Date(at)));
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
  return [h("p", {}, message), facts.node];
}

/**
 * What the table of docs/trouble.md says of a code, and the way to the check of the store whose answer it is.
 *
 * @param {string} code
 * @param {{ source: string, destination: string }} places
 */
function whatToDo(code, places) {
  const trouble = troubleOf(code);
  if (trouble === null) return [];
  const side = code.startsWith("source_") ? "source" : code.startsWith("destination_") ? "destination" : null;
  const [store = ""] = side === null ? [] : places[side].split(":");
  const checks =
    side === null ? [] : [" · ", h("a", { href: `#/stores?check=${store}&as=${side}` }, `Check ${store}`)];
  return [
    h("p", {}, h("b", {}, `${trouble.meaning}. `), "What to do: ", ...inline(trouble.you, h), "."),
    h("p", { class: "quiet" }, "The mesh by itself: ", ...inline(trouble.itself, h), "."),
    h("p", {}, h("a", { href: `/docs/trouble#code-${code}` }, "What it means, and what to do"), ...checks),
  ];
}

/**
 * Resumes what one store has blocked, all of it, a page at a time.
 *
 * @param {"copies" | "syncs" | "comparisons"} list
 * @param {string} store
 */
export async function resumeAll(list, store) {
  let changed = 0;
  let cursor = "";
  do {
    const query = new URLSearchParams({ phase: "blocked", store, ...(cursor === "" ? {} : { cursor }) });
    const page = await call("POST", `/${list}/resume?${query.toString()}`);
    changed += page.changed.length;
    cursor = page.next ?? "";
  } while (cursor !== "");
  announce(`${changed} resumed`);
}

/** Saves a report as a file: the token is in a header, which a link cannot send. @param {string} path */
export async function saveReport(path) {
  const response = await send("GET", `${path}/report`);
  const address = URL.createObjectURL(await response.blob());
  const link = h("a", { href: address, download: `${path.slice(1).replace("/", "-")}.ndjson` });
  link.click();
  URL.revokeObjectURL(address);
}
