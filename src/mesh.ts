// This Worker's own classes, as they call each other through `ctx.exports`, without bindings. front.ts lists
// them.
//
// How every alarm() starts: an alarm that has fired is used up, and an object without one sleeps until it is
// called. So the next alarm is set before anything else.
//
// How the alarms of jobs end (copy, sync, probe): an error that is no store's failure but a fault of the mesh
// or the platform (an overloaded object, a depth limit) is logged and not rethrown. The alarm that is already
// set goes on from what is stored, and the platform's own six retries are not used up.

export type Mesh = Cloudflare.Exports;

/**
 * The only registry.
 *
 * @param place where it runs; only the first call to it counts, which is one of the front's
 */
export function registryOf(
  mesh: Mesh,
  place: Parameters<Mesh["Registry"]["getByName"]>[1] = {},
): ReturnType<Mesh["Registry"]["getByName"]> {
  return mesh.Registry.getByName("registry", place);
}

/**
 * Under what the mesh itself asks the registry for work, so that it begins once.
 *
 * @param name with spaces, which no client's Idempotency-Key has
 */
export function ownKey(name: string): { caller: null; key: string; digest: string } {
  return { caller: null, key: name, digest: name };
}
