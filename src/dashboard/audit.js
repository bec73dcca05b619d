// The page of the audit: who did what, newest first, refreshed while the page is visible.

import { createElement } from "preact";
import { useState } from "preact/hooks";
import { call } from "./api.js";
import { TimeCell, cards, mount, usePolled, valueOf } from "./ui.js";

/** @typedef {import("./calls.ts").AuditRow} AuditRow */

const h = createElement;

/**
 * @param {HTMLElement} main
 * @param {AbortSignal} signal
 */
export async function showAudit(main, signal) {
  mount(main, signal, Audit, {});
}

function Audit() {
  const [who, setWho] = useState("");
  const query = who === "" ? "" : `&who=${encodeURIComponent(who)}`;
  const { answer } = usePolled(
    async (signal) => await call("GET", `/audit?limit=100${query}`, undefined, signal),
    `audit ${who}`,
  );
  const calls = answer?.calls ?? [];
  return h(
    "div",
    {},
    h("h1", {}, "Audit"),
    h(
      "div",
      { class: "filters" },
      // An unfinished address is nobody: it is asked for once it is typed.
      h("input", {
        "aria-label": "Who",
        placeholder: "token or address",
        onChange: (event) => setWho(valueOf(event)),
      }),
    ),
    cards({ label: "Audit", rows: calls, keyOf: ({ id }) => id, columns: COLUMNS }),
    answer === null && h("p", { class: "quiet" }, "Loading…"),
    answer !== null && calls.length === 0 && h("p", { class: "quiet" }, "Nothing yet."),
  );
}

/** @type {readonly import("./ui.js").Column<AuditRow>[]} */
const COLUMNS = [
  { title: "When", cell: ({ at }) => h(TimeCell, { at }) },
  { title: "Who", cell: (row) => row.who ?? "not recognised" },
  { title: "Call", cell: ({ method, route }) => `${method} ${route ?? ""}` },
  {
    title: "What",
    cell: ({ target, places }) => [target, places].filter((one) => one !== null).join(", "),
  },
  { title: "From", cell: ({ address }) => address ?? "" },
  { title: "Answer", cell: (row) => h(Outcome, row) },
];

/** @param {AuditRow} row */
function Outcome({ status, code, times }) {
  const words = [String(status), code, times > 1 ? `${times} times` : null].filter((one) => one !== null);
  return h("span", { class: status < 400 ? "" : "failing" }, words.join(", "));
}
