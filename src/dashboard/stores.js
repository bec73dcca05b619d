// The page of the stores: how each is configured, what is wrong with it, and a form to check it.

import { createElement } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { call } from "./api.js";
import { announce, confirmed, formatTime } from "./dom.js";
import { Form } from "./forms.js";
import { Action, Field, cards, mount, usePolled, useRights } from "./ui.js";

/** @typedef {import("./calls.ts").Store} Store */
/** @typedef {import("./calls.ts").Check} Check */
/** @typedef {Extract<Store, { ok: true }>} UsableStore */
/** @typedef {import("preact").ComponentChildren} Children */

const h = createElement;

/** @type {Readonly<Record<Check["findings"][number]["outcome"], { words: string, kind: string }>>} */
const OUTCOMES = {
  yes: { words: "yes", kind: " good" },
  no: { words: "no", kind: "" },
  ignored: { words: "accepted, not done", kind: " bad" },
  refused: { words: "refused", kind: " bad" },
  skipped: { words: "not tried", kind: "" },
};

const NONE =
  "None yet. Each is a secret STORE_<NAME> of the Worker: the page Stores of the documents says what is in it.";

/**
 * @param {HTMLElement} main
 * @param {AbortSignal} signal
 * @param {URLSearchParams} query
 */
export async function showStores(main, signal, query) {
  mount(main, signal, Stores, { first: query.get("check") });
}

/** @param {{ first: string | null }} props `first`: the store whose form the address asks for */
function Stores({ first }) {
  const can = useRights();
  // Another opening of the same form is another form.
  const [asked, setAsked] = useState({ name: first, times: 0 });
  const { answer, again } = usePolled(
    async (signal) => await call("GET", "/stores", undefined, signal),
    "stores",
  );
  if (answer === null) return h("div", {}, h("h1", {}, "Stores"), h("p", { class: "quiet" }, "Loading…"));
  const { stores, notify } = answer;
  const receivers = notify.map((one) =>
    one.state === "on" ? `${one.name} (${one.host})` : `${one.name}: ${one.error}`,
  );
  const chosen = can("stores") ? stores.find(({ name }) => name === asked.name) : undefined;
  const open = /** @param {string} name */ (name) => setAsked(({ times }) => ({ name, times: times + 1 }));
  return h(
    "div",
    {},
    h("h1", {}, "Stores"),
    cards({
      label: "Stores",
      rows: stores,
      keyOf: ({ name }) => name,
      columns: columnsOf({ can, open, again }),
    }),
    stores.length === 0 && h("p", { class: "quiet" }, NONE),
    h("p", { class: "quiet" }, `Webhooks: ${receivers.length === 0 ? "off" : receivers.join("; ")}`),
    chosen?.ok === true && h(CheckPanel, { key: `${chosen.name} ${asked.times}`, store: chosen, again }),
  );
}

/**
 * @typedef {{
 *   can: ReturnType<typeof useRights>,
 *   open: (name: string) => void,
 *   again: () => Promise<void>,
 * }} Doing
 */

/**
 * @param {Doing} doing
 * @returns {readonly import("./ui.js").Column<Store>[]}
 */
function columnsOf(doing) {
  return [
    { title: "Name", cell: ({ name }) => name },
    {
      title: "State",
      cell: (store) => (store.ok ? "configured" : h("span", { class: "failing" }, store.error)),
    },
    {
      title: "Provider",
      cell: ofUsable(({ kind, provider }) => (kind === "https" ? "web server" : provider)),
    },
    {
      title: "Endpoint",
      cell: ofUsable(({ endpoint, region }) => (region === undefined ? endpoint : `${endpoint}, ${region}`)),
    },
    { title: "Buckets", cell: ofUsable(bucketsOf) },
    {
      title: "Use",
      cell: ofUsable(({ readOnly }) => (readOnly === true ? "source only" : "source and destination")),
    },
    { title: "Limits", cell: ofUsable(capsOf) },
    { title: "Checked", cell: ofUsable((store) => h(Checks, { store })) },
    { title: "Actions", cell: ofUsable((store) => h(StoreActions, { store, ...doing })) },
  ];
}

/**
 * @param {(store: UsableStore) => Children} cell
 * @returns {(store: Store) => Children}
 */
function ofUsable(cell) {
  return (store) => (store.ok ? cell(store) : null);
}

/** @param {UsableStore} store */
function capsOf({ maxConcurrency, maxRequestsPerSecond, maxBytesPerSecond, limits }) {
  const caps = [];
  if (maxConcurrency !== undefined) caps.push(`${maxConcurrency} transfers`);
  if (maxRequestsPerSecond !== undefined) caps.push(`${maxRequestsPerSecond} requests/s`);
  if (maxBytesPerSecond !== undefined) caps.push(`${(maxBytesPerSecond / 1e6).toFixed(1)} MB/s`);
  if (limits !== undefined) caps.push("others by the hour");
  return caps.length === 0 ? null : caps.join(", ");
}

/** @param {{ store: UsableStore }} props */
function Checks({ store: { checked } }) {
  if (checked.length === 0) return h("span", {}, "never");
  const items = checked.map(({ bucket, as, ok, checkedAt, applies, profile }) => {
    const verdict = applies
      ? ok
        ? "works"
        : "does not work"
      : "the configuration has changed since, check it again";
    const kind = applies ? (ok ? " good" : " bad") : "";
    return h(
      "li",
      { key: `${bucket} ${as}` },
      `${bucket} as a ${as}: `,
      h("span", { class: `verdict${kind}` }, verdict),
      h("div", { class: "quiet" }, [formatTime(checkedAt), ...wordsOf(profile)].join(", ")),
    );
  });
  return h("ul", { class: "plain" }, items);
}

/** @param {Check["profile"]} facts */
function wordsOf(facts) {
  return Object.entries(facts).map(([name, value]) => `${name}: ${JSON.stringify(value)}`);
}

/** The one bucket of a web server: its base URL. */
const WEB_BUCKET = ".";

/** @param {UsableStore} store */
function bucketsOf({ kind, buckets }) {
  return kind === "https" ? WEB_BUCKET : (buckets?.join(", ") ?? "any the key allows");
}

/** @param {UsableStore} store */
function placeIn({ name, kind, buckets = [] }) {
  const [only, another] = kind === "https" ? [WEB_BUCKET] : buckets;
  return encodeURIComponent(`${name}:${only === undefined || another !== undefined ? "" : `${only}/`}`);
}

/** @param {Doing & { store: UsableStore }} props */
function StoreActions({ store, can, open, again }) {
  const { name, checked } = store;
  const forget = async () => {
    const question = `Forget what checks of ${name} have seen? Later work uses the provider's defaults.`;
    if (!(await confirmed(question, "Forget it"))) return;
    await call("DELETE", /** @type {const} */ (`/stores/${encodeURIComponent(name)}/check`));
    announce(`The checks of ${name} are forgotten`);
    await again();
  };
  const mayCheck = can("stores");
  return h(
    "div",
    { class: "actions" },
    mayCheck && h(Action, { act: async () => open(name), label: `Check: ${name}` }, "Check"),
    mayCheck &&
      checked.length > 0 &&
      h(Action, { act: forget, label: `Forget the checks: ${name}` }, "Forget"),
    can("start") && h("a", { href: `#/new?source=${placeIn(store)}` }, "Copy from it"),
  );
}

const READS_FILE =
  "It is only read: a byte of this file, a few times. It has no listing, so what is seen holds for the file.";
const WRITES_SMALL =
  "As a destination, small objects are written under a prefix of their own and deleted again. As a source, it is only read.";

/**
 * The form for what the configuration leaves open, and what the check has found.
 *
 * @param {{ store: UsableStore, again: () => Promise<void> }} props
 */
function CheckPanel({ store, again }) {
  const { name, readOnly } = store;
  const isServer = store.kind === "https";
  const { buckets = [] } = isServer ? { buckets: [WEB_BUCKET] } : store;
  const uses = readOnly === true ? ["source"] : ["destination", "source"];
  const [bucket, setBucket] = useState(buckets[0] ?? "");
  const [key, setKey] = useState("");
  const [as, setAs] = useState(uses[0] ?? "");
  const [state, setState] = useState({ isAsking: false, report: /** @type {Check | null} */ (null) });
  const panel = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => {
    /** @type {HTMLElement | null | undefined} */ (panel.current?.querySelector("select, input"))?.focus();
  }, []);
  // Once it is there to be seen.
  useEffect(() => {
    if (state.report !== null) panel.current?.scrollIntoView({ block: "start" });
  }, [state.report]);
  const send = async () => {
    setState({ isAsking: true, report: null });
    /** @type {Check | null} */
    let report = null;
    try {
      const path = /** @type {const} */ (`/stores/${encodeURIComponent(name)}/check`);
      report = await call("POST", path, { bucket, as, ...(isServer ? { key } : {}) });
      announce(`${verdictOf(report)}. ${toDo(report.advice.length)}`);
    } finally {
      setState({ isAsking: false, report });
    }
    await again();
  };
  const choices = buckets.length === 0 ? {} : { choices: buckets };
  return h(
    "section",
    { class: "panel spaced", "aria-label": `Check ${name}`, ref: panel },
    h("h2", {}, `Check ${name}`),
    h(
      Form,
      { send, button: "Run the check" },
      buckets.length !== 1 &&
        h(Field, {
          label: "Bucket",
          name: "bucket",
          value: bucket,
          set: (value) => setBucket(String(value)),
          input: { required: true },
          ...choices,
        }),
      isServer &&
        h(Field, {
          label: "A file that it serves",
          name: "key",
          value: key,
          set: (value) => setKey(String(value)),
          input: { required: true },
        }),
      h(Field, {
        label: "Check it as a",
        name: "as",
        value: as,
        choices: uses,
        set: (value) => setAs(String(value)),
      }),
      h("p", { class: "quiet" }, isServer ? READS_FILE : WRITES_SMALL),
    ),
    state.isAsking && h("p", { class: "quiet" }, "Asking the store…"),
    state.report !== null && h(Result, { report: state.report }),
  );
}

/** @param {Check} report */
function verdictOf({ store, bucket, as, ok }) {
  return `${store}:${bucket} as a ${as}: ${ok ? "works" : "does not work"}`;
}

/** @param {number} count */
function toDo(count) {
  return count === 0 ? "Nothing to do" : `${count} ${count === 1 ? "thing" : "things"} to do`;
}

/** @param {{ report: Check }} props */
function Result({ report }) {
  const { store, findings, advice, profile, overruled, use, leftovers, ok } = report;
  const lists = /** @type {const} */ ([
    ["What to do", advice],
    ["Left behind, could not be deleted", leftovers],
    ["Differs from the provider's defaults", wordsOf(profile)],
    [
      `Differs from "profile" of STORE_${store.toUpperCase()}, which takes precedence until it is changed there`,
      wordsOf(overruled),
    ],
  ]);
  return h(
    "div",
    {},
    h("h3", { class: `verdict ${ok ? "good" : "bad"}` }, verdictOf(report)),
    lists
      .filter(([, items]) => items.length > 0)
      .map(([title, items]) => [
        h("h4", {}, title),
        h(
          "ul",
          {},
          items.map((item) => h("li", {}, item)),
        ),
      ]),
    h("p", { class: "quiet" }, `${use}.`),
    h("h4", {}, "Findings"),
    cards({ label: "Findings", rows: findings, keyOf: ({ check }) => check, columns: FINDINGS }),
  );
}

/** @type {readonly import("./ui.js").Column<Check["findings"][number]>[]} */
const FINDINGS = [
  { title: "Check", cell: ({ check }) => check },
  {
    title: "Answer",
    cell: ({ outcome }) => h("span", { class: `phase${OUTCOMES[outcome].kind}` }, OUTCOMES[outcome].words),
  },
  { title: "Detail", cell: ({ detail }) => detail },
];
