// What `npm run demo` prints, line by line, and when: for its picture in the README.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Printed } from "./svg.ts";

/** What the demo says next is for another terminal. */
const LAST = /^Same size/;

/** Runs the demo. @throws Error if it fails */
export async function recordDemo(): Promise<readonly Printed[]> {
  const demo = spawn(process.execPath, [join(import.meta.dirname, "../demo.ts")], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const begunMs = performance.now();
  const printed: Printed[] = [];
  for await (const text of createInterface({ input: demo.stdout }))
    if (!printed.some((before) => LAST.test(before.text)))
      printed.push({ atMs: performance.now() - begunMs, text });
  if (demo.exitCode === null) await once(demo, "exit");
  if (demo.exitCode !== 0) throw new Error(`The demo has failed: exit code ${demo.exitCode}`);
  return printed;
}
