// Makes an answer untrue: one of its fields is left out, emptied, spelled otherwise, of another type, there
// twice, or contradicted. Or the answer is lost, cut off, or another one.
//
// What it never does: to leave nothing in an answer by which it could be known. A listing that leaves out a
// key and counts it nowhere, or says that it ends where it offers no way on, is the truth to everybody.

import { type Answer, type Field, leaf } from "./answering_store.ts";

const FORMS = ["missing", "empty", "respelled", "other type", "repeated", "contradicted"] as const;

type Form = (typeof FORMS)[number];

/** What is done to an answer: to a field of it, or to all of it. */
export type Fault =
  | { readonly kind: "field"; readonly field: string; readonly form: Form }
  | { readonly kind: "lost" | "cut off" | "error" | "page" };

/** The fields of each operation that say something. */
export const FIELDS: Readonly<Record<string, readonly string[]>> = {
  ListObjectsV2: (
    "Name Prefix IsTruncated KeyCount ContinuationToken NextContinuationToken " +
    "Key Size ETag LastModified StorageClass"
  ).split(" "),
  ListObjects: [
    "Name",
    "Prefix",
    "Marker",
    "IsTruncated",
    "Key",
    "Size",
    "ETag",
    "LastModified",
    "StorageClass",
  ],
  DeleteObjects: ["Key", "Code", "Deleted"],
  "HEAD object": ["content-length", "etag", "last-modified", "x-amz-meta-bucket-brigade-copy"],
  "GET object": ["content-length", "etag", "last-modified", "content-range"],
  "PUT object": ["etag"],
  "DELETE object": [],
};

type Random = () => number;

export function pick<T>(random: Random, list: readonly T[]): T {
  const one = list[Math.floor(random() * list.length)];
  if (one === undefined) throw new RangeError("Nothing to pick from");
  return one;
}

export function faultOf(random: Random, operation: string, side: "source" | "destination"): Fault {
  const fields = FIELDS[operation] ?? [];
  if (fields.length === 0 || random() < 0.15)
    return { kind: pick(random, ["lost", "cut off", "error", "page"] as const) };
  const [field, form] = [pick(random, fields), pick(random, FORMS)];
  // Without a token nothing contradicts a page that says that it is the last.
  const isEnd = operation === "ListObjects" && field === "IsTruncated";
  // Of a key that is listed and not there, at the source a copy fails; at the destination it is gone since.
  const isGone = side === "destination" && operation.startsWith("List") && field === "Key";
  const isMute = (isEnd || isGone) && form === "contradicted";
  return { kind: "field", field, form: isMute ? "missing" : form };
}

/** The answer with the fault in it. Null: it does not arrive. */
export function spoil(answer: Answer, fault: Fault, random: Random): Answer | null {
  switch (fault.kind) {
    case "lost":
      return null;
    case "error":
      return { ...answer, status: 500, headers: [], document: error("InternalError") };
    case "page":
      return { ...answer, status: 200, headers: [], document: leaf("html", "Welcome") };
    case "cut off":
      return { ...answer, document: answer.document === null ? null : cut(answer.document) };
    case "field": {
      const document = answer.document === null ? null : spoilOne(answer.document, fault, random);
      return { ...answer, document, headers: spoilHeader(answer.headers, fault, random) };
    }
  }
}

function error(code: string): Field {
  return { name: "Error", value: [leaf("Code", code)] };
}

/** Half of a document, whose root is not closed. */
function cut(document: Field): Field {
  return { name: `${document.name}><Half`, value: document.value };
}

type FieldFault = Extract<Fault, { kind: "field" }>;

/** One element of that name, chosen among all. */
function spoilOne(document: Field, fault: FieldFault, random: Random): Field {
  const found = countOf(document, fault.field);
  if (found === 0) return document;
  return spoilAt(document, fault, { left: Math.floor(random() * found) }, random)[0] ?? document;
}

function countOf({ name, value }: Field, field: string): number {
  const below = typeof value === "string" ? 0 : value.reduce((sum, child) => sum + countOf(child, field), 0);
  return below + Number(name === field);
}

function spoilAt(element: Field, fault: FieldFault, at: { left: number }, random: Random): Field[] {
  if (element.name === fault.field && at.left-- === 0) return spoiled(element, fault.form, random);
  if (typeof element.value === "string") return [element];
  return [{ ...element, value: element.value.flatMap((child) => spoilAt(child, fault, at, random)) }];
}

function spoiled({ name, value }: Field, form: Form, random: Random): Field[] {
  const text = typeof value === "string" ? value : "";
  switch (form) {
    case "missing":
      return [];
    case "empty":
      return [leaf(name, "")];
    case "respelled":
      return [typeof value === "string" ? leaf(name, respelled(text, random)) : { name, value }];
    case "other type":
      return [{ name, value: [leaf("Value", text)] }];
    case "repeated":
      return [
        { name, value },
        { name, value },
      ];
    case "contradicted":
      return [typeof value === "string" ? leaf(name, contradicted(name, text, random)) : { name, value }];
  }
}

function respelled(text: string, random: Random): string {
  return pick(random, [
    ` ${text}\n`,
    text.toUpperCase(),
    text.replaceAll('"', ""),
    `W/${text}`,
    /^\d+$/.test(text) ? `0x${Number(text).toString(16)}` : text,
    /^\d+$/.test(text) ? `${text}.0` : text,
    /^\d+$/.test(text) ? `-${text}` : text,
  ]);
}

function contradicted(name: string, text: string, random: Random): string {
  if (/^\d+$/.test(text)) return String(pick(random, [0, 1, Number(text) + 1, Number(text) * 2, 9_000_000]));
  if (text === "true" || text === "false") return text === "true" ? "false" : "true";
  if (/etag/i.test(name)) return pick(random, ['"d41d8cd98f00b204e9800998ecf8427e"', '"ffff"', '"f-2"']);
  if (name === "LastModified" || name === "last-modified") return new Date(0).toISOString();
  return `${text}!`;
}

function spoilHeader(
  headers: Answer["headers"],
  { field, form }: FieldFault,
  random: Random,
): Answer["headers"] {
  return headers.flatMap(([name, value]): Answer["headers"] => {
    if (name !== field) return [[name, value]];
    const texts = spoiled(leaf(name, value), form, random).map(({ value: text }) =>
      typeof text === "string" ? text : "some",
    );
    return texts.map((text) => [name, text.trim()] as const);
  });
}
