// Each answer of the table is given to the operation that would get it.
import { afterEach, expect, test, vi } from "vitest";
import { markedSourceEtag } from "../../../src/object/mark.ts";
import { fullObjectChecksums } from "../../../src/object/checksum.ts";
import { archiveOf } from "../../../src/object/archive.ts";
import { S3Error } from "../../../src/s3/errors.ts";
import { headObject } from "../../../src/s3/read.ts";
import { type S3, connect } from "../../../src/s3/request.ts";
import { pause, stoppable } from "../../../src/s3/stop.ts";
import { isEncryptedWithKey } from "../../../src/s3/encryption.ts";
import {
  completeMultipartUpload,
  copyObject,
  createMultipartUpload,
  getObjectTagging,
  listParts,
  listUploadsOfKey,
  putObject,
  uploadPartCopy,
} from "../../../src/s3/s3.ts";
import { etagOf, sizeOf, timeOf, wholeNumber, parseRetryAfter } from "../../../src/s3/value.ts";
import { findStore } from "../../../src/store/stores.ts";
import { type AnswerRow, ANSWER_FIELDS } from "./answer_fields.ts";

const S3_OF_TEST: S3 = connect(
  findStore(
    {
      STORE_TEST: JSON.stringify({
        endpoint: "https://store.test",
        region: "us-east-1",
        accessKeyId: "id",
        secretAccessKey: "secret",
      }),
    },
    "test",
  ),
  "test",
);
const ADDRESS = { bucket: "bucket", key: "key" };
const SIGNAL = new AbortController().signal;

afterEach(() => vi.unstubAllGlobals());

/** What one header of HeadObject is read as by those who need it. */
function readHeader(field: string, headers: Headers): unknown {
  switch (field) {
    case "content-length":
      return sizeOf(headers);
    case "etag":
      return etagOf(headers);
    case "last-modified":
      return timeOf(headers.get(field));
    case "x-amz-server-side-encryption":
      return isEncryptedWithKey(headers) ? "encrypted with a key" : "readable";
    case "x-amz-storage-class":
    case "x-amz-archive-status":
      return archiveOf(headers, "other") === null ? "readable" : "archived";
    case "x-amz-meta-bucket-brigade-copy":
      return markedSourceEtag(headers, ADDRESS);
    default:
      return fullObjectChecksums(headers).flatMap(({ algorithm, hex }) => [algorithm, hex]);
  }
}

const source = { address: ADDRESS, etag: '"e"', encryption: undefined };
const COPY = { source, headers: {}, directive: "REPLACE", signal: SIGNAL } as const;

const READ: Readonly<Record<AnswerRow["operation"], (row: AnswerRow) => Promise<unknown>>> = {
  HeadObject: async ({ field }) => readHeader(field, (await headObject(S3_OF_TEST, ADDRESS)).headers),
  PutObject: async () =>
    (await putObject(S3_OF_TEST, ADDRESS, { body: new Uint8Array(1), headers: {}, signal: SIGNAL })).etag,
  CopyObject: async () => (await copyObject(S3_OF_TEST, ADDRESS, COPY)).etag,
  UploadPartCopy: async () => {
    const range = { offset: 0, length: 1 };
    const request = { source, uploadId: "u", partNumber: 1, range, signal: SIGNAL };
    return (await uploadPartCopy(S3_OF_TEST, ADDRESS, request)).etag;
  },
  CreateMultipartUpload: async () => (await createMultipartUpload(S3_OF_TEST, ADDRESS, {})).uploadId,
  CompleteMultipartUpload: async () =>
    (await completeMultipartUpload(S3_OF_TEST, ADDRESS, "u", { parts: [], onlyIfAbsent: false })).etag,
  GetObjectTagging: async () => await getObjectTagging(S3_OF_TEST, ADDRESS),
  ListParts: async () => {
    const { parts, isWhole } = await listParts(S3_OF_TEST, ADDRESS, "u");
    return isWhole ? parts.map(({ partNumber }) => partNumber) : "perhaps others, too";
  },
  ListMultipartUploads: async () =>
    (await listUploadsOfKey(S3_OF_TEST, ADDRESS)).map(({ uploadId }) => uploadId),
  error: async () => await getObjectTagging(S3_OF_TEST, ADDRESS),
};

test.each(ANSWER_FIELDS)("$operation, $field $form: $outcome (%#)", async (row) => {
  const { status = 200, headers = [], xml = null } = row;
  const isHead = row.operation === "HeadObject";
  vi.stubGlobal("fetch", async (_url: URL, { method }: RequestInit) =>
    // Whatever else could tell the size of an object is refused.
    isHead && method !== "HEAD"
      ? new Response(null, { status: 403 })
      : new Response(xml, { status, headers: headers.map(([name, value]) => [name, value]) }),
  );
  const outcome = await READ[row.operation](row).catch((error: unknown) => {
    if (error instanceof S3Error) return error.code;
    throw error;
  });
  expect(outcome ?? "unknown").toEqual(row.outcome);
});

test("an answer without an end is not kept, whatever it answers", async () => {
  let sentBytes = 0;
  let isCancelled = false;
  const pull = (controller: ReadableStreamDefaultController) => {
    sentBytes += 2 ** 20;
    controller.enqueue(new Uint8Array(2 ** 20).fill(32));
  };
  const cancel = () => void (isCancelled = true);
  vi.stubGlobal("fetch", async () => new Response(new ReadableStream({ pull, cancel })));
  await expect(copyObject(S3_OF_TEST, ADDRESS, COPY)).rejects.toMatchObject({ code: "bad_answer" });
  expect(isCancelled).toBe(true);
  expect(sentBytes).toBeLessThan(20 * 2 ** 20);
});

const listedAs = (key: string) =>
  `<ListMultipartUploadsResult><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated><Upload><Key>${key}</Key><UploadId>u</UploadId><Initiated>2026-11-29T12:00:00.000Z</Initiated></Upload></ListMultipartUploadsResult>`;

test.each([
  ["is found under what stands before it", "a/b%01c", ["u"]],
  ["is not said to have none when another key is all that is there", "a/b", "InternalError"],
])("the upload of a key that the store cannot list, for a character of it, %s", async (_what, key, found) => {
  const asked: (string | null)[] = [];
  vi.stubGlobal("fetch", async (url: URL | string) => {
    const prefix = new URL(url).searchParams.get("prefix");
    asked.push(prefix);
    return prefix === "a/b"
      ? new Response(listedAs(key))
      : new Response("<Error><Code>InternalError</Code></Error>", { status: 500 });
  });
  const outcome = await listUploadsOfKey(S3_OF_TEST, { bucket: "bucket", key: "a/b\u0001c" }).then(
    (uploads) => uploads.map(({ uploadId }) => uploadId),
    (error: unknown) => (error instanceof S3Error ? error.code : String(error)),
  );
  expect(outcome).toEqual(found);
  expect(asked).toEqual(["a/b\u0001c", "a/b"]);
});

test("a list of uploads that goes round ends, however long the round is", async () => {
  let asked = 0;
  vi.stubGlobal("fetch", async () => {
    asked += 1;
    const markers = `<NextKeyMarker>key</NextKeyMarker><NextUploadIdMarker>${asked % 2}</NextUploadIdMarker>`;
    const list = `<IsTruncated>true</IsTruncated>${markers}`;
    return new Response(`<ListMultipartUploadsResult>${list}</ListMultipartUploadsResult>`);
  });
  await expect(listUploadsOfKey(S3_OF_TEST, ADDRESS)).rejects.toMatchObject({ code: "bad_answer" });
  expect(asked).toBe(3);
});

test("whoever is told to stop waits for no call, no turn and no pause", async () => {
  vi.stubGlobal("fetch", async (_url: string, { signal }: RequestInit) => {
    signal?.throwIfAborted();
    const { promise, reject } = Promise.withResolvers<Response>();
    signal?.addEventListener("abort", () => reject(signal.reason as Error));
    return await promise;
  });
  const stop = new AbortController();
  const stopped = stoppable(S3_OF_TEST, stop.signal);
  const waiting = [
    getObjectTagging(stopped, ADDRESS),
    getObjectTagging(
      stoppable({ ...S3_OF_TEST, turn: () => Promise.withResolvers<void>().promise }, stop.signal),
      ADDRESS,
    ),
    pause(stopped, 3_600_000),
  ];
  stop.abort(new Error("cancelled"));
  for (const one of await Promise.allSettled(waiting)) expect(one).toMatchObject({ status: "rejected" });
  await expect(getObjectTagging(stopped, ADDRESS)).rejects.toThrow("cancelled");
});

test.each([
  ["an hour", 60 * 60_000, 2],
  ["a thousand years", 1000 * 365 * 24 * 60 * 60_000, 1],
])("a clock that is %s off is believed up to a day", async (_what, offsetMs, requests) => {
  let sent = 0;
  vi.stubGlobal("fetch", async () => {
    sent += 1;
    const headers = { date: new Date(Date.now() + offsetMs).toISOString() };
    const xml = "<Error><Code>RequestTimeTooSkewed</Code></Error>";
    return sent === 1
      ? new Response(xml, { status: 403, headers })
      : new Response("<Tagging><TagSet/></Tagging>");
  });
  const s3 = connect({ ...S3_OF_TEST.store, endpoint: `https://clock-${requests}.test` }, "test");
  const answer = await getObjectTagging(s3, ADDRESS).catch((error: unknown) => error);
  expect(sent).toBe(requests);
  // The next request can be signed.
  expect(await getObjectTagging(s3, ADDRESS)).toEqual([]);
  expect(answer instanceof S3Error).toBe(requests === 1);
});

test.each([
  ["0", 0],
  [" 7 ", 7],
  [String(Number.MAX_SAFE_INTEGER), Number.MAX_SAFE_INTEGER],
  ...["", " ", "-0", "+1", "0x10", "1e1", "1.0", "1,0", "1 2", "१", "9007199254740992", "Infinity"].map(
    (text) => [text, null] as const,
  ),
] as const)("the number %j is %j", (text, number) => {
  expect(wholeNumber(text)).toBe(number);
});

test.each([
  ["7", 7000],
  [" 120 ", 120_000],
  ["0", 0],
  ["Wed, 25 Nov 2026 12:00:30 GMT", 30_000],
  ["Wed, 25 Nov 2026 11:59:00 GMT", 0],
  ["soon", null],
  ["", null],
  ["1.5", null],
  ["-7", null],
  ["99999999999999999999", null],
  [null, null],
])("Retry-After %j waits %j ms", (value, waitMs) => {
  expect(parseRetryAfter(value, Date.UTC(2026, 10, 25, 12))).toBe(waitMs);
});
