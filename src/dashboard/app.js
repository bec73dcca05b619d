// The entry point of the dashboard: signing in, the address after the #, and the forms that start work.

import { Missing, SignedOut, call, isPerson, setToken, token } from "./api.js";
import { showAudit } from "./audit.js";
import { showCopy } from "./copy.js";
import {
  announce,
  byId,
  clearError,
  clearFormError,
  confirmed,
  field,
  h,
  setText,
  showError,
  showFormError,
  valuesOf,
} from "./dom.js";
import { showCopies, showSyncs } from "./lists.js";
import { showSchedules } from "./schedules.js";
import { showStores } from "./stores.js";
import { showSync } from "./sync.js";

const main = byId("main");
let leave = new AbortController();
let isLetIn = isPerson();

/** Shows the page of the current address. */
async function route() {
  leave.abort();
  leave = new AbortController();
  const { signal } = leave;
  clearError();
  announce("");
  const isIn = token() !== null || isLetIn;
  byId("nav").hidden = !isIn;
  byId("sign-out").hidden = token() === null;
  if (!isIn) return showSignIn();
  const [section = "copies", id] = location.hash.replace(/^#\//, "").split("/");
  for (const link of document.querySelectorAll("#nav a")) {
    if (link.getAttribute("href") === `#/${section}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${section === "new" ? "Start" : section} – Bucket Brigade`;
  try {
    // An address may come from anybody, and what it names makes the path of a call.
    if (id !== undefined && !isId(id)) throw new Missing(`No copy and no sync has the id "${id}"`);
    if (section === "copies" && id !== undefined) await showCopy(main, signal, id);
    else if (section === "syncs" && id !== undefined) await showSync(main, signal, id);
    else if (section === "syncs") await showSyncs(main, signal);
    else if (section === "schedules") await showSchedules(main, signal);
    else if (section === "stores") await showStores(main, signal);
    else if (section === "audit") await showAudit(main, signal);
    else if (section === "new") showStart();
    else await showCopies(main, signal);
  } catch (error) {
    if (signal.aborted) return;
    if (error instanceof SignedOut) {
      setToken(null);
      isLetIn = false;
      await route();
    }
    showError(error);
    if (error instanceof Missing) {
      const list = h("a", { href: `#/${section}` }, `All ${section}`);
      main.replaceChildren(h("h1", {}, "Not found"), h("p", {}, list));
    }
    // When the connection is back, nobody should have to reload.
    if (!(error instanceof SignedOut || error instanceof Missing))
      setTimeout(() => signal.aborted || void route(), 5_000);
  }
}

/** @param {string} text */
function isId(text) {
  return /^[0-7][0-9a-hjkmnp-tv-z]{25}$/.test(text);
}

function showSignIn() {
  const input = field("API token", { name: "token", type: "password", required: true, autocomplete: "off" });
  const form = h(
    "form",
    {},
    input,
    h("div", { class: "actions" }, h("button", { class: "main" }, "Sign in")),
  );
  const note =
    "It is kept in this tab only and is gone when the tab is closed. The token API_TOKEN_READ can view but not change anything.";
  main.replaceChildren(
    h("h1", {}, "Sign in"),
    h("section", { class: "panel" }, form, h("p", { class: "quiet" }, note)),
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    clearFormError(form);
    setToken(valuesOf(form)["token"] ?? "");
    try {
      await call("GET", "/stores");
      await route();
    } catch (error) {
      setToken(null);
      showFormError(form, error);
    }
  });
}

function showStart() {
  const copy = h(
    "form",
    {},
    field("Source", { name: "source", required: true, placeholder: "store:bucket/key" }),
    field("Destination", { name: "destination", required: true, placeholder: "store:bucket/key" }),
    field("Part size", { name: "partSize", placeholder: "64MiB, or source" }),
    field("Parts at once", { name: "concurrency", inputmode: "numeric" }),
    field("Proof", { name: "verify" }, ["auto", "strict", "off"]),
    field("If the destination exists", { name: "ifExists" }, ["overwrite", "skip", "fail"]),
    h("div", { class: "actions" }, h("button", { class: "main" }, "Start copy")),
  );
  const sync = h(
    "form",
    {},
    field("Source", { name: "source", required: true, placeholder: "store:bucket/prefix" }),
    field("Destination", { name: "destination", required: true, placeholder: "store:bucket/prefix" }),
    field("Include", { name: "include", placeholder: "**/*.jpg" }),
    field("Exclude", { name: "exclude" }),
    field("Compare by", { name: "compare" }, ["auto", "size", "size+mtime", "etag", "checksum"]),
    field("Delete keys that only the destination has", { name: "delete", type: "checkbox", value: "true" }),
    field("Dry run: show what would be done", {
      name: "dryRun",
      type: "checkbox",
      value: "true",
      checked: true,
    }),
    h("div", { class: "actions" }, h("button", { class: "main" }, "Start sync")),
  );
  copy.addEventListener("submit", (event) => void start(event, copy, "copies"));
  sync.addEventListener("submit", (event) => void start(event, sync, "syncs"));
  main.replaceChildren(
    h("h1", {}, "Start"),
    h(
      "div",
      { class: "panels" },
      h("section", { class: "panel" }, h("h2", {}, "Copy one object"), copy),
      h("section", { class: "panel" }, h("h2", {}, "Sync a prefix"), sync),
    ),
  );
}

/**
 * @param {Event} event
 * @param {HTMLFormElement} form
 * @param {"copies" | "syncs"} kind
 */
async function start(event, form, kind) {
  event.preventDefault();
  clearFormError(form);
  const values = valuesOf(form);
  const deletes = values["delete"] === "true" && values["dryRun"] !== "true";
  const question = `Delete every key under ${values["destination"]} that is not in ${values["source"]}?`;
  if (deletes && !(await confirmed(question, "Sync and delete"))) return;
  try {
    const { id } = await call("POST", `/${kind}`, values);
    location.hash = `#/${kind}/${id}`;
  } catch (error) {
    showFormError(form, error);
  }
}

byId("sign-out").addEventListener("click", () => {
  setToken(null);
  setText(main, "");
  void route();
});
addEventListener("hashchange", () => {
  void route();
  main.focus();
});
void route();
