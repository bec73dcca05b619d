// The smoke test's own S3 client. It shares no request, retry or reading code with the mesh, so that
// independent code judges what the mesh has written.
//
// What it needs: a store as described in the mesh's secret. It uses node:http, which passes bodies and
// headers unchanged; `fetch` would decompress what is stored as gzip. Addresses, and the headers of a
// customer's key, are computed by the mesh's code.
//
// Invariant: no error contains a secret. Answers of no interest are read to their end, so that connections
// are reused.

import { createHash } from "node:crypto";
import { type IncomingMessage, Agent as HttpAgent, request as httpRequest } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { setTimeout as delay } from "node:timers/promises";
import { AwsV4Signer } from "aws4fetch";
import { XMLParser } from "fast-xml-parser";
import { customerKeyHeaders } from "../../src/s3/encryption.ts";
import { s3Url } from "../../src/s3/url.ts";
import { styleOf } from "../../src/store/stores.ts";
import type { Content } from "./content.ts";
import type { Side } from "./options.ts";

const CONNECTIONS = 16;

const TRIES = 5;

const IDLE_LIMIT_MS = 120_000;

const MAX_ERROR_BYTES = 64 * 1024;

/** Concurrent part uploads. */
const UPLOADS = 4;

/** The store refused. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly status: number;
  readonly code: string;

  constructor(what: string, status: number, code: string, message: string) {
    super(`${what}: ${status} ${code}${message === "" ? "" : `: ${message}`}`);
    this.status = status;
    this.code = code;
  }
}

type Headers = Readonly<Record<string, string>>;

interface Call {
  readonly method: "GET" | "HEAD" | "PUT" | "POST" | "DELETE";
  readonly key: string | null;
  readonly query?: Readonly<Record<string, string | number>>;
  readonly headers?: Headers;
  readonly body?: Buffer;
}

interface Head {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

const xml = new XMLParser({ parseTagValue: false, isArray: (name) => ["Contents", "Upload"].includes(name) });

export class S3Client {
  readonly #side: Side;
  readonly #signal: AbortSignal;
  readonly #agent: HttpAgent | HttpsAgent;

  /** @param signal ends every call */
  constructor(side: Side, signal: AbortSignal) {
    this.#side = side;
    this.#signal = signal;
    const options = { keepAlive: true, maxSockets: CONNECTIONS };
    this.#agent = this.#isTls ? new HttpsAgent(options) : new HttpAgent(options);
  }

  close(): void {
    this.#agent.destroy();
  }

  /** The same store with another signal: deleting must work after an abort, too. */
  under(signal: AbortSignal): S3Client {
    return new S3Client(this.#side, signal);
  }

  async put(key: string, content: Content, headers: Headers = {}): Promise<void> {
    const body = content.slice(0, content.sizeBytes);
    await this.#text({ method: "PUT", key, headers: { ...headers, ...(await this.#keys()) }, body });
  }

  /** Uploads in parts, as tools upload large objects. */
  async upload(key: string, content: Content, partBytes: number, headers: Headers = {}): Promise<void> {
    const created = await this.#text({
      method: "POST",
      key,
      query: { uploads: "" },
      headers: { ...headers, ...(await this.#keys()) },
    });
    const uploadId = /<UploadId>(.+)<\/UploadId>/.exec(created)?.[1];
    if (uploadId === undefined) throw new Error(`The store made an upload of ${key} and gave it no ID`);
    const etags: string[] = [];
    const count = Math.max(1, Math.ceil(content.sizeBytes / partBytes));
    await inParallel(UPLOADS, Array.from({ length: count }).keys(), async (index) => {
      const query = { partNumber: index + 1, uploadId };
      const body = content.slice(index * partBytes, partBytes);
      const headersOfPart = await this.#keys();
      const { headers: answered } = await this.#read({
        method: "PUT",
        key,
        query,
        headers: headersOfPart,
        body,
      });
      etags[index] = String(answered["etag"] ?? "");
    });
    const parts = etags.map(
      (etag, index) =>
        `<Part><PartNumber>${index + 1}</PartNumber><ETag>${etag.replaceAll('"', "&quot;")}</ETag></Part>`,
    );
    const body = Buffer.from(`<CompleteMultipartUpload>${parts.join("")}</CompleteMultipartUpload>`);
    const completed = await this.#text({
      method: "POST",
      key,
      query: { uploadId },
      headers: await this.#keys(),
      body,
    });
    // S3 sends the 200 before the work is done.
    if (completed.includes("<Error>")) throw refusal(`Complete of ${key}`, 200, completed);
  }

  /**
   * The whole object, piece by piece. Some stores (R2, GCS) decompress an object with a Content-Encoding for
   * a client that does not accept it, and some compress one for a client that does.
   */
  async get(
    key: string,
    take: (bytes: Buffer) => void,
    acceptEncoding: "identity" | "gzip, br" = "identity",
  ): Promise<Head> {
    const headers = { ...(await this.#keys()), "accept-encoding": acceptEncoding };
    const response = await this.#send({ method: "GET", key, headers });
    for await (const chunk of response) take(chunk as Buffer);
    return headOf(response);
  }

  /** @returns null if there is none */
  async head(key: string): Promise<Head | null> {
    try {
      const { status, headers } = await this.#read({ method: "HEAD", key, headers: await this.#keys() });
      return { status, headers };
    } catch (error) {
      if (error instanceof Refusal && error.status === 404) return null;
      throw error;
    }
  }

  async remove(key: string): Promise<void> {
    await this.#text({ method: "DELETE", key });
  }

  /** All keys with this prefix. */
  async list(prefix: string): Promise<string[]> {
    const keys: string[] = [];
    for (let token: string | null = null; ;) {
      const query: Record<string, string> = { "list-type": "2", prefix, "encoding-type": "url" };
      if (token !== null) query["continuation-token"] = token;
      const answer = (xml.parse(await this.#text({ method: "GET", key: null, query })) as Listing)
        .ListBucketResult;
      const isEncoded = answer.EncodingType === "url";
      for (const { Key } of answer.Contents ?? [])
        keys.push(isEncoded ? decodeURIComponent(Key.replaceAll("+", "%20")) : Key);
      const next = answer.NextContinuationToken;
      if (answer.IsTruncated !== "true") return keys;
      if (next === undefined || next === token) throw new Error(`The list of ${prefix} has no end`);
      token = next;
    }
  }

  /**
   * The unfinished uploads of one key; some stores list them only for an exact key. @returns null if the
   * store never lists them
   */
  async uploads(key: string): Promise<string[] | null> {
    const query = { uploads: "", prefix: key, "encoding-type": "url" };
    try {
      const text = await this.#text({ method: "GET", key: null, query });
      const uploads = (xml.parse(text) as Uploads).ListMultipartUploadsResult.Upload ?? [];
      const keyOf = ({ Key }: { Key: string }) =>
        Key === key ? key : decodeURIComponent(Key.replaceAll("+", "%20"));
      return uploads.filter((upload) => keyOf(upload) === key).map(({ UploadId }) => UploadId);
    } catch (error) {
      if (error instanceof Refusal && [400, 403, 405, 501].includes(error.status)) return null;
      throw error;
    }
  }

  async abort(key: string, uploadId: string): Promise<void> {
    await this.#text({ method: "DELETE", key, query: { uploadId } });
  }

  get #isTls(): boolean {
    return this.#side.store.endpoint.startsWith("https:");
  }

  async #keys(): Promise<Headers> {
    return await customerKeyHeaders(this.#side.store.encryption);
  }

  async #text(call: Call): Promise<string> {
    return (await this.#read(call)).text;
  }

  async #read(call: Call): Promise<Head & { readonly text: string }> {
    const response = await this.#send(call);
    return { ...headOf(response), text: await textOf(response) };
  }

  /** The answer to a call that was not refused. @throws {Refusal} */
  async #send(call: Call): Promise<IncomingMessage> {
    for (let tries = 1; ; tries++) {
      this.#signal.throwIfAborted();
      try {
        const response = await this.#sendOnce(call);
        const { statusCode = 0 } = response;
        if (statusCode >= 200 && statusCode < 300) return response;
        throw refusal(`${call.method} ${call.key ?? this.#side.bucket}`, statusCode, await textOf(response));
      } catch (error) {
        this.#signal.throwIfAborted();
        if (isFinal(error) || tries === TRIES) throw error;
        await delay(250 * 2 ** tries, undefined, { signal: this.#signal });
      }
    }
  }

  async #sendOnce({ method, key, query = {}, headers: all = {}, body }: Call): Promise<IncomingMessage> {
    const { store, bucket } = this.#side;
    // Not signed, because some front ends rewrite it.
    const { "accept-encoding": acceptEncoding = "identity", ...headers } = all;
    const url = s3Url({ endpoint: store.endpoint, style: styleOf(store, bucket), bucket }, key, query);
    const signer = new AwsV4Signer({
      method,
      url,
      headers: {
        ...headers,
        "x-amz-content-sha256": createHash("sha256")
          .update(body ?? "")
          .digest("hex"),
        ...(store.requesterPays === true ? { "x-amz-request-payer": "requester" } : {}),
        ...(store.sessionToken === undefined ? {} : { "x-amz-security-token": store.sessionToken }),
      },
      accessKeyId: store.accessKeyId,
      secretAccessKey: store.secretAccessKey,
      service: "s3",
      region: store.region,
    });
    if (store.profile.signedPath === "raw") signer.encodedPath = signer.url.pathname;
    const signed = await signer.sign();
    const outgoing = {
      ...Object.fromEntries(signed.headers),
      "accept-encoding": acceptEncoding,
      "content-length": String(body?.length ?? 0),
    };
    const send = this.#isTls ? httpsRequest : httpRequest;
    return await new Promise((resolve, reject) => {
      const options = { method, headers: outgoing, agent: this.#agent, signal: this.#signal };
      const sending = send(url, options, resolve);
      sending.setTimeout(IDLE_LIMIT_MS, () =>
        sending.destroy(new Error(`the store sent nothing for ${IDLE_LIMIT_MS / 1000} s`)),
      );
      sending.on("error", reject).end(body);
    });
  }
}

interface Listing {
  readonly ListBucketResult: {
    readonly EncodingType?: string;
    readonly IsTruncated?: string;
    readonly NextContinuationToken?: string;
    readonly Contents?: readonly { readonly Key: string }[];
  };
}

interface Uploads {
  readonly ListMultipartUploadsResult: {
    readonly Upload?: readonly { readonly Key: string; readonly UploadId: string }[];
  };
}

/** Whether the store would answer the same again. */
function isFinal(error: unknown): boolean {
  return error instanceof Refusal && (error.status === 501 || (error.status < 500 && error.status !== 429));
}

function headOf({ statusCode = 0, headers }: IncomingMessage): Head {
  return { status: statusCode, headers };
}

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}

/** The store's own code and words, and nothing else from its document: some quote the access key. */
function refusal(what: string, status: number, document: string): Refusal {
  const field = (name: string) =>
    new RegExp(`<${name}>([^<]{0,200})`).exec(document.slice(0, MAX_ERROR_BYTES))?.[1] ?? "";
  return new Refusal(what, status, field("Code"), field("Message"));
}

/** Runs `work` for each item, up to a number at once. The first failure ends it. */
export async function inParallel<T>(
  width: number,
  items: Iterable<T>,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const iterator = items[Symbol.iterator]();
  const worker = async () => {
    for (let next = iterator.next(); next.done !== true; next = iterator.next()) await work(next.value);
  };
  await Promise.all(Array.from({ length: width }, worker));
}
