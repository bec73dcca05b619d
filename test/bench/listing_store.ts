// A store with a bucket of any number of keys that keeps none of them: it computes what it lists, so that a
// bench of listings measures the client. A process of its own:
//
//     node test/bench/listing_store.ts --keys 1000000 --delay-ms 100
//
// Prints one JSON line with its endpoint once it listens, and runs until interrupted. Every bucket has, under
// every prefix `p/`, the same keys in UTF-8 byte order: a hundred folders with equally many keys. It lists
// them by ListObjectsV2 (prefix, delimiter, start-after, tokens), accepts any object and discards it, and
// knows no other operation. A parent with a channel to this process gets, for each message it sends, how
// often each operation was requested. Signatures are not checked: they are not what is measured.

import { createHash } from "node:crypto";
import { once } from "node:events";
import { type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { compareKeys } from "../store/state.ts";

const { values } = parseArgs({
  options: { keys: { type: "string", default: "1000000" }, "delay-ms": { type: "string", default: "0" } },
});
const KEYS = Number(values.keys);
const DELAY_MS = Number(values["delay-ms"]);
const PREFIX = "p/";
const FOLDER_KEYS = Math.max(1, Math.ceil(KEYS / 100));

const counts = { ListObjectsV2: 0, others: 0 };

function keyAt(index: number): string {
  const folder = String(Math.floor(index / FOLDER_KEYS)).padStart(2, "0");
  return `${PREFIX}${folder}/${String(index).padStart(9, "0")}`;
}

/** Index of the first key for which `isBehind` holds. It holds for all keys after that one. */
function firstWhere(isBehind: (key: string) => boolean): number {
  let [low, high] = [0, KEYS];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (isBehind(keyAt(middle))) high = middle;
    else low = middle + 1;
  }
  return low;
}

function contentsAt(index: number): string {
  const size = 1024 + ((index * 7919) % (63 * 1024));
  return (
    `<Contents><Key>${keyAt(index)}</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified>` +
    `<ETag>&quot;${String(index).padStart(32, "0")}&quot;</ETag><Size>${size}</Size>` +
    "<StorageClass>STANDARD</StorageClass></Contents>"
  );
}

function listing(query: URLSearchParams): string {
  const prefix = query.get("prefix") ?? "";
  const delimiter = query.get("delimiter") ?? "";
  const max = Math.min(1000, Number(query.get("max-keys") ?? 1000));
  const after = query.get("continuation-token") ?? query.get("start-after") ?? "";
  let body = "";
  let count = 0;
  let last = "";
  let index = firstWhere((key) => compareKeys(key, prefix) >= 0 && compareKeys(key, after) > 0);
  // A token that is a common prefix comes after everything under it.
  if (delimiter !== "" && after.endsWith(delimiter)) index = behind(after);
  while (count < max && index < KEYS) {
    const key = keyAt(index);
    if (!key.startsWith(prefix)) break;
    const end = delimiter === "" ? -1 : key.indexOf(delimiter, prefix.length);
    if (end < 0) {
      body += contentsAt(index++);
      last = key;
    } else {
      last = key.slice(0, end + delimiter.length);
      body += `<CommonPrefixes><Prefix>${last}</Prefix></CommonPrefixes>`;
      index = behind(last);
    }
    count++;
  }
  const isTruncated = index < KEYS && keyAt(index).startsWith(prefix);
  return (
    `<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">` +
    `<Prefix>${prefix}</Prefix><KeyCount>${count}</KeyCount><MaxKeys>${max}</MaxKeys><EncodingType>url</EncodingType>` +
    `<IsTruncated>${isTruncated}</IsTruncated>` +
    (isTruncated ? `<NextContinuationToken>${last}</NextContinuationToken>` : "") +
    `${body}</ListBucketResult>`
  );
}

/** Index of the first key after all those that begin with `text`. */
function behind(text: string): number {
  return firstWhere((key) => compareKeys(key, text) > 0 && !key.startsWith(text));
}

function answer(response: ServerResponse, status: number, text: string, headers: Record<string, string>) {
  response.writeHead(status, { "content-length": Buffer.byteLength(text), ...headers });
  response.end(text);
}

const server = createServer(async (request, response) => {
  const url = new URL(request.url ?? "/", "http://store");
  if (request.method === "PUT") {
    counts.others++;
    const hash = createHash("md5");
    for await (const chunk of request) hash.update(chunk as Buffer);
    answer(response, 200, "", { etag: `"${hash.digest("hex")}"` });
  } else if (request.method === "GET" && url.searchParams.has("list-type")) {
    counts.ListObjectsV2++;
    if (DELAY_MS > 0) await delay(DELAY_MS);
    answer(response, 200, listing(url.searchParams), { "content-type": "application/xml" });
  } else {
    counts.others++;
    const text = "<Error><Code>NoSuchKey</Code><Message>This store only lists</Message></Error>";
    answer(response, 404, request.method === "HEAD" ? "" : text, { "content-type": "application/xml" });
  }
}).listen(0, "127.0.0.1");
await once(server, "listening");
const { port } = server.address() as AddressInfo;
console.log(
  JSON.stringify({
    endpoint: `http://127.0.0.1:${port}`,
    region: "us-east-1",
    accessKeyId: "listing",
    secretAccessKey: "listing",
  }),
);
process.on("message", () => process.send?.(counts));
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(0));
