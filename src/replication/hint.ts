// What an event says: a key that must be looked at. It is a hint and no more: what is true of the key, the
// source says when it is asked.

export interface Hint {
  readonly bucket: string;
  readonly key: string;
  /** When it happened, by the event; null: the event does not say. */
  readonly atMs: number | null;
}

/** What became of hints. `ignored`: of another bucket or prefix, or left out by a filter. */
export interface Taken {
  readonly taken: number;
  readonly ignored: number;
}
