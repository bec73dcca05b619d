import { expect, test } from "vitest";
import { EdgeCache, rangeOf } from "../../edge/cache.ts";

function fill(cache: EdgeCache, url: string, text: string): void {
  const filling = cache.fill(url, ["ETag", text], 1000);
  for (const character of text) filling.take(Buffer.from(character));
  filling.end();
}

test("an answer is found until its time is over, and not before it has come whole", () => {
  let now = 0;
  const cache = new EdgeCache(() => now);
  const filling = cache.fill("u", [], 1000);
  filling.take(Buffer.from("half"));
  expect(cache.find("u")).toBeNull();
  filling.end();
  now = 999;
  expect(cache.find("u")?.bytes.toString()).toBe("half");
  now = 1000;
  expect(cache.find("u")).toBeNull();
});

test("a later answer replaces the one that is there", () => {
  const cache = new EdgeCache(() => 0);
  fill(cache, "u", "old");
  fill(cache, "u", "new");
  expect(cache.find("u")).toMatchObject({ headers: ["ETag", "new"] });
});

test("what is too large is not kept, and the oldest gives way when there is no room", () => {
  const cache = new EdgeCache(() => 0);
  const put = (url: string, mib: number) => {
    const filling = cache.fill(url, [], 1000);
    for (let count = 0; count < mib; count++) filling.take(Buffer.alloc(2 ** 20));
    filling.end();
  };
  put("large", 9);
  expect(cache.find("large")).toBeNull();
  for (let number = 0; number < 9; number++) put(`u${number}`, 8);
  expect(cache.find("u0")).toBeNull();
  expect(cache.find("u1")).not.toBeNull();
  expect(cache.find("u8")).not.toBeNull();
});

test.for([
  [undefined, null],
  ["bytes=0-3", { start: 0, end: 4 }],
  ["bytes=4-", { start: 4, end: 10 }],
  ["bytes=4-99", { start: 4, end: 10 }],
  ["bytes=-3", { start: 7, end: 10 }],
  ["bytes=-99", { start: 0, end: 10 }],
  ["bytes=-0", "unsatisfiable"],
  ["bytes=10-", "unsatisfiable"],
  ["bytes=3-2", "unsatisfiable"],
  ["bytes=-", null],
  ["bytes=0-1,3-4", null],
  ["lines=0-1", null],
] as const)("Range %s of ten bytes is %o", ([header, expected]) => {
  expect(rangeOf(header, 10)).toEqual(expected);
});
