// A mesh that dies and comes back: workerd is killed by SIGKILL and started again on the state that is on disk, single
// Durable Objects are aborted or evicted, and whoever calls it tries again as a patient client would.
//
// What it needs: a bundle made ready by `makeMortal`. An abort must come from inside the object (`ctx.abort()`), and
// Miniflare's own eviction waits for running work, which waits for the stores, which are in this process; so the
// bundle's classes are wrapped, each with one method that aborts it, behind one route that production does not have. An
// object that rests loses its memory by an abort just as by an eviction.

import { copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { type Answer, Mesh, type MeshOptions } from "../mesh.ts";

const ABORT_ROUTE = "/chaos/abort/";

const MORTAL_FRONT = `
import front, { Coordinator as C, Lane as L, PartCopier, Registry as R } from "./front.js";
const mortal = (Class) => class extends Class {
  async abortNow() { this.ctx.abort("aborted by the chaos suite"); }
};
export { PartCopier };
export class Coordinator extends mortal(C) {}
export class Lane extends mortal(L) {}
export class Registry extends mortal(R) {}
export default {
  ...front,
  async fetch(request, env, ctx) {
    const { pathname, searchParams } = new URL(request.url);
    if (!pathname.startsWith("${ABORT_ROUTE}")) return front.fetch(request, env, ctx);
    const name = pathname.slice("${ABORT_ROUTE}".length);
    await ctx.exports[name].getByName(searchParams.get("name")).abortNow().catch(() => undefined);
    return new Response(null, { status: 204 });
  },
};
`;

/** Puts a bundle and the module that wraps it into a directory. */
export function makeMortal(bundlePath: string, directory: string): void {
  copyFileSync(bundlePath, join(directory, "front.js"));
  writeFileSync(join(directory, "mortal_front.js"), MORTAL_FRONT);
}

/** The modules of such a directory. */
export function mortalBundle(directory: string): Pick<MeshOptions, "bundlePath" | "modulePaths"> {
  return {
    bundlePath: join(directory, "mortal_front.js"),
    modulePaths: [join(directory, "front.js")],
  };
}

/** How long a client goes on asking a mesh that does not answer. */
const PATIENCE_MS = 60_000;
const RETRY_MS = 100;
/** An object that is busy starting up is not waited for: what it was doing is done soon enough. */
const ABORT_MS = 1_000;

export class MortalMesh {
  readonly #options: MeshOptions;
  #mesh: Mesh;
  /** Settles when the mesh answers again after its last death. */
  #life: Promise<void> = Promise.resolve();
  #dead = false;
  kills = 0;

  private constructor(options: MeshOptions, mesh: Mesh) {
    this.#options = options;
    this.#mesh = mesh;
  }

  /** @param options with a directory, which outlives the mesh, and the bundle of `makeMortal` */
  static async start(options: MeshOptions & { readonly directory: string }): Promise<MortalMesh> {
    return new MortalMesh(options, await Mesh.start(options));
  }

  /** Kills workerd now and starts it again. A mesh that is dead already stays so. */
  kill(): void {
    if (this.#dead) return;
    this.#dead = true;
    this.kills += 1;
    this.#mesh.kill();
    this.#life = this.#revive();
  }

  async #revive(): Promise<void> {
    await this.#mesh.stop();
    this.#mesh = await Mesh.start(this.#options);
    this.#dead = false;
  }

  async stop(): Promise<void> {
    await this.#life;
    await this.#mesh.stop();
  }

  /** Aborts a Durable Object, whatever it is doing. */
  async abort(className: string, name: string): Promise<void> {
    if (this.#dead) return;
    const path = `${ABORT_ROUTE}${className}?${new URLSearchParams({ name })}`;
    // Its death, or the mesh's, may come before the answer.
    const call = this.#mesh.call("POST", path).catch(() => undefined);
    await Promise.race([call, setTimeout(ABORT_MS)]);
  }

  /** One call, tried again while the mesh is dead or answers 5xx. @throws Error when it stays so */
  async call<T>(
    method: string,
    path: string,
    request: { body?: unknown; headers?: Record<string, string> } = {},
  ): Promise<Answer<T>> {
    const until = performance.now() + PATIENCE_MS;
    let last = "";
    do {
      await this.#life;
      try {
        const answer = await this.#mesh.call<T>(method, path, request);
        if (answer.status < 500) return answer;
        last = `${answer.status} ${answer.text}`;
      } catch (error) {
        last = error instanceof Error ? `${error.message}: ${String(error.cause)}` : String(error);
      }
      await setTimeout(RETRY_MS);
    } while (performance.now() < until);
    throw new Error(`${method} ${path} has not been answered for ${PATIENCE_MS} ms: ${last}`);
  }
}
