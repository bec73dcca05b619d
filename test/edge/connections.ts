// The six connections of an event: a request of one top-level event waits while six others of it wait for the
// headers of their answers. First come, first served.

export const CONNECTIONS_PER_EVENT = 6;

export class Connections {
  readonly #limit: number;
  readonly #open = new Map<string, number>();
  readonly #queues = new Map<string, (() => void)[]>();
  /** How many requests had to wait, by event. */
  readonly waited = new Map<string, number>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /**
   * Waits for one of the event's connections.
   *
   * @param gone fires when the client gives up, which takes it off the queue
   * @returns a function that releases the connection and may be called more than once; null if the client is
   * gone
   */
  async take(event: string | null, gone: AbortSignal): Promise<(() => void) | null> {
    if (event === null) return () => undefined;
    const open = this.#open.get(event) ?? 0;
    if (open >= this.#limit) {
      this.waited.set(event, (this.waited.get(event) ?? 0) + 1);
      if (!(await this.#queue(event, gone))) return null;
    } else {
      this.#open.set(event, open + 1);
    }
    let isHeld = true;
    return () => {
      if (isHeld) this.#release(event);
      isHeld = false;
    };
  }

  async #queue(event: string, gone: AbortSignal): Promise<boolean> {
    const queue = this.#queues.get(event) ?? [];
    this.#queues.set(event, queue);
    const turn = Promise.withResolvers<boolean>();
    const next = () => turn.resolve(true);
    const leave = () => {
      const place = queue.indexOf(next);
      if (place >= 0) queue.splice(place, 1);
      turn.resolve(false);
    };
    queue.push(next);
    gone.addEventListener("abort", leave, { once: true });
    if (gone.aborted) leave();
    return await turn.promise.finally(() => gone.removeEventListener("abort", leave));
  }

  /** A released connection goes to the next in the queue, or becomes free. */
  #release(event: string): void {
    const next = this.#queues.get(event)?.shift();
    if (next !== undefined) {
      next();
      return;
    }
    const open = (this.#open.get(event) ?? 1) - 1;
    if (open > 0) this.#open.set(event, open);
    else this.#open.delete(event);
    if (this.#queues.get(event)?.length === 0) this.#queues.delete(event);
  }
}
