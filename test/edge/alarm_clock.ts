// The platform's time: a bundle whose clock a test drives, and whose alarms are ended after fifteen minutes
// of it, as Durable Objects' alarms are (https://developers.cloudflare.com/workers/platform/limits/, wall
// time, 2026-11; documented). Locally workerd does the same by its own clock, which no test waits for.
//
// What it needs: the built bundle, beside which the wrapping module is put. The module is loaded before the
// bundle. It moves Date.now(), lets timers wait for the moved time, and translates what alarms are set for,
// so that a jump brings on whatever is due. Behind a route that production does not have, a test moves the
// clock.
//
// What it does not do: move the clock of the stores, which check the times of signatures, or of workerd.

import { writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Mesh, MeshOptions } from "../mesh/mesh.ts";
import { CLASSES } from "../mesh/workerd.ts";

const ROUTE = "/test/clock";

/** Documented. */
const ALARM_LIMIT_MS = 15 * 60_000;

/** A timer that waits for the moved time looks at it so often. */
const TICK_MS = 5;

/** A timer that is due and has not fired after so many looks never will. */
const MOST_TICKS = 100;

const CLOCK = `
const realNow = Date.now.bind(Date);
const { setTimeout: realTimeout, clearTimeout: realClear } = globalThis;
export const clock = { aheadMs: 0, objects: new Map(), endedAlarms: [] };
Date.now = () => realNow() + clock.aheadMs;
const timers = new Set();
function start(callback, ms, args, repeats) {
  const timer = { dueMs: 0, real: null };
  const arm = () => {
    timer.dueMs = Date.now() + ms;
    timer.real = realTimeout(tick, Math.min(ms, ${TICK_MS}));
    timers.add(timer);
  };
  const tick = () => {
    const leftMs = timer.dueMs - Date.now();
    if (leftMs > 0) return void (timer.real = realTimeout(tick, Math.min(leftMs, ${TICK_MS})));
    if (repeats) arm();
    else timers.delete(timer);
    callback(...args);
  };
  arm();
  return timer;
}
const stop = (timer) => {
  timers.delete(timer);
  if (timer != null) realClear(timer.real);
};
globalThis.setTimeout = (callback, ms = 0, ...args) => start(callback, ms, args, false);
globalThis.setInterval = (callback, ms = 0, ...args) => start(callback, ms, args, true);
globalThis.clearTimeout = stop;
globalThis.clearInterval = stop;
// A timer fires in the event that has started it, and not at all when that has died.
export async function settle() {
  const due = () => [...timers].filter(({ dueMs }) => dueMs <= Date.now());
  for (let times = 0; times < ${MOST_TICKS} && due().length > 0; times++)
    await new Promise((resolve) => realTimeout(resolve, ${TICK_MS}));
  for (const dead of due()) timers.delete(dead);
}
`;

const frontOf = (bundle: string) => `
import { clock, settle } from "./clock.js";
import * as bundle from "./${bundle}";
const clocked = (name) => class extends bundle[name] {
  constructor(ctx, env) {
    super(ctx, env);
    const { storage } = ctx;
    const setAlarm = storage.setAlarm.bind(storage);
    clock.objects.set(ctx.id.toString(), name);
    let dueMs = 0;
    storage.setAlarm = (at) => setAlarm((dueMs = Number(at)) - clock.aheadMs);
    this.setAlarmAgain = async () => {
      if ((await storage.getAlarm()) !== null) await setAlarm(dueMs - clock.aheadMs);
    };
  }
  async clockMoved() { await this.setAlarmAgain(); }
  async alarm(info) {
    const late = Promise.withResolvers();
    const timer = setTimeout(() => late.resolve("late"), ${ALARM_LIMIT_MS});
    const ended = await Promise.race([super.alarm(info), late.promise]).finally(() => clearTimeout(timer));
    if (ended !== "late") return;
    clock.endedAlarms.push(name);
    this.ctx.abort("Alarm exceeded its allowed execution time");
  }
};
${CLASSES.map((name) => `export const ${name} = clocked("${name}");`).join("\n")}
export const { ObjectCopier, PartCopier, ProbeWorker } = bundle;
export default {
  ...bundle.default,
  async fetch(request, env, ctx) {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname !== "${ROUTE}") return bundle.default.fetch(request, env, ctx);
    clock.aheadMs += Number(searchParams.get("ms") ?? 0);
    for (const [id, name] of clock.objects) {
      const namespace = ctx.exports[name];
      await namespace.get(namespace.idFromString(id)).clockMoved().catch(() => undefined);
    }
    await settle();
    return Response.json({ endedAlarms: clock.endedAlarms });
  },
};
`;

/** Puts the wrapping modules beside a bundle. @returns the modules of a mesh whose clock can be moved */
export function makeClocked(bundlePath: string): Required<Pick<MeshOptions, "bundlePath" | "modulePaths">> {
  const directory = dirname(bundlePath);
  const clockPath = join(directory, "clock.js");
  // Two test files may run at once, each in its own process.
  const path = join(directory, `clocked_front_${process.pid}.js`);
  writeFileSync(clockPath, CLOCK);
  writeFileSync(path, frontOf(basename(bundlePath)));
  return { bundlePath: path, modulePaths: [clockPath, bundlePath] };
}

/** No step is so long that a lane which is alive could be taken for dead. */
const STEP_MS = 10_000;

/** The time of a clocked mesh, and of the stores that are started with it. */
export class AlarmClock {
  #aheadMs = 0;

  readonly now = (): number => Date.now() + this.#aheadMs;

  /**
   * Moves on to that time, in steps; what is due at one has begun before the next. The time that the test
   * itself takes counts too, so that what happens when does not hang on the machine's speed.
   *
   * @returns the classes of the objects whose alarms the platform has ended so far
   */
  async advanceTo(mesh: Mesh, atMs: number): Promise<readonly string[]> {
    for (;;) {
      const leftMs = Math.max(0, atMs - this.now());
      const stepMs = Math.min(leftMs, STEP_MS);
      this.#aheadMs += stepMs;
      const answer = await mesh.call<{ endedAlarms: string[] }>("POST", `${ROUTE}?ms=${stepMs}`);
      if (answer.status !== 200) throw new Error(`The clock answered ${answer.status}: ${answer.text}`);
      if (stepMs === leftMs) return answer.body.endedAlarms;
    }
  }
}
