// Who is signed in. The token is kept in this tab's session storage and nowhere else: another tab of this
// page asks the tabs that have it, so that it never comes to the disk.

const TOKEN = "bucket-brigade-token";

/** How long a new tab waits for another one's answer before it asks for the token. */
const ANSWER_MS = 250;

/** @typedef {{ kind: "ask" } | { kind: "token", token: string } | { kind: "out" }} Message */

const tabs = new BroadcastChannel("bucket-brigade");

export function token() {
  return sessionStorage.getItem(TOKEN);
}

/** Cloudflare Access has let this person in, and each request says so by itself. */
export function isPerson() {
  return document.documentElement.dataset["person"] !== undefined;
}

/**
 * Keeps the token, in the tabs that wait for one as well. Null: signs out, everywhere.
 *
 * @param {string | null} value
 */
export function setToken(value) {
  const had = token() !== null;
  if (value === null) sessionStorage.removeItem(TOKEN);
  else sessionStorage.setItem(TOKEN, value);
  if (value !== null) tell({ kind: "token", token: value });
  else if (had) tell({ kind: "out" });
}

/** The mesh has refused the token: this tab forgets it, another one may have a better. */
export function dropToken() {
  sessionStorage.removeItem(TOKEN);
}

/** @param {Message} message */
function tell(message) {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a BroadcastChannel has no other
  tabs.postMessage(message);
}

/**
 * Answers other tabs, and follows them.
 *
 * @param {() => void} changed after this tab was signed in or out by another one
 */
export function shareToken(changed) {
  tabs.addEventListener("message", ({ data }) => {
    /** @type {Message} */
    const message = data;
    const mine = token();
    if (message.kind === "ask" && mine !== null) tell({ kind: "token", token: mine });
    if (message.kind === "token" && mine === null) {
      sessionStorage.setItem(TOKEN, message.token);
      changed();
    }
    if (message.kind === "out" && mine !== null) {
      sessionStorage.removeItem(TOKEN);
      changed();
    }
  });
}

/** Asks the other tabs for the token, and waits a moment for it. */
export async function askTabs() {
  if (token() !== null || isPerson()) return;
  const answered = new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      tabs.removeEventListener("message", take);
      resolve(undefined);
    };
    /** @param {MessageEvent<Message>} event */
    const take = ({ data }) => {
      if (data.kind !== "token") return;
      sessionStorage.setItem(TOKEN, data.token);
      done();
    };
    const timer = setTimeout(done, ANSWER_MS);
    tabs.addEventListener("message", take);
  });
  tell({ kind: "ask" });
  await answered;
}
