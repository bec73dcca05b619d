// The mesh for measuring: workerd alone, and a client that looks at no answer more than it must.
//
// What it needs: the bundle that wrangler builds. Durable Objects keep their SQLite in memory, where the
// system has a folder there.

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

  /** @param bundlePath as buildBundle() answers it @param bindings secrets and variables beside API_TOKEN */
  static async start(bundlePath: string, bindings: Readonly<Record<string, string>>): Promise<BareMesh> {
    return new BareMesh(await Workerd.start({ bundlePath, bindings: { API_TOKEN: TOKEN, ...bindings } }));
  }

  async stop(): Promise<void> {
    await this.#workerd.stop();
  }
}
