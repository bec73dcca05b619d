// A stand-in for Cloudflare's network between a Worker and the stores: a loopback has none of what stands
// there when the mesh is deployed, so all that the workerd under test fetches goes through this proxy. It
// streams; nothing but what its cache keeps is held.
//
// What it does, and how that is known (2026-11; documented: Cloudflare's documentation at
// developers.cloudflare.com, source: workerd's; reported: by somebody who met it in production):
//
// - Cache. A GET or HEAD of one of the default extensions is answered by the cache, and the store is asked
//   for the whole object by GET, without Range and If-*, unless the Worker says `cache: "no-store"`, which
//   workerd turns into `cacheLevel: bypass`. Documented (workers/reference/how-the-cache-works,
//   cache/concepts/default-cache-behavior, cache/concepts/cache-behavior; changelog 2024-11-11), source
//   (http.c++), reported (developmentseed/multistore#95, 2026-06; backblaze-b2-samples/cloudflare-b2#15 and
//   #28, 2024 and 2025). What may be kept, and how long: documented (cache/concepts/cache-control, Origin
//   Cache Control; cache/how-to/configure-cache-status-code). A range is cut only out of what is in the
//   cache; an answer on its way into it comes whole. Documented (cache/reference/range-requests, 2026-09:
//   "ignores Range … 200"), reported (cloudflare-b2 index.js retries it).
// - A zone's cache. For a host behind Cloudflare's own proxy `no-store` is a header for the origin, and the
//   zone's cache decides. Documented (workers/runtime-apis/fetch; cloudflare-docs#17926). Only for the hosts
//   of `caching`.
// - Content-Encoding. The store is asked for gzip and br whatever the Worker has said. What a Worker does not
//   accept is unpacked, without Content-Length, under a weak ETag; a 206 is not. Documented
//   (cache/reference/etag-headers, range-requests), reported (rclone#8137, 2024-10; #8531, 2025-05).
// - Packing. A host behind Cloudflare's own proxy packs text for whoever accepts it, without Content-Length.
//   Documented (speed/optimization/content/compression), reported of R2 (rclone#8137; async-aws#2077,
//   2026-04). Only for the hosts of `packing`.
// - Bodies above 100 MB: 413. Documented for zones of the Free and Pro plans (workers/platform/limits),
//   reported for Workers' own requests (gargantuan-takeout-rocket#7, 2023-02); the number for Durable Objects
//   is not known.
// - A store that cannot be reached, resets or does not answer: 520 to 526 and 530 as answers. Documented
//   (support/troubleshooting/http-status-codes/cloudflare-5xx-errors), reported of streamed PUTs
//   (data.source.coop#206, 2026-07). What breaks after the headers breaks the body, as without an edge.
// - An address as host: 403, error 1003. Reported (workers-docs#981, 2020; reflare#408, 2022). Off, since
//   every test store is one, until `refusesAddresses`.
// - Six requests of one top-level event wait for their headers, the seventh is queued. Documented
//   (workers/platform/limits; changelog 2026-04-09). The event is read off our User-Agent.
// - CF-Ray and CF-Cache-Status on every answer. Documented (fundamentals/reference/cloudflare-ray-id).
//
// What it does not do: TLS towards the Worker, HTTP/2, rate limits, Origin Range Requests, placement, error
// pages, the memory of an isolate. An alarm's fifteen minutes are alarm_clock.ts's.

import { once } from "node:events";
import {
  Agent,
  type IncomingMessage,
  type RequestOptions,
  type Server,
  type ServerResponse,
  createServer,
  request as httpRequest,
} from "node:http";
import { Agent as TlsAgent, request as httpsRequest } from "node:https";
import { EdgeCache } from "./cache.ts";
import { ANSWERED, CONNECTIONS_PER_EVENT, Connections } from "./connections.ts";
import { type EdgeRecord, type Interception, type Passage, Exchange } from "./exchange.ts";
import { CF_HEADER, type CacheWish, eventOf, isAddress, isEligible } from "./rules.ts";

export interface EdgeOptions {
  /**
   * Where a host is that no resolver knows, as `name:port` of a loopback server. Null: where its name says.
   */
  readonly resolve?: (host: string) => string | null;
  /** Answers in a store's place. @returns null: the store answers */
  readonly intercept?: (url: URL, request: IncomingMessage) => Interception | null;
  /**
   * The server that is meant by requests for the edge itself: it stands in front of one, as a reverse proxy
   * does.
   */
  readonly inFrontOf?: URL;
  /** Hosts (`name:port`) behind Cloudflare's own proxy, which packs text on the fly. */
  readonly packing?: (host: string) => boolean;
  /** Hosts behind a zone of their own on Cloudflare, whose cache decides whatever the Worker says. */
  readonly caching?: (host: string) => boolean;
  readonly refusesAddresses?: boolean;
  readonly maxBodyBytes?: number;
  /** How long a store may take to answer once it has the whole request. */
  readonly answerLimitMs?: number;
  readonly connectionsPerEvent?: number;
  /** The clock of the cache. */
  readonly now?: () => number;
}

const MAX_BODY_BYTES = 100_000_000;
const ANSWER_LIMIT_MS = 100_000;
/** Request and response headers together, by Workers' limits. */
const MAX_HEADER_BYTES = 128 * 1024;
/** Older records are forgotten. */
const MOST_RECORDS = 10_000;

export class Edge {
  readonly port: number;
  readonly #options: EdgeOptions;
  readonly #server: Server;
  readonly #cache: EdgeCache;
  readonly #connections: Connections;
  readonly #agents = {
    "http:": new Agent({ keepAlive: true, maxSockets: Infinity }),
    "https:": new TlsAgent({ keepAlive: true, maxSockets: Infinity }),
  };
  #records: EdgeRecord[] = [];
  #rays = 0;

  private constructor(server: Server, port: number, options: EdgeOptions) {
    this.port = port;
    this.#options = options;
    this.#server = server;
    this.#cache = new EdgeCache(options.now ?? Date.now);
    this.#connections = new Connections(options.connectionsPerEvent ?? CONNECTIONS_PER_EVENT);
    server.on("request", (request, response) => void this.#handle(request, response));
  }

  static async start(options: EdgeOptions = {}): Promise<Edge> {
    const server = createServer({
      maxHeaderSize: MAX_HEADER_BYTES,
      requestTimeout: 0,
      keepAliveTimeout: 0,
      requireHostHeader: false,
      noDelay: true,
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("The edge has no port");
    return new Edge(server, address.port, options);
  }

  /** Cuts every connection, on both sides. */
  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    for (const agent of Object.values(this.#agents)) agent.destroy();
    await closed;
  }

  /** Base URL of what it stands in front of (`inFrontOf`). */
  get url(): URL {
    return new URL(`http://127.0.0.1:${this.port}`);
  }

  /** What has passed, in the order of arrival. */
  get records(): readonly EdgeRecord[] {
    return this.#records;
  }

  /** Events that have wanted a seventh connection, and how often. */
  get waited(): ReadonlyMap<string, number> {
    return this.#connections.waited;
  }

  /** Those of them whose six others were not given up meanwhile. */
  get crowded(): readonly string[] {
    return this.#connections.crowded();
  }

  forget(): void {
    this.#records = [];
    this.#connections.forget();
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const ray = `${(++this.#rays).toString(16).padStart(16, "0")}-TST`;
    const url = this.#urlOf(request);
    const method = request.method ?? "GET";
    const wish = this.#options.caching?.(url.host) === true ? {} : wishOf(request);
    const eligible = isEligible(method, url.pathname, wish);
    const record: EdgeRecord = {
      method,
      url: url.href,
      userAgent: request.headers["user-agent"],
      acceptEncoding: request.headers["accept-encoding"],
      cache: eligible ? "eligible" : wish.cacheLevel === "bypass" ? "bypass" : "dynamic",
      ray,
      status: null,
      error: null,
    };
    this.#records.push(record);
    if (this.#records.length > MOST_RECORDS) this.#records.shift();
    const gone = new AbortController();
    response.once("close", () => gone.abort(response.writableFinished ? ANSWERED : undefined));
    // A write to a Worker that has gone is its own doing; "close" tells the rest.
    response.on("error", () => undefined);
    request.on("error", () => undefined);
    const passage: Passage = { request, response, url, method, eligible, wish, record, gone: gone.signal };
    const exchange = new Exchange(passage, {
      cache: this.#cache,
      maxBodyBytes: this.#options.maxBodyBytes ?? MAX_BODY_BYTES,
      answerLimitMs: this.#options.answerLimitMs ?? ANSWER_LIMIT_MS,
      packs: this.#options.packing?.(url.host) ?? url.hostname.endsWith(".r2.cloudflarestorage.com"),
      now: this.#options.now ?? Date.now,
      open: (headers, asMethod) => this.#open(url, request, asMethod, headers),
    });
    const instead = this.#options.intercept?.(url, request) ?? null;
    if (instead !== null) return exchange.answerInstead(instead);
    if (this.#options.refusesAddresses === true && isAddress(url.hostname))
      return exchange.refuse({ status: 403, code: 1003 });
    if (exchange.isTooLarge()) return exchange.refuse({ status: 413, code: 413 });
    if (exchange.answerFromCache()) return;
    const release = await this.#connections.take(eventOf(record.userAgent), gone.signal);
    if (release === null) return;
    gone.signal.addEventListener("abort", release, { once: true });
    exchange.pass(release);
  }

  /** The absolute URL that workerd names, or the path of what we stand in front of. */
  #urlOf(request: IncomingMessage): URL {
    const target = request.url ?? "/";
    const base = `http://${request.headers.host ?? `127.0.0.1:${this.port}`}`;
    return URL.canParse(target) ? new URL(target) : new URL(base + target);
  }

  #open(url: URL, request: IncomingMessage, method: string, headers: string[]) {
    const { inFrontOf, resolve } = this.#options;
    const isOurs = inFrontOf !== undefined && url.port === String(this.port);
    const scheme = url.protocol === "https:" && resolve?.(url.host) == null ? "https:" : "http:";
    const place = isOurs ? inFrontOf : new URL(`${scheme}//${resolve?.(url.host) ?? url.host}`);
    const options: RequestOptions = {
      host: place.hostname.replace(/^\[|\]$/g, ""),
      port: place.port === "" ? (scheme === "https:" ? 443 : 80) : Number(place.port),
      method,
      // As it came: a parsed path would lose dot segments, and signatures cover it byte by byte.
      path: pathOf(request.url ?? "/"),
      headers: headers as unknown as Record<string, string>,
      setHost: false,
      agent: this.#agents[scheme],
    };
    return scheme === "https:" ? httpsRequest(options) : httpRequest(options);
  }
}

/** Path and query of a request target as they stand on the wire. */
function pathOf(target: string): string {
  if (target.startsWith("/")) return target;
  const rest = target.replace(/^[a-z]+:\/\/[^/?#]*/i, "");
  return rest.startsWith("/") ? rest : `/${rest}`;
}

/** Without the cf blob (a client that is no workerd) the mark of `no-store` on the wire tells. */
function wishOf(request: IncomingMessage): CacheWish {
  const blob = request.headers[CF_HEADER];
  if (typeof blob === "string") return JSON.parse(blob) as CacheWish;
  return request.headers["pragma"] === "no-cache" ? { cacheLevel: "bypass" } : {};
}
