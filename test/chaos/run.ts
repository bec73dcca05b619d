// One run: a mesh in real workerd with its state on disk, two stores, the copies of the plan, everything that
// strikes them, then calm, then the endings. The evidence goes to the judge.
//
// Invariant: after the faults have stopped, every copy gets the same limited time to end, whatever has
// happened to it. A paused or blocked copy is resumed, as a person would do.

import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { storeSecret } from "../mesh/mesh.ts";
import type { CopyEvidence, Evidence } from "./evidence.ts";
import type { Status } from "../mesh/mesh.ts";
import type { FaultKind } from "./faults.ts";
import { type Violation, judge, partsResent } from "./judge.ts";
import { isAnnouncedStray } from "./uploads_left.ts";
import { MortalMesh, mortalBundle } from "./mortal_mesh.ts";
import { type CopyPlan, type Deed, planRun } from "./plan.ts";
import { Stage, type StoryLine } from "./stage.ts";

export interface RunResult {
  readonly seed: number;
  readonly violations: readonly Violation[];
  readonly endings: readonly string[];
  readonly faults: Readonly<Record<string, number>>;
  readonly kills: number;
  readonly aborts: number;
  readonly evictions: number;
  readonly requests: number;
  readonly partsSent: number;
  readonly partsResent: number;
  readonly orphansLeft: number;
  /** The strays at a store that does not list uploads, of which the status warns. */
  readonly announcedStrays: number;
  readonly durationMs: number;
}

interface Run {
  readonly result: RunResult;
  readonly evidence: Evidence;
  readonly story: readonly StoryLine[];
}

const LOOK_MS = 250;
/**
 * Spare alarms take up to 90 seconds, and the backoff of an abort up to twice the time that the faults have
 * lasted.
 */
const TIME_TO_END_MS = 150_000;
const TIME_TO_SETTLE_MS = 20_000;
const ENDED: ReadonlySet<string> = new Set(["completed", "failed", "cancelled"]);
const WAITING: ReadonlySet<string> = new Set(["paused", "blocked"]);

/** @param directory of `makeMortal`; stores and mesh keep their bytes in it */
export async function runSeed(seed: number, directory: string): Promise<Run> {
  const plan = planRun(seed);
  const own = mkdtempSync(join(directory, `run-${seed}-`));
  const stage = await Stage.open(plan, own);
  const { east, west } = stage.stores;
  const mesh = await MortalMesh.start({
    ...mortalBundle(directory),
    directory: join(own, "mesh"),
    bindings: {
      STORE_EAST: storeSecret(east, plan.stores.east.fields),
      STORE_WEST: storeSecret(west, plan.stores.west.fields),
    },
  });
  const startedAt = performance.now();
  try {
    const users = new Users(plan.copies, stage, mesh);
    stage.arm(mesh, (copy) => users.idOf(copy));
    const deeds: Promise<void>[] = [];
    stage.onRequest = (count) => {
      for (const deed of plan.deeds) if (deed.atRequest === count) deeds.push(users.act(deed));
    };
    await Promise.all(plan.copies.flatMap((_plan, copy) => [users.post(copy), stage.hitAtPost(copy, mesh)]));
    const end = performance.now() + plan.faultySeconds * 1000;
    while (performance.now() < end) {
      await setTimeout(LOOK_MS);
      await users.look();
      if (users.allAre(new Set([...ENDED, ...WAITING]))) break;
    }
    await stage.calm();
    stage.tell("CALM: all faults are over");
    stage.onRequest = () => {};
    await Promise.all(deeds);
    await users.seeToTheEnd();
    const evidence = await gather(users, { plan, stage });
    const { kills } = mesh;
    const result: RunResult = {
      seed,
      violations: judge(evidence),
      endings: evidence.copies.map(endingOf),
      faults: Object.fromEntries(stage.faultCounts()) as Partial<Record<FaultKind, number>>,
      kills,
      aborts: stage.blows.aborts,
      evictions: stage.blows.evictions,
      requests: stage.requests().length,
      partsSent: stage.requests().filter(({ operation }) => operation === "UploadPart").length,
      partsResent: evidence.copies.reduce((sum, copy) => sum + partsResent(copy), 0),
      orphansLeft: evidence.uploadsLeft.length,
      announcedStrays: evidence.uploadsLeft.filter(({ id, key }) =>
        evidence.copies.some((copy) => copy.plan.key === key && isAnnouncedStray(copy, evidence, id)),
      ).length,
      durationMs: performance.now() - startedAt,
    };
    return { result, evidence, story: storyOf(stage, evidence) };
  } finally {
    await mesh.stop();
    await stage.close();
    rmSync(own, { recursive: true, force: true });
  }
}

/** The people at the other end: they start copies, look at them, change their minds. */
class Users {
  readonly #plans: readonly CopyPlan[];
  readonly #stage: Stage;
  readonly #mesh: MortalMesh;
  readonly ids: string[][];
  readonly statuses: (Status | null)[];
  readonly seenDone: { partNumber: number; attempt: number; at: number }[][];
  readonly cancels: { answeredAt: number; phase: string }[][];
  readonly troubles: string[] = [];

  constructor(plans: readonly CopyPlan[], stage: Stage, mesh: MortalMesh) {
    this.#plans = plans;
    this.#stage = stage;
    this.#mesh = mesh;
    this.ids = plans.map(() => []);
    this.statuses = plans.map(() => null);
    this.seenDone = plans.map(() => []);
    this.cancels = plans.map(() => []);
  }

  idOf(copy: number): string | null {
    return this.ids[copy]?.[0] ?? null;
  }

  /** Starts a copy, or says so again: the Idempotency-Key is that of the copy. */
  async post(copy: number, times = this.#plans[copy]?.postedTwice === true ? 2 : 1): Promise<void> {
    const plan = this.#plans[copy];
    if (plan === undefined) return;
    const body = {
      source: `${plan.from}:source/${plan.key}`,
      destination: `west:destination/${plan.key}`,
      ...plan.request,
    };
    const headers = { "idempotency-key": plan.key };
    await Promise.all(
      Array.from({ length: times }, async () => {
        const answer = await this.#ask<Status>("POST", "/copies", { body, headers });
        if (answer === null) return;
        this.#stage.tell(`POST of ${plan.key} answered ${answer.status}: ${answer.body.id}`);
        if (answer.status === 202 || answer.status === 200) this.ids[copy]?.push(answer.body.id);
        else this.troubles.push(`POST of ${plan.key} answered ${answer.status}: ${answer.text}`);
      }),
    );
  }

  async act({ what, copy, times }: Deed): Promise<void> {
    if (what === "post-again") return this.post(copy, times);
    await Promise.all(Array.from({ length: times }, async () => this.#command(copy, what)));
  }

  async #command(copy: number, what: "pause" | "resume" | "cancel"): Promise<void> {
    const id = this.idOf(copy);
    if (id === null) return;
    const answer = await this.#ask<Status>("POST", `/copies/${id}/${what}`);
    if (answer === null) return;
    this.#stage.tell(`${what} of ${this.#plans[copy]?.key}: ${answer.body.phase}`);
    if (what === "cancel")
      this.cancels[copy]?.push({ answeredAt: performance.now(), phase: answer.body.phase });
  }

  async #ask<T>(
    method: string,
    path: string,
    request: { body?: unknown; headers?: Record<string, string> } = {},
  ) {
    try {
      return await this.#mesh.call<T>(method, path, request);
    } catch (error) {
      this.troubles.push(error instanceof Error ? error.message : String(error));
      return null;
    }
  }

  /** Looks at every copy once. */
  async look(): Promise<void> {
    await Promise.all(this.#plans.map(async (_plan, copy) => this.#lookAt(copy)));
  }

  async #lookAt(copy: number): Promise<void> {
    const id = this.idOf(copy);
    if (id === null || ENDED.has(this.statuses[copy]?.phase ?? "")) return;
    const answer = await this.#ask<Status>("GET", `/copies/${id}`);
    if (answer === null || answer.status !== 200) return;
    const before = this.statuses[copy]?.phase;
    if (answer.body.phase !== before) this.#stage.tell(`${this.#plans[copy]?.key} is ${answer.body.phase}`);
    this.statuses[copy] = answer.body;
    if (answer.body.phase !== "uploading" || answer.body.parts.done === 0) return;
    const parts = await this.#ask<{ parts: { partNumber: number; state: string; attempt: number }[] }>(
      "GET",
      `/copies/${id}/parts`,
    );
    const seen = this.seenDone[copy] ?? [];
    for (const { partNumber, state, attempt } of parts?.body.parts ?? []) {
      const known = seen.some((part) => part.partNumber === partNumber && part.attempt === attempt);
      if (state === "done" && !known) seen.push({ partNumber, attempt, at: performance.now() });
    }
  }

  allAre(phases: ReadonlySet<string>): boolean {
    return this.statuses.every((status) => status !== null && phases.has(status.phase));
  }

  /** Looks and resumes until every copy has ended, or the time is over. */
  async seeToTheEnd(): Promise<void> {
    const until = performance.now() + TIME_TO_END_MS;
    for (;;) {
      await this.look();
      if (this.allAre(ENDED) || performance.now() > until) return;
      for (const [copy, status] of this.statuses.entries())
        if (WAITING.has(status?.phase ?? "")) await this.#command(copy, "resume");
      await setTimeout(LOOK_MS);
    }
  }

  /** The status at the very end, once the copy has nothing left to clean up. */
  async lastStatus(copy: number): Promise<Status | null> {
    const id = this.idOf(copy);
    if (id === null) return null;
    for (const until = performance.now() + TIME_TO_SETTLE_MS; ;) {
      const answer = await this.#ask<Status>("GET", `/copies/${id}`);
      if (answer === null) return null;
      if ((answer.body.orphans ?? []).length === 0 || performance.now() > until) return answer.body;
      await setTimeout(LOOK_MS);
    }
  }

  /** The mesh's own list, once it agrees with the statuses or has had time to. */
  async list(): Promise<{ id: string; phase: string }[]> {
    for (const until = performance.now() + TIME_TO_SETTLE_MS; ;) {
      const answer = await this.#ask<{ copies: { id: string; phase: string }[] }>("GET", "/copies");
      const copies = answer?.body.copies ?? [];
      if (copies.every(({ phase }) => ENDED.has(phase)) || performance.now() > until) return copies;
      await setTimeout(LOOK_MS);
    }
  }
}

async function gather(
  users: Users,
  { plan, stage }: { plan: Evidence["plan"]; stage: Stage },
): Promise<Evidence> {
  const stores = Object.values(stage.stores);
  const settled = Promise.all(
    stores.map(async (store) => store.waitFor(() => store.openRequests().length === 0)),
  );
  await Promise.race([settled, setTimeout(TIME_TO_SETTLE_MS, undefined, { ref: false })]);
  const copies: CopyEvidence[] = [];
  for (const [index, copy] of plan.copies.entries()) {
    const status = await users.lastStatus(index);
    if (status === null) continue;
    copies.push({
      plan: copy,
      ids: users.ids[index] ?? [],
      status,
      requests: stage.requests(copy.key),
      sources: stage.sourcesOf(copy.key),
      foreign: stage.foreignOf(copy.key),
      found: stage.found(copy.key),
      seenDone: users.seenDone[index] ?? [],
      cancels: users.cancels[index] ?? [],
    });
  }
  const listed = await users.list();
  return {
    plan,
    copies,
    listed,
    uploadsLeft: stage.stores.west.uploads().map(({ id, key }) => ({ id, key })),
    openRequests: stores.flatMap((store) =>
      store
        .openRequests()
        // A store that has stopped reading does not notice that the other side has closed, either.
        .filter((request) => !stage.faultsOf(request).includes("stalled-for-ever"))
        .map(({ method, url, operation }) => `${operation ?? method} ${url}`),
    ),
    storeFailures: stores.flatMap((store) => store.failures.map(String)),
    deaths: stage.deaths,
    troubles: users.troubles,
  };
}

/** How a copy ended, for the table. */
function endingOf({ status }: CopyEvidence): string {
  const { phase, skipped, proof, failure } = status;
  if (phase === "completed") return skipped === true ? "completed, skipped" : `completed, ${proof}`;
  return phase === "failed" ? `failed, ${failure?.code}` : phase;
}

/** Requests, strikes and the mesh's own timelines in one order. */
function storyOf(stage: Stage, evidence: Evidence): StoryLine[] {
  const lines = [...stage.story];
  for (const request of stage.requests()) {
    const { store, operation, key, partNumber, lane, status, errorCode, outcome, faults } = request;
    const tookMs = request.endedAt === null ? "…" : Math.round(request.endedAt - request.startedAt);
    const text = [
      `  ${store} ${operation} ${key}`,
      partNumber === null ? "" : ` #${partNumber}`,
      request.uploadId === null ? "" : ` (${request.uploadId.slice(0, 8)})`,
      lane === null ? "" : ` lane ${lane}`,
      `: ${status ?? "no answer"} ${errorCode ?? ""} ${outcome} in ${tookMs} ms`,
      request.workedAt === null ? "" : ", done",
      faults.length === 0 ? "" : `  <<< ${faults.join(", ")}`,
    ];
    lines.push({ at: stage.sinceStart(request.startedAt), text: text.join("") });
  }
  lines.sort((a, b) => a.at - b.at);
  for (const { plan, status } of evidence.copies) {
    lines.push({ at: Number.NaN, text: `timeline of ${plan.key}, ${status.phase}:` });
    for (const { at, event, detail } of status.timeline)
      lines.push({ at: Number.NaN, text: `  ${at} ${event} ${detail ?? ""}` });
  }
  return lines;
}
