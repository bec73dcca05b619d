// The keys that a manifest names, a page at a time, from a cursor that survives any death: a list in the
// request, an object of lines, a report in parts, or an inventory of several files.
//
// What it needs: the store that the object lies at. It keeps the file open in memory only: the cursor says
// where to read on, at the byte (manifest_bytes.ts says what that costs).
//
// Invariant: each line of the object that the run began with is given once, in its order. The object is
// pinned by its ETag, and each file of an inventory by the MD5 that its manifest.json has. Of a report, which
// nobody changes, the parts that follow are pinned while one reader reads them.

import { type InventoryFile, readInventory } from "./inventory.ts";
import { type ManifestFile, type ManifestLines, linesOf, openFile, readWhole } from "./manifest_bytes.ts";
import {
  type InventoryColumns,
  type KeyAction,
  type ManifestFormat,
  type NamedKey,
  type ReadLine,
  readerOf,
} from "./manifest_lines.ts";
import { meshError } from "../s3/errors.ts";
import { objectExists } from "../s3/read.ts";
import type { S3 } from "../s3/request.ts";
import { type ObjectRef, type PrefixRef, formatObject } from "../store/address.ts";

/** Which keys a run is about, instead of a listing. Plain data. */
export type Manifest =
  | { readonly kind: "keys"; readonly keys: readonly string[] }
  | {
      readonly kind: "object";
      readonly object: ObjectRef;
      readonly format: ManifestFormat;
      /** Of a report; null: all. */
      readonly actions: readonly KeyAction[] | null;
    };

/** How far it is read. Plain data. */
export interface ManifestCursor {
  readonly kind: "manifest";
  /** Of the object that the request names; null: not known yet. */
  readonly etag: string | null;
  /** How many files there are; null: not known yet. */
  readonly files: number | null;
  /** Which of them, from 0. */
  readonly file: number;
  /** Unpacked bytes of that file that are read; of a list, keys. */
  readonly offset: number;
  /** Lines of that file that are read. */
  readonly line: number;
}

interface BadLine {
  /** `east:bucket/list.csv, line 17`. */
  readonly place: string;
  readonly why: string;
}

export interface ManifestPage {
  /** Below the source's prefix. */
  readonly keys: readonly NamedKey[];
  /** Of another bucket, or of another prefix. */
  readonly outside: readonly string[];
  /** Older versions and delete markers. */
  readonly notCurrent: readonly string[];
  readonly bad: readonly BadLine[];
  readonly next: ManifestCursor | null;
}

const LINES_PER_PAGE = 1000;

/** An inventory of a hundred thousand files has some 20 MB; more is no manifest.json. */
const MAX_JSON_BYTES = 32 * 2 ** 20;

interface Opened {
  readonly etag: string;
  readonly files: readonly (InventoryFile | ManifestFile)[];
  readonly readLine: ReadLine;
}

interface OpenFile {
  readonly file: number;
  readonly place: string;
  readonly lines: ManifestLines;
}

export class ManifestReader {
  readonly #s3: S3;
  readonly #manifest: Manifest;
  readonly #source: PrefixRef;
  #opened: Opened | null = null;
  /** Where `lines` goes on. */
  #open: OpenFile | null = null;

  /** @param s3 where the object lies; for a list, any */
  constructor(s3: S3, manifest: Manifest, source: PrefixRef) {
    this.#s3 = s3;
    this.#manifest = manifest;
    this.#source = source;
  }

  /** From the start, of the object that was read before. */
  start(): ManifestCursor {
    const { etag = null, files = null } = this.#opened ?? {};
    return { kind: "manifest", etag, files: files?.length ?? null, file: 0, offset: 0, line: 0 };
  }

  /** @throws {S3Error | FailureError} after which another reader continues from the cursor */
  async read(cursor: ManifestCursor | null): Promise<ManifestPage> {
    const at = cursor ?? this.start();
    if (this.#manifest.kind === "keys") return this.#listed(this.#manifest.keys, at);
    const { object, format, actions } = this.#manifest;
    this.#opened ??= await this.#openManifest(object, format, actions, at.etag);
    const { etag, files, readLine } = this.#opened;
    if (at.files !== null && at.files !== files.length) throw this.#otherParts(at.files, files.length);
    if (at.file >= files.length) return { ...NOTHING, next: null };
    const { place, lines } = await this.#linesAt(at, files);
    const page = new Page(this.#source);
    for (let count = 0; count < LINES_PER_PAGE; count++) {
      const raw = await lines.next();
      if (raw === null) {
        this.#open = null;
        const next = { kind: "manifest", etag, files: files.length, file: at.file + 1 } as const;
        return page.end(next.file < files.length ? { ...next, offset: 0, line: 0 } : null);
      }
      const line = at.line + count + 1;
      const read = raw.text === null ? { kind: "bad" as const, why: raw.why } : readLine(raw.text);
      page.add(read, `${place}, line ${line}`);
    }
    return page.end({
      kind: "manifest",
      etag,
      files: files.length,
      file: at.file,
      offset: lines.offset,
      line: at.line + LINES_PER_PAGE,
    });
  }

  /** A report that a run has written to a store is in parts of some megabytes: all that follow are read. */
  async #laterParts({ bucket, key }: ObjectRef): Promise<ManifestFile[]> {
    const parts: ManifestFile[] = [];
    for (let part = nextPart(key); part !== null; part = nextPart(part)) {
      const address = { bucket, key: part };
      if (!(await objectExists(this.#s3, address))) break;
      parts.push(await openFile(this.#s3, address, null));
    }
    return parts;
  }

  #listed(keys: readonly string[], at: ManifestCursor): ManifestPage {
    const page = new Page(this.#source);
    const until = at.offset + LINES_PER_PAGE;
    for (const key of keys.slice(at.offset, until))
      page.add({ kind: "key", bucket: null, key, versionId: null }, "keys");
    return page.end(until < keys.length ? { ...at, offset: until, line: until } : null);
  }

  async #openManifest(
    object: ObjectRef,
    format: ManifestFormat,
    actions: readonly KeyAction[] | null,
    etag: string | null,
  ): Promise<Opened> {
    const file = await openFile(this.#s3, object, etag);
    if (format !== "inventory") {
      const files = [file, ...(await this.#laterParts(object))];
      return { etag: file.etag, files, readLine: readerOf(format, { actions, columns: null }) };
    }
    if (file.sizeBytes > MAX_JSON_BYTES) throw this.#bad(`it has ${file.sizeBytes} bytes`);
    const text = await readWhole(this.#s3, file);
    const inventory = readInventory(text, object.key, this.#source.bucket);
    if (!inventory.ok) throw this.#bad(inventory.message);
    const columns: InventoryColumns = inventory.columns;
    return { etag: file.etag, files: inventory.files, readLine: readerOf(format, { actions, columns }) };
  }

  async #linesAt({ file: index, offset }: ManifestCursor, files: Opened["files"]): Promise<OpenFile> {
    if (this.#open?.file === index && this.#open.lines.offset === offset) return this.#open;
    const file = files[index];
    if (this.#manifest.kind !== "object" || file === undefined) throw new Error("There is no such file");
    const { object } = this.#manifest;
    const isPart = "md5" in file;
    const opened = isPart ? await openFile(this.#s3, { bucket: object.bucket, key: file.key }, null) : file;
    if (isPart && opened.sizeBytes !== file.sizeBytes)
      throw this.#bad(
        `its file ${file.key} has ${opened.sizeBytes} bytes, and should have ${file.sizeBytes}`,
      );
    const place = formatObject(index === 0 && !isPart ? object : { ...object, ...opened.address });
    this.#open = { file: index, place, lines: linesOf(this.#s3, opened, offset, isPart ? file.md5 : null) };
    return this.#open;
  }

  #otherParts(before: number, now: number): Error {
    const message = `The manifest had ${before} parts when the run began to read it, and has ${now} now`;
    return meshError("manifest_changed", message, "manifest");
  }

  #bad(why: string): Error {
    const what = this.#manifest.kind === "object" ? formatObject(this.#manifest.object) : "keys";
    return meshError("bad_manifest", `The manifest ${what} cannot be read: ${why}`, "manifest");
  }
}

/** Of `…/report-000001.ndjson`; null: it is no part of a report. */
function nextPart(key: string): string | null {
  const [, start, digits] = /^(.*\/report-)(\d{6,})\.ndjson$/.exec(key) ?? [];
  if (start === undefined || digits === undefined) return null;
  return `${start}${String(Number(digits) + 1).padStart(6, "0")}.ndjson`;
}

const NOTHING = { keys: [], outside: [], notCurrent: [], bad: [] };

class Page {
  readonly #source: PrefixRef;
  readonly #keys: NamedKey[] = [];
  readonly #outside: string[] = [];
  readonly #notCurrent: string[] = [];
  readonly #bad: BadLine[] = [];

  constructor(source: PrefixRef) {
    this.#source = source;
  }

  add(line: ReturnType<ReadLine>, place: string): void {
    switch (line.kind) {
      case "nothing":
        return;
      case "bad":
        this.#bad.push({ place, why: line.why });
        return;
      case "not_current":
        this.#notCurrent.push(line.key);
        return;
      case "key": {
        const { bucket, prefix } = this.#source;
        const { kind: _kind, ...named } = line;
        const isOurs = (named.bucket ?? bucket) === bucket && named.key.startsWith(prefix);
        if (isOurs) this.#keys.push(named);
        else this.#outside.push(named.key);
      }
    }
  }

  end(next: ManifestCursor | null): ManifestPage {
    return {
      keys: this.#keys,
      outside: this.#outside,
      notCurrent: this.#notCurrent,
      bad: this.#bad,
      next,
    };
  }
}
