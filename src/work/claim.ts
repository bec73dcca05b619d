// What passes between a lane and the owner of its work, the coordinator of a copy or a sync: one call reports
// what is finished and asks for more. Parts and batches of small objects use the same protocol.

/** What is finished, what still runs, and how much more the lane can take. */
export interface Claim<Report, Running> {
  readonly lane: number;
  readonly finished: readonly Report[];
  /** The complete list: what is leased to this lane and not in here was lost with the event that ran it. */
  readonly running: readonly Running[];
  readonly wanted: number;
}

/**
 * `work`: start these; ask again after `retryInMs` at the latest (null: when something finishes). `rest`:
 * finish what runs, there is nothing more. `stop`: cancel what runs, the work is ending.
 */
export type Grant<Task> =
  | { readonly kind: "work"; readonly tasks: readonly Task[]; readonly retryInMs: number | null }
  | { readonly kind: "rest" }
  | { readonly kind: "stop" };
