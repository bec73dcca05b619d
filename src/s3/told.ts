// The one door for what a store says and a person or a record gets to see. A store, and whatever stands
// before it, may say anything: what it was asked, with the secrets in it; commands for a terminal; a
// megabyte.
//
// Its own words pass through told() where they are read. A sentence of the mesh, which may quote it, passes
// through sentence() where it becomes an error, a failure, a warning or an entry. A name that must be shown
// as it is (a key) passes through named(). The output escapes what is left (http/json.ts).

import { plainLine } from "../http/json.ts";
import { withoutSecrets } from "../store/secrets.ts";

/** In characters. */
const MOST = { message: 500, id: 128, sentence: 2_500, name: 2_048 } as const;

/** What is read of a text, so that no search takes long. */
const MAX_READ = 64 * 1024;

/** A signature of version 4 with what stands before it, or one of version 2. */
const SIGNATURE =
  /AWS4-HMAC-SHA256[^<>]*?Signature=[0-9a-f]*|Signature=[0-9a-f]{16,}|\bAWS [^\s:"]+:[A-Za-z0-9+/=]{20,}/gi;

/** Whatever is as long as a signature. A key may be, and is no word of the store. */
const DIGEST = /\b[0-9a-f]{64}\b/gi;

/** A store's words, for people, on one line. */
export function told(text: string, most: number = MOST.message): string {
  return shown(text, most, (words) => words.replace(DIGEST, "…"));
}

/** A header or an element that names an answer, and may be missing. */
export function toldId(text: string | null): string | null {
  return text === null ? null : told(text, MOST.id);
}

/** A sentence of the mesh that may quote what a store has said. */
export function sentence(text: string): string {
  return shown(text, MOST.sentence, (words) => words);
}

/** A name: only what must not be seen is missing in it. */
export function named(text: string): string {
  return cut(withoutSecrets(text), MOST.name);
}

function shown(text: string, most: number, replace: (words: string) => string): string {
  const words = withoutSecrets(text.slice(0, MAX_READ)).replace(SIGNATURE, "…");
  return cut(plainLine(replace(words).replace(/[\t\n\r]+/g, " ")), most);
}

function cut(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most).toWellFormed()}…`;
}
