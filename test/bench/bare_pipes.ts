// A GET piped into a PUT by a Worker that does nothing else, many at once: what one workerd, which is one
// thread, gives at all. It signs, lists, checks, retries and records nothing: its requests are presigned.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { CLASSES, Workerd } from "../mesh/workerd.ts";
import { type Run, measureWorkerd } from "./contest.ts";
import { type Pipe, type PipeSides, presignedPipes } from "./pipes.ts";

/** What this contestant is called in tables and results. */
export const BARE = "workerd alone";

const WORKER = `
import { DurableObject } from "cloudflare:workers";
export default {
  async fetch(request) {
    const { pipes, parallel } = await request.json();
    let next = 0;
    const pump = async () => {
      while (next < pipes.length) {
        const { get, put, length } = pipes[next++];
        const { body } = await fetch(get);
        const { readable, writable } = new FixedLengthStream(length);
        const [answer] = await Promise.all([fetch(put, { method: "PUT", body: readable }), body.pipeTo(writable)]);
        await answer.body?.cancel();
        if (!answer.ok) throw new Error("PUT answered " + answer.status);
      }
    };
    await Promise.all(Array.from({ length: parallel }, pump));
    return new Response("done");
  },
};
${CLASSES.map((name) => `export class ${name} extends DurableObject {}`).join("\n")}
`;

/** @throws Error if a request fails */
export async function runBarePipes(pipes: readonly Pipe[], sides: PipeSides): Promise<Run> {
  const bundlePath = join(sides.directory, "bare.js");
  writeFileSync(bundlePath, WORKER);
  const body = JSON.stringify({ pipes: await presignedPipes(pipes, sides), parallel: sides.parallel });
  const workerd = await Workerd.start({ bundlePath, bindings: {} });
  try {
    return await measureWorkerd(workerd, async () => {
      const answer = await fetch(workerd.url, { method: "POST", body });
      const text = await answer.text();
      if (text !== "done") throw new Error(`The Worker answered ${answer.status}: ${text}`);
    });
  } finally {
    await workerd.stop();
  }
}
