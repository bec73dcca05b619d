// Reads bodies that a store may make as long as it likes, up to a bound.

import { wholeNumber } from "./value.ts";

/** All of a body. Null: it has more than `maxBytes`. The rest is cancelled. */
export async function takeAtMost(response: Response, maxBytes: number): Promise<ArrayBuffer | null> {
  // The runtime lets no more pass than a Content-Length says, and reads it at a tenth of what chunks cost.
  const announced = wholeNumber(response.headers.get("content-length"), maxBytes);
  if (announced !== null) return await response.arrayBuffer();
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let sizeBytes = 0;
  for await (const chunk of response.body ?? []) {
    sizeBytes += chunk.length;
    if (sizeBytes > maxBytes) return null;
    chunks.push(chunk as Uint8Array<ArrayBuffer>);
  }
  return await new Blob(chunks).arrayBuffer();
}

/** The text with which a body begins. */
export async function readAtMost(body: ReadableStream<Uint8Array> | null, maxBytes: number): Promise<string> {
  if (body === null) return "";
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let text = "";
  try {
    for (let readBytes = 0; readBytes < maxBytes;) {
      const { done, value } = await reader.read();
      if (done) break;
      readBytes += value.length;
      text += decoder.decode(value, { stream: true });
    }
    await reader.cancel();
  } catch (error) {
    // The status is known and decides. If the body breaks off, only the store's own words are lost.
    text += ` (the body broke off: ${error instanceof Error ? error.message : String(error)})`;
  }
  return text;
}
