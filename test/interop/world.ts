// What every interop test has: the stores of the run, a mesh that knows them, and the verdict of the clients.
//
// The verdict is what rclone reads and what the AWS CLI reports. The mesh's status must agree with it.

import { afterAll, expect, inject } from "vitest";
import { Mesh, type Status } from "../mesh/mesh.ts";
import { type Head, Workshop, bare, rclone, remote } from "./clients.ts";
import { type Pair, pairsOf, place, secretOf } from "./stores.ts";

export const MIB = 2 ** 20;
/** The smallest part size of S3 and of the mesh. */
export const PART = 5 * MIB;

export const stores = inject("stores");
export const pairs = pairsOf(stores);

/** A mesh that knows all stores of the run by their names, and more through `bindings`. */
export async function openMesh(bindings: Readonly<Record<string, string>> = {}): Promise<Mesh> {
  const known = stores.map((store) => [`STORE_${store.name.toUpperCase()}`, secretOf(store)]);
  const mesh = await Mesh.start({
    bundlePath: inject("bundlePath"),
    bindings: { ...(Object.fromEntries(known) as Record<string, string>), ...bindings },
  });
  afterAll(() => mesh.stop());
  return mesh;
}

export function openWorkshop(): Workshop {
  const workshop = new Workshop();
  afterAll(() => workshop.remove());
  return workshop;
}

/** An object must exist and be what the status claims, as a client sees it. */
export function expectAgreement(
  status: Status,
  seen: Pick<Head, "etag" | "sizeBytes"> | null | undefined,
): void {
  expect(status, JSON.stringify(status.failure ?? status.timeline)).toMatchObject({ phase: "completed" });
  expect({ etag: bare(status.etag ?? ""), sizeBytes: status.size }).toEqual({
    etag: seen?.etag,
    sizeBytes: seen?.sizeBytes,
  });
}

/** The metadata of a copied object without the mesh's mark, which the source does not have. */
export function withoutMark({ metadata }: Head): Readonly<Record<string, string>> {
  const { "bucket-brigade-copy": mark, ...rest } = metadata;
  expect(mark).toMatch(/^[0-9a-f-]{36}@[0-9a-f]{16}\//);
  return rest;
}

/** rclone reads objects with the same names below both folders and compares them byte by byte. */
export async function expectSameBytes(
  pair: Pair,
  from: string,
  to: string,
  names: readonly string[],
): Promise<void> {
  const filters = names.flatMap((name) => ["--include", `/${escaped(name)}`]);
  const folders = [remote(pair.source, from), remote(pair.destination, to)];
  const check = ["check", "--download", "--combined", "-", ...filters, ...folders];
  const verdict = await rclone([pair.source, pair.destination], check);
  expect(verdict.trim().split("\n").toSorted()).toEqual(names.map((name) => `= ${name}`).toSorted());
}

/** A name in which an rclone filter finds no pattern. */
function escaped(name: string): string {
  return name.replace(/[\\*?[\]{}]/g, "\\$&");
}

/** The request to copy an object of the run to a name at the other store. */
export function copyOf({ source, destination }: Pair, from: string, to: string): Record<string, unknown> {
  return { source: place(source, from), destination: place(destination, to) };
}
