// Runs over versions: what may be asked, and what not.
import { describe, expect, test } from "vitest";
import { parseComparisonRequest } from "../../../src/sync/comparison_spec.ts";
import { parseSyncRequest, resolveSync } from "../../../src/sync/spec.ts";
import { checkAsOf } from "../../../src/sync/version_spec.ts";

const secret = (host: string, more: Record<string, unknown> = {}) =>
  JSON.stringify({
    endpoint: `https://${host}`,
    region: "us-east-1",
    accessKeyId: "a",
    secretAccessKey: "s",
    ...more,
  });
const ENV = {
  STORE_EAST: secret("s3.example.com"),
  STORE_WEST: secret("west.example.com"),
  STORE_R2: secret("r2.example.com", { provider: "r2" }),
};
const resolve = (more: Record<string, unknown>) =>
  resolveSync(parseSyncRequest({ source: "east:bucket/p/", destination: "west:bucket/p/", ...more }), ENV);
const THEN = "2026-11-01T00:00:00Z";

describe("a request", () => {
  test("for a history or a state keeps what it asks, the time in one form", () => {
    expect(resolve({ versions: "all" })).toMatchObject({ versions: "all" });
    expect(resolve({ asOf: "2026-11-01T01:00:00+01:00" })).toMatchObject({
      asOf: "2026-11-01T00:00:00.000Z",
    });
    expect(resolve({})).not.toHaveProperty("asOf");
    expect(resolve({ versions: "current", delete: true })).not.toHaveProperty("versions");
    expect(resolve({ versions: "all", compare: "auto" }).versions).toBe("all");
    expect(resolve({ versions: "all", include: "*.txt", partSize: "source", delete: false }).versions).toBe(
      "all",
    );
    expect(resolve({ asOf: THEN, rename: [{ match: "a", to: "b" }], minSize: 1 }).asOf).toBeDefined();
    expect(
      parseComparisonRequest({ source: "east:bucket", destination: "west:bucket", asOf: THEN }).asOf,
    ).toBeDefined();
  });

  test.each([
    [{ versions: "some" }, /"versions"/],
    [{ asOf: "yesterday" }, /must be a time with its zone.*not "yesterday"/],
    [{ asOf: "2026-11-01" }, /with its zone/],
    [{ asOf: "2026-13-01T00:00:00Z" }, /with its zone/],
    [{ versions: "all", asOf: THEN }, /give one of them/],
    [{ asOf: THEN, delete: true }, /"delete" cannot be used with "asOf"/],
    [{ asOf: THEN, manifest: "east:bucket/list.csv" }, /"manifest" cannot be used with "asOf"/],
    [{ versions: "all", keys: ["p/x"] }, /"keys" cannot be used with "versions": "all"/],
    [{ versions: "all", delete: true }, /copied as delete markers/],
    [{ versions: "all", rename: [{ match: "a", to: "b" }] }, /mix their histories/],
    [{ versions: "all", minSize: 1 }, /a history with holes/],
    [{ versions: "all", storageClasses: "GLACIER" }, /a history with holes/],
    [{ versions: "all", compare: "size" }, /the mark of each version/],
    [{ versions: "all", markCopy: false }, /"markCopy": false cannot be used/],
    [{ versions: "all", destination: "r2:bucket/p/" }, /destination store "r2" \(r2\) keeps no versions/],
    [{ asOf: THEN, source: "r2:bucket/p/" }, /source store "r2" \(r2\) keeps no versions/],
  ])("is refused: %j", (more, message) => {
    expect(() => resolve(more)).toThrow(message);
  });

  test("for a state that is still to come is refused", () => {
    const now = Date.parse(THEN);
    expect(() => checkAsOf({ asOf: "2026-11-01T00:00:01.000Z" }, now)).toThrow(/still to come/);
    checkAsOf({ asOf: THEN }, now);
    checkAsOf({}, now);
  });
});
