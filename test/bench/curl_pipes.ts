// curl piped into curl by presigned URLs, many at once: what two stores and the machine give at all, without
// a tool that checks, lists or retries anything.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Run, measureTool } from "./contest.ts";
import { type Pipe, type PipeSides, presignedPipes } from "./pipes.ts";

/** What this contestant is called in tables and results. */
export const NATIVE = "curl piped into curl";

/** A range of an object, which becomes an object. */
interface RangePipe extends Pipe {
  readonly offset: number;
  readonly length: number;
}

/** `curl -r <range> <presigned GET> | curl -T - <presigned PUT>`, `parallel` at once. */
export async function runPipes(pipes: readonly RangePipe[], sides: PipeSides): Promise<Run> {
  const presigned = await presignedPipes(pipes, sides);
  const commands = pipes.map(({ offset, length }, index) => {
    const { get = "", put = "" } = presigned[index] ?? {};
    return `curl -sSf -r ${offset}-${offset + length - 1} '${get}' | curl -sSf -X PUT -H 'Expect:' -H 'Transfer-Encoding:' -H 'Content-Length: ${length}' -T - -o /dev/null '${put}'`;
  });
  const list = join(sides.directory, "commands");
  writeFileSync(list, commands.join("\n") + "\n");
  return await measureTool(`xargs -P "$1" -d '\\n' -n 1 bash -o pipefail -c < "$2"`, [
    String(sides.parallel),
    list,
  ]);
}
