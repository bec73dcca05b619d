// What becomes of a request for work.

import type { Started } from "../schedule/kinds.ts";

/** Why work does not begin now. */
export type Obstacle =
  /** Other work of its kind writes there, and this one does not wait for it. */
  | { readonly kind: "taken"; readonly id: string }
  /** As many run as MAX_RUNNING allows. */
  | { readonly kind: "full"; readonly most: number };

export type Admission =
  | { readonly kind: "new"; readonly work: Started }
  | { readonly kind: "known"; readonly id: string }
  | { readonly kind: "key_reused" }
  | Obstacle;
