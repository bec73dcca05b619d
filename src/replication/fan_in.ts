// Events of a bucket, for all replications that have their source there: each hint goes to those whose prefix
// its key has. By the name of the bucket alone, for an event does not say in which store it is: a hint too
// many costs one look.

import type { Mesh } from "../mesh.ts";
import type { Hint } from "./hint.ts";
import type { ReplicationSpec } from "./spec.ts";

interface Fed {
  readonly name: string;
  readonly spec: Pick<ReplicationSpec, "sync">;
}

/** Which hints go where; those for nobody are counted. */
export function shares<Replication extends Fed>(
  replications: readonly Replication[],
  hints: readonly Hint[],
): {
  readonly shares: readonly { readonly name: string; readonly hints: readonly Hint[] }[];
  ignored: number;
} {
  const used = new Set<Hint>();
  const all = replications.map(({ name, spec: { sync } }) => {
    const { source } = sync;
    const own = hints.filter(({ bucket, key }) => bucket === source.bucket && key.startsWith(source.prefix));
    for (const hint of own) used.add(hint);
    return { name, hints: own };
  });
  return { shares: all.filter((share) => share.hints.length > 0), ignored: hints.length - used.size };
}

/** Stores the hints with each; when it returns, all are stored. @throws when one could not */
export async function spread(mesh: Mesh, replications: readonly Fed[], hints: readonly Hint[]) {
  const { shares: all, ignored } = shares(replications, hints);
  const takings = all.map(async ({ name, hints: own }) => {
    const taken = await mesh.Replicator.getByName(name).take(own);
    // One that was deleted at this moment has nothing more to copy.
    return { name, taken: taken?.taken ?? 0, ignored: taken?.ignored ?? own.length };
  });
  return { replications: await Promise.all(takings), ignored };
}
