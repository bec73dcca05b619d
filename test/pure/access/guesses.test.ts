// Wrong tokens, counted by address and minute.
import { expect, test } from "vitest";
import { Guesses, networkOf } from "../../../src/access/guesses.ts";

const NOW = Date.parse("2026-11-29T12:00:00Z");
const wrong = (guesses: Guesses, address: string | null, times: number, at = NOW) => {
  for (let n = 0; n < times; n++) guesses.note(address, at);
};

test("twenty wrong tokens of one address within a minute, and it waits until the minute is over", () => {
  const guesses = new Guesses();
  wrong(guesses, "192.0.2.1", 19);
  expect(guesses.waitMs("192.0.2.1", NOW)).toBe(0);
  wrong(guesses, "192.0.2.1", 1, NOW + 10_000);
  expect(guesses.waitMs("192.0.2.1", NOW + 10_000)).toBe(50_000);
  expect(guesses.waitMs("192.0.2.2", NOW + 10_000)).toBe(0);
  expect(guesses.waitMs("192.0.2.1", NOW + 60_000)).toBe(0);
  wrong(guesses, "192.0.2.1", 1, NOW + 60_000);
  expect(guesses.waitMs("192.0.2.1", NOW + 60_000)).toBe(0);
});

test("who guesses slowly does not wait", () => {
  const guesses = new Guesses();
  for (let minute = 0; minute < 10; minute++) wrong(guesses, "192.0.2.1", 19, NOW + minute * 60_000);
  expect(guesses.waitMs("192.0.2.1", NOW + 9 * 60_000)).toBe(0);
});

test("what another counter calls too many is too many", () => {
  const guesses = new Guesses();
  guesses.note("192.0.2.1", NOW, true);
  expect(guesses.waitMs("192.0.2.1", NOW)).toBe(60_000);
});

test("a thousand addresses are remembered, and of more the first is forgotten", () => {
  const guesses = new Guesses();
  wrong(guesses, "192.0.2.1", 20);
  for (let n = 0; n < 999; n++) guesses.note(`10.0.${n >> 8}.${n & 255}`, NOW);
  expect(guesses.waitMs("192.0.2.1", NOW)).toBe(60_000);
  guesses.note("10.9.9.9", NOW);
  expect(guesses.waitMs("192.0.2.1", NOW)).toBe(0);
});

test.each([
  [null, ""],
  ["192.0.2.1", "192.0.2.1"],
  ["2001:DB8::1", "2001:db8:0:0::/64"],
  ["2001:db8:0:0:ffff::2", "2001:db8:0:0::/64"],
  ["2001:0db8:0000:0001:1:2:3:4", "2001:db8:0:1::/64"],
  ["::1", "0:0:0:0::/64"],
  ["::ffff:192.0.2.1", "0:0:0:0::/64"],
])("the address %j counts as %j", (address, network) => {
  expect(networkOf(address)).toBe(network);
});
