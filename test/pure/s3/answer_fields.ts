// What happens for each field of an answer about one object, one upload or one error when it is missing,
// empty, spelled otherwise, of another type, repeated, or contradicted. Data, which value.test.ts
// reads: each answer is given to the operation itself.

import { copyMark } from "../../../src/object/mark.ts";

export interface AnswerRow {
  readonly operation:
    | "HeadObject"
    | "PutObject"
    | "CopyObject"
    | "UploadPartCopy"
    | "CreateMultipartUpload"
    | "CompleteMultipartUpload"
    | "GetObjectTagging"
    | "ListParts"
    | "ListMultipartUploads"
    | "error";
  readonly field: string;
  readonly form: "right" | "missing" | "empty" | "respelled" | "other type" | "repeated" | "contradicted";
  readonly status?: number;
  readonly headers?: readonly (readonly [string, string])[];
  readonly xml?: string;
  /** What is read: a value, or the code of the failure. `unknown`: as if the field were not there. */
  readonly outcome: unknown;
}

type Form = AnswerRow["form"];

const MD5 = "781e5e245d69b566979b86e28d23f2c7";
const ETAG = `"${MD5}"`;

/** One header of HeadObject. `null`: it is not there; a list: it is there so many times. */
function head(
  field: string,
  form: Form,
  values: string | readonly string[] | null,
  outcome: unknown,
): AnswerRow {
  const list = values === null ? [] : typeof values === "string" ? [values] : values;
  const others = { "content-length": "10", etag: ETAG };
  const headers = Object.entries(others).filter(([name]) => name !== field);
  return {
    operation: "HeadObject",
    field,
    form,
    headers: [...headers, ...list.map((value) => [field, value] as const)],
    outcome,
  };
}

const HEAD: readonly AnswerRow[] = [
  head("content-length", "right", "10", 10),
  head("content-length", "right", "0", 0),
  head("content-length", "missing", null, "unknown"),
  head("content-length", "empty", "", "unknown"),
  head("content-length", "respelled", "0x10", "unknown"),
  head("content-length", "respelled", "1e1", "unknown"),
  head("content-length", "respelled", "10.0", "unknown"),
  head("content-length", "respelled", "+10", "unknown"),
  head("content-length", "other type", "-1", "unknown"),
  head("content-length", "other type", "NaN", "unknown"),
  head("content-length", "other type", "9007199254740993", "unknown"),
  head("content-length", "repeated", ["10", "10"], "unknown"),
  head("content-length", "contradicted", ["10", "11"], "unknown"),
  head("etag", "right", ETAG, ETAG),
  head("etag", "right", '"any opaque text"', '"any opaque text"'),
  head("etag", "missing", null, "unknown"),
  head("etag", "empty", "", "unknown"),
  head("etag", "empty", '""', "unknown"),
  head("etag", "respelled", MD5, MD5),
  head("etag", "respelled", `W/${ETAG}`, `W/${ETAG}`),
  head("etag", "respelled", `&quot;${MD5}&quot;`, `&quot;${MD5}&quot;`),
  head("etag", "other type", "x".repeat(2000), "unknown"),
  head("etag", "repeated", [ETAG, ETAG], "unknown"),
  head("etag", "contradicted", [MD5, "other"], "unknown"),
  head("last-modified", "right", "Wed, 25 Nov 2026 12:00:30 GMT", Date.UTC(2026, 10, 25, 12, 0, 30)),
  head("last-modified", "missing", null, "unknown"),
  head("last-modified", "empty", "", "unknown"),
  head("last-modified", "respelled", "2026-11-25T12:00:30Z", Date.UTC(2026, 10, 25, 12, 0, 30)),
  head("last-modified", "respelled", "2026-11-25 12:00:30", "unknown"),
  head("last-modified", "other type", "2", "unknown"),
  head("last-modified", "other type", "-1", "unknown"),
  head("last-modified", "repeated", Array(2).fill("Wed, 25 Nov 2026 12:00:30 GMT"), "unknown"),
  head("x-amz-server-side-encryption", "right", "AES256", "readable"),
  head("x-amz-server-side-encryption", "right", "aws:kms", "encrypted with a key"),
  // Its ETag proves what its bytes are, or proves nothing.
  head("x-amz-server-side-encryption", "missing", null, "readable"),
  head("x-amz-server-side-encryption", "respelled", "aws:kms:dsse", "encrypted with a key"),
  head("x-amz-server-side-encryption", "other type", "yes", "encrypted with a key"),
  head("x-amz-server-side-encryption", "repeated", ["AES256", "aws:kms"], "encrypted with a key"),
  head("x-amz-checksum-crc32", "right", "AAAAAA==", ["crc32", "00000000"]),
  head("x-amz-checksum-crc32", "missing", null, []),
  head("x-amz-checksum-crc32", "empty", "", []),
  head("x-amz-checksum-crc32", "respelled", "00000000", []),
  head("x-amz-checksum-crc32", "other type", "AAAAAA==-2", []),
  head("x-amz-checksum-crc32", "repeated", ["AAAAAA==", "AAAAAA=="], []),
  head("x-amz-storage-class", "right", "GLACIER", "archived"),
  head("x-amz-storage-class", "missing", null, "readable"),
  head("x-amz-storage-class", "respelled", " deep_archive ", "archived"),
  head("x-amz-storage-class", "other type", "PREMIUM", "readable"),
  head("x-amz-archive-status", "right", "ARCHIVE_ACCESS", "archived"),
  head("x-amz-meta-bucket-brigade-copy", "right", copyMark("id", MD5, { bucket: "bucket", key: "key" }), MD5),
  head("x-amz-meta-bucket-brigade-copy", "missing", null, "unknown"),
  head("x-amz-meta-bucket-brigade-copy", "empty", "", "unknown"),
  head("x-amz-meta-bucket-brigade-copy", "other type", MD5, "unknown"),
];

const PUT: readonly AnswerRow[] = (
  [
    ["right", [ETAG], ETAG],
    ["missing", [], "missing_etag"],
    ["empty", [""], "missing_etag"],
    ["respelled", [MD5], MD5],
    ["repeated", [ETAG, ETAG], "missing_etag"],
    ["contradicted", [ETAG, '"other"'], "missing_etag"],
  ] as const
).map(([form, values, outcome]) => ({
  operation: "PutObject",
  field: "ETag",
  form,
  headers: values.map((value) => ["etag", value] as const),
  outcome,
}));

const etagElement = `<ETag>&quot;${MD5}&quot;</ETag>`;

function inRoot(operation: AnswerRow["operation"], root: string) {
  return (field: string, form: Form, inner: string, outcome: unknown): AnswerRow => ({
    operation,
    field,
    form,
    xml: `<${root}>${inner}</${root}>`,
    outcome,
  });
}

/** The ETag of a copy that a service has made by itself. */
const COPIES: readonly AnswerRow[] = (["CopyObject", "UploadPartCopy"] as const).flatMap((operation) => {
  const row = inRoot(operation, operation === "CopyObject" ? "CopyObjectResult" : "CopyPartResult");
  return [
    row("ETag", "right", etagElement, ETAG),
    row("ETag", "missing", "", "bad_answer"),
    row("ETag", "empty", "<ETag/>", "bad_answer"),
    row("ETag", "respelled", `<ETag>${MD5}</ETag>`, MD5),
    row("ETag", "other type", "<ETag><Value>x</Value></ETag>", "bad_answer"),
    row("ETag", "other type", "<ETag>&quot;x&#13;&#10;X: 1&quot;</ETag>", "bad_answer"),
    row("ETag", "repeated", etagElement + etagElement, "bad_answer"),
    { ...row("root", "missing", "", "bad_answer"), xml: "" },
    { ...row("root", "respelled", "", "bad_answer"), xml: `<Result>${etagElement}</Result>` },
    {
      ...row("root", "contradicted", "", "InternalError"),
      xml: "<Error><Code>InternalError</Code><Message>x</Message></Error>",
    },
    { ...row("root", "contradicted", "", "bad_answer"), xml: "<Error><Message>x</Message></Error>" },
  ];
});

const create = inRoot("CreateMultipartUpload", "InitiateMultipartUploadResult");
const complete = inRoot("CompleteMultipartUpload", "CompleteMultipartUploadResult");

const UPLOADS: readonly AnswerRow[] = [
  create("UploadId", "right", "<UploadId>007</UploadId>", "007"),
  create("UploadId", "missing", "<Key>k</Key>", "bad_answer"),
  create("UploadId", "empty", "<UploadId/>", "bad_answer"),
  create("UploadId", "empty", "<UploadId> </UploadId>", "bad_answer"),
  create("UploadId", "other type", "<UploadId><Id>1</Id></UploadId>", "bad_answer"),
  create("UploadId", "other type", `<UploadId>${"x".repeat(5000)}</UploadId>`, "bad_answer"),
  create("UploadId", "repeated", "<UploadId>1</UploadId><UploadId>2</UploadId>", "bad_answer"),
  complete("ETag", "right", etagElement, ETAG),
  // The object itself is asked then.
  complete("ETag", "missing", "", "unknown"),
  complete("ETag", "empty", "<ETag></ETag>", "unknown"),
  complete("ETag", "respelled", `<ETag>${MD5}-2</ETag>`, `${MD5}-2`),
  complete("ETag", "other type", "<ETag>a&#10;b</ETag>", "unknown"),
  complete("ETag", "repeated", etagElement + etagElement, "unknown"),
  {
    ...complete("root", "contradicted", "", "InvalidPart"),
    xml: "<Error><Code>InvalidPart</Code><Message>x</Message></Error>",
  },
  { ...complete("root", "missing", "", "bad_answer"), xml: " ".repeat(20) },
];

const tagging = inRoot("GetObjectTagging", "Tagging");
const tag = (key: string, value = "1") => `<Tag><Key>${key}</Key><Value>${value}</Value></Tag>`;

const TAGS: readonly AnswerRow[] = [
  tagging("TagSet", "right", `<TagSet>${tag("a")}</TagSet>`, [["a", "1"]]),
  tagging("TagSet", "empty", "<TagSet/>", []),
  tagging("TagSet", "missing", "", "bad_answer"),
  tagging("TagSet", "other type", "<TagSet>a=1</TagSet>", "bad_answer"),
  tagging("TagSet", "repeated", `<TagSet>${tag("a")}</TagSet><TagSet/>`, "bad_answer"),
  tagging("Key", "missing", "<TagSet><Tag><Value>1</Value></Tag></TagSet>", "bad_answer"),
  tagging("Key", "empty", `<TagSet>${tag("")}</TagSet>`, "bad_answer"),
  tagging("Key", "repeated", `<TagSet>${tag("a")}${tag("a")}</TagSet>`, "bad_answer"),
  tagging("Key", "contradicted", `<TagSet>${tag("a")}${tag("a", "2")}</TagSet>`, "bad_answer"),
  tagging("Value", "missing", "<TagSet><Tag><Key>a</Key></Tag></TagSet>", "bad_answer"),
  tagging("Value", "empty", `<TagSet>${tag("a", "")}</TagSet>`, [["a", ""]]),
];

const listParts = inRoot("ListParts", "ListPartsResult");
const part = (number: string, size = "5", etag = etagElement) =>
  `<Part><PartNumber>${number}</PartNumber><Size>${size}</Size>${etag}</Part>`;
const END = "<IsTruncated>false</IsTruncated>";
const manyParts = Array.from({ length: 1000 }, (_, index) => part(String(index + 1))).join("");

const PARTS: readonly AnswerRow[] = [
  listParts("Part", "right", END + part("1") + part("2"), [1, 2]),
  listParts("Part", "missing", END, []),
  listParts("Part", "repeated", END + part("1") + part("1"), [1]),
  listParts("Part", "contradicted", END + part("1") + part("1", "6"), "bad_answer"),
  listParts("PartNumber", "missing", `${END}<Part><Size>5</Size>${etagElement}</Part>`, "bad_answer"),
  listParts("PartNumber", "empty", END + part(""), "bad_answer"),
  listParts("PartNumber", "respelled", END + part(" 1 "), [1]),
  listParts("PartNumber", "other type", END + part("0"), "bad_answer"),
  listParts("PartNumber", "other type", END + part("-1"), "bad_answer"),
  listParts("PartNumber", "other type", END + part("10001"), "bad_answer"),
  listParts("PartNumber", "repeated", END + part("1</PartNumber><PartNumber>2"), "bad_answer"),
  listParts("Size", "missing", `${END}<Part><PartNumber>1</PartNumber>${etagElement}</Part>`, "bad_answer"),
  listParts("Size", "other type", END + part("1", "5 MiB"), "bad_answer"),
  listParts("Size", "other type", END + part("1", "1e3"), "bad_answer"),
  // What such a part holds is unknown: it is sent again.
  listParts("ETag", "missing", END + part("1", "5", "") + part("2"), [2]),
  listParts("ETag", "empty", END + part("1", "5", "<ETag/>") + part("2"), [2]),
  listParts("IsTruncated", "missing", part("1"), [1]),
  // A full page may have a successor, and there is no marker to ask for it.
  listParts("IsTruncated", "missing", manyParts, "perhaps others, too"),
  listParts("IsTruncated", "empty", `<IsTruncated/>${part("1")}`, [1]),
  listParts("IsTruncated", "respelled", `<IsTruncated> False </IsTruncated>${part("1")}`, [1]),
  listParts("IsTruncated", "other type", `<IsTruncated>0</IsTruncated>${part("1")}`, "bad_answer"),
  listParts("IsTruncated", "repeated", END + END + part("1"), "bad_answer"),
];

const listUploads = inRoot("ListMultipartUploads", "ListMultipartUploadsResult");
const upload = (id: string, key = "key", at = "<Initiated>2026-11-25T12:00:00.000Z</Initiated>") =>
  `<Upload><Key>${key}</Key><UploadId>${id}</UploadId>${at}</Upload>`;

const LISTED_UPLOADS: readonly AnswerRow[] = [
  listUploads("Upload", "right", END + upload("1") + upload("2"), ["1", "2"]),
  listUploads("Upload", "missing", END, []),
  // The list is of a prefix.
  listUploads("Key", "contradicted", END + upload("1", "key2") + upload("2"), ["2"]),
  listUploads("Key", "missing", `${END}<Upload><UploadId>1</UploadId></Upload>`, "bad_answer"),
  listUploads("UploadId", "empty", END + upload(""), "bad_answer"),
  listUploads("UploadId", "repeated", END + upload("1</UploadId><UploadId>2"), "bad_answer"),
  listUploads("Initiated", "missing", END + upload("1", "key", ""), "bad_answer"),
  listUploads("Initiated", "other type", END + upload("1", "key", "<Initiated>5</Initiated>"), "bad_answer"),
  listUploads("IsTruncated", "missing", upload("1"), ["1"]),
  listUploads("IsTruncated", "missing", upload("1").repeat(1000), "bad_answer"),
  listUploads("IsTruncated", "other type", `<IsTruncated>yes</IsTruncated>${upload("1")}`, "bad_answer"),
  listUploads("IsTruncated", "contradicted", `<IsTruncated>true</IsTruncated>${upload("1")}`, "bad_answer"),
  listUploads("EncodingType", "respelled", `<EncodingType>URL</EncodingType>${END}${upload("1", "%6Bey")}`, [
    "1",
  ]),
  listUploads("EncodingType", "other type", `<EncodingType>hex</EncodingType>${END}`, "bad_answer"),
  listUploads(
    "EncodingType",
    "repeated",
    `<EncodingType>url</EncodingType>${"<EncodingType/>"}`,
    "bad_answer",
  ),
];

function refusal(field: string, form: Form, inner: string, outcome: string, status = 403): AnswerRow {
  return { operation: "error", field, form, status, xml: `<Error>${inner}</Error>`, outcome };
}

const ERRORS: readonly AnswerRow[] = [
  refusal("Code", "right", "<Code>AccessDenied</Code>", "AccessDenied"),
  refusal("Code", "respelled", "<Code>\n AccessDenied </Code>", "AccessDenied"),
  refusal("Code", "missing", "<Message>x</Message>", "http_403"),
  refusal("Code", "empty", "<Code/>", "http_403"),
  refusal("Code", "other type", "<Code><Value>AccessDenied</Value></Code>", "http_403"),
  refusal("Code", "other type", `<Code>A${"x".repeat(64)}</Code>`, "http_403"),
  // Words of the mesh, which decide what is done.
  refusal("Code", "other type", "<Code>cancelled</Code>", "http_403"),
  refusal("Code", "other type", "<Code>platform_limit</Code>", "http_403"),
  refusal("Code", "other type", "<Code>constructor</Code>", "http_403"),
  refusal("Code", "repeated", "<Code>AccessDenied</Code><Code>SlowDown</Code>", "http_403"),
  refusal("Code", "contradicted", "<Code>NoSuchKey</Code>", "NoSuchKey", 404),
  { operation: "error", field: "document", form: "missing", status: 404, xml: "", outcome: "http_404" },
  {
    operation: "error",
    field: "document",
    form: "other type",
    status: 500,
    xml: "<html/>",
    outcome: "http_500",
  },
];

export const ANSWER_FIELDS: readonly AnswerRow[] = [
  ...HEAD,
  ...PUT,
  ...COPIES,
  ...UPLOADS,
  ...TAGS,
  ...PARTS,
  ...LISTED_UPLOADS,
  ...ERRORS,
];
