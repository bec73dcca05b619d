// One smoke run: what must hold before it starts, its steps in order, and its end.
//
// Invariant: once anything was written or started, it is cleaned up, whatever happened.

import { randomBytes } from "node:crypto";
import { cleanUp, removeOld, runIdAt } from "./clean_up.ts";
import { MeshError, reasonOf, SmokeMesh } from "./mesh.ts";
import { type Options, type Side, STEPS, UsageError } from "./options.ts";
import { Refusal, S3Client } from "./s3.ts";
import { type Surroundings, Stage } from "./stage.ts";
import { RUN } from "./steps.ts";
import { exitCodeOf, headLine, summaryLine } from "./table.ts";

/** The time for cleaning up, even after Ctrl-C. */
const CLEAN_UP_LIMIT_MS = 15 * 60_000;

/** @throws {UsageError} if it cannot start @returns the exit code */
export async function runSmoke(options: Options, surroundings: Surroundings): Promise<0 | 1> {
  const { print, signal } = surroundings;
  const source = new S3Client(options.source, signal);
  const destination = new S3Client(options.destination, signal);
  const mesh = new SmokeMesh(options.mesh, options.token, signal);
  try {
    await checkMesh(mesh, options);
    await checkSide(source, "source", options.source);
    await checkSide(destination, "destination", options.destination);
    const runId = runIdAt(new Date(), randomBytes(3).toString("hex"));
    const stage = new Stage(options, runId, { mesh, source, destination }, surroundings);
    print(`Smoke run ${runId} of ${options.mesh.origin}`);
    print(headLine());
    try {
      await removeLeftovers(stage);
      for (const step of STEPS) {
        if (options.skip.has(step) || signal.aborted) continue;
        await RUN[step](stage);
      }
    } finally {
      await finish(stage);
    }
    print(summaryLine(stage.rows));
    return exitCodeOf(stage.rows);
  } finally {
    source.close();
    destination.close();
  }
}

async function removeLeftovers(stage: Stage): Promise<void> {
  const count = await removeOld(stage, Date.now());
  if (count > 0)
    await stage.row("what old runs had left", async () =>
      Promise.resolve(`${count} objects and schedules deleted`),
    );
}

/** Does not use the run's signal, because it must work even if the run was stopped. */
async function finish(stage: Stage): Promise<void> {
  const { signal, print } = stage.surroundings;
  if (signal.aborted) print(`${reasonOf(signal.reason)}; cleaning up`);
  const end = AbortSignal.timeout(CLEAN_UP_LIMIT_MS);
  const run = async () => {
    const left = await cleanUp(stage, end);
    if (left.length > 0) throw new Error(["this is left, delete it by hand:", ...left].join("\n"));
    return "nothing is left";
  };
  await stage.row("cleaning up", run, end);
}

interface MeshStore {
  readonly name: string;
  readonly ok: boolean;
  readonly error?: string;
  readonly endpoint?: string;
}

/** Does it answer, is it a mesh, may this token start work, does it have both stores? @throws {UsageError} */
async function checkMesh(mesh: SmokeMesh, { mesh: url, source, destination }: Options): Promise<void> {
  let stores: readonly MeshStore[];
  try {
    const answer = await mesh.knock("/stores");
    if (answer.status !== 200) throw new MeshError("GET /stores", answer);
    if (!Array.isArray(answer.body["stores"]))
      throw new UsageError(
        `What answers at ${url.origin} is no mesh: is it the address that \`npm run deploy\` printed?`,
      );
    stores = answer.body["stores"] as readonly MeshStore[];
  } catch (error) {
    if (error instanceof UsageError) throw error;
    if (!(error instanceof MeshError))
      throw new UsageError(
        `No mesh answers at ${url.origin} (${reasonOf(error)}): is it deployed, and is this its address?`,
      );
    if (error.status === 401)
      throw new UsageError(`The mesh does not know this token: pass the one that its secret API_TOKEN has`);
    throw new UsageError(`The mesh cannot be used: ${error.message}`);
  }
  // A copy without source and destination cannot start; but a token that may only read is refused first.
  const answer = await mesh.ask("POST", "/copies", {});
  if (answer.body["code"] === "token_read_only")
    throw new UsageError("This token may only read, and the run starts work: pass the one of API_TOKEN");
  for (const { store } of [source, destination]) {
    const theirs = stores.find(({ name }) => name === store.name);
    const names = stores.map(({ name }) => name).join(", ");
    if (theirs === undefined)
      throw new UsageError(
        `The mesh has no store "${store.name}", it has ${names || "none"}: set the secret STORE_${store.name.toUpperCase()}`,
      );
    if (!theirs.ok)
      throw new UsageError(`The mesh cannot use its store "${store.name}": ${theirs.error ?? ""}`);
    if (theirs.endpoint !== store.endpoint)
      throw new UsageError(
        `STORE_${store.name.toUpperCase()} is ${store.endpoint} here and ${theirs.endpoint ?? ""} at the mesh: give both the same`,
      );
  }
}

/** Whether the copied objects can be read back. @throws {UsageError} */
async function checkSide(client: S3Client, role: string, { store, bucket, prefix }: Side): Promise<void> {
  try {
    await client.list(`${prefix}bucket-brigade-smoke-none`);
  } catch (error) {
    const why = error instanceof Refusal ? error.message : reasonOf(error);
    throw new UsageError(
      `The ${role} ${store.name}:${bucket} cannot be listed with STORE_${store.name.toUpperCase()} (${why}): set its credentials`,
    );
  }
}
