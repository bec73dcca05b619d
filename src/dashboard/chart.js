// Throughput over time on a canvas, from the rates that this page has seen. A screen reader would gain
// nothing from a table of numbers, so the canvas states the current and the highest rate in words.

import { formatBytes, h } from "./dom.js";

const KEPT = 600;
const HEIGHT_PX = 120;

export class RateChart {
  /** @type {{ atMs: number, bytesPerSecond: number }[]} */
  #samples = [];
  #canvas = h("canvas", { role: "img" });
  #resize = new ResizeObserver(() => this.#draw());
  node = h("section", { class: "panel wide" }, h("h2", {}, "Throughput"), this.#canvas);

  constructor() {
    this.#canvas.style.height = `${HEIGHT_PX}px`;
    this.#resize.observe(this.#canvas);
    this.#draw();
  }

  get isEmpty() {
    return this.#samples.length === 0;
  }

  close() {
    this.#resize.disconnect();
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
    const last = this.#samples.at(-1)?.bytesPerSecond ?? 0;
    const highest = Math.max(0, ...this.#samples.map(({ bytesPerSecond }) => bytesPerSecond));
    const words =
      this.#samples.length === 0
        ? "nothing yet"
        : `${formatBytes(last)}/s now, ${formatBytes(highest)}/s at peak`;
    this.#canvas.setAttribute("aria-label", `Throughput: ${words}`);
    const context = this.#canvas.getContext("2d");
    if (context === null) return;
    const widthPx = Math.max(40, this.#canvas.clientWidth);
    this.#canvas.width = Math.round(widthPx * devicePixelRatio);
    this.#canvas.height = Math.round(HEIGHT_PX * devicePixelRatio);
    context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    const style = getComputedStyle(this.#canvas);
    const [first] = this.#samples;
    context.font = "12px system-ui, sans-serif";
    context.fillStyle = style.getPropertyValue("--quiet");
    context.fillText(this.#samples.length === 0 ? "No part is done yet" : words, 2, 12);
    if (first === undefined) return;
    const spanMs = Math.max(1, (this.#samples.at(-1)?.atMs ?? first.atMs) - first.atMs);
    context.beginPath();
    for (const { atMs, bytesPerSecond } of this.#samples) {
      const x = ((atMs - first.atMs) / spanMs) * (widthPx - 4) + 2;
      const y = HEIGHT_PX - 2 - (bytesPerSecond / Math.max(1, highest)) * (HEIGHT_PX - 22);
      context.lineTo(x, y);
    }
    context.strokeStyle = style.getPropertyValue("--done");
    context.lineWidth = 2;
    context.stroke();
  }
}
