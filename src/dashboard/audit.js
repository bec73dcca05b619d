// The page of the audit: who did what, newest first, refreshed while the page is visible.

import { createElement } from "preact";
import { useState } from "preact/hooks";
import { call } from "./api.js";
import { Line, memo, useTable } from "./table.js";
import { TimeCell, mount, usePolled, valueOf } from "./ui.js";

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
    h(Calls, { calls }),
    answer === null && h("p", { class: "quiet" }, "Loading…"),
    answer !== null && calls.length === 0 && h("p", { class: "quiet" }, "Nothing yet."),
  );
}

/** @param {{ calls: readonly AuditRow[] }} props */
function Calls({ calls }) {
  return useTable({
    label: "Audit",
    kind: "audit",
    titles: ["When", "Who", "Call", "What", "From", "Answer"],
    rows: calls,
    keyOf: ({ id }) => id,
    line: (row) => h(CallLine, { key: row.id, row }),
  });
}

const CallLine = memo(
  /** @param {{ row: AuditRow }} props */
  ({ row }) => {
    const { at, who, method, route, target, places, address } = row;
    const cells = [
      { title: "When", children: h(TimeCell, { at }) },
      { title: "Who", children: who ?? "not recognised" },
      { title: "Call", children: `${method} ${route ?? ""}` },
      { title: "What", children: [target, places].filter((one) => one !== null).join(", ") },
      { title: "From", children: address ?? "" },
      { title: "Answer", children: h(Outcome, row) },
    ];
    return h(Line, { cells });
  },
);

/** @param {AuditRow} row */
function Outcome({ status, code, times }) {
  const words = [String(status), code, times > 1 ? `${times} times` : null].filter((one) => one !== null);
  return h("span", { class: status < 400 ? "" : "failing" }, words.join(", "));
}
