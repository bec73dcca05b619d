// Reads bodies that a store may make as long as it likes, up to a bound.

/** All of a body. Null: it has more than `maxBytes`. The rest is cancelled. */
export async function takeAtMost(
  body: ReadableStream<Uint8Array> | null,
  maxBytes: number,
): Promise<Blob | null> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let sizeBytes = 0;
  for await (const chunk of body ?? []) {
    sizeBytes += chunk.length;
    if (sizeBytes > maxBytes) return null;
    chunks.push(chunk as Uint8Array<ArrayBuffer>);
  }
  return new Blob(chunks);
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
