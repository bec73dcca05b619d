// A GET piped into a PUT, or a CopyObject, by a Worker that does nothing else, many at once: what a workerd,
// which is one thread, gives at all. It signs, lists, checks, retries and records nothing: its requests are
// presigned.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { CLASSES, Workerd } from "../mesh/workerd.ts";
import { type Run, measureWorkerd } from "./contest.ts";
import { type Pipe, type PipeSides, presignedPipes } from "./pipes.ts";

/** What this contestant is called in tables and results. */
export const BARE = "workerd alone";

const WORKER = `
import { DurableObject } from "cloudflare:workers";

async function pipe(get, put) {
  const { body, headers } = await fetch(get);
  const { readable, writable } = new FixedLengthStream(Number(headers.get("content-length")));
  const [answer] = await Promise.all([fetch(put, { method: "PUT", body: readable }), body.pipeTo(writable)]);
  return answer;
}

export default {
  async fetch(request) {
    const { pipes, parallel } = await request.json();
    let next = 0;
    const pump = async () => {
      while (next < pipes.length) {
        const { get, put, headers } = pipes[next++];
        const answer = get === null ? await fetch(put, { method: "PUT", headers }) : await pipe(get, put);
        if (!answer.ok) throw new Error("PUT answered " + answer.status);
        await answer.arrayBuffer();
      }
    };
    await Promise.all(Array.from({ length: parallel }, pump));
    return new Response("done");
  },
};
${CLASSES.map((name) => `export class ${name} extends DurableObject {}`).join("\n")}
`;

/** How many pipes the Worker is given at once: it has to keep them in its memory. */
const AT_ONCE = 10_000;

/** @throws Error if a request fails */
export async function runBarePipes(pipes: readonly Pipe[], sides: PipeSides): Promise<Run> {
  const { directory, parallel } = sides;
  const bundlePath = join(directory, "bare.js");
  writeFileSync(bundlePath, WORKER);
  const bodies: string[] = [];
  for (let from = 0; from < pipes.length; from += AT_ONCE) {
    const some = await presignedPipes(pipes.slice(from, from + AT_ONCE), sides);
    bodies.push(JSON.stringify({ pipes: some, parallel }));
  }
  const workerd = await Workerd.start({ bundlePath, bindings: {} });
  try {
    return await measureWorkerd(workerd, async () => {
      for (const body of bodies) {
        const answer = await fetch(workerd.url, { method: "POST", body });
        const text = await answer.text();
        if (text !== "done") throw new Error(`The Worker answered ${answer.status}: ${text}`);
      }
    });
  } finally {
    await workerd.stop();
  }
}
