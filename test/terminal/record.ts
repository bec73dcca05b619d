// Takes the picture of `npm run demo` anew, demo.svg, from what the command prints: `node
// test/terminal/record.ts`. Ports, digests and rates are those of that run.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type Printed, terminalSvg } from "./svg.ts";

/** What the demo says next is for another terminal. */
const LAST = /^Same size/;

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
const path = join(import.meta.dirname, "demo.svg");
writeFileSync(path, terminalSvg("npm run demo", printed));
console.log(`${path}: ${printed.length} lines`);
