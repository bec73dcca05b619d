// What a caller may do with what it names: the rights and places of its call, held against its grants. What
// lies outside of them does not exist for it; what it may see but not do is refused with the right that is
// missing.

import { describeTouched } from "../access/places.ts";
import { type Caller, type Right, type Touched, knowsOf, reaches, ruleOn, sees } from "../access/rights.ts";
import { rightMissing } from "./auth.ts";
import { Problem } from "../http/problem.ts";

/**
 * Returns if the caller has each right where it is needed.
 *
 * @param touched null: the rights alone are asked for, wherever they are
 * @throws {Problem} 403
 */
export function permit(caller: Caller, rights: readonly Right[], touched: Touched | null): void {
  const ruling = ruleOn(caller, rights, touched ?? NOWHERE);
  if (ruling.kind === "allowed") return;
  if (ruling.kind === "right_missing") throw rightMissing(caller, ruling.right);
  throw new Problem(403, "out_of_scope", outOfScope(caller, ruling.right, touched ?? "mesh"));
}

/** Every grant covers it. */
const NOWHERE: Touched = { source: [], destination: [] };

function outOfScope({ name }: Caller, right: Right, touched: Touched): string {
  if (touched === "mesh")
    return `"${name}" may ${right} in some places only, and this call is about the whole mesh`;
  return `"${name}" may not ${right} ${describeTouched(touched)}: its "source" and "destination" in API_TOKENS do not cover that`;
}

/**
 * Returns if the caller may do this to something that exists.
 *
 * @param missing the answer to who may not know that it exists
 * @throws {Problem} 404 or 403
 */
export function permitKnown(
  caller: Caller,
  rights: readonly Right[],
  touched: Touched,
  missing: Problem,
): void {
  const isRead = rights.every((right) => right === "read");
  if (isRead ? !sees(caller, touched) : !knowsOf(caller, touched)) throw missing;
  permit(caller, rights, touched);
}

/**
 * Refuses a store of which the caller may use nothing, before anything of it is told.
 *
 * @throws {Problem} 403
 */
export function permitStore(caller: Caller, right: Right, store: string): void {
  if (reaches(caller, right, store, null)) return;
  const places = [{ store, bucket: null, name: "" }];
  throw new Problem(403, "out_of_scope", outOfScope(caller, right, { source: places, destination: [] }));
}
