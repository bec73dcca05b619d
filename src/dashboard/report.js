// The report of a sync or of a comparison, of any length: read as it comes, counted by what was done and why,
// and shown in a window, in which only the lines in sight are nodes.

import { createElement } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import { send } from "./api.js";
import { formatBytes } from "./dom.js";
import { valueOf } from "./ui.js";

/** @typedef {{ what: string, why: string, key: string, size: number, message: string }} Line */

const h = createElement;

/** As in rows.css. */
const ROW_PX = 28;

/** Beyond what is in sight, at either end. */
const SPARE_ROWS = 8;

/** How long lines are read without a break. */
const SLICE_MS = 10;

/** How often what has come is shown. */
const SHOWN_MS = 250;

/**
 * @param {string} path of the sync or comparison
 * @param {boolean} isPlan of a dry run: only what would be done
 */
function useReport(path, isPlan) {
  const [read, setRead] = useState({
    lines: /** @type {Line[]} */ ([]),
    count: 0,
    isWhole: false,
    error: "",
  });
  useEffect(() => {
    const leave = new AbortController();
    /** @type {Line[]} */
    const lines = [];
    let shownMs = 0;
    const show = (isWhole = false, error = "") => setRead({ lines, count: lines.length, isWhole, error });
    const readAll = async () => {
      for await (const line of linesOf(path, leave.signal)) {
        if (!isPlan || line.what.startsWith("would")) lines.push(line);
        if (performance.now() - shownMs < SHOWN_MS) continue;
        shownMs = performance.now();
        show();
      }
      show(true);
    };
    readAll().catch((error) => leave.signal.aborted || show(false, String(error.message ?? error)));
    return () => leave.abort();
  }, [path]);
  return read;
}

/**
 * @param {string} path
 * @param {AbortSignal} signal
 * @returns {AsyncGenerator<Line>}
 */
async function* linesOf(path, signal) {
  const response = await send("GET", `${path}/report`, undefined, signal);
  if (response.body === null) return;
  let text = "";
  let begunMs = performance.now();
  for await (const piece of response.body.pipeThrough(new TextDecoderStream())) {
    const lines = `${text}${piece}`.split("\n");
    text = lines.pop() ?? "";
    for (const line of lines) {
      yield lineOf(line);
      if (performance.now() - begunMs < SLICE_MS) continue;
      // Somebody may be scrolling meanwhile.
      await new Promise((resolve) => setTimeout(resolve));
      begunMs = performance.now();
    }
  }
}

/** @param {string} json @returns {Line} */
function lineOf(json) {
  /** @type {Partial<Record<string, string>> & { key: string, size: number }} */
  const { key, size, ...words } = JSON.parse(json);
  const { action, outcome, reason = "", message = "" } = words;
  const what = (action ?? outcome ?? "").replaceAll("_", " ");
  return { what, why: reason.replaceAll("_", " "), key, size, message };
}

/** @param {{ path: string, isPlan?: boolean }} props */
export function Report({ path, isPlan = false }) {
  const { lines, count, isWhole, error } = useReport(path, isPlan);
  const [group, setGroup] = useState("");
  const [text, setText] = useState("");
  const groups = useMemo(() => groupsOf(lines), [lines, count]);
  const shown = useMemo(
    () =>
      group === "" && text === ""
        ? lines.slice(0, count)
        : lines.filter((line) => (group === "" || nameOf(line) === group) && line.key.includes(text)),
    [lines, count, group, text],
  );
  const title = isPlan ? "What would be done" : "Report";
  const state = isWhole ? "" : " so far";
  const words = isPlan ? `${count} keys would change${state}.` : `${count} keys${state}.`;
  return h(
    "section",
    { class: "panel wide" },
    h("h2", {}, title),
    h("p", { class: "quiet", role: "status" }, words),
    error === "" ? null : h("p", { class: "form-error", role: "alert" }, error),
    h(
      "div",
      { class: "actions inline filters" },
      h("input", {
        type: "search",
        "aria-label": "Search keys",
        placeholder: "Search keys",
        value: text,
        onInput: /** @param {Event} event */ (event) => setText(valueOf(event)),
      }),
      h(
        "select",
        {
          "aria-label": "What and why",
          value: group,
          onInput: /** @param {Event} event */ (event) => setGroup(valueOf(event)),
        },
        h("option", { value: "" }, "everything"),
        ...[...groups].map(([name, times]) => h("option", { value: name }, `${name} (${times})`)),
      ),
    ),
    h(Window, { label: title, lines: shown }),
  );
}

/** @param {Line} line */
function nameOf({ what, why }) {
  return why === "" ? what : `${what}: ${why}`;
}

/**
 * How many there are of each, most first.
 *
 * @param {readonly Line[]} lines
 */
function groupsOf(lines) {
  /** @type {Map<string, number>} */
  const groups = new Map();
  for (const line of lines) groups.set(nameOf(line), (groups.get(nameOf(line)) ?? 0) + 1);
  return new Map([...groups].toSorted(([, one], [, other]) => other - one));
}

/**
 * A table of which only the rows in sight are there. The browser scrolls it, also by keyboard.
 *
 * @param {{ label: string, lines: readonly Line[] }} props
 */
function Window({ label, lines }) {
  const [view, setView] = useState({ topPx: 0, heightPx: 420 });
  const first = Math.max(0, Math.floor(view.topPx / ROW_PX) - SPARE_ROWS);
  const last = Math.min(lines.length, Math.ceil((view.topPx + view.heightPx) / ROW_PX) + SPARE_ROWS);
  const rows = [];
  for (let index = first; index < last; index++) {
    const line = lines[index];
    if (line !== undefined) rows.push(h(Row, { key: index, index, line }));
  }
  const titles = ["What", "Key", "Size", "Why"];
  const onScroll = /** @param {Event} event */ (event) => {
    const { scrollTop, clientHeight } = /** @type {HTMLElement} */ (event.currentTarget);
    setView({ topPx: scrollTop, heightPx: clientHeight });
  };
  return h(
    "div",
    { class: "window", tabIndex: 0, role: "region", "aria-label": label, onScroll },
    h(
      "div",
      { role: "table", "aria-label": label, "aria-rowcount": lines.length + 1 },
      h(
        "div",
        { role: "rowgroup" },
        h("div", { role: "row" }, ...titles.map((title) => h("span", { role: "columnheader" }, title))),
      ),
      h("div", { role: "rowgroup", class: "lines", style: { height: `${lines.length * ROW_PX}px` } }, rows),
    ),
  );
}

/** @param {{ index: number, line: Line }} props */
function Row({ index, line }) {
  const { what, why, key, size, message } = line;
  /** @param {string} text @param {string} [title] */
  const cell = (text, title = text) => h("span", { role: "cell", title }, text);
  return h(
    "div",
    { role: "row", "aria-rowindex": index + 2, style: { top: `${index * ROW_PX}px` } },
    cell(what),
    cell(key),
    cell(formatBytes(size)),
    cell(why, message === "" ? why : message),
  );
}
