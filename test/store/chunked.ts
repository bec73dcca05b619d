/**
 * Decoder of aws-chunked bodies (`STREAMING-*` payloads), which SDKs send when they sign or checksum as they
 * stream.
 *
 * Push-driven and without buffering of data: payload bytes are handed on as views of the received chunk. A
 * signed body has each chunk's signature checked against the chain that starts with the request's own
 * signature. Trailers are collected, not judged: the caller compares the checksum they carry.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
 */
import { createHash, createHmac, type Hash } from "node:crypto";
import { StoreError } from "./errors.ts";
import type { SignatureChain } from "./sigv4.ts";

const emptyHash = createHash("sha256").digest("hex");
const maximumLineBytes = 16 * 1024;

type State =
  | { kind: "size" }
  | { kind: "data"; left: number; signature: string; hash: Hash | undefined }
  | { kind: "data-end"; signature: string; hash: Hash | undefined }
  | { kind: "trailer" }
  | { kind: "end" };

export class AwsChunkedDecoder {
  readonly trailers = new Map<string, string>();
  /** Undefined for an unsigned body. */
  readonly #chain: SignatureChain | undefined;
  readonly #hasTrailer: boolean;
  readonly #emit: (piece: Buffer) => void;
  #previous: string;
  #state: State = { kind: "size" };
  #line = "";
  #decoded = 0;

  constructor(chain: SignatureChain | undefined, hasTrailer: boolean, emit: (piece: Buffer) => void) {
    this.#chain = chain;
    this.#hasTrailer = hasTrailer;
    this.#emit = emit;
    this.#previous = chain?.signature ?? "";
  }

  /** Takes the next bytes of the body. @throws StoreError when framing or a signature is wrong. */
  push(chunk: Buffer): void {
    let position = 0;
    while (position < chunk.length) {
      if (this.#state.kind === "data") {
        const piece = chunk.subarray(position, position + this.#state.left);
        position += piece.length;
        this.#decoded += piece.length;
        this.#state.hash?.update(piece);
        this.#state.left -= piece.length;
        this.#emit(piece);
        if (this.#state.left === 0) this.#state = { ...this.#state, kind: "data-end" };
        continue;
      }
      const newline = chunk.indexOf(0x0a, position);
      const end = newline < 0 ? chunk.length : newline + 1;
      this.#line += chunk.toString("latin1", position, end);
      position = end;
      if (this.#line.length > maximumLineBytes) throw new StoreError("IncompleteBody");
      if (newline < 0) return;
      const line = this.#line.replace(/\r?\n$/, "");
      this.#line = "";
      this.#takeLine(line);
    }
  }

  /** Ends the body. @throws StoreError when it stopped short or its length is not `decodedLength`. */
  finish(decodedLength: number): void {
    if (this.#state.kind !== "end" || this.#decoded !== decodedLength) throw new StoreError("IncompleteBody");
  }

  #takeLine(line: string): void {
    switch (this.#state.kind) {
      case "size": {
        const [size = "", ...extensions] = line.split(";");
        if (!/^[0-9a-fA-F]+$/.test(size)) throw new StoreError("IncompleteBody");
        const signature = extensions.find((text) => text.startsWith("chunk-signature="))?.slice(16) ?? "";
        const left = Number.parseInt(size, 16);
        const hash = this.#chain === undefined ? undefined : createHash("sha256");
        if (left > 0) {
          this.#state = { kind: "data", left, signature, hash };
        } else {
          this.#checkSignature(signature, hash);
          this.#state = { kind: "trailer" };
        }
        return;
      }
      case "data-end":
        if (line !== "") throw new StoreError("IncompleteBody");
        this.#checkSignature(this.#state.signature, this.#state.hash);
        this.#state = { kind: "size" };
        return;
      case "trailer": {
        if (line === "") {
          this.#state = { kind: "end" };
          return;
        }
        const colon = line.indexOf(":");
        if (colon < 0 || !this.#hasTrailer) throw new StoreError("MalformedTrailerError");
        const name = line.slice(0, colon).trim().toLowerCase();
        const value = line.slice(colon + 1).trim();
        if (name === "x-amz-trailer-signature") this.#checkTrailerSignature(value);
        else this.trailers.set(name, value);
        return;
      }
      case "data":
      case "end":
        throw new StoreError("IncompleteBody");
    }
  }

  #checkSignature(given: string, hash: Hash | undefined): void {
    if (this.#chain === undefined) return;
    const payload = hash === undefined ? emptyHash : hash.digest("hex");
    const lines = [
      "AWS4-HMAC-SHA256-PAYLOAD",
      this.#chain.date,
      this.#chain.scope,
      this.#previous,
      emptyHash,
      payload,
    ];
    this.#advance(lines, given);
  }

  #checkTrailerSignature(given: string): void {
    if (this.#chain === undefined) return;
    const text = [...this.trailers].map(([name, value]) => `${name}:${value}\n`).join("");
    const hash = createHash("sha256").update(text).digest("hex");
    this.#advance(
      ["AWS4-HMAC-SHA256-TRAILER", this.#chain.date, this.#chain.scope, this.#previous, hash],
      given,
    );
  }

  #advance(lines: readonly string[], given: string): void {
    if (this.#chain === undefined) return;
    const expected = createHmac("sha256", this.#chain.signingKey).update(lines.join("\n")).digest("hex");
    if (expected !== given) throw new StoreError("SignatureDoesNotMatch");
    this.#previous = expected;
  }
}
