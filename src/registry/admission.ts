// What becomes of a request for a copy or a sync.

import type { Admitted, CopySpec } from "../copy/spec.ts";
import type { SyncSpec } from "../sync/spec.ts";

/** What may come of either. */
type Settled =
  | { readonly kind: "known"; readonly id: string }
  | { readonly kind: "key_reused" }
  /** As many run as MAX_RUNNING allows. */
  | { readonly kind: "full"; readonly most: number };

export type Admission =
  | Settled
  | { readonly kind: "new"; readonly copy: Admitted<CopySpec> }
  /** Another copy writes that object, and this request does not want to wait for it. */
  | { readonly kind: "busy"; readonly id: string };

export type SyncAdmission =
  | Settled
  | { readonly kind: "new"; readonly sync: Admitted<SyncSpec> }
  /** Another sync writes under an overlapping prefix. */
  | { readonly kind: "rival"; readonly id: string };
