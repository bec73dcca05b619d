// What the steps of a smoke run share: the mesh, both stores, the folder of this run, and the table.

import { formatBytes } from "../../src/view/progress.ts";
import { type Difference, headerDifference } from "./cases.ts";
import { Comparison, type Content } from "./content.ts";
import { type SmokeMesh, MeshError, reasonOf } from "./mesh.ts";
import type { Options, Side } from "./options.ts";
import type { S3Client } from "./s3.ts";
import { type Row, rowLine } from "./table.ts";

/** Everything that runs put into a bucket is in a folder whose name starts with this. */
export const FOLDER = "bucket-brigade-smoke-";

/** The time limit of one copy or sync. */
export const WORK_LIMIT_MS = 20 * 60_000;

export interface Written {
  readonly content: Content;
  readonly headers: Readonly<Record<string, string>>;
}

/** The step does not apply here. */
export class Skip extends Error {
  override readonly name = "Skip";
}

export interface Surroundings {
  readonly print: (line: string) => void;
  readonly signal: AbortSignal;
  /** Fires the Cron Trigger for that time, where the platform does not. */
  readonly fireCron: ((at: Date) => Promise<void>) | null;
}

export class Stage {
  readonly options: Options;
  readonly runId: string;
  readonly mesh: SmokeMesh;
  readonly source: S3Client;
  readonly destination: S3Client;
  readonly surroundings: Surroundings;
  readonly rows: Row[] = [];
  /** Keys, on both sides, for which a multipart upload was started; needed at the end of the run. */
  readonly multipartKeys = new Set<string>();
  readonly schedules = new Set<string>();
  probes = false;

  constructor(
    options: Options,
    runId: string,
    parties: Pick<Stage, "mesh" | "source" | "destination">,
    surroundings: Surroundings,
  ) {
    this.options = options;
    this.runId = runId;
    this.mesh = parties.mesh;
    this.source = parties.source;
    this.destination = parties.destination;
    this.surroundings = surroundings;
  }

  /** The folder of this run on one side. */
  folder({ prefix }: Side): string {
    return `${prefix}${FOLDER}${this.runId}/`;
  }

  sourceKey(key: string): string {
    return this.folder(this.options.source) + key;
  }

  destinationKey(key: string): string {
    return this.folder(this.options.destination) + key;
  }

  /** Source and destination of a copy of one object, as in a request. */
  both(key: string): Record<"source" | "destination", { store: string; bucket: string; key: string }> {
    const { source, destination } = this.options;
    return {
      source: { store: source.store.name, bucket: source.bucket, key: this.sourceKey(key) },
      destination: {
        store: destination.store.name,
        bucket: destination.bucket,
        key: this.destinationKey(key),
      },
    };
  }

  /**
   * Runs one step and writes its row. If it throws, the row is a failure.
   *
   * @param signal must not have fired before
   */
  async row(
    step: string,
    run: () => Promise<string>,
    signal: AbortSignal = this.surroundings.signal,
  ): Promise<void> {
    const startedAtMs = Date.now();
    const done = (outcome: Row["outcome"], detail: string) => {
      const row = { step, outcome, seconds: (Date.now() - startedAtMs) / 1000, detail };
      this.rows.push(row);
      this.surroundings.print(rowLine(row));
    };
    try {
      signal.throwIfAborted();
      done("pass", await run());
    } catch (error) {
      if (error instanceof Skip) done("skip", error.message);
      else done("FAIL", error instanceof MeshError ? error.message : reasonOf(error));
    }
  }

  /** Copies one object and compares the result. @returns the proof that the mesh claims */
  async copyAndCompare(
    key: string,
    written: Written,
    request: Readonly<Record<string, unknown>>,
  ): Promise<string> {
    this.multipartKeys.add(key);
    const id = await this.mesh.start("copies", { ...this.both(key), ...request });
    const copy = await this.mesh.ended("copies", id, WORK_LIMIT_MS);
    if (copy.phase !== "completed") {
      const why = copy.failure === undefined ? "" : `: ${copy.failure.code}: ${copy.failure.message}`;
      throw new Error(`the copy of ${JSON.stringify(key)} ended as ${copy.phase}${why}`);
    }
    const difference = await this.difference(key, written);
    if (difference !== null) throw new Error(`${JSON.stringify(difference.key)}: ${difference.what}`);
    return copy.proof ?? "none";
  }

  /** Reads an object back from the destination. @returns null if it is as it was written */
  async difference(key: string, written: Written): Promise<Difference | null> {
    const what = await differenceAt(this.destination, this.destinationKey(key), written);
    return what === null ? null : { key, what };
  }
}

/** How an object differs from what was written, or null. */
export async function differenceAt(client: S3Client, key: string, written: Written): Promise<string | null> {
  const { content, headers } = written;
  const read = async (acceptEncoding: "identity" | "gzip, br") => {
    const comparison = new Comparison(content);
    const head = await client.get(key, (bytes) => comparison.take(bytes), acceptEncoding);
    return comparison.end() ?? headerDifference(headers, content.sizeBytes, head.headers);
  };
  const what = await read("identity");
  // Its bytes match one of the two.
  return what === null || headers["content-encoding"] === undefined ? what : await read("gzip, br");
}

export function rateText(sizeBytes: number, seconds: number): string {
  return `${formatBytes(sizeBytes)} in ${seconds.toFixed(1)} s, ${(sizeBytes / 1e6 / Math.max(0.001, seconds)).toFixed(1)} MB/s`;
}
