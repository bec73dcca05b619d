// The live map of a copy's parts on a canvas: one cell per part, coloured by state or by lane. Only cells
// that change are redrawn. The arrow keys move from part to part, and each part is described in words.

import { h, setText } from "./dom.js";

/** @typedef {import("../http/vocabulary.ts").PartWord} Row */

const COLOURS = /** @type {const} */ ({
  pending: "not started",
  "in-flight": "in flight",
  retrying: "to be retried",
  done: "done",
  retried: "done after a retry",
  failed: "failed",
});
const MAX_CELL_PX = 18;
const MIN_CELL_PX = 4;
const MAX_HEIGHT_PX = 420;

export class PartMap {
  /** @type {Map<number, Row>} */
  #rows = new Map();
  #total = 0;
  #hasFailed = false;
  #selected = 0;
  #cellPx = MAX_CELL_PX;
  #columns = 1;
  /** Cells to redraw. Null: all of them. @type {Set<number> | null} */
  #stale = null;
  #isDue = false;
  /** @type {Map<string, string>} */
  #palette = new Map();
  /** The colour that the canvas has now. */
  #colour = "";
  #canvas = h("canvas", { tabindex: "0", role: "img" });
  #told = h("p", { class: "quiet", role: "status" });
  #by = h("select", { "aria-label": "Colour parts by" }, h("option", {}, "state"), h("option", {}, "lane"));
  #legend = h("ul", { class: "legend" });
  #resize = new ResizeObserver(() => this.#drawAll());
  #scheme = matchMedia("(prefers-color-scheme: dark)");
  #onScheme = () => this.#drawAll();
  node = h(
    "section",
    { class: "panel wide", hidden: true },
    h("h2", {}, "Parts"),
    h("div", { class: "actions inline" }, h("span", {}, "Colour by"), this.#by),
    this.#canvas,
    this.#legend,
    this.#told,
  );

  constructor() {
    this.#by.addEventListener("change", () => this.#drawAll());
    this.#canvas.addEventListener("pointermove", (event) => {
      const column = Math.floor(event.offsetX / this.#cellPx);
      const part = Math.floor(event.offsetY / this.#cellPx) * this.#columns + column + 1;
      if (column < this.#columns && part <= this.#total) this.#tell(part);
    });
    this.#canvas.addEventListener("keydown", (event) => {
      const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.#columns, ArrowDown: this.#columns };
      const step = /** @type {Record<string, number>} */ (steps)[event.key];
      if (step === undefined || this.#total === 0) return;
      event.preventDefault();
      const before = this.#selected;
      this.#tell(Math.max(1, Math.min(this.#total, before + step)));
      this.#redraw([before, this.#selected]);
    });
    this.#resize.observe(this.#canvas);
    this.#scheme.addEventListener("change", this.#onScheme);
  }

  close() {
    this.#resize.disconnect();
    this.#scheme.removeEventListener("change", this.#onScheme);
  }

  /**
   * @param {import("../http/vocabulary.ts").PartsMessage} message
   */
  take({ total, reset, parts }) {
    if (reset) this.#rows.clear();
    for (const row of parts) this.#rows.set(row[0], row);
    this.node.hidden = total === 0;
    if (reset || total !== this.#total) {
      this.#total = total;
      this.#drawAll();
    } else this.#redraw(parts.map(([partNumber]) => partNumber));
    if (this.#selected > 0) this.#tell(this.#selected);
  }

  /** Parts that are not done will never be. @param {boolean} hasFailed */
  setFailed(hasFailed) {
    if (hasFailed === this.#hasFailed) return;
    this.#hasFailed = hasFailed;
    this.#drawAll();
  }

  /** @param {number} part */
  #kindOf(part) {
    const [, state, , failedAttempts] = this.#rows.get(part) ?? [part, "pending", null, 0];
    if (state === "done") return failedAttempts > 0 ? "retried" : "done";
    if (this.#hasFailed && failedAttempts > 0) return "failed";
    if (state === "inFlight") return "in-flight";
    return failedAttempts > 0 ? "retrying" : "pending";
  }

  /** @param {number} part */
  #tell(part) {
    this.#selected = part;
    const [, , lane, failedAttempts] = this.#rows.get(part) ?? [part, "pending", null, 0];
    const words = [`Part ${part} of ${this.#total}: ${COLOURS[this.#kindOf(part)]}`];
    if (lane !== null) words.push(`lane ${lane}`);
    if (failedAttempts > 0)
      words.push(`${failedAttempts} failed ${failedAttempts === 1 ? "attempt" : "attempts"}`);
    setText(this.#told, words.join(", "));
  }

  #drawAll() {
    this.#stale = null;
    this.#request();
  }

  /** @param {readonly number[]} parts */
  #redraw(parts) {
    if (this.#stale === null && this.#isDue) return; // all of them will be drawn
    this.#stale ??= new Set();
    for (const part of parts) this.#stale.add(part);
    this.#request();
  }

  #request() {
    if (this.#isDue) return;
    this.#isDue = true;
    requestAnimationFrame(() => {
      this.#isDue = false;
      this.#draw();
    });
  }

  #draw() {
    const stale = this.#stale;
    this.#stale = new Set();
    const context = this.#canvas.getContext("2d");
    if (context === null) return;
    this.#colour = "";
    // A new layout clears the canvas; otherwise each cell is cleared before it is redrawn.
    if (stale === null) this.#layOut(context);
    for (const part of stale ?? numbersTo(this.#total)) {
      if (part < 1 || part > this.#total) continue;
      if (stale !== null) this.#wipe(context, part);
      this.#drawCell(context, part);
    }
    this.#summarise();
  }

  /** @param {CanvasRenderingContext2D} context */
  #layOut(context) {
    const widthPx = Math.max(40, this.#canvas.clientWidth);
    this.#cellPx = MAX_CELL_PX;
    const heightOf = () => Math.ceil(this.#total / Math.floor(widthPx / this.#cellPx)) * this.#cellPx;
    while (this.#cellPx > MIN_CELL_PX && heightOf() > MAX_HEIGHT_PX) this.#cellPx -= 1;
    this.#columns = Math.floor(widthPx / this.#cellPx);
    const heightPx = Math.max(this.#cellPx, heightOf());
    const ratio = devicePixelRatio;
    this.#canvas.width = Math.round(widthPx * ratio);
    this.#canvas.height = Math.round(heightPx * ratio);
    if (this.#canvas.style.height !== `${heightPx}px`) this.#canvas.style.height = `${heightPx}px`;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    const style = getComputedStyle(this.#canvas);
    this.#palette = new Map(Object.keys(COLOURS).map((name) => [name, style.getPropertyValue(`--${name}`)]));
    this.#palette.set("line", style.getPropertyValue("--text"));
    this.#showLegend();
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {number} part
   */
  #wipe(context, part) {
    const x = ((part - 1) % this.#columns) * this.#cellPx;
    const y = Math.floor((part - 1) / this.#columns) * this.#cellPx;
    context.clearRect(x, y, this.#cellPx, this.#cellPx);
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {number} part
   */
  #drawCell(context, part) {
    const x = ((part - 1) % this.#columns) * this.#cellPx;
    const y = Math.floor((part - 1) / this.#columns) * this.#cellPx;
    const size = this.#cellPx - 1;
    const lane = this.#rows.get(part)?.[2] ?? null;
    const kind = this.#kindOf(part);
    const colour =
      this.#by.value === "lane" && lane !== null && kind !== "pending"
        ? `hsl(${(lane * 137.5) % 360} 60% ${kind === "in-flight" ? 70 : 50}%)`
        : (this.#palette.get(kind) ?? "");
    // Setting a colour parses it, and neighbours mostly share theirs.
    if (colour !== this.#colour) context.fillStyle = this.#colour = colour;
    context.fillRect(x, y, size, size);
    // Not by colour alone: a part in flight is a frame, a failed one has a gap.
    if (size >= 6 && kind === "in-flight") context.clearRect(x + size / 3, y + size / 3, size / 3, size / 3);
    if (size >= 6 && (kind === "failed" || kind === "retrying"))
      context.clearRect(x + 1, y + size / 2 - 1, size - 2, 2);
    if (part === this.#selected && document.activeElement === this.#canvas) {
      context.strokeStyle = this.#palette.get("line") ?? "";
      context.lineWidth = 2;
      context.strokeRect(x + 1, y + 1, size - 2, size - 2);
    }
  }

  #showLegend() {
    if (this.#legend.childElementCount > 0) return;
    for (const [name, words] of Object.entries(COLOURS)) {
      const mark = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      mark.setAttribute("viewBox", "0 0 10 10");
      mark.setAttribute("aria-hidden", "true");
      const square = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      for (const [key, value] of Object.entries({ width: "10", height: "10", fill: `var(--${name})` }))
        square.setAttribute(key, value);
      mark.append(square);
      this.#legend.append(h("li", {}, mark, words));
    }
  }

  #summarise() {
    /** @type {Record<string, number>} */
    const counts = {};
    for (const part of this.#rows.keys()) {
      const kind = COLOURS[this.#kindOf(part)];
      counts[kind] = (counts[kind] ?? 0) + 1;
    }
    const told = Object.entries(counts).map(([kind, count]) => `${count} ${kind}`);
    const label = `Map of ${this.#total} parts: ${told.length === 0 ? "none started" : told.join(", ")}`;
    if (this.#canvas.getAttribute("aria-label") !== label) this.#canvas.setAttribute("aria-label", label);
  }
}

/** @param {number} last */
function* numbersTo(last) {
  for (let number = 1; number <= last; number++) yield number;
}
