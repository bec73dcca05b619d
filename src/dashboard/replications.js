// The replications: from where to where, and in which state; and a form to make one.

import { createElement } from "preact";
import { useState } from "preact/hooks";
import { call } from "./api.js";
import { announce } from "./dom.js";
import { Form, WorkFields, requestFrom, valuesFrom } from "./forms.js";
import { Line, memo, useTable } from "./table.js";
import { Ago, Field, Name, Phase, mount, usePolled, useRights } from "./ui.js";

/** @typedef {import("./calls.ts").ReplicationRow} ReplicationRow */

const h = createElement;

/**
 * @param {HTMLElement} main
 * @param {AbortSignal} signal
 */
export async function showReplications(main, signal) {
  mount(main, signal, Replications, {});
}

function Replications() {
  const can = useRights();
  const { answer, again } = usePolled(
    async (signal) => await call("GET", "/replications", undefined, signal),
    "replications",
  );
  const all = answer?.replications ?? [];
  return h(
    "div",
    {},
    h("h1", {}, "Replications"),
    answer === null ? h("p", { class: "quiet" }, "Loading…") : null,
    answer !== null && all.length === 0 ? h("p", { class: "quiet" }, "None yet.") : null,
    all.length === 0 ? null : h(List, { all }),
    can("start") ? h(NewReplication, { again }) : null,
  );
}

/** @param {{ all: readonly ReplicationRow[] }} props */
function List({ all }) {
  return useTable({
    label: "Replications",
    kind: "replications",
    titles: ["Name", "State", "Source", "Destination", "Made"],
    rows: all,
    keyOf: ({ id }) => id,
    line: (one) => h(ReplicationLine, { key: one.id, one }),
  });
}

const ReplicationLine = memo(
  /** @param {{ one: ReplicationRow }} props */
  ({ one: { name, phase, source, destination, createdAt } }) => {
    const cells = [
      { title: "Name", children: h("a", { href: `#/replications/${name}` }, name) },
      { title: "State", children: h(Phase, { phase }) },
      { title: "Source", children: h(Name, { name: source }) },
      { title: "Destination", children: h(Name, { name: destination }) },
      { title: "Made", children: h(Ago, { at: createdAt }) },
    ];
    return h(Line, { cells });
  },
);

const EMPTY = { name: "", deletes: false, repair: "0 3 * * *", notify: "" };

/** Of the fields of a sync, those that a replication does not take, or has under another name. */
const WITHOUT = [
  "keys",
  "manifest",
  "delete",
  "maxDeletes",
  "dryRun",
  "minSize",
  "maxSize",
  "minAgeSeconds",
  "maxAgeSeconds",
  "report",
];

/** @param {{ again: () => Promise<void> }} props */
function NewReplication({ again }) {
  const [own, setOwn] = useState(EMPTY);
  const [values, setValues] = useState(
    /** @type {Readonly<Record<string, string | boolean>>} */ (valuesFrom("sync", {})),
  );
  const send = async () => {
    const { name, deletes, repair, notify } = own;
    const names = notify.split(/[\s,]+/).filter(Boolean);
    const told = names.length === 0 ? {} : { notify: names };
    const { delete: _delete, dryRun: _dryRun, ...rest } = requestFrom("sync", values, {});
    await call("PUT", `/replications/${encodeURIComponent(name)}`, { ...rest, deletes, repair, ...told });
    announce(`${name} was made`);
    location.hash = `#/replications/${name}`;
    await again();
  };
  /** @param {keyof typeof EMPTY} name @param {string} label @param {Record<string, unknown>} [input] */
  const field = (name, label, input = {}) =>
    h(Field, {
      name,
      label,
      value: own[name],
      set: (value) => setOwn((was) => ({ ...was, [name]: value })),
      input,
    });
  return h(
    "section",
    { class: "panel spaced" },
    h("h2", {}, "New replication"),
    h(
      Form,
      { send, button: "Make it" },
      field("name", "Name", { required: true, pattern: "[A-Za-z0-9][A-Za-z0-9._\\-]{0,62}" }),
      h(WorkFields, {
        kind: "sync",
        values,
        set: (name, value) => setValues((was) => ({ ...was, [name]: value })),
        without: WITHOUT,
      }),
      field("deletes", "Delete at the destination what is gone at the source"),
      field("repair", "Repair, cron, or off", { required: true }),
      field("notify", "Tell these receivers of webhooks, by name; empty: all"),
      h(
        "p",
        { class: "quiet" },
        "It copies what is there, and then what changes. Its page has the secret for the sender of events: ",
        h("a", { href: "/docs/events" }, "how to set that up"),
        ".",
      ),
    ),
  );
}
