// Debian's chromium for one test file, with a page at a mesh. Checked here for every test: nothing is written
// to the console as an error, and no request goes to another host than the mesh.

import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { type Browser, type BrowserContextOptions, type Page, chromium } from "playwright-core";
import { afterAll, afterEach, expect } from "vitest";
import { type Mesh, TOKEN } from "../mesh/mesh.ts";

const PATIENCE_MS = Number(process.env["PATIENCE_MS"] ?? 20_000);
const CHROMIUM = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
/** With SCREENSHOTS=1 the pictures in screenshots/ are taken again. */
const SCREENSHOTS = join(import.meta.dirname, "screenshots");

export class Visitor {
  readonly #browser: Browser;
  readonly #mesh: Mesh;
  readonly #complaints: string[] = [];
  #pages: Page[] = [];

  private constructor(browser: Browser, mesh: Mesh) {
    this.#browser = browser;
    this.#mesh = mesh;
  }

  static async arrive(mesh: Mesh): Promise<Visitor> {
    if (!existsSync(CHROMIUM))
      throw new Error(`There is no ${CHROMIUM}: apt-get install chromium, or set CHROMIUM`);
    // As root, as in CI, Chromium has no sandbox of its own.
    const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
    const visitor = new Visitor(browser, mesh);
    afterEach(async () => {
      await Promise.all(visitor.#pages.map((page) => page.context().close()));
      visitor.#pages = [];
      expect(visitor.#complaints.splice(0)).toEqual([]);
    });
    afterAll(() => browser.close());
    return visitor;
  }

  /** A page of its own, not signed in. */
  async open(path = "/", options: BrowserContextOptions = {}): Promise<Page> {
    const context = await this.#browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
    const page = await context.newPage();
    page.setDefaultTimeout(PATIENCE_MS);
    this.#pages.push(page);
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") this.#complaints.push(message.text());
    });
    page.on("pageerror", (error) => this.#complaints.push(String(error)));
    page.on("request", (request) => {
      const url = new URL(request.url());
      if (url.origin !== this.#mesh.url.origin && url.protocol !== "data:")
        this.#complaints.push(`request to ${url.href}`);
    });
    await page.goto(new URL(path, this.#mesh.url).href);
    return page;
  }

  /** A page that is signed in, at an address after the #. */
  async signIn(hash = "#/copies", options: BrowserContextOptions = {}, token = TOKEN): Promise<Page> {
    const page = await this.open(`/${hash}`, options);
    await page.getByLabel("API token").fill(token);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("navigation").waitFor();
    return page;
  }

  /** Allows complaints that a test provokes itself. */
  forgive(pattern: RegExp): void {
    const kept = this.#complaints.splice(0).filter((complaint) => !pattern.test(complaint));
    this.#complaints.push(...kept);
  }
}

interface Violation {
  readonly id: string;
  readonly nodes: readonly { readonly target: readonly string[]; readonly failureSummary?: string }[];
}

/** What axe-core finds wrong with a page, by rule and element. */
export async function violations(page: Page): Promise<string[]> {
  // Not addScriptTag: the page's policy allows no other script.
  await page.evaluate(readFileSync(AXE, "utf8"));
  const found = await page.evaluate<Violation[]>("axe.run().then(({ violations }) => violations)");
  return found.flatMap(({ id, nodes }) =>
    nodes.map(({ target, failureSummary = "" }) => `${id}: ${target.join(" ")} ${failureSummary}`),
  );
}

export async function picture(page: Page, name: string): Promise<void> {
  if (process.env["SCREENSHOTS"] === undefined) return;
  mkdirSync(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`) });
}

const WATCH_FRAMES = `
  globalThis.frames = { all: 0, long: [] };
  let before = performance.now();
  const look = (now) => {
    frames.all += 1;
    if (now - before > 50) frames.long.push(Math.round(now - before));
    before = now;
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
`;

/** From now on. A frame of more than 50 ms is seen as a stutter. */
export async function watchFrames(page: Page): Promise<void> {
  await page.evaluate(WATCH_FRAMES);
}

/** With FRAMES=1, prints how many frames were long: a figure, and not a judgement, on whatever machine. */
export async function tellFrames(page: Page, what: string): Promise<void> {
  const { all, long } = await page.evaluate<{ all: number; long: number[] }>("frames");
  const told = `${what}: ${all} frames, ${long.length} over 50 ms (${long.join(", ")})\n`;
  if (process.env["FRAMES"] !== undefined) process.stderr.write(told);
}
