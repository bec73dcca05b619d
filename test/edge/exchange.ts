// One request on its way through the edge, and its answer on the way back.
//
// Invariant: bodies stream in both directions at the pace of the slower side. When either side closes, so
// does the other.

import type { ClientRequest, IncomingMessage, ServerResponse } from "node:http";
import type { Transform } from "node:stream";
import { pipeline } from "node:stream";
import * as zlib from "node:zlib";
import { type CachedAnswer, type EdgeCache, rangeOf } from "./cache.ts";
import {
  type CacheWish,
  type EdgeError,
  type Packing,
  type RawHeaders,
  edgeErrorOf,
  headerOf,
  headersToOrigin,
  headersToWorker,
  lifetimeMs,
  packingOf,
} from "./rules.ts";

export interface Interception {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** One request as the edge has seen it. */
export interface EdgeRecord {
  readonly method: string;
  readonly url: string;
  readonly userAgent: string | undefined;
  /** As the Worker sent it. The store gets the edge's own. */
  readonly acceptEncoding: string | undefined;
  /** `eligible`: the cache may answer it. */
  readonly cache: "eligible" | "dynamic" | "bypass";
  readonly ray: string;
  /** Of the answer, from the store or the edge. */
  status: number | null;
  /** Set if the edge has answered instead of the store. */
  error: EdgeError | null;
}

/** If a SYN is not answered for this long, the answer is 522. */
const CONNECT_LIMIT_MS = 19_000;

/** A request as received. */
export interface Passage {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
  readonly method: string;
  readonly eligible: boolean;
  readonly wish: CacheWish;
  readonly record: EdgeRecord;
  /** Fires when the Worker's side has closed, finished or not. */
  readonly gone: AbortSignal;
}

/** What the edge provides to it. */
interface Surroundings {
  readonly cache: EdgeCache;
  readonly maxBodyBytes: number;
  readonly answerLimitMs: number;
  readonly packs: boolean;
  readonly now: () => number;
  /** Opens the request to the store. */
  readonly open: (headers: string[], method: string) => ClientRequest;
}

export class Exchange {
  readonly #passage: Passage;
  readonly #around: Surroundings;

  constructor(passage: Passage, around: Surroundings) {
    this.#passage = passage;
    this.#around = around;
  }

  isTooLarge(): boolean {
    const { headers } = this.#passage.request;
    return Number(headers["content-length"] ?? 0) > this.#around.maxBodyBytes;
  }

  /** Cloudflare's own answer instead of the store's. */
  refuse(error: EdgeError): void {
    this.#passage.record.error = error;
    this.#answer(error.status, {
      headers: [
        "Content-Type",
        "text/plain; charset=UTF-8",
        "Server",
        "cloudflare",
        "CF-Ray",
        this.#passage.record.ray,
      ],
      body: `error code: ${error.code}`,
    });
  }

  answerInstead({ status, headers = {}, body = "" }: Interception): void {
    this.#answer(status, { headers: Object.entries(headers).flat(), body });
  }

  #answer(status: number, { headers, body }: { headers: readonly string[]; body: string | Buffer }): void {
    const { request, response, method, record } = this.#passage;
    // The rest of the request is discarded: otherwise workerd's side of this hop hangs.
    request.unpipe();
    request.resume();
    if (response.headersSent) {
      response.destroy();
      return;
    }
    record.status = status;
    const length =
      headerOf(headers, "content-length") === undefined ? ["Content-Length", String(body.length)] : [];
    response.sendDate = false;
    response.writeHead(status, [...headers, ...length]);
    response.end(method === "HEAD" ? undefined : body);
  }

  /** @returns whether the cache had the answer */
  answerFromCache(): boolean {
    const { eligible, wish, url, request } = this.#passage;
    if (!eligible || wish.cacheForceRevalidate === true) return false;
    const found = this.#around.cache.find(url.href);
    if (found === null) return false;
    this.#answerCached(found, request.headers.range);
    return true;
  }

  #answerCached({ headers, bytes, storedAt }: CachedAnswer, rangeHeader: string | undefined): void {
    const { ray } = this.#passage.record;
    const packing = this.#packingOf(200, headers);
    const base = headersToWorker(without(headers, "content-length"), { packing, ray, cacheStatus: "HIT" });
    const age = ["Age", String(Math.floor((this.#around.now() - storedAt) / 1000))];
    if (packing.kind !== "as-is") {
      // A cached answer has one coding, and is small enough to be converted at once.
      const body =
        packing.kind === "unpack" ? unpacked(packing.coding, bytes) : packed(packing.coding, bytes);
      this.#answer(200, { headers: [...base, ...age], body });
      return;
    }
    const range = rangeOf(rangeHeader, bytes.length);
    if (range === "unsatisfiable") {
      this.#answer(416, { headers: [...base, ...age, "Content-Range", `bytes */${bytes.length}`], body: "" });
    } else if (range === null) {
      this.#answer(200, { headers: [...base, ...age, "Content-Length", String(bytes.length)], body: bytes });
    } else {
      const { start, end } = range;
      const told = [
        "Content-Range",
        `bytes ${start}-${end - 1}/${bytes.length}`,
        "Content-Length",
        String(end - start),
      ];
      this.#answer(206, { headers: [...base, ...age, ...told], body: bytes.subarray(start, end) });
    }
  }

  /** Sends it to the store and returns the store's answer. @param release releases the event's connection */
  pass(release: () => void): void {
    const { request, url, eligible, method, record, gone } = this.#passage;
    const { host } = url;
    const { ray } = record;
    const toStore = this.#around.open(
      headersToOrigin(request.rawHeaders, { eligible, host, ray }),
      eligible ? "GET" : method,
    );
    let late: NodeJS.Timeout | undefined;
    let answered = false;
    const fail = (error: EdgeError) => {
      if (answered) return;
      answered = true;
      clearTimeout(late);
      release();
      this.refuse(error);
    };
    toStore.once("finish", () => {
      late = setTimeout(() => {
        fail({ status: 524, code: 524 });
        toStore.destroy();
      }, this.#around.answerLimitMs);
      late.unref();
    });
    toStore.once("socket", (socket) => {
      if (!socket.connecting) return;
      late = setTimeout(() => toStore.destroy(noConnection()), CONNECT_LIMIT_MS);
      late.unref();
      socket.once("connect", () => clearTimeout(late));
    });
    toStore.once("response", (fromStore) => {
      answered = true;
      clearTimeout(late);
      release();
      this.#relay(fromStore, toStore);
    });
    toStore.on("error", (error) => {
      if (!gone.aborted) fail(edgeErrorOf(error));
    });
    toStore.once("close", () => {
      clearTimeout(late);
      // The answer came early: the rest of the request is read and discarded.
      request.unpipe(toStore);
      request.resume();
    });
    gone.addEventListener("abort", () => toStore.destroy(), { once: true });
    if (gone.aborted) toStore.destroy();
    this.#watchSize(toStore, fail);
    // Sends the headers of a request that has a body now: Node keeps them back until the body's first bytes,
    // and flushHeaders() sends them as UTF-8, which changes what is not ASCII.
    if (method === "PUT" || method === "POST") toStore.write(Buffer.alloc(0));
    request.pipe(toStore);
  }

  /** A body without a length has the same limit. */
  #watchSize(toStore: ClientRequest, fail: (error: EdgeError) => void): void {
    const { request } = this.#passage;
    if (request.headers["transfer-encoding"] === undefined) return;
    let sizeBytes = 0;
    request.on("data", (chunk: Buffer) => {
      sizeBytes += chunk.length;
      if (sizeBytes <= this.#around.maxBodyBytes) return;
      fail({ status: 413, code: 413 });
      toStore.destroy();
    });
  }

  #relay(fromStore: IncomingMessage, toStore: ClientRequest): void {
    const { request, response, method, eligible, url, record } = this.#passage;
    const { statusCode: status = 502, statusMessage = "", rawHeaders } = fromStore;
    const packing = this.#packingOf(status, rawHeaders);
    const lifetime = eligible ? this.#lifetimeOf(status, rawHeaders) : null;
    const cacheStatus = eligible ? (lifetime === null ? "BYPASS" : "MISS") : "DYNAMIC";
    record.status = status;
    response.sendDate = false;
    response.writeHead(
      status,
      statusMessage,
      headersToWorker(rawHeaders, { packing, ray: record.ray, cacheStatus }),
    );
    // When a HEAD was turned into a GET, only the cache needs the bytes.
    const filling = lifetime === null ? null : this.#around.cache.fill(url.href, rawHeaders, lifetime);
    if (filling !== null) fromStore.on("data", filling.take).once("end", filling.end);
    if (method === "HEAD") {
      response.end();
      if (filling === null && eligible) toStore.destroy();
      else fromStore.resume();
      return;
    }
    response.flushHeaders();
    // An empty body has no compressed form, and no codec accepts one.
    const turned = headerOf(rawHeaders, "content-length") === "0" ? null : transformOf(packing);
    const done = (error?: Error | null) => {
      if (error !== undefined && error !== null) response.destroy();
      // The answer came before the request's end: what is left of it moves nothing any more.
      else if (!request.complete) toStore.destroy();
    };
    if (turned === null) pipeline(fromStore, response, done);
    else pipeline(fromStore, turned, response, done);
  }

  #lifetimeOf(status: number, headers: RawHeaders): number | null {
    const authorized = this.#passage.request.headers.authorization !== undefined;
    return lifetimeMs(status, headers, { authorized, now: this.#around.now() });
  }

  #packingOf(status: number, headers: RawHeaders): Packing {
    const accepted = this.#passage.request.headers["accept-encoding"];
    return packingOf(status, headers, { accepted, packs: this.#around.packs });
  }
}

/** As the system reports it, after a much longer time. */
function noConnection(): Error {
  return Object.assign(new Error("no connection to the store"), { code: "ETIMEDOUT" });
}

function without(headers: RawHeaders, name: string): string[] {
  return headers.filter((_, index) => headers[index - (index % 2)]?.toLowerCase() !== name);
}

function transformOf(packing: Packing): Transform | null {
  if (packing.kind === "as-is") return null;
  return packing.kind === "unpack" ? UNPACKERS[packing.coding]() : PACKERS[packing.coding]();
}

const UNPACKERS = {
  gzip: () => zlib.createGunzip(),
  deflate: () => zlib.createInflate(),
  br: () => zlib.createBrotliDecompress(),
  zstd: () => zlib.createZstdDecompress(),
};

const PACKERS = {
  gzip: () => zlib.createGzip({ level: 1 }),
  deflate: () => zlib.createDeflate({ level: 1 }),
  br: () => zlib.createBrotliCompress({ params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 1 } }),
  zstd: () => zlib.createZstdCompress(),
};

function unpacked(coding: keyof typeof UNPACKERS, bytes: Buffer): Buffer {
  const turn = {
    gzip: zlib.gunzipSync,
    deflate: zlib.inflateSync,
    br: zlib.brotliDecompressSync,
    zstd: zlib.zstdDecompressSync,
  };
  return turn[coding](bytes);
}

function packed(coding: keyof typeof PACKERS, bytes: Buffer): Buffer {
  const turn = {
    gzip: zlib.gzipSync,
    deflate: zlib.deflateSync,
    br: zlib.brotliCompressSync,
    zstd: zlib.zstdCompressSync,
  };
  return turn[coding](bytes);
}
