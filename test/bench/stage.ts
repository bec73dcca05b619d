// What a benchmark runs on: stores in processes of their own, meshes, and a folder. All of it ends with the
// stage.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BareMesh } from "../mesh/bare_mesh.ts";
import { buildBundle } from "../mesh/build.ts";
import { type Store, startStore } from "./measure.ts";

export class Stage implements AsyncDisposable {
  readonly directory = mkdtempSync(join(tmpdir(), "bucket-brigade-bench-"));
  readonly stores: Store[] = [];
  readonly #meshes: BareMesh[] = [];
  #bundlePath: string | null = null;

  /** As startStore() starts it. */
  async store(options: readonly string[], program?: string): Promise<Store> {
    const store = await startStore(options, program);
    this.stores.push(store);
    return store;
  }

  /** A mesh in a process of its own. @param bindings beside the token */
  async mesh(bindings: Readonly<Record<string, string>>): Promise<BareMesh> {
    this.#bundlePath ??= buildBundle(this.directory);
    const mesh = await BareMesh.start(this.#bundlePath, bindings);
    this.#meshes.push(mesh);
    return mesh;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const mesh of this.#meshes) await mesh.stop();
    for (const { process } of this.stores) process.kill("SIGTERM");
    rmSync(this.directory, { recursive: true, force: true });
  }
}
