// Cancelling a call to another entrypoint of this Worker. An AbortSignal cannot cross the call, and a call
// that is dropped may leave its streams running. So each call passes a stream that carries no data; its end
// means "stop".
//
// Invariant: the callee's signal fires when the caller aborts and when the caller dies.

/** The caller's side: `call` gets the stream that ends when `signal` fires. */
export async function callWithCancel<T>(
  signal: AbortSignal,
  call: (cancel: ReadableStream) => Promise<T>,
): Promise<T> {
  const { readable, writable } = new IdentityTransformStream();
  const close = () => void writable.close().catch(() => undefined); // closed already, by the other end
  signal.addEventListener("abort", close, { once: true });
  if (signal.aborted) close();
  try {
    return await call(readable);
  } finally {
    signal.removeEventListener("abort", close);
  }
}

/** The callee's side: `run` gets a signal that fires when the stream ends. */
export async function runWithCancel<T>(
  cancel: ReadableStream,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const cancelled = new AbortController();
  const reader = cancel.getReader();
  const onEnd = () => cancelled.abort();
  reader.read().then(onEnd, onEnd);
  try {
    return await run(cancelled.signal);
  } finally {
    await reader.cancel().catch(() => undefined); // the caller may be gone, and with it the other end
  }
}
