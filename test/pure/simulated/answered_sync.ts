// A sync between two stores whose answers are untrue now and then: the steps, decisions and records of a real
// one, and the object copier that lanes call. And the judge, who knows what the stores hold.
//
// What it leaves out: lanes, their claims, and the waiting between tries. A large object is copied as the
// small ones are.

import { crc32 } from "node:zlib";
import type { ObjectCopier } from "../../../src/object_copier.ts";
import { nextStep } from "../../../src/sync/job.ts";
import { isSyncEnded } from "../../../src/sync/phase.ts";
import { optionsOfRun } from "../../../src/sync/comparison_spec.ts";
import { UNTOLD_PAGE } from "../../../src/work/page_task.ts";
import { settle } from "../../../src/sync/outcome.ts";
import { SyncRecord } from "../../../src/sync/record.ts";
import { parseSyncRequest, resolveSync } from "../../../src/sync/spec.ts";
import { KnownSides } from "../../../src/sync/sides.ts";
import { SyncSteps } from "../../../src/sync/steps.ts";
import { accountOf } from "../../../src/sync/terms.ts";
import type { ObjectOutcome, ObjectWork } from "../../../src/work/batch_task.ts";
import { seeded } from "../samples.ts";
import { memorySql, storageOver } from "../sqlite.ts";
import { type Fault, faultOf, FIELDS, pick, spoil } from "./answer_faults.ts";
import { type Answer, AnsweringStore, BUCKET, type StoredObject, xmlOf } from "./answering_store.ts";

/** What the copier is in workerd, and here. */
export type Copier = Pick<ObjectCopier, "copyObjects">;

/** Nothing waits here. */
const NOW = { now: 0, random: 0.5 };
const FROM = "in/";
const TO = "out/";
/** More steps than any run takes that goes on. */
const MOST_STEPS = 2000;

/** Far more than all tries of all steps together. */
const MOST_TIMES = 200;

type Side = "source" | "destination";

interface Trouble {
  /** Of each answer, how many are untrue. */
  readonly fraction: number;
  /** What a store does always. */
  readonly always: readonly { readonly side: Side; readonly operation: string; readonly fault: Fault }[];
}

interface RunReport {
  readonly phase: string;
  readonly entries: readonly Readonly<Record<string, unknown>>[];
  readonly warnings: readonly string[];
  readonly copied: number;
}

/** The two stores of a seed, what they answer untruly, and the syncs between them. */
export class AnsweredSync {
  readonly #seed: number;
  readonly #random: () => number;
  readonly #asked = new Map<string, number>();
  readonly #tooOften = new Set<string>();
  readonly #stores: Readonly<Record<Side, AnsweringStore>>;
  readonly #env: Readonly<Record<string, string>>;
  readonly #copierOf: (env: Readonly<Record<string, string>>) => Copier;
  readonly compare: string;
  readonly #request: Readonly<Record<string, unknown>>;
  #trouble: Trouble;
  #isHonest = false;
  /** What went wrong, for people. */
  readonly story: string[] = [];
  readonly #before: ReadonlyMap<string, StoredObject>;
  /** What somebody else has written at the destination meanwhile. */
  readonly #written = new Map<string, StoredObject>();

  /** @param copierOf makes the object copier for the configuration of this seed */
  constructor(seed: number, copierOf: (env: Readonly<Record<string, string>>) => Copier) {
    this.#seed = seed;
    this.#random = seeded(seed);
    this.#copierOf = copierOf;
    const dialect = () => ({
      etags: pick(this.#random, ["md5", "opaque"] as const),
      pageKeys: pick(this.#random, [2, 3, 1000]),
      lists: pick(this.#random, ["v2", "v2", "v1"] as const),
      conditionalDelete: this.#random() < 0.5,
      deleteObjects: this.#random() < 0.7,
    });
    this.#stores = { source: new AnsweringStore(dialect()), destination: new AnsweringStore(dialect()) };
    // The host of a seed: what an isolate has learned of one says nothing of the next.
    this.#env = {
      STORE_EAST: this.#secret("source", seed),
      STORE_WEST: this.#secret("destination", seed),
    };
    this.#fill();
    this.#before = new Map(this.#stores.destination.objects);
    this.#trouble = this.#makeTrouble();
    this.compare = pick(this.#random, ["auto", "auto", "etag", "checksum"]);
    this.#request = {
      source: `east:${BUCKET}/${FROM}`,
      destination: `west:${BUCKET}/${TO}`,
      delete: true,
      maxDeletes: "100%",
      tags: "none",
      compare: this.compare,
    };
  }

  #secret(side: Side, seed: number): string {
    const { etags, conditionalDelete } = this.#stores[side].dialect;
    const md5 = etags === "md5";
    return JSON.stringify({
      endpoint: `https://${side}-${seed}.test`,
      region: "auto",
      accessKeyId: "id",
      secretAccessKey: "secret",
      profile: { conditionalDelete, md5Etag: md5, md5PartEtag: md5, md5MultipartEtag: md5, contentMd5: md5 },
    });
  }

  /** Equal, different, missing and extra keys, and empty ones. */
  #fill(): void {
    const { source, destination } = this.#stores;
    const bytes = (most: number) =>
      Uint8Array.from({ length: Math.floor(this.#random() * most) }, () => Math.floor(this.#random() * 256));
    for (let index = 0; index < 3 + Math.floor(this.#random() * 6); index++) {
      const name = `${pick(this.#random, ["a", "b/", "c", "é"])}${index}`;
      const own = this.#random() < 0.2 ? new Uint8Array(0) : bytes(40);
      const kind = pick(this.#random, ["equal", "same size", "other", "missing", "extra"] as const);
      if (kind !== "extra") source.put(FROM + name, own);
      const held = {
        equal: own,
        "same size": own.map((byte) => byte ^ 1),
        other: this.#random() < 0.3 ? new Uint8Array(0) : bytes(40),
        missing: null,
        extra: bytes(40),
      }[kind];
      if (held !== null) destination.put(TO + name, held);
    }
    // Never nothing at the source, which is a rule of its own.
    source.put(`${FROM}z`, bytes(10));
    destination.put("elsewhere", bytes(10));
  }

  #makeTrouble(): Trouble {
    const always = [];
    for (let count = Math.floor(this.#random() * 3); count > 0; count--) {
      const operation = pick(this.#random, Object.keys(FIELDS));
      const side = pick(this.#random, ["source", "destination"] as const);
      const fault = faultOf(this.#random, operation, side);
      if (fault.kind === "field") always.push({ side, operation, fault });
    }
    return { fraction: pick(this.#random, [0, 0.02, 0.1, 0.3]), always };
  }

  /** From now on the stores say the truth. */
  makeHonest(): void {
    this.#isHonest = true;
  }

  /** In place of the network. */
  async fetch(url: URL, init: RequestInit): Promise<Response> {
    const side: Side = url.hostname.startsWith("source") ? "source" : "destination";
    const [, , ...rest] = url.pathname.split("/");
    const key = decodeURIComponent(rest.join("/"));
    const method = init.method ?? "GET";
    const body =
      init.body === undefined || init.body === null
        ? new Uint8Array(0)
        : new Uint8Array(await new Response(init.body).arrayBuffer());
    const asked = { method, key, query: url.searchParams, headers: new Headers(init.headers), body };
    const { operation, answer } = this.#stores[side].answer(asked);
    const told = this.#tell(side, operation, answer, this.#luckOf(`${method} ${url.href}`));
    if (told === null) throw new TypeError("Network connection lost");
    return responseOf(told, method);
  }

  /** Requests run at once: the luck of each is its own, so that a seed is the same world each time. */
  #luckOf(request: string): () => number {
    const times = (this.#asked.get(request) ?? 0) + 1;
    if (times > MOST_TIMES) this.#tooOften.add(request);
    this.#asked.set(request, times);
    return seeded(crc32(`${this.#seed} ${times} ${request}`));
  }

  #tell(side: Side, operation: string, answer: Answer, random: () => number): Answer | null {
    if (this.#isHonest) return answer;
    let told: Answer | null = answer;
    const faults = this.#trouble.always
      .filter((always) => always.side === side && always.operation === operation)
      .map(({ fault }) => fault);
    const isUntrue = faults.length === 0 && random() < this.#trouble.fraction;
    if (isUntrue) faults.push(faultOf(random, operation, side));
    for (const fault of faults.slice(0, 1)) {
      this.story.push(`${side} ${operation}: ${JSON.stringify(fault)}`);
      told = spoil(answer, fault, random);
    }
    return told;
  }

  /** One run to its end. */
  async run(id: string): Promise<RunReport> {
    const record = new SyncRecord(storageOver(memorySql()));
    record.create(id, resolveSync(parseSyncRequest(this.#request), this.#env), 0);
    const steps = new SyncSteps(
      record,
      this.#env,
      () => 40,
      () => undefined,
      () => undefined,
      async () => UNTOLD_PAGE,
      () => async () => null,
      accountOf(record, new KnownSides(this.#env)),
    );
    const copier = this.#copierOf(this.#env);
    for (let count = 0; ; count++) {
      if (count > MOST_STEPS) throw new Error("The run has no end");
      const { job } = record.load();
      if (isSyncEnded(job) || job.phase === "blocked") break;
      const step = nextStep(job, record.counts(), Infinity);
      if (step.do === "delete") this.#writeMeanwhile();
      if (step.do !== "rest" && step.do !== "settle") await steps.take(step);
      else if (!(await this.#work(record, copier))) throw new Error(`The run stands still: ${job.phase}`);
    }
    const report = await new Response(steps.readReport()).text();
    const ended = record.load().job;
    if ("failure" in ended) this.story.push(`${ended.phase}: ${ended.failure?.message}`);
    for (const { key, failure } of record.someFailures(3)) this.story.push(`${key}: ${failure.message}`);
    const lines = report.split("\n").filter((line) => line !== "");
    return {
      phase: record.load().job.phase,
      entries: lines.map((line) => JSON.parse(line) as Record<string, unknown>),
      warnings: record.warnings(),
      copied: record.load().counters.copied.objects,
    };
  }

  /** Somebody writes a key that only the destination has, after it was listed. */
  #writeMeanwhile(): void {
    const { source, destination } = this.#stores;
    for (const key of destination.objects.keys()) {
      const isExtra = key.startsWith(TO) && !source.objects.has(FROM + key.slice(TO.length));
      if (isExtra && !this.#isHonest && this.#random() < 0.05)
        this.#written.set(key, destination.put(key, new TextEncoder().encode("new")));
    }
  }

  /** What lanes would do with the batches that wait. @returns whether there were any */
  async #work(record: SyncRecord, copier: Copier): Promise<boolean> {
    const { id, spec } = record.load();
    const large = record.large.waiting(-1);
    for (const { seq } of large) record.large.take(seq);
    record.batches.add(
      large.map(({ work }) => ({ ...work, first: "copy" as const })),
      0,
    );
    const batches = record.batches.lease(1, 5, Number.MAX_SAFE_INTEGER);
    for (const { batch, attempt, objects } of batches) {
      const task = {
        syncId: id,
        lane: 1,
        batch,
        attempt,
        objects,
        pace: null,
        source: { store: "east", bucket: BUCKET },
        destination: { store: "west", bucket: BUCKET },
        options: { ...optionsOfRun(spec), compare: spec.compare },
      };
      const copied = await copier.copyObjects(task, new ReadableStream());
      const running = batches.filter((other) => other.batch > batch);
      const finished = [{ batch, attempt, ...copied, durationMs: 1 }];
      record.transaction(() => {
        for (const done of record.batches.takeReports({ lane: 1, finished, running, wanted: 0 }, NOW))
          this.#settle(record, done.objects, done.outcomes);
      });
    }
    return batches.length > 0;
  }

  #settle(record: SyncRecord, objects: readonly ObjectWork[], outcomes: readonly ObjectOutcome[]): void {
    const options = { dryRun: false, ...NOW };
    const { entries, again, large, runFailure } = settle(objects, outcomes, options);
    record.enter(entries);
    record.batches.add(again.objects, 0);
    record.large.add(large);
    if (runFailure !== null) record.applyEvent({ type: "runFailed", failure: runFailure });
  }

  /** What is wrong with a run that has ended so, as far as somebody sees who knows both stores. */
  judge({ phase, entries }: RunReport): string[] {
    const faults = [...this.#tooOften].map((request) => `asked for ever: ${request}`);
    const { source, destination } = this.#stores;
    const sourceOf = (key: string) => source.objects.get(FROM + key.slice(TO.length));
    const failed = new Set(entries.filter(({ action }) => action === "failed").map(({ key }) => String(key)));
    for (const [key, held] of this.#before) {
      const now = destination.objects.get(key);
      if (now === undefined && (!key.startsWith(TO) || sourceOf(key) !== undefined))
        faults.push(`lost ${key}`);
      const isKnown = isSame(now, held) || isSame(now, sourceOf(key)) || isSame(now, this.#written.get(key));
      if (now !== undefined && !isKnown) faults.push(`destroyed ${key}`);
    }
    for (const [key, held] of this.#written)
      if (!this.#isHonest && destination.objects.get(key) !== held)
        faults.push(`deleted what is new: ${key}`);
    for (const { action, reason, key } of entries) {
      const own = source.objects.get(String(key));
      const there = destination.objects.get(TO + String(key).slice(FROM.length));
      if (action === "skipped" && reason === "equal" && !isSame(own, there)) faults.push(`not equal: ${key}`);
      if (action === "copied" && !isSame(own, there)) faults.push(`not copied: ${key}`);
    }
    if (phase !== "completed") return faults;
    if (failed.size > 0) faults.push("completed with failures");
    for (const [key, own] of source.objects)
      if (!isSame(own, destination.objects.get(TO + key.slice(FROM.length)))) faults.push(`left out ${key}`);
    for (const key of destination.objects.keys())
      if (key.startsWith(TO) && sourceOf(key) === undefined) faults.push(`not deleted ${key}`);
    return faults;
  }
}

function isSame(a: StoredObject | undefined, b: StoredObject | undefined): boolean {
  return a !== undefined && b !== undefined && Buffer.compare(a.bytes, b.bytes) === 0;
}

/** As HTTP brings it: a length that is too small cuts the body, one that is too large breaks it. */
function responseOf({ status, headers, document, bytes }: Answer, method: string): Response {
  const init = { status, headers: headers.map(([name, value]): [string, string] => [name, value]) };
  const isEmpty = method === "HEAD" || status === 204;
  if (isEmpty) return new Response(null, init);
  if (document !== null) return new Response(xmlOf(document), init);
  const length = init.headers.findLast(([name]) => name === "content-length")?.[1] ?? "";
  const announced = /^\d+$/.test(length) ? Number(length) : bytes.length;
  if (announced <= bytes.length) return new Response(bytes.slice(0, announced), init);
  const broken = new ReadableStream({
    type: "bytes",
    pull(controller) {
      controller.error(new TypeError("Network connection lost"));
    },
  });
  return new Response(broken, init);
}
