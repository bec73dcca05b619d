// `npm run demo`: one real multipart copy between two local stores, from nothing to compared bytes, in one
// command.
//
// 1. Starts the mesh of `npm run dev` on a port of its own, its state in a temporary folder.
// 2. Puts 128 MiB and some bytes, random ones, into the store `east` over S3, in parts.
// 3. Asks for the copy over HTTP with the form that curl would send, and shows its progress.
// 4. Reads the copy back from the store `west` over S3 and compares sizes and SHA-256 digests.
//
// Exits 0 only if all of that was so. Leaves no process and no file behind, however it ends.

import { createHash, randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { AwsClient } from "aws4fetch";
import type { CopyStatus } from "../src/view/answers.ts";
import { copyLine, formatBytes } from "../src/view/progress.ts";
import { readArguments } from "./command_line.ts";
import { type LocalStore, LocalMesh, S3_PATH, curlTour, localStores, stopSignal } from "./mesh/local_mesh.ts";
import { claimPort, onOtherPorts } from "./store/ports.ts";

interface Content {
  readonly sizeBytes: number;
  readonly sha256: string;
}

const MIB = 1024 * 1024;
/** Not a multiple of the part size, so that the last part is shorter. */
const OBJECT_BYTES = 128 * MIB + 12_345;
const PART_SIZE = "8MiB";
const PART_BYTES = 8 * MIB;
/** Low enough for parts to finish one after another on a laptop's disk, and more than one lane's worth. */
const CONCURRENCY = "6";
const KEY = "demo.bin";
const COPY_LIMIT_MS = 5 * 60_000;
const POLL_MS = 100;
const DEATH_NOTICE_MS = 500;
/** How often a line is printed where it cannot be rewritten. */
const PLAIN_LINE_MS = 1_000;
const PLAIN_WIDTH = 120;
const ENDED = new Set(["completed", "failed", "cancelled"]);

const { east, west } = localStores();
const source = `${east.name}:${east.bucket}/${KEY}`;
const destination = `${west.name}:${west.bucket}/${KEY}`;

const USAGE = `npm run demo

Copies 128 MiB between two local stores, over HTTP as any client would, and compares what came. It takes no
options, and no account.`;

async function main(signal: AbortSignal): Promise<void> {
  console.log("Starting the mesh and two local stores");
  const apiToken = randomBytes(16).toString("hex");
  const mesh = await onOtherPorts(async () => {
    const { port } = await claimPort();
    return await LocalMesh.start({ port, apiToken }, signal);
  });
  const ended = AbortSignal.any([signal, mesh.died]);
  try {
    const put = await putRandomObject(mesh.origin, ended);
    console.log(`Put ${grouped(put.sizeBytes)} random bytes to ${source}\n  SHA-256 ${put.sha256}`);
    console.log(
      `$ curl -H "$auth" ${mesh.origin}/copies -d source=${source} -d destination=${destination} \\`,
    );
    console.log(`    -d partSize=${PART_SIZE} -d concurrency=${CONCURRENCY}`);
    const status = await copy(mesh.origin, apiToken, ended);
    const back = await readBack(mesh.origin, ended);
    console.log(`Read ${grouped(back.sizeBytes)} bytes back from ${destination}\n  SHA-256 ${back.sha256}`);
    check(put, back, status);
    console.log(`Same size, same SHA-256. ${summary(status)}`);
  } catch (error) {
    // A request is the first to notice that wrangler has died; how it died is the better reason.
    // It rejects when wrangler has ended, which is asked next.
    await delay(DEATH_NOTICE_MS, undefined, { signal: ended }).catch(() => {});
    if (ended.aborted) throw ended.reason;
    throw new Error(`${describe(error)}\n${mesh.logTail()}`, { cause: error });
  } finally {
    await mesh.stop();
  }
  console.log(`\nNext, the same from curl: run "npm run dev", then in another terminal`);
  for (const { commands } of curlTour("http://localhost:8787", "local").slice(0, 2)) console.log(commands);
}

/**
 * Puts the object in parts, as tools put large ones. The copy can keep their boundaries, and with them the
 * ETag.
 */
async function putRandomObject(origin: string, signal: AbortSignal): Promise<Content> {
  const sha256 = createHash("sha256");
  const call = async (method: string, query: string, body: Uint8Array<ArrayBuffer> | string | null) => {
    const { url, headers } = await sign(origin, method, east, query);
    const response = await fetch(url, { method, headers, body, signal });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} of ${source} answered ${response.status}: ${text}`);
    return { text, etag: response.headers.get("etag") ?? "" };
  };
  const created = await call("POST", "?uploads=", null);
  const uploadId = /<UploadId>(.+)<\/UploadId>/.exec(created.text)?.[1];
  if (uploadId === undefined) throw new Error(`No upload ID in ${created.text}`);
  const upload = `uploadId=${encodeURIComponent(uploadId)}`;
  let parts = "";
  for (let offset = 0, partNumber = 1; offset < OBJECT_BYTES; offset += PART_BYTES, partNumber++) {
    const bytes = randomBytes(Math.min(PART_BYTES, OBJECT_BYTES - offset));
    sha256.update(bytes);
    const { etag } = await call("PUT", `?partNumber=${partNumber}&${upload}`, bytes);
    parts += `<Part><PartNumber>${partNumber}</PartNumber><ETag>${etag.replaceAll('"', "&quot;")}</ETag></Part>`;
  }
  await call("POST", `?${upload}`, `<CompleteMultipartUpload>${parts}</CompleteMultipartUpload>`);
  return { sizeBytes: OBJECT_BYTES, sha256: sha256.digest("hex") };
}

async function readBack(origin: string, signal: AbortSignal): Promise<Content> {
  const { url, headers } = await sign(origin, "GET", west);
  const response = await fetch(url, { headers, signal });
  if (!response.ok || response.body === null) {
    throw new Error(`GET of ${destination} answered ${response.status}: ${await response.text()}`);
  }
  const sha256 = createHash("sha256");
  let sizeBytes = 0;
  for await (const chunk of response.body) {
    sha256.update(chunk);
    sizeBytes += chunk.length;
  }
  return { sizeBytes, sha256: sha256.digest("hex") };
}

async function copy(origin: string, apiToken: string, signal: AbortSignal): Promise<CopyStatus> {
  const call = async (path: string, body: URLSearchParams | null): Promise<CopyStatus> => {
    const response = await fetch(origin + path, {
      method: body === null ? "GET" : "POST",
      headers: { authorization: `Bearer ${apiToken}` },
      body,
      signal: AbortSignal.any([signal, limit]),
    });
    if (!response.ok) throw new Error(`${path} answered ${response.status}: ${await response.text()}`);
    return (await response.json()) as CopyStatus;
  };
  const limit = AbortSignal.timeout(COPY_LIMIT_MS);
  const form = new URLSearchParams({ source, destination, partSize: PART_SIZE, concurrency: CONCURRENCY });
  const progress = new Progress();
  let status = await call("/copies", form);
  while (!ENDED.has(status.phase)) {
    progress.show(status);
    await delay(POLL_MS, undefined, { signal });
    status = await call(`/copies/${status.id}`, null);
  }
  progress.finish(status);
  if (status.phase === "completed") return status;
  throw new Error(`The copy ended as ${status.phase}: ${status.failure?.message ?? "it was cancelled"}`);
}

/**
 * On a terminal one line that is rewritten; elsewhere a new line when something has changed, and not too
 * often.
 */
class Progress {
  readonly #isTerminal = process.stdout.isTTY;
  #shownAtMs = 0;
  #shownBytes = -1;

  show(status: CopyStatus): void {
    if (this.#isTerminal) {
      const line = copyLine(status, (process.stdout.columns || 80) - 1);
      process.stdout.write(`\r\x1b[K${line}`);
    } else if (status.bytes.done !== this.#shownBytes && Date.now() - this.#shownAtMs >= PLAIN_LINE_MS) {
      this.#shownAtMs = Date.now();
      this.#shownBytes = status.bytes.done;
      console.log(copyLine(status, PLAIN_WIDTH));
    }
  }

  finish(status: CopyStatus): void {
    if (this.#isTerminal) {
      this.show(status);
      process.stdout.write("\n");
    } else {
      console.log(copyLine(status, PLAIN_WIDTH));
    }
  }
}

function check(put: Content, back: Content, status: CopyStatus): void {
  if (back.sizeBytes !== put.sizeBytes || status.size !== put.sizeBytes) {
    throw new Error(
      `Sizes differ: ${put.sizeBytes} bytes put, ${status.size} in the status, ${back.sizeBytes} read back`,
    );
  }
  if (back.sha256 !== put.sha256) throw new Error("The digests differ: the copy is not the source");
}

async function sign(origin: string, method: string, store: LocalStore, query = ""): Promise<Request> {
  const { bucket, accessKeyId, secretAccessKey } = store;
  const client = new AwsClient({ accessKeyId, secretAccessKey, service: "s3", region: "auto" });
  const headers = { "x-amz-content-sha256": "UNSIGNED-PAYLOAD" };
  return await client.sign(`${origin}${S3_PATH}/${bucket}/${KEY}${query}`, { method, headers });
}

function summary({ size, parts, startedAt, endedAt, proof }: CopyStatus): string {
  const seconds = (Date.parse(endedAt ?? "") - Date.parse(startedAt ?? "")) / 1000;
  const rate = formatBytes(Math.round((size ?? 0) / seconds));
  return `${parts.total} parts in ${seconds.toFixed(1)} s, ${rate}/s; the status claims the proof "${proof}".`;
}

/** Includes the causes: fetch says "fetch failed" and has the reason there. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}: ${describe(error.cause)}`;
}

function grouped(value: number): string {
  return value.toLocaleString("en-US");
}

readArguments(USAGE, { options: {} });
const stopped = stopSignal();
try {
  await main(stopped);
} catch (error) {
  console.error(`\nThe demo failed: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = stopped.aborted ? 130 : 1;
}
