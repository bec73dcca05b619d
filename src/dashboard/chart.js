// Throughput over time on a canvas, with axes: first what the mesh knows of the past, then what this page
// sees. A screen reader would gain nothing from a table of numbers, so the canvas states the current and the
// highest rate in words.

import { formatBytes, h } from "./dom.js";

const KEPT = 600;
const HEIGHT_PX = 160;
/** Room for the words of the axes. */
const LEFT_PX = 76;
const BOTTOM_PX = 22;
const TOP_PX = 10;
const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit", second: "2-digit" });

/** @typedef {{ atMs: number, bytesPerSecond: number }} Sample */

export class RateChart {
  /** @type {Sample[]} */
  #past = [];
  /** @type {Sample[]} */
  #samples = [];
  #isEnded = false;
  #canvas = h("canvas", { role: "img" });
  #told = h("p", { class: "quiet" });
  #resize = new ResizeObserver(() => this.#draw());
  node = h("section", { class: "panel wide" }, h("h2", {}, "Throughput"), this.#told, this.#canvas);

  constructor() {
    this.#canvas.style.height = `${HEIGHT_PX}px`;
    this.#resize.observe(this.#canvas);
    this.#draw();
  }

  close() {
    this.#resize.disconnect();
  }

  /** Once nothing more comes, a chart without anything in it is not shown. @param {boolean} isEnded */
  setEnded(isEnded) {
    this.#isEnded = isEnded;
    this.node.hidden = isEnded && this.#past.length + this.#samples.length === 0;
  }

  /** @param {readonly { at: string, bytesPerSecond: number }[]} samples */
  setPast(samples) {
    this.#past = samples.map(({ at, bytesPerSecond }) => ({ atMs: Date.parse(at), bytesPerSecond }));
    this.setEnded(this.#isEnded);
    this.#draw();
  }

  /** @param {number | null} bytesPerSecond */
  add(bytesPerSecond) {
    if (bytesPerSecond === null) return;
    this.#samples.push({ atMs: Date.now(), bytesPerSecond });
    // Drops every second point, so that the same number of points covers twice the time.
    if (this.#samples.length > KEPT) this.#samples = this.#samples.filter((_, index) => index % 2 === 0);
    this.#draw();
  }

  #draw() {
    const begunMs = this.#samples[0]?.atMs ?? Infinity;
    const samples = [...this.#past.filter(({ atMs }) => atMs < begunMs), ...this.#samples];
    const last = samples.at(-1)?.bytesPerSecond ?? 0;
    const highest = samples.reduce((most, { bytesPerSecond }) => Math.max(most, bytesPerSecond), 0);
    const now = this.#isEnded ? "" : `${formatBytes(last)}/s now, `;
    const words = samples.length === 0 ? "No part is done yet" : `${now}${formatBytes(highest)}/s at peak`;
    if (this.#told.textContent !== words) this.#told.textContent = words;
    this.#canvas.setAttribute("aria-label", `Throughput: ${words}`);
    const context = this.#canvas.getContext("2d");
    if (context === null) return;
    const widthPx = Math.max(160, this.#canvas.clientWidth);
    this.#canvas.width = Math.round(widthPx * devicePixelRatio);
    this.#canvas.height = Math.round(HEIGHT_PX * devicePixelRatio);
    context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    if (samples.length > 0) this.#drawLine(context, samples, niceOver(highest), widthPx);
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {readonly Sample[]} samples
   * @param {number} top of the axis
   * @param {number} widthPx
   */
  #drawLine(context, samples, top, widthPx) {
    const style = getComputedStyle(this.#canvas);
    const fromMs = samples[0]?.atMs ?? 0;
    const spanMs = Math.max(1, (samples.at(-1)?.atMs ?? 0) - fromMs);
    const floorPx = HEIGHT_PX - BOTTOM_PX;
    /** @param {number} atMs */
    const xOf = (atMs) => LEFT_PX + ((atMs - fromMs) / spanMs) * (widthPx - LEFT_PX - 4);
    /** @param {number} bytesPerSecond */
    const yOf = (bytesPerSecond) => floorPx - (bytesPerSecond / top) * (floorPx - TOP_PX);
    context.font = "12px system-ui, sans-serif";
    context.fillStyle = style.getPropertyValue("--quiet");
    context.strokeStyle = style.getPropertyValue("--line");
    context.textAlign = "right";
    context.textBaseline = "middle";
    context.lineWidth = 1;
    context.beginPath();
    for (const value of [0, top / 2, top]) {
      context.fillText(`${formatBytes(value)}/s`, LEFT_PX - 6, yOf(value));
      context.moveTo(LEFT_PX, Math.round(yOf(value)) + 0.5);
      context.lineTo(widthPx, Math.round(yOf(value)) + 0.5);
    }
    context.stroke();
    context.textBaseline = "bottom";
    for (const [part, align] of /** @type {const} */ ([
      [0, "left"],
      [0.5, "center"],
      [1, "right"],
    ])) {
      context.textAlign = align;
      const atMs = fromMs + part * spanMs;
      context.fillText(CLOCK.format(atMs), xOf(atMs), HEIGHT_PX - 2);
    }
    context.beginPath();
    for (const { atMs, bytesPerSecond } of samples) context.lineTo(xOf(atMs), yOf(bytesPerSecond));
    context.strokeStyle = style.getPropertyValue("--done");
    context.lineWidth = 2;
    context.stroke();
  }
}

/**
 * The end of an axis: 1, 2 or 5 of a binary power, above what is shown.
 *
 * @param {number} value
 */
function niceOver(value) {
  const unit = 1024 ** Math.floor(Math.log(Math.max(1, value)) / Math.log(1024));
  const decade = 10 ** Math.floor(Math.log10(Math.max(1, value / unit)));
  const step = [1, 2, 5, 10].find((times) => times * decade * unit >= value) ?? 10;
  return step * decade * unit;
}
