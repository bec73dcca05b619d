// The page that starts a copy, a sync or a comparison. What the address has after its "?" is filled in.

import { createElement } from "preact";
import { useState } from "preact/hooks";
import { call } from "./api.js";
import { confirmed } from "./dom.js";
import { Form, WorkFields, requestFrom, valuesFrom } from "./forms.js";
import { mount, useRights } from "./ui.js";

const h = createElement;

/**
 * @param {HTMLElement} main
 * @param {AbortSignal} signal
 * @param {URLSearchParams} query
 */
export async function showStart(main, signal, query) {
  mount(main, signal, Start, { given: Object.fromEntries(query) });
}

/** @param {{ given: Readonly<Record<string, string>> }} props */
function Start({ given }) {
  const can = useRights();
  const refused = can("start") ? null : h("p", { class: "quiet" }, "Your token may not start anything.");
  return h(
    "div",
    {},
    h("h1", {}, "Start"),
    refused,
    h(
      "div",
      { class: "panels" },
      h("section", { class: "panel" }, h("h2", {}, "Copy one object"), h(Starter, { kind: "copy", given })),
      h("section", { class: "panel" }, h("h2", {}, "Sync a prefix"), h(Starter, { kind: "sync", given })),
      h(
        "section",
        { class: "panel" },
        h("h2", {}, "Compare two prefixes"),
        h(Starter, { kind: "comparison", given }),
      ),
    ),
  );
}

const LISTS = /** @type {const} */ ({ copy: "copies", sync: "syncs", comparison: "comparisons" });

/** @param {{ kind: keyof typeof LISTS, given: Readonly<Record<string, string>> }} props */
function Starter({ kind, given }) {
  const [values, setValues] = useState(() =>
    valuesFrom(kind, kind === "sync" ? { dryRun: true, ...given } : given),
  );
  const send = async () => {
    const deletes = values["delete"] === true && values["dryRun"] !== true;
    const question = `Delete every key under ${values["destination"]} that is not in ${values["source"]}?`;
    if (deletes && !(await confirmed(question, "Sync and delete"))) return;
    const list = LISTS[kind];
    const { id } = await call("POST", `/${list}`, requestFrom(kind, values, {}));
    location.hash = `#/${list}/${id}`;
  };
  /** @param {string} name @param {string | boolean} value */
  const set = (name, value) => setValues((before) => ({ ...before, [name]: value }));
  return h(Form, { send, button: `Start ${kind}` }, h(WorkFields, { kind, values, set }));
}
