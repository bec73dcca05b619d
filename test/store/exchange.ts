/**
 * One request and its answer: reading the body with everything S3 checks about it, and sending answers under
 * the request's faults.
 *
 * The body is pushed through as it arrives: aws-chunked framing off, hashes on, sink last; nothing larger
 * than a socket read is held. Backpressure is the socket's own: sinks are synchronous, and answers wait for
 * the drain. Once a body has been read, the work is done even if the client has gone, as on a real store.
 * Operations use only this class; they never touch Node's request or response.
 */
import { createHash, randomBytes, type Hash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import {
  bodySize,
  isReadable,
  memorySink,
  readBody,
  releaseBody,
  retainBody,
  sliceBody,
  type Body,
  type Sink,
} from "./bodies.ts";
import { checksumAlgorithm, checksumAlgorithms, startChecksum, type ChecksumAlgorithm } from "./checksums.ts";
import { AwsChunkedDecoder } from "./chunked.ts";
import { ExchangeEnded, messageOf, statusOf, StoreError } from "./errors.ts";
import { type EffectOf, type FaultPlan, type Stage, FaultAnswer } from "./faults.ts";
import type { Journal, RequestRecord } from "./journal.ts";
import type { ResolvedOptions } from "./options.ts";
import { pacerFor, sleep } from "./pacing.ts";
import type { Verified } from "./sigv4.ts";
import { errorDocument } from "./xml.ts";

/** What is known about a body once it has been read and found good. */
interface Received {
  readonly body: Body;
  readonly size: number;
  /** Undefined when neither the ETag style nor the client asked for it. */
  readonly md5: Buffer | undefined;
  readonly checksum: { readonly algorithm: ChecksumAlgorithm; readonly digest: Buffer } | undefined;
}

interface ReceiveWishes {
  readonly md5: boolean;
  /** Compute this checksum when the client sends none. */
  readonly checksum?: ChecksumAlgorithm | undefined;
  /** "object": checksum headers speak of the finished object, not of this body, as with Complete. */
  readonly declared?: "body" | "object";
  /** Last check before the bytes are kept, e.g. of write conditions; refuses by throwing. */
  readonly judge?: () => void;
}

export type Headers = Readonly<Record<string, string | number | undefined>>;

interface ExchangeParts {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly record: RequestRecord;
  readonly journal: Journal;
  readonly options: ResolvedOptions;
  readonly faults: FaultPlan;
  readonly verified: Verified;
  /** Whether the client waits for `100 Continue` before it sends the body. */
  readonly expectsContinue: boolean;
}

export class Exchange {
  readonly record: RequestRecord;
  readonly options: ResolvedOptions;
  readonly faults: FaultPlan;
  readonly query: ReadonlyMap<string, string>;
  readonly #parts: ExchangeParts;

  constructor(parts: ExchangeParts) {
    this.#parts = parts;
    this.record = parts.record;
    this.options = parts.options;
    this.faults = parts.faults;
    this.query = parts.record.query;
  }

  header(name: string): string | undefined {
    if (this.options.forgets.some((beginning) => name.startsWith(beginning))) return undefined;
    const value = this.#parts.request.headers[name];
    return Array.isArray(value) ? value.join(",") : value;
  }

  headerNames(): readonly string[] {
    return Object.keys(this.#parts.request.headers);
  }

  /** The bucket of the request; only called where routing has made sure of it. */
  get bucket(): string {
    return this.record.bucket ?? "";
  }

  get key(): string {
    return this.record.key ?? "";
  }

  /**
   * Lets the faults of a stage act.
   * @throws FaultAnswer or ExchangeEnded when the operation must not go on.
   */
  async stage(stage: Stage): Promise<void> {
    for (const effect of this.faults.at(stage)) {
      switch (effect.kind) {
        case "delay":
          await sleep(effect.milliseconds);
          break;
        case "hold":
          await effect.gate.pass(this.record);
          break;
        case "run":
          await effect.action(this.record);
          break;
        case "drop":
          this.#parts.response.destroy();
          throw new ExchangeEnded("connection dropped by a fault");
        case "answer":
          throw new FaultAnswer(effect);
      }
    }
  }

  /** Notes that what was asked is done, whatever becomes of the answer. */
  worked(): void {
    this.record.workedAt = performance.now();
  }

  /** Declared length of the payload, or undefined when the client did not say. */
  payloadLength(): number | undefined {
    const decoded = this.header("x-amz-decoded-content-length");
    const length =
      this.#parts.verified.payload.kind === "streaming" ? decoded : this.header("content-length");
    return length === undefined ? undefined : Number(length);
  }

  /** @throws StoreError when the body has no length S3 would take. */
  requireLength(): number | undefined {
    const chunked = this.header("transfer-encoding") !== undefined;
    const length = this.payloadLength();
    if (chunked && this.options.chunkedBodies === "501") {
      throw new StoreError(
        "NotImplemented",
        "A header you provided implies functionality that is not implemented",
        {
          elements: { Header: "Transfer-Encoding" },
        },
      );
    }
    if (length !== undefined) return length;
    if (chunked && this.options.chunkedBodies === "accept") return undefined;
    throw new StoreError("MissingContentLength");
  }

  /**
   * Reads the body into a sink and checks it against everything the client said about it.
   * @param openSink called once checks on the headers have passed.
   * @throws StoreError for a bad digest, signature or length; the sink is discarded then.
   */
  async receive(openSink: () => Sink, wishes: ReceiveWishes): Promise<Received> {
    const { payload, chain } = this.#parts.verified;
    const isChecked = this.options.contentMd5 === "honoured";
    const expectedMd5 = isChecked ? digestHeader(this.header("content-md5"), 16) : undefined;
    const declared = wishes.declared === "object" ? undefined : this.#declaredChecksum();
    const algorithm = declared?.algorithm ?? wishes.checksum;
    const md5 = wishes.md5 || expectedMd5 !== undefined ? createHash("md5") : undefined;
    const sha256 = payload.kind === "sha256" ? createHash("sha256") : undefined;
    const checksum = algorithm === undefined ? undefined : startChecksum(algorithm);
    const hashes: Hash[] = [md5, sha256].filter((hash) => hash !== undefined);
    const flips = this.faults.all("flip").filter((flip) => flip.direction === "in");

    const sink = openSink();
    let size = 0;
    const take = (chunk: Buffer) => {
      const piece = flipBytes(chunk, size, flips);
      size += piece.length;
      for (const hash of hashes) hash.update(piece);
      checksum?.update(piece);
      sink.write(piece);
    };
    try {
      const decoder =
        payload.kind === "streaming"
          ? new AwsChunkedDecoder(payload.signed ? chain : undefined, payload.trailer, take)
          : undefined;
      await this.#pump(decoder === undefined ? take : (chunk) => decoder.push(chunk));
      decoder?.finish(this.payloadLength() ?? 0);
      if (payload.kind === "sha256" && flips.length === 0 && sha256?.digest("hex") !== payload.hex) {
        throw new StoreError("XAmzContentSHA256Mismatch");
      }
      const digest = md5?.digest();
      if (expectedMd5 !== undefined && digest?.equals(expectedMd5) !== true)
        throw new StoreError("BadDigest");
      const value = checksum?.digest();
      const expected = declared?.value ?? decoder?.trailers.get(`x-amz-checksum-${algorithm?.toLowerCase()}`);
      if (declared !== undefined && expected !== value?.toString("base64")) {
        throw new StoreError(
          "BadDigest",
          `The ${declared.algorithm} you specified did not match the calculated checksum.`,
        );
      }
      await this.stage("before-work");
      wishes.judge?.();
      return {
        body: sink.finish(),
        size,
        md5: digest,
        checksum: algorithm === undefined || value === undefined ? undefined : { algorithm, digest: value },
      };
    } catch (error) {
      sink.discard();
      throw error;
    }
  }

  /** Reads a small body as text. @throws StoreError when it is larger than the store takes. */
  async receiveText(declared: "body" | "object" = "body"): Promise<string> {
    const length = this.payloadLength() ?? 0;
    if (length > this.options.maxXmlBytes) throw new StoreError("EntityTooLarge");
    const { body } = await this.receive(memorySink, { md5: false, declared });
    return Buffer.concat([...readBody(body)]).toString();
  }

  /** Whether the client gave any digest of the body, as DeleteObjects and PutObjectTagging demand. */
  hasDigest(): boolean {
    return this.header("content-md5") !== undefined || this.#declaredChecksum() !== undefined;
  }

  #declaredChecksum(): { algorithm: ChecksumAlgorithm; value: string | undefined } | undefined {
    const named = checksumAlgorithms
      .map((algorithm) => ({ algorithm, value: this.header(`x-amz-checksum-${algorithm.toLowerCase()}`) }))
      .filter(({ value }) => value !== undefined);
    const trailer = /^x-amz-checksum-(\w+)$/.exec(this.header("x-amz-trailer") ?? "")?.[1];
    const first = named[0];
    if (this.options.without.includes("checksums") && (first !== undefined || trailer !== undefined)) {
      throw new StoreError("NotImplemented", undefined, { elements: { Header: "x-amz-checksum" } });
    }
    if (named.length + (trailer === undefined ? 0 : 1) > 1) {
      throw new StoreError(
        "InvalidRequest",
        "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
      );
    }
    if (first?.value !== undefined) {
      const digestBytes = { CRC32: 4, CRC32C: 4, CRC64NVME: 8, SHA1: 20, SHA256: 32 }[first.algorithm];
      if (Buffer.from(first.value, "base64").length !== digestBytes) {
        throw new StoreError(
          "InvalidRequest",
          `Value for x-amz-checksum-${first.algorithm.toLowerCase()} header is invalid.`,
        );
      }
      return first;
    }
    if (trailer === undefined) return undefined;
    const algorithm = checksumAlgorithm(trailer);
    if (algorithm === undefined)
      throw new StoreError(
        "InvalidRequest",
        "The value specified in the x-amz-trailer header is not supported",
      );
    return { algorithm, value: undefined };
  }

  async #pump(take: (chunk: Buffer) => void): Promise<void> {
    const { request, response, record, expectsContinue } = this.#parts;
    if (expectsContinue) response.writeContinue();
    const stall = this.faults.all("stall").find((effect) => effect.direction === "in");
    const throttles = this.faults.all("throttle").filter((effect) => effect.direction === "in");
    const pacers = throttles.map((throttle) => pacerFor(request.socket, "in", throttle.bytesPerSecond));
    // The client may have gone while a fault held the request: no event would come any more.
    if (request.destroyed && !request.complete) throw new ExchangeEnded("client went away before sending");
    const passages = this.faults.passages("in");
    const length = this.payloadLength() ?? 0;
    await new Promise<void>((resolve, reject) => {
      const onData = (chunk: Buffer) => {
        record.bytesReceived += chunk.length;
        try {
          take(chunk);
        } catch (error) {
          request.off("data", onData);
          request.resume();
          reject(error instanceof Error ? error : new Error(String(error)));
          return;
        }
        if (stall !== undefined && record.bytesReceived >= stall.afterBytes) {
          request.pause();
          return;
        }
        const passage = passages.next(record.bytesReceived, length);
        if (passage !== undefined) {
          request.pause();
          void this.#act(passage).then(() => request.resume(), reject);
          return;
        }
        const wait = Math.max(0, ...pacers.map((pacer) => pacer.account(chunk.length)));
        if (wait > 0) {
          request.pause();
          void sleep(wait).then(() => request.resume());
        }
      };
      request.on("data", onData);
      request.once("end", resolve);
      request.once("close", () => {
        if (!request.complete) reject(new ExchangeEnded("client went away while sending"));
      });
      if (stall?.afterBytes === 0) request.pause();
    });
  }

  /** @throws ExchangeEnded when the passage cuts the connection. */
  async #act({ action, after }: EffectOf<"during">): Promise<void> {
    await action(this.record);
    if (after === "go-on") return;
    this.#parts.response.destroy();
    throw new ExchangeEnded("connection cut in mid-body by a fault");
  }

  /** Answers with a small body, or none. The stage "before-answer" comes first. */
  async answer(status: number, headers: Headers = {}, body?: string | Buffer): Promise<void> {
    await this.stage("before-answer");
    this.send(status, headers, body);
  }

  /** Answers 200 with an XML document. */
  async answerXml(xml: string, headers: Headers = {}): Promise<void> {
    const empty = this.faults.first("empty-result") !== undefined;
    await this.answer(200, { "Content-Type": "application/xml", ...headers }, empty ? "" : xml);
  }

  /** Answers at once, past every stage. */
  send(status: number, headers: Headers, body?: string | Buffer, close = false): void {
    const { response, record, journal } = this.#parts;
    if (response.destroyed || response.headersSent) return;
    const bytes = typeof body === "string" ? Buffer.from(body) : (body ?? Buffer.alloc(0));
    const bodiless = record.method === "HEAD" || status === 204 || status === 304;
    this.#writeHead(status, bodiless ? headers : { "Content-Length": bytes.length, ...headers }, close);
    record.bytesSent += bodiless ? 0 : bytes.length;
    // A body that fits the socket buffers is as good as read. Closing the record first keeps the counters
    // ahead of any reaction to this answer.
    if (bodiless || bytes.length <= 64 * 1024) journal.finish(record, "answered");
    response.end(bodiless ? undefined : bytes);
  }

  #writeHead(status: number, headers: Headers, close: boolean): void {
    const { response, record } = this.#parts;
    record.status = status;
    const lines: string[] = [];
    const changed = new Map(
      this.faults.all("header").map((effect) => [effect.name.toLowerCase(), effect.value]),
    );
    const all: Headers = {
      "x-amz-request-id": requestId(),
      "x-amz-id-2": "test-store",
      Date: new Date(this.options.clock()).toUTCString(),
      Server: "TestStore",
      ...(close ? { Connection: "close" } : {}),
      ...headers,
    };
    const bareEtag = this.options.etagQuotes === "unquoted-headers";
    for (const [name, value] of Object.entries(all)) {
      if (value === undefined || changed.has(name.toLowerCase())) continue;
      const text = bareEtag && name === "ETag" ? String(value).replaceAll('"', "") : String(value);
      // First, because Node changes its bytes once it has seen a length.
      if (name.toLowerCase() === "content-disposition") lines.unshift(name, text);
      else lines.push(name, text);
    }
    for (const [name, value] of changed) if (value !== undefined) lines.push(name, value);
    response.writeHead(status, lines);
  }

  /** Answers with the error of a fault. */
  sendFault(effect: EffectOf<"answer">): void {
    const status = effect.status ?? statusOf(effect.code ?? "") ?? 500;
    const code = effect.code ?? "InternalError";
    this.record.errorCode = effect.code;
    const xml =
      effect.body ??
      errorDocument({ Code: code, Message: effect.message ?? messageOf(code), RequestId: requestId() });
    const type = effect.contentType ?? "application/xml";
    this.send(status, { "Content-Type": type, ...effect.headers }, xml, effect.close ?? false);
  }

  /** Sends 200 and bytes in order, then ends or breaks the connection: an answer that starts early. */
  sendInPieces(pieces: readonly string[], end: "end" | "break"): void {
    const { response, record, journal } = this.#parts;
    this.#writeHead(200, { "Content-Type": "application/xml" }, false);
    for (const piece of pieces) {
      record.bytesSent += piece.length;
      response.write(piece);
    }
    if (end === "end") {
      journal.finish(record, "answered");
      response.end();
    } else {
      // Only after the pieces have left: destroying a socket throws away what it still holds.
      response.write("", () => response.destroy());
    }
  }

  /**
   * Answers with object bytes, applying every fault that concerns a body on its way out.
   * @param body already cut to the range that is to be sent.
   */
  async answerBody(status: number, headers: Headers, body: Body): Promise<void> {
    await this.stage("before-answer");
    const { response, record, journal, request } = this.#parts;
    if (!isReadable(body))
      throw new StoreError("NotImplemented", "The bytes of this object were counted and discarded");
    const size = bodySize(body);
    const truncate = this.faults.first("truncate");
    const oversize = this.faults.first("oversize");
    const kept = truncate === undefined ? size : Math.max(0, size - truncate.missingBytes);
    const chunked = truncate?.how === "clean" || oversize !== undefined;
    this.#writeHead(status, chunked ? headers : { "Content-Length": size, ...headers }, false);
    const flips = this.faults.all("flip").filter((flip) => flip.direction === "out");
    const stall = this.faults.all("stall").find((effect) => effect.direction === "out");
    const throttles = this.faults.all("throttle").filter((effect) => effect.direction === "out");
    const pacers = throttles.map((effect) => pacerFor(request.socket, "out", effect.bytesPerSecond));
    const passages = this.faults.passages("out");
    const sent = stall === undefined ? kept : Math.min(kept, stall.afterBytes);
    const source = sliceBody(body, 0, sent);
    retainBody(source);
    try {
      const pieces = throttles.map(
        ({ bytesPerSecond, piecesPerSecond = 20 }) => bytesPerSecond / piecesPerSecond,
      );
      const limit = Math.max(1, Math.ceil(Math.min(...pieces)));
      for (const whole of readBody(source)) {
        for (let position = 0; position < whole.length; position += limit) {
          const chunk = flipBytes(whole.subarray(position, position + limit), record.bytesSent, flips);
          record.bytesSent += chunk.length;
          if (!response.write(chunk)) await drained(response);
          if (response.destroyed) throw new ExchangeEnded("client went away while reading");
          const passage = passages.next(record.bytesSent, size);
          if (passage !== undefined) await this.#act(passage);
          const wait = Math.max(0, ...pacers.map((pacer) => pacer.account(chunk.length)));
          if (wait > 0) await sleep(wait);
        }
      }
    } finally {
      releaseBody(source);
    }
    // A stalled answer stays open until the client gives up.
    if (stall !== undefined && sent < size) return;
    if (oversize !== undefined) response.write(Buffer.alloc(oversize.extraBytes, 0x2e));
    if (truncate?.how === "cut") {
      response.write("", () => response.destroy());
      return;
    }
    response.end(() => journal.finish(record, "answered"));
  }
}

const requestIdBase = randomBytes(4).toString("hex").toUpperCase();
let requestIds = 0;

function requestId(): string {
  return requestIdBase + (++requestIds).toString(16).toUpperCase().padStart(8, "0");
}

/** @throws StoreError InvalidDigest unless `value` is base64 of exactly `length` bytes. */
function digestHeader(value: string | undefined, length: number): Buffer | undefined {
  if (value === undefined) return undefined;
  const bytes = Buffer.from(value, "base64");
  if (bytes.length !== length || bytes.toString("base64") !== value.trim())
    throw new StoreError("InvalidDigest");
  return bytes;
}

function flipBytes(chunk: Buffer, offset: number, flips: readonly EffectOf<"flip">[]): Buffer {
  let result = chunk;
  for (const { at } of flips) {
    const index = at - offset;
    if (index < 0 || index >= chunk.length) continue;
    // A copy, because chunks are views of shared memory.
    if (result === chunk) result = Buffer.from(chunk);
    result[index] = ~(result[index] ?? 0) & 255;
  }
  return result;
}

async function drained(response: ServerResponse): Promise<void> {
  if (response.destroyed) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const done = () => {
    response.off("drain", done);
    response.off("close", done);
    resolve();
  };
  response.on("drain", done);
  response.on("close", done);
  await promise;
}
