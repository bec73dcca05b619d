// Copies held in the middle, so that something can happen there: the line between the mesh and one of the two
// stores passes a part and a bit, and then nothing.

import { randomBytes } from "node:crypto";
import type { Mesh } from "../mesh/mesh.ts";
import { curl } from "./clients.ts";
import type { Line } from "./line.ts";
import { type StoreAccess, place, secretOf } from "./stores.ts";
import { MIB, PART } from "./world.ts";

/** Enough parts that one is done, one is in flight and some are still to come. */
const PARTS = 5;
export const HELD_BYTES = PARTS * PART - 7;

/** Puts an object with as many parts as a held copy needs. */
export async function putSource(store: StoreAccess, name: string): Promise<void> {
  const { status, text } = await curl(store, { method: "PUT", name, body: randomBytes(HELD_BYTES) });
  if (status !== 200) throw new Error(`${store.title} answered ${status} to PutObject: ${text}`);
}

/** A store, and the line that leads to it. Null if there can be none. */
export interface LinedStore {
  readonly store: StoreAccess;
  readonly line: Line | null;
}

/** The mesh's configuration to use the lines: a STORE_LINE_<NAME> for each. */
export function lineBindings(stores: readonly LinedStore[]): Record<string, string> {
  return Object.fromEntries(
    stores.flatMap(({ store, line }) =>
      line === null ? [] : [[`STORE_LINE_${store.name.toUpperCase()}`, secretOf(store, line.endpoint)]],
    ),
  ) as Record<string, string>;
}

function placeOverLine({ store, line }: LinedStore, name: string): ReturnType<typeof place> {
  return place(store, name, line === null ? store.name : `line_${store.name}`);
}

interface HoldRequest {
  readonly source: LinedStore;
  readonly destination: LinedStore;
  readonly from: string;
  readonly to: string;
  /** The line that is held. */
  readonly at: Line;
  /** Fields of the copy. */
  readonly fields?: Readonly<Record<string, unknown>>;
}

/** Starts a copy and holds it when one part is done and the next is in flight. @returns its id */
export async function holdInMidCopy(mesh: Mesh, request: HoldRequest): Promise<string> {
  const { source, destination, from, to, at, fields } = request;
  const held = at.holdAfter(PART + 2 * MIB);
  const id = await mesh.startCopy({
    source: placeOverLine(source, from),
    destination: placeOverLine(destination, to),
    partSize: PART,
    lanes: 1,
    concurrency: 1,
    ...fields,
  });
  await held;
  await mesh.until(id, ({ parts }) => parts.done >= 1);
  return id;
}

/** The line on which a copy between two stores is held: to its destination if there is one. */
export function lineOf({ source, destination }: { source: LinedStore; destination: LinedStore }): Line {
  const line = destination.line ?? source.line;
  if (line === null)
    throw new Error(`There is no line to ${source.store.title} or ${destination.store.title}`);
  return line;
}
