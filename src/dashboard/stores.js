// The page of the stores: how each is configured, what is wrong with it, and a form to check it.

import { call, may, myGrants, repeat } from "./api.js";
import {
  actionButton,
  announce,
  clearError,
  confirmed,
  field,
  formatTime,
  h,
  keyedTable,
  showError,
  valuesOf,
} from "./dom.js";

/** @typedef {import("./calls.ts").Store} Store */
/** @typedef {import("./calls.ts").Check} Check */
/** @typedef {Extract<Store, { ok: true }>} UsableStore */

/** @type {Readonly<Record<Check["findings"][number]["outcome"], { words: string, kind: string }>>} */
const OUTCOMES = {
  yes: { words: "yes", kind: " good" },
  no: { words: "no", kind: "" },
  ignored: { words: "accepted, not done", kind: " bad" },
  refused: { words: "refused", kind: " bad" },
  skipped: { words: "not tried", kind: "" },
};

/**
 * @param {HTMLElement} main
 * @param {AbortSignal} signal
 * @param {URLSearchParams} query
 */
export async function showStores(main, signal, query) {
  const grants = await myGrants();
  if (signal.aborted) return;
  const mayCheck = may(grants, "stores");
  const check = h("div", {});
  const table = keyedTable(
    "Stores",
    [
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
        cell: ofUsable(({ endpoint, region }) =>
          region === undefined ? endpoint : `${endpoint}, ${region}`,
        ),
      },
      { title: "Buckets", cell: ofUsable(bucketsOf) },
      {
        title: "Use",
        cell: ofUsable(({ readOnly }) => (readOnly === true ? "source only" : "source and destination")),
      },
      { title: "Limits", cell: ofUsable(capsOf) },
      { title: "Checked", cell: ofUsable(checksNode) },
      { title: "Actions", cell: ofUsable((store) => h("div", { class: "actions" }, ...actionsOf(store))) },
    ],
    /** @param {Store} store */ (store) => store.name,
  );
  /** @param {UsableStore} store */
  const actionsOf = (store) => [
    ...(mayCheck ? storeActions(store, check, refresh, signal) : []),
    ...(may(grants, "start") ? [h("a", { href: `#/new?source=${placeIn(store)}` }, "Copy from it")] : []),
  ];
  /** Which is asked for in the address. */
  let asked = mayCheck ? query.get("check") : null;
  const empty = h("p", { class: "quiet" });
  const webhooks = h("p", { class: "quiet" });
  main.replaceChildren(h("h1", {}, "Stores"), table.node, empty, webhooks, check);
  const refresh = async () => {
    const { stores, notify } = await call("GET", "/stores", undefined, signal);
    table.show(stores);
    const wanted = stores.find(({ name }) => name === asked);
    asked = null;
    if (wanted?.ok === true) openForm(check, wanted, refresh, signal);
    empty.textContent =
      stores.length === 0
        ? "None yet. Each is a secret STORE_<NAME> of the Worker: the page Stores of the documents says what is in it."
        : "";
    const receivers = notify.map((one) =>
      one.state === "on" ? `${one.name} (${one.host})` : `${one.name}: ${one.error}`,
    );
    webhooks.textContent = `Webhooks: ${receivers.length === 0 ? "off" : receivers.join("; ")}`;
  };
  await repeat(refresh, signal);
}

/**
 * @param {(store: UsableStore) => Node | string} cell
 * @returns {(store: Store) => Node | string}
 */
function ofUsable(cell) {
  return (store) => (store.ok ? cell(store) : "");
}

/** @param {UsableStore} store */
function capsOf({ maxConcurrency, maxRequestsPerSecond, maxBytesPerSecond, limits }) {
  const caps = [];
  if (maxConcurrency !== undefined) caps.push(`${maxConcurrency} transfers`);
  if (maxRequestsPerSecond !== undefined) caps.push(`${maxRequestsPerSecond} requests/s`);
  if (maxBytesPerSecond !== undefined) caps.push(`${(maxBytesPerSecond / 1e6).toFixed(1)} MB/s`);
  if (limits !== undefined) caps.push("others by the hour");
  return caps.join(", ");
}

/** @param {UsableStore} store */
function checksNode({ checked }) {
  if (checked.length === 0) return "never";
  const items = checked.map(({ bucket, as, ok, checkedAt, applies, profile }) => {
    const verdict = applies
      ? ok
        ? "works"
        : "does not work"
      : "the configuration has changed since, check it again";
    const kind = applies ? (ok ? " good" : " bad") : "";
    return h(
      "li",
      {},
      `${bucket} as a ${as}: `,
      h("span", { class: `verdict${kind}` }, verdict),
      h("div", { class: "quiet" }, [formatTime(checkedAt), ...wordsOf(profile)].join(", ")),
    );
  });
  return h("ul", { class: "plain" }, ...items);
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

/**
 * @param {UsableStore} store
 * @param {HTMLElement} place of the form and its result
 * @param {() => Promise<void>} refresh
 * @param {AbortSignal} signal
 */
function storeActions(store, place, refresh, signal) {
  const { name, checked } = store;
  const check = actionButton("Check", async () => openForm(place, store, refresh, signal));
  check.setAttribute("aria-label", `Check: ${name}`);
  if (checked.length === 0) return [check];
  const forget = actionButton("Forget", async () => {
    const question = `Forget what checks of ${name} have seen? Later work uses the provider's defaults.`;
    if (!(await confirmed(question, "Forget it"))) return;
    await call("DELETE", /** @type {const} */ (`/stores/${encodeURIComponent(name)}/check`));
    announce(`The checks of ${name} are forgotten`);
    await refresh();
  });
  forget.setAttribute("aria-label", `Forget the checks: ${name}`);
  return [check, forget];
}

/**
 * Shows the form for what the configuration leaves open, and runs the check.
 *
 * @param {HTMLElement} place
 * @param {UsableStore} store
 * @param {() => Promise<void>} refresh
 * @param {AbortSignal} signal
 */
function openForm(place, store, refresh, signal) {
  const { name, readOnly } = store;
  const isServer = store.kind === "https";
  const { buckets = [] } = isServer ? { buckets: [WEB_BUCKET] } : store;
  const bucket =
    buckets.length === 1
      ? h("input", { type: "hidden", name: "bucket", value: buckets[0] ?? "" })
      : field("Bucket", { name: "bucket", required: true }, buckets.length === 0 ? null : buckets);
  const button = h("button", { class: "main" }, "Run the check");
  const told = h("p", { class: "quiet" });
  const form = h(
    "form",
    {},
    bucket,
    ...(isServer ? [field("A file that it serves", { name: "key", required: true }, null)] : []),
    field("Check it as a", { name: "as" }, readOnly === true ? ["source"] : ["destination", "source"]),
    h(
      "p",
      { class: "quiet" },
      isServer
        ? "It is only read: a byte of this file, a few times. It has no listing, so what is seen holds for the file."
        : "As a destination, small objects are written under a prefix of their own and deleted again. As a source, it is only read.",
    ),
    h("div", { class: "actions" }, button),
    told,
  );
  const result = h("div", {});
  place.replaceChildren(
    h(
      "section",
      { class: "panel spaced", "aria-label": `Check ${name}` },
      h("h2", {}, `Check ${name}`),
      form,
      result,
    ),
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    clearError();
    button.disabled = true;
    result.replaceChildren();
    told.textContent = "Asking the store…";
    try {
      const path = /** @type {const} */ (`/stores/${encodeURIComponent(name)}/check`);
      const report = await call("POST", path, valuesOf(form), signal);
      result.replaceChildren(...resultNodes(report));
      place.scrollIntoView({ block: "start" });
      announce(`${verdictOf(report)}. ${toDo(report.advice.length)}`);
      await refresh();
    } catch (error) {
      if (!signal.aborted) showError(error);
    } finally {
      told.textContent = "";
      button.disabled = false;
    }
  });
  /** @type {HTMLElement | null} */ (form.querySelector("select, input:not([type=hidden])"))?.focus();
}

/** @param {Check} report */
function verdictOf({ store, bucket, as, ok }) {
  return `${store}:${bucket} as a ${as}: ${ok ? "works" : "does not work"}`;
}

/** @param {number} count */
function toDo(count) {
  return count === 0 ? "Nothing to do" : `${count} ${count === 1 ? "thing" : "things"} to do`;
}

/** @param {Check} report */
function resultNodes(report) {
  const { store, findings, advice, profile, overruled, use, leftovers, ok } = report;
  const table = keyedTable(
    "Findings",
    [
      { title: "Check", cell: ({ check }) => check },
      {
        title: "Answer",
        cell: ({ outcome }) =>
          h("span", { class: `phase${OUTCOMES[outcome].kind}` }, OUTCOMES[outcome].words),
      },
      { title: "Detail", cell: ({ detail }) => detail },
    ],
    /** @param {Check["findings"][number]} finding */ ({ check }) => check,
  );
  table.show(findings);
  /** @type {Node[]} */
  const nodes = [h("h3", { class: `verdict ${ok ? "good" : "bad"}` }, verdictOf(report))];
  /** @param {string} title @param {readonly string[]} items */
  const list = (title, items) => {
    if (items.length === 0) return;
    nodes.push(h("h4", {}, title), h("ul", {}, ...items.map((item) => h("li", {}, item))));
  };
  list("What to do", advice);
  list("Left behind, could not be deleted", leftovers);
  list("Differs from the provider's defaults", wordsOf(profile));
  list(
    `Differs from "profile" of STORE_${store.toUpperCase()}, which takes precedence until it is changed there`,
    wordsOf(overruled),
  );
  nodes.push(h("p", { class: "quiet" }, `${use}.`));
  nodes.push(h("h4", {}, "Findings"), table.node);
  return nodes;
}
