/**
 * The XML of the S3 protocol, both ways, without a library: the store must put any legal key into a document,
 * control characters included, and must read 10,000-part bodies whose text is full of `&quot;`, on which
 * general parsers impose entity limits or trim the very spaces that belong to a key.
 *
 * Invariant: `parseXml(element("Key", k)).text === k` for every string that S3 accepts as a key. Characters
 * that XML 1.0 cannot hold are written as numeric references, which is what S3 does. Not a general parser: no
 * DTD, no CDATA, no mixed content (text next to child elements is dropped), local names only.
 */
import { StoreError } from "./errors.ts";

export const xmlProlog = '<?xml version="1.0" encoding="UTF-8"?>\n';
const namespace = "http://s3.amazonaws.com/doc/2006-03-01/";

const escapes: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
};

/** Escapes `text` for element content; control characters become numeric references. */
function escapeXml(text: string): string {
  // oxlint-disable-next-line no-control-regex -- keys may hold control characters
  return text.replaceAll(/[&<>"\u0000-\u0008\u000b-\u001f\u007f\ufffe\uffff]/g, (character) => {
    return escapes[character] ?? `&#x${(character.codePointAt(0) ?? 0).toString(16)};`;
  });
}

/** One element; undefined content yields nothing at all, so optional elements can be listed plainly. */
export function element(name: string, content: string | number | boolean | undefined): string {
  return content === undefined ? "" : `<${name}>${escapeXml(String(content))}</${name}>`;
}

/** An element around already serialised children. */
export function wrap(name: string, children: string): string {
  return `<${name}>${children}</${name}>`;
}

/** A whole document with S3's namespace. */
export function document(root: string, children: string): string {
  return `${xmlProlog}<${root} xmlns="${namespace}">${children}</${root}>`;
}

/** An `<Error>` document, which has no namespace on S3. */
export function errorDocument(elements: Readonly<Record<string, string>>): string {
  const children = Object.entries(elements).map(([name, content]) => element(name, content));
  return `${xmlProlog}<Error>${children.join("")}</Error>`;
}

export interface XmlNode {
  readonly name: string;
  readonly children: readonly XmlNode[];
  /** Text content, untrimmed; meaningful for leaves only. */
  readonly text: string;
}

interface OpenNode {
  name: string;
  children: XmlNode[];
  text: string;
}

const tag =
  /<(?:\?[^>]*\?|!--[\s\S]*?--|(\/?)([A-Za-z_][\w.:-]*)((?:\s+[\w.:-]+\s*=\s*(?:"[^"]*"|'[^']*'))*)\s*(\/?))>/g;

/**
 * Parses a small XML document into its root node.
 * @throws StoreError MalformedXML when tags do not nest or anything follows the root.
 */
export function parseXml(source: string): XmlNode {
  const stack: OpenNode[] = [{ name: "", children: [], text: "" }];
  let position = 0;
  for (const match of source.matchAll(tag)) {
    const top = stack.at(-1);
    const between = source.slice(position, match.index);
    if (top === undefined || between.includes("<")) throw new StoreError("MalformedXML");
    top.text += between;
    position = match.index + match[0].length;
    const qualified = match[2];
    if (qualified === undefined) continue;
    const name = qualified.slice(qualified.indexOf(":") + 1);
    if (match[1] === "/") {
      const closed = stack.pop();
      const parent = stack.at(-1);
      if (closed === undefined || parent === undefined || closed.name !== name)
        throw new StoreError("MalformedXML");
      parent.children.push({ name, children: closed.children, text: unescapeXml(closed.text) });
    } else if (match[4] === "/") {
      top.children.push({ name, children: [], text: "" });
    } else {
      stack.push({ name, children: [], text: "" });
    }
  }
  const outermost = stack[0];
  const root = outermost?.children[0];
  const rest = (outermost?.text ?? "") + source.slice(position);
  if (stack.length !== 1 || outermost?.children.length !== 1 || root === undefined || rest.trim() !== "") {
    throw new StoreError("MalformedXML");
  }
  return root;
}

/** The text of the first child called `name`, or undefined. */
export function childText(node: XmlNode, name: string): string | undefined {
  return node.children.find((child) => child.name === name)?.text;
}

/** All children called `name`. */
export function childrenOf(node: XmlNode, name: string): readonly XmlNode[] {
  return node.children.filter((child) => child.name === name);
}

const named: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

function unescapeXml(text: string): string {
  if (!text.includes("&")) return text;
  return text.replaceAll(/&(?:#x([0-9a-fA-F]+)|#(\d+)|(\w+));/g, (whole, hex, decimal, name) => {
    if (hex !== undefined) return String.fromCodePoint(Number.parseInt(String(hex), 16));
    if (decimal !== undefined) return String.fromCodePoint(Number(decimal));
    return named[String(name)] ?? whole;
  });
}
