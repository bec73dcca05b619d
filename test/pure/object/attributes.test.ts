// What an object has besides its bytes: carried over, changed as asked, and named as a loss where it cannot
// be held.
import { describe, expect, test } from "vitest";
import {
  type AttributeRequest,
  attributeHeaders,
  COPY_ID_HEADER,
  droppable,
  unshownAttributes,
} from "../../../src/object/attributes.ts";
import { profileOf } from "../../../src/store/profiles.ts";

const aws = profileOf("aws");
const r2 = profileOf("r2");

function write(source: Record<string, string>, changes: Partial<AttributeRequest> = {}) {
  return attributeHeaders({
    source: new Headers(source),
    tags: "none",
    metadata: "preserve",
    changes: {},
    storageClass: null,
    profile: aws,
    encryption: undefined,
    copyId: null,
    ...changes,
  });
}

const FULL = {
  "content-type": "text/xml",
  "content-encoding": "gzip",
  "content-disposition": 'attachment; filename="x"',
  "content-language": "de",
  "cache-control": "max-age=60",
  expires: "Wed, 25 Nov 2026 12:00:00 GMT",
  "x-amz-meta-a": "1",
  "x-amz-meta-b-c": "two words",
};

describe("attributeHeaders()", () => {
  test("carries over all that describes the object, and nothing else of the answer", () => {
    const answer = {
      ...FULL,
      "content-length": "357",
      etag: '"e"',
      "last-modified": "x",
      "x-amz-request-id": "r",
      "x-amz-server-side-encryption": "AES256",
      "x-amz-version-id": "v",
      "x-amz-tagging-count": "2",
      server: "s",
    };
    expect(write(answer)).toEqual({ headers: FULL, losses: [], metadataBytes: 1 + 1 + 3 + 9 });
  });

  test("names S3's own type where the source has none", () => {
    expect(write({}).headers).toEqual({ "content-type": "binary/octet-stream" });
  });

  test("metadata replace takes nothing of the source but its storage class", () => {
    const source = { ...FULL, "x-amz-storage-class": "STANDARD_IA" };
    const changes = { contentType: "text/plain", meta: { Owner: "me" } };
    expect(write(source, { metadata: "replace", changes }).headers).toEqual({
      "content-type": "text/plain",
      "x-amz-meta-owner": "me",
      "x-amz-storage-class": "STANDARD_IA",
    });
  });

  test("changes win over the source, each under its header's name", () => {
    const changes = {
      contentType: "a/b",
      contentEncoding: "br",
      contentDisposition: "inline",
      contentLanguage: "fr",
      cacheControl: "no-store",
      expires: "0",
      websiteRedirect: "/there",
      meta: { a: "changed" },
    };
    expect(write(FULL, { changes }).headers).toEqual({
      "content-type": "a/b",
      "content-encoding": "br",
      "content-disposition": "inline",
      "content-language": "fr",
      "cache-control": "no-store",
      expires: "0",
      "x-amz-website-redirect-location": "/there",
      "x-amz-meta-a": "changed",
      "x-amz-meta-b-c": "two words",
    });
    expect(write(FULL, { changes: { contentType: undefined } }).headers).toEqual(FULL);
  });

  test.each([
    ["aws-chunked", undefined],
    ["aws-chunked, gzip", "gzip"],
    ["gzip,aws-chunked", "gzip"],
    ["gzip, br", "gzip, br"],
    ["", undefined],
  ])("content-encoding %j is written as %j", (coding, written) => {
    expect(write({ "content-encoding": coding }).headers["content-encoding"]).toBe(written);
  });

  test("marks the copy, and leaves the mark of an earlier copy behind", () => {
    expect(COPY_ID_HEADER).toBe("x-amz-meta-bucket-brigade-copy");
    const source = { [COPY_ID_HEADER]: "old" };
    expect(write(source).headers[COPY_ID_HEADER]).toBeUndefined();
    const { headers, metadataBytes } = write(source, { copyId: "new" });
    expect(headers[COPY_ID_HEADER]).toBe("new");
    expect(metadataBytes).toBe("bucket-brigade-copy".length + 3);
  });

  test("writes what is not ASCII as an RFC 2047 word, and passes such words unchanged", () => {
    const changes = { meta: { name: "größe", word: "=?UTF-8?B?w7Y=?=", plain: "~ a" } };
    expect(write({}, { changes }).headers).toMatchObject({
      "x-amz-meta-name": "=?UTF-8?B?Z3LDtsOfZQ==?=",
      "x-amz-meta-word": "=?UTF-8?B?w7Y=?=",
      "x-amz-meta-plain": "~ a",
    });
  });

  test("tags ride along in a header, encoded", () => {
    const tags = [
      ["a b", "1+2"],
      ["ü", ""],
    ] as const;
    expect(write({}, { tags }).headers["x-amz-tagging"]).toBe("a%20b=1%2B2&%C3%BC=");
    expect(write({}, { tags: { k: "v" } }).headers["x-amz-tagging"]).toBe("k=v");
    for (const none of ["none", "preserve", "require", [], {}] as const) {
      expect(write({}, { tags: none }).headers["x-amz-tagging"]).toBeUndefined();
    }
  });

  test.each([
    [{ kind: "AES256" }, { "x-amz-server-side-encryption": "AES256" }],
    [{ kind: "aws:kms" }, { "x-amz-server-side-encryption": "aws:kms" }],
    [
      { kind: "aws:kms", keyId: "key-1" },
      {
        "x-amz-server-side-encryption": "aws:kms",
        "x-amz-server-side-encryption-aws-kms-key-id": "key-1",
      },
    ],
    [{ kind: "customer", key: "k" }, {}],
  ] as const)("encryption %j", (encryption, headers) => {
    expect(write({}, { encryption }).headers).toEqual({ "content-type": "binary/octet-stream", ...headers });
  });

  test("STANDARD is every store's default, and not sent", () => {
    expect(write({}, { storageClass: "STANDARD" }).headers["x-amz-storage-class"]).toBeUndefined();
    const source = { "x-amz-storage-class": "GLACIER_IR" };
    expect(write(source).headers["x-amz-storage-class"]).toBe("GLACIER_IR");
    expect(write(source, { storageClass: "STANDARD" }).headers["x-amz-storage-class"]).toBeUndefined();
  });
});

describe("attributeHeaders() names what the destination cannot hold", () => {
  test.each([
    [
      { "x-amz-storage-class": "GLACIER_IR" },
      {},
      'The destination has no storage class "GLACIER_IR": its default is used',
    ],
    [
      { "x-amz-website-redirect-location": "/x" },
      {},
      'The destination does not support website redirects: "/x" is lost',
    ],
    [{}, { tags: { a: "1" } }, 'The destination does not support tags: "a=1" is lost'],
    [
      { "x-amz-missing-meta": "2" },
      {},
      "2 metadata entries of the source do not fit into HTTP headers, and the store does not return them",
    ],
    [{ "x-amz-object-lock-mode": "GOVERNANCE" }, {}, "The source's object lock is not copied"],
    [{ "x-amz-object-lock-legal-hold": "ON" }, {}, "The source's object lock is not copied"],
  ] as const)("%j %j", (source, changes, loss) => {
    const { headers, losses } = write(source, { profile: r2, ...changes });
    expect(losses).toEqual([loss]);
    expect(headers).toEqual({ "content-type": "binary/octet-stream" });
  });

  test("loses nothing by what is off or not there", () => {
    expect(write({ "x-amz-object-lock-legal-hold": "OFF" }).losses).toEqual([]);
    expect(write({ "x-amz-storage-class": "STANDARD_IA" }, { profile: r2 }).losses).toEqual([]);
  });
});

const refusal = (code: string, status: number | null, message = "") => ({ code, status, message });

describe("droppable() is the header that a refusal is about", () => {
  const headers = {
    "content-type": "text/plain",
    "x-amz-storage-class": "GLACIER_IR",
    "x-amz-tagging": "a=1",
    "x-amz-website-redirect-location": "/x",
  };
  test.each([
    [refusal("InvalidStorageClass", 400), "x-amz-storage-class"],
    [refusal("InvalidTag", 400), "x-amz-tagging"],
    [refusal("BadRequest", 400, "Object tags cannot be greater than 10"), "x-amz-tagging"],
    [refusal("InvalidRedirectLocation", 400), "x-amz-website-redirect-location"],
    [refusal("AccessDenied", 403), "x-amz-tagging"],
    [refusal("InvalidArgument", 400, "Unsupported header X-Amz-Tagging"), "x-amz-tagging"],
    [
      refusal("AccessDenied", 403, "x-amz-website-redirect-location is not allowed"),
      "x-amz-website-redirect-location",
    ],
    [refusal("NotImplemented", 501), "x-amz-storage-class"],
    [refusal("unknown", 501), "x-amz-storage-class"],
    [refusal("InvalidRequest", 400), "x-amz-storage-class"],
  ])("%j", (answer, name) => {
    expect(droppable(headers, answer)?.name).toBe(name);
  });

  test.each([
    refusal("NoSuchBucket", 404),
    refusal("SignatureDoesNotMatch", 403),
    refusal("MetadataTooLarge", 400),
    refusal("EntityTooLarge", 413),
  ])("is none for %j", (answer) => {
    expect(droppable(headers, answer)).toBeNull();
  });

  test("is none where there is nothing that could be left out", () => {
    const bare = { "content-type": "text/plain", "x-amz-meta-a": "1" };
    for (const code of ["NotImplemented", "InvalidStorageClass", "AccessDenied", "InvalidTag"]) {
      expect(droppable(bare, refusal(code, 501))).toBeNull();
    }
    expect(droppable({ "x-amz-storage-class": "X" }, refusal("AccessDenied", 403))).toBeNull();
  });

  test("says what is lost, with its value and the store's code", () => {
    expect(droppable(headers, refusal("InvalidStorageClass", 400))?.loss).toBe(
      'The destination does not accept the storage class "GLACIER_IR" (InvalidStorageClass)',
    );
  });
});

describe("unshownAttributes()", () => {
  const sent = {
    "content-type": "text/csv; charset=utf-8",
    "cache-control": "no-store",
    "x-amz-meta-a_b": "1",
    "x-amz-meta-c": "2",
    "x-amz-tagging": "k=v",
  };

  test("names what a finished object does not show, as of a store that writes a name anew", () => {
    const shown = new Headers({
      "content-type": "text/csv;charset=UTF-8",
      "x-amz-meta-a-b": "1",
      "x-amz-meta-c": "2",
    });
    expect(unshownAttributes(sent, shown)).toEqual([
      'The destination accepted "cache-control" but does not return it',
      'The destination accepted "x-amz-meta-a_b" but does not return it',
    ]);
  });

  test("is silent about values that are written otherwise, and about tags, which no HEAD shows", () => {
    const { "x-amz-tagging": _tags, ...headers } = sent;
    expect(unshownAttributes(sent, new Headers({ ...headers, "content-type": "TEXT/CSV" }))).toEqual([]);
  });
});
