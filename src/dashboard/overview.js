// The first page: what needs a person, with what to do about it; what runs; what comes next. And the count of
// the first in the title of the tab, on whatever page.

import { createElement } from "preact";
import { call } from "./api.js";
import { formatObject, setCount } from "./dom.js";
import { Rows } from "./lists.js";
import { inline, troubleOf } from "./trouble.js";
import { Action, Ago, Name, Phase, mount, usePolled, useRights } from "./ui.js";
import { resumeAll } from "./work.js";

/** @typedef {import("./calls.ts").Overview} Overview */
/** @typedef {Overview["needsYou"]} Needs */

const h = createElement;

/** @type {Readonly<Record<Needs["work"][number]["kind"], "copies" | "syncs" | "comparisons">>} */
const LISTS = { copy: "copies", sync: "syncs", comparison: "comparisons" };

/** How often the count in the title is asked for on other pages. */
const COUNT_MS = 20_000;

/**
 * @param {HTMLElement} main
 * @param {AbortSignal} signal
 */
export async function showOverview(main, signal) {
  mount(main, signal, Page, {});
}

/**
 * Keeps the count in the title and in the navigation, until the signal.
 *
 * @param {AbortSignal} signal
 */
export async function watchCount(signal) {
  const look = async () => {
    // What is wrong with the call, the page that is shown finds out as well.
    await readOverview(signal).catch(() => {});
  };
  const timer = setInterval(() => void look(), COUNT_MS);
  signal.addEventListener("abort", () => clearInterval(timer));
  await look();
}

/** @param {AbortSignal} signal */
async function readOverview(signal) {
  const overview = await call("GET", "/overview", undefined, signal);
  const { count, more } = overview.needsYou;
  setCount(count === 0 ? "" : `${count}${more ? "+" : ""}`);
  return overview;
}

function Page() {
  const { answer } = usePolled(readOverview, "overview");
  if (answer === null) return h("div", {}, h("h1", {}, "Overview"), h("p", { class: "quiet" }, "Loading…"));
  const { needsYou, running, waiting, nextRuns, version } = answer;
  return h(
    "div",
    {},
    h("h1", {}, "Overview"),
    h(NeedsYou, { needs: needsYou }),
    h(Running, { running, waiting }),
    h(NextRuns, { runs: nextRuns }),
    h("p", { class: "quiet" }, "Version ", h("a", { href: "/docs/changelog" }, version)),
  );
}

/** @param {{ needs: Needs }} props */
function NeedsYou({ needs }) {
  const { work, stores, schedules, replications, webhooks, orphans, count, more } = needs;
  /** @type {import("preact").ComponentChildren[]} */
  const lines = [
    ...work.map((reason) =>
      h(Reason, { reason, key: `${reason.kind}${reason.phase}${reason.code}${reason.store}` }),
    ),
    ...stores.map((store) => h(StoreLine, { store, key: `store ${store.name} ${store.bucket} ${store.as}` })),
    ...schedules
      .filter(({ outcome }) => outcome !== "started")
      .map((run) => h(RunLine, { run, key: `schedule ${run.name}` })),
    ...replications.map(({ name }) =>
      h(
        "li",
        { key: `replication ${name}` },
        h(Phase, { phase: "blocked" }),
        " ",
        h("a", { href: `#/replications/${encodeURIComponent(name)}` }, `replication ${name}`),
      ),
    ),
  ];
  if (webhooks !== null && webhooks.waiting + webhooks.givenUp > 0) {
    const words = `${webhooks.waiting} webhooks wait for their receiver, ${webhooks.givenUp} were given up. `;
    lines.push(h("li", { key: "webhooks" }, words, h("a", { href: "/docs/operate#webhooks" }, "What to do")));
  }
  if (orphans > 0) {
    const words = `${orphans} ended copies may have left something at their destination`;
    lines.push(h("li", { key: "orphans" }, h("a", { href: "#/copies?orphans=true" }, words)));
  }
  const title = `Needs you${count === 0 ? "" : `: ${count}${more ? " and more" : ""}`}`;
  return h(
    "section",
    { class: "panel spaced", "aria-label": "Needs you" },
    h("h2", {}, title),
    lines.length === 0 ? h("p", { class: "quiet" }, "Nothing.") : h("ul", { class: "plain needs" }, lines),
  );
}

/** @param {{ reason: Needs["work"][number] }} props */
function Reason({ reason }) {
  const { kind, phase, code, store, count, newest, message } = reason;
  const list = LISTS[kind];
  const query = new URLSearchParams({ phase, ...(store === null ? {} : { store }) });
  const many = `${count} ${count === 1 ? kind : list}`;
  const trouble = code === null ? null : troubleOf(code);
  return h(
    "li",
    {},
    h(
      "div",
      {},
      h(Phase, { phase }),
      " ",
      h("a", { href: `#/${list}?${query.toString()}` }, many),
      trouble === null ? "" : `: ${trouble.meaning}`,
      store === null ? "" : h("span", { class: "quiet" }, ` (${store})`),
    ),
    h(
      "div",
      { class: "newest" },
      "newest: ",
      h(Name, { name: formatObject(newest.source), href: `#/${list}/${newest.id}` }),
    ),
    message === null ? null : h("div", { class: "quiet clamped" }, message),
    trouble === null ? null : h("div", {}, h("b", {}, "What to do: "), ...inline(trouble.you, h)),
    store === null ? null : h(StoreActions, { store, list, isBlocked: phase === "blocked", count, newest }),
  );
}

/**
 * @param {{
 *   store: string,
 *   list: "copies" | "syncs" | "comparisons",
 *   isBlocked: boolean,
 *   count: number,
 *   newest: Needs["work"][number]["newest"],
 * }} props
 */
function StoreActions({ store, list, isBlocked, count, newest }) {
  const can = useRights();
  const maySteer = can("steer", formatObject(newest.source), formatObject(newest.destination));
  const act = async () => await resumeAll(list, store);
  return h(
    "div",
    { class: "actions" },
    h("a", { href: `#/stores?check=${encodeURIComponent(store)}` }, `Check ${store}`),
    isBlocked &&
      maySteer &&
      h(Action, { act }, count === 1 ? "Resume it" : `Resume all that ${store} has blocked`),
  );
}

/** @param {{ store: Needs["stores"][number] }} props */
function StoreLine({ store }) {
  const { name, bucket, problem, checkedAt } = store;
  return h(
    "li",
    {},
    h(
      "a",
      { href: `#/stores?check=${encodeURIComponent(name)}` },
      bucket === null ? name : `${name}:${bucket}`,
    ),
    `: ${problem} `,
    h(Ago, { at: checkedAt }),
  );
}

/** @param {{ run: Needs["schedules"][number] }} props */
function RunLine({ run }) {
  const { name, outcome, detail, dueAt } = run;
  return h(
    "li",
    {},
    h(Phase, { phase: outcome }),
    " ",
    h("a", { href: `#/schedules?q=${encodeURIComponent(name)}` }, `schedule ${name}`),
    detail === null ? " " : `: ${detail} `,
    h(Ago, { at: dueAt }),
  );
}

/** @param {Pick<Overview, "running" | "waiting">} props */
function Running({ running, waiting }) {
  const shown = running.work.length;
  const tables = Object.entries(LISTS).map(([kind, list]) => {
    const rows = running.work.filter((row) => row.kind === kind);
    return rows.length === 0 ? null : h(Rows, { key: kind, kind: list, rows });
  });
  const more = running.count > shown || running.more ? `, of which the newest ${shown} are shown` : "";
  const wait =
    waiting.count === 0
      ? ""
      : ` ${waiting.count}${waiting.more ? " and more" : ""} queued, paused or not begun.`;
  return h(
    "section",
    { class: "panel spaced", "aria-label": "Running" },
    h("h2", {}, `Running: ${running.count}${running.more ? " and more" : ""}`),
    tables,
    h(
      "p",
      { class: "quiet" },
      running.count === 0 ? `Nothing moves.${wait}` : `${running.count} move${more}.${wait}`,
    ),
  );
}

/** @param {{ runs: Overview["nextRuns"] }} props */
function NextRuns({ runs }) {
  const items = runs.map(({ name, at }) =>
    h(
      "li",
      { key: name },
      h("a", { href: `#/schedules?q=${encodeURIComponent(name)}` }, name),
      " ",
      h(Ago, { at }),
    ),
  );
  return h(
    "section",
    { class: "panel spaced", "aria-label": "Next runs" },
    h("h2", {}, "Next runs"),
    runs.length === 0
      ? h("p", { class: "quiet" }, "No schedule is due.")
      : h("ul", { class: "plain" }, items),
  );
}
