// Listings as stores really write them: encoded or not, V1 or V2, with keys that XML cannot carry.
import { describe, expect, test } from "vitest";
import { type ListingPage, cutContents, parseListing } from "../../../src/s3/listing_xml.ts";
import { seeded } from "../samples.ts";

const NS = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"';
const list = (inside: string) => `<ListBucketResult ${NS}>${inside}</ListBucketResult>`;
const entry = (key: string, more = "<Size>5</Size>") => `<Contents><Key>${key}</Key>${more}</Contents>`;
const ENCODED = "<EncodingType>url</EncodingType>";

function pageOf(text: string): ListingPage {
  const parsed = parseListing(text);
  if (parsed.kind !== "page") throw new Error(`no page but ${JSON.stringify(parsed)}`);
  return parsed.page;
}

const keysOf = (text: string) => pageOf(text).objects.map(({ key }) => key);

describe("parseListing()", () => {
  test("gives key, size, ETag, time and storage class", () => {
    const text = list(
      `<Name>b</Name><Prefix>p/</Prefix><KeyCount>1</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>true</IsTruncated>
      <NextContinuationToken>1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=</NextContinuationToken>
      <Contents><Key>p/a</Key><LastModified>2026-10-12T17:50:30.000Z</LastModified><ETag>&quot;fba9dede5f27731c9771645a39863328&quot;</ETag>
      <Size>434234</Size><StorageClass>GLACIER</StorageClass></Contents>
      <CommonPrefixes><Prefix>p/sub/</Prefix></CommonPrefixes>`,
    );
    expect(pageOf(text)).toEqual({
      objects: [
        {
          key: "p/a",
          sizeBytes: 434234,
          etag: '"fba9dede5f27731c9771645a39863328"',
          lastModifiedMs: Date.UTC(2026, 9, 12, 17, 50, 30),
          storageClass: "GLACIER",
          isRestored: false,
        },
      ],
      unreadable: [],
      commonPrefixes: ["p/sub/"],
      isTruncated: true,
      bucket: "b",
      prefix: ["p/", "p/"],
      keyCount: 1,
      token: null,
      nextToken: "1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=",
      nextMarker: null,
      isV1: false,
    });
  });

  test.each([
    ["a b.txt", "a+b.txt"],
    ["a+b.txt", "a%2Bb.txt"],
    ["a&b<c>.txt", "a%26b%3Cc%3E.txt"],
    ["é/日/😀", "%C3%A9/%E6%97%A5/%F0%9F%98%80"],
    ["\u0001\r\n\0", "%01%0D%0A%00"],
    ["100%", "100%25"],
    [" a ", "+a+"],
  ])("decodes %j in form style where the answer says so", (key, encoded) => {
    expect(keysOf(list(ENCODED + entry(encoded)))).toEqual([key]);
    const prefix = list(`${ENCODED}<CommonPrefixes><Prefix>${encoded}</Prefix></CommonPrefixes>`);
    expect(pageOf(prefix).commonPrefixes).toEqual([key]);
    const marker = list(`${ENCODED}<NextMarker>${encoded}</NextMarker>`);
    expect(pageOf(marker).nextMarker).toBe(key);
  });

  test("never decodes a token", () => {
    const token = "<NextContinuationToken>a+b%2Bc</NextContinuationToken>";
    expect(pageOf(list(ENCODED + token)).nextToken).toBe("a+b%2Bc");
  });

  test("decodes nothing where the store has ignored the option", () => {
    const names = [
      "a+b%20c",
      "a&amp;b&lt;c&gt;.txt",
      " a ",
      "constructor",
      "__proto__",
      "007",
      "tab\there",
      "line\nbreak",
    ];
    expect(keysOf(list(names.map((name) => entry(name)).join("")))).toEqual([
      "a+b%20c",
      "a&b<c>.txt",
      " a ",
      "constructor",
      "__proto__",
      "007",
      "tab\there",
      "line\nbreak",
    ]);
  });

  test.each([
    ["a control character", "a\u0001b"],
    ["a carriage return, which XML reads as a line feed", "a\rb"],
    ["a reference to a control character", "a&#1;b"],
    ["a reference in hex", "a&#x1F;b"],
    ["a reference to a surrogate", "a&#xD83D;"],
    ["a noncharacter", "a\uffff"],
  ])("a key with %s, not encoded, is shown instead of misread", (_what, key) => {
    expect(parseListing(list(entry("fine") + entry(key)))).toEqual({ kind: "unreadable_key", shown: key });
    const prefix = list(`<CommonPrefixes><Prefix>${key}</Prefix></CommonPrefixes>`);
    expect(parseListing(prefix)).toEqual({ kind: "unreadable_key", shown: key });
  });

  test("a carriage return that is written as a reference is read, and one between elements is no matter", () => {
    expect(keysOf(list(`\r\n  ${entry("a&#13;b")}\r\n`))).toEqual(["a\rb"]);
    expect(keysOf(list(entry("a&#x26;b&#39;")))).toEqual(["a&b'"]);
  });

  test("a key that is said to be encoded and cannot be decoded is shown", () => {
    for (const name of ["100%", "%FF"]) {
      const page = pageOf(list(ENCODED + entry("a") + entry(name)));
      expect([page.objects.map(({ key }) => key), page.unreadable]).toEqual([["a"], [name]]);
    }
  });

  test("keeps directory markers, with and without bytes", () => {
    const text = list(entry("abc") + entry("abc/", "<Size>0</Size>") + entry("abd/"));
    expect(pageOf(text).objects.map(({ key, sizeBytes }) => [key, sizeBytes])).toEqual([
      ["abc", 5],
      ["abc/", 0],
      ["abd/", 5],
    ]);
  });

  test("what a store does not tell is null", () => {
    expect(pageOf(list(entry("a", "<Size>5</Size><ETag/><StorageClass></StorageClass>"))).objects).toEqual([
      { key: "a", sizeBytes: 5, etag: null, lastModifiedMs: null, storageClass: null, isRestored: false },
    ]);
  });

  test("tells a restored copy of an archived object from one that is still being restored", () => {
    const restored =
      "<Size>5</Size><RestoreStatus><IsRestoreInProgress>false</IsRestoreInProgress><RestoreExpiryDate>2026-12-01T00:00:00.000Z</RestoreExpiryDate></RestoreStatus>";
    const under =
      "<Size>5</Size><RestoreStatus><IsRestoreInProgress>true</IsRestoreInProgress></RestoreStatus>";
    const page = pageOf(list(entry("a", restored) + entry("b", under) + entry("c")));
    expect(page.objects.map(({ isRestored }) => isRestored)).toEqual([true, false, false]);
  });

  test("tells V1 from V2, and a page that does not say whether it is truncated", () => {
    expect(pageOf(list("<Marker></Marker><IsTruncated>true</IsTruncated>"))).toMatchObject({
      isV1: true,
      isTruncated: true,
    });
    expect(pageOf(list("<KeyCount>0</KeyCount>"))).toMatchObject({ isV1: false, isTruncated: null });
  });

  test("a page of 1,000 keys full of entities", () => {
    const text = list(
      Array.from({ length: 1000 }, (_, index) =>
        entry(
          `&amp;&lt;&gt;&quot;&apos;&#38;${index}`,
          "<ETag>&quot;7778aef83f66abc1fa1e8477f296d394&quot;</ETag><Size>1</Size>",
        ),
      ).join(""),
    );
    expect(keysOf(text)[999]).toBe(`&<>"'&999`);
  });

  test.each(["constructor", "toString", "__proto__"])("&%s; is no entity: it stays what it is", (name) => {
    expect(keysOf(list(entry(`a&amp;&${name};b`)))).toEqual([`a&&${name};b`]);
  });

  test.each([
    ["HTML", "<!DOCTYPE html><html><body><hr>nginx<br></body></html>"],
    ["another document", "<ListPartsResult/>"],
    ["half a document", list(entry("a") + entry("b")).slice(0, -30)],
    ["an object without a size", list("<Contents><Key>a</Key></Contents>")],
    ["an object without a key", list("<Contents><Size>1</Size></Contents>")],
    ["an object that is empty", list("<Contents/>")],
  ])("%s is no listing", (_what, text) => {
    expect(parseListing(text)).toEqual({ kind: "no_listing" });
  });
});

describe("the objects of a plain document are cut out of it", () => {
  const random = seeded(11);
  const below = (limit: number) => Math.floor(random() * limit);
  const pick = <T>(values: readonly T[]): T => values[below(values.length)] as T;
  const PIECES = [
    ..."ab/+%é日😀 \t'>",
    "&amp;",
    "&lt;",
    "&gt;",
    "&quot;",
    "&apos;",
    "&#34;",
    "&#x27;",
    "&#13;",
    "&#1;",
    "&amp;lt;",
    "&eacute;",
    "%2B",
    "%F0%9F%98%80",
    "%zz",
    "\u0001",
    "&",
  ];
  const text = (most: number) => Array.from({ length: below(most) }, () => pick(PIECES)).join("");
  const CHILDREN: readonly (() => string)[] = [
    () => `<ETag>${pick(["&quot;", "&#34;", '"', ""])}${"0a".repeat(16)}${pick(["&quot;", '"'])}</ETag>`,
    () => `<ETag>${text(4)}</ETag>`,
    () => "<ETag/>",
    () => "<StorageClass>GLACIER</StorageClass>",
    () => "<StorageClass></StorageClass>",
    () => "<LastModified>2026-10-12T17:50:30.000Z</LastModified>",
    () => "<Owner><ID>1</ID><DisplayName>a &amp; b</DisplayName></Owner>",
    () => "<ChecksumAlgorithm>CRC32</ChecksumAlgorithm>",
    () =>
      "<RestoreStatus><IsRestoreInProgress>false</IsRestoreInProgress><RestoreExpiryDate>x</RestoreExpiryDate></RestoreStatus>",
    () => '<Type xsi:type="odd">x</Type>',
    () => "\n  ",
  ];
  const RARE: readonly (() => string)[] = [
    () => "<![CDATA[<Contents><Key>not a key</Key><Size>1</Size></Contents>]]>",
    () => "<!-- <Contents></Contents> -->",
    () => "<Contents/>",
    () => "<Key>twice</Key>",
    () => "<Size>7</Size >",
    () => "<s3:Contents><s3:Key>k</s3:Key><s3:Size>1</s3:Size></s3:Contents>",
    () => "<Contents><Key>open",
  ];

  function documentOf(): string {
    let body = below(2) === 0 ? ENCODED : "";
    for (let objects = below(5); objects > 0; objects--) {
      let children = "";
      for (let more = below(5); more > 0; more--) children += pick(CHILDREN)();
      const rare = below(12) === 0 ? pick(RARE)() : "";
      body += `<Contents>${pick(["", "\n"])}<Key>${text(6)}</Key>${children}<Size>${below(9)}</Size>${rare}</Contents>`;
      if (below(8) === 0) body += `<CommonPrefixes><Prefix>${text(3)}</Prefix></CommonPrefixes>`;
      if (below(20) === 0) body += pick(RARE)();
    }
    return list(`${body}<IsTruncated>${below(2) === 0}</IsTruncated>`);
  }

  test("what is read is what the parser reads of the whole document, whatever stands in it", () => {
    let cut = 0;
    for (let round = 0; round < 2_000; round++) {
      const document = documentOf();
      if (cutContents(document) !== null) cut++;
      // A comment is not plain: with it, the parser reads everything.
      const commented = document.replace(">", "><!-- -->");
      expect(cutContents(commented)).toBeNull();
      expect(parseListing(document), document).toEqual(parseListing(commented));
    }
    expect(cut).toBeGreaterThan(130);
  });

  test("a page as stores write it is cut", () => {
    const objects = Array.from({ length: 1000 }, (_, n) =>
      entry(`p/${n}`, `<ETag>&quot;${n}&quot;</ETag><Size>${n}</Size><StorageClass>STANDARD</StorageClass>`),
    );
    const cut = cutContents(
      `<?xml version="1.0"?>\n${list(`<KeyCount>1000</KeyCount>${objects.join("")}${ENCODED}`)}`,
    );
    expect(cut?.contents).toHaveLength(1000);
    expect(cut?.rest).toBe(`<?xml version="1.0"?>\n${list(`<KeyCount>1000</KeyCount>${ENCODED}`)}`);
  });
});
