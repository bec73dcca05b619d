// The inspector of a workerd: the V8 of the Workers, over the Chrome DevTools Protocol
// (https://chromedevtools.github.io/devtools-protocol/v8/). It collects garbage, counts what lives, and
// profiles.
//
// What it needs: a workerd that was started with `inspect`.

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: { readonly chunk?: string };
  readonly result?: unknown;
  readonly error?: { readonly message: string };
}

/** V8's format: nodes are rows of numbers, one after the other, whose names are among the strings. */
interface Snapshot {
  readonly snapshot: {
    readonly meta: {
      readonly node_fields: readonly string[];
      readonly node_types: readonly [readonly string[]];
    };
  };
  readonly nodes: readonly number[];
  readonly strings: readonly string[];
}

export class Inspector {
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  #calls = 0;
  #snapshot: string[] = [];

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.addEventListener("message", ({ data }) => {
      const { id = 0, method, params, result, error } = JSON.parse(String(data)) as Message;
      if (method === "HeapProfiler.addHeapSnapshotChunk") this.#snapshot.push(params?.chunk ?? "");
      if (error === undefined) this.#waiting.get(id)?.resolve(result);
      else this.#waiting.get(id)?.reject(new Error(error.message));
      this.#waiting.delete(id);
    });
    socket.addEventListener("close", () => {
      for (const { reject } of this.#waiting.values()) reject(new Error("The inspector has closed"));
    });
  }

  /** @param service the Worker's name in workerd's configuration */
  static async connect(port: string, service: string): Promise<Inspector> {
    const targets = (await (await fetch(`http://127.0.0.1:${port}/json`)).json()) as {
      readonly id: string;
      readonly webSocketDebuggerUrl: string;
    }[];
    const target = targets.find(({ webSocketDebuggerUrl }) => webSocketDebuggerUrl.endsWith(`/${service}`));
    if (target === undefined) throw new Error(`No ${service} among ${JSON.stringify(targets)}`);
    const socket = new WebSocket(target.webSocketDebuggerUrl);
    await new Promise((resolve, reject) => {
      socket.addEventListener("open", resolve, { once: true });
      socket.addEventListener("error", reject, { once: true });
    });
    return new Inspector(socket);
  }

  async call<T>(method: string, params: Readonly<Record<string, unknown>> = {}): Promise<T> {
    const id = ++this.#calls;
    const answered = Promise.withResolvers<unknown>();
    this.#waiting.set(id, answered);
    this.#socket.send(JSON.stringify({ id, method, params }));
    return (await answered.promise) as T;
  }

  /**
   * What lives after a full collection, as taking a snapshot makes one: the bytes of the heap, and how many
   * objects there are of each constructor.
   */
  async living(): Promise<{ heapBytes: number; objects: ReadonlyMap<string, number> }> {
    this.#snapshot = [];
    await this.call("HeapProfiler.takeHeapSnapshot", { reportProgress: false });
    const { snapshot, nodes, strings } = JSON.parse(this.#snapshot.join("")) as Snapshot;
    this.#snapshot = [];
    const { node_fields: fields, node_types: types } = snapshot.meta;
    const [type, name] = [fields.indexOf("type"), fields.indexOf("name")];
    const object = types[0].indexOf("object");
    const counts = new Map<string, number>();
    for (let at = 0; at < nodes.length; at += fields.length) {
      if (nodes[at + type] !== object) continue;
      const constructor = strings[nodes[at + name] ?? 0] ?? "";
      counts.set(constructor, (counts.get(constructor) ?? 0) + 1);
    }
    const { usedSize } = await this.call<{ usedSize: number }>("Runtime.getHeapUsage");
    return { heapBytes: usedSize, objects: counts };
  }

  close(): void {
    this.#socket.close();
  }
}
