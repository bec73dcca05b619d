// The page of one comparison: what its keys have ended as so far, the first that could not be read, and its
// report.

import { createElement } from "preact";
import { call } from "./api.js";
import { budgetWords, quoteWords, spentWords } from "./cost.js";
import { formatTime, setTitle } from "./dom.js";
import { inline, troubleOf } from "./trouble.js";
import { Report } from "./report.js";
import { Action, Bar, Phase, mount, usePolled, useRights } from "./ui.js";
import { ENDED, saveReport, steeringOf } from "./work.js";

/** @typedef {import("./calls.ts").ComparisonStatus} ComparisonStatus */

const h = createElement;

const OUTCOMES = /** @type {const} */ ([
  "equal",
  "different",
  "unknown",
  "missing",
  "extra",
  "unreadable",
  "skipped",
]);

/**
 * @param {HTMLElement} main
 * @param {AbortSignal} signal
 * @param {string} id
 */
export async function showComparison(main, signal, id) {
  const path = /** @type {const} */ (`/comparisons/${id}`);
  // What there is none of is told at once.
  await call("GET", path, undefined, signal);
  mount(main, signal, Comparison, { path });
}

/** @param {{ path: `/comparisons/${string}` }} props */
function Comparison({ path }) {
  const { answer, again } = usePolled(async (signal) => await call("GET", path, undefined, signal), path);
  if (answer === null) return h("p", { class: "quiet" }, "Loading…");
  const { source, destination, phase, keys, failure, warnings } = answer;
  setTitle(`${destination} ${phase.replaceAll("_", " ")}`);
  const trouble = failure === undefined ? null : troubleOf(failure.code);
  return h(
    "div",
    {},
    h("h1", {}, `${source} ≟ ${destination}`),
    h("p", {}, h(Phase, { phase })),
    h("p", { class: "id" }, h("code", {}, answer.id)),
    h(Buttons, { answer, path, again }),
    failure === undefined ? null : h("div", { class: "failure" }, `${failure.code}: ${failure.message}`),
    trouble === null
      ? null
      : h("div", { class: "what-to-do" }, "What to do: ", ...inline(trouble.you, h), "."),
    warnings.length === 0
      ? null
      : h(
          "ul",
          { "aria-label": "Warnings" },
          warnings.map((text) => h("li", { key: text }, text)),
        ),
    h(
      "div",
      { class: "panels" },
      h(
        "section",
        { class: "panel" },
        h("h2", {}, "Keys"),
        h(Bar, { label: "Keys decided", done: keys.listed - keys.underWay, total: keys.listed }),
        h("dl", {}, ...OUTCOMES.flatMap((name) => [h("dt", {}, name), h("dd", {}, String(keys[name]))])),
      ),
      h(Details, { answer }),
      answer.unreadable.length === 0 ? null : h(Unreadable, { answer }),
      ENDED.includes(phase) && h(Report, { path }),
    ),
  );
}

/** @param {{ answer: ComparisonStatus, path: `/comparisons/${string}`, again: () => Promise<void> }} props */
function Buttons({ answer, path, again }) {
  const can = useRights();
  const { source, destination } = answer;
  const { mayPause, resume, mayCancel } = steeringOf(answer);
  const maySteer = can("steer", source, destination);
  /** @param {string} verb @param {string} label @param {string} [kind] @param {object} [body] */
  const post = (verb, label, kind = "", body = undefined) => {
    const act = async () => {
      await call("POST", `${path}/${verb}`, body);
      await again();
    };
    return h(Action, { act, kind }, label);
  };
  return h(
    "div",
    { class: "actions" },
    maySteer && mayPause && post("pause", "Pause"),
    maySteer && resume !== null && post("resume", resume.name, "main", resume.body),
    maySteer && mayCancel && post("cancel", "Cancel", "danger"),
    h(Action, { act: async () => await saveReport(path) }, "Save the report"),
  );
}

/** @param {{ answer: ComparisonStatus }} props */
function Details({ answer }) {
  const { deep, proofs, reasons, startedBy, createdAt, endedAt, spent, budget, reason, quote } = answer;
  const proved = Object.entries(proofs).map(([proof, sum]) => `${sum.keys} by ${proof}`);
  const why = Object.entries(reasons).map(([word, count]) => `${count} ${word.replaceAll("_", " ")}`);
  const rows = /** @type {const} */ ([
    ["Deep", deep ? "yes: it reads what nothing else decides" : "no"],
    ["Equal", proved.join(", ")],
    ["Not equal", why.join(", ")],
    ["Cost", spentWords(spent)],
    ["Budget", budgetWords(budget, reason)],
    ["A repair's quote", quoteWords(quote)],
    ["Started by", startedBy ?? ""],
    ["Requested", formatTime(createdAt)],
    ["Ended", formatTime(endedAt)],
  ]);
  const shown = rows.filter(([, value]) => value !== "");
  const terms = shown.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]);
  return h("section", { class: "panel" }, h("h2", {}, "Details"), h("dl", {}, ...terms));
}

/** @param {{ answer: ComparisonStatus }} props */
function Unreadable({ answer }) {
  const items = answer.unreadable.map(({ key, code, message }) =>
    h("li", { key }, `${key}: ${code}: ${message}`),
  );
  return h("section", { class: "panel wide" }, h("h2", {}, "Could not be read"), h("ul", {}, items));
}
