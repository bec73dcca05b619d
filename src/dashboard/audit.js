// The page of the audit: who did what, newest first, refreshed while the page is visible.

import { call, repeat } from "./api.js";
import { h, keyedTable, timeCell } from "./dom.js";

/** @typedef {import("./calls.ts").AuditRow} AuditRow */

/**
 * @param {HTMLElement} main
 * @param {AbortSignal} signal
 */
export async function showAudit(main, signal) {
  const who = h("input", { "aria-label": "Who", placeholder: "token or address" });
  const table = keyedTable(
    "Audit",
    [
      { title: "When", cell: ({ at }) => timeCell(at) },
      { title: "Who", cell: (row) => row.who ?? "not recognised" },
      { title: "Call", cell: ({ method, route }) => `${method} ${route ?? ""}` },
      {
        title: "What",
        cell: ({ target, places }) => [target, places].filter((one) => one !== null).join(", "),
      },
      { title: "From", cell: ({ address }) => address ?? "" },
      { title: "Answer", cell: outcomeNode },
    ],
    /** @param {AuditRow} row */ (row) => row.id,
  );
  const empty = h("p", { class: "quiet" });
  const refresh = async () => {
    const query = who.value === "" ? "" : `&who=${encodeURIComponent(who.value)}`;
    const { calls } = await call("GET", `/audit?limit=100${query}`, undefined, signal);
    table.show(calls);
    empty.textContent = calls.length === 0 ? "Nothing yet." : "";
  };
  who.addEventListener("change", () => void refresh());
  main.replaceChildren(h("h1", {}, "Audit"), h("div", { class: "filters" }, who), table.node, empty);
  await repeat(refresh, signal);
}

/** @param {AuditRow} row */
function outcomeNode({ status, code, times }) {
  const words = [String(status), code, times > 1 ? `${times} times` : null].filter((one) => one !== null);
  return h("span", { class: status < 400 ? "" : "failing" }, words.join(", "));
}
