// A store with manifests of any length that keeps none of them as text: it computes the range that is asked
// for, so that a bench of manifests measures the client. A process of its own:
//
//     node test/bench/manifest_store.ts --lines 10000000
//
// Prints one JSON line with its endpoint once it listens, and runs until interrupted. Every bucket has
// `list.csv`, lines of `bucket,key` that all have 40 bytes, and `list.csv.gz`, the same packed, which is in
// memory. It answers HEAD and GET of a range of them, and knows no other operation. A parent with a channel
// to this process gets, for each message it sends, how often each operation was requested. Signatures are not
// checked: they are not what is measured.

import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { parseArgs } from "node:util";
import { createGzip } from "node:zlib";

const { values } = parseArgs({ options: { lines: { type: "string", default: "1000000" } } });
const LINES = Number(values.lines);
const LINE_BYTES = 40;
const counts = { HeadObject: 0, GetObject: 0, others: 0 };

/** The same bytes whatever the range. The digits in the middle make them as hard to pack as real keys. */
function lineAt(n: number): string {
  const noise = ((n * 2_654_435_761) % 2 ** 32).toString(16).padStart(8, "0");
  return `source,other/${noise}/${String(n).padStart(13, "0")}.jpg\n`;
}

function bytesAt(from: number, until: number): Buffer {
  const first = Math.floor(from / LINE_BYTES);
  const last = Math.ceil(until / LINE_BYTES);
  const text = Array.from({ length: last - first }, (_, index) => lineAt(first + index)).join("");
  return Buffer.from(text, "latin1").subarray(from - first * LINE_BYTES, until - first * LINE_BYTES);
}

async function packed(): Promise<Buffer> {
  const gzip = createGzip({ level: 1 });
  const chunks: Buffer[] = [];
  gzip.on("data", (chunk: Buffer) => chunks.push(chunk));
  const step = 2 ** 20;
  for (let at = 0; at < LINES * LINE_BYTES; at += step)
    if (!gzip.write(bytesAt(at, Math.min(at + step, LINES * LINE_BYTES)))) await once(gzip, "drain");
  gzip.end();
  await once(gzip, "end");
  return Buffer.concat(chunks);
}

if (lineAt(0).length !== LINE_BYTES) throw new Error(`A line has ${lineAt(0).length} bytes`);
const gz = await packed();

const server = createServer((request, response) => {
  const { method = "", url = "" } = request;
  const isPacked = url.endsWith("/list.csv.gz");
  const size = isPacked ? gz.length : LINES * LINE_BYTES;
  const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "");
  const isThere = isPacked || url.endsWith("/list.csv");
  if (isThere && method === "HEAD") {
    counts.HeadObject++;
    response.writeHead(200, { etag: '"fixed"', "content-length": size }).end();
  } else if (isThere && method === "GET" && range !== null) {
    counts.GetObject++;
    const [from, until] = [Number(range[1]), Math.min(Number(range[2]) + 1, size)];
    const body = isPacked ? gz.subarray(from, until) : bytesAt(from, until);
    const told = `bytes ${from}-${until - 1}/${size}`;
    response.writeHead(206, { etag: '"fixed"', "content-length": body.length, "content-range": told });
    response.end(body);
  } else {
    counts.others++;
    response.writeHead(404).end();
  }
}).listen(0, "127.0.0.1");
await once(server, "listening");
const { port } = server.address() as AddressInfo;
console.log(
  JSON.stringify({
    endpoint: `http://127.0.0.1:${port}`,
    region: "us-east-1",
    accessKeyId: "manifest",
    secretAccessKey: "manifest",
  }),
);
process.on("message", () => process.send?.(counts));
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(0));
