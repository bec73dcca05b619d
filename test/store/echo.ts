// A store that is not to be trusted: it repeats what it was asked, and the secrets that it was told, in every
// field of an answer that a person may get to see. What it answers to depends on the bucket's name.
//
//   refuse   403 with all of it as message, request id and in the headers
//   inside   a 200 with all of it instead of an answer, and in the ETag
//   ids      ETags and upload IDs that are secrets, one after the other
//   lists    a listing whose keys, ETags and classes are secrets
//   escape   403 with commands for a terminal and forged lines
//   long     403 with a message of a megabyte, and a request id of as much
//   fat      200 to each write, and white space without end
//   zipped   a listing that is 64 MiB of gzip in some kilobytes
//   many     a listing of 20,000 keys on a page, whatever was asked for
//   later    503, to be tried again in three years
//   skewed   403, and a clock of the year 9999
//   latin    an object whose headers are Latin-1
//   <code>   403 with that code: `cancelled`, `platform_limit`, `source_made_up`, …

import { type IncomingMessage, type ServerResponse, createServer } from "node:http";
import { gzipSync } from "node:zlib";
import { once } from "node:events";

interface EchoStore {
  readonly endpoint: string;
  /** `PUT ids`: the requests so far, by method and bucket. */
  readonly asked: readonly string[];
  /** The bytes of white space that were taken. */
  poured(): number;
  /** What it was told, as its owner configures it. */
  tell(values: readonly string[]): void;
  stop(): Promise<void>;
}

export const FORGED =
  "\u001b]0;owned\u0007\u001b[31mx\r\ncompleted: 10 B in 0.1 s, proof checksum\u009b2J\u202e";

export async function startEchoStore(): Promise<EchoStore> {
  const asked: string[] = [];
  let values: readonly string[] = [];
  const server = createServer((request, response) => {
    request.resume();
    const bucket = (request.url ?? "").split("/")[1]?.split("?")[0] ?? "";
    asked.push(`${request.method} ${bucket}`);
    answer(request, response, { bucket, values, turn: asked.length });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    endpoint: `http://127.0.0.1:${(server.address() as { port: number }).port}`,
    asked,
    poured: () => poured,
    tell: (told) => {
      values = told;
    },
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

interface Scene {
  readonly bucket: string;
  readonly values: readonly string[];
  readonly turn: number;
}

function answer(request: IncomingMessage, response: ServerResponse, { bucket, values, turn }: Scene): void {
  const query = new URL(request.url ?? "", "http://echo").searchParams;
  const everything = JSON.stringify({ ...request.headers, values, url: request.url });
  const one = values[turn % Math.max(1, values.length)] ?? "";
  const head = request.method === "HEAD";
  const say = (status: number, body: string | Buffer, headers: Record<string, string> = {}) => {
    response.writeHead(status, {
      "content-type": "application/xml",
      "x-amz-request-id": one,
      "cf-ray": one,
      ...headers,
    });
    response.end(head ? "" : body);
  };
  const object = { "content-length": "10", etag: '"781e5e245d69b566979b86e28d23f2c7"' };
  switch (bucket) {
    case "refuse":
      return say(403, errorOf("AccessDenied", everything, everything));
    case "inside":
      if (head) return say(200, "", object);
      return say(200, query.has("tagging") ? everything : errorOf("InternalError", everything, everything), {
        etag: JSON.stringify(everything).slice(0, 2000),
        "content-range": one,
      });
    case "ids":
      if (query.has("uploads") && request.method === "POST")
        return say(
          200,
          `<InitiateMultipartUploadResult><UploadId>${escape(one)}</UploadId></InitiateMultipartUploadResult>`,
        );
      return say(head ? 404 : 200, "", { etag: `"${one}"` });
    case "lists":
      if (query.has("list-type")) {
        const rows = values.map((value) => [value, `${value}/x`]).flat();
        const unique = [...new Set(rows)].toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
        const entries = unique.map(
          (key) =>
            `<Contents><Key>${escape(key)}</Key><Size>10</Size><ETag>"${escape(one)}"</ETag>` +
            `<LastModified>2026-11-29T00:00:00.000Z</LastModified><StorageClass>${escape(one)}</StorageClass></Contents>`,
        );
        return say(
          200,
          `<ListBucketResult><Name>lists</Name><IsTruncated>false</IsTruncated>${entries.join("")}</ListBucketResult>`,
        );
      }
      return say(403, errorOf("AccessDenied", everything, one));
    case "escape":
      return say(403, errorOf("AccessDenied", FORGED, FORGED));
    case "long":
      return say(403, errorOf("AccessDenied", "M".repeat(60_000), "r".repeat(4_000)));
    case "fat":
      if (request.method === "PUT") return pour(response);
      return say(query.has("tagging") ? 404 : 200, query.has("tagging") ? "" : "0123456789", object);
    case "zipped":
      return say(200, BOMB, { "content-encoding": "gzip" });
    case "many":
      return say(200, MANY);
    case "later":
      return say(503, errorOf("SlowDown", "later", "r"), { "retry-after": "99999999" });
    case "skewed":
      return say(403, errorOf("RequestTimeTooSkewed", "skewed", "r"), {
        date: "Fri, 31 Dec 9999 23:59:59 GMT",
      });
    case "latin": {
      const named = { ...object, "content-language": "fran\u00e7ais" };
      if (query.has("tagging")) return say(200, "<Tagging><TagSet></TagSet></Tagging>");
      const range = request.headers.range === undefined ? {} : { "content-range": "bytes 0-9/10" };
      return say(Object.keys(range).length === 0 ? 200 : 206, "0123456789", { ...named, ...range });
    }
    default:
      // A HEAD has no body, and so no code: what is written is asked for by PUT.
      return say(head ? 404 : 403, errorOf(bucket, "made up", "r-1"));
  }
}

const BOMB = gzipSync(Buffer.alloc(64 * 2 ** 20, " "));

const MANY = (() => {
  const keys = Array.from({ length: 20_000 }, (_, n) => `key-${String(n).padStart(5, "0")}`);
  const rows = keys.map((key) => `<Contents><Key>${key}</Key><Size>1</Size><ETag>"e"</ETag></Contents>`);
  return `<ListBucketResult><IsTruncated>false</IsTruncated>${rows.join("")}</ListBucketResult>`;
})();

/** How many bytes of its fat answers anybody has taken. */
let poured = 0;

const PIECE = Buffer.alloc(2 ** 16, " ");

/** Until nobody reads any more. */
function pour(response: ServerResponse): void {
  response.writeHead(200);
  const go = () => {
    while (!response.destroyed) {
      poured += PIECE.length;
      if (!response.write(PIECE)) return;
    }
  };
  response.on("drain", go);
  go();
}

function errorOf(code: string, message: string, requestId: string): string {
  return `<Error><Code>${code}</Code><Message>${escape(message)}</Message><RequestId>${escape(requestId)}</RequestId></Error>`;
}

/** Controls stay as they are, which XML forbids and parsers read. */
function escape(text: string): string {
  return text.replaceAll(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
