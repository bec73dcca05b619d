// The world of one test file: a mesh and the stores it knows. Opened at the top of the file, closed by hooks.
//
// After every test the hooks check what must always hold: no store has run into a bug of its own, no request
// is still open (an answer that is neither read nor cancelled stays open), and no store has an unfinished
// upload that would cost money. At the end: no event has ever wanted a seventh connection.

import { afterAll, afterEach, expect, inject } from "vitest";
import type { Clock } from "../mesh/clock.ts";
import { Mesh, type MeshOptions } from "../mesh/mesh.ts";
import { type StoreOptions, type TestStore, startStore } from "../store/store.ts";

export const MIB = 1024 * 1024;
/** The smallest part that the stores of a world take: what parts do, small ones do as well, and sooner. */
export const PART = MIB;

/**
 * @param stores by the name under which the mesh knows them
 * @param clock of the mesh and the stores, where it is not the machine's
 * @param wrap what stands around the bundle
 */
export async function openWorld<Name extends string>(
  stores: Readonly<Record<Name, StoreOptions>>,
  options: (stores: Record<Name, TestStore>) => Omit<MeshOptions, "bundlePath" | "stores"> = () => ({}),
  clock: Clock | null = null,
  wrap: (bundlePath: string) => Pick<MeshOptions, "bundlePath" | "modulePaths"> = (bundlePath) => ({
    bundlePath,
  }),
): Promise<{ mesh: Mesh; stores: Record<Name, TestStore> }> {
  const opened = {} as Record<Name, TestStore>;
  const clocked = clock === null ? {} : { clock: clock.now };
  for (const name of Object.keys(stores) as Name[])
    opened[name] = await startStore({ minPartBytes: PART, ...clocked, ...stores[name] });
  const all = Object.values<TestStore>(opened);
  const bundle = wrap(inject("bundlePath"));
  const modules = clock === null ? bundle : clock.drive(bundle);
  const mesh = await Mesh.start({ ...modules, stores: opened, ...options(opened) });

  afterEach(async () => {
    for (const store of all) {
      store.clearFaults();
      store.letGo();
      await store.recover();
      await store.waitFor(() => store.openRequests().length === 0);
      expect(store.failures).toEqual([]);
      const left = store.uploads();
      for (const { id } of left) store.forgetUpload(id);
      store.journal.clear();
      expect(left.map(({ key }) => key)).toEqual([]);
    }
  });
  afterAll(async () => {
    await mesh.stop();
    await Promise.all(all.map((store) => store.stop()));
    // A seventh request of an event would stand behind six answers that may themselves wait for it. Only the
    // probe asks for more, to find out how many there may be.
    const crowded = mesh.edge.crowded.filter((event) => !event.includes(" probe/"));
    expect(crowded).toEqual([]);
  });
  return { mesh, stores: opened };
}
