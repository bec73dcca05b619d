// Where lanes and coordinators should run: near the store that receives the bytes, since distance slows
// uploads more than downloads. A Durable Object is placed once, by the hint of the first call to it. Pure.
//
// The location comes from the request, else from `location` in the store's configuration, else from its
// region. Hints: https://developers.cloudflare.com/durable-objects/reference/data-location/ (2026-11)

import { z } from "zod";
import { Problem } from "../http/problem.ts";

export const LOCATIONS = [
  "wnam",
  "enam",
  "sam",
  "weur",
  "eeur",
  "apac",
  "apac-ne",
  "apac-se",
  "oc",
  "afr",
  "me",
] as const;

export type Location = (typeof LOCATIONS)[number];

/** The fields of a store that say where it is. */
interface Situated {
  readonly region: string;
  readonly location?: Location | undefined;
}

/**
 * The first match counts. Regions are named by continent and direction (AWS and those who copy it) or by
 * city.
 */
const BY_REGION: readonly (readonly [RegExp, Location])[] = [
  [/^(us|ca)-west|^us-(lax|sea)|^sfo|^us-west/, "wnam"],
  [/^us-|^ca-|^nyc|^tor|^bhs|^atl|^ash|^mx-|^northamerica/, "enam"],
  [/^sa-|^br-|^southamerica/, "sam"],
  [/^pl-|^waw|^hel|^eu-fi|^europe-(central2|north)/, "eeur"],
  [/^eu|^(fr|nl|de|gb|uk|it|es|se)\b|^(fra|ams|lon|par|fsn|nbg|gra|rbx|sbg|lim)/, "weur"],
  [/^ap-northeast|^jp\b|^kr\b|^asia-northeast|^tokyo|^osa/, "apac-ne"],
  [/^ap-southeast-[246]|^au\b|^australia|^syd|^nz\b/, "oc"],
  [/^ap-southeast|^sg|^id\b|^asia-southeast/, "apac-se"],
  [/^ap-|^in-|^asia|^blr|^cn-|^oss-cn/, "apac"],
  [/^af-|^africa|^za-/, "afr"],
  [/^me-|^il-|^ae-/, "me"],
];

/** Null: unknown, and the platform chooses a place near the first caller. */
export function locationOf({ location, region }: Situated): Location | null {
  if (location !== undefined) return location;
  const name = region.toLowerCase();
  const own = LOCATIONS.find((known) => known === name); // R2 names its regions like this
  return own ?? BY_REGION.find(([pattern]) => pattern.test(name))?.[1] ?? null;
}

/** Null: unknown. @param wanted by the request; work admitted by an older version has none */
export function locationFor(
  { location: wanted }: { readonly location?: Location | null },
  destination: Situated | null,
): Location | null {
  return wanted ?? (destination === null ? null : locationOf(destination));
}

/**
 * LOCATION: where the registry runs. Null: near whoever calls it first, which may be a Cron Trigger anywhere
 * in the world.
 *
 * @throws {Problem} 503 if the variable is no such place
 */
export function registryLocation(env: Readonly<Record<string, unknown>>): Location | null {
  const { LOCATION: value = "" } = env;
  const known = LOCATIONS.find((location) => location === value);
  if (known !== undefined || value === "") return known ?? null;
  throw new Problem(
    503,
    "misconfigured",
    `The variable LOCATION must be one of ${LOCATIONS.join(", ")}, or empty, not ${JSON.stringify(value)}`,
  );
}

/**
 * The second argument of getByName(). Only the first call to an object places it, so every caller that may be
 * the first passes it.
 */
export function placedAt(location: Location | null): { locationHint?: Location } {
  return location === null ? {} : { locationHint: location };
}

/** Where the lanes of a request run, instead of where its destination says. */
export const LocationSchema = z.enum(LOCATIONS, {
  error: ({ input }) => `must be one of ${LOCATIONS.join(", ")}, not ${JSON.stringify(input)}`,
});
