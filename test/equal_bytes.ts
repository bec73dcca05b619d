// Bytes are compared as bytes. As lists of numbers, six MiB would take two seconds, in which the test sees
// neither that a connection was closed nor that its time is over. A set-up file of every project.

import { expect } from "vitest";

/** It runs before each file, and many files share a process. */
const ADDED = Symbol.for("bucket-brigade: bytes are compared as bytes");

if (!Reflect.has(globalThis, ADDED)) {
  Reflect.set(globalThis, ADDED, true);
  expect.addEqualityTesters([
    (one, other) =>
      one instanceof Uint8Array && other instanceof Uint8Array ? Buffer.compare(one, other) === 0 : undefined,
  ]);
}
