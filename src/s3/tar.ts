// Archives as stores unpack them: one header for each object, its attributes in a record of POSIX.1-2001
// (pax), its bytes, and an end. Pure.
//
// MinIO unpacks a PutObject with `X-Amz-Meta-Snowball-Auto-Extract: true` into the bucket: the name of an
// entry is the key, and pax records `minio.metadata.<header>` are the attributes. It cleans names as paths,
// so a key that is no clean path cannot be an entry (https://github.com/minio/minio: cmd/untar.go and
// PutObjectExtractHandler in cmd/object-handlers.go, 2026-11). The form of the headers:
// https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html.

/** What asks the store to unpack, and to go on after an entry that it cannot store. */
export const UNPACK_HEADERS: Readonly<Record<string, string>> = {
  "x-amz-meta-snowball-auto-extract": "true",
  "x-amz-meta-minio-snowball-ignore-errors": "true",
};

export const TAR_BLOCK_BYTES = 512;

/** Two empty blocks. */
export const TAR_END = new Uint8Array(2 * TAR_BLOCK_BYTES);

const METADATA = "minio.metadata.";

const NAME_BYTES = 100;

const ENCODER = new TextEncoder();

/** Can an entry have this key as its name, and keep it? */
export function isTarName(key: string): boolean {
  // NUL ends a name, and a lone surrogate has no UTF-8 form.
  if (key.includes("\0") || !key.isWellFormed()) return false;
  return key.split("/").every((segment) => !["", ".", ".."].includes(segment));
}

/** Can these attributes travel as records? Values that are not ASCII are read in more than one way. */
export function areTarAttributes(headers: Readonly<Record<string, string>>): boolean {
  return Object.entries(headers).every(
    ([name, value]) => /^[a-z0-9!#$%&'*+.^_`|~-]+$/.test(name) && /^[\x20-\x7e]+$/.test(value),
  );
}

interface TarEntry {
  readonly key: string;
  readonly sizeBytes: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Which becomes the object's Last-Modified. */
  readonly modifiedMs: number;
}

/** The blocks before the bytes of an entry. */
export function tarHeaders({ key, sizeBytes, headers, modifiedMs }: TarEntry): Uint8Array {
  const name = utf8(key);
  const isPlain = name.length <= NAME_BYTES && name.length === key.length;
  const records = [
    ...(isPlain ? [] : [paxRecord("path", key)]),
    ...Object.entries(headers).map(([header, value]) => paxRecord(METADATA + header, value)),
  ];
  const modifiedSeconds = Math.ceil(modifiedMs / 1000);
  const pax = joined(records);
  const own = ustarHeader({ name, sizeBytes, modifiedSeconds, type: "0" });
  if (pax.length === 0) return own;
  const forPax = ustarHeader({ name: utf8("attributes"), sizeBytes: pax.length, modifiedSeconds, type: "x" });
  return joined([forPax, pax, tarPadding(pax.length), own]);
}

/** What fills the last block of so many bytes. */
export function tarPadding(sizeBytes: number): Uint8Array {
  return new Uint8Array((TAR_BLOCK_BYTES - (sizeBytes % TAR_BLOCK_BYTES)) % TAR_BLOCK_BYTES);
}

/** `<length> <name>=<value>\n`, where the length counts itself. */
function paxRecord(name: string, value: string): Uint8Array {
  const rest = utf8(` ${name}=${value}\n`);
  let length = rest.length;
  while (length !== rest.length + String(length).length) length = rest.length + String(length).length;
  return joined([utf8(String(length)), rest]);
}

interface Header {
  readonly name: Uint8Array;
  readonly sizeBytes: number;
  readonly modifiedSeconds: number;
  /** `0`: an object; `x`: records for the next header. */
  readonly type: "0" | "x";
}

function ustarHeader({ name, sizeBytes, modifiedSeconds, type }: Header): Uint8Array {
  const block = new Uint8Array(TAR_BLOCK_BYTES);
  const put = (text: string, offset: number) => block.set(utf8(text), offset);
  block.set(name.subarray(0, NAME_BYTES));
  put(octal(0o644, 7), 100);
  put(octal(0, 7), 108);
  put(octal(0, 7), 116);
  put(octal(sizeBytes, 11), 124);
  put(octal(modifiedSeconds, 11), 136);
  put("        ", 148);
  put(type, 156);
  put("ustar\u000000", 257);
  let sum = 0;
  for (const byte of block) sum += byte;
  put(`${octal(sum, 6)}\0 `, 148);
  return block;
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, "0");
}

function utf8(text: string): Uint8Array {
  return ENCODER.encode(text);
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const piece of pieces) {
    whole.set(piece, offset);
    offset += piece.length;
  }
  return whole;
}
