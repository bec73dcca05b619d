// A `parts` event: what has become of the parts of a copy, as `GET /copies/{id}/events?parts` tells it. It imports nothing,
// as phases.ts.

export interface PartsMessage {
  readonly total: number;
  /** The parts named are all that were ever handed out: whatever was known before is void. */
  readonly reset: boolean;
  readonly parts: readonly PartWord[];
}

export type PartWord = readonly [
  partNumber: number,
  state: "pending" | "inFlight" | "done",
  lane: number | null,
  failedAttempts: number,
];
