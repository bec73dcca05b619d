// The lock of an object: what of it is in force, and when it is left out.
import { describe, expect, test } from "vitest";
import { droppable } from "../../../src/object/attributes.ts";
import {
  hasLock,
  lockInForce,
  missingLock,
  refusedLock,
  withoutHeader,
  withoutLock,
} from "../../../src/object/lock.ts";

const MODE = "x-amz-object-lock-mode";
const UNTIL = "x-amz-object-lock-retain-until-date";
const HOLD = "x-amz-object-lock-legal-hold";
const NOW = Date.UTC(2026, 10, 1);
const RETAINED = { [MODE]: "COMPLIANCE", [UNTIL]: "2026-11-01T00:00:01Z" };
const LOCK = { ...RETAINED, [HOLD]: "ON" };

test.each<[string, Record<string, string>, Record<string, string>]>([
  ["both are kept as they are", LOCK, LOCK],
  ["a retention alone", RETAINED, RETAINED],
  ["a hold alone", { [HOLD]: "ON" }, { [HOLD]: "ON" }],
  ["a hold that is off", { [HOLD]: "OFF" }, {}],
  ["a retention that is over", { ...RETAINED, [UNTIL]: "2026-11-01T00:00:00Z" }, {}],
  ["a mode without an end", { [MODE]: "GOVERNANCE" }, {}],
  ["an end that is no time", { ...RETAINED, [UNTIL]: "soon" }, {}],
  ["none", { "content-type": "x" }, {}],
])("in force: %s", (_name, shown, lock) => {
  expect(lockInForce(new Headers(shown), NOW)).toEqual(lock);
  expect(hasLock(lock)).toBe(Object.keys(lock).length > 0);
  expect(hasLock(Object.fromEntries(withoutLock(new Headers(shown))))).toBe(false);
});

describe("a lock that is refused", () => {
  test("goes as a whole, and nothing else with it", () => {
    const headers = { ...LOCK, "x-amz-tagging": "a=1" };
    for (const name of [MODE, UNTIL, HOLD])
      expect(withoutHeader(headers, name)).toEqual({ "x-amz-tagging": "a=1" });
    expect(withoutHeader(headers, "x-amz-tagging")).toEqual(LOCK);
  });

  test.each([
    ["InvalidRequest", 400, "Bucket is missing Object Lock Configuration"],
    ["InvalidArgument", 400, "The retain until date must be in the future!"],
    ["AccessDenied", 403, "Access Denied"],
    ["NotImplemented", 501, "x-amz-object-lock-mode is not implemented"],
  ])("is known by the store's words: %s", (code, status, message) => {
    expect(droppable(LOCK, { code, status, message })).toEqual({
      name: MODE,
      loss: `The destination does not accept the object lock (${code})`,
    });
  });

  test("is not what any other refusal is about", () => {
    expect(refusedLock(LOCK, { code: "NoSuchBucket", message: "There is none" })).toBeNull();
    expect(refusedLock({}, { code: "AccessDenied", message: "Access Denied" })).toBeNull();
    const tagged = { ...LOCK, "x-amz-tagging": "a=1" };
    const denied = { code: "AccessDenied", status: 403, message: "Access Denied" };
    expect(droppable(tagged, denied)?.name).toBe("x-amz-tagging");
  });
});

test("a lock that the destination does not show, or shows otherwise, is missing", () => {
  expect(missingLock(LOCK, new Headers())).toEqual([MODE, UNTIL, HOLD]);
  expect(missingLock(LOCK, new Headers({ ...LOCK, [UNTIL]: "2026-11-01T00:00:01.000Z" }))).toEqual([]);
  expect(missingLock(LOCK, new Headers({ ...LOCK, [MODE]: "GOVERNANCE" }))).toEqual([MODE]);
  expect(missingLock({}, new Headers(LOCK))).toEqual([]);
});
