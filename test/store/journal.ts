/**
 * What the store was asked and what became of it: one record per request, for assertions on exact requests.
 *
 * Records appear when the headers have arrived and are closed when the last byte of the answer was handed to
 * the socket or the connection went away. A small answer is closed just *before* it is sent, so that a client
 * that reacts at once cannot be counted twice. Counters and peaks stay exact even when `limit` makes the
 * oldest closed records go. An answer that the client neither reads nor cancels stays open: that is how a
 * leaked body shows, provided it is larger than the socket buffers (some MB).
 */
import type { Operation } from "./routing.ts";

type Outcome = "open" | "answered" | "aborted";

export interface RequestRecord {
  readonly sequence: number;
  readonly method: string;
  /** Request target as received, never decoded. */
  readonly url: string;
  /** Undefined when the request could not be understood. */
  operation: Operation | undefined;
  bucket: string | undefined;
  key: string | undefined;
  query: ReadonlyMap<string, string>;
  partNumber: number | undefined;
  uploadId: string | undefined;
  /** Lower-case names; the signature is cut out of `authorization`. */
  readonly headers: Readonly<Record<string, string>>;
  readonly userAgent: string;
  /** From the User-Agent token `lane/<n>`. */
  readonly lane: string | undefined;
  /** From the User-Agent token `copy/<id>`. */
  readonly copy: string | undefined;
  readonly connection: number;
  bytesReceived: number;
  bytesSent: number;
  status: number | undefined;
  /** S3's error code, also where a HEAD could not show it. */
  errorCode: string | undefined;
  readonly startedAt: number;
  /** When the store did what was asked: wrote, made, ended; undefined when it did not, or only read. */
  workedAt: number | undefined;
  endedAt: number | undefined;
  outcome: Outcome;
}

export interface RequestFilter {
  readonly operation?: Operation;
  readonly bucket?: string;
  readonly key?: string;
  readonly partNumber?: number;
  readonly uploadId?: string;
  readonly lane?: string;
  readonly copy?: string;
  readonly status?: number;
  readonly outcome?: Outcome;
}

export interface Peaks {
  readonly requests: number;
  readonly uploadParts: number;
}

export class Journal {
  readonly #limit: number;
  #records: RequestRecord[] = [];
  #open = new Set<RequestRecord>();
  #counts = new Map<Operation, number>();
  #sequence = 0;
  #peakRequests = 0;
  #peakUploadParts = 0;
  #peakPerLane = new Map<string, number>();
  #waiters = new Set<() => void>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Opens a record; `identify` follows once the operation is known. */
  start(request: {
    readonly method: string;
    readonly url: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly connection: number;
  }): RequestRecord {
    const userAgent = request.headers["user-agent"] ?? "";
    const record: RequestRecord = {
      sequence: ++this.#sequence,
      method: request.method,
      url: request.url,
      operation: undefined,
      bucket: undefined,
      key: undefined,
      query: new Map(),
      partNumber: undefined,
      uploadId: undefined,
      headers: request.headers,
      userAgent,
      lane: token(userAgent, "lane"),
      copy: token(userAgent, "copy"),
      connection: request.connection,
      bytesReceived: 0,
      bytesSent: 0,
      status: undefined,
      errorCode: undefined,
      startedAt: performance.now(),
      workedAt: undefined,
      endedAt: undefined,
      outcome: "open",
    };
    this.#records.push(record);
    this.#open.add(record);
    this.#peakRequests = Math.max(this.#peakRequests, this.#open.size);
    return record;
  }

  /** Counts the request under its operation and wakes those that wait for it. */
  identify(record: RequestRecord, operation: Operation): void {
    record.operation = operation;
    this.#counts.set(operation, this.count(operation) + 1);
    if (operation === "UploadPart") {
      const open = this.openUploadParts();
      this.#peakUploadParts = Math.max(this.#peakUploadParts, open.length);
      const lane = laneName(record);
      const inLane = open.filter((other) => laneName(other) === lane).length;
      this.#peakPerLane.set(lane, Math.max(this.#peakPerLane.get(lane) ?? 0, inLane));
    }
    this.changed();
  }

  finish(record: RequestRecord, outcome: "answered" | "aborted"): void {
    if (record.outcome !== "open") return;
    record.outcome = outcome;
    record.endedAt = performance.now();
    this.#open.delete(record);
    if (this.#records.length > this.#limit * 2) {
      const kept = this.#records.slice(-this.#limit);
      this.#records = [
        ...this.#records.slice(0, -this.#limit).filter((old) => old.outcome === "open"),
        ...kept,
      ];
    }
    this.changed();
  }

  /** Wakes every waiter to look again. */
  changed(): void {
    for (const wake of this.#waiters) wake();
  }

  /** Resolves once `predicate` holds; it is tried now and after each start and end of a request. */
  async waitFor(predicate: () => boolean): Promise<void> {
    if (predicate()) return;
    await new Promise<void>((resolve, reject) => {
      const wake = () => {
        try {
          if (!predicate()) return;
          resolve();
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
        this.#waiters.delete(wake);
      };
      this.#waiters.add(wake);
    });
  }

  requests(filter: RequestFilter = {}): readonly RequestRecord[] {
    return this.#records.filter(
      (record) =>
        (filter.operation === undefined || record.operation === filter.operation) &&
        (filter.bucket === undefined || record.bucket === filter.bucket) &&
        (filter.key === undefined || record.key === filter.key) &&
        (filter.partNumber === undefined || record.partNumber === filter.partNumber) &&
        (filter.uploadId === undefined || record.uploadId === filter.uploadId) &&
        (filter.lane === undefined || record.lane === filter.lane) &&
        (filter.copy === undefined || record.copy === filter.copy) &&
        (filter.status === undefined || record.status === filter.status) &&
        (filter.outcome === undefined || record.outcome === filter.outcome),
    );
  }

  /** Requests of `operation` so far, those whose records are gone included; all requests without one. */
  count(operation?: Operation): number {
    return operation === undefined ? this.#sequence : (this.#counts.get(operation) ?? 0);
  }

  /** Requests so far by operation; those that could not be understood are in none. */
  counts(): Readonly<Partial<Record<Operation, number>>> {
    return Object.fromEntries(this.#counts);
  }

  openRequests(): readonly RequestRecord[] {
    return [...this.#open];
  }

  openUploadParts(): readonly RequestRecord[] {
    return this.openRequests().filter((record) => record.operation === "UploadPart");
  }

  /** Answers that were begun and neither read to the end nor cancelled by the client. */
  unfinishedAnswers(): readonly RequestRecord[] {
    return this.openRequests().filter((record) => record.status !== undefined);
  }

  peaks(): Peaks {
    return { requests: this.#peakRequests, uploadParts: this.#peakUploadParts };
  }

  /** Peak of simultaneously open UploadParts, by `copy/<id> lane/<n>`. */
  peakUploadPartsPerLane(): ReadonlyMap<string, number> {
    return this.#peakPerLane;
  }

  /** Forgets closed records, counters and peaks; requests now open stay open. */
  clear(): void {
    this.#records = [...this.#open];
    this.#counts.clear();
    this.#sequence = 0;
    this.#peakRequests = this.#open.size;
    this.#peakUploadParts = 0;
    this.#peakPerLane.clear();
  }
}

/**
 * The most requests that were open at one moment. One that was cut off has ended for its sender before the
 * store sees that, so it may meet its successor here: what a sender has under way is in those that were
 * answered.
 */
export function mostAtOnce(requests: readonly Pick<RequestRecord, "startedAt" | "endedAt">[]): number {
  const steps = requests
    .flatMap(({ startedAt, endedAt = Infinity }) => [
      { at: startedAt, by: 1 },
      { at: endedAt, by: -1 },
    ])
    .toSorted((a, b) => a.at - b.at || a.by - b.by);
  let [open, most] = [0, 0];
  for (const { by } of steps) most = Math.max(most, (open += by));
  return most;
}

function token(userAgent: string, name: string): string | undefined {
  return new RegExp(`(?:^|\\s)${name}/(\\S+)`).exec(userAgent)?.[1];
}

function laneName(record: RequestRecord): string {
  return `copy/${record.copy ?? "?"} lane/${record.lane ?? "?"}`;
}
