import { describe, expect, test } from "vitest";
import {
  BUFFERS_BUDGET_BYTES as BUDGET,
  DigestBuffers,
  MAX_BUFFER_BYTES as MAX,
  MIN_BUFFER_BYTES as MIN,
  nextBufferBytes,
} from "../../../src/work/digest_buffers.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const PART = 95 * MIB;

/** This many streams, each of which asks once. */
function opened(buffers: DigestBuffers, count: number): object[] {
  const streams = Array.from({ length: count }, () => ({}));
  for (const stream of streams) buffers.resize(stream, PART, 0);
  return streams;
}

const next = (ownBytes: number, streams: number, othersBytes = 0) =>
  nextBufferBytes(ownBytes, { streams, othersBytes });

describe("one buffer", () => {
  test("is the largest power of two within its share of the budget", () => {
    expect([1, 40, 128, 129, 200, 256, 257, 512, 513, 1024].map((streams) => next(0, streams) / KIB)).toEqual(
      [512, 512, 512, 256, 256, 256, 128, 128, 64, 64],
    );
  });

  test("fits into what the others have left, and is never below the least", () => {
    expect(next(0, 2, BUDGET - MAX)).toBe(MAX);
    expect(next(0, 2, BUDGET - MAX + 1)).toBe(MAX / 2);
    expect(next(0, 2, BUDGET)).toBe(MIN);
    expect(next(0, 2, 2 * BUDGET)).toBe(MIN);
  });

  test("shrinks at once, and grows fourfold or not at all", () => {
    expect(next(MAX, 129)).toBe(MAX / 2);
    // A stream has ended: 128 are left.
    expect(next(MAX / 2, 128)).toBe(MAX / 2);
    expect(next(MAX / 4, 128)).toBe(MAX);
  });
});

describe("the buffers of an isolate", () => {
  test("a few streams have the largest buffers, which is what a copy by default needs", () => {
    const buffers = new DigestBuffers(60_000);
    opened(buffers, 40);
    expect(buffers.heldBytes).toBe(40 * MAX);
  });

  test("200 streams that open one after another stay below 100 MiB at every moment, and settle at even shares", () => {
    const buffers = new DigestBuffers(60_000);
    const streams = opened(buffers, 200);
    // The first 128 have used the budget up.
    expect(buffers.heldBytes).toBe(BUDGET + 72 * MIN);
    expect(buffers.heldBytes).toBeLessThan(100 * MIB);
    const moments = [1, 2].flatMap(() =>
      streams.map((stream) => {
        buffers.resize(stream, PART, 0);
        return buffers.heldBytes;
      }),
    );
    expect(Math.max(...moments)).toBeLessThanOrEqual(BUDGET + 72 * MIN);
    expect(buffers.heldBytes).toBe(200 * 256 * KIB);
  });

  test("however many open, the least buffers of all come at most on top of the budget", () => {
    const buffers = new DigestBuffers(60_000);
    const streams = opened(buffers, 1000);
    expect(buffers.heldBytes).toBeLessThanOrEqual(BUDGET + 1000 * MIN);
    for (const stream of streams) buffers.resize(stream, PART, 0);
    expect(buffers.heldBytes).toBe(1000 * MIN);
  });

  test("no buffer is larger than what the stream will move; an empty one is read all the same", () => {
    const buffers = new DigestBuffers(60_000);
    expect([4 * KIB, 0].map((length) => buffers.resize({}, length, 0))).toEqual([4 * KIB, 1]);
    const again = {};
    expect([1, 2].map(() => buffers.resize(again, 4 * KIB, 0))).toEqual([4 * KIB, 4 * KIB]);
  });

  test("what has ended holds nothing", () => {
    const buffers = new DigestBuffers(60_000);
    for (const stream of opened(buffers, 200)) buffers.close(stream);
    expect(buffers.heldBytes).toBe(0);
    expect(buffers.resize({}, PART, 0)).toBe(MAX);
  });

  test("a stream that died with its event is forgotten once a live one would have asked again", () => {
    const buffers = new DigestBuffers(60_000);
    opened(buffers, 1000);
    const live = {};
    expect(buffers.resize(live, PART, 60_000)).toBe(MIN);
    expect(buffers.resize({}, PART, 60_001)).toBe(MAX);
    expect(buffers.heldBytes).toBe(MIN + MAX);
  });
});
