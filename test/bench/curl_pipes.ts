// curl piped into curl by presigned URLs, many at once: what two stores and the machine give at all, without
// a tool that checks, lists or retries anything.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { AwsClient } from "aws4fetch";
import { type Run, measureTool } from "./contest.ts";
import type { Store } from "./measure.ts";

/** What this contestant is called in tables and results. */
export const NATIVE = "curl piped into curl";

/** A range of an object, which becomes an object. */
interface Pipe {
  /** `bucket/key` at the source. */
  readonly from: string;
  /** `bucket/key` at the destination. */
  readonly to: string;
  readonly offset: number;
  readonly length: number;
}

/** `curl -r <range> <presigned GET> | curl -T - <presigned PUT>`, `parallel` at once. */
export async function runPipes(
  pipes: readonly Pipe[],
  sides: {
    readonly source: Store;
    readonly destination: Store;
    readonly directory: string;
    readonly parallel: number;
  },
): Promise<Run> {
  const { source, destination, directory, parallel } = sides;
  const commands: string[] = [];
  for (const { from, to, offset, length } of pipes) {
    const get = await presign(source, "GET", `${source.endpoint}/${from}`);
    const put = await presign(destination, "PUT", `${destination.endpoint}/${to}`);
    commands.push(
      `curl -sSf -r ${offset}-${offset + length - 1} '${get}' | curl -sSf -X PUT -H 'Expect:' -H 'Transfer-Encoding:' -H 'Content-Length: ${length}' -T - -o /dev/null '${put}'`,
    );
  }
  const list = join(directory, "commands");
  writeFileSync(list, commands.join("\n") + "\n");
  return await measureTool(`xargs -P "$1" -d '\\n' -n 1 bash -o pipefail -c < "$2"`, [
    String(parallel),
    list,
  ]);
}

async function presign({ credentials, region }: Store, method: string, url: string): Promise<string> {
  const client = new AwsClient({ ...credentials, region, service: "s3" });
  return (await client.sign(url, { method, aws: { signQuery: true } })).url;
}
