// What contestants that only pipe are given: ranges of objects, and the presigned requests that move them.

import { AwsClient } from "aws4fetch";
import type { Store } from "./measure.ts";

/** A range of an object, which becomes an object. */
export interface Pipe {
  /** `bucket/key` at the source. */
  readonly from: string;
  /** `bucket/key` at the destination. */
  readonly to: string;
  readonly offset: number;
  readonly length: number;
}

export interface PipeSides {
  readonly source: Store;
  readonly destination: Store;
  readonly directory: string;
  /** How many at once. */
  readonly parallel: number;
}

interface PresignedPipe {
  readonly get: string;
  readonly put: string;
  readonly offset: number;
  readonly length: number;
}

export async function presignedPipes(
  pipes: readonly Pipe[],
  { source, destination }: PipeSides,
): Promise<PresignedPipe[]> {
  const presigned: PresignedPipe[] = [];
  for (const { from, to, offset, length } of pipes) {
    const get = await presign(source, "GET", `${source.endpoint}/${from}`);
    const put = await presign(destination, "PUT", `${destination.endpoint}/${to}`);
    presigned.push({ get, put, offset, length });
  }
  return presigned;
}

async function presign({ credentials, region }: Store, method: string, url: string): Promise<string> {
  const client = new AwsClient({ ...credentials, region, service: "s3" });
  return (await client.sign(url, { method, aws: { signQuery: true } })).url;
}
