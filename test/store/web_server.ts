// A web server that serves files as nginx does, by RFC 9110: ranges, If-Match, If-Unmodified-Since, strong
// ETags and Last-Modified. A test changes any of its answers before it is sent, which makes it any other
// server.

import { createHash } from "node:crypto";
import { once } from "node:events";
import { type IncomingMessage, type Server, type ServerResponse, createServer } from "node:http";

interface ServedFile {
  bytes: Buffer;
  /** Null: it has none. */
  etag: string | null;
  modified: Date | null;
  headers: Readonly<Record<string, string>>;
}

interface WebRequest {
  readonly method: string;
  /** Path and query, as they came. */
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
}

/** An answer before it is sent. */
interface WebAnswer {
  status: number;
  headers: Record<string, string>;
  body: Buffer;
  /** Ends the connection after so many bytes of the body. */
  breaksAfter?: number;
  /** The body's second half waits for it. */
  until?: Promise<unknown>;
}

type Change = (answer: WebAnswer, request: WebRequest) => void;

export class WebServer {
  readonly files = new Map<string, ServedFile>();
  readonly requests: WebRequest[] = [];
  /** Called for each answer. */
  change: Change | null = null;
  /** Whether If-Match and If-Unmodified-Since count. */
  isDeaf = false;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    server.on("request", (request, response) => void this.#answer(request, response));
  }

  static async start(): Promise<WebServer> {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    return new WebServer(server);
  }

  async stop(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  get origin(): string {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("The server has no port");
    return `http://127.0.0.1:${address.port}`;
  }

  /** @param path from the root, as a URL has it */
  put(path: string, bytes: Buffer | string, changes: Partial<ServedFile> = {}): ServedFile {
    const file = {
      bytes: Buffer.from(bytes),
      etag: `"${createHash("sha1").update(bytes).digest("hex")}"`,
      modified: new Date("2026-11-01T12:00:00Z"),
      headers: { "content-type": "text/plain" },
      ...changes,
    };
    this.files.set(path, file);
    return file;
  }

  /** Back to an honest server, without files. */
  reset(): void {
    this.files.clear();
    this.requests.length = 0;
    this.change = null;
    this.isDeaf = false;
  }

  async #answer(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "", url = "", headers } = incoming;
    const request = { method, url, headers };
    this.requests.push(request);
    const answer = this.#read(request);
    this.change?.(answer, request);
    const { status, body, breaksAfter, until } = answer;
    const isSized = answer.headers["transfer-encoding"] === undefined;
    const length = isSized ? { "content-length": String(body.length) } : {};
    response.writeHead(status, { ...length, ...answer.headers });
    const half = breaksAfter ?? (until === undefined ? body.length : body.length >> 1);
    response.write(body.subarray(0, half));
    if (breaksAfter !== undefined) {
      response.destroy();
      return;
    }
    await until;
    response.end(body.subarray(half));
  }

  #read({ method, url, headers: asked }: WebRequest): WebAnswer {
    const file = this.files.get(new URL(url, this.origin).pathname);
    if (file === undefined) return page(404);
    if (method !== "GET") return page(405, { allow: "GET" });
    const { bytes, etag, modified } = file;
    const { "if-match": match, "if-unmodified-since": since } = asked;
    const isChanged =
      (match !== undefined && match !== etag) ||
      (since !== undefined && modified !== null && modified.getTime() > Date.parse(since));
    if (isChanged && !this.isDeaf) return page(412);
    const headers = {
      ...file.headers,
      "accept-ranges": "bytes",
      ...(etag === null ? {} : { etag }),
      ...(modified === null ? {} : { "last-modified": modified.toUTCString() }),
    };
    const range = /^bytes=(\d+)-(\d*)$/.exec(asked.range ?? "");
    if (range === null) return { status: 200, headers, body: bytes };
    const first = Number(range[1]);
    if (first >= bytes.length) return page(416, { "content-range": `bytes */${bytes.length}` });
    const last = range[2] === "" ? bytes.length - 1 : Math.min(Number(range[2]), bytes.length - 1);
    const told = { ...headers, "content-range": `bytes ${first}-${last}/${bytes.length}` };
    return { status: 206, headers: told, body: bytes.subarray(first, last + 1) };
  }
}

function page(status: number, headers: Record<string, string> = {}): WebAnswer {
  return {
    status,
    headers: { "content-type": "text/html", ...headers },
    body: Buffer.from(`<html><body>${status}</body></html>`),
  };
}
