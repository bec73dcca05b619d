// The clock of a mesh under test, as its Worker has it: in place of Date, timers, AbortSignal.timeout() and
// the alarms of Durable Objects. Each request to a store tells in a header when it was sent.
//
// What it needs: to be installed before the bundle is evaluated (clock.ts writes the modules). Invariant:
// what was set for a moment finds the clock at that moment or later.

const real = {
  now: Date.now,
  setTimeout: setTimeout.bind(globalThis),
  clearTimeout: clearTimeout.bind(globalThis),
  timeout: AbortSignal.timeout.bind(AbortSignal),
  fetch: fetch.bind(globalThis),
};

/** Longer timers are limits, after which something is let go. */
const LONGEST_WAIT_MS = 25_000;

/** Goes `rate` times as fast as the machine's, and limits so often; at `epochMs` both showed the same. */
export function flowing(epochMs, rate, limitRate) {
  return {
    rate,
    limitRate,
    present: () => epochMs + (real.now() - epochMs) * rate,
    set: () => undefined,
    reach: () => 0,
    during: async (request) => await request,
  };
}

/** A timer that has not come by then is taken for one of an event that was cut off. */
const GRACE_MS = 10_000;

/** For so long after an answer the mesh may still read it, and set a timer for what it does next. */
const SETTLING_MS = 40;

/**
 * Stands until a timer or an alarm has waited for its moment: a `rate`-th of its time, in which no store was
 * asked, no answer is fresh, and nothing that was set for an earlier moment is still to come.
 */
export function stepping(epochMs, rate) {
  let presentMs = epochMs;
  let openRequests = 0;
  let answeredMs = 0;
  const timers = new Map();
  return {
    rate,
    limitRate: rate,
    present: () => presentMs,
    set: (id, dueMs, ms) => {
      if (dueMs === null) timers.delete(id);
      else timers.set(id, { dueMs, expectedMs: real.now() + ms / rate });
    },
    /** @returns what is still to be waited for; 0: the clock shows this moment, or a later one */
    reach: (dueMs) => {
      const leftMs = dueMs - presentMs;
      if (leftMs <= 0) return 0;
      const isBusy = openRequests > 0 || real.now() < answeredMs + SETTLING_MS;
      if (isBusy || timers.values().some((timer) => isBefore(timer, dueMs))) return leftMs;
      presentMs = dueMs;
      return 0;
    },
    during: async (request) => {
      openRequests += 1;
      return await request.finally(() => {
        openRequests -= 1;
        answeredMs = real.now();
      });
    },
  };
}

/** What is shorter is what working takes: it keeps its time. */
const LEAP_FROM_MS = 30_000;

/** So long a leap takes. */
const LEAP_MS = 50;

/**
 * Goes as the machine's, and leaps to the alarm of an object of these classes that sets it for more than half
 * a minute from then: nobody waits for hours in which nothing is done.
 */
export function leaping(epochMs, classes) {
  let leaptMs = 0;
  const present = () => epochMs + leaptMs + (real.now() - epochMs);
  return {
    rate: 1,
    limitRate: 1,
    present,
    leaps: (name) => classes.includes(name),
    leapMs: (waitMs) => (waitMs > LEAP_FROM_MS ? LEAP_MS : waitMs),
    set: () => undefined,
    reach: () => 0,
    leapTo: (dueMs) => (leaptMs += Math.max(0, dueMs - present())),
    during: async (request) => await request,
  };
}

function isBefore(timer, dueMs) {
  return timer.dueMs < dueMs && real.now() < timer.expectedMs + GRACE_MS;
}

/** @returns what makes a class of Durable Objects go by the clock */
export function install(clock, header) {
  Date.now = () => Math.floor(clock.present());
  globalThis.Date = class extends Date {
    constructor(...given) {
      super(...(given.length === 0 ? [Date.now()] : given));
    }
  };
  installTimers(clock);
  AbortSignal.timeout = (ms) => real.timeout(ms / clock.limitRate);
  globalThis.fetch = (input, init) => {
    const headers = new Headers(init?.headers);
    headers.set(header, String(clock.present()));
    return clock.during(real.fetch(input, { ...init, headers }));
  };
  return alarmsBy(clock);
}

function installTimers(clock) {
  let timers = 0;
  const waiting = new Map();
  const forget = (id) => {
    waiting.delete(id);
    clock.set(id, null);
  };
  const wait = (id, dueMs, ms, wake) => {
    const onTime = () => {
      const leftMs = clock.reach(dueMs);
      if (leftMs > 0) return wait(id, dueMs, leftMs, wake);
      forget(id);
      wake();
    };
    clock.set(id, dueMs, ms);
    waiting.set(id, real.setTimeout(onTime, ms / (ms > LONGEST_WAIT_MS ? clock.limitRate : clock.rate)));
  };
  globalThis.setTimeout = (wake, ms = 0, ...given) => {
    const id = ++timers;
    wait(id, Date.now() + ms, ms, () => wake(...given));
    return id;
  };
  globalThis.setInterval = (wake, ms, ...given) => {
    const id = ++timers;
    const again = (dueMs) => {
      wait(id, dueMs, ms, () => {
        again(dueMs + ms);
        wake(...given);
      });
    };
    again(Date.now() + ms);
    return id;
  };
  globalThis.clearTimeout = globalThis.clearInterval = (id) => {
    real.clearTimeout(waiting.get(id));
    forget(id);
  };
  scheduler.wait = async (ms) => await new Promise((resolve) => setTimeout(resolve, ms));
}

function alarmsBy(clock) {
  const dueMsOf = new WeakMap();
  const leapers = new WeakSet();
  let setReal = null;
  const setAlarm = async (storage, dueMs) => {
    dueMsOf.set(storage, dueMs);
    // Whole milliseconds, and never too early: an alarm that is set anew for the moment at which it rings is
    // lost.
    const waitMs = (dueMs - clock.present()) / clock.rate;
    await setReal.call(
      storage,
      Math.ceil(real.now() + (leapers.has(storage) ? clock.leapMs(waitMs) : waitMs)),
    );
  };
  const patch = (storage) => {
    if (setReal !== null) return;
    const prototype = Object.getPrototypeOf(storage);
    const { getAlarm } = prototype;
    setReal = prototype.setAlarm;
    prototype.setAlarm = async function (at) {
      await setAlarm(this, Number(at));
    };
    prototype.getAlarm = async function () {
      const at = await getAlarm.call(this);
      if (at === null) return null;
      return dueMsOf.get(this) ?? clock.present() + (at - real.now()) * clock.rate;
    };
  };
  return (Class) =>
    class extends Class {
      constructor(ctx, env) {
        patch(ctx.storage);
        if (clock.leaps?.(new.target.name)) leapers.add(ctx.storage);
        super(ctx, env);
      }

      async alarm(info) {
        const { storage } = this.ctx;
        const dueMs = dueMsOf.get(storage);
        if (dueMs !== undefined && leapers.has(storage)) clock.leapTo(dueMs);
        if (dueMs !== undefined && clock.reach(dueMs) > 0) return await setAlarm(storage, dueMs);
        await super.alarm(info);
      }
    };
}
