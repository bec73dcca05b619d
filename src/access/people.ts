// Who comes through Cloudflare Access: the JWT that Access adds to each request of a signed-in person,
// verified by the keys of its team.
//
//   https://developers.cloudflare.com/cloudflare-one/access-controls/applications/http-apps/
//   authorization-cookie/validating-json/
//
// What it needs: the variables ACCESS_TEAM and ACCESS_AUD.
//
// Invariants: the team alone decides whose keys count, never the token or the request. Keys are kept for ten
// minutes; a key that is not among them makes them be fetched anew, once a minute at most.

import { createRemoteJWKSet, customFetch, errors, jwtVerify } from "jose";
import { Problem } from "../http/problem.ts";
import { isLoopback } from "../store/endpoint.ts";

type Team =
  | { readonly kind: "off" }
  | { readonly kind: "misconfigured"; readonly error: string }
  | { readonly kind: "on"; readonly issuer: string; readonly audiences: readonly string[] };

export interface Person {
  /** In small letters. */
  readonly email: string;
  /** Names and ids, where the team's identity provider tells them. */
  readonly groups: readonly string[];
}

export function readTeam(env: Readonly<Record<string, unknown>>): Team {
  const [team, audience] = [textOf(env, "ACCESS_TEAM"), textOf(env, "ACCESS_AUD")];
  if (team === "" && audience === "") return { kind: "off" };
  if (team === "") return bad("ACCESS_AUD is set and ACCESS_TEAM is not: set both, or neither");
  if (audience === "") return bad("ACCESS_TEAM is set and ACCESS_AUD is not: set both, or neither");
  const issuer = issuerOf(team);
  if (issuer === null)
    return bad(`ACCESS_TEAM must be "<team>" of <team>.cloudflareaccess.com, not ${JSON.stringify(team)}`);
  return { kind: "on", issuer, audiences: audience.split(/[\s,]+/).filter((one) => one !== "") };
}

function bad(error: string): Team {
  return { kind: "misconfigured", error };
}

function textOf(env: Readonly<Record<string, unknown>>, name: string): string {
  const value = env[name];
  return typeof value === "string" ? value.trim() : "";
}

/** A team's name, with or without its domain; or a loopback origin, as tests have it. */
function issuerOf(team: string): string | null {
  const name = /^(?:https:\/\/)?([a-z0-9-]{1,63})(?:\.cloudflareaccess\.com\/?)?$/i.exec(team)?.[1];
  if (name !== undefined) return `https://${name.toLowerCase()}.cloudflareaccess.com`;
  const url = URL.parse(team);
  return url?.protocol === "http:" && isLoopback(url.hostname) ? url.origin : null;
}

/** What Access tells of a person. @throws {Problem} 401, 403 or 503 */
export async function personOf(assertion: string, team: Extract<Team, { kind: "on" }>): Promise<Person> {
  const { issuer, audiences } = team;
  let claims: Readonly<Record<string, unknown>>;
  try {
    const options = { issuer, audience: [...audiences], algorithms: ["RS256"], requiredClaims: ["exp"] };
    const verified = await jwtVerify(assertion, keysOf(issuer), { ...options, clockTolerance: SKEW_SECONDS });
    claims = verified.payload;
  } catch (error) {
    throw refusalOf(error);
  }
  const { email } = claims;
  if (typeof email === "string" && email.includes("@") && email.length <= MAX_EMAIL_CHARACTERS)
    return { email: email.toLowerCase(), groups: groupsOf(claims) };
  const detail = "Access let in a service token, which has no address: send a token of API_TOKENS with it";
  throw new Problem(403, "right_missing", detail);
}

const SKEW_SECONDS = 30;

/** RFC 5321, 4.5.3.1. */
const MAX_EMAIL_CHARACTERS = 254;

function refusalOf(error: unknown): Problem {
  const isJudged =
    error instanceof errors.JOSEError &&
    !(
      error instanceof errors.JWKSTimeout ||
      error instanceof errors.JWKSInvalid ||
      error.code === "ERR_JOSE_GENERIC"
    );
  // Its message names a claim or a step, and no value.
  if (isJudged) {
    const detail = `The JWT of Cloudflare Access is not valid: ${error.message}; sign in again`;
    return new Problem(401, "assertion_wrong", detail);
  }
  const detail = "The keys of the Access team cannot be fetched: is ACCESS_TEAM right? Tokens work meanwhile";
  return new Problem(503, "access_unavailable", detail, { "retry-after": String(FAILED_MS / 1000) });
}

/** Of the claim `groups`, or of the provider's own claims: names, or objects with a name and an id. */
function groupsOf({ groups, custom }: Readonly<Record<string, unknown>>): string[] {
  const own = typeof custom === "object" && custom !== null && "groups" in custom ? custom.groups : [];
  return [groups, own].flat(2).flatMap((group: unknown) => {
    if (typeof group === "string") return [group];
    if (typeof group !== "object" || group === null) return [];
    return Object.entries(group).flatMap(([field, value]: [string, unknown]) =>
      ["id", "name", "email"].includes(field) && typeof value === "string" ? [value] : [],
    );
  });
}

const COOLDOWN_MS = 60_000;

/** No fetch that failed is repeated before that: anybody can send a JWT. */
const FAILED_MS = 5_000;

const keySets = new Map<string, ReturnType<typeof createRemoteJWKSet>>();

function keysOf(issuer: string): ReturnType<typeof createRemoteJWKSet> {
  const known = keySets.get(issuer);
  if (known !== undefined) return known;
  let failedAtMs = -Infinity;
  const fetchKeys: typeof fetch = async (url, init) => {
    if (Date.now() < failedAtMs + FAILED_MS) throw new Error("The keys could not be fetched a moment ago");
    const response = await fetch(url, init).catch(() => null);
    if (response?.status === 200) return response;
    failedAtMs = Date.now();
    await response?.body?.cancel();
    throw new Error("The keys cannot be fetched");
  };
  const options = { cooldownDuration: COOLDOWN_MS, [customFetch]: fetchKeys };
  const keys = createRemoteJWKSet(new URL("/cdn-cgi/access/certs", issuer), options);
  keySets.set(issuer, keys);
  return keys;
}
