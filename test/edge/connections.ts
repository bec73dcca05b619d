// The six connections of an event: a request of one top-level event waits while six others of it wait for the
// headers of their answers. First come, first served.

export const CONNECTIONS_PER_EVENT = 6;

/** Why a client is gone that has had its whole answer; any other reason: it has left before. */
export const ANSWERED = "answered";

/** A request that has a connection, or waits for one. */
interface Holder {
  readonly gone: AbortSignal;
}

const hasLeft = ({ gone }: Holder) => gone.aborted && gone.reason !== ANSWERED;

export class Connections {
  readonly #limit: number;
  readonly #open = new Map<string, Set<Holder>>();
  readonly #queues = new Map<string, { readonly holder: Holder; readonly next: () => void }[]>();
  /** How many requests had to wait, by event. */
  readonly waited = new Map<string, number>();
  /** Who held the event's connections when a request found none. */
  readonly #queued: { readonly event: string; readonly holders: readonly Holder[] }[] = [];

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
    const holder: Holder = { gone };
    const open = this.#open.get(event) ?? new Set();
    this.#open.set(event, open);
    if (open.size >= this.#limit) {
      this.waited.set(event, (this.waited.get(event) ?? 0) + 1);
      this.#queued.push({ event, holders: [...open] });
      if (!(await this.#queue(event, holder))) return null;
    } else {
      open.add(holder);
    }
    let isHeld = true;
    return () => {
      if (isHeld) this.#release(event, holder);
      isHeld = false;
    };
  }

  /**
   * The events of which a request waited for others that all had their answers in the end. Where one of them
   * was given up, workerd had counted it out before it asked for the next one, and the news was on its way.
   */
  crowded(): string[] {
    const waiters = this.#queued.filter(({ holders }) => !holders.some(hasLeft));
    return [...new Set(waiters.map(({ event }) => event))];
  }

  forget(): void {
    this.waited.clear();
    this.#queued.length = 0;
  }

  async #queue(event: string, holder: Holder): Promise<boolean> {
    const { gone } = holder;
    const queue = this.#queues.get(event) ?? [];
    this.#queues.set(event, queue);
    const turn = Promise.withResolvers<boolean>();
    const place = { holder, next: () => turn.resolve(true) };
    const leave = () => {
      const index = queue.indexOf(place);
      if (index >= 0) queue.splice(index, 1);
      turn.resolve(false);
    };
    queue.push(place);
    gone.addEventListener("abort", leave, { once: true });
    if (gone.aborted) leave();
    return await turn.promise.finally(() => gone.removeEventListener("abort", leave));
  }

  /** A released connection goes to the next in the queue, or becomes free. */
  #release(event: string, holder: Holder): void {
    const open = this.#open.get(event);
    open?.delete(holder);
    const place = this.#queues.get(event)?.shift();
    if (place !== undefined) {
      open?.add(place.holder);
      place.next();
      return;
    }
    if (open?.size === 0) this.#open.delete(event);
    if (this.#queues.get(event)?.length === 0) this.#queues.delete(event);
  }
}
