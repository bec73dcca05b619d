// How far the destination has lagged behind over the last day, and how many keys have waited: two lines over
// one axis of time, as SVG. What they show is said in words as well.

import { createElement } from "preact";
import { formatSeconds } from "./dom.js";

/** @typedef {import("./calls.ts").ReplicationLag["series"]} Series */
/** @typedef {{ atMs: number, value: number | null }} Point */

const h = createElement;

const WIDTH = 600;
const HEIGHT = 80;

/** Without a point for longer than this, the line is broken. Points lie five minutes apart. */
const GAP_MS = 11 * 60_000;

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });

/** @param {{ series: Series }} props */
export function LagChart({ series }) {
  /** @param {(row: Series[number]) => number | null} value @returns {Point[]} */
  const pointsOf = (value) => series.map((row) => ({ atMs: Date.parse(row.at), value: value(row) }));
  const first = series[0]?.at;
  const last = series.at(-1)?.at;
  const times =
    first === undefined || last === undefined
      ? null
      : h(
          "div",
          { class: "axis" },
          h("span", {}, CLOCK.format(Date.parse(first))),
          h("span", {}, CLOCK.format(Date.parse(last))),
        );
  return h(
    "section",
    { class: "panel wide", "aria-label": "The last day" },
    h("h2", {}, "The last day"),
    h(Line, { name: "Lag", points: pointsOf(({ p99Seconds }) => p99Seconds), words: lagWords }),
    h(Line, { name: "Keys waiting", points: pointsOf(({ pending }) => pending), words: String }),
    times,
  );
}

/** @param {number} seconds */
function lagWords(seconds) {
  return seconds < 10 ? `${seconds.toFixed(1)} s` : formatSeconds(seconds);
}

/** @param {{ name: string, points: readonly Point[], words: (value: number) => string }} props */
function Line({ name, points, words }) {
  const values = points.flatMap(({ value }) => (value === null ? [] : [value]));
  const now = values.at(-1);
  if (now === undefined) return h("p", { class: "quiet" }, `${name}: nothing yet.`);
  const most = Math.max(...values);
  const said = `${name}: ${words(now)} at last, ${words(most)} at most`;
  return h(
    "figure",
    { class: "line" },
    h("figcaption", { class: "quiet" }, said),
    h(
      "svg",
      { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": said },
      h("path", { d: pathOf(points, most) }),
    ),
  );
}

/**
 * Broken where nothing was measured.
 *
 * @param {readonly Point[]} points
 * @param {number} most
 */
function pathOf(points, most) {
  const fromMs = points[0]?.atMs ?? 0;
  const spanMs = Math.max(1, (points.at(-1)?.atMs ?? 0) - fromMs);
  let beforeMs = -Infinity;
  return points
    .flatMap(({ atMs, value }) => {
      if (value === null) return [];
      const x = ((atMs - fromMs) / spanMs) * WIDTH;
      const y = HEIGHT - 2 - (value / Math.max(most, Number.MIN_VALUE)) * (HEIGHT - 4);
      const isNew = atMs - beforeMs > GAP_MS;
      beforeMs = atMs;
      // A point alone is a short line.
      return [`${isNew ? "M" : "L"}${x.toFixed(1)} ${y.toFixed(1)}${isNew ? "h1" : ""}`];
    })
    .join("");
}
