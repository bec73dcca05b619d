// Another clock for a mesh under test, of three kinds.
//
// A fast one: time goes as many times faster there as the test says, so that what waits for minutes
// (backoffs, Retry-After, spare alarms) waits for seconds. What is only let go after a long time, as a
// request that nobody answers, keeps that time by the machine's clock: it would be let go for the machine's
// slowness.
//
// A stepping one: time passes by timers and alarms alone. It stands while the mesh works and while a store
// does, so that a busy machine is not seen, and what was planned for a moment happens at that very moment:
// what depends on moments, as the caps of requests do, is judged without tolerance.
//
// A leaping one: it goes as the machine's, but for waits of hours (of a copy, of a sync): it leaps over them.
//
// Each request to a store tells in a header when it was sent by that clock.
//
// What it needs: the built bundle, which is what production loads, or modules that wrap it; worker_clock.js
// is evaluated before them. Invariant: a mesh that is killed and started again with the same modules goes
// on by the same clock. A fast clock runs ahead of the machine's: stores that judge signatures must go by
// it too.

import { copyFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { RequestRecord } from "../store/store.ts";
import type { MeshOptions } from "./mesh.ts";
import { CLASSES } from "./workerd.ts";

const SENT_AT = "x-test-sent-at";
const WORKER_CLOCK = join(import.meta.dirname, "worker_clock.js");

/** Leases have to be renewed in time. */
const MOST_RATE = 10;
/** As nothing but waiting takes time there, the waiting may be short. */
const STEPS_RATE = 4;

let clocks = 0;

type Modules = Pick<MeshOptions, "bundlePath" | "modulePaths">;

export class Clock {
  /** How many times faster than the machine's. */
  readonly rate: number;
  readonly #epochMs: number;
  readonly #make: string;
  #leaptMs = 0;
  /** Of its modules: test files that run at once, each in its own process, share the bundle's folder. */
  readonly #name = `${process.pid}_${clocks++}`;

  private constructor(rate: number, epochMs: number, make: string) {
    if (!(rate >= 1 && rate <= MOST_RATE))
      throw new RangeError(`A clock may go 1 to ${MOST_RATE} times as fast, not ${rate}`);
    this.rate = rate;
    this.#epochMs = epochMs;
    this.#make = make;
  }

  /**
   * @param rate left out where nothing depends on it
   * @param what "limits too": also the times after which a request is let go
   */
  static fast(rate = 5, what: "waits" | "limits too" = "waits"): Clock {
    const epochMs = Date.now();
    return new Clock(rate, epochMs, `flowing(${epochMs}, ${rate}, ${what === "waits" ? 1 : rate})`);
  }

  static stepping(): Clock {
    const epochMs = Date.now();
    return new Clock(1, epochMs, `stepping(${epochMs}, ${STEPS_RATE})`);
  }

  static leaping(): Clock {
    const epochMs = Date.now();
    return new Clock(1, epochMs, `leaping(${epochMs}, ["Coordinator", "Sync"])`);
  }

  /**
   * What a store goes by, in milliseconds since the epoch.
   *
   * @param headers of a request that asks for it: it tells where the mesh has leapt to
   */
  readonly now = (headers: Readonly<Record<string, string | undefined>> = {}): number => {
    const nowMs = this.#at(Date.now());
    if (this.#make.startsWith("leaping"))
      this.#leaptMs = Math.max(this.#leaptMs, Number(headers[SENT_AT] ?? 0) - nowMs);
    return nowMs + this.#leaptMs;
  };

  /** A moment of a store's journal, by this clock. */
  at(journalMs: number): number {
    return this.#at(performance.timeOrigin + journalMs);
  }

  #at(realMs: number): number {
    return this.#epochMs + (realMs - this.#epochMs) * this.rate;
  }

  /** Puts this clock before a bundle and what wraps it. @returns the modules of a mesh that goes by it */
  drive({ bundlePath, modulePaths = [] }: Modules): Required<Modules> {
    const path = (role: string) => join(dirname(bundlePath), `${role}_${this.#name}.js`);
    const [clock, installed, front] = [path("clock"), path("installed_clock"), path("clocked_front")];
    copyFileSync(WORKER_CLOCK, clock);
    writeFileSync(installed, installing(basename(clock), this.#make));
    writeFileSync(front, frontOf(basename(installed), basename(bundlePath)));
    return { bundlePath: front, modulePaths: [clock, installed, bundlePath, ...modulePaths] };
  }
}

/** When a request was sent, by the clock of the mesh; NaN where that is the machine's. */
export function sentAtMs({ headers }: RequestRecord): number {
  return Number(headers[SENT_AT]);
}

const installing = (clock: string, make: string) => `
import { flowing, install, leaping, stepping } from "./${clock}";
export const driven = install(${make}, "${SENT_AT}");
`;

// What is imported first is evaluated first.
const frontOf = (clock: string, bundle: string) => `
import { driven } from "./${clock}";
import front, * as mesh from "./${bundle}";
export * from "./${bundle}";
export default front;
${CLASSES.map((name) => `export class ${name} extends driven(mesh.${name}) {}`).join("\n")}
`;
