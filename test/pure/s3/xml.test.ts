// Documents as stores really write them: AWS, R2, Ceph, MinIO; with entities, white space, other roots, and
// cut short.
import { describe, expect, test } from "vitest";
import {
  completeDocument,
  escapeText,
  parseComplete,
  parseCopyResult,
  parseError,
  parseInitiate,
  parseRoot,
  parseTagging,
} from "../../../src/s3/xml.ts";
import { parseListParts, parseListUploads } from "../../../src/s3/upload_xml.ts";
import { seeded } from "../samples.ts";

const PROLOG = '<?xml version="1.0" encoding="UTF-8"?>\n';
const NS = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"';
const HTML =
  "<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body><hr>nginx<br></body></html>";

const AWS_COMPLETE = `${PROLOG}<CompleteMultipartUploadResult ${NS}><Location>https://bucket.s3.amazonaws.com/key</Location><Bucket>bucket</Bucket><Key>key</Key><ETag>&quot;3858f62230ac3c915f300c664312c11f-9&quot;</ETag><ChecksumCRC64NVME>AAAA</ChecksumCRC64NVME></CompleteMultipartUploadResult>`;
const R2_COMPLETE = `${PROLOG}<CompleteMultipartUploadResult ${NS}><Location>/bucket/key</Location><Bucket>bucket</Bucket><Key>key</Key><ETag>"3858f62230ac3c915f300c664312c11f-9"</ETag></CompleteMultipartUploadResult>`;
const AWS_LIST = `${PROLOG}<ListPartsResult ${NS}><Bucket>b</Bucket><Key>k</Key><UploadId>VXBsb2Fk</UploadId>
  <Initiator><ID>arn:aws:iam::1:user/x</ID><DisplayName>x</DisplayName></Initiator><StorageClass>STANDARD</StorageClass>
  <PartNumberMarker>1</PartNumberMarker><NextPartNumberMarker>3</NextPartNumberMarker><MaxParts>2</MaxParts><IsTruncated>true</IsTruncated>
  <Part><PartNumber>2</PartNumber><LastModified>2026-11-10T20:48:34.000Z</LastModified><ETag>"7778aef83f66abc1fa1e8477f296d394"</ETag><Size>10485760</Size></Part>
  <Part><PartNumber>3</PartNumber><LastModified>2026-11-10T20:48:33.000Z</LastModified><ETag>"aaaa18db4cc2f85cedef654fccc4a4x8"</ETag><Size>10485760</Size></Part>
</ListPartsResult>`;

describe("parseComplete()", () => {
  const etag = '"3858f62230ac3c915f300c664312c11f-9"';
  test.each([
    ["AWS", AWS_COMPLETE, etag],
    [
      "AWS after minutes of white space",
      PROLOG + " \n".repeat(300) + AWS_COMPLETE.slice(PROLOG.length),
      etag,
    ],
    ["white space before the prolog", "\n  " + AWS_COMPLETE, etag],
    ["a byte order mark", "\ufeff" + AWS_COMPLETE, etag],
    ["R2", R2_COMPLETE, etag],
    ["numeric entities", R2_COMPLETE.replaceAll('"3858', "&#34;3858").replace('-9"', "-9&#x22;"), etag],
    [
      "no namespace and no prolog",
      `<CompleteMultipartUploadResult><ETag>abc</ETag></CompleteMultipartUploadResult>`,
      "abc",
    ],
    [
      "a namespace prefix",
      `<s3:CompleteMultipartUploadResult xmlns:s3="x"><s3:ETag>abc</s3:ETag></s3:CompleteMultipartUploadResult>`,
      "abc",
    ],
    [
      "Ceph, with an empty ETag",
      `<CompleteMultipartUploadResult ${NS}><ETag></ETag></CompleteMultipartUploadResult>`,
      null,
    ],
    [
      "an ETag of white space",
      `<CompleteMultipartUploadResult><ETag> </ETag></CompleteMultipartUploadResult>`,
      null,
    ],
    ["no ETag", `<CompleteMultipartUploadResult><Key>k</Key></CompleteMultipartUploadResult>`, null],
    ["an empty root", "<CompleteMultipartUploadResult/>", null],
  ])("%s", (_what, text, expected) => {
    expect(parseComplete(text)).toEqual({ etag: expected });
  });

  test.each([
    ["an error in a 200", `${PROLOG}<Error><Code>InternalError</Code></Error>`],
    ["another operation's answer", AWS_LIST],
    ["a proxy's page", HTML],
    ["JSON", '{"message":"Internal Server Error"}'],
    ["nothing", ""],
    ["white space alone", " ".repeat(500)],
    ["the prolog alone", PROLOG],
    ["plain text", "CompleteMultipartUploadResult"],
    ["the root inside another", `<Envelope>${R2_COMPLETE.slice(PROLOG.length)}</Envelope>`],
  ])("is null for %s", (_what, text) => {
    expect(parseComplete(text)).toBeNull();
  });

  test("is null for an answer cut short anywhere", () => {
    const believed: number[] = [];
    for (let length = 0; length < R2_COMPLETE.length; length++) {
      if (parseComplete(R2_COMPLETE.slice(0, length)) !== null) believed.push(length);
    }
    expect(believed).toEqual([]);
  });
});

describe("parseError()", () => {
  test.each([
    [
      "AWS",
      `${PROLOG}<Error><Code>PermanentRedirect</Code><Message>Use the endpoint.</Message><Endpoint>b.s3.eu-west-1.amazonaws.com</Endpoint><Bucket>b</Bucket><RequestId>4442587FB7D0A2F9</RequestId><HostId>x=</HostId></Error>`,
      {
        code: "PermanentRedirect",
        message: "Use the endpoint.",
        reason: null,
        requestId: "4442587FB7D0A2F9",
        region: null,
        endpoint: "b.s3.eu-west-1.amazonaws.com",
      },
    ],
    [
      "AWS with a region",
      `<Error><Code>AuthorizationHeaderMalformed</Code><Message>the region 'us-east-1' is wrong; expecting 'eu-west-1'</Message><Region>eu-west-1</Region></Error>`,
      {
        code: "AuthorizationHeaderMalformed",
        message: "the region 'us-east-1' is wrong; expecting 'eu-west-1'",
        reason: null,
        requestId: null,
        region: "eu-west-1",
        endpoint: null,
      },
    ],
    [
      "R2, in lines",
      `${PROLOG}<Error>\n  <Code>\n    NoSuchUpload\n  </Code>\n  <Message>The multipart upload &lt;x&gt; &amp; y.</Message>\n</Error>\n`,
      {
        code: "NoSuchUpload",
        message: "The multipart upload <x> & y.",
        reason: null,
        requestId: null,
        region: null,
        endpoint: null,
      },
    ],
    [
      "MinIO",
      `${PROLOG}<Error><Code>SlowDownWrite</Code><Message>Resource requested is unwritable, please reduce your request rate</Message><Key>k</Key><BucketName>b</BucketName><Resource>/b/k</Resource><RequestId>17A</RequestId></Error>`,
      {
        code: "SlowDownWrite",
        message: "Resource requested is unwritable, please reduce your request rate",
        reason: null,
        requestId: "17A",
        region: null,
        endpoint: null,
      },
    ],
    [
      "Ceph, with no message",
      "<Error><Code>NoSuchBucket</Code><Message></Message><RequestId>tx1</RequestId></Error>",
      { code: "NoSuchBucket", message: "", reason: null, requestId: "tx1", region: null, endpoint: null },
    ],
    [
      "Swift, with a reason",
      `<Error><Code>InternalError</Code><Message>Try again.</Message><Reason>Metadata too long</Reason></Error>`,
      {
        code: "InternalError",
        message: "Try again.",
        reason: "Metadata too long",
        requestId: null,
        region: null,
        endpoint: null,
      },
    ],
  ])("%s", (_what, text, error) => {
    expect(parseError(text)).toEqual(error);
  });

  test.each([
    "",
    HTML,
    "<Error/>",
    "<Error><Message>no code</Message></Error>",
    AWS_COMPLETE,
    "<Error><Code>Slow",
  ])("is null for %j", (text) => {
    expect(parseError(text)).toBeNull();
  });
});

describe("parseInitiate()", () => {
  test("keeps the upload ID as it is, also one that looks like a number", () => {
    for (const uploadId of ["2~XlNd+M+261dHJobVe9J/iszJktw==", "007", "1e5", "true", "%2B", " x "]) {
      const text = `${PROLOG}<InitiateMultipartUploadResult ${NS}><Bucket>b</Bucket><Key>k</Key><UploadId>${uploadId}</UploadId></InitiateMultipartUploadResult>`;
      expect(parseInitiate(text)).toEqual({ uploadId });
    }
  });

  test.each([
    "<InitiateMultipartUploadResult><UploadId></UploadId></InitiateMultipartUploadResult>",
    "<InitiateMultipartUploadResult/>",
    "<InitiateMultipartUploadResult><UploadId>abc",
    HTML,
  ])("is null without one: %s", (text) => {
    expect(parseInitiate(text)).toBeNull();
  });
});

describe("parseListParts()", () => {
  test("AWS, two parts of a longer list", () => {
    expect(parseListParts(AWS_LIST)).toEqual({
      parts: [
        { partNumber: 2, etag: '"7778aef83f66abc1fa1e8477f296d394"', sizeBytes: 10_485_760 },
        { partNumber: 3, etag: '"aaaa18db4cc2f85cedef654fccc4a4x8"', sizeBytes: 10_485_760 },
      ],
      isTruncated: true,
      nextMarker: "3",
    });
  });

  test("one part is a list as well", () => {
    const text = `<ListPartsResult><IsTruncated>false</IsTruncated><Part><PartNumber>1</PartNumber><ETag>&quot;a&quot;</ETag><Size>5</Size></Part></ListPartsResult>`;
    expect(parseListParts(text)).toEqual({
      parts: [{ partNumber: 1, etag: '"a"', sizeBytes: 5 }],
      isTruncated: false,
      nextMarker: null,
    });
  });

  test("no part at all", () => {
    const empty = { parts: [], isTruncated: false, nextMarker: null };
    expect(parseListParts("<ListPartsResult><IsTruncated>false</IsTruncated></ListPartsResult>")).toEqual(
      empty,
    );
    expect(parseListParts("<ListPartsResult/>")).toEqual(empty);
  });

  test("a full page of 1,000 parts, every ETag written with entities", () => {
    for (const quote of ["&quot;", "&#34;", "&#x22;"]) {
      let text = "<ListPartsResult>";
      for (let partNumber = 1; partNumber <= 1000; partNumber++) {
        text += `<Part><PartNumber>${partNumber}</PartNumber><ETag>${quote}7778aef83f66abc1fa1e8477f296d394${quote}</ETag><Size>10485760</Size></Part>`;
      }
      const listed = parseListParts(text + "</ListPartsResult>");
      expect(listed?.parts.length).toBe(1000);
      expect(listed?.parts[999]?.etag).toBe('"7778aef83f66abc1fa1e8477f296d394"');
    }
  });

  test.each([
    [
      "a part number that is none",
      "<ListPartsResult><Part><PartNumber>x</PartNumber><ETag>a</ETag><Size>5</Size></Part></ListPartsResult>",
    ],
    [
      "no size",
      "<ListPartsResult><Part><PartNumber>1</PartNumber><ETag>a</ETag><Size>?</Size></Part></ListPartsResult>",
    ],
    ["a page", HTML],
  ])("is null for %s", (_what, text) => {
    expect(parseListParts(text)).toBeNull();
  });

  test.each([
    ["number", "<Part><ETag>a</ETag><Size>5</Size></Part>"],
    ["size", "<Part><PartNumber>1</PartNumber><ETag>a</ETag></Part>"],
  ])("does not take a missing %s for zero", (_what, part) => {
    expect(parseListParts(`<ListPartsResult>${part}</ListPartsResult>`)).toBeNull();
  });

  test("is null for a list cut short anywhere", () => {
    const believed: number[] = [];
    for (let length = 0; length < AWS_LIST.length; length += 3) {
      if (parseListParts(AWS_LIST.slice(0, length)) !== null) believed.push(length);
    }
    expect(believed).toEqual([]);
  });
});

const upload = (key: string) =>
  `<Upload><Key>${key}</Key><UploadId>id+/=</UploadId><Initiated>2026-11-10T20:48:33.000Z</Initiated></Upload>`;

const list = (inside: string) => `<ListMultipartUploadsResult ${NS}>${inside}</ListMultipartUploadsResult>`;

const keyOf = (text: string) => parseListUploads(text)?.uploads[0]?.key;

describe("parseListUploads()", () => {
  test("a page with markers", () => {
    const text = list(
      `<NextKeyMarker>k</NextKeyMarker><NextUploadIdMarker>m</NextUploadIdMarker><IsTruncated>true</IsTruncated>${upload("k")}${upload("l")}`,
    );
    expect(parseListUploads(text)).toEqual({
      uploads: ["k", "l"].map((key) => ({
        key,
        uploadId: "id+/=",
        initiatedMs: Date.UTC(2026, 10, 10, 20, 48, 33),
      })),
      isTruncated: true,
      nextKeyMarker: "k",
      nextUploadIdMarker: "m",
    });
  });

  test.each([
    ["a b.txt", "a+b.txt"],
    ["a+b.txt", "a%2Bb.txt"],
    ["a&b<c>.txt", "a%26b%3Cc%3E.txt"],
    ["é/日", "%C3%A9/%E6%97%A5"],
  ])("decodes %s in form style where the answer says so", (key, encoded) => {
    const text = list(
      `<EncodingType>url</EncodingType><NextKeyMarker>${encoded}</NextKeyMarker>${upload(encoded)}`,
    );
    expect(keyOf(text)).toBe(key);
    expect(parseListUploads(text)?.nextKeyMarker).toBe(key);
  });

  test("decodes nothing where the store has ignored the option", () => {
    expect(keyOf(list(upload("a+b%20c")))).toBe("a+b%20c");
    expect(keyOf(list(upload("a&amp;b&lt;c&gt;.txt")))).toBe("a&b<c>.txt");
  });

  test("keeps a key's white space", () => {
    expect(keyOf(list(upload(" a ")))).toBe(" a ");
  });

  test("no upload at all", () => {
    expect(parseListUploads(list(""))?.uploads).toEqual([]);
  });

  test("is null where an upload lacks what names it, and for a key that cannot be decoded", () => {
    expect(parseListUploads(list("<Upload><Key>k</Key></Upload>"))).toBeNull();
    expect(parseListUploads(HTML)).toBeNull();
    expect(parseListUploads(list(`<EncodingType>url</EncodingType>${upload("100%")}`))).toBeNull();
  });
});

const tags = (inside: string) => parseTagging(`<Tagging ${NS}><TagSet>${inside}</TagSet></Tagging>`);

const tag = (key: string, value: string) => `<Tag><Key>${key}</Key><Value>${value}</Value></Tag>`;

describe("parseCopyResult() and parseTagging()", () => {
  test("the ETag of a copied object or part", () => {
    const body = '<LastModified>2026-11-10T20:48:33.000Z</LastModified><ETag>"a"</ETag>';
    expect(parseCopyResult(`<CopyObjectResult ${NS}>${body}</CopyObjectResult>`)).toEqual({ etag: '"a"' });
    expect(parseCopyResult(`<CopyPartResult>${body}</CopyPartResult>`)).toEqual({ etag: '"a"' });
    expect(parseCopyResult("<CopyPartResult><ETag/></CopyPartResult>")).toBeNull();
    expect(parseCopyResult("<Error><Code>SlowDown</Code></Error>")).toBeNull();
  });

  test("tags: none, one, several, with white space and entities", () => {
    expect(tags("")).toEqual([]);
    expect(tags(tag("a", "007"))).toEqual([["a", "007"]]);
    expect(tags(tag("a", "") + tag("b &amp; c", " d "))).toEqual([
      ["a", ""],
      ["b & c", " d "],
    ]);
    expect(parseTagging("<Tagging/>")).toBeNull();
    expect(parseTagging(HTML)).toBeNull();
  });
});

describe("completeDocument() and escapeText()", () => {
  test("writes the parts in the order given, quotes by name", () => {
    const parts = [
      { partNumber: 1, etag: '"a&b"' },
      { partNumber: 2, etag: "c<d>'e" },
    ];
    expect(completeDocument(parts)).toBe(
      "<CompleteMultipartUpload>" +
        "<Part><PartNumber>1</PartNumber><ETag>&quot;a&amp;b&quot;</ETag></Part>" +
        "<Part><PartNumber>2</PartNumber><ETag>c&lt;d&gt;&apos;e</ETag></Part>" +
        "</CompleteMultipartUpload>",
    );
    expect(completeDocument([])).toBe("<CompleteMultipartUpload></CompleteMultipartUpload>");
  });

  test("stays below the mebibyte that Ceph takes, at 10,000 parts", () => {
    const parts = Array.from({ length: 10_000 }, (_, index) => ({
      partNumber: index + 1,
      etag: '"7778aef83f66abc1fa1e8477f296d394"',
    }));
    expect(completeDocument(parts).length).toBeLessThan(1024 * 1024);
  });

  test("what is escaped is read back as it was", () => {
    const random = seeded(39);
    const alphabet = [..."&<>\"'\r\n\t ;#xamp0é日😀]", "&amp;", "&#13;", "]]>", "<!--", "\u2028"];
    for (let round = 0; round < 1000; round++) {
      let text = "x";
      for (let length = Math.floor(random() * 10); length > 0; length--) {
        text += alphabet[Math.floor(random() * alphabet.length)];
      }
      const document = `<Root><Value>${escapeText(text)}</Value></Root>`;
      expect(parseRoot(document, "Root")).toEqual({ Value: text });
    }
  });
});
