// Who comes through Cloudflare Access: JWTs that Node's own cryptography has signed, and a team on loopback.
import { type KeyObject, createSign, generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { type Server, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test, vi } from "vitest";
import { personOf, readTeam } from "../../../src/access/people.ts";

const pairs = ["first", "second"].map((kid) => ({
  kid,
  ...generateKeyPairSync("rsa", { modulusLength: 2048 }),
}));
const [first, second] = pairs as [(typeof pairs)[number], (typeof pairs)[number]];

/** A team of its own: the mesh keeps the keys of each that it has seen. */
class Team {
  readonly #server: Server;
  fetches = 0;
  status = 200;
  shown = [first];

  constructor() {
    this.#server = createServer((request, response) => {
      this.fetches += 1;
      expect(request.url).toBe("/cdn-cgi/access/certs");
      const keys = this.shown.map(({ kid, publicKey }) => ({
        ...publicKey.export({ format: "jwk" }),
        kid,
        alg: "RS256",
        use: "sig",
      }));
      response.writeHead(this.status, { "content-type": "application/json" }).end(JSON.stringify({ keys }));
    });
  }

  static async open(): Promise<Team> {
    const team = new Team();
    team.#server.listen(0, "127.0.0.1");
    await once(team.#server, "listening");
    teams.push(team);
    return team;
  }

  get issuer(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  /** What personOf() says of a JWT, or the code of its refusal. */
  async judge(jwt: string): Promise<unknown> {
    const found = readTeam({ ACCESS_TEAM: this.issuer, ACCESS_AUD: "aud-1, aud-2" });
    if (found.kind !== "on") throw new Error(found.kind);
    return await personOf(jwt, found).catch((error: { code?: string; message: string }) => {
      for (const piece of jwt.split(".")) if (piece !== "") expect(error.message).not.toContain(piece);
      return error.code ?? error.message;
    });
  }

  sign(claims: Record<string, unknown> = {}, by = first, header: Record<string, unknown> = {}): string {
    const now = Math.floor(Date.now() / 1000);
    const all = {
      iss: this.issuer,
      aud: ["aud-1"],
      email: "Ann@Example.com",
      iat: now,
      exp: now + 3600,
      ...claims,
    };
    return signed({ alg: "RS256", kid: by.kid, ...header }, all, by.privateKey);
  }
}

const teams: Team[] = [];
afterEach(async () => {
  vi.useRealTimers();
  await Promise.all(teams.splice(0).map((team) => team.close()));
});

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");

function signed(header: unknown, claims: unknown, key: KeyObject): string {
  const text = `${encode(header)}.${encode(claims)}`;
  return `${text}.${createSign("RSA-SHA256").update(text).sign(key).toString("base64url")}`;
}

test("a person is known by the address in small letters, and by groups as the provider names them", async () => {
  const team = await Team.open();
  expect(await team.judge(team.sign())).toEqual({ email: "ann@example.com", groups: [] });
  const custom = { groups: [{ id: "g-1", name: "Ops", members: "x" }] };
  expect(await team.judge(team.sign({ aud: "aud-2", groups: ["dev"], custom }))).toMatchObject({
    groups: ["dev", "g-1", "Ops"],
  });
  expect(team.fetches).toBe(1);
});

function changed(jwt: string): string {
  const [header, claims = "", signature] = jwt.split(".");
  const said = JSON.parse(Buffer.from(claims, "base64url").toString()) as object;
  return [header, encode({ ...said, email: "boss@example.com" }), signature].join(".");
}

describe("nobody comes in with", () => {
  const past = Math.floor(Date.now() / 1000) - 3600;

  test.each<[what: string, jwt: (team: Team) => string, code: string]>([
    [
      "a JWT of another team",
      (team) => team.sign({ iss: "https://other.cloudflareaccess.com" }),
      "assertion_wrong",
    ],
    ["a JWT for another application", (team) => team.sign({ aud: ["aud-3"] }), "assertion_wrong"],
    ["a JWT for none", (team) => team.sign({ aud: undefined }), "assertion_wrong"],
    ["a JWT that has ended", (team) => team.sign({ exp: past }), "assertion_wrong"],
    ["a JWT without an end", (team) => team.sign({ exp: undefined }), "assertion_wrong"],
    ["a JWT of the future", (team) => team.sign({ nbf: past + 7200 }), "assertion_wrong"],
    ["a key that is not the team's", (team) => team.sign({}, { ...second, kid: "first" }), "assertion_wrong"],
    ["a key that nobody knows", (team) => team.sign({}, second), "assertion_wrong"],
    [
      "no signature",
      (team) => `${encode({ alg: "none" })}.${team.sign().split(".")[1] ?? ""}.`,
      "assertion_wrong",
    ],
    ["HS256 by the public key", (team) => team.sign({}, first, { alg: "HS256" }), "assertion_wrong"],
    ["another algorithm", (team) => team.sign({}, first, { alg: "RS512" }), "assertion_wrong"],
    ["claims that were changed", (team) => changed(team.sign()), "assertion_wrong"],
    ["no JWT", () => "nonsense", "assertion_wrong"],
    ["a service token", (team) => team.sign({ email: undefined, common_name: "x.access" }), "right_missing"],
    ["an address that is none", (team) => team.sign({ email: "root" }), "right_missing"],
  ])("%s", async (_what, jwt, code) => {
    const team = await Team.open();
    expect(await team.judge(jwt(team))).toBe(code);
  });
});

test("a new key is taken as soon as it is used, and unknown ones make no more than a fetch a minute", async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  const team = await Team.open();
  await team.judge(team.sign());
  for (let tries = 0; tries < 5; tries++)
    expect(await team.judge(team.sign({}, second))).toBe("assertion_wrong");
  expect(team.fetches).toBe(1);
  team.shown = [first, second];
  vi.setSystemTime(Date.now() + 61_000);
  expect(await team.judge(team.sign({}, second))).toMatchObject({ email: "ann@example.com" });
  expect(team.fetches).toBe(2);
  team.shown = [second];
  vi.setSystemTime(Date.now() + 11 * 60_000);
  expect(await team.judge(team.sign({}, first))).toBe("assertion_wrong");
  expect(team.fetches).toBe(3);
});

test("while the keys cannot be had nobody is let in, and not each try asks for them", async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  const team = await Team.open();
  team.status = 500;
  for (let tries = 0; tries < 5; tries++) expect(await team.judge(team.sign())).toBe("access_unavailable");
  expect(team.fetches).toBe(1);
  team.status = 200;
  vi.setSystemTime(Date.now() + 6_000);
  expect(await team.judge(team.sign())).toMatchObject({ email: "ann@example.com" });
});

test.each([
  ["acme", "https://acme.cloudflareaccess.com"],
  ["ACME.cloudflareaccess.com", "https://acme.cloudflareaccess.com"],
  ["https://acme.cloudflareaccess.com/", "https://acme.cloudflareaccess.com"],
  ["http://localhost:9", "http://localhost:9"],
])("ACCESS_TEAM %j is asked at %s", (team, issuer) => {
  expect(readTeam({ ACCESS_TEAM: team, ACCESS_AUD: "a b,c" })).toEqual({
    kind: "on",
    issuer,
    audiences: ["a", "b", "c"],
  });
});

test.each([
  ["evil.example", "x", /must be "<team>"/],
  ["https://evil.example", "x", /must be "<team>"/],
  ["http://evil.example", "x", /must be "<team>"/],
  ["acme.cloudflareaccess.com.evil.example", "x", /must be "<team>"/],
  ["acme", "", /ACCESS_AUD is not/],
  ["", "x", /ACCESS_TEAM is not/],
])("ACCESS_TEAM %j with ACCESS_AUD %j is refused", (team, audience, error) => {
  expect(readTeam({ ACCESS_TEAM: team, ACCESS_AUD: audience })).toMatchObject({
    kind: "misconfigured",
    error: expect.stringMatching(error),
  });
});

test("without either there is no such way in", () => {
  expect(readTeam({ ACCESS_TEAM: "", ACCESS_AUD: "" })).toEqual({ kind: "off" });
});
