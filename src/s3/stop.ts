// A store for one who may be told to stop: a step of a job that is cancelled, a batch that is.
//
// Invariant: once told, neither an answer, a turn nor a pause is waited for. What a request has done by then
// stays done, and nobody knows what that is.

import type { S3 } from "./request.ts";

/** The same store, whose calls `stop` ends. */
export function stoppable(s3: S3, stop: AbortSignal): S3 {
  const { turn } = s3;
  return { ...s3, stop, turn: turn === undefined ? undefined : async () => await orStopped(turn(), stop) };
}

/** @throws the reason of `stop`, as soon as that fires */
async function orStopped<T>(waiting: Promise<T>, stop: AbortSignal): Promise<T> {
  const stopped = Promise.withResolvers<never>();
  const onStop = () => stopped.reject(stop.reason);
  stop.addEventListener("abort", onStop, { once: true });
  if (stop.aborted) onStop();
  try {
    return await Promise.race([waiting, stopped.promise]);
  } finally {
    stop.removeEventListener("abort", onStop);
  }
}

/** Waits between two calls. @throws the reason of `stop`, as soon as that fires */
export async function pause({ stop }: S3, delayMs: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, delayMs);
  try {
    await (stop === undefined ? promise : orStopped(promise, stop));
  } finally {
    clearTimeout(timer);
  }
}
