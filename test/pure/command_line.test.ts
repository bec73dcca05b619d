// What the commands of package.json say to what they do not know.
import { execFile } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";

interface Ended {
  readonly status: unknown;
  readonly out: string;
  readonly error: string;
}

function run(program: string, ...args: string[]): Promise<Ended> {
  const path = join(import.meta.dirname, "../..", program);
  return new Promise((resolve) =>
    execFile(process.execPath, [path, ...args], (failure, out, error) =>
      resolve({ status: failure?.code ?? 0, out, error }),
    ),
  );
}

test("a command that is called wrongly says so in one line and does nothing; --help has its usage", async () => {
  const [help, ...refused] = await Promise.all([
    run("test/chaos/chaos.ts", "--runs", "3", "--help"),
    run("test/demo.ts", "--fast"),
    run("test/chaos/chaos.ts", "--runs", "many"),
    run("test/bench/bench.ts", "larger"),
  ]);
  expect(help).toMatchObject({ status: 0, out: expect.stringMatching(/^npm run chaos/), error: "" });
  const hint = "; --help tells what there is\n";
  expect(refused).toEqual(
    [
      "Unknown option '--fast'",
      '--runs must be a whole number from 1, not "many"',
      expect.stringMatching(/^There is no benchmark "larger"; there are large, memory, /),
    ].map((line) => ({
      status: 2,
      out: "",
      error: typeof line === "string" ? line + hint : line,
    })),
  );
});
