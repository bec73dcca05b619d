// What `npm run dev` takes from whoever starts it, beside its two local stores: stores of their own, as
// STORE_<NAME> in the shell or in a `.env` file, and any other variable of the mesh in that file. So real
// buckets can be tried without an account. Pure.
//
// Invariant: an error names the variable and what is wrong with it, never its value, which is a secret.

import { parseEnv } from "node:util";
import { readStores } from "../../src/store/stores.ts";

interface OwnVariables {
  readonly variables: Readonly<Record<string, string>>;
  /** The stores among them, as requests name them. */
  readonly stores: readonly string[];
  /** Names that the file has and the mesh does not take. */
  readonly ignored: readonly string[];
}

const isStore = (name: string) => name.startsWith("STORE_");

/** Made anew at each start, so that a page which has once learned one knows nothing. */
const MADE_ANEW: readonly string[] = ["API_TOKEN"];

/**
 * @param shell wins over the file, and only its stores count: it holds much that is not for the mesh
 * @param file the text of `.env`, or null if there is none
 * @param local the variables that the local mesh sets itself
 * @throws {RangeError} for a store that the mesh could not use, or that has the name of a local one
 */
export function ownVariables(
  shell: Readonly<Record<string, string | undefined>>,
  file: string | null,
  local: readonly string[],
): OwnVariables {
  const variables: Record<string, string> = {};
  const ignored: string[] = [];
  for (const [name, value = ""] of Object.entries(file === null ? {} : parseEnv(file))) {
    if (MADE_ANEW.includes(name)) ignored.push(name);
    else variables[name] = value;
  }
  for (const [name, value = ""] of Object.entries(shell)) {
    if (isStore(name)) variables[name] = value;
  }
  const taken = local.filter(isStore).map((name) => name.toLowerCase());
  for (const name of Object.keys(variables)) {
    if (!taken.includes(name.toLowerCase())) continue;
    throw new RangeError(`${name} is a local store of this mesh: give your store another name`);
  }
  const stores = [...readStores(variables).values()].map((entry) => {
    if (!entry.ok) throw new RangeError(entry.error);
    return entry.store.name;
  });
  return { variables, stores, ignored };
}

/**
 * Variables as a file that wrangler reads. It expands `$NAME` in every value, however it is quoted, and ends
 * a value at its own quote.
 *
 * @throws {RangeError} for a value that no quotes can hold
 */
export function envFileOf(variables: Readonly<Record<string, string>>): string {
  return Object.entries(variables)
    .map(([name, value]) => `${name}=${isStore(name) ? quotedJson(value) : quoted(name, value)}\n`)
    .join("");
}

/** JSON can spell each character that the file would take for its own. */
function quotedJson(json: string): string {
  const spelled = JSON.stringify(JSON.parse(json)).replaceAll(
    /['$]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return `'${spelled}'`;
}

function quoted(name: string, value: string): string {
  const quote = ["'", "`", '"'].find((mark) => !value.includes(mark));
  if (quote === undefined || value.includes("\\$"))
    throw new RangeError(
      `${name} holds all three kinds of quotes, or a backslash before a $: no file can hold it`,
    );
  // Between double quotes, \n would be a line break.
  if (quote === '"' && value.includes("\\"))
    throw new RangeError(`${name} holds a backslash beside ' and \`: no file can hold it`);
  return `${quote}${value.replaceAll("$", "\\$")}${quote}`;
}
