import { expect, test } from "vitest";
import { parseSize } from "../../../src/http/fields.ts";

test.each([
  [0, 0],
  [67_108_864, 67_108_864],
  ["67108864", 67_108_864],
  ["64MiB", 64 * 2 ** 20],
  ["64 mib", 64 * 2 ** 20],
  [" 64MIB ", 64 * 2 ** 20],
  ["1b", 1],
  ["1kB", 1000],
  ["1KiB", 1024],
  ["1.5 GB", 1_500_000_000],
  ["1.5GiB", 1.5 * 2 ** 30],
  ["2TB", 2e12],
  ["48.828125TiB", 53_687_091_200_000],
  ["0.5KiB", 512],
  ["1.001kb", 1001],
  ["8.03kB", 8030],
  ["2.01kB", 2010],
  ["64.10GB", 64_100_000_000],
])("parseSize(%j) is %d bytes", (value, sizeBytes) => {
  expect(parseSize(value)).toBe(sizeBytes);
});

test.each([
  "",
  " ",
  "many",
  "MiB",
  "-1",
  "+1",
  "1e6",
  "0x10",
  "1,5GB",
  ".5GiB",
  "1.GiB",
  "1M",
  "1 Mi B",
  "1MiB/s",
  "0.5",
  "1.0001kb",
  "9007199254740992",
  "8192TiB",
  1.5,
  -1,
  Number.NaN,
  Number.POSITIVE_INFINITY,
])("parseSize(%j) is null: no size, or no whole number of bytes", (value) => {
  expect(parseSize(value)).toBeNull();
});
