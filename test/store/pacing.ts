/**
 * Rates: bytes per second on a connection, requests per second on the store.
 *
 * A pacer belongs to a connection and a direction, not to a request, because a slow network does not become
 * fast again with each request. Both use a virtual schedule (the time at which the next byte or request is
 * due) rather than counters reset by a timer, so short bursts even out and nothing runs while idle.
 */
import type { Socket } from "node:net";
import { setTimeout as timeout } from "node:timers/promises";

export async function sleep(milliseconds: number): Promise<void> {
  // Unreferenced, so that a fault still waiting does not keep a finished test run alive.
  await timeout(milliseconds, undefined, { ref: false });
}

export class Pacer {
  readonly bytesPerSecond: number;
  #due = 0;

  constructor(bytesPerSecond: number) {
    if (!(bytesPerSecond > 0)) throw new RangeError(`bytesPerSecond must be positive: ${bytesPerSecond}`);
    this.bytesPerSecond = bytesPerSecond;
  }

  /** Books `bytes` and returns how many milliseconds to wait before the next ones. */
  account(bytes: number): number {
    const now = performance.now();
    this.#due = Math.max(this.#due, now) + (bytes * 1000) / this.bytesPerSecond;
    return this.#due - now;
  }
}

const pacers = new WeakMap<Socket, Map<string, Pacer>>();

/** The pacer of one direction of one connection. A new one is made when the rate changes. */
export function pacerFor(socket: Socket, direction: "in" | "out", bytesPerSecond: number): Pacer {
  const ofSocket = pacers.get(socket) ?? new Map<string, Pacer>();
  pacers.set(socket, ofSocket);
  const known = ofSocket.get(direction);
  if (known?.bytesPerSecond === bytesPerSecond) return known;
  const pacer = new Pacer(bytesPerSecond);
  ofSocket.set(direction, pacer);
  return pacer;
}

/** A token bucket of requests. */
export class RateLimit {
  readonly #requestsPerSecond: number;
  readonly #burst: number;
  #tokens: number;
  #at = performance.now();
  /** Requests turned away so far. */
  refused = 0;

  constructor(requestsPerSecond: number, burst: number) {
    this.#requestsPerSecond = requestsPerSecond;
    this.#burst = burst;
    this.#tokens = burst;
  }

  /** Takes a token; false when there is none. */
  take(): boolean {
    const now = performance.now();
    this.#tokens = Math.min(this.#burst, this.#tokens + ((now - this.#at) * this.#requestsPerSecond) / 1000);
    this.#at = now;
    if (this.#tokens >= 1) {
      this.#tokens--;
      return true;
    }
    this.refused++;
    return false;
  }
}
