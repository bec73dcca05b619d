// Who may do what, and where: the decision for a call, from the rights of its caller. Pure.
//
// A grant is a list of rights over the places of either side. Somebody may hold several; each right that a
// call needs must be in one that covers everything which the call touches.
//
// A place is compared by the name of its store, exactly, and never by where the store is. Another name of the
// same service has another key, with which more may be possible. A prefix is a string, not a folder.

import { RIGHTS } from "../http/vocabulary.ts";

export type Right = (typeof RIGHTS)[number];

/** `store`, `store:bucket` or `store:bucket/prefix`. */
export interface Scope {
  readonly store: string;
  /** Null: all. */
  readonly bucket: string | null;
  /** Empty: all. */
  readonly prefix: string;
}

export interface Grant {
  readonly may: readonly Right[];
  /** What may be read. Null: everything. */
  readonly source: readonly Scope[] | null;
  /** What may be written. Null: everything. */
  readonly destination: readonly Scope[] | null;
}

export interface Caller {
  /** As the log, the audit and `startedBy` have it: the name of a token, or an e-mail address. */
  readonly name: string;
  readonly grants: readonly Grant[];
}

/** A key, all keys of a prefix, a bucket (`name` empty), or a store (`bucket` null). */
export interface Place {
  readonly store: string;
  readonly bucket: string | null;
  readonly name: string;
}

/** What a call reads and writes. `mesh`: everything that the mesh does. */
export type Touched = { readonly source: readonly Place[]; readonly destination: readonly Place[] } | "mesh";

type Ruling =
  | { readonly kind: "allowed" }
  /** No grant has it. */
  | { readonly kind: "right_missing"; readonly right: Right }
  /** A grant has it, but for other places. */
  | { readonly kind: "out_of_scope"; readonly right: Right };

export function ruleOn({ grants }: Caller, rights: readonly Right[], touched: Touched): Ruling {
  for (const right of rights) {
    const holding = grants.filter(({ may }) => may.includes(right));
    if (holding.length === 0) return { kind: "right_missing", right };
    if (!holding.some((grant) => covers(grant, touched))) return { kind: "out_of_scope", right };
  }
  return { kind: "allowed" };
}

/** Whether lists show it: both sides are within one grant that may read. */
export function sees(caller: Caller, touched: Touched): boolean {
  return ruleOn(caller, ["read"], touched).kind === "allowed";
}

/** Whether any of its grants covers it, whatever the right: then a refusal may say that it exists. */
export function knowsOf({ grants }: Caller, touched: Touched): boolean {
  return grants.some((grant) => covers(grant, touched));
}

/** Whether a grant that has the right has any place in that bucket, or in that store, on either side. */
export function reaches({ grants }: Caller, right: Right, store: string, bucket: string | null): boolean {
  const isIn = (scopes: readonly Scope[] | null) =>
    scopes === null ||
    scopes.some(
      (scope) =>
        scope.store === store && (bucket === null || scope.bucket === null || scope.bucket === bucket),
    );
  return grants.some(
    ({ may, source, destination }) => may.includes(right) && (isIn(source) || isIn(destination)),
  );
}

/** All rights that it has anywhere. */
export function rightsOf({ grants }: Caller): Right[] {
  return RIGHTS.filter((right) => grants.some(({ may }) => may.includes(right)));
}

function covers({ source, destination }: Grant, touched: Touched): boolean {
  if (touched === "mesh") return source === null && destination === null;
  return isWithin(touched.source, source) && isWithin(touched.destination, destination);
}

function isWithin(places: readonly Place[], scopes: readonly Scope[] | null): boolean {
  return scopes === null || places.every((place) => scopes.some((scope) => contains(scope, place)));
}

function contains(scope: Scope, { store, bucket, name }: Place): boolean {
  if (scope.store !== store) return false;
  return scope.bucket === null || (scope.bucket === bucket && name.startsWith(scope.prefix));
}

/** Parses `store`, `store:bucket` or `store:bucket/prefix`; stores in any case. Null: it is none of them. */
export function parseScope(text: string): Scope | null {
  const match = /^([A-Za-z0-9_]+)(?::([^/]+)(?:\/([^]*))?)?$/.exec(text);
  if (match === null) return null;
  const [, store = "", bucket = null, prefix = ""] = match;
  return { store: store.toLowerCase(), bucket, prefix };
}

export function formatScope({ store, bucket, prefix }: Scope): string {
  if (bucket === null) return store;
  return `${store}:${bucket}${prefix === "" ? "" : `/${prefix}`}`;
}
