// The steps of a smoke run, each with a row or more: what is written at the source, what the mesh is asked to
// do, and what the result must be. Cheap and revealing steps come first.

import { setTimeout as delay } from "node:timers/promises";
import { type ObjectCase, objectCases, PART_BYTES } from "./cases.ts";
import { generated } from "./content.ts";
import { MeshError } from "./mesh.ts";
import type { Side, StepName } from "./options.ts";
import { inParallel, Refusal } from "./s3.ts";
import { type Stage, type Written, differenceAt, rateText, Skip, WORK_LIMIT_MS } from "./stage.ts";

const PROBE_LIMIT_MS = 45 * 60_000;

/** Cron Triggers of a first deploy take up to 15 minutes to be active everywhere. */
const CRON_LIMIT_MS = 17 * 60_000;

const CRON_POLL_MS = 5_000;

const CANCEL_POLL_MS = 50;

/**
 * The part size of the large object at the source differs from the copy's, so that its ETag cannot simply be
 * kept.
 */
const SOURCE_PART_BYTES = 8 * 2 ** 20;

const MOST_PARTS = 9_000;

const LARGE_KEY = "large.bin";

const SYNC_FOLDER = "sync/";

export const RUN: Readonly<Record<StepName, (stage: Stage) => Promise<void>>> = {
  probe: async (stage) => await stage.row("probe", async () => await probe(stage)),
  checks,
  copies,
  large: async (stage) => await stage.row("large, with digests", async () => await large(stage)),
  sync,
  cancel: async (stage) => await stage.row("cancel in mid-copy", async () => await cancel(stage)),
  schedule: async (stage) => await stage.row("schedule", async () => await schedule(stage)),
};

interface Probe {
  readonly phase: string;
  readonly endedAt: string | null;
  readonly failure: string | null;
  readonly leftovers: readonly string[];
  readonly findings: readonly {
    readonly question: string;
    readonly found: string;
    readonly holds: "yes" | "slower" | "no" | "unknown";
    readonly change: string | null;
  }[];
}

async function probe(stage: Stage): Promise<string> {
  const { mesh, options } = stage;
  const { store, bucket } = options.destination;
  // Zeros sent to a store on this very machine show nothing.
  const sizes = options.isLocal ? { sizesMib: [1, 8] } : {};
  try {
    await mesh.call("POST", "/probe", { store: store.name, bucket, ...sizes });
  } catch (error) {
    if (error instanceof MeshError && error.code === "store_capped") throw new Skip(error.message);
    throw error;
  }
  stage.probes = true;
  const untilMs = Date.now() + PROBE_LIMIT_MS;
  for (;;) {
    const answer = (await mesh.call("GET", "/probe?wait=25")) as unknown as Probe;
    if (answer.endedAt !== null) return judgeProbe(answer);
    if (Date.now() > untilMs) throw new Error("the probe has not ended");
    stage.surroundings.signal.throwIfAborted();
  }
}

function judgeProbe({ phase, failure, leftovers, findings }: Probe): string {
  if (phase !== "completed") throw new Error(`it ended as ${phase}: ${failure ?? ""}`);
  if (leftovers.length > 0) throw new Error(`it left behind ${leftovers.join(", ")}`);
  const line = ({ question, found, change }: Probe["findings"][number]) =>
    `${question} ${found}${change === null ? "" : `; ${change}`}`;
  const broken = findings.filter(({ holds }) => holds === "no");
  if (broken.length > 0) throw new Error(["not as the mesh assumes:", ...broken.map(line)].join("\n"));
  const slower = findings.filter(({ holds }) => holds === "slower");
  const held = findings.filter(({ holds }) => holds === "yes").length;
  return [
    `${held} of ${findings.length} assumptions hold`,
    ...slower.map((each) => `slower: ${line(each)}`),
  ].join("\n");
}

interface Check {
  readonly ok: boolean;
  readonly findings: readonly { readonly check: string; readonly outcome: string; readonly detail: string }[];
  readonly advice: readonly string[];
  readonly leftovers: readonly string[];
}

async function checks(stage: Stage): Promise<void> {
  const { source, destination } = stage.options;
  for (const side of [source, destination]) {
    const { name } = side.store;
    await stage.row(`check of ${name}`, async () => await check(stage, side));
  }
}

async function check({ mesh }: Stage, { store, bucket }: Side): Promise<string> {
  const as = store.readOnly === true ? "source" : "destination";
  const found = (await mesh.call("POST", `/stores/${store.name}/check`, { bucket, as })) as unknown as Check;
  const bad = found.findings.filter(({ outcome }) => outcome === "no" || outcome === "refused");
  const lines = bad.map(({ check: name, outcome, detail }) => `${name}: ${outcome}, ${detail}`);
  if (!found.ok || found.leftovers.length > 0)
    throw new Error(
      [`it does not work as a ${as}`, ...lines, ...found.advice, ...found.leftovers].join("\n"),
    );
  return [`works as a ${as}, ${found.findings.length} questions`, ...found.advice].join("\n");
}

async function copies(stage: Stage): Promise<void> {
  const cases = objectCases(stage.runId);
  for (const row of new Set(cases.map((each) => each.row))) {
    const ofRow = cases.filter((each) => each.row === row);
    await stage.row(`copy: ${row}`, async () => await copyAll(stage, ofRow));
  }
}

/** Why an object cannot be copied here, whatever the mesh does. Null: it can. */
async function reasonAgainst(stage: Stage, { key, content, headers }: ObjectCase): Promise<string | null> {
  const sourceKey = stage.sourceKey(key);
  try {
    await stage.source.put(sourceKey, content, headers);
  } catch (error) {
    if (error instanceof Refusal && error.status === 400)
      return `${JSON.stringify(key)} is refused by the source, ${error.code}`;
    throw error;
  }
  const what = await differenceAt(stage.source, sourceKey, { content, headers });
  return what === null ? null : `${JSON.stringify(key)} is not kept by the source as it was written: ${what}`;
}

async function copyAll(stage: Stage, cases: readonly ObjectCase[]): Promise<string> {
  const proofs = new Set<string>();
  const impossible: string[] = [];
  const failed: string[] = [];
  await inParallel(4, cases, async (each) => {
    const reason = await reasonAgainst(stage, each);
    if (reason !== null) {
      impossible.push(reason);
      return;
    }
    try {
      proofs.add(await stage.copyAndCompare(each.key, each, { partSize: PART_BYTES }));
    } catch (error) {
      stage.surroundings.signal.throwIfAborted();
      failed.push(error instanceof Error ? error.message : String(error));
    }
  });
  if (failed.length > 0) throw new Error(failed.join("\n"));
  if (impossible.length === cases.length) throw new Skip(impossible.join("\n"));
  const count = cases.length - impossible.length;
  const line = `${count} ${count === 1 ? "object" : "objects"}, proof ${[...proofs].join(", ")}`;
  return [line, ...impossible].join("\n");
}

function largeContent({ runId, options }: Stage): Written {
  return {
    content: generated(`${runId} large`, options.largeBytes),
    headers: { "content-type": "text/x-large" },
  };
}

function partBytesFor(sizeBytes: number, leastBytes: number): number {
  return Math.max(leastBytes, Math.ceil(sizeBytes / MOST_PARTS / 2 ** 20) * 2 ** 20);
}

async function putLarge(stage: Stage): Promise<void> {
  if ((await stage.source.head(stage.sourceKey(LARGE_KEY))) !== null) return;
  const { content, headers } = largeContent(stage);
  stage.multipartKeys.add(LARGE_KEY);
  const partBytes = partBytesFor(content.sizeBytes, SOURCE_PART_BYTES);
  await stage.source.upload(stage.sourceKey(LARGE_KEY), content, partBytes, headers);
}

async function large(stage: Stage): Promise<string> {
  await putLarge(stage);
  const { lanes, largeBytes } = stage.options;
  const startedAtMs = Date.now();
  const request = { partSize: partBytesFor(largeBytes, PART_BYTES), lanes };
  stage.multipartKeys.add(LARGE_KEY);
  const id = await stage.mesh.start("copies", { ...stage.both(LARGE_KEY), ...request });
  const copy = await stage.mesh.ended("copies", id, WORK_LIMIT_MS * Math.max(1, largeBytes / 2 ** 30));
  const seconds = (Date.now() - startedAtMs) / 1000;
  if (copy.phase !== "completed")
    throw new Error(`it ended as ${copy.phase}: ${copy.failure?.code ?? ""}: ${copy.failure?.message ?? ""}`);
  const difference = await stage.difference(LARGE_KEY, largeContent(stage));
  if (difference !== null) throw new Error(difference.what);
  return `${rateText(largeBytes, seconds)}, ${lanes} lanes, proof ${copy.proof ?? "none"}`;
}

async function sync(stage: Stage): Promise<void> {
  const { keys } = stage.options;
  const objects = Array.from({ length: keys }, (_, index) => ({
    key: `${SYNC_FOLDER}${String(index % 10)}/${String(index).padStart(5, "0")}.jpg`,
    content: generated(`${stage.runId} ${index}`, (index * 7919) % (32 * 1024)),
    headers: { "content-type": "image/x-smoke" },
  }));
  const request = {
    source: folderOf(stage, stage.options.source),
    destination: folderOf(stage, stage.options.destination),
  };
  const run = async () => {
    const id = await stage.mesh.start("syncs", request);
    const status = await stage.mesh.ended("syncs", id, WORK_LIMIT_MS);
    if (status.phase !== "completed") {
      const why = status.failure ?? status.failures?.[0];
      throw new Error(`it ended as ${status.phase}: ${why?.code ?? ""} ${why?.message ?? ""}`.trim());
    }
    return status.objects ?? { copied: -1, skipped: -1, failed: -1, listed: -1 };
  };
  let isThere = false;
  await stage.row(`sync of ${keys} keys`, async () => {
    await inParallel(16, objects, async ({ key, content, headers }) => {
      await stage.source.put(stage.sourceKey(key), content, headers);
    });
    const { copied } = await run();
    if (copied !== keys) throw new Error(`${copied} of ${keys} keys were copied`);
    const differences: string[] = [];
    await inParallel(16, objects, async (object) => {
      const difference = await stage.difference(object.key, object);
      if (difference !== null) differences.push(`${difference.key}: ${difference.what}`);
    });
    if (differences.length > 0)
      throw new Error([`${differences.length} of ${keys} differ`, ...differences.slice(0, 5)].join("\n"));
    isThere = true;
    return `all ${keys} are as they were written`;
  });
  await stage.row("the same sync once more", async () => {
    if (!isThere) throw new Skip("the first one did not end well");
    const { copied, skipped } = await run();
    if (copied !== 0 || skipped !== keys)
      throw new Error(`${copied} were copied and ${skipped} of ${keys} skipped`);
    return "nothing was copied";
  });
}

function folderOf(stage: Stage, side: Side): { store: string; bucket: string; prefix: string } {
  return { store: side.store.name, bucket: side.bucket, prefix: stage.folder(side) + SYNC_FOLDER };
}

async function cancel(stage: Stage): Promise<string> {
  await putLarge(stage);
  const { both, destination, mesh } = {
    both: stage.both(LARGE_KEY),
    destination: "cancelled.bin",
    mesh: stage.mesh,
  };
  const key = stage.destinationKey(destination);
  stage.multipartKeys.add(destination);
  const id = await mesh.start("copies", {
    source: both.source,
    destination: { ...both.destination, key },
    partSize: partBytesFor(stage.options.largeBytes, PART_BYTES),
    lanes: 1,
    concurrency: 1,
  });
  for (;;) {
    const { phase, parts, failure } = await mesh.status("copies", id);
    if (phase === "completed" || phase === "failed" || phase === "blocked")
      throw new Error(
        `the copy was ${phase} before it could be cancelled ${failure?.message ?? "(try a larger --large)"}`,
      );
    if ((parts?.done ?? 0) > 0) break;
    await delay(CANCEL_POLL_MS, undefined, { signal: stage.surroundings.signal });
  }
  await mesh.call("POST", `/copies/${id}/cancel`);
  const { phase, parts } = await mesh.ended("copies", id, WORK_LIMIT_MS);
  if (phase !== "cancelled") throw new Error(`it ended as ${phase}`);
  if ((await stage.destination.head(key)) !== null) throw new Error("the object is there all the same");
  const uploads = await stage.destination.uploads(key);
  if (uploads !== null && uploads.length > 0) throw new Error(`${uploads.length} uploads were left behind`);
  const seen = uploads === null ? "the destination lists no uploads" : "no upload is left";
  return `after ${parts?.done ?? 0} of ${parts?.total ?? 0} parts; no object, and ${seen}`;
}

interface Schedule {
  readonly nextRunAt: string | null;
  readonly runs: readonly {
    readonly outcome: string;
    readonly copyId: string | null;
    readonly detail: string | null;
  }[];
}

async function schedule(stage: Stage): Promise<string> {
  const { mesh, surroundings } = stage;
  const written = {
    content: generated(`${stage.runId} scheduled`, 5000),
    headers: { "content-type": "text/x-smoke" },
  };
  const key = "scheduled.txt";
  await stage.source.put(stage.sourceKey(key), written.content, written.headers);
  const path = `/schedules/smoke-${stage.runId}`;
  stage.schedules.add(path);
  const made = (await mesh.call("PUT", path, {
    cron: "* * * * *",
    copy: stage.both(key),
  })) as unknown as Schedule;
  const madeAtMs = Date.now();
  await surroundings.fireCron?.(new Date(made.nextRunAt ?? madeAtMs));
  for (;;) {
    const { runs } = (await mesh.call("GET", path)) as unknown as Schedule;
    const [run] = runs;
    if (run?.outcome === "refused") throw new Error(`the run was refused: ${run.detail ?? ""}`);
    if (run?.copyId != null) {
      await mesh.call("DELETE", path);
      mesh.started.push({ kind: "copies", id: run.copyId });
      const { phase, failure } = await mesh.ended("copies", run.copyId, WORK_LIMIT_MS);
      if (phase !== "completed") throw new Error(`its copy ended as ${phase}: ${failure?.message ?? ""}`);
      const difference = await stage.difference(key, written);
      if (difference !== null) throw new Error(difference.what);
      return `its copy began ${((Date.now() - madeAtMs) / 1000).toFixed(0)} s after it was made, by the Cron Trigger`;
    }
    if (surroundings.fireCron !== null) throw new Error("the Cron Trigger was fired and started nothing");
    if (Date.now() - madeAtMs > CRON_LIMIT_MS)
      throw new Error(
        `no Cron Trigger in ${CRON_LIMIT_MS / 60_000} minutes: is [triggers] in wrangler.toml, and is it deployed?`,
      );
    await delay(CRON_POLL_MS, undefined, { signal: surroundings.signal });
  }
}
