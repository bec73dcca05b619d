/**
 * Misbehaviour on demand: rules that pick requests, and the effects they have on them.
 *
 * A rule is an object that can be removed and that counts its hits. For each request the matching rules are
 * asked once, in the order they were added, when the headers have arrived; what they chose is that request's
 * `FaultPlan`, fixed from then on. The handlers ask the plan at named stages: before the body, after the body
 * but before the work, after the work but before the answer. The module decides and waits, it does no I/O:
 * `exchange.ts` acts the effects out. Probabilities come from a seeded source, so a run can be repeated.
 */
import type { RequestRecord } from "./journal.ts";
import type { Operation } from "./routing.ts";
import type { Random } from "./state.ts";

export interface FaultMatch {
  readonly operation?: Operation | readonly Operation[];
  readonly bucket?: string;
  readonly key?: string | RegExp;
  readonly partNumber?: number;
  readonly lane?: string;
  readonly copy?: string;
  readonly where?: (request: RequestRecord) => boolean;
}

export interface FaultSchedule {
  /** Take effect at most this many times; default: always. */
  readonly times?: number;
  /** Let this many matching requests pass first; default 0. */
  readonly after?: number;
  /** Chance, from 0 to 1, that a request that is due is hit; default 1. */
  readonly probability?: number;
}

/** before-body: nothing read; before-work: body read, nothing stored; before-answer: stored, nothing said. */
export type Stage = "before-body" | "before-work" | "before-answer";

export type Effect =
  /** Answer this instead. Status follows from `code` unless given; no `body` means the usual `<Error>`. */
  | {
      readonly kind: "answer";
      readonly code?: string;
      readonly status?: number;
      readonly message?: string;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string | Buffer;
      readonly contentType?: string;
      /** Default "before-body". "before-answer": the work is done nevertheless. */
      readonly stage?: Stage;
      /** Close the connection after the answer instead of draining the request body. */
      readonly close?: boolean;
    }
  /** Cut the connection. "before-answer" loses the answer after success. */
  | { readonly kind: "drop"; readonly stage: Stage }
  | { readonly kind: "delay"; readonly milliseconds: number; readonly stage?: Stage }
  | { readonly kind: "hold"; readonly gate: Gate; readonly stage: Stage }
  /** Run a test's own action, e.g. replace the source. */
  | { readonly kind: "run"; readonly action: (request: RequestRecord) => unknown; readonly stage: Stage }
  /**
   * Once this fraction (0 to 1) of a body has passed: run a test's action, hold the rest until it is done,
   * then continue or cut.
   */
  | {
      readonly kind: "during";
      readonly direction: "in" | "out";
      readonly share: number;
      readonly action: (request: RequestRecord) => unknown;
      readonly after: "go-on" | "cut";
    }
  /** At most this rate in one direction, per connection. */
  | {
      readonly kind: "throttle";
      readonly direction: "in" | "out";
      readonly bytesPerSecond: number;
      /** Into how many pieces a second of an answer is cut; default 20. */
      readonly piecesPerSecond?: number;
    }
  /** Pass this many bytes, then nothing more, keeping the connection open. */
  | { readonly kind: "stall"; readonly direction: "in" | "out"; readonly afterBytes: number }
  /**
   * Leave out the last bytes of an answer: "clean" ends a chunked body, "cut" breaks a body of declared
   * length.
   */
  | { readonly kind: "truncate"; readonly missingBytes: number; readonly how: "clean" | "cut" }
  /** Send more than was requested, without a declared length. */
  | { readonly kind: "oversize"; readonly extraBytes: number }
  /** Shift the numbers in Content-Range; the bytes stay right. */
  | { readonly kind: "content-range"; readonly start?: number; readonly total?: number }
  /** Answer 200 and the whole object to a ranged GET. */
  | { readonly kind: "ignore-range" }
  /** Answer a conditional request as if it were not. */
  | { readonly kind: "ignore-conditions" }
  /** Invert one byte, at this offset of the received or sent body. */
  | { readonly kind: "flip"; readonly direction: "in" | "out"; readonly at: number }
  /** Change or drop (undefined) one response header. */
  | { readonly kind: "header"; readonly name: string; readonly value: string | undefined }
  /** CompleteMultipartUpload: 200, then an `<Error>`; nothing completed. */
  | { readonly kind: "complete-error"; readonly code: string }
  /** CompleteMultipartUpload: 200 and some spaces, then the connection dies; completed or not. */
  | { readonly kind: "complete-cut"; readonly work: boolean }
  /** CompleteMultipartUpload, CopyObject, UploadPartCopy: 200 with an empty body; work done. */
  | { readonly kind: "empty-result" }
  /**
   * ListParts: claim to be truncated and give the marker that was sent; listings: give the same token again.
   */
  | { readonly kind: "repeat-marker" }
  /** Listings: claim to be truncated and give no token. */
  | { readonly kind: "missing-marker" }
  /** ListObjectsV2: the token leads back to the first page. */
  | { readonly kind: "circle" }
  /** PutObject of an archive: leave out these entries; the answer says nothing of it. */
  | { readonly kind: "omit-entries"; readonly key: RegExp }
  /** PutObject of an archive: do not unpack it, and keep it as an object of its own. */
  | { readonly kind: "store-archive" }
  /** ListParts: leave this part out. */
  | { readonly kind: "omit-part"; readonly partNumber: number }
  /** Add `,gzip(gfe)` to Accept-Encoding before the signature is checked, as GCS's front end does. */
  | { readonly kind: "rewrite-accept-encoding" };

export type EffectOf<Kind extends Effect["kind"]> = Extract<Effect, { kind: Kind }>;

/** Where requests wait until a test lets them go. */
export class Gate {
  #waiting: { readonly request: RequestRecord; readonly resume: () => void }[] = [];
  #open = false;
  readonly #changed: () => void;
  #remove: () => void = () => {};

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  /** Requests standing at the gate, in order of arrival; not those whose client has gone. */
  get waiting(): readonly RequestRecord[] {
    return this.#waiting.map(({ request }) => request).filter(({ outcome }) => outcome === "open");
  }

  /** Lets the first `count` requests go and keeps the gate shut; without a count, opens it for good. */
  release(count?: number): void {
    if (count === undefined) {
      this.#open = true;
      this.#remove();
    }
    for (const entry of this.#waiting.splice(0, count ?? this.#waiting.length)) entry.resume();
    this.#changed();
  }

  async pass(request: RequestRecord): Promise<void> {
    if (this.#open) return;
    await new Promise<void>((resume) => {
      this.#waiting.push({ request, resume });
      this.#changed();
    });
  }

  /** Called once when the gate opens for good. */
  onRelease(remove: () => void): void {
    this.#remove = remove;
  }
}

export class FaultRule {
  readonly match: FaultMatch;
  readonly effect: Effect;
  readonly schedule: FaultSchedule;
  /** How many requests this rule has hit. */
  hits = 0;
  #seen = 0;
  readonly #remove: (rule: FaultRule) => void;

  constructor(match: FaultMatch, effect: Effect, schedule: FaultSchedule, remove: (rule: FaultRule) => void) {
    this.match = match;
    this.effect = effect;
    this.schedule = schedule;
    this.#remove = remove;
  }

  remove(): void {
    this.#remove(this);
  }

  /** Whether the rule hits this request; counts it either way. */
  hit(request: RequestRecord, random: Random): boolean {
    if (this.hits >= (this.schedule.times ?? Number.POSITIVE_INFINITY)) return false;
    if (!matches(this.match, request)) return false;
    this.#seen++;
    if (this.#seen <= (this.schedule.after ?? 0)) return false;
    if (this.schedule.probability !== undefined && random.fraction() >= this.schedule.probability)
      return false;
    this.hits++;
    return true;
  }
}

function matches(match: FaultMatch, request: RequestRecord): boolean {
  const { operation, key } = match;
  if (operation !== undefined) {
    if (request.operation === undefined) return false;
    const allowed: readonly Operation[] = typeof operation === "string" ? [operation] : operation;
    if (!allowed.includes(request.operation)) return false;
  }
  if (typeof key === "string" && request.key !== key) return false;
  if (key instanceof RegExp && (request.key === undefined || !key.test(request.key))) return false;
  return (
    (match.bucket === undefined || match.bucket === request.bucket) &&
    (match.partNumber === undefined || match.partNumber === request.partNumber) &&
    (match.lane === undefined || match.lane === request.lane) &&
    (match.copy === undefined || match.copy === request.copy) &&
    (match.where === undefined || match.where(request))
  );
}

/** The places of a body at which something is to happen, each once. */
class Passages {
  readonly #left: EffectOf<"during">[];

  constructor(effects: readonly EffectOf<"during">[]) {
    this.#left = effects.toSorted((a, b) => a.share - b.share);
  }

  /** The next place, once that many of `length` bytes have passed. */
  next(passed: number, length: number): EffectOf<"during"> | undefined {
    const [first] = this.#left;
    return first !== undefined && passed >= first.share * length ? this.#left.shift() : undefined;
  }
}

/** The effects chosen for one request. */
export class FaultPlan {
  readonly #effects: readonly Effect[];

  constructor(effects: readonly Effect[]) {
    this.#effects = effects;
  }

  /** The effects of one kind, in rule order. */
  all<Kind extends Effect["kind"]>(kind: Kind): readonly EffectOf<Kind>[] {
    return this.#effects.filter((effect): effect is EffectOf<Kind> => effect.kind === kind);
  }

  /** The first effect of one kind. */
  first<Kind extends Effect["kind"]>(kind: Kind): EffectOf<Kind> | undefined {
    return this.all(kind)[0];
  }

  /** What is to happen in the middle of a body. */
  passages(direction: "in" | "out"): Passages {
    return new Passages(this.all("during").filter((effect) => effect.direction === direction));
  }

  /** What is to happen at `stage`, in rule order. */
  at(stage: Stage): readonly EffectOf<"answer" | "drop" | "delay" | "hold" | "run">[] {
    return this.#effects.filter(
      (effect): effect is EffectOf<"answer" | "drop" | "delay" | "hold" | "run"> => {
        switch (effect.kind) {
          case "answer":
            return (effect.stage ?? "before-body") === stage;
          case "delay":
            return (effect.stage ?? "before-answer") === stage;
          case "drop":
          case "hold":
          case "run":
            return effect.stage === stage;
          default:
            return false;
        }
      },
    );
  }
}

export class Faults {
  #rules: FaultRule[] = [];
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  add(match: FaultMatch, effect: Effect, schedule: FaultSchedule = {}): FaultRule {
    const rule = new FaultRule(match, effect, schedule, (removed) => {
      this.#rules = this.#rules.filter((kept) => kept !== removed);
    });
    this.#rules.push(rule);
    return rule;
  }

  clear(): void {
    this.#rules = [];
  }

  plan(request: RequestRecord): FaultPlan {
    if (this.#rules.length === 0) return new FaultPlan([]);
    return new FaultPlan(
      this.#rules.filter((rule) => rule.hit(request, this.#random)).map((rule) => rule.effect),
    );
  }
}

/** Thrown when a fault answers instead of the operation. */
export class FaultAnswer extends Error {
  override readonly name = "FaultAnswer";
  readonly effect: EffectOf<"answer">;

  constructor(effect: EffectOf<"answer">) {
    super("answered by a fault");
    this.effect = effect;
  }
}
