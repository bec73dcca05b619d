/**
 * Event notifications of a test store: for each change of a bucket a POST in the form of S3, as a real sender
 * delivers it, which means badly. Some are lost, some come twice, some late, after others have overtaken
 * them.
 *
 * What is not lost on purpose is sent again until it is acknowledged with a 2xx, as queues in front of
 * receivers do. "Late" is counted in events, not in time: an event is held back until so many others have
 * been made, or until `flush`. All chances come from a seed, so a run can be repeated.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
 */
import { setTimeout as wait } from "node:timers/promises";
import { formEncode } from "./operations_list.ts";
import { type BucketChange, Random } from "./state.ts";

export interface SenderOptions {
  /** Asked for each request: a mesh that was started again may listen elsewhere. */
  readonly url: string | (() => string);
  readonly headers?: Readonly<Record<string, string>>;
  /** Fractions of the events, 0 to 1. Default: none. */
  readonly lost?: number;
  readonly doubled?: number;
  readonly late?: number;
  /** How many events overtake a late one at most. */
  readonly lateBy?: number;
  /** Records in one request at most, and requests at once. */
  readonly perRequest?: number;
  readonly requestsAtOnce?: number;
  readonly seed?: string;
}

interface Event {
  readonly record: object;
  /** When it may go: once so many events have been made. */
  readonly dueAt: number;
}

/** Between two tries of a request that was not acknowledged. */
const RETRY_MS = 50;

const UNANSWERED_MS = 30_000;

export class EventSender {
  /** How many events were made, lost, sent twice, held back; and how many are acknowledged. */
  readonly counts = { made: 0, lost: 0, doubled: 0, late: 0, acknowledged: 0 };
  readonly #options: Required<SenderOptions>;
  readonly #bucket: string;
  readonly #random: Random;
  readonly #stopped = new AbortController();
  #held: Event[] = [];
  #ready: Event[] = [];
  #requests = 0;
  readonly #waiters = new Set<() => void>();

  constructor(bucket: string, options: SenderOptions) {
    this.#bucket = bucket;
    this.#options = {
      headers: {},
      lost: 0,
      doubled: 0,
      late: 0,
      lateBy: 100,
      perRequest: 10,
      requestsAtOnce: 4,
      seed: "events",
      ...options,
    };
    this.#random = new Random(this.#options.seed);
  }

  note(change: BucketChange): void {
    if (this.#stopped.signal.aborted) return;
    const { lost, doubled, late, lateBy } = this.#options;
    const { counts } = this;
    counts.made += 1;
    const record = recordOf(this.#bucket, change, counts.made);
    if (this.#random.fraction() < lost) {
      counts.lost += 1;
    } else {
      const copies = this.#random.fraction() < doubled ? 2 : 1;
      if (copies === 2) counts.doubled += 1;
      for (let copy = 0; copy < copies; copy++) {
        const isLate = this.#random.fraction() < late;
        if (isLate) counts.late += 1;
        const by = isLate ? 1 + Math.floor(this.#random.fraction() * lateBy) : 0;
        this.#held.push({ record, dueAt: counts.made + by });
      }
    }
    this.#release(counts.made);
  }

  /** Sends what is held back; resolves when all that was made and not lost is acknowledged. */
  async flush(): Promise<void> {
    this.#release(Infinity);
    while (this.#requests > 0 && !this.#stopped.signal.aborted)
      await new Promise<void>((resolve) => this.#waiters.add(resolve));
  }

  /** Sends nothing more, and forgets what is held back. */
  stop(): void {
    this.#stopped.abort();
    this.#held = [];
    this.#ready = [];
    this.#wake();
  }

  #release(made: number): void {
    this.#ready.push(...this.#held.filter(({ dueAt }) => dueAt <= made));
    this.#held = this.#held.filter(({ dueAt }) => dueAt > made);
    const { perRequest, requestsAtOnce } = this.#options;
    while (this.#ready.length > 0 && this.#requests < requestsAtOnce) {
      this.#requests += 1;
      void this.#deliver(this.#ready.splice(0, perRequest));
    }
  }

  /** Never rejects. */
  async #deliver(events: readonly Event[]): Promise<void> {
    const body = JSON.stringify({ Records: events.map(({ record }) => record) });
    const { signal } = this.#stopped;
    // The wait rejects when the sender is stopped, which the loop asks next.
    while (!signal.aborted && !(await this.#send(body)))
      await wait(RETRY_MS, null, { signal }).catch(() => {});
    if (!signal.aborted) this.counts.acknowledged += events.length;
    this.#requests -= 1;
    this.#release(this.counts.made);
    this.#wake();
  }

  /** Whether it was acknowledged. */
  async #send(body: string): Promise<boolean> {
    const { url, headers } = this.#options;
    try {
      const response = await fetch(typeof url === "string" ? url : url(), {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body,
        signal: AbortSignal.any([this.#stopped.signal, AbortSignal.timeout(UNANSWERED_MS)]),
      });
      await response.arrayBuffer();
      return response.ok;
    } catch {
      // A receiver that is down is one that has not acknowledged.
      return false;
    }
  }

  #wake(): void {
    for (const wake of this.#waiters) wake();
    this.#waiters.clear();
  }
}

/** @param number of the event, which S3's `sequencer` stands for */
function recordOf(bucket: string, change: BucketChange, number: number): object {
  const size = change.kind === "created" ? { size: change.object.size, eTag: change.object.etag } : {};
  const { key } = change.kind === "created" ? change.object : change;
  return {
    eventVersion: "2.1",
    eventSource: "aws:s3",
    awsRegion: "us-east-1",
    eventTime: new Date(change.atMs).toISOString(),
    eventName: change.kind === "created" ? "ObjectCreated:Put" : "ObjectRemoved:Delete",
    s3: {
      s3SchemaVersion: "1.0",
      configurationId: "test",
      bucket: { name: bucket, arn: `arn:aws:s3:::${bucket}` },
      object: {
        key: formEncode(key),
        ...size,
        sequencer: number.toString(16).toUpperCase().padStart(16, "0"),
      },
    },
  };
}
