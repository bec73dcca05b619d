// The kinds of work there are: what each is called, what starts it, and which objects carry it out. A new
// kind is a row of SpecOf, PLURALS and CLASSES; the compiler then names each place that must know it too.

import type { Admitted, CopySpec } from "../copy/spec.ts";
import type { Mesh } from "../mesh.ts";
import type { ComparisonSpec } from "../sync/comparison_spec.ts";
import type { SyncSpec } from "../sync/spec.ts";

export interface SpecOf {
  readonly copy: CopySpec;
  readonly sync: SyncSpec;
  readonly comparison: ComparisonSpec;
}

export type WorkKind = keyof SpecOf;

/** In routes and in lists; also the table of the registry. */
export const PLURALS = { copy: "copies", sync: "syncs", comparison: "comparisons" } as const satisfies Record<
  WorkKind,
  string
>;

export const WORK_KINDS = Object.keys(PLURALS) as readonly WorkKind[];

const CLASSES = { copy: "Coordinator", sync: "Sync", comparison: "Sync" } as const satisfies Record<
  WorkKind,
  keyof Mesh
>;

/** Work as it is to be done: checked against the configuration, every default filled in. */
export type Work = {
  readonly [Kind in WorkKind]: { readonly kind: Kind; readonly spec: SpecOf[Kind] };
}[WorkKind];

/** Work that was given an id and may not have its Durable Object yet. */
export type Started = {
  readonly [Kind in WorkKind]: { readonly kind: Kind } & Admitted<SpecOf[Kind]>;
}[WorkKind];

export function objectsOf(mesh: Mesh, kind: WorkKind): Mesh[(typeof CLASSES)[WorkKind]] {
  return mesh[CLASSES[kind]];
}
