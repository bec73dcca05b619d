// Vitest global setup of the project `workers`: builds the bundle that wrangler would deploy, once per run,
// so that the tests load what production loads.

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";

declare module "vitest" {
  export interface ProvidedContext {
    bundlePath: string;
  }
}

export default function setup(project: TestProject): () => void {
  const directory = mkdtempSync(join(tmpdir(), "bucket-brigade-bundle-"));
  project.provide("bundlePath", buildBundle(directory));
  return () => rmSync(directory, { recursive: true, force: true });
}

/**
 * Builds the Worker into `directory`.
 *
 * @param form `readable`: with the names of the sources, and of each line its file, for who looks inside
 * @returns the path of its one module
 */
export function buildBundle(directory: string, form: "as deployed" | "readable" = "as deployed"): string {
  const wrangler = join(import.meta.dirname, "../../node_modules/wrangler/bin/wrangler.js");
  const options = [
    "--dry-run",
    "--env=",
    "--outdir",
    directory,
    ...(form === "readable" ? ["--no-minify"] : []),
  ];
  execFileSync(process.execPath, [wrangler, "deploy", ...options], {
    cwd: join(import.meta.dirname, "../.."),
    env: { ...process.env, WRANGLER_SEND_METRICS: "false", WRANGLER_LOG: "error" },
    stdio: ["ignore", "ignore", "inherit"],
  });
  return join(directory, "front.js");
}
