// How large the buffers of digest streams are. Each stream holds one. A large buffer costs less CPU for each
// byte. But an isolate has 128 MiB, and all lanes may run in one: few streams get the largest buffer, and
// where many run side by side, each gets its share of a budget. Pure.

const KIB = 1024;
const MIB = 1024 * KIB;

/** A buffer above it saves no more CPU (`npm run bench -- digests`). */
export const MAX_BUFFER_BYTES = 512 * KIB;

/** Below it a stream costs twice the CPU. Every stream gets it, even where the budget is used up. */
export const MIN_BUFFER_BYTES = 64 * KIB;

/** Half of an isolate. It lasts for 1,024 of the smallest buffers. */
export const BUFFERS_BUDGET_BYTES = 64 * MIB;

/** A buffer grows fourfold or not at all: otherwise each stream that ends would make all others grow. */
const LEAST_GROWTH = 4;

/** The buffers of all open streams. A stream is known by an object of its own, which holds nothing of it. */
export class DigestBuffers {
  readonly #open = new Map<object, { readonly bytes: number; readonly askedAtMs: number }>();
  readonly #silenceMs: number;
  #heldBytes = 0;

  /**
   * @param silenceMs an open stream asks for its size at least this often. One that does not has died with
   * its event, whose end runs no `finally`
   */
  constructor(silenceMs: number) {
    this.#silenceMs = silenceMs;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  /**
   * @param lengthBytes how much the stream will move: its buffer is never larger
   * @returns the size that the stream's buffer has from now on
   */
  resize(stream: object, lengthBytes: number, nowMs: number): number {
    const own = this.#open.get(stream);
    if (own === undefined) this.#forgetDead(nowMs);
    const others = {
      streams: this.#open.size + (own === undefined ? 1 : 0),
      othersBytes: this.#heldBytes - (own?.bytes ?? 0),
    };
    const bytes = Math.max(1, Math.min(lengthBytes, nextBufferBytes(own?.bytes ?? 0, others)));
    this.#open.set(stream, { bytes, askedAtMs: nowMs });
    this.#heldBytes = others.othersBytes + bytes;
    return bytes;
  }

  /** The stream has ended. */
  close(stream: object): void {
    this.#heldBytes -= this.#open.get(stream)?.bytes ?? 0;
    this.#open.delete(stream);
  }

  #forgetDead(nowMs: number): void {
    for (const [stream, { askedAtMs }] of this.#open)
      if (nowMs - askedAtMs > this.#silenceMs) this.close(stream);
  }
}

/**
 * A power of two between the smallest and the largest size.
 *
 * @param ownBytes the size so far; 0 at first
 * @param open how many streams are open, this one included, and what the others hold
 */
export function nextBufferBytes(
  ownBytes: number,
  open: { readonly streams: number; readonly othersBytes: number },
): number {
  // Streams that opened earlier may still hold more than their share of today.
  const share = Math.min(BUFFERS_BUDGET_BYTES / open.streams, BUFFERS_BUDGET_BYTES - open.othersBytes);
  let bytes = MAX_BUFFER_BYTES;
  while (bytes > share && bytes > MIN_BUFFER_BYTES) bytes /= 2;
  return bytes > ownBytes && bytes < LEAST_GROWTH * ownBytes ? ownBytes : bytes;
}
