// Who guesses tokens: wrong ones are counted by address, and an address with too many waits. Pure.
//
// One isolate sees a part of the calls only. So this slows guessing and does not end it; what ends it is that
// a token has 128 random bits or more.

/** Wrong tokens of one address within a window. */
const MAX_WRONG = 20;

const WINDOW_MS = 60_000;

/** More addresses are not remembered: the one that began first is forgotten. */
const MAX_ADDRESSES = 1_000;

interface Window {
  readonly untilMs: number;
  wrong: number;
}

export class Guesses {
  readonly #windows = new Map<string, Window>();

  /** @param isOver another counter says that these are too many */
  note(address: string | null, now: number, isOver = false): void {
    const own = networkOf(address);
    const known = this.#windows.get(own);
    const window =
      known !== undefined && known.untilMs > now ? known : { untilMs: now + WINDOW_MS, wrong: 0 };
    window.wrong = isOver ? MAX_WRONG : window.wrong + 1;
    this.#windows.delete(own);
    this.#windows.set(own, window);
    const [oldest] = this.#windows.keys();
    if (this.#windows.size > MAX_ADDRESSES && oldest !== undefined) this.#windows.delete(oldest);
  }

  /** How long the address has to wait; 0: it may try. */
  waitMs(address: string | null, now: number): number {
    const window = this.#windows.get(networkOf(address));
    return window === undefined || window.wrong < MAX_WRONG ? 0 : Math.max(0, window.untilMs - now);
  }
}

/** An IPv6 address counts with its /64, of which one client has all. Without an address all count as one. */
export function networkOf(address: string | null): string {
  if (address === null) return "";
  if (!address.includes(":")) return address;
  const [head = "", tail] = address.toLowerCase().split("::");
  const [before, after] = [groupsOf(head), groupsOf(tail ?? "")];
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - before.length - after.length);
  const all = [...before, ...Array.from({ length: zeros }, () => "0"), ...after];
  return `${all
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ""))
    .join(":")}::/64`;
}

function groupsOf(text: string): string[] {
  return text === "" ? [] : text.split(":");
}
