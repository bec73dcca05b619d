// The mesh for benches: workerd alone, and a client that does no more with an answer than it must.
//
// What it needs: the bundle that wrangler builds. Durable Objects keep their SQLite in memory, if the system
// has a folder for that.

import { MeshClient, TOKEN } from "./mesh_client.ts";
import { Workerd } from "./workerd.ts";

export class BareMesh extends MeshClient {
  readonly #workerd: Workerd;
  readonly pid: number;

  private constructor(workerd: Workerd) {
    super(workerd.url);
    this.#workerd = workerd;
    this.pid = workerd.pid;
  }

  /**
   * @param bundlePath as returned by buildBundle()
   * @param bindings secrets and variables beside API_TOKEN
   */
  static async start(bundlePath: string, bindings: Readonly<Record<string, string>>): Promise<BareMesh> {
    return new BareMesh(await Workerd.start({ bundlePath, bindings: { API_TOKEN: TOKEN, ...bindings } }));
  }

  async stop(): Promise<void> {
    await this.#workerd.stop();
  }
}
