// The lines of a part of the report that its place gives back. A place is a store, which is not to be
// trusted: it may give back a page, what it was asked with, or half of it. So what passes is the lines of a
// report, as many bytes as were written, without a secret; anything else breaks off.
//
// Invariant: it holds one line, however long the part is.

import { withoutSecrets } from "../store/secrets.ts";

/** A key takes some thousand characters at worst, escaped; a failure as many, and so does each warning. */
const MAX_LINE_CHARACTERS = 256 * 1024;

/** @param bytes that were written */
export function checkedLines(bytes: number): TransformStream<Uint8Array, Uint8Array> {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const encoder = new TextEncoder();
  let rest = "";
  let taken = 0;
  return new TransformStream({
    transform: (chunk, controller) => {
      taken += chunk.byteLength;
      if (taken > bytes) throw new Error(`More than the ${bytes} bytes that were written came back`);
      const text = rest + decoder.decode(chunk, { stream: true });
      const end = text.lastIndexOf("\n") + 1;
      rest = text.slice(end);
      if (rest.length > MAX_LINE_CHARACTERS) throw new Error("A line has no end");
      if (end > 0) controller.enqueue(encoder.encode(withoutSecrets(checked(text.slice(0, end)))));
    },
    flush: () => {
      if (taken < bytes || rest !== "") throw new Error(`${taken} of ${bytes} bytes came back`);
    },
  });
}

/** @param text whole lines */
function checked(text: string): string {
  for (const line of text.split("\n").slice(0, -1)) {
    const value: unknown = JSON.parse(line);
    const isLine = typeof value === "object" && value !== null && "key" in value && "action" in value;
    if (!isLine) throw new Error("What came back is no line of a report");
  }
  return text;
}
