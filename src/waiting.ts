// Those who wait for an end: requests with `?wait=`. In memory only: if their object is evicted the connection breaks, and
// they ask again.

export class Waiting {
  readonly #waiting = new Set<() => void>();

  /** Resolves when wake() is called, or after that time. */
  async wait(waitSeconds: number): Promise<void> {
    const woken = Promise.withResolvers<void>();
    this.#waiting.add(woken.resolve);
    const timer = setTimeout(woken.resolve, waitSeconds * 1000);
    await woken.promise;
    clearTimeout(timer);
    this.#waiting.delete(woken.resolve);
  }

  wake(): void {
    for (const resolve of this.#waiting) resolve();
  }
}
