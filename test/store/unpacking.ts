/**
 * PutObject of an archive that is unpacked, as MinIO does it: asked for by a header, the name of each entry
 * is a key of the bucket, cleaned as a path, and pax records `minio.metadata.<header>` are its attributes.
 * The archive itself is not kept. Reads ustar with the records of POSIX.1-2001, which is what clients send.
 * Faults leave entries out without a word, or keep the archive instead.
 */
import { posix } from "node:path";
import { attributesFromRequest, plainAttributes } from "./attributes.ts";
import { memorySink, readBody } from "./bodies.ts";
import { md5Of, type Core } from "./core.ts";
import { StoreError } from "./errors.ts";
import type { Exchange } from "./exchange.ts";
import { putObject, storeObject } from "./operations_object.ts";
import type { Bucket } from "./state.ts";

interface Entry {
  readonly name: string;
  readonly bytes: Buffer;
  readonly records: ReadonlyMap<string, string>;
}

const BLOCK = 512;

export async function putObjectOrArchive(core: Core, exchange: Exchange): Promise<void> {
  await (isArchive(core, exchange) ? putArchive(core, exchange) : putObject(core, exchange));
}

function isArchive(core: Core, exchange: Exchange): boolean {
  const isAsked = exchange.header("x-amz-meta-snowball-auto-extract") === "true";
  const isStored = core.options.archives === "stored" || exchange.faults.first("store-archive") !== undefined;
  return isAsked && !isStored;
}

async function putArchive(core: Core, exchange: Exchange): Promise<void> {
  const bucket = core.bucketOf(exchange);
  core.checkDigest(exchange, "Object");
  exchange.requireLength();
  const { body, md5 } = await exchange.receive(memorySink, { md5: true });
  const bytes = Buffer.concat([...readBody(body)]);
  const isLenient = exchange.header("x-amz-meta-minio-snowball-ignore-errors") === "true";
  const omitted = exchange.faults.all("omit-entries").map(({ key }) => key);
  for (const entry of entriesOf(bytes)) {
    const key = posix.normalize(entry.name).replace(/^\/+/, "");
    if (omitted.some((pattern) => pattern.test(key))) {
      if (isLenient) continue;
      throw new StoreError("InvalidRequest", `tar file error: ${key}`);
    }
    putEntry(core, bucket, key, entry);
  }
  exchange.worked();
  await exchange.answer(200, { ETag: core.showEtag(md5?.toString("hex") ?? "") });
}

function putEntry(core: Core, bucket: Bucket, key: string, { bytes, records }: Entry): void {
  const headers = new Map(
    [...records].flatMap(([name, value]) =>
      name.startsWith("minio.metadata.") ? [[name.slice("minio.metadata.".length).toLowerCase(), value]] : [],
    ),
  );
  const attributes =
    core.options.archives === "unpacked plainly"
      ? plainAttributes
      : attributesFromRequest(headers.keys(), (name) => headers.get(name), core.options);
  const sink = core.sinkFor(bucket.name, key, bytes.length);
  sink.write(bytes);
  const etag = core.etagOf(md5Of({ kind: "memory", bytes }), attributes.encryption);
  storeObject(core, bucket, key, { body: sink.finish(), etag, attributes });
}

/** @throws StoreError for what is no archive */
function* entriesOf(bytes: Buffer): Generator<Entry> {
  let records = new Map<string, string>();
  for (let offset = 0; ;) {
    const header = bytes.subarray(offset, offset + BLOCK);
    if (header.length < BLOCK) throw new StoreError("InvalidRequest", "tar file error: unexpected EOF");
    if (header.every((byte) => byte === 0)) return;
    checkSum(header);
    const size = Number.parseInt(textOf(header, 124, 12), 8);
    const content = Buffer.from(bytes.subarray(offset + BLOCK, offset + BLOCK + size));
    if (content.length < size) throw new StoreError("InvalidRequest", "tar file error: unexpected EOF");
    offset += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
    const type = textOf(header, 156, 1);
    if (type === "x") {
      records = recordsOf(content);
      continue;
    }
    if (type === "0" || type === "")
      yield { name: records.get("path") ?? textOf(header, 0, 100), bytes: content, records };
    records = new Map();
  }
}

function checkSum(header: Buffer): void {
  const declared = Number.parseInt(textOf(header, 148, 8), 8);
  const blank = Buffer.from(header).fill(" ", 148, 156);
  const isTar = textOf(header, 257, 5) === "ustar" && declared === blank.reduce((sum, byte) => sum + byte, 0);
  if (!isTar) throw new StoreError("InvalidRequest", "archive/tar: invalid tar header");
}

/** A field up to its first NUL. */
function textOf(header: Buffer, start: number, length: number): string {
  const field = header.subarray(start, start + length);
  const end = field.indexOf(0);
  return field
    .subarray(0, end === -1 ? length : end)
    .toString("latin1")
    .trim();
}

function recordsOf(content: Buffer): Map<string, string> {
  const records = new Map<string, string>();
  for (let offset = 0; offset < content.length;) {
    const space = content.indexOf(" ", offset);
    const length = Number(content.subarray(offset, space).toString("latin1"));
    const record = content.subarray(space + 1, offset + length);
    const equals = record.indexOf("=");
    if (!Number.isInteger(length) || length <= 0 || equals === -1 || record.at(-1) !== 0x0a)
      throw new StoreError("InvalidRequest", "archive/tar: invalid pax record");
    records.set(record.subarray(0, equals).toString(), record.subarray(equals + 1, -1).toString());
    offset += length;
  }
  return records;
}
