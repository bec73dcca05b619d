// The options of `npm run smoke`: flags and environment, checked once. A mistake is one line that names the
// value and says what to do. Pure.

import { parseArgs, parseEnv } from "node:util";
import { parseSize } from "../../src/http/fields.ts";
import { PrefixRefSchema } from "../../src/store/address.ts";
import { isLoopback } from "../../src/store/endpoint.ts";
import { type Store, findStore } from "../../src/store/stores.ts";

/** The command cannot start. The message is one line. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

export const STEPS = ["probe", "checks", "copies", "large", "sync", "cancel", "schedule"] as const;
export type StepName = (typeof STEPS)[number];

/** One side: the store by the mesh's configuration, and the folder in which the run creates its own. */
export interface Side {
  readonly store: Store;
  readonly bucket: string;
  /** Empty, or with a final slash. */
  readonly prefix: string;
}

export interface Options {
  readonly mesh: URL;
  readonly token: string;
  readonly source: Side;
  readonly destination: Side;
  readonly largeBytes: number;
  readonly lanes: number;
  readonly keys: number;
  readonly skip: ReadonlySet<StepName>;
  /** The mesh runs on this machine, where there is no Cron and a probe means nothing. */
  readonly isLocal: boolean;
}

export const USAGE = `npm run smoke -- --mesh https://bucket-brigade.<you>.workers.dev --token <token> \\
                 --source east:bucket/prefix --destination west:bucket/prefix

The acceptance of a deployed mesh: probe, checks of both stores, copies of every awkward kind, a large one, a sync, a
cancel and a schedule. What was written is read back over S3 and compared, and everything is deleted again. Exits 0 when
all was right, 1 when anything was not, 2 when it could not begin.

  --mesh URL            the mesh (or MESH)
  --token TEXT          of API_TOKEN (or API_TOKEN in the environment, where no list of processes shows it)
  --source, --destination  store:bucket/prefix; the run works in a folder of its own below the prefix
  STORE_<NAME>          in the environment, for both stores: the JSON that the mesh has as its secret
  --secrets PATH        reads MESH, API_TOKEN and STORE_<NAME> from there, as .dev.vars has them
  --large SIZE          of the large object, from 16MiB (default 1GiB); it is uploaded from here, and read back
  --lanes N             of its copy (default 40)
  --keys N              of the sync, 1 to 10000 (default 500)
  --skip a,b            of ${STEPS.join(", ")}
  --local               starts \`npm run dev\`'s mesh with its two stores for this run, and needs nothing of the above
`;

const MIN_LARGE_BYTES = 16 * 2 ** 20;

const MAX_LARGE_BYTES = 1024 * 2 ** 30;

/** The flags of the command line beside the options of a run. */
interface Flags {
  readonly help: boolean;
  readonly local: boolean;
  /** Not called --env-file, which Node takes for its own wherever it stands. */
  readonly secretsFile: string | null;
  readonly values: Readonly<Record<string, string | undefined>>;
}

/** @throws {UsageError} */
export function readFlags(argv: readonly string[]): Flags {
  const text = { type: "string" } as const;
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        mesh: text,
        token: text,
        source: text,
        destination: text,
        large: text,
        lanes: text,
        keys: text,
        skip: text,
        secrets: text,
        local: { type: "boolean", default: false },
        help: { type: "boolean", default: false, short: "h" },
      },
    });
    const { help, local, secrets: secretsFile = null, ...rest } = values;
    return { help, local, secretsFile, values: rest };
  } catch (error) {
    const [line = ""] = String(error instanceof Error ? error.message : error).split(". ");
    throw new UsageError(`${line}; --help lists the flags`);
  }
}

/** The environment overrides the file. */
export function withSecrets(text: string, env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return { ...parseEnv(text), ...env };
}

/** @throws {UsageError} */
export function readOptions(values: Flags["values"], env: NodeJS.ProcessEnv): Options {
  const mesh = meshUrl(values["mesh"] ?? env["MESH"]);
  const isLocal = isLoopback(mesh.hostname);
  const token = values["token"] ?? env["API_TOKEN"] ?? "";
  if (token === "")
    throw new UsageError("The token is missing: pass --token, or set API_TOKEN to what the mesh has");
  const source = sideOf("source", values["source"], env, isLocal);
  const destination = sideOf("destination", values["destination"], env, isLocal);
  if (
    source.store.endpoint === destination.store.endpoint &&
    source.bucket === destination.bucket &&
    (source.prefix.startsWith(destination.prefix) || destination.prefix.startsWith(source.prefix))
  )
    throw new UsageError(
      `--source and --destination overlap in bucket "${source.bucket}": name two prefixes, neither within the other`,
    );
  return {
    mesh,
    token,
    source,
    destination,
    largeBytes: sizeOf(values["large"] ?? "1GiB"),
    lanes: countOf("--lanes", values["lanes"] ?? "40", 250),
    keys: countOf("--keys", values["keys"] ?? "500", 10_000),
    skip: skipped(values["skip"] ?? ""),
    isLocal,
  };
}

function meshUrl(text: string | undefined): URL {
  if (text === undefined || text === "")
    throw new UsageError("The mesh is missing: pass --mesh https://bucket-brigade.<you>.workers.dev");
  const url = URL.parse(text);
  if (url === null || (url.protocol !== "https:" && url.protocol !== "http:"))
    throw new UsageError(
      `--mesh is no address: "${text}"; pass one like https://bucket-brigade.<you>.workers.dev`,
    );
  if (url.protocol === "http:" && !isLoopback(url.hostname))
    throw new UsageError(`--mesh is http, and the token would be read on the way: use https://${url.host}`);
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.pathname !== "/")
    throw new UsageError(`--mesh must be the address alone: use ${url.origin}`);
  return url;
}

function sideOf(
  role: "source" | "destination",
  text: string | undefined,
  env: NodeJS.ProcessEnv,
  isLocal: boolean,
): Side {
  if (text === undefined)
    throw new UsageError(`--${role} is missing: pass --${role} store:bucket/prefix, as copies name it`);
  const { data: ref } = PrefixRefSchema.safeParse(text);
  if (ref === undefined) throw new UsageError(`--${role} must be store:bucket/prefix, not "${text}"`);
  const variable = `STORE_${ref.store.toUpperCase()}`;
  const secret = env[variable];
  if (secret === undefined)
    throw new UsageError(
      `${variable} is not set: what is copied is read back over S3, so put the mesh's secret of that name there`,
    );
  const store = storeOf({ [variable]: secret }, ref.store);
  const { hostname } = new URL(store.endpoint);
  if (isLoopback(hostname) && !isLocal)
    throw new UsageError(
      `"endpoint" of ${variable} is ${hostname}, which the mesh at another place cannot reach: give its public name`,
    );
  const prefix = ref.prefix === "" || ref.prefix.endsWith("/") ? ref.prefix : `${ref.prefix}/`;
  return { store, bucket: ref.bucket, prefix };
}

function storeOf(env: Readonly<Record<string, string>>, name: string): Store {
  try {
    return findStore(env, name);
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function sizeOf(text: string): number {
  const sizeBytes = parseSize(text);
  if (sizeBytes !== null && sizeBytes >= MIN_LARGE_BYTES && sizeBytes <= MAX_LARGE_BYTES) return sizeBytes;
  throw new UsageError(`--large must be a size from 16MiB to 1TiB, such as 1GiB, not "${text}"`);
}

function countOf(flag: string, text: string, max: number): number {
  const count = /^\d+$/.test(text) ? Number(text) : 0;
  if (count >= 1 && count <= max) return count;
  throw new UsageError(`${flag} must be a whole number from 1 to ${max}, not "${text}"`);
}

function skipped(text: string): ReadonlySet<StepName> {
  const names = text.split(",").filter((name) => name !== "");
  for (const name of names)
    if (!STEPS.some((step) => step === name))
      throw new UsageError(`--skip knows ${STEPS.join(", ")}, not "${name}"`);
  return new Set(STEPS.filter((step) => names.includes(step)));
}
