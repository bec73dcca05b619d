// Stores that lie. Between the mesh and two honest stores stand liars who change what the stores have said
// (test/store/lies.ts). Whatever they say: no error that nobody foresaw, no work without an end, no secret
// told, no request elsewhere, no copy called complete that is not the source's, and no key deleted that the
// source has.
//
//   SEEDS=10000 npx vitest run --root . --config test/vitest.config.ts --project workers \
//     test/workers/front/fuzz.test.ts
//   SEED=17 … runs that seed alone, and says what its stores answered.

import { createServer } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { afterAll, expect, inject, test } from "vitest";
import { Dice } from "../../chaos/dice.ts";
import { Clock } from "../../mesh/clock.ts";
import { Mesh } from "../../mesh/mesh.ts";
import { type Question, type Said, type Told, startLiar } from "../../store/liar.ts";
import { type Lie, LIES } from "../../store/lies.ts";
import { type TestStore, startStore } from "../../store/store.ts";

const SEEDS = Number(process.env["SEEDS"] ?? 100);
const ONLY = process.env["SEED"];

const AT_ONCE = 32;
/** A client remembers by its address what a store is like, so not all seeds have the same. */
const ADDRESSES = 16;

/** Of a work before it is cancelled, in seconds of its clock, which goes ten times as fast. */
const PATIENCE = 60;

const PART = 64 * 1024;

type Side = "source" | "destination";

interface Rule {
  readonly side: Side;
  /** Null: any. */
  readonly operation: RegExp | null;
  readonly lie: Lie;
  /** The answers that it changes, counted from the first that fits. */
  readonly from: number;
  readonly until: number;
  readonly dice: Dice;
  seen: number;
}

/** What one seed is about. */
interface Scene {
  readonly seed: number;
  readonly rules: readonly Rule[];
  readonly story: string[];
  requests: number;
  /** Operations of the source about which a lie was told. */
  readonly lied: Set<string>;
  /** Those whose lie misled: nobody could know better. */
  readonly misled: Set<string>;
}

const scenes = new Map<number, Scene>();

const script =
  (bait: Parameters<Lie["tell"]>[2]) =>
  (question: Question, said: Said): Told | null => {
    const [, seed = "", of = ""] = /^seed-(\d+)-(source|destination)$/.exec(question.bucket) ?? [];
    const scene = scenes.get(Number(seed));
    if (scene === undefined) return null;
    scene.requests += 1;
    for (const rule of scene.rules) {
      if (rule.side !== of || rule.operation?.test(question.operation) === false) continue;
      const at = rule.seen++;
      if (at < rule.from || at >= rule.until) continue;
      if (of === "source") scene.lied.add(question.operation);
      if (rule.lie.misleads && of === "source") scene.misled.add(question.operation);
      const told = rule.lie.tell(said, rule.dice, bait);
      if (ONLY !== undefined) scene.story.push(describe(question, said, told, rule));
      return told;
    }
    if (ONLY !== undefined) scene.story.push(`${of}: ${question.operation} ${said.status}`);
    return null;
  };

function describe(question: Question, said: Said, told: Told, { side, lie }: Rule): string {
  const headers = told.headers.filter((header) => !said.headers.includes(header));
  const body = told.body.equals(said.body)
    ? ""
    : ` body ${JSON.stringify(told.body.subarray(0, 300).toString())}`;
  const what = `${lie.name}: ${told.status} ${told.how} ${JSON.stringify(headers).slice(0, 300)}${body}`;
  return `${side}: ${question.operation} ${said.status}, told as ${what}`;
}

const CREDENTIALS = {
  accessKeyId: "AKIALIARSTORE0123456",
  secretAccessKey: "liar/secret+key/that=must/not/be/told",
  sessionToken: "IQoJb3JpZ2luX2VjLIARLIARLIARLIARtoken==",
};

const clock = Clock.fast(10, "limits too");
const options = {
  clock: clock.now,
  journalLimit: 1_000,
  credentials: CREDENTIALS,
  minPartBytes: PART,
  maxPageKeys: 3,
  maxPageParts: 2,
};
const honest = { source: await startStore(options), destination: await startStore(options) };
const visits: string[] = [];
const trap = createServer((request, response) => {
  visits.push(`${request.method} ${request.url}`);
  response.end();
}).listen(0, "0.0.0.0");
await once(trap, "listening");
const bait = {
  secrets: Object.values(CREDENTIALS),
  elsewhere: `http://127.0.0.99:${(trap.address() as AddressInfo).port}`,
};
const liars = {
  source: await startLiar(honest.source.port, script(bait)),
  destination: await startLiar(honest.destination.port, script(bait)),
};
const secretOf = (side: Side, n: number) =>
  JSON.stringify({
    endpoint: liars[side].endpoint(2 + n),
    region: honest[side].region,
    ...CREDENTIALS,
    profile: { minPartBytes: PART },
  });
const bindings = Object.fromEntries(
  Array.from({ length: ADDRESSES }, (_, n) => [
    [`STORE_S${n}`, secretOf("source", n)],
    [`STORE_D${n}`, secretOf("destination", n)],
  ]).flat(),
);
const mesh = await Mesh.start({ ...clock.drive({ bundlePath: inject("bundlePath") }), edge: null, bindings });

afterAll(async () => {
  await mesh.stop();
  for (const side of ["source", "destination"] as const) {
    await liars[side].stop();
    await honest[side].stop();
  }
  trap.closeAllConnections();
  trap.close();
});

const OPERATIONS: readonly (readonly [weight: number, operation: RegExp | null])[] = [
  [4, null],
  [3, /list$/],
  [3, /^HEAD object/],
  [3, /^GET object/],
  [3, /^PUT (object|part|copy|part copy)$/],
  [1, /create/],
  [2, /complete/],
  [1, /(parts|uploads)$/],
  [1, /^DELETE|deletes/],
  [1, /tagging|attributes/],
];

function ruleOf(dice: Dice, side: Side): Rule {
  const from = dice.weighted([
    [4, 0],
    [2, dice.whole(0, 3)],
  ]);
  const times = dice.weighted([
    [3, 1],
    [2, dice.whole(2, 6)],
    [3, Infinity],
  ]);
  return {
    side,
    operation: dice.weighted(OPERATIONS),
    lie: dice.weighted(LIES),
    from,
    until: from + times,
    dice: new Dice(dice.whole(1, 2 ** 31)),
    seen: 0,
  };
}

const KINDS = [
  [3, "small"],
  [4, "parts"],
  [1, "inside"],
  [4, "sync"],
  [3, "delete"],
  [1, "check"],
] as const;

type Kind = (typeof KINDS)[number][1];

const bytesOf = (dice: Dice, size: number) =>
  Buffer.from(Array.from({ length: size }, () => dice.whole(0, 255)));

interface Plan {
  readonly kind: Kind;
  readonly stores: Readonly<Record<Side, string>>;
  readonly objects: ReadonlyMap<string, Buffer>;
  readonly places: readonly (readonly [TestStore, string])[];
}

/** Puts the objects of a seed at both stores. */
function stage(seed: number): { scene: Scene; plan: Plan; dice: Dice } {
  const dice = new Dice(seed);
  const kind = dice.weighted(KINDS);
  const sides = dice.weighted<readonly Side[]>([
    [4, ["source"]],
    [4, ["destination"]],
    [1, ["source", "destination"]],
  ]);
  const rules = sides.flatMap((side) => Array.from({ length: dice.whole(1, 2) }, () => ruleOf(dice, side)));
  const scene: Scene = { seed, rules, story: [], requests: 0, lied: new Set(), misled: new Set() };
  scenes.set(seed, scene);
  const n = seed % ADDRESSES;
  const stores = { source: kind === "inside" ? `d${n}` : `s${n}`, destination: `d${n}` };
  const at = kind === "inside" ? honest.destination : honest.source;
  at.createBucket(`seed-${seed}-source`);
  honest.destination.createBucket(`seed-${seed}-destination`);
  const places = [
    [at, `seed-${seed}-source`],
    [honest.destination, `seed-${seed}-destination`],
  ] as const;
  const sizes =
    kind === "small"
      ? [dice.pick([0, 1, 1_000])]
      : kind === "sync" || kind === "delete"
        ? [10, 0, 500, 7, 2 * PART + 1, 3, 20]
        : [2 * PART + 7];
  const objects = new Map(sizes.map((size, index) => [`a/${index}`, bytesOf(dice, size)]));
  for (const [key, bytes] of objects)
    at.put(`seed-${seed}-source`, key, bytes, {
      metadata: { owner: "me" },
      ...(bytes.length > PART ? { parts: PART } : {}),
    });
  // Some are there already: one is equal, one is not, and two nobody has.
  honest.destination.put(`seed-${seed}-destination`, "a/1", objects.get("a/1") ?? "x");
  honest.destination.put(`seed-${seed}-destination`, "a/3", "other");
  if (kind === "delete")
    for (const key of ["a/0x", "b/9"]) honest.destination.put(`seed-${seed}-destination`, key, "extra");
  return { scene, plan: { kind, stores, objects, places }, dice };
}

/** Ten thousand seeds would leave gigabytes. */
function clear({ places }: Plan): void {
  for (const [store, bucket] of places)
    for (const { key } of store.objects(bucket)) store.delete(bucket, key);
}

const REST = ["completed", "finished_with_errors", "failed", "cancelled", "blocked"];

interface Work {
  readonly id: string;
  readonly phase: string;
  readonly proof?: string | null;
  readonly failure?: { readonly code: string; readonly message: string };
}

/** How many works ended how, and which had to be cancelled. */
const ends = new Map<string, number>();

const count = (end: string) => ends.set(end, (ends.get(end) ?? 0) + 1);

/** Ends what has not ended by itself. */
async function ended(path: string, waitSeconds: number): Promise<{ status: Work; faults: string[] }> {
  const ask = async (seconds: number) => (await mesh.call<Work>("GET", `${path}?wait=${seconds}`)).body;
  let status = await ask(waitSeconds);
  const before = status.phase;
  count(before);
  if (REST.includes(before) && before !== "blocked") return { status, faults: [] };
  await mesh.call("POST", `${path}/cancel`);
  for (let waits = 0; waits < 3; waits++) {
    status = await ask(300);
    if (REST.includes(status.phase) && status.phase !== "blocked") return { status, faults: [] };
  }
  return { status, faults: [`${before}, and after its cancel for 15 minutes ${status.phase}`] };
}

/** Requests that a work of so few keys may make, whatever it hears: 8 tries of each, and looks between. */
const MOST_REQUESTS = 1_000;

/** What a request may ask for besides. */
function copyOptions(dice: Dice): Record<string, unknown> {
  return {
    verify: dice.pick(["auto", "strict"]),
    ...(dice.chance(0.2) ? { ifExists: dice.pick(["skip", "fail"]) } : {}),
    ...(dice.chance(0.2) ? { partSize: "source" } : {}),
    ...(dice.chance(0.2) ? { tags: dice.pick(["require", "none"]) } : {}),
    ...(dice.chance(0.2) ? { ifSourceChanges: "restart" } : {}),
    ...(dice.chance(0.1) ? { markCopy: false } : {}),
  };
}

function syncOptions(dice: Dice, destination: string): Record<string, unknown> {
  return {
    ...(dice.chance(0.3) ? { compare: dice.pick(["checksum", "size", "etag", "size+mtime"]) } : {}),
    ...(dice.chance(0.2) ? { partSize: "source" } : {}),
    ...(dice.chance(0.2) ? { tags: "require" } : {}),
    ...(dice.chance(0.2) ? { report: `${destination}reports/` } : dice.chance(0.1) ? { dryRun: true } : {}),
  };
}

async function judge(seed: number): Promise<string[]> {
  const { scene, plan, dice } = stage(seed);
  const { kind, stores, objects } = plan;
  const place = (side: Side) => `${stores[side]}:seed-${seed}-${side}/`;
  const faults: string[] = [];
  try {
    if (kind === "check") {
      const side = dice.pick(["source", "destination"] as const);
      const body = { bucket: `seed-${seed}-${side}`, as: side };
      const { status, text } = await mesh.call("POST", `/stores/${stores[side]}/check`, { body });
      if (status !== 200) faults.push(`the check is answered ${status} ${text}`);
    } else if (kind === "sync" || kind === "delete") {
      const body = {
        source: place("source"),
        destination: place("destination"),
        delete: kind === "delete",
        maxDeletes: 100,
      };
      const id = await mesh.startSync({ ...body, ...syncOptions(dice, place("destination")) });
      faults.push(...(await judgeSync(seed, id, plan, scene)));
    } else {
      const body = {
        source: `${place("source")}a/0`,
        destination: `${place("destination")}k`,
        partSize: PART,
      };
      if (dice.chance(0.2)) honest.destination.put(`seed-${seed}-destination`, "k", "before");
      const id = await mesh.startCopy({ ...body, ...copyOptions(dice) });
      const { status, faults: late } = await ended(`/copies/${id}`, PATIENCE);
      faults.push(...late, ...foreseen(status));
      await readAll(`/copies/${id}`, ["/parts", "/progress?plain", "/events?parts"]);
      if (status.phase === "completed" && typeof status.proof === "string")
        faults.push(...judgeBytes(seed, "k", objects.get("a/0"), status.proof ?? "", scene));
    }
  } catch (error) {
    faults.push(error instanceof Error ? error.message : String(error));
  }
  clear(plan);
  if (scene.requests > MOST_REQUESTS) faults.push(`${scene.requests} requests`);
  const lies = scene.rules.map(
    ({ side, operation, lie }) => `${side} ${operation?.source ?? "any"}: ${lie.name}`,
  );
  return faults.map((fault) => `seed ${seed}, ${kind} (${lies.join("; ")}): ${fault}`.slice(0, 1_500));
}

async function readAll(path: string, tails: readonly string[]): Promise<void> {
  for (const tail of tails) {
    const { text } = await mesh.call("GET", path + tail);
    if (/(?![\n])[\p{Cc}\u202a-\u202e]/u.test(text)) throw new Error(`${path}${tail} has control characters`);
  }
}

function foreseen({ failure }: Pick<Work, "failure">): string[] {
  return failure?.code === "internal_error" ? [`nobody foresaw: ${failure.message}`] : [];
}

/** What a copy that is complete has at its destination. */
function judgeBytes(
  seed: number,
  key: string,
  source: Buffer | undefined,
  proof: string,
  { lied, misled }: Scene,
): string[] {
  const found = honest.destination.get(`seed-${seed}-destination`, key);
  if (found === undefined) return [`complete (${proof}), and "${key}" is not there`];
  if (source !== undefined && honest.destination.bytes(`seed-${seed}-destination`, key).equals(source))
    return [];
  // A source whose bytes are others than they were, or that says the same wrong thing by HEAD and by GET, has
  // those. Only a proof by its own ETag can tell.
  const agrees = lied.has("GET object") && (lied.has("HEAD object") || lied.has("GET list"));
  const excused = (misled.has("GET object") || agrees) && !["etag", "content-md5"].includes(proof);
  return excused ? [] : [`complete (${proof}), and the bytes of "${key}" are others`];
}

async function judgeSync(seed: number, id: string, { kind, objects }: Plan, scene: Scene): Promise<string[]> {
  const { status, faults } = await ended(`/syncs/${id}`, PATIENCE);
  await readAll(`/syncs/${id}`, ["/progress?plain", "/events"]);
  // One that is kept at the destination breaks off where the destination does not give it back.
  const lines = await mesh.report(id).catch((error: unknown) => {
    if (String(error).includes("terminated")) return [];
    throw error;
  });
  for (const { key, action, reason, proof } of lines) {
    if (reason === "internal_error" || reason === "copier_died")
      faults.push(`nobody foresaw: ${JSON.stringify({ key, reason })}`);
    const source = objects.get(key);
    if (action === "copied" && source !== undefined)
      faults.push(...judgeBytes(seed, key, source, proof ?? "", scene));
  }
  const isMisled = [...scene.misled].some((operation) => /list|HEAD/.test(operation));
  if (!isMisled && kind === "delete")
    for (const key of ["a/1", "a/3"])
      if (honest.destination.get(`seed-${seed}-destination`, key) === undefined)
        faults.push(`${status.phase}: "${key}" is deleted, and the source has it`);
  return [...faults, ...foreseen(status)];
}

const UNFORESEEN = /"event":"(?:step_crashed|copier_died|request_crashed|probe_crashed)"/;

test(
  "whatever stores say, work ends, nothing is told, and nothing is deleted or called complete that is not",
  async () => {
    const seeds = ONLY === undefined ? Array.from({ length: SEEDS }, (_, n) => n + 1) : [Number(ONLY)];
    const faults: string[] = [];
    const waiting = seeds.values();
    const started = Date.now();
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        for (const seed of waiting) {
          const found = await judge(seed);
          faults.push(...found);
          // A run of hours says how far it is.
          if (SEEDS > 1_000 && (found.length > 0 || seed % 500 === 0)) console.info(seed, found.join("\n"));
        }
      }),
    );
    if (ONLY !== undefined) console.info(scenes.get(Number(ONLY))?.story.join("\n"));
    const most = Math.max(...[...scenes.values()].map(({ requests }) => requests));
    console.info(
      `${seeds.length} seeds, ${Date.now() - started} ms, ${most} requests at most`,
      Object.fromEntries(ends),
    );
    const unforeseen = mesh.logged.filter((line) => UNFORESEEN.test(line));
    expect([...faults, ...unforeseen.slice(0, 20)]).toEqual([]);
    expect(visits).toEqual([]);
  },
  6 * 3600_000,
);
