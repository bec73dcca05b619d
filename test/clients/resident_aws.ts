// The AWS CLI, loaded once for many commands: resident/sitecustomize.py forks it. It is the same CLI with the
// same arguments, environment and output as one that is started for each command, at a fifth of the time.
//
// An `aws` that brings a Python of its own does not become resident; it is started for each command.

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Socket } from "node:net";
import { createInterface } from "node:readline";

export interface AwsOutcome {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

interface AwsCommand {
  readonly args: readonly string[];
  /** The whole environment of the command. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
}

const MAX_OUTPUT_BYTES = 64 * 2 ** 20;

let resident: Promise<Resident | null> | null = null;

/** Runs the AWS CLI until it ends, with whatever result. @throws if there is no `aws` */
export async function runAws({ args, env, cwd = process.cwd() }: AwsCommand): Promise<AwsOutcome> {
  resident ??= startResident();
  const aws = await resident;
  return aws === null ? await runOnce({ args, env, cwd }) : await aws.run({ args, env, cwd });
}

function runOnce({ args, env, cwd }: Required<AwsCommand>): Promise<AwsOutcome> {
  return new Promise((resolve, reject) => {
    execFile("aws", args, { env, cwd, maxBuffer: MAX_OUTPUT_BYTES }, (error, stdout, stderr) => {
      if (error === null) resolve({ exitCode: 0, stdout, stderr });
      else if (typeof error.code === "number") resolve({ exitCode: error.code, stdout, stderr });
      else if (error.code === "ENOENT") reject(new Error("aws is not installed: this suite needs it"));
      else reject(error);
    });
  });
}

/** @returns null if this `aws` cannot be kept */
function startResident(): Promise<Resident | null> {
  const PYTHONPATH = join(import.meta.dirname, "resident");
  const child = spawn("aws", [], {
    env: {
      PATH: process.env["PATH"],
      HOME: process.env["HOME"],
      LANG: "C.UTF-8",
      PYTHONPATH,
      PYTHONDONTWRITEBYTECODE: "1",
    },
    stdio: ["pipe", "pipe", "ignore"],
  });
  // Whoever runs the tests does not wait for it.
  child.unref();
  for (const pipe of [child.stdin, child.stdout]) if (pipe instanceof Socket) pipe.unref();
  return new Promise((resolve) => {
    const lines = createInterface({ input: child.stdout });
    const kept = new Resident(child);
    child.once("error", () => resolve(null));
    child.once("close", () => {
      resolve(null);
      kept.end();
    });
    lines.on("line", (line) => {
      if (line === "ready") resolve(kept);
      else kept.take(line);
    });
  });
}

interface Waiter {
  readonly resolve: (exitCode: number) => void;
  readonly reject: (error: Error) => void;
}

/** It ends when its standard input does, with the process of the tests. */
class Resident {
  readonly #child: ChildProcess;
  readonly #waiters = new Map<number, Waiter>();
  #lastId = 0;

  constructor(child: ChildProcess) {
    this.#child = child;
  }

  async run({ args, env, cwd }: Required<AwsCommand>): Promise<AwsOutcome> {
    const directory = mkdtempSync(join(tmpdir(), "bucket-brigade-aws-"));
    const [out, err] = [join(directory, "out"), join(directory, "err")];
    try {
      const exitCode = await this.#ask({ args, env, cwd, out, err });
      return { exitCode, stdout: readFileSync(out, "utf8"), stderr: readFileSync(err, "utf8") };
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  }

  take(line: string): void {
    const { id, exitCode } = JSON.parse(line) as { id: number; exitCode: number };
    this.#waiters.get(id)?.resolve(exitCode);
    this.#waiters.delete(id);
  }

  end(): void {
    for (const { reject } of this.#waiters.values()) reject(new Error("The resident aws has ended"));
    this.#waiters.clear();
  }

  #ask(command: object): Promise<number> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiters.set(id, { resolve, reject });
      this.#child.stdin?.write(`${JSON.stringify({ id, ...command })}\n`);
    });
  }
}
