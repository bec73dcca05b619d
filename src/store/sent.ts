// What was sent to a store, by the classes in which stores ask money for it: counted where a request is sent,
// whatever its answer. Pure.

/**
 * `put`: PUT, COPY and POST. `list`: of objects, parts and uploads. `delete`: also an abort, and many in one
 * POST; it is free at every store whose prices are known.
 */
export const REQUEST_KINDS = ["put", "list", "get", "head", "delete"] as const;

type RequestKind = (typeof REQUEST_KINDS)[number];

/**
 * Plain data. `bytes`: of objects, which the store was asked for and began to send. `retrievalUsd`: what it
 * asks for objects that it brings back from an archive; absent: nothing.
 */
export type Sent = { readonly [Kind in RequestKind | "bytes"]: number } & { readonly retrievalUsd?: number };

export const NOTHING_SENT: Sent = { put: 0, list: 0, get: 0, head: 0, delete: 0, bytes: 0 };

/**
 * Learns of each request before it is sent, and of the bytes of an answer before they are read.
 *
 * @param isOwed it must be sent whatever it costs
 * @returns whether it is counted elsewhere by that
 * @throws what keeps it from being sent
 */
export type Charge = (cost: Sent, isOwed: boolean) => boolean;

/** What one or several users of a store have sent to it. */
export class SentCount {
  #sent: Sent = NOTHING_SENT;
  readonly #charge: Charge | null;

  constructor(charge: Charge | null = null) {
    this.#charge = charge;
  }

  request(operation: string, method: string): void {
    this.#count({ ...NOTHING_SENT, [kindOf(operation, method)]: 1 }, false);
  }

  /** A body that is given up half-way counts whole: what was on its way is paid for. */
  bytes(sizeBytes: number): void {
    this.#count({ ...NOTHING_SENT, bytes: sizeBytes }, false);
  }

  /** Dollars for what is brought back from an archive; below 0: the store has refused to. */
  retrieval(usd: number): void {
    if (usd !== 0) this.#count({ ...NOTHING_SENT, retrievalUsd: usd }, usd < 0);
  }

  /** The same count, for what must be sent once something may have been written. */
  owed(): Pick<SentCount, "request" | "bytes" | "retrieval"> {
    return {
      retrieval: (usd) => this.retrieval(usd),
      request: (operation, method) => this.#count({ ...NOTHING_SENT, [kindOf(operation, method)]: 1 }, true),
      bytes: (sizeBytes) => this.#count({ ...NOTHING_SENT, bytes: sizeBytes }, true),
    };
  }

  /** What another event has counted. */
  add(sent: Sent): void {
    this.#sent = addSent(this.#sent, sent);
  }

  /** What was counted since the last call. */
  take(): Sent {
    const sent = this.#sent;
    this.#sent = NOTHING_SENT;
    return sent;
  }

  #count(cost: Sent, isOwed: boolean): void {
    if (this.#charge?.(cost, isOwed) !== true) this.add(cost);
  }
}

function kindOf(operation: string, method: string): RequestKind {
  if (method === "DELETE" || operation === "DeleteObjects") return "delete";
  if (method === "HEAD") return "head";
  if (method === "GET") return operation.startsWith("List") ? "list" : "get";
  return "put";
}

export function addSent(one: Sent, other: Sent): Sent {
  return {
    ...retrievalOf((one.retrievalUsd ?? 0) + (other.retrievalUsd ?? 0)),
    put: one.put + other.put,
    list: one.list + other.list,
    get: one.get + other.get,
    head: one.head + other.head,
    delete: one.delete + other.delete,
    bytes: one.bytes + other.bytes,
  };
}

/** So many times as much. */
export function timesSent(sent: Sent, times: number): Sent {
  return {
    ...retrievalOf((sent.retrievalUsd ?? 0) * times),
    put: sent.put * times,
    list: sent.list * times,
    get: sent.get * times,
    head: sent.head * times,
    delete: sent.delete * times,
    bytes: sent.bytes * times,
  };
}

function retrievalOf(usd: number): Pick<Sent, "retrievalUsd"> {
  return usd === 0 ? {} : { retrievalUsd: usd };
}

export function requestsOf({ put, list, get, head, delete: deletes }: Sent): number {
  return put + list + get + head + deletes;
}
