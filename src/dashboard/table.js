// Tables of many rows, as Preact components: rows come on the screen a few in each frame, and in groups, of
// which those out of sight are not laid out.

import { Component, createElement } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { withMore } from "./paging.js";

/** @typedef {import("preact").ComponentChildren} Children */

const h = createElement;

/**
 * A component that is rendered again only when one of its props is another.
 *
 * @template {object} Props
 * @param {(props: Props) => Children} component
 * @returns {import("preact").ComponentClass<Props>}
 */
export function memo(component) {
  /** @extends {Component<Props>} */
  class Memo extends Component {
    /** @override @param {Readonly<Props>} next */
    shouldComponentUpdate(next) {
      const before = new Map(Object.entries(this.props));
      return Object.entries(next).some(([name, value]) => value !== before.get(name));
    }

    /** @override @param {Props} props */
    render(props) {
      return h(component, props);
    }
  }
  return Memo;
}

/** How many rows are made in one frame: on a slow machine still a part of the 50 ms that are seen. */
const ROWS_A_FRAME = 10;

/**
 * A long list as it comes on the screen: its rows in groups, some more in each frame until all are there.
 *
 * @template Row
 * @param {readonly Row[]} rows
 * @param {(row: Row) => string} keyOf
 */
function useGroups(rows, keyOf) {
  const shown = useRef(/** @type {ReadonlyMap<string, number>} */ (new Map()));
  // A frame may render more than once, if several answers come in it.
  const room = useRef(ROWS_A_FRAME);
  const [, goOn] = useState(0);
  const groups = withMore(rows, keyOf, shown.current, room.current);
  useLayoutEffect(() => {
    const before = shown.current;
    shown.current = new Map(groups.flatMap((group) => group.rows.map((row) => [keyOf(row), group.number])));
    if ([...shown.current.keys()].some((key) => !before.has(key))) room.current = 0;
    const isWhole = shown.current.size === rows.length;
    if (isWhole && room.current > 0) return;
    const frame = requestAnimationFrame(() => {
      room.current = ROWS_A_FRAME;
      if (!isWhole) goOn((frames) => frames + 1);
    });
    return () => cancelAnimationFrame(frame);
  });
  return groups;
}

/**
 * All that a component renders, which calls it as it calls a hook. How wide the columns are, rows.css says by
 * the kind.
 *
 * @template Row
 * @param {{
 *   label: string,
 *   kind: "rows" | "schedules" | "replications" | "audit",
 *   titles: readonly string[],
 *   rows: readonly Row[],
 *   keyOf: (row: Row) => string,
 *   line: (row: Row) => import("preact").VNode,
 * }} table `line`: a `Line` with its key
 */
export function useTable({ label, kind, titles, rows, keyOf, line }) {
  const groups = useGroups(rows, keyOf);
  const head = titles.map((title) => h("th", { scope: "col", role: "columnheader", key: title }, title));
  const bodies = groups.map((group) => {
    // How high it is while it is out of sight.
    const style = { containIntrinsicBlockSize: `auto calc(${group.rows.length} * var(--row))` };
    return h("tbody", { role: "rowgroup", key: group.number, style }, group.rows.map(line));
  });
  return h(
    "div",
    { class: "scroll", tabIndex: 0, role: "region", "aria-label": label },
    h(
      "table",
      // The roles are said, since by its style it is no table: rows are laid out without the others.
      {
        class: kind === "rows" ? "grouped rows" : `grouped cards ${kind}`,
        role: "table",
        "aria-rowcount": rows.length + 1,
      },
      h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, head)),
      bodies,
    ),
  );
}

/** @param {{ cells: readonly { title: string, kind?: string, children: Children }[] }} props */
export function Line({ cells }) {
  const nodes = cells.map(({ title, kind = "", children }) =>
    h("td", { role: "cell", "data-title": title, class: kind, key: title }, children),
  );
  return h("tr", { role: "row" }, nodes);
}
