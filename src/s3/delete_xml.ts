// The XML of DeleteObjects: Delete and DeleteResult. Pure.

import { FORBIDDEN } from "./unreadable.ts";
import { told } from "./told.ts";
import { knownCode } from "./value.ts";
import { elementsOf, escapeText, parseRoot, textOf } from "./xml.ts";

/** `etag`: delete only the object with this ETag, on stores that know the condition. */
export interface ToDelete {
  readonly key: string;
  readonly etag: string | null;
}

/** What an answer to DeleteObjects says; of some keys it may say nothing. */
export interface DeleteResult {
  readonly deleted: readonly string[];
  readonly refused: readonly { readonly key: string; readonly code: string; readonly message: string }[];
}

/** The body of DeleteObjects. Not `Quiet`: the answer is to name each key that is deleted. */
export function deleteDocument(objects: Iterable<ToDelete>): string {
  let document = "<Delete><Quiet>false</Quiet>";
  for (const { key, etag } of objects) {
    const condition = etag === null ? "" : `<ETag>${escapeText(etag)}</ETag>`;
    document += `<Object><Key>${escapeText(key)}</Key>${condition}</Object>`;
  }
  return document + "</Delete>";
}

/**
 * Whether every store can read this key from our document. A carriage return needs a numeric entity, which
 * some stores do not read.
 */
export function fitsXml(key: string): boolean {
  return key.isWellFormed() && !FORBIDDEN.test(key);
}

/**
 * `<DeleteResult><Deleted><Key>a</Key></Deleted><Error><Key>b</Key><Code>…</Code><Message>…`. Null if it is
 * another document, or an entry has no key.
 */
export function parseDeleteResult(text: string): DeleteResult | null {
  const result = parseRoot(text, "DeleteResult");
  if (result === null) return null;
  const deleted = elementsOf(result, "Deleted").map((element) => textOf(element, "Key"));
  const refused = elementsOf(result, "Error").map((element) => ({
    key: textOf(element, "Key") ?? "",
    code: knownCode(textOf(element, "Code")) ?? "unknown",
    message: told(textOf(element, "Message")?.trim() ?? ""),
  }));
  const isWhole = deleted.every((key) => key !== null) && refused.every(({ key }) => key !== "");
  return isWhole ? { deleted: deleted.filter((key) => key !== null), refused } : null;
}
