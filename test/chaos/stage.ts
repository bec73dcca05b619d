// The stage of one run: both stores with their objects, the planned faults and blows ready to strike, and a
// record of what has struck which request.
//
// Invariant: requests are counted over both stores in the order of their arrival. A strike planned "at
// request n" hits the first request from the n-th on that it fits. After calm() nothing strikes any more and
// both stores work normally.

import { createHash } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import { type Operation, type RequestRecord, type TestStore, startStore } from "../store/store.ts";
import type { FoundObject, SeenRequest, Version } from "./evidence.ts";
import { type FaultKind, type StoreName, type World, faultOf } from "./faults.ts";
import type { MortalMesh } from "./mortal_mesh.ts";
import {
  type Blow,
  type CopyPlan,
  type PlannedFault,
  type RunPlan,
  type Target,
  sourceAttributes,
} from "./plan.ts";

export interface StoryLine {
  /** Milliseconds since the run began. */
  readonly at: number;
  readonly text: string;
}

const NAMES: readonly StoreName[] = ["east", "west"];
/** After a request: its sender has continued, and is probably idle. */
const RESTING_MS = 150;
const IN: readonly Operation[] = ["UploadPart", "PutObject"];

export class Stage {
  readonly stores: Readonly<Record<StoreName, TestStore>>;
  readonly story: StoryLine[] = [];
  /** Called when a request arrives, with its number. */
  onRequest: (count: number) => void = () => {};
  /** Aborts and evictions that were carried out. */
  readonly blows = { aborts: 0, evictions: 0 };
  readonly #plan: RunPlan;
  readonly #startedAt = performance.now();
  readonly #numbers = new WeakMap<RequestRecord, number>();
  readonly #hits = new Map<RequestRecord, FaultKind[]>();
  readonly #sources = new Map<string, Version[]>();
  readonly #foreign = new Map<string, Version[]>();
  readonly #outages: Promise<void>[] = [];
  /** When the mesh, or an object in it, was killed. */
  readonly deaths: number[] = [];
  #count = 0;
  #isCalm = false;

  private constructor(plan: RunPlan, stores: Readonly<Record<StoreName, TestStore>>) {
    this.#plan = plan;
    this.stores = stores;
  }

  /** Starts the stores and puts the objects that are there at the start. */
  static async open(plan: RunPlan, directory: string): Promise<Stage> {
    const { east, west } = plan.stores;
    const stage = new Stage(plan, {
      east: await startStore({ ...east.options, directory }),
      west: await startStore({ ...west.options, directory }),
    });
    for (const copy of plan.copies) stage.#putSource(copy, `${plan.seed}/${copy.key}`, copy.sizeBytes);
    for (const copy of plan.copies) if (copy.occupied) stage.#writeForeign(copy.key, 0);
    return stage;
  }

  async close(): Promise<void> {
    for (const name of NAMES) await this.stores[name].stop();
  }

  tell(text: string): void {
    this.story.push({ at: performance.now() - this.#startedAt, text });
  }

  /** Arms the plan. @param idOf the id of a copy, once it is known */
  arm(mesh: MortalMesh, idOf: (copy: number) => string | null): void {
    for (const name of NAMES) {
      // Before all other rules, which ask for the number.
      const where = (request: RequestRecord) => {
        this.#numbers.set(request, ++this.#count);
        this.onRequest(this.#count);
        return false;
      };
      this.stores[name].fault({ where }, { kind: "delay", milliseconds: 0 });
    }
    for (const planned of this.#plan.faults) this.#armFault(planned);
    for (const blow of this.#plan.blows) {
      this.#armBlow(blow, () => {
        const struck = this.#strike(blow, mesh, idOf);
        // An abort holds its request until it is done. An eviction comes when the request is over.
        return blow.kind === "evict" ? undefined : struck;
      });
    }
  }

  #armFault({ kind, after, times, roll }: PlannedFault): void {
    const { store, operations, effect } = faultOf(kind);
    let seen = 0;
    const where = (request: RequestRecord) => {
      seen += 1;
      const hit = seen > after && seen <= after + times;
      if (hit) this.#hits.set(request, [...(this.#hits.get(request) ?? []), kind]);
      return hit;
    };
    this.stores[store].fault({ operation: operations, where }, effect(roll, this.#worldOf(store)));
  }

  #armBlow({ atRequest, moment }: Blow, strike: () => Promise<void> | undefined): void {
    let done = false;
    const due = (operations: readonly Operation[] | null) => (request: RequestRecord) => {
      const fits =
        operations === null || (request.operation !== undefined && operations.includes(request.operation));
      if (done || !fits || (this.#numbers.get(request) ?? 0) < atRequest) return false;
      done = true;
      return true;
    };
    for (const name of NAMES) {
      const store = this.stores[name];
      if (moment !== "in-body") {
        store.fault({ where: due(null) }, { kind: "run", stage: moment, action: strike });
        continue;
      }
      const during = { kind: "during", share: 0.5, action: strike, after: "go-on" } as const;
      store.fault({ where: due(IN) }, { ...during, direction: "in" });
      store.fault({ where: due(["GetObject"]) }, { ...during, direction: "out" });
    }
  }

  async #strike(blow: Blow, mesh: MortalMesh, idOf: (copy: number) => string | null): Promise<void> {
    if (this.#isCalm) return;
    if (blow.kind === "kill") {
      this.tell("KILL of workerd");
      this.deaths.push(performance.now());
      mesh.kill();
      return;
    }
    const name = nameOf(blow.target, idOf);
    if (name === null) return;
    this.tell(`${blow.kind} of ${blow.target.class} ${name}`);
    if (blow.kind === "evict") {
      this.blows.evictions += 1;
      // Not while the store holds a request of the object, but once it may be idle.
      await setTimeout(RESTING_MS);
    } else {
      this.blows.aborts += 1;
    }
    this.deaths.push(performance.now());
    await mesh.abort(blow.target.class, name);
  }

  /** Hits the mesh while a POST is in progress. */
  async hitAtPost(copy: number, mesh: MortalMesh): Promise<void> {
    const { atPost } = this.#plan;
    if (atPost?.copy !== copy) return;
    await setTimeout(atPost.delayMs);
    this.tell(`${atPost.kind} while a POST is under way`);
    this.deaths.push(performance.now());
    if (atPost.kind === "kill") return mesh.kill();
    this.blows.aborts += 1;
    await mesh.abort("Registry", "registry");
  }

  /** Ends all faults. */
  async calm(): Promise<void> {
    this.#isCalm = true;
    for (const name of NAMES) this.stores[name].clearFaults();
    await Promise.all(this.#outages);
    for (const name of NAMES) await this.stores[name].recover();
  }

  #worldOf(name: StoreName): World {
    const store = this.stores[name];
    return {
      name,
      replaceSource: (key) => this.#replaceSource(key),
      writeForeign: (key) => {
        this.tell(`somebody else writes ${key}`);
        this.#writeForeign(key, performance.now());
      },
      forgetUpload: (uploadId) => {
        this.tell(`${name} forgets upload ${uploadId}`);
        store.forgetUpload(uploadId);
      },
      refuseAll: (code) => {
        if (this.#isCalm) return;
        this.tell(`${name} answers ${code} to everything`);
        const status = code === "ExpiredToken" ? 400 : 403;
        store.fault({}, { kind: "answer", code, status });
      },
      outage: (kind, durationMs) => {
        if (!this.#isCalm) this.#outages.push(this.#outage(name, kind, durationMs));
      },
      wait: async (durationMs) => setTimeout(durationMs),
    };
  }

  async #outage(name: StoreName, kind: "refuse" | "503", durationMs: number): Promise<void> {
    const store = this.stores[name];
    this.tell(`${name} is away for ${Math.round(durationMs)} ms (${kind})`);
    await store.outage(kind);
    for (const until = performance.now() + durationMs; performance.now() < until && !this.#isCalm;)
      await setTimeout(50);
    await store.recover();
    this.tell(`${name} is back`);
  }

  #replaceSource(key: string): void {
    const copy = this.#plan.copies.find((candidate) => candidate.key === key);
    const versions = this.#sources.get(key);
    if (copy === undefined || versions === undefined) return;
    // Now and then it is shorter, too.
    const sizeBytes = Math.max(0, copy.sizeBytes - (copy.postedTwice ? 1 : 0));
    this.tell(`source ${key} is replaced`);
    this.#putSource(copy, `${this.#plan.seed}/${key}/${versions.length}`, sizeBytes);
  }

  #putSource({ key, from, sourcePartBytes }: CopyPlan, seed: string, size: number): void {
    const store = this.stores[from];
    const parts = sourcePartBytes === null || size <= sourcePartBytes ? {} : { parts: sourcePartBytes };
    const options = { size, seed, computeEtag: true, ...parts, ...sourceAttributes(key) };
    const { etag } = store.putGenerated("source", key, options);
    const version = {
      at: performance.now(),
      digest: sha256(store.bytes("source", key)),
      etag,
      sizeBytes: size,
    };
    this.#sources.set(key, [...(this.#sources.get(key) ?? []), version]);
  }

  #writeForeign(key: string, at: number): void {
    const before = this.#foreign.get(key) ?? [];
    const bytes = Buffer.from(`somebody else's ${key}, number ${before.length}`);
    const { etag } = this.stores.west.put("destination", key, bytes);
    const version = { at, digest: sha256(bytes), etag, sizeBytes: bytes.length };
    this.#foreign.set(key, [...before, version]);
  }

  // --- What the stores know --------------------------------------------------------------------------------

  sourcesOf(key: string): readonly Version[] {
    return this.#sources.get(key) ?? [];
  }

  foreignOf(key: string): readonly Version[] {
    return this.#foreign.get(key) ?? [];
  }

  found(key: string): FoundObject | null {
    const object = this.stores.west.get("destination", key);
    if (object === undefined) return null;
    const { etag, size, attributes } = object;
    return {
      digest: sha256(this.stores.west.bytes("destination", key)),
      etag,
      sizeBytes: size,
      contentType: attributes.contentType,
      metadata: attributes.metadata,
    };
  }

  /** Requests at both stores in the order of their arrival, of one key or of all. */
  requests(key: string | null = null): SeenRequest[] {
    const seen: SeenRequest[] = [];
    for (const name of NAMES) {
      for (const record of this.stores[name].requests()) {
        const about = record.key ?? record.query.get("prefix");
        if (key === null || about === key) seen.push(this.#seen(name, record));
      }
    }
    return seen.toSorted((a, b) => a.startedAt - b.startedAt);
  }

  #seen(store: StoreName, record: RequestRecord): SeenRequest {
    return {
      store,
      bucket: record.bucket ?? "",
      operation: record.operation ?? record.method,
      key: record.key ?? record.query.get("prefix") ?? "",
      uploadId: record.uploadId ?? null,
      partNumber: record.partNumber ?? null,
      copy: record.copy ?? null,
      lane: record.lane ?? null,
      status: record.status ?? null,
      errorCode: record.errorCode ?? null,
      outcome: record.outcome,
      startedAt: record.startedAt,
      workedAt: record.workedAt ?? null,
      endedAt: record.endedAt ?? null,
      bytesReceived: record.bytesReceived,
      ifMatch: record.headers["if-match"] ?? record.headers["x-amz-copy-source-if-match"] ?? null,
      range: record.headers["range"] ?? null,
      hasContentMd5: record.headers["content-md5"] !== undefined,
      faults: this.faultsOf(record),
    };
  }

  /** A time of a request or a version, in milliseconds since the run began. */
  sinceStart(at: number): number {
    return at - this.#startedAt;
  }

  /** The faults that have hit a request. */
  faultsOf(record: RequestRecord): readonly FaultKind[] {
    return this.#hits.get(record) ?? [];
  }

  /** How often each kind of fault has struck. */
  faultCounts(): Map<FaultKind, number> {
    const counts = new Map<FaultKind, number>();
    for (const kinds of this.#hits.values())
      for (const kind of kinds) counts.set(kind, (counts.get(kind) ?? 0) + 1);
    return counts;
  }
}

/** The Durable Object's own name. Null while the copy has no id. */
function nameOf(target: Target, idOf: (copy: number) => string | null): string | null {
  if (target.class === "Registry") return "registry";
  const id = idOf(target.copy);
  if (id === null) return null;
  return target.class === "Coordinator" ? id : `${id}/${target.lane}`;
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
