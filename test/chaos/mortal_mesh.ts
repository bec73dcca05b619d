// A mesh that dies and comes back. workerd is killed by SIGKILL and started again on the state on disk,
// single Durable Objects are aborted or evicted, and a caller retries as a patient client would.
//
// What it needs: a bundle prepared by `makeMortal`. workerd's own eviction waits for running work, which
// waits for the stores, which are in this process. An idle object loses its memory by an abort just as by an
// eviction.

import { copyFileSync } from "node:fs";
import { basename, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { type ObjectClass, abortObject, makeAbortable } from "../mesh/abortable.ts";
import { type Answer, Mesh, type MeshOptions, textsBeside } from "../mesh/mesh.ts";

/** Copies a bundle into a directory. */
export function makeMortal(bundlePath: string, directory: string): void {
  copyFileSync(bundlePath, join(directory, BUNDLE));
  for (const path of textsBeside(bundlePath)) copyFileSync(path, join(directory, basename(path)));
}

/** The modules in such a directory: the bundle, and the module that makes its objects abortable. */
export function mortalBundle(directory: string): Pick<MeshOptions, "bundlePath" | "modulePaths"> {
  return makeAbortable(join(directory, BUNDLE));
}

const BUNDLE = "front.js";

/** How long a client retries a mesh that does not answer. */
const PATIENCE_MS = 60_000;
const RETRY_MS = 100;

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

  /** Kills workerd now and starts it again. Does nothing if the mesh is already dead. */
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
  async abort(className: ObjectClass, name: string): Promise<void> {
    if (!this.#dead) await abortObject(this.#mesh, className, name);
  }

  /** One call, retried while the mesh is dead or answers 5xx. @throws Error if it stays so */
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
