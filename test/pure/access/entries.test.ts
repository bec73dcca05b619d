// The tokens as configured: what is wrong with them is told by the entry and its field, and never by a value.
import { describe, expect, test } from "vitest";
import { type Access, describeEntries, readAccess, sha256Of } from "../../../src/access/entries.ts";

const FULL = "full-token-of-many-letters";
const SECRET = "secret-value-in-the-wrong-place";
const DIGEST = await sha256Of("another");
const OF_FULL = await sha256Of(FULL);

const ready = async (entries: unknown, more: Record<string, unknown> = {}) => {
  const API_TOKENS = typeof entries === "string" ? entries : JSON.stringify(entries);
  const access = await readAccess({ API_TOKEN: FULL, API_TOKENS, ...more });
  if (access.kind !== "ready") throw new Error(access.kind);
  return access;
};

const errorOf = (access: Access) => (access.kind === "misconfigured" ? access.error : access.kind);

describe("API_TOKEN and API_TOKEN_READ", () => {
  test.each<[env: Record<string, unknown>, error: RegExp]>([
    [{}, /^unset$/],
    [{ API_TOKEN: "" }, /^unset$/],
    [{ API_TOKEN: `${SECRET}\n` }, /^API_TOKEN has white space/],
    [{ API_TOKEN: `a ${SECRET}` }, /^API_TOKEN has white space/],
    [{ API_TOKEN: " " }, /^API_TOKEN has white space/],
    [{ API_TOKEN: "x" }, /^API_TOKEN has fewer than 16 characters/],
    [{ API_TOKEN: 7 }, /^API_TOKEN must be text/],
    [{ API_TOKEN: FULL, API_TOKEN_READ: FULL }, /^API_TOKEN_READ is the same as API_TOKEN/],
    [{ API_TOKEN: FULL, API_TOKEN_READ: "short" }, /^API_TOKEN_READ has fewer/],
    [{ API_TOKEN: FULL, API_TOKEN_READ: `${SECRET} ` }, /^API_TOKEN_READ has white space/],
  ])("%j lets nobody in", async (env, error) => {
    const said = errorOf(await readAccess(env));
    expect(said).toMatch(error);
    expect(said).not.toContain(SECRET);
    expect(said).not.toContain(FULL);
  });

  test("an empty API_TOKEN_READ is none", async () => {
    expect(await ready([], { API_TOKEN_READ: "" })).toMatchObject({ full: FULL, read: null, entries: [] });
  });
});

describe("API_TOKENS", () => {
  const good = { name: "ci", sha256: DIGEST, may: ["read"] };

  test.each<[entries: unknown, error: RegExp]>([
    ["{", /^API_TOKENS is not JSON/],
    [{ ...good }, /^API_TOKENS must be a JSON list/],
    [[7], /^Entry 1 of API_TOKENS: it must be an object/],
    [
      [good, { ...good, sha256: SECRET }],
      /^Entry 2 of API_TOKENS: "sha256" must be the SHA-256 of the token/,
    ],
    [[{ ...good, token: SECRET }], /^Entry 1 of API_TOKENS: unknown field; known are name, sha256, email/],
    [[{ ...good, [SECRET]: 1 }], /unknown field/],
    [[{ ...good, name: SECRET.repeat(3) }], /"name" must have 1 to 63 letters/],
    [[{ ...good, name: "full" }], /"name" must not be one of full, read, link/],
    [[{ sha256: DIGEST, may: ["read"] }], /"name" is missing/],
    [[{ name: "ci", may: ["read"] }], /must have one of "sha256", "email" and "group"/],
    [[{ ...good, email: "a@example.com" }], /must have one of/],
    [[{ name: "a", email: "a@example.com", may: ["read"] }], /"name" goes with "sha256"/],
    [[{ email: SECRET, may: ["read"] }], /"email" must be an address/],
    [[{ ...good, may: [] }], /"may" must have at least 1/],
    [
      [{ ...good, may: [SECRET] }],
      /"may.0" must be one of read, start, steer, delete, schedules, stores, events$/,
    ],
    [
      [{ ...good, source: [`${SECRET}:`] }],
      /"source.0" must be "store", "store:bucket" or "store:bucket\/prefix"$/,
    ],
    [[{ ...good, destination: [] }], /"destination" must have at least 1/],
    [[{ ...good, notAfter: SECRET }], /"notAfter" must be a time such as/],
    [
      [
        { ...good, name: "a" },
        { ...good, name: "b" },
      ],
      /^Entry 2 of API_TOKENS: "sha256" is that of a token of another name/,
    ],
    [[{ ...good, sha256: OF_FULL }], /^Entry 1 of API_TOKENS: "sha256" is that of a token of another/],
  ])("%j: the entry is named, and no value", async (entries, error) => {
    const { entries: results } = await ready(entries);
    const said = results.flatMap((result) => (result.ok ? [] : [result.error]));
    expect(said.join()).toMatch(error);
    expect(said.join()).not.toContain(SECRET);
  });

  test("an entry that is wrong leaves the others as they are", async () => {
    const { entries } = await ready([
      { ...good, may: ["fly"] },
      { ...good, name: "b" },
    ]);
    expect(entries.map(({ ok }) => ok)).toEqual([false, true]);
  });

  test("one token may have several entries, and a name several tokens: so one is rolled", async () => {
    const rolled = { ...good, sha256: await sha256Of("next") };
    const { entries } = await ready([good, { ...good, may: ["start"], destination: ["west"] }, rolled]);
    expect(entries.map(({ ok }) => ok)).toEqual([true, true, true]);
  });

  test.each([
    ["2027-01-31T12:00:00Z", "2027-01-31T12:00:00.000Z"],
    ["2027-01-31T12:00:00+02:00", "2027-01-31T10:00:00.000Z"],
    ["2027-01-31", "2027-01-31T23:59:59.999Z"],
  ])("it ends after %s", async (notAfter, shown) => {
    const { entries } = await ready([{ ...good, notAfter }]);
    expect(describeEntries(entries)).toMatchObject([{ ok: true, notAfter: shown }]);
  });

  test("what is shown of an entry has no digest", async () => {
    const places = { source: ["EAST:photos/a/"], destination: ["west"] };
    const people = [
      { email: "Ann@Example.com", may: ["read"] },
      { group: "Ops", may: ["read", "read"] },
    ];
    const { entries } = await ready([{ ...good, ...places }, ...people]);
    expect(describeEntries(entries)).toEqual([
      {
        ok: true,
        name: "ci",
        may: ["read"],
        source: ["east:photos/a/"],
        destination: ["west"],
        notAfter: null,
      },
      { ok: true, email: "ann@example.com", may: ["read"], source: null, destination: null, notAfter: null },
      { ok: true, group: "Ops", may: ["read"], source: null, destination: null, notAfter: null },
    ]);
  });
});
