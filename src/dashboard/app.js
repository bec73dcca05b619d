// The entry point of the dashboard: signing in, and which page the address after the # means.

import { Missing, SignedOut, call, forgetGrants } from "./api.js";
import { showAudit } from "./audit.js";
import { showComparison } from "./comparison.js";
import { showCopy } from "./copy.js";
import {
  announce,
  byId,
  clearError,
  clearFormError,
  field,
  h,
  setCount,
  setText,
  setTitle,
  showError,
  showFormError,
  valuesOf,
} from "./dom.js";
import { showWork } from "./lists.js";
import { showOverview, watchCount } from "./overview.js";
import { showReplication } from "./replication.js";
import { showReplications } from "./replications.js";
import { showSchedules } from "./schedules.js";
import { askTabs, dropToken, isPerson, setToken, shareToken, token } from "./session.js";
import { showStart } from "./start.js";
import { showStores } from "./stores.js";
import { showSync } from "./sync.js";

const main = byId("main");
let leave = new AbortController();
/** Of the count in the title. */
let watch = new AbortController();
let isLetIn = isPerson();

/** @type {Readonly<Record<string, string>>} */
const TITLES = {
  overview: "Overview",
  copies: "Copies",
  syncs: "Syncs",
  comparisons: "Comparisons",
  replications: "Replications",
  schedules: "Schedules",
  stores: "Stores",
  audit: "Audit",
  new: "Start",
};

const REPEAT_MS = 5_000;

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
  const [path = "", asked = ""] = location.hash.replace(/^#\//, "").split("?");
  const [section = "", id] = path === "" ? ["overview"] : path.split("/");
  for (const link of document.querySelectorAll("#nav a")) {
    if (link.getAttribute("href") === `#/${section}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  setTitle(TITLES[section] ?? "Overview");
  try {
    await show(section, id, new URLSearchParams(asked), signal);
  } catch (error) {
    if (!signal.aborted) await failed(error, section);
  }
}

/**
 * @param {string} section
 * @param {string | undefined} id
 * @param {URLSearchParams} query
 * @param {AbortSignal} signal
 */
async function show(section, id, query, signal) {
  // An address may come from anybody, and what it names makes the path of a call.
  if (section === "replications" && id !== undefined && isName(id))
    return await showReplication(main, signal, id);
  if (id !== undefined && !isId(id)) throw new Missing(`No copy and no sync has the id "${id}"`);
  if (section === "copies" && id !== undefined) await showCopy(main, signal, id);
  else if (section === "syncs" && id !== undefined) await showSync(main, signal, id);
  else if (section === "comparisons" && id !== undefined) await showComparison(main, signal, id);
  else if (section === "copies" || section === "syncs" || section === "comparisons")
    await showWork(main, signal, section, query);
  else if (section === "replications") await showReplications(main, signal);
  else if (section === "schedules") await showSchedules(main, signal, query);
  else if (section === "stores") await showStores(main, signal, query);
  else if (section === "audit") await showAudit(main, signal);
  else if (section === "new") await showStart(main, signal, query);
  else await showOverview(main, signal);
}

/**
 * @param {unknown} error
 * @param {string} section
 */
async function failed(error, section) {
  if (error instanceof SignedOut) {
    dropToken();
    signedOut();
    await route();
  }
  showError(error);
  if (error instanceof Missing) {
    const list = h("a", { href: `#/${section}` }, `All ${section}`);
    main.replaceChildren(h("h1", {}, "Not found"), h("p", {}, list));
  }
  // When the connection is back, nobody should have to reload.
  const { signal } = leave;
  if (!(error instanceof SignedOut || error instanceof Missing))
    setTimeout(() => signal.aborted || void route(), REPEAT_MS);
}

/** @param {string} text */
function isId(text) {
  return /^[0-7][0-9a-hjkmnp-tv-z]{25}$/.test(text);
}

/** Of a replication. @param {string} text */
function isName(text) {
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(text);
}

function showSignIn() {
  setTitle("Sign in");
  const attributes = { name: "token", type: "password", required: true, autocomplete: "current-password" };
  const form = h(
    "form",
    {},
    field("API token", attributes),
    h("div", { class: "actions" }, h("button", { class: "main" }, "Sign in")),
  );
  const note =
    "It is kept in the tabs of this page and is gone when the last one is closed. The token API_TOKEN_READ can view but not change anything.";
  main.replaceChildren(
    h("h1", {}, "Sign in"),
    h("section", { class: "panel" }, form, h("p", { class: "quiet" }, note)),
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    clearFormError(form);
    const typed = valuesOf(form)["token"] ?? "";
    try {
      await call("GET", "/me", undefined, undefined, { authorization: `Bearer ${typed}` });
    } catch (error) {
      showFormError(form, error);
      return;
    }
    setToken(typed);
    await begin();
  });
}

/** With a token, or for a person. */
async function begin() {
  forgetGrants();
  watch.abort();
  watch = new AbortController();
  if (token() !== null || isLetIn) void watchCount(watch.signal);
  await route();
}

function signedOut() {
  forgetGrants();
  watch.abort();
  setCount("");
  isLetIn = false;
}

byId("sign-out").addEventListener("click", () => {
  setToken(null);
  signedOut();
  isLetIn = isPerson();
  setText(main, "");
  void route();
});
// The address after the # is that of a page.
document.querySelector(".skip")?.addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
addEventListener("hashchange", () => {
  void route();
  main.focus();
});
addEventListener("page-error", (event) => {
  const [section = "overview"] = location.hash.replace(/^#\//, "").split(/[/?]/);
  void failed(/** @type {CustomEvent<unknown>} */ (event).detail, section);
});
void askTabs().then(async () => {
  shareToken(() => {
    if (token() === null) signedOut();
    void begin();
  });
  await begin();
});
