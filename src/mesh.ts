// The classes of this Worker, as they call each other: no binding to configure. front.ts lists them.

export type Mesh = Cloudflare.Exports;

/** The one registry. */
export function registryOf(mesh: Mesh): ReturnType<Mesh["Registry"]["getByName"]> {
  return mesh.Registry.getByName("registry");
}
