// What a request's body and query say, taken at their word. Bytes that are not UTF-8, a field that is there
// twice and a name that JavaScript keeps for itself are refused: read leniently, each of them names something
// else than the caller meant, such as another key. Pure.

import { Problem } from "./problem.ts";

/** @throws {Problem} 400 */
export function decodeBody(bytes: ArrayBuffer | Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(bytes);
  } catch {
    throw new Problem(
      400,
      "invalid_request",
      `The body is not UTF-8, and so are no names in it; ${AS_BYTES}`,
    );
  }
}

const AS_BYTES = "send each key and each text encoded as UTF-8";

/** Percent-encoded bytes that are not UTF-8; a `%` that encodes nothing stays one. @throws {Problem} 400 */
export function checkEncoding(where: string, text: string): void {
  for (const [run] of text.matchAll(/(?:%[0-9a-f]{2})+/gi)) {
    try {
      decodeURIComponent(run);
    } catch {
      throw new Problem(400, "invalid_request", `${where} has ${cut(run)}, which is not UTF-8; ${AS_BYTES}`);
    }
  }
}

/**
 * A form as sent by `curl -d source=… -d destination=…`.
 *
 * @param lists the fields that it may give several times: `-d include=a -d include=b`
 * @throws {Problem} 400
 */
export function parseForm(text: string, lists: readonly string[]): Record<string, string | string[]> {
  checkEncoding("The form", text);
  const given = new URLSearchParams(text);
  const fields = new Map<string, string | string[]>();
  for (const name of new Set(given.keys())) {
    const values = given.getAll(name);
    const [value = ""] = values;
    if (values.length > 1 && !lists.includes(name)) throw givenTwice(name);
    checkName(name);
    fields.set(name, values.length > 1 ? values : value);
  }
  return Object.fromEntries(fields);
}

/** @throws {Problem} 400 */
export function parseJson(text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    throw new Problem(400, "invalid_json", `The body is neither JSON nor a form: ${detail}`);
  }
  checkNames(text);
  return value;
}

/** Texts, and what opens and closes an object. Of two fields of one name JSON.parse() keeps the last. */
const TOKEN = /("(?:[^"\\]|\\.)*")(\s*:)?|[{}]/g;

/** @param text valid JSON */
function checkNames(text: string): void {
  const open: Set<string>[] = [];
  for (const [token, quoted, colon] of text.matchAll(TOKEN)) {
    if (token === "{") open.push(new Set());
    else if (token === "}") open.pop();
    else if (quoted !== undefined && colon !== undefined) {
      const name = String(JSON.parse(quoted));
      const names = open.at(-1);
      checkName(name);
      if (names?.has(name) === true) throw givenTwice(name);
      names?.add(name);
    }
  }
}

function checkName(name: string): void {
  if (name !== "__proto__") return;
  throw new Problem(400, "invalid_request", 'No field, tag or name of metadata can be called "__proto__"');
}

function givenTwice(name: string): Problem {
  return new Problem(400, "invalid_request", `The field ${JSON.stringify(cut(name))} is given twice`);
}

function cut(text: string): string {
  return text.length <= 100 ? text : `${text.slice(0, 100)}…`;
}
