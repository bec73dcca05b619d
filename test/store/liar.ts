// What stands before a store and tells something else than the store has said. It passes each request on to
// an honest store, as it came, and asks its script what to make of the answer. A lie is written to the socket
// as it is, since no HTTP library says what a liar does: two lengths, half a body, nothing at all.
//
// A lie about an honest answer finds more than noise: nearly all of it is as it should be.
//
// It is addressed as 127.0.0.2, 127.0.0.3, …, since a client remembers by its address what a store is like.

import { createServer, type IncomingMessage, request as httpRequest, type ServerResponse } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";

export interface Question {
  readonly method: string;
  readonly bucket: string;
  readonly query: URLSearchParams;
  /** `GET list`, `PUT part`, `POST complete`: what S3 calls an operation. */
  readonly operation: string;
}

export interface Said {
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Buffer;
}

/** How an answer goes out. */
export interface Told extends Said {
  /** `cut`: half of the body, then the connection breaks. `silence`: nothing, until the client leaves. */
  readonly how: "whole" | "cut" | "drip" | "nothing" | "silence";
}

/** Null: the answer goes out as it is. */
type Script = (question: Question, said: Said) => Told | null;

interface Liar {
  /** @param n from 2 to 254: the last number of its address */
  endpoint(n: number): string;
  stop(): Promise<void>;
}

export async function startLiar(port: number, script: Script): Promise<Liar> {
  const server = createServer({ keepAliveTimeout: 60_000, requestTimeout: 0 }, (request, response) => {
    response.on("error", () => undefined);
    request.on("error", () => undefined);
    pass(port, script, request, response);
  }).listen(0, "0.0.0.0");
  await once(server, "listening");
  return {
    endpoint: (n) => `http://127.0.0.${n}:${(server.address() as AddressInfo).port}`,
    stop: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

function pass(port: number, script: Script, request: IncomingMessage, response: ServerResponse): void {
  const { method = "GET", url = "/", rawHeaders } = request;
  const onward = httpRequest({ host: "127.0.0.1", port, method, path: url, setHost: false });
  for (let at = 0; at < rawHeaders.length; at += 2)
    onward.setHeader(rawHeaders[at] ?? "", rawHeaders[at + 1] ?? "");
  onward.on("error", () => response.destroy());
  response.on("close", () => onward.destroy());
  request.pipe(onward);
  onward.on("response", (answer: IncomingMessage) => {
    const chunks: Buffer[] = [];
    answer.on("error", () => response.destroy());
    answer.on("data", (chunk: Buffer) => chunks.push(chunk));
    answer.on("end", () => {
      const headers: [string, string][] = [];
      for (let at = 0; at < answer.rawHeaders.length; at += 2)
        headers.push([(answer.rawHeaders[at] ?? "").toLowerCase(), answer.rawHeaders[at + 1] ?? ""]);
      const said = { status: answer.statusCode ?? 0, headers, body: Buffer.concat(chunks) };
      const told = script(questionOf(method, url, request), said);
      if (told === null) sayTruth(said, method, response);
      else tell(told, method, response);
    });
  });
}

function sayTruth({ status, headers, body }: Said, method: string, response: ServerResponse): void {
  const kept = headers.filter(([name]) => name !== "connection" && name !== "transfer-encoding");
  const length = method === "HEAD" ? [] : ["content-length", String(body.length)];
  response.writeHead(
    status,
    [...kept.filter(([name]) => method === "HEAD" || name !== "content-length"), []].flat().concat(length),
  );
  response.end(method === "HEAD" ? undefined : body);
}

const DRIP_MS = 20;
const DRIPS = 25;

function tell({ status, headers, body, how }: Told, method: string, response: ServerResponse): void {
  const { socket } = response;
  if (socket === null || how === "silence") return;
  if (how === "nothing") return void socket.destroy();
  const hasLength = headers.some(([name]) => name === "content-length" || name === "transfer-encoding");
  const lines = headers.filter(([name]) => name !== "connection").map(([name, value]) => `${name}: ${value}`);
  if (!hasLength) lines.push(`content-length: ${body.length}`);
  const head = Buffer.from(
    `HTTP/1.1 ${status} Told\r\n${lines.join("\r\n")}\r\nconnection: close\r\n\r\n`,
    "latin1",
  );
  const rest = method === "HEAD" ? Buffer.alloc(0) : body;
  socket.on("error", () => undefined);
  if (how === "whole") return void socket.end(Buffer.concat([head, rest]));
  socket.write(Buffer.concat([head, rest.subarray(0, rest.length / 2)]));
  if (how === "cut") return void setTimeout(() => socket.destroy(), DRIP_MS);
  let left = rest.subarray(rest.length / 2);
  const timer = setInterval(() => {
    const piece = Math.ceil(rest.length / 2 / DRIPS);
    socket.write(left.subarray(0, piece));
    left = left.subarray(piece);
    if (left.length > 0 && !socket.destroyed) return;
    clearInterval(timer);
    socket.end();
  }, DRIP_MS);
}

function questionOf(method: string, url: string, { headers }: IncomingMessage): Question {
  const { pathname, searchParams: query } = new URL(url, "http://liar");
  const [, bucket = "", ...key] = pathname.split("/");
  const of = (): string => {
    if (query.has("uploads")) return method === "POST" ? "create" : "uploads";
    if (query.has("uploadId")) return OF_UPLOAD[method] ?? "upload";
    if (query.has("tagging")) return "tagging";
    if (query.has("delete")) return "deletes";
    if (query.has("attributes")) return "attributes";
    if (key.join("/") === "") return "list";
    return headers["x-amz-copy-source"] === undefined ? "object" : "copy";
  };
  const copies = query.has("uploadId") && headers["x-amz-copy-source"] !== undefined;
  return { method, bucket, query, operation: `${method} ${copies ? "part copy" : of()}` };
}

const OF_UPLOAD: Readonly<Record<string, string>> = { PUT: "part", POST: "complete", GET: "parts" };
