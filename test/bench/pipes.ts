// What contestants that only pipe are given: objects, and the presigned requests that move them.

import { AwsClient } from "aws4fetch";
import type { Store } from "./measure.ts";

/** An object that becomes another one. */
export interface Pipe {
  /** `bucket/key` at the source. */
  readonly from: string;
  /** `bucket/key` at the destination. */
  readonly to: string;
}

/** As many at once as the mesh's own defaults are: 8 lanes of 5. */
export const MESH_TRANSFERS = 40;

/** A key of `--fill` and `--mix`. */
export function filledKey(index: number): string {
  return `${String(index % 100).padStart(2, "0")}/${String(index).padStart(7, "0")}`;
}

/** Of so many objects of `--fill` or `--mix`, into a folder of the destination. */
export function filledPipes(count: number, folder: string): Pipe[] {
  return Array.from({ length: count }, (_, index) => ({
    from: `source/p/${filledKey(index)}`,
    to: `destination/${folder}/${index}`,
  }));
}

export interface PipeSides {
  readonly source: Store;
  /** The same as the source: its service copies by itself. */
  readonly destination: Store;
  readonly directory: string;
  /** How many at once. */
  readonly parallel: number;
}

interface PresignedPipe {
  /** Null: the PUT is a CopyObject. */
  readonly get: string | null;
  readonly put: string;
  /** Of the PUT. */
  readonly headers: Readonly<Record<string, string>>;
}

export async function presignedPipes(
  pipes: readonly Pipe[],
  { source, destination }: PipeSides,
): Promise<PresignedPipe[]> {
  const isInside = source === destination;
  const presigned: PresignedPipe[] = [];
  for (const { from, to } of pipes) {
    const headers: Record<string, string> = isInside ? { "x-amz-copy-source": `/${from}` } : {};
    const get = isInside ? null : await presign(source, "GET", from);
    const put = await presign(destination, "PUT", to, headers);
    presigned.push({ get, put, headers });
  }
  return presigned;
}

async function presign(
  { credentials, region, endpoint }: Store,
  method: string,
  path: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<string> {
  const client = new AwsClient({ ...credentials, region, service: "s3" });
  const signed = { method, headers, aws: { signQuery: true } };
  return (await client.sign(`${endpoint}/${path}`, signed)).url;
}
