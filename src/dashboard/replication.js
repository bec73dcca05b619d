// The page of one replication: in which state it is, how far the destination lags behind, what has come of
// its keys, and what can be done: pause, resume, cut over, and make a secret for the sender of its events.

import { createElement } from "preact";
import { useState } from "preact/hooks";
import { call } from "./api.js";
import { announce, confirmed, formatBytes, formatSeconds, formatTime, setTitle } from "./dom.js";
import { LagChart } from "./lag_chart.js";
import { inline, troubleOf } from "./trouble.js";
import { Action, Ago, Phase, mount, usePolled, useRights } from "./ui.js";

/** @typedef {import("./calls.ts").Replication} Replication */
/** @typedef {`/replications/${string}`} Path */

const h = createElement;

/** The lag of five minutes changes slowly. */
const LAG_MS = 15_000;

/**
 * @param {HTMLElement} main
 * @param {AbortSignal} signal
 * @param {string} name
 */
export async function showReplication(main, signal, name) {
  const path = /** @type {const} */ (`/replications/${name}`);
  // What there is none of is told at once.
  await call("GET", path, undefined, signal);
  mount(main, signal, Page, { path });
}

/** @param {{ path: Path }} props */
function Page({ path }) {
  const { answer, again } = usePolled(async (signal) => await call("GET", path, undefined, signal), path);
  const { answer: lag } = usePolled(
    async (signal) => await call("GET", `${path}/lag`, undefined, signal),
    `${path}/lag`,
    LAG_MS,
  );
  if (answer === null) return h("p", { class: "quiet" }, "Loading…");
  const { name, source, destination, phase, failure } = answer;
  setTitle(`${name} ${phase.replaceAll("_", " ")}`);
  const trouble = failure === null ? null : troubleOf(failure.code);
  return h(
    "div",
    {},
    h("h1", {}, name),
    h("p", {}, h(Phase, { phase }), ` ${source} → ${destination}`),
    h(Buttons, { answer, path, again }),
    failure === null ? null : h("div", { class: "failure" }, `${failure.code}: ${failure.message}`),
    trouble === null
      ? null
      : h("div", { class: "what-to-do" }, "What to do: ", ...inline(trouble.you, h), "."),
    h(
      "div",
      { class: "panels" },
      h(Now, { answer }),
      h(Keys, { answer }),
      lag === null ? null : h(LagChart, { series: lag.series }),
      answer.cutover === null ? null : h(Cutover, { cutover: answer.cutover }),
      answer.failures.length === 0 ? null : h(Failures, { answer }),
      h(Sender, { answer, path }),
      h(Timeline, { entries: answer.timeline }),
    ),
  );
}

/** @param {{ answer: Replication, path: Path, again: () => Promise<void> }} props */
function Buttons({ answer, path, again }) {
  const can = useRights();
  const { name, phase, source, destination, deletes, keys } = answer;
  if (!can("steer", source, destination)) return null;
  /** @param {string} verb @param {object} [body] */
  const post = async (verb, body) => {
    await call("POST", `${path}/${verb}`, body);
    await again();
  };
  const resume = async () => {
    const question = `Go on, with ${keys.held} deletions that were held?`;
    if (keys.held === 0 || (await confirmed(question, "Go on and delete"))) await post("resume");
  };
  const cutOver = async () => {
    const question =
      `Have all who write to ${source} stopped? What waits is copied, then both sides are compared. ` +
      "What is written to the source later is not copied.";
    if (await confirmed(question, "They have stopped: cut over")) await post("cutover", { fence: true });
  };
  const remove = async () => {
    const question = `Delete the replication ${name}? Both sides stay as they are, and nothing follows any more.`;
    if (!(await confirmed(question, "Delete it"))) return;
    const left = await call("DELETE", path);
    announce(left === null ? `${name} was deleted` : `${name} is deleted once what it has started has ended`);
    location.hash = "#/replications";
  };
  const rests = phase === "paused" || phase === "blocked";
  const mayResume = !deletes || can("delete", source, destination);
  return h(
    "div",
    { class: "actions" },
    (phase === "following" || phase === "backfilling") &&
      h(Action, { act: async () => await post("pause") }, "Pause"),
    rests && mayResume && h(Action, { act: resume, kind: "main" }, "Resume"),
    phase === "following" && h(Action, { act: cutOver }, "Cut over"),
    phase !== "deleting" && h(Action, { act: remove, kind: "danger" }, "Delete"),
  );
}

/**
 * @typedef {readonly [name: string, value: import("preact").ComponentChildren]} Row
 * @param {{ title: string, rows: readonly Row[] }} props
 */
function Terms({ title, rows }) {
  const shown = rows.filter(([, value]) => value !== "" && value !== null);
  const terms = shown.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]);
  return h("section", { class: "panel", "aria-label": title }, h("h2", {}, title), h("dl", {}, ...terms));
}

/** @param {Replication["run"]} run */
function runWords(run) {
  if (run === null) return "";
  const { kind, id } = run;
  if (id === null) return `a ${kind}, about to begin`;
  return h("a", { href: `#/${kind === "sync" ? "syncs" : "comparisons"}/${id}` }, `${kind} ${id}`);
}

/** @param {{ answer: Replication }} props */
function Now({ answer }) {
  const { pending, lag, run, nextRepairAt, lastRepair, notify } = answer;
  const { keys, working, oldestSeconds, repairNeeded } = pending;
  const found = lastRepair === null ? "" : `${lastRepair.found} keys that events had lost, `;
  const repaired =
    lastRepair === null
      ? ""
      : h("a", { href: `#/comparisons/${lastRepair.comparisonId}` }, found, h(Ago, { at: lastRepair.at }));
  return h(Terms, {
    title: "Now",
    rows: [
      ["Keys waiting", `${keys}${working === 0 ? "" : `, ${working} of them worked on`}`],
      ["The oldest", oldestSeconds === null ? "" : `since ${formatSeconds(oldestSeconds)}`],
      ["Catching up", repairNeeded ? "yes, by a sync: more keys have changed than may wait" : ""],
      ["Lag, half of all", secondsWords(lag.p50Seconds)],
      ["Lag, 99 of 100", secondsWords(lag.p99Seconds)],
      ["Under way", runWords(run)],
      ["Last repair", repaired],
      ["Next repair", formatTime(nextRepairAt)],
      ["Webhooks", notify === null ? "" : notify.length === 0 ? "to nobody" : `to ${notify.join(", ")}`],
    ],
  });
}

/** @param {number | null} seconds */
function secondsWords(seconds) {
  if (seconds === null) return "";
  return seconds < 10 ? `${seconds.toFixed(1)} s` : formatSeconds(seconds);
}

/** Of what there usually is none. @param {number} count */
function some(count) {
  return count === 0 ? "" : String(count);
}

/** @param {{ answer: Replication }} props */
function Keys({ answer: { keys, events } }) {
  return h(Terms, {
    title: "Keys so far",
    rows: [
      ["Named by events", `${events.taken}${events.ignored === 0 ? "" : `, ${events.ignored} ignored`}`],
      ["Copied", `${keys.copied}, ${formatBytes(keys.copiedBytes)}`],
      ["Equal already", String(keys.equal)],
      ["Deleted", String(keys.deleted)],
      ["Not ours, kept", some(keys.kept)],
      ["Deletions held", some(keys.held)],
      ["Failed", some(keys.failed)],
      ["Lost by events", `${keys.lost}, found by repairs`],
    ],
  });
}

/** @param {{ cutover: NonNullable<Replication["cutover"]> }} props */
function Cutover({ cutover }) {
  const { state, at, comparisonId, reasons, keys } = cutover;
  const why = Object.entries(reasons).map(([reason, count]) => `${count} ${reason.replaceAll("_", " ")}`);
  return h(
    "section",
    { class: "panel wide", "aria-label": "Cutover" },
    h("h2", {}, `Cutover: ${state.replaceAll("_", " ")}`),
    h("p", { class: "quiet" }, h(Ago, { at }), why.length === 0 ? "" : `: ${why.join(", ")}`),
    comparisonId === null
      ? null
      : h("p", {}, h("a", { href: `#/comparisons/${comparisonId}` }, "The comparison of both sides")),
    keys.length === 0
      ? null
      : h(
          "ul",
          {},
          keys.map((key) => h("li", { key }, key)),
        ),
  );
}

/** @param {{ answer: Replication }} props */
function Failures({ answer }) {
  const items = answer.failures.map(({ key, code, message, attempts }) =>
    h("li", { key }, `${key}: ${code}: ${message} (${attempts} ${attempts === 1 ? "attempt" : "attempts"})`),
  );
  return h("section", { class: "panel wide" }, h("h2", {}, "Could not be copied yet"), h("ul", {}, items));
}

/**
 * The secret is shown once, and gone with the page.
 *
 * @param {{ answer: Replication, path: Path }} props
 */
function Sender({ answer, path }) {
  const can = useRights();
  const [made, setMade] = useState(/** @type {import("./calls.ts").EventSecret | null} */ (null));
  const { source, destination } = answer;
  if (!can("start", source, destination)) return null;
  const make = async () => {
    const question = "Make a secret for the sender of events? The one before it stays good for a day.";
    if (await confirmed(question, "Make it")) setMade(await call("POST", `${path}/secret`));
  };
  return h(
    "section",
    { class: "panel wide", "aria-label": "Sender of events" },
    h("h2", {}, "Sender of events"),
    h(
      "p",
      {},
      "The store tells this replication what has changed: ",
      h("a", { href: "/docs/events" }, "how to set that up"),
      ".",
    ),
    made === null
      ? null
      : h(
          "dl",
          {},
          h("dt", {}, "Address"),
          h("dd", {}, h("code", {}, made.url)),
          h("dt", {}, "Secret"),
          h("dd", {}, h("code", {}, made.secret)),
          h("dt", {}, "Shown"),
          h("dd", {}, "this once"),
        ),
    h("div", { class: "actions" }, h(Action, { act: make }, "Make a secret")),
  );
}

/** @param {{ entries: Replication["timeline"] }} props */
function Timeline({ entries }) {
  const items = entries
    .toReversed()
    .map(({ at, event, detail }, index) =>
      h(
        "li",
        { key: entries.length - index },
        h(Ago, { at }),
        ` ${event.replaceAll("_", " ")}`,
        detail === undefined ? "" : h("span", { class: "quiet" }, ` ${detail}`),
      ),
    );
  return h(
    "section",
    { class: "panel wide", "aria-label": "Timeline" },
    h("h2", {}, "Timeline"),
    h("ul", { class: "plain" }, items),
  );
}
