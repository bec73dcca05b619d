// What passes between a lane and the owner of its work, the coordinator of a copy or a sync: one call reports
// what is finished and asks for more. Parts and batches of small objects use the same protocol.

/** What is finished, what still runs, and how much more the lane can take. */
export interface Claim<Report, Running> {
  readonly lane: number;
  readonly finished: readonly Report[];
  /** The complete list: what is leased to this lane and not in here was lost with the event that ran it. */
  readonly running: readonly Running[];
  readonly wanted: number;
  /** What may take longer than this must not be handed out; undefined: anything may be. */
  readonly withinMs?: number;
}

/**
 * - `work`: start these; ask again after `retryInMs` at the latest (null: when something finishes).
 * - `later`: there is more, but nothing that fits into `withinMs`: ask again in another event.
 * - `rest`: finish what runs, there is nothing more.
 * - `stop`: cancel what runs, the work is ending.
 */
export type Grant<Task> =
  | { readonly kind: "work"; readonly tasks: readonly Task[]; readonly retryInMs: number | null }
  | { readonly kind: "later" }
  | { readonly kind: "rest" }
  | { readonly kind: "stop" };

/** A lane that has nothing under way ends with such a grant: its owner does not expect it back. */
export function isFinal({ kind }: Grant<unknown>): boolean {
  return kind === "rest" || kind === "stop";
}
