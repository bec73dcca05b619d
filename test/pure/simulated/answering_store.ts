// A store in memory that answers S3's requests for one bucket truly, as documents whose every field can be
// changed before they are sent. What a sync of small objects asks: listings of both versions, HEAD, GET, PUT,
// and both ways to delete.
//
// Its invariant: what it holds changes by PUT and DELETE alone, and never by what an answer says of it.

import { createHash } from "node:crypto";

/** An element of an answer: its children, or its text. */
export interface Field {
  readonly name: string;
  readonly value: string | readonly Field[];
}

export interface Answer {
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Null: the bytes are the object's. */
  readonly document: Field | null;
  readonly bytes: Uint8Array;
}

export interface StoredObject {
  readonly bytes: Uint8Array;
  readonly etag: string;
  readonly modifiedMs: number;
  readonly meta: Readonly<Record<string, string>>;
}

interface Dialect {
  readonly etags: "md5" | "opaque";
  readonly pageKeys: number;
  readonly lists: "v1" | "v2";
  readonly conditionalDelete: boolean;
  readonly deleteObjects: boolean;
}

interface Asked {
  readonly method: string;
  readonly key: string;
  readonly query: URLSearchParams;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

export const BUCKET = "bucket";

const TOKEN = "token=";

export class AnsweringStore {
  readonly dialect: Dialect;
  readonly objects = new Map<string, StoredObject>();
  #serial = 0;

  constructor(dialect: Dialect) {
    this.dialect = dialect;
  }

  put(key: string, bytes: Uint8Array, meta: Readonly<Record<string, string>> = {}): StoredObject {
    this.#serial += 1;
    const md5 = createHash("md5").update(bytes).digest("hex");
    const serial = createHash("md5").update(`${this.#serial}/${key}`).digest("hex");
    const etag = this.dialect.etags === "md5" ? `"${md5}"` : `"opaque-${serial}"`;
    const stored = { bytes, etag, modifiedMs: Date.UTC(2026, 0, 1) + this.#serial * 1000, meta };
    this.objects.set(key, stored);
    return stored;
  }

  /** The operation by its API name, and its true answer. */
  answer(asked: Asked): { operation: string; answer: Answer } {
    const { method, key, query } = asked;
    if (key === "" && method === "GET") {
      const operation = query.get("list-type") === "2" ? "ListObjectsV2" : "ListObjects";
      if (operation === "ListObjectsV2" && this.dialect.lists === "v1")
        return { operation, answer: refusal(501, "NotImplemented") };
      return { operation, answer: this.#list(query) };
    }
    if (key === "") return { operation: "DeleteObjects", answer: this.#deleteObjects(asked) };
    const operations: Readonly<Record<string, (asked: Asked) => Answer>> = {
      HEAD: (of) => ({ ...this.#get(of), document: null, bytes: new Uint8Array(0) }),
      GET: (of) => this.#get(of),
      PUT: (of) => this.#put(of),
      DELETE: (of) => this.#delete(of),
    };
    const answer = operations[method]?.(asked) ?? refusal(501, "NotImplemented");
    return { operation: `${method} object`, answer };
  }

  #list(query: URLSearchParams): Answer {
    const prefix = query.get("prefix") ?? "";
    const token = query.get("continuation-token");
    const isV2 = query.get("list-type") === "2";
    if (token !== null && !token.startsWith(TOKEN)) return refusal(400, "InvalidArgument");
    const after = token?.slice(TOKEN.length) ?? query.get(isV2 ? "start-after" : "marker") ?? "";
    const keys = [...this.objects.keys()]
      .filter((key) => key.startsWith(prefix) && key > after)
      .toSorted((a, b) => (a < b ? -1 : 1));
    const shown = keys.slice(0, Math.min(this.dialect.pageKeys, Number(query.get("max-keys") ?? 1000)));
    const isTruncated = shown.length < keys.length;
    const value: Field[] = [
      leaf("Name", BUCKET),
      leaf("Prefix", prefix),
      leaf("MaxKeys", query.get("max-keys") ?? "1000"),
      leaf("IsTruncated", String(isTruncated)),
    ];
    if (isV2) value.push(leaf("KeyCount", String(shown.length)));
    else value.push(leaf("Marker", after));
    if (isV2 && token !== null) value.push(leaf("ContinuationToken", token));
    if (isV2 && isTruncated) value.push(leaf("NextContinuationToken", TOKEN + (shown.at(-1) ?? "")));
    for (const key of shown) value.push({ name: "Contents", value: this.#contents(key) });
    return documented({ name: "ListBucketResult", value });
  }

  #contents(key: string): Field[] {
    const { bytes, etag, modifiedMs } = this.#held(key);
    return [
      leaf("Key", key),
      leaf("LastModified", new Date(modifiedMs).toISOString()),
      leaf("ETag", etag),
      leaf("Size", String(bytes.length)),
      leaf("StorageClass", "STANDARD"),
    ];
  }

  #held(key: string): StoredObject {
    const held = this.objects.get(key);
    if (held === undefined) throw new Error(`${key} is not there`);
    return held;
  }

  #get({ key, headers }: Asked): Answer {
    const held = this.objects.get(key);
    if (held === undefined) return refusal(404, "NoSuchKey");
    const condition = headers.get("if-match");
    if (condition !== null && condition !== held.etag) return refusal(412, "PreconditionFailed");
    const range = headers.get("range") === null ? null : held.bytes.slice(0, 1);
    if (range?.length === 0) return refusal(416, "InvalidRange");
    const bytes = range ?? held.bytes;
    return {
      status: range === null ? 200 : 206,
      headers: [
        ["content-length", String(bytes.length)],
        ["etag", held.etag],
        ["last-modified", new Date(held.modifiedMs).toUTCString()],
        ["content-type", "text/plain"],
        ...(range === null ? [] : ([["content-range", `bytes 0-0/${held.bytes.length}`]] as const)),
        ...Object.entries(held.meta),
      ],
      document: null,
      bytes,
    };
  }

  #put({ key, headers, body }: Asked): Answer {
    const announced = headers.get("content-md5");
    if (announced !== null && announced !== createHash("md5").update(body).digest("base64"))
      return refusal(400, "BadDigest");
    const meta = Object.fromEntries([...headers].filter(([name]) => name.startsWith("x-amz-meta-")));
    const { etag } = this.put(key, body, meta);
    return { status: 200, headers: [["etag", etag]], document: null, bytes: new Uint8Array(0) };
  }

  #delete({ key, headers }: Asked): Answer {
    if (!this.#mayDelete(key, headers.get("if-match"))) return refusal(412, "PreconditionFailed");
    this.objects.delete(key);
    return { status: 204, headers: [], document: null, bytes: new Uint8Array(0) };
  }

  #mayDelete(key: string, etag: string | null): boolean {
    const held = this.objects.get(key);
    return !this.dialect.conditionalDelete || etag === null || held === undefined || held.etag === etag;
  }

  #deleteObjects({ body }: Asked): Answer {
    if (!this.dialect.deleteObjects) return refusal(501, "NotImplemented");
    const text = new TextDecoder().decode(body);
    const value: Field[] = [];
    for (const [, object = ""] of text.matchAll(/<Object>(.*?)<\/Object>/g)) {
      const key = /<Key>(.*?)<\/Key>/.exec(object)?.[1] ?? "";
      const etag = /<ETag>(.*?)<\/ETag>/.exec(object)?.[1]?.replaceAll("&quot;", '"') ?? null;
      if (this.#mayDelete(key, etag)) {
        this.objects.delete(key);
        value.push({ name: "Deleted", value: [leaf("Key", key)] });
      } else value.push({ name: "Error", value: [leaf("Key", key), leaf("Code", "PreconditionFailed")] });
    }
    return documented({ name: "DeleteResult", value });
  }
}

export function leaf(name: string, value: string): Field {
  return { name, value };
}

function documented(document: Field): Answer {
  return { status: 200, headers: [["content-type", "application/xml"]], document, bytes: new Uint8Array(0) };
}

function refusal(status: number, code: string): Answer {
  return { ...documented({ name: "Error", value: [leaf("Code", code), leaf("Message", "no")] }), status };
}

export function xmlOf({ name, value }: Field): string {
  const inner = typeof value === "string" ? escaped(value) : value.map(xmlOf).join("");
  return `<${name}>${inner}</${name}>`;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
