// The parts of a finished object, as a store shows them, and what is not believed of it.

import { afterEach, expect, test, vi } from "vitest";
import { listedLengths } from "../../../src/s3/object_parts.ts";
import { connect } from "../../../src/s3/request.ts";
import { findStore } from "../../../src/store/stores.ts";

const secret = JSON.stringify({
  endpoint: "https://store.test",
  region: "us-east-1",
  accessKeyId: "id",
  secretAccessKey: "secret",
});
const S3_OF_TEST = connect(findStore({ STORE_TEST: secret }, "test"), "test");
const ADDRESS = { bucket: "bucket", key: "key" };
const OBJECT = { etag: '"e-3"', sizeBytes: 60 };

afterEach(() => vi.unstubAllGlobals());

const part = (number: number, size: number) =>
  `<Part><PartNumber>${number}</PartNumber><Size>${size}</Size></Part>`;
const page = (inner: string, { etag = "e-3", size = 60, count = 3 } = {}) =>
  `<GetObjectAttributesResponse><ETag>${etag}</ETag><ObjectParts><PartsCount>${count}</PartsCount>${inner}` +
  `</ObjectParts><ObjectSize>${size}</ObjectSize></GetObjectAttributesResponse>`;
const more = (marker: number) =>
  `<IsTruncated>true</IsTruncated><NextPartNumberMarker>${marker}</NextPartNumberMarker>`;

/** Answers one page after the other, the last for ever. @returns what was asked to go on after */
function answering(...pages: string[]): (string | null)[] {
  const asked: (string | null)[] = [];
  vi.stubGlobal("fetch", async (_url: string, { headers }: { headers: Headers }) => {
    asked.push(headers.get("x-amz-part-number-marker"));
    return new Response(pages[Math.min(asked.length, pages.length) - 1]);
  });
  return asked;
}

test("all pages are read, and the parts come in their order", async () => {
  const asked = answering(page(part(2, 20) + part(1, 10) + more(2)), page(part(3, 30)));
  expect(await listedLengths(S3_OF_TEST, ADDRESS, OBJECT)).toEqual([10, 20, 30]);
  expect(asked).toEqual([null, "2"]);
});

test.each([
  ["another object", [page(part(1, 10) + part(2, 20) + part(3, 30), { etag: "f-3" })]],
  ["an object of another size", [page(part(1, 10) + part(2, 20) + part(3, 30), { size: 61 })]],
  ["parts that do not make up the object", [page(part(1, 10) + part(2, 20) + part(3, 29))]],
  ["another number of parts than it says", [page(part(1, 30) + part(2, 30))]],
  ["no part", [page("")]],
  ["a part without a size", [page("<Part><PartNumber>1</PartNumber></Part>")]],
  ["a page that repeats", [page(part(1, 10) + more(1))]],
  ["a marker that does not move", [page(part(1, 10) + more(1)), page(part(2, 20) + more(1))]],
  ["something else", ["<Error><Code>InternalError</Code></Error>"]],
])("%s is not believed", async (_what, pages) => {
  const asked = answering(...pages);
  expect(await listedLengths(S3_OF_TEST, ADDRESS, OBJECT)).toBeNull();
  expect(asked.length).toBeLessThan(4);
});
