// Names in XML that no parser returns as the store meant them: XML 1.0 cannot contain most control characters
// (https://www.w3.org/TR/xml/#charsets), and a raw carriage return is read back as a line feed (§2.11). Pure.

/** What no XML 1.0 document can carry, and a raw carriage return. */
// oxlint-disable-next-line no-control-regex -- the control characters are what it is about
export const FORBIDDEN = /[\0-\x08\x0b-\x1f\ufffe\uffff]/;

/** The first key or prefix, as in the document, that the parser would not return as the store meant it. */
export function findUnreadableName(text: string): string | null {
  if (!FORBIDDEN.test(text) && !text.includes("&#")) return null;
  for (const [, name = ""] of text.matchAll(
    /<(?:[\w.-]+:)?(?:Key|Prefix|NextMarker|NextKeyMarker)>([^<]*)</g,
  )) {
    const references = Array.from(name.matchAll(/&#(?:x([0-9a-f]+)|(\d+));/gi), ([, hex, decimal = ""]) =>
      hex === undefined ? Number.parseInt(decimal, 10) : Number.parseInt(hex, 16),
    );
    // A carriage return written as a reference is read as one.
    if (FORBIDDEN.test(name) || references.some((code) => code !== 13 && !isXmlCharacter(code))) return name;
  }
  return null;
}

function isXmlCharacter(code: number): boolean {
  if (code < 0x20) return code === 9 || code === 10 || code === 13;
  return code <= 0x10ffff && (code < 0xd800 || code > 0xdfff) && code !== 0xfffe && code !== 0xffff;
}
