// What a store can do, as a client finds out before any test. Nothing is assumed of an unknown store; for the
// known ones conformance.test.ts has the expected results.

import { type Reply, attemptApi, curl } from "./clients.ts";
import { completeBody, uploadIdOf } from "./multipart.ts";
import { type Facts, NO_FACTS, type StoreAccess } from "./stores.ts";

const MIB = 2 ** 20;

/** Leaves nothing behind. @throws if the store cannot even store and return an object */
export async function findFacts(store: Omit<StoreAccess, "facts">): Promise<Facts> {
  const prober = new Prober({ ...store, facts: NO_FACTS });
  try {
    const { headers } = await prober.must("PUT", "object", { body: "first" });
    const etag = headers.get("etag") ?? "";
    return {
      conditionalPut: await prober.keepsFirst(),
      tags: await prober.keepsTags(),
      ...(await prober.uploads()),
      copiesInside: await prober.copies("copy-object", { from: "object", to: "copied", etag }),
    };
  } finally {
    await prober.clear();
  }
}

type Sent = { readonly headers?: readonly string[]; readonly body?: string; readonly query?: string };

class Prober {
  readonly #store: StoreAccess;
  readonly #names = new Set<string>();

  constructor(store: StoreAccess) {
    this.#store = store;
  }

  async ask(method: string, name: string, sent: Sent = {}): Promise<Reply> {
    if (method === "PUT" || method === "POST") this.#names.add(name);
    return await curl(this.#store, { method, name: name === "" ? "" : `facts/${name}`, ...sent });
  }

  async must(method: string, name: string, sent: Sent = {}): Promise<Reply> {
    const reply = await this.ask(method, name, sent);
    if (reply.status < 300) return reply;
    throw new Error(`${this.#store.title}: ${method} of an object answered ${reply.status}: ${reply.text}`);
  }

  async keepsFirst(): Promise<boolean> {
    await this.ask("PUT", "object", { headers: ["if-none-match: *"], body: "second" });
    const kept = (await this.must("GET", "object")).text === "first";
    // A store that refuses the condition everywhere does not honour it.
    const other = await this.ask("PUT", "other", { headers: ["if-none-match: *"], body: "third" });
    return kept && other.status === 200;
  }

  async keepsTags(): Promise<boolean> {
    await this.ask("PUT", "tagged", { headers: ["x-amz-tagging: k=v"], body: "tagged" });
    return (await this.ask("GET", "tagged", { query: "tagging=" })).text.includes("<Value>v</Value>");
  }

  /**
   * By the AWS CLI, because curl signs two headers in the wrong order if the name of one begins with that of
   * the other.
   */
  async copies(
    command: string,
    { from, to, etag }: { readonly from: string; readonly to: string; readonly etag: string },
    args: readonly string[] = [],
  ): Promise<boolean> {
    this.#names.add(to);
    const { bucket, prefix } = this.#store;
    const source = ["--copy-source", `${bucket}/${prefix}facts/${from}`, "--copy-source-if-match", etag];
    return (await attemptApi(this.#store, command, `facts/${to}`, ...source, ...args)).exitCode === 0;
  }

  /** One upload in two parts, of which the last is larger; and another, a part of which is copied from it. */
  async uploads(): Promise<
    Pick<Facts, "listsParts" | "listsUploads" | "tellsParts" | "unequalParts" | "copiesPartsInside">
  > {
    const id = await this.#begin("parts");
    const listsParts = (await this.ask("GET", "parts", { query: `uploadId=${id}` })).status === 200;
    const listsUploads = (await this.ask("GET", "", { query: "uploads=" })).status === 200;
    await this.ask("DELETE", "parts", { query: `uploadId=${id}` });
    const unequalParts = await this.#completes([5 * MIB, 5 * MIB + 1]);
    const told = unequalParts || (await this.#completes([5 * MIB, 1]));
    const first = told ? await this.ask("HEAD", "parts", { query: "partNumber=1" }) : null;
    return {
      copiesPartsInside: told && (await this.#copiesParts()),
      listsParts,
      listsUploads,
      tellsParts: first?.headers.get("content-length") === String(5 * MIB),
      unequalParts,
    };
  }

  /** From an object in parts: Swift refuses the right ETag of one, and knows that of a plain one. */
  async #copiesParts(): Promise<boolean> {
    const etag = (await this.must("HEAD", "parts")).headers.get("etag") ?? "";
    const id = await this.#begin("again");
    const part = ["--upload-id", decodeURIComponent(id), "--part-number", "1"];
    const range = ["--copy-source-range", "bytes=0-4"];
    const copied = await this.copies("upload-part-copy", { from: "parts", to: "again", etag }, [
      ...part,
      ...range,
    ]);
    await this.ask("DELETE", "again", { query: `uploadId=${id}` });
    return copied;
  }

  async #begin(name: string): Promise<string> {
    return uploadIdOf(await this.ask("POST", name, { query: "uploads=" }));
  }

  async #completes(sizesBytes: readonly number[]): Promise<boolean> {
    const id = await this.#begin("parts");
    const etags: string[] = [];
    for (const [index, sizeBytes] of sizesBytes.entries()) {
      const query = `partNumber=${index + 1}&uploadId=${id}`;
      const { headers } = await this.must("PUT", "parts", { query, body: "x".repeat(sizeBytes) });
      etags.push(headers.get("etag") ?? "");
    }
    const body = completeBody(etags);
    const done = (await this.ask("POST", "parts", { query: `uploadId=${id}`, body })).status === 200;
    if (!done) await this.ask("DELETE", "parts", { query: `uploadId=${id}` });
    return done;
  }

  async clear(): Promise<void> {
    for (const name of this.#names) await this.ask("DELETE", name);
  }
}
