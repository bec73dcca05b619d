// A bundle whose Durable Objects can be aborted from outside, whatever they are doing. An abort must come
// from inside the object (`ctx.abort()`), and workerd's eviction waits until the object is idle. So each of
// the bundle's classes is wrapped, with one method that aborts it and one that identifies the instance,
// behind a route that production does not have.
//
// What it needs: the built bundle, beside which the wrapping module is written. Nothing else of the bundle
// changes.

import { writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import type { Mesh, MeshOptions } from "./mesh.ts";

const ROUTE = "/test/objects/";

const frontOf = (bundle: string) => `
import front, { Coordinator as C, Lane as L, ObjectCopier, PartCopier, Registry as R, Sync as S } from "./${bundle}";
const abortable = (Class) => class extends Class {
  #instance = crypto.randomUUID();
  async abortNow() { this.ctx.abort("aborted by a test"); }
  async instance() { return this.#instance; }
};
export { ObjectCopier, PartCopier };
export class Coordinator extends abortable(C) {}
export class Lane extends abortable(L) {}
export class Registry extends abortable(R) {}
export class Sync extends abortable(S) {}
export { Probe, ProbeWorker, Replicator } from "./${bundle}";
export default {
  ...front,
  async fetch(request, env, ctx) {
    const { pathname, searchParams } = new URL(request.url);
    if (!pathname.startsWith("${ROUTE}")) return front.fetch(request, env, ctx);
    const object = ctx.exports[pathname.slice("${ROUTE}".length)].getByName(searchParams.get("name"));
    if (request.method === "GET") return new Response(await object.instance());
    await object.abortNow().catch(() => undefined);
    return new Response(null, { status: 204 });
  },
};
`;

/** Writes the wrapping module beside a bundle. @returns the modules of a mesh whose objects can be aborted */
export function makeAbortable(bundlePath: string): Required<Pick<MeshOptions, "bundlePath" | "modulePaths">> {
  // Two test files may run at once, each in its own process.
  const path = join(dirname(bundlePath), `abortable_front_${process.pid}.js`);
  writeFileSync(path, frontOf(basename(bundlePath)));
  return { bundlePath: path, modulePaths: [bundlePath] };
}

/** An object that is busy starting up is not waited for: it will soon have finished. */
const ABORT_MS = 1_000;

export type ObjectClass = "Coordinator" | "Lane" | "Registry" | "Sync";

/** Aborts a Durable Object of an abortable mesh, whatever it is doing. It may die before it answers. */
export async function abortObject(mesh: Mesh, className: ObjectClass, name: string): Promise<void> {
  const call = mesh.call("DELETE", pathOf(className, name)).catch(() => undefined);
  await Promise.race([call, setTimeout(ABORT_MS)]);
}

/** Identifies the instance: it changes when the object has left memory and come back. */
export async function instanceOf(mesh: Mesh, className: ObjectClass, name: string): Promise<string> {
  const answer = await mesh.call("GET", pathOf(className, name));
  if (answer.status !== 200)
    throw new Error(`${className} ${name} answered ${answer.status}: ${answer.text}`);
  return answer.text;
}

function pathOf(className: ObjectClass, name: string): string {
  return `${ROUTE}${className}?${new URLSearchParams({ name })}`;
}
