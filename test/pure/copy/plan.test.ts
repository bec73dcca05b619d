// Part arithmetic at each limit, one below and one above.
import { describe, expect, test } from "vitest";
import {
  type Plan,
  asUpload,
  checkPartSize,
  DEFAULT_PART_BYTES,
  keepBoundaries,
  MAX_PARTS,
  MIN_PART_BYTES,
  partRange,
  planAsSource,
  planCopy,
  unitCount,
} from "../../../src/copy/plan.ts";
import { MIB } from "../../../src/http/fields.ts";

const GIB = 1024 * MIB;
const PS = 8 * MIB;
const LIMITS = { maxPartBytes: 95 * MIB };
/** 10,000 parts of 5 GiB: the largest object that S3 takes. */
const LARGEST_BYTES = 10_000 * 5 * GIB;

function planOf(sizeBytes: number, partBytes: number | null = PS, limits = LIMITS): Plan {
  const planned = planCopy(sizeBytes, partBytes, limits);
  if (!planned.ok) throw new Error(planned.refusal.message);
  return planned.plan;
}

function refusalOf(sizeBytes: number, partBytes: number | null, limits = LIMITS) {
  const planned = planCopy(sizeBytes, partBytes, limits);
  return planned.ok ? null : planned.refusal;
}

describe("planCopy()", () => {
  test.each([
    [0, 1],
    [1, 1],
    [PS - 1, 1],
    [PS, 1],
    [PS + 1, 2],
    [2 * PS - 1, 2],
    [2 * PS, 2],
    [2 * PS + 1, 3],
    [7 * PS, 7],
    [7 * PS + 1, 8],
    [3 * PS + 7, 4],
    [9_999 * PS + 1, 10_000],
    [10_000 * PS - 1, 10_000],
    [10_000 * PS, 10_000],
  ])("cuts %d bytes into %d parts", (sizeBytes, units) => {
    const plan = planOf(sizeBytes);
    expect(unitCount(plan)).toBe(units);
    expect(plan.kind).toBe(units === 1 ? "whole" : "parts");
  });

  test.each([
    0,
    1,
    PS - 1,
    PS,
    PS + 1,
    2 * PS,
    2 * PS + 1,
    41 * PS,
    41 * PS + 1,
    10_000 * PS - 1,
    10_000 * PS,
  ])(
    "covers %d bytes without gap or overlap, every part but the last of one size, the last never longer",
    (sizeBytes) => {
      const plan = planOf(sizeBytes);
      const units = unitCount(plan);
      let next = 0;
      let bad = 0;
      for (let partNumber = 1; partNumber <= units; partNumber++) {
        const { offset, length } = partRange(plan, partNumber);
        const last = partNumber === units;
        if (offset !== next || (!last && length !== PS) || length > PS) bad += 1;
        if (length === 0 && sizeBytes > 0) bad += 1;
        next = offset + length;
      }
      expect(bad).toBe(0);
      expect(next).toBe(sizeBytes);
    },
  );

  test("takes a requested part size of any number of bytes that 10,000 parts allow", () => {
    expect(planOf(10_000 * (PS + 1), PS + 1)).toMatchObject({ partSizeBytes: PS + 1, partCount: 10_000 });
    expect(refusalOf(10_000 * (PS + 1) + 1, PS + 1)).toMatchObject({ code: "part_size_too_small" });
  });

  test("names the smallest part size that fits when 10,000 parts are not enough", () => {
    expect(refusalOf(10_000 * PS + 1, PS)).toEqual({
      code: "part_size_too_small",
      message:
        "Cannot copy 83886080001 bytes in parts of 8388608 bytes: that is 10001 parts and a multipart upload holds " +
        "10000; the smallest part size that fits is 9437184 bytes",
    });
    expect(planOf(10_000 * PS + 1, 9 * MIB).kind).toBe("parts");
  });

  test("chooses 64 MiB where it fits, and no less than 10,000 parts demand", () => {
    const sizes = [
      [DEFAULT_PART_BYTES + 1, 64],
      [10_000 * DEFAULT_PART_BYTES, 64],
      [10_000 * DEFAULT_PART_BYTES + 1, 65],
      [10_000 * 95 * MIB, 95],
    ] as const;
    for (const [sizeBytes, partMib] of sizes) {
      expect(planOf(sizeBytes, null)).toMatchObject({ kind: "parts", partSizeBytes: partMib * MIB });
    }
    expect(planOf(DEFAULT_PART_BYTES, null).kind).toBe("whole");
  });

  test("chooses no part above the ceiling of one request", () => {
    expect(planOf(100 * MIB, null, { maxPartBytes: 10 * MIB })).toMatchObject({ partSizeBytes: 10 * MIB });
  });

  test("refuses an object that no allowed part size holds, and says how far to raise the ceiling", () => {
    expect(refusalOf(10_000 * 100 * MIB + 1, null, { maxPartBytes: 100 * MIB })).toEqual({
      code: "object_too_large",
      message:
        "Cannot copy 1048576000001 bytes in 10000 parts of at most 104857600 bytes: " +
        "the smallest part size that fits is 105906176 bytes; raise MAX_PART_MIB to 101",
    });
    expect(planOf(10_000 * 100 * MIB, null, { maxPartBytes: 100 * MIB })).toMatchObject({
      partCount: 10_000,
    });
    expect(planOf(10_000 * 100 * MIB + 1, null, { maxPartBytes: 101 * MIB })).toMatchObject({
      partSizeBytes: 101 * MIB,
      partCount: 9901,
    });
  });

  test("cuts 48.8 TiB, the largest object of all, into 10,000 parts of 5 GiB, and not one byte more", () => {
    const limits = { maxPartBytes: 5 * GIB };
    const plan = planOf(LARGEST_BYTES, null, limits);
    expect(plan).toEqual({
      kind: "parts",
      sizeBytes: LARGEST_BYTES,
      partSizeBytes: 5 * GIB,
      partCount: 10_000,
    });
    expect(partRange(plan, 10_000)).toEqual({ offset: 9_999 * 5 * GIB, length: 5 * GIB });
    expect(refusalOf(LARGEST_BYTES + 1, null, limits)).toMatchObject({ code: "object_too_large" });
  });

  test("fills a store whose largest part is no whole number of MiB to the last byte", () => {
    const limits = { maxPartBytes: 5e9, maxParts: 1000 };
    expect(planOf(5e12, null, limits)).toMatchObject({ partSizeBytes: 5e9, partCount: 1000 });
    expect(refusalOf(5e12 + 1, null, limits)).toMatchObject({ code: "object_too_large" });
  });

  test("keeps to a store of 1,000 parts", () => {
    const limits = { maxPartBytes: 95 * MIB, maxParts: 1000 };
    expect(planOf(1000 * PS, PS, limits)).toMatchObject({ partCount: 1000 });
    expect(refusalOf(1000 * PS + 1, PS, limits)).toMatchObject({ code: "part_size_too_small" });
  });

  test("stays exact for every size near 2^53", () => {
    const sizeBytes = Number.MAX_SAFE_INTEGER;
    const plan = planOf(sizeBytes, null, { maxPartBytes: 2 ** 50 });
    const { offset, length } = partRange(plan, unitCount(plan));
    expect(offset + length).toBe(sizeBytes);
  });

  test.each([
    [MIN_PART_BYTES - 1, "part_size_too_small"],
    [5_000_000, "part_size_too_small"],
    [0, "part_size_too_small"],
    [MIN_PART_BYTES, null],
    [95 * MIB, null],
    [95 * MIB + 1, "part_size_too_large"],
  ])("a requested part size of %d bytes: %s", (partBytes, code) => {
    expect(refusalOf(1, partBytes)?.code ?? null).toBe(code);
    expect(checkPartSize(partBytes, LIMITS)?.code ?? null).toBe(code);
  });

  test("says what is wrong with a part size before it knows the object", () => {
    expect(checkPartSize(5_000_000, LIMITS)?.message).toBe(
      "Cannot use parts of 5000000 bytes: the destination requires at least 5242880 bytes (5 MiB) in every part but the last",
    );
    expect(checkPartSize(200 * MIB, LIMITS)?.message).toBe(
      "Cannot use parts of 209715200 bytes: MAX_PART_MIB allows 99614720 bytes (95 MiB)",
    );
  });
});

const keep = (sizeBytes: number, partSizeBytes: number, partCount: number, limits = LIMITS) =>
  keepBoundaries(sizeBytes, { partSizeBytes, partCount }, limits);

describe("keepBoundaries()", () => {
  test("keeps a source's equal parts, also when there is only one", () => {
    expect(keep(2 * PS + 1, PS, 3)).toEqual({
      kind: "parts",
      sizeBytes: 2 * PS + 1,
      partSizeBytes: PS,
      partCount: 3,
    });
    expect(keep(1000, 1000, 1)).toEqual({
      kind: "parts",
      sizeBytes: 1000,
      partSizeBytes: 1000,
      partCount: 1,
    });
  });

  test.each([
    ["too small for the destination", 2 * 5_000_000, 5_000_000, 2],
    ["above the ceiling", 200 * MIB, 100 * MIB, 2],
    ["more than the destination takes", 10_001 * PS, PS, MAX_PARTS + 1],
    ["that do not make up the object", 2 * PS + 1, PS, 2],
    ["with an empty last one", 2 * PS, PS, 3],
    ["of no number at all", 0, PS, 0],
  ])("does not keep parts %s", (_why, sizeBytes, partSizeBytes, partCount) => {
    expect(keep(sizeBytes, partSizeBytes, partCount)).toBeNull();
  });

  test("keeps parts at each limit of the destination", () => {
    expect(keep(10_000 * PS, PS, MAX_PARTS)).not.toBeNull();
    expect(keep(2 * 95 * MIB, 95 * MIB, 2)).not.toBeNull();
    expect(keep(2 * MIN_PART_BYTES, MIN_PART_BYTES, 2)).not.toBeNull();
    expect(keep(2 * MIN_PART_BYTES, MIN_PART_BYTES, 2, { maxPartBytes: MIN_PART_BYTES - 1 })).toBeNull();
  });
});

describe("partRange()", () => {
  test.each([0, -1, 1.5, 4, Number.NaN])("has no part %d of three", (partNumber) => {
    expect(() => partRange(planOf(2 * PS + 1), partNumber)).toThrow(
      new RangeError(`Cannot find part ${partNumber}: the plan has parts 1 to 3`),
    );
  });

  test("of a whole object is the object", () => {
    expect(partRange(planOf(0), 1)).toEqual({ offset: 0, length: 0 });
    expect(partRange(planOf(77), 1)).toEqual({ offset: 0, length: 77 });
  });
});

const total = (lengths: readonly number[]) => lengths.reduce((sum, length) => sum + length, 0);

describe("planAsSource()", () => {
  const limits = { ...LIMITS, minPartBytes: MIN_PART_BYTES, maxParts: MAX_PARTS, maxWholeBytes: 95 * MIB };
  const asSource = (lengths: number[] | null, equalParts = false, sizeBytes = total(lengths ?? [77])) =>
    planAsSource(sizeBytes, lengths, { ...limits, equalParts });

  test("covers the object with the source's own parts, in their order", () => {
    const lengths = [6, 6, 7, 5, 5, 5, 9].map((mib) => mib * MIB).concat(1);
    const planned = asSource(lengths);
    if (!planned.ok) throw new Error(planned.refusal.message);
    expect(planned.plan).toMatchObject({ partSizeBytes: 9 * MIB, partCount: 8 });
    let offset = 0;
    for (const [index, length] of lengths.entries()) {
      expect(partRange(planned.plan, index + 1)).toEqual({ offset, length });
      offset += length;
    }
    expect(() => partRange(planned.plan, 9)).toThrow(RangeError);
  });

  test("is a plan of one size where the parts have one, also where no other is taken", () => {
    for (const equalParts of [false, true]) {
      const plan = { kind: "parts", sizeBytes: 2 * PS + 1, partSizeBytes: PS, partCount: 3 };
      expect(asSource([PS, PS, 1], equalParts)).toEqual({ ok: true, plan });
    }
  });

  test("is a whole object where the source was sent in one request", () => {
    expect(asSource(null)).toEqual({ ok: true, plan: { kind: "whole", sizeBytes: 77 } });
    expect(asSource(null, false, 95 * MIB + 1)).toMatchObject({ ok: false });
  });

  test.each([
    ["a part below the least", [PS, MIN_PART_BYTES - 1, 1], false],
    ["a part above the ceiling", [96 * MIB, 1], false],
    ["a last part that is the longest, where all must be equal", [PS, PS, PS + 1], true],
    ["unequal parts, where all must be equal", [PS, PS + 1, PS], true],
    ["more parts than are taken", Array<number>(MAX_PARTS + 1).fill(PS), false],
  ])("refuses %s", (_what, lengths, equalParts) => {
    expect(asSource(lengths, equalParts)).toMatchObject({
      ok: false,
      refusal: { code: "part_layout_refused" },
    });
  });
});

test("what needs an upload is sent in one part of its own length; nothing, and what has parts, stays as it is", () => {
  const upload = { kind: "parts", sizeBytes: 7, partSizeBytes: 7, partCount: 1 } as const;
  expect(asUpload({ kind: "whole", sizeBytes: 7 })).toEqual(upload);
  expect(asUpload(upload)).toBe(upload);
  expect(asUpload({ kind: "whole", sizeBytes: 0 })).toEqual({ kind: "whole", sizeBytes: 0 });
});
