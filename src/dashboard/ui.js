// What lists and forms are made of, as Preact components. Preact makes nodes from text, never HTML, as dom.js
// does.

import { createElement, render } from "preact";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { may, myGrants } from "./api.js";
import { formatTime } from "./dom.js";
import { kept } from "./paging.js";

/** @typedef {import("preact").ComponentChildren} Children */
/** @typedef {import("./calls.ts").Grant} Grant */

const LIST_MS = 3_000;

/** How often "5 min ago" is looked at again. */
const TICK_MS = 20_000;

/**
 * Shows a component as the page, until the page is left.
 *
 * @template Props
 * @param {HTMLElement} main
 * @param {AbortSignal} signal
 * @param {import("preact").ComponentType<Props>} component
 * @param {Props & import("preact").Attributes} props
 */
export function mount(main, signal, component, props) {
  const place = document.createElement("div");
  main.replaceChildren(place);
  render(createElement(component, props), place);
  signal.addEventListener("abort", () => render(null, place));
}

/** An error that the page cannot show where it has come from: app.js does. @param {unknown} error */
function report(error) {
  dispatchEvent(new CustomEvent("page-error", { detail: error }));
}

/**
 * What a call answers, asked for again while the page is visible. What has not changed stays the same object,
 * and an answer that is the same renders nothing.
 *
 * @template Answer
 * @param {(signal: AbortSignal) => Promise<Answer>} read
 * @param {string} key what is asked for: another key asks anew at once
 * @param {number} [everyMs]
 * @returns {{ answer: Answer | null, again: () => Promise<void> }}
 */
export function usePolled(read, key, everyMs = LIST_MS) {
  const [state, setState] = useState(/** @type {{ key: string, answer: Answer } | null} */ (null));
  const again = useRef(async () => {});
  useEffect(() => {
    const leave = new AbortController();
    const ask = async () => {
      try {
        const answer = await read(leave.signal);
        if (leave.signal.aborted) return;
        setState((was) => {
          const now = was?.key === key ? kept(was.answer, answer) : answer;
          return was?.key === key && now === was.answer ? was : { key, answer: now };
        });
      } catch (error) {
        // Who has left the page is not told that its last call was given up.
        if (!leave.signal.aborted) throw error;
      }
    };
    again.current = ask;
    const poll = async () => {
      try {
        if (document.visibilityState === "visible") await ask();
      } catch (error) {
        report(error);
      }
    };
    void poll();
    const timer = setInterval(() => void poll(), everyMs);
    return () => {
      clearInterval(timer);
      leave.abort();
    };
  }, [key]);
  return {
    answer: state?.key === key ? state.answer : null,
    again: useCallback(async () => await again.current(), []),
  };
}

/**
 * What the caller may do; nothing until that is known.
 *
 * @returns {(right: Grant["may"][number], source?: string | null, destination?: string | null) => boolean}
 */
export function useRights() {
  const [grants, setGrants] = useState(/** @type {readonly Grant[]} */ ([]));
  useEffect(() => void myGrants().then(setGrants, report), []);
  return useCallback(
    (right, source = null, destination = null) => may(grants, right, source, destination),
    [grants],
  );
}

/** @param {{ phase: string }} props */
export function Phase({ phase }) {
  const bad = ["failed", "blocked", "finished_with_errors", "skipped", "refused"].includes(phase);
  const good = ["completed", "following", "cut_over"].includes(phase);
  const kind = bad ? " bad" : good ? " good" : "";
  return createElement("span", { class: `phase${kind}` }, phase.replaceAll("_", " "));
}

/** What looks again how long ago its time is. @type {Set<() => void>} */
const clocks = new Set();
/** @type {ReturnType<typeof setInterval> | undefined} */
let ticking;

/** One timer for all: a list has thousands. @param {() => void} look */
function everyTick(look) {
  if (clocks.size === 0) ticking = setInterval(() => clocks.forEach((clock) => clock()), TICK_MS);
  clocks.add(look);
  return () => {
    clocks.delete(look);
    if (clocks.size === 0) clearInterval(ticking);
  };
}

/**
 * How long ago, or in how long; the time itself as its title.
 *
 * @param {{ at: string | null }} props
 */
export function Ago({ at }) {
  // Rendered again only when the words have changed.
  const [, look] = useState(() => agoWords(at));
  useEffect(() => everyTick(() => look(agoWords(at))), [at]);
  if (at === null) return null;
  return createElement("time", { dateTime: at, title: `${formatTime(at)} (${at})` }, agoWords(at));
}

const RELATIVE = new Intl.RelativeTimeFormat("en", { style: "narrow", numeric: "auto" });

/** @param {string | null} at */
function agoWords(at) {
  if (at === null) return "";
  const seconds = (Date.parse(at) - Date.now()) / 1000;
  const size = Math.abs(seconds);
  if (size < 60) return seconds > 0 ? "in a minute" : "just now";
  if (size < 3600) return RELATIVE.format(Math.trunc(seconds / 60), "minute");
  if (size < 86_400) return RELATIVE.format(Math.trunc(seconds / 3600), "hour");
  return RELATIVE.format(Math.trunc(seconds / 86_400), "day");
}

/**
 * A name in one line, of which the end stays visible: names of one folder differ there.
 *
 * @param {{ name: string, href?: string }} props
 */
export function Name({ name, href }) {
  // The line is cut where it begins, as text from right to left is; the name itself is none.
  const text = createElement("bdi", {}, name);
  if (href === undefined) return createElement("span", { class: "name", title: name }, text);
  return createElement("a", { class: "name", title: name, href }, text);
}

/** @param {{ label: string, done: number, total: number | null }} props */
export function Bar({ label, done, total }) {
  const max = Math.max(1, total ?? 1);
  return createElement("progress", { "aria-label": label, max, value: Math.min(done, max) });
}

/**
 * A button that runs an action, and shows beside itself what went wrong.
 *
 * @param {{ act: () => Promise<unknown>, children?: Children, kind?: string, label?: string }} props
 */
export function Action({ act, children, kind = "", label }) {
  const [state, setState] = useState({ busy: false, error: "" });
  const isBusy = useRef(false);
  const run = async () => {
    if (isBusy.current) return;
    isBusy.current = true;
    setState({ busy: true, error: "" });
    try {
      await act();
      setState({ busy: false, error: "" });
    } catch (error) {
      setState({ busy: false, error: error instanceof Error ? error.message : String(error) });
    } finally {
      isBusy.current = false;
    }
  };
  // Not disabled, as in dom.js.
  const button = createElement(
    "button",
    {
      type: "button",
      class: kind,
      "aria-disabled": state.busy,
      onClick: () => void run(),
      ...(label === undefined ? {} : { "aria-label": label }),
    },
    children,
  );
  if (state.error === "") return button;
  return createElement(
    "span",
    {},
    button,
    createElement("span", { class: "form-error", role: "alert" }, state.error),
  );
}

/**
 * A labelled field whose value the form keeps.
 *
 * @param {{
 *   label: string,
 *   name: string,
 *   value: string | boolean,
 *   set: (value: string | boolean) => void,
 *   choices?: readonly string[],
 *   isLong?: boolean,
 *   input?: Record<string, unknown>,
 * }} props
 */
export function Field({ label, name, value, set, choices, isLong = false, input = {} }) {
  if (typeof value === "boolean") {
    const onChange = /** @param {Event} event */ (event) =>
      set(/** @type {HTMLInputElement} */ (event.currentTarget).checked);
    const box = createElement("input", { type: "checkbox", name, checked: value, onChange, ...input });
    return createElement("label", { class: "check" }, box, label);
  }
  const onInput = /** @param {Event} event */ (event) =>
    set(
      /** @type {HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement} */ (event.currentTarget).value,
    );
  const control =
    choices === undefined
      ? createElement(isLong ? "textarea" : "input", { name, value, onInput, ...input })
      : createElement(
          "select",
          { name, value, onInput, ...input },
          ...choices.map((choice) => createElement("option", { value: choice }, choice)),
        );
  return createElement("label", {}, label, control);
}

/** What was typed or chosen. @param {Event} event */
export function valueOf(event) {
  return /** @type {HTMLInputElement | HTMLSelectElement} */ (event.currentTarget).value;
}

/**
 * @template Row
 * @typedef {{ title: string, cell: (row: Row) => Children }} Column
 */

/**
 * A table, whose rows are cards on a phone, each cell with its title in front. A row that stays keeps its
 * nodes, and so its focus.
 *
 * @template Row
 * @param {{
 *   label: string,
 *   rows: readonly Row[],
 *   columns: readonly Column<Row>[],
 *   keyOf: (row: Row) => string,
 * }} props
 */
export function cards({ label, rows, columns, keyOf }) {
  const head = columns.map(({ title }) => createElement("th", { scope: "col", key: title }, title));
  /** @param {Row} row */
  const cellsOf = (row) =>
    columns.map(({ title, cell }) => createElement("td", { "data-title": title, key: title }, cell(row)));
  return createElement(
    "div",
    { class: "scroll", tabIndex: 0, role: "region", "aria-label": label },
    createElement(
      "table",
      { class: "cards" },
      createElement("thead", {}, createElement("tr", {}, head)),
      createElement(
        "tbody",
        {},
        rows.map((row) => createElement("tr", { key: keyOf(row) }, cellsOf(row))),
      ),
    ),
  );
}

/**
 * A time in a table: it wraps between words only.
 *
 * @param {{ at: string | null }} props
 */
export function TimeCell({ at }) {
  return at === null ? null : createElement("span", { class: "words" }, formatTime(at));
}
