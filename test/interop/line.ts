// A TCP line between the mesh and a store. It can be held, as if the network had stopped, and cut, as if it
// were gone. So an event in the middle of a copy happens there, however fast the machine is.
//
// It counts what passes and looks for upload IDs in it. It changes nothing: the signatures name this line's
// host, and the store accepts that host.

import { once } from "node:events";
import { type Server, type Socket, connect, createServer } from "node:net";
import { type ClaimedPort, claimPort } from "../store/ports.ts";
import type { StoreAccess } from "./stores.ts";

export class Line {
  readonly #target: URL;
  /** Kept even while the line is cut. */
  readonly #near: ClaimedPort;
  readonly #sockets = new Set<Socket>();
  readonly #uploadIds = new Set<string>();
  #server: Server;
  #passedBytes = 0;
  #holdAtBytes = Infinity;
  #held: (() => void) | null = null;

  private constructor(store: StoreAccess, near: ClaimedPort) {
    this.#target = new URL(store.endpoint);
    this.#near = near;
    this.#server = this.#createServer();
  }

  /** Whether the mesh can use a line to this store. It cannot if TLS names the host. */
  static reaches({ endpoint }: StoreAccess): boolean {
    return endpoint.startsWith("http://");
  }

  static async to(store: StoreAccess): Promise<Line> {
    const line = new Line(store, await claimPort());
    await line.#listen();
    return line;
  }

  /** The store's endpoint at the end of this line. */
  get endpoint(): string {
    const path = this.#target.pathname === "/" ? "" : this.#target.pathname;
    return `http://127.0.0.1:${this.#near.port}${path}`;
  }

  /** The IDs of the uploads seen since it was last told to hold. */
  get uploadIds(): readonly string[] {
    return [...this.#uploadIds];
  }

  /**
   * Passes that many bytes, in either direction, and then holds everything. @returns a promise that resolves
   * once it holds
   */
  holdAfter(bytes: number): Promise<void> {
    this.#holdAtBytes = this.#passedBytes + bytes;
    this.#uploadIds.clear();
    const held = Promise.withResolvers<void>();
    this.#held = held.resolve;
    return held.promise;
  }

  release(): void {
    this.#holdAtBytes = Infinity;
    for (const socket of this.#sockets) socket.resume();
  }

  /** Breaks every connection and refuses new ones until mend(). */
  async cut(): Promise<void> {
    this.#holdAtBytes = Infinity;
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async mend(): Promise<void> {
    this.#server = this.#createServer();
    await this.#listen();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#server.listening) await this.cut();
    this.#near.release();
  }

  async #listen(): Promise<void> {
    this.#server.listen(this.#near.port, "127.0.0.1");
    await once(this.#server, "listening");
  }

  #createServer(): Server {
    return createServer((near) => {
      const far = connect(Number(this.#target.port || 80), this.#target.hostname);
      this.#join(near, far);
      this.#join(far, near);
    });
  }

  #join(from: Socket, to: Socket): void {
    this.#sockets.add(from);
    from.on("data", (chunk: Buffer) => {
      this.#passedBytes += chunk.length;
      for (const [, id] of chunk.toString("latin1").matchAll(UPLOAD_ID))
        this.#uploadIds.add(decodeURIComponent(id ?? ""));
      if (!to.write(chunk)) {
        from.pause();
        to.once("drain", () => this.#isHolding() || from.resume());
      }
      if (this.#isHolding()) {
        for (const socket of this.#sockets) socket.pause();
        this.#held?.();
        this.#held = null;
      }
    });
    // A broken connection is broken for both ends. A closed one is closed once the other end has everything
    // that came.
    from.once("error", () => to.destroy());
    from.once("close", () => {
      this.#sockets.delete(from);
      to.destroySoon();
    });
    if (this.#isHolding()) from.pause();
  }

  #isHolding(): boolean {
    return this.#passedBytes >= this.#holdAtBytes;
  }
}

const UPLOAD_ID = /uploadId=([A-Za-z0-9%._~-]+)/g;
