// A server of the interop run as a process of its own, which can be killed as by a power cut and started
// again.
//
// Invariant: it does not outlive this process, however that ends. It leads a process group of its own: a
// terminal's Ctrl-C reaches it through stop() only, and its children end with it.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { stripVTControlCharacters } from "node:util";
import { hireUndertaker } from "../mesh/undertaker.ts";

interface Command {
  readonly program: string;
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** Its folder, which is removed if this process is killed. */
  readonly directory: string;
}

const TAIL_LINES = 25;
const POLL_MS = 100;
const END_LIMIT_MS = 5_000;

export class Daemon {
  readonly #command: Command;
  readonly #process: ChildProcess;
  readonly #undertaker: ChildProcess;
  readonly #lines: string[] = [];
  #error: Error | null = null;

  constructor(command: Command) {
    this.#command = command;
    this.#process = spawn(command.program, command.args, {
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
      ...(command.env === undefined ? {} : { env: command.env }),
    });
    this.#undertaker = hireUndertaker(this.#process.pid, command.directory);
    this.#process.once("error", (error) => (this.#error = error));
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      let rest = "";
      stream?.setEncoding("utf8").on("data", (text: string) => {
        const lines = (rest + text).split("\n");
        rest = lines.pop() ?? "";
        this.#lines.push(...lines.map(stripVTControlCharacters));
        this.#lines.splice(0, Math.max(0, this.#lines.length - TAIL_LINES));
      });
    }
  }

  /** The last lines that it wrote. */
  get lines(): readonly string[] {
    return this.#lines;
  }

  /**
   * Polls until `ask` returns true. @throws if the process ends first or the time is over, with the end of
   * its output
   */
  async until(what: string, limitMs: number, ask: () => Promise<boolean>): Promise<void> {
    const endsAtMs = Date.now() + limitMs;
    // A client of a server that has ended may ask for minutes.
    const ended = this.#hasEnded()
      ? false
      : once(this.#process, "exit").then(
          () => false,
          () => false,
        );
    while (!(await Promise.race([ask(), ended]))) {
      if (this.#hasEnded()) throw new Error(`${this.#name()} ended before ${what}${this.#tail()}`);
      if (Date.now() > endsAtMs)
        throw new Error(`${this.#name()}: not ${what} within ${limitMs / 1000} s${this.#tail()}`);
      await delay(POLL_MS);
    }
  }

  /** Kills it as by a power cut. Returns when the kernel has removed it. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  async stop(): Promise<void> {
    await this.#end("SIGTERM");
  }

  async #end(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    if (!this.#hasEnded()) {
      const ended = once(this.#process, "exit");
      this.#signal(signal);
      await Promise.race([ended, delay(END_LIMIT_MS, undefined, { ref: false })]);
      this.#signal("SIGKILL");
      await ended;
    }
    this.#undertaker.kill("SIGKILL");
  }

  #hasEnded(): boolean {
    const { pid, exitCode, signalCode } = this.#process;
    return pid === undefined || this.#error !== null || exitCode !== null || signalCode !== null;
  }

  #signal(signal: NodeJS.Signals): void {
    try {
      if (this.#process.pid !== undefined) process.kill(-this.#process.pid, signal);
    } catch {
      // ESRCH: no process of the group is left, which was the purpose.
    }
  }

  #name(): string {
    return [this.#command.program, ...this.#command.args.slice(0, 2)].join(" ");
  }

  #tail(): string {
    if (this.#error !== null) return `: ${this.#error.message}`;
    return `\nThe end of its output:\n${this.#lines.map((line) => `  | ${line}`).join("\n")}`;
  }
}
