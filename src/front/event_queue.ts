// The events of R2, which come over a Queue of Cloudflare, of which this Worker is the consumer. A message is
// acknowledged once its keys are stored. One that cannot be read is handed back: after its retries the Queue
// has it among its dead letters, if it has a place for these.

import type { Env } from "../env.ts";
import { log } from "../log.ts";
import { type Mesh, registryOf } from "../mesh.ts";
import type { Replication } from "../registry/replication_rows.ts";
import { readSent } from "../replication/event_forms.ts";
import { spread } from "../replication/fan_in.ts";
import type { Hint } from "../replication/hint.ts";
import { placedAt, registryLocation } from "../store/location.ts";

export async function takeBatch(batch: MessageBatch<unknown>, env: Env, mesh: Mesh): Promise<void> {
  const read = batch.messages.flatMap((message) => {
    try {
      return [{ message, hints: hintsIn(message.body) }];
    } catch (error) {
      log("warn", "event_refused", { queue: batch.queue, message: message.id, detail: String(error) });
      message.retry();
      return [];
    }
  });
  if (read.length === 0) return;
  // If this fails, the Queue delivers the whole batch again.
  const registry = registryOf(mesh, placedAt(registryLocation(env)));
  const all = (await registry.listReplications()) as Replication[];
  await spread(
    mesh,
    all,
    read.flatMap(({ hints }) => hints),
  );
  for (const { message } of read) message.ack();
}

/** @throws {Problem} for what is no event, or could only be believed with its signature */
function hintsIn(body: unknown): readonly Hint[] {
  const sent = readSent(body, null);
  if (sent.kind === "sns") throw new Error("A Queue carries no messages of SNS");
  return sent.events.hints;
}
