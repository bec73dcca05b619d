// The mesh in miniflare, which is what `wrangler dev` runs, as the consumer of a Queue; and a producer for
// it, which stands for R2: local R2 sends no events.
//
// What it needs: the bundle that wrangler builds, with the texts beside it, and the classes of wrangler.toml.

import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { Miniflare, convertV4MiniflareOptions } from "miniflare";
import { TOKEN, textsBeside } from "../mesh/mesh.ts";
import { MeshClient } from "../mesh/mesh_client.ts";
import { CLASSES } from "../mesh/workerd.ts";

const QUEUE = "bucket-brigade-events";

const text = (path: string) => readFileSync(path, "utf8");

export class QueuedMesh extends MeshClient {
  readonly #miniflare: Miniflare;

  private constructor(miniflare: Miniflare, url: URL) {
    super(url);
    this.#miniflare = miniflare;
  }

  static async start(bundlePath: string, bindings: Readonly<Record<string, string>>): Promise<QueuedMesh> {
    const toml = text(join(import.meta.dirname, "../../wrangler.toml"));
    const miniflare = new Miniflare(
      convertV4MiniflareOptions({
        name: "mesh",
        host: "127.0.0.1",
        port: 0,
        modulesRoot: "/",
        modules: [
          { type: "ESModule", path: "/front.js", contents: text(bundlePath) },
          ...textsBeside(bundlePath).map((path) => ({
            type: "Text" as const,
            path: `/${basename(path)}`,
            contents: text(path),
          })),
        ],
        compatibilityDate: /^compatibility_date = "(.*)"/m.exec(toml)?.[1] ?? "",
        bindings: { API_TOKEN: TOKEN, MAX_LANES: "8", ...bindings },
        additionalUnboundDurableObjects: CLASSES.map((className) => ({ className, useSQLite: true })),
        queueProducers: { EVENTS: { queueName: QUEUE } },
        queueConsumers: { [QUEUE]: { maxBatchSize: 10, maxBatchTimeout: 0.05 } },
      }),
    );
    return new QueuedMesh(miniflare, await miniflare.ready);
  }

  /** Sends a message to the Queue, as R2 does. */
  async send(message: unknown): Promise<void> {
    const queue = await this.#miniflare.getQueueProducer("EVENTS");
    await queue.send(message);
  }

  async stop(): Promise<void> {
    await this.#miniflare.dispose();
  }
}
