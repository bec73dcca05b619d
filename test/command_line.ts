// How a command of this project reads what stands behind it: `--help` prints its usage, and what it does not
// know ends it with status 2 and one line, before it has begun anything.

import { type ParseArgsConfig, parseArgs } from "node:util";

/** @returns what node's parseArgs() makes of it; ends the process where it makes nothing of it */
export function readArguments<const Config extends ParseArgsConfig>(
  usage: string,
  config: Config,
): ReturnType<typeof parseArgs<Config>> {
  const args = process.argv.slice(2);
  if (args.includes("--help") || args.includes("-h")) {
    console.log(usage);
    process.exit(0);
  }
  try {
    return parseArgs(config);
  } catch (error) {
    const [line = ""] = (error instanceof Error ? error.message : String(error)).split(/\n|\. /);
    return refuse(line);
  }
}

/** A flag that is a number of things. */
export function countOf(flag: string, text: string, least = 1): number {
  const count = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  return count >= least ? count : refuse(`${flag} must be a whole number from ${least}, not "${text}"`);
}

/** One of the names that there are. */
export function checkName(what: string, name: string, names: readonly string[]): void {
  if (!names.includes(name)) refuse(`There is no ${what} "${name}"; there are ${names.join(", ")}`);
}

function refuse(message: string): never {
  console.error(`${message}; --help tells what there is`);
  process.exit(2);
}
