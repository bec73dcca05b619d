// This Worker's own classes, as they call each other through `ctx.exports`, without bindings. front.ts lists
// them.

export type Mesh = Cloudflare.Exports;

/** The one registry. */
export function registryOf(mesh: Mesh): ReturnType<Mesh["Registry"]["getByName"]> {
  return mesh.Registry.getByName("registry");
}
