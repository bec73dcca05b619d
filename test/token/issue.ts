// A new token and its entry in API_TOKENS, by the flags of `npm run token`. The mesh's own parser says what
// is wrong with an entry.

import { parseArgs } from "node:util";
import { readAccess, sha256Of } from "../../src/access/entries.ts";

/** The command cannot do this. The message is one line. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

export const USAGE = `npm run token -- --name ci --may start,read --stores east,west [--not-after 2027-06-30]

Makes a token, prints it once, and prints its entry for the secret API_TOKENS. Nothing is kept or sent.

  --name TEXT         what the log, the audit and \`startedBy\` call it
  --may a,b           of read, start, steer, delete, schedules, stores
  --stores a,b        places that may be read and written: store, store:bucket or store:bucket/prefix (default all)
  --source a,b        only those that may be read
  --destination a,b   only those that may be written
  --not-after WHEN    a time, or a day in UTC, which counts (default: never)
  --email TEXT        a person who signs in by Cloudflare Access instead of a token, or *@example.com
  --group TEXT        a group of such people
`;

interface Issued {
  /** Null: the entry is for people. */
  readonly token: string | null;
  readonly entry: Readonly<Record<string, unknown>>;
}

/**
 * @param random 32 random bytes
 * @returns null when help is asked for
 * @throws {UsageError}
 */
export async function issue(args: readonly string[], random: Uint8Array): Promise<Issued | null> {
  const flags = readFlags(args);
  if (flags.help === true) return null;
  const { name, may, stores, email, group } = flags;
  if (stores !== undefined && (flags.source ?? flags.destination) !== undefined)
    throw new UsageError("--stores is short for --source and --destination: give either it or those");
  const isToken = email === undefined && group === undefined;
  if (may === undefined) throw new UsageError("--may is missing: rights, such as --may read,start");
  const token = isToken ? `bb_${Buffer.from(random).toString("base64url")}` : null;
  const fields: Readonly<Record<string, unknown>> = {
    name,
    sha256: token === null ? undefined : await sha256Of(token),
    email,
    group,
    may: listOf(may),
    source: listOf(flags.source ?? stores),
    destination: listOf(flags.destination ?? stores),
    notAfter: flags["not-after"],
  };
  const entry = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
  await check(entry);
  return { token, entry };
}

function readFlags(args: readonly string[]) {
  const text = { type: "string" } as const;
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        name: text,
        may: text,
        stores: text,
        source: text,
        destination: text,
        "not-after": text,
        email: text,
        group: text,
        help: { type: "boolean", short: "h" },
      },
    });
    return values;
  } catch (error) {
    const [line = ""] = (error instanceof Error ? error.message : String(error)).split("\n");
    throw new UsageError(`${line}; --help lists the flags`);
  }
}

function listOf(text: string | undefined): string[] | undefined {
  return text?.split(",").map((item) => item.trim());
}

async function check(entry: Readonly<Record<string, unknown>>): Promise<void> {
  const access = await readAccess({
    API_TOKEN: "any-token-that-is-right",
    API_TOKENS: JSON.stringify([entry]),
  });
  const results = access.kind === "ready" ? access.entries : [];
  for (const result of results)
    if (!result.ok) throw new UsageError(result.error.replace(/^Entry 1 of /, ""));
}
