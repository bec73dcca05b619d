// May the source's store be asked to restore what is archived there? It is a write: it costs money, and makes
// a copy there that can be read for some days. Pure.

import { Problem } from "../http/problem.ts";
import { type IfArchived, restoreWish } from "../object/archive.ts";
import type { Store } from "../store/stores.ts";
import { checkRestorePriced } from "../work/account.ts";

/** @throws {Problem} 403; 400 if dollars are limited that nobody can count */
export function checkRestorable(
  request: { readonly ifArchived?: IfArchived | undefined; readonly maxUsd?: unknown },
  source: Store,
): void {
  if (restoreWish(request) === null) return;
  checkRestorePriced(request, source);
  if (source.readOnly !== true) return;
  throw new Problem(
    403,
    "store_read_only",
    `Cannot restore objects at store "${source.name}": it is set readOnly. "ifArchived" may be "fail" or "skip" there`,
  );
}
