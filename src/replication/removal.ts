// The removal of a replication: what it has started is cancelled, and has ended before the replication is
// gone. A lane or a copy that went on could put an older object in the place of what the next replication of
// that name has copied, and nobody would take its upload back.
//
// What it needs: the classes Registry, Sync, Coordinator and Lane.
//
// Invariants:
// - Every call may be made twice. What runs is what the registry says, and not what was noted here: a
//   replicator that has died right after a request does not know of what it has started.
// - Nothing is deleted at the destination but the uploads of its own copies, which these abort.

import { ENDED_PHASES } from "../http/vocabulary.ts";
import { type Mesh, registryOf } from "../mesh.ts";
import { objectsOf, PLURALS } from "../schedule/kinds.ts";
import { childOf } from "./job.ts";
import type { ReplicationRecord } from "./record.ts";
import { type RunningWork, runNameOf } from "./started.ts";

interface StoppableLane {
  stop(): Promise<void>;
  wake(): Promise<void>;
}

export class Removal {
  readonly #record: ReplicationRecord;
  readonly #mesh: Mesh;
  readonly #lane: (lane: number) => StoppableLane;
  // Work that has been told. In memory only: to tell it twice does no harm.
  readonly #told = new Set<string>();

  constructor(record: ReplicationRecord, mesh: Mesh, lane: (lane: number) => StoppableLane) {
    this.#record = record;
    this.#mesh = mesh;
    this.#lane = lane;
  }

  /** @returns whether all has ended */
  async advance(): Promise<boolean> {
    const { id } = this.#record.load();
    const child = childOf(this.#record.job());
    const run = child && { kind: child.kind, id: child.id, name: runNameOf(id, child.seq) };
    const running = await registryOf(this.#mesh).startedBy(id, run);
    await Promise.all(this.#record.lanes.live().map(async (lane) => await this.#stop(this.#lane(lane))));
    const ended = await Promise.all(running.map(async (one) => await this.#hasEnded(one)));
    // A lane is forgotten when nothing runs there any more, or when it has been silent for too long.
    return ended.every(Boolean) && this.#record.lanes.live().length === 0;
  }

  /** What runs there is given up. One that sleeps, or never was woken, claims once and learns of the end. */
  async #stop(lane: StoppableLane): Promise<void> {
    await lane.stop();
    await lane.wake();
  }

  async #hasEnded({ kind, id }: RunningWork): Promise<boolean> {
    const wasTold = this.#told.has(id);
    const [method, action] = wasTold ? ["GET", ""] : ["POST", "/cancel"];
    const object = objectsOf(this.#mesh, kind).getByName(id);
    const response = await object.fetch(`https://work/${PLURALS[kind]}/${id}${action}`, { method });
    if (!response.ok) {
      // Admitted and not created yet: the registry takes care of it, and then it is told.
      await response.body?.cancel();
      return false;
    }
    const { phase } = await response.json<{ phase: string }>();
    this.#told.add(id);
    // It cannot find out whether its object exists. The removal does not wait for the person who will.
    if (wasTold && phase === "blocked") return true;
    return ENDED_PHASES.some((ended) => ended === phase);
  }
}
