// Lists that a store gives in pages, of which some stores repeat one for ever.

import { afterEach, describe, expect, test, vi } from "vitest";
import { connect } from "../../../src/s3/request.ts";
import { listParts } from "../../../src/s3/s3.ts";
import { findStore } from "../../../src/store/stores.ts";

const secret = JSON.stringify({
  endpoint: "https://store.test",
  region: "us-east-1",
  accessKeyId: "id",
  secretAccessKey: "secret",
});
const S3_OF_TEST = connect(findStore({ STORE_TEST: secret }, "test"), "test");
const ADDRESS = { bucket: "bucket", key: "key" };

afterEach(() => vi.unstubAllGlobals());

const page = (partNumbers: readonly number[], next: number | null) =>
  "<ListPartsResult>" +
  partNumbers
    .map((number) => `<Part><PartNumber>${number}</PartNumber><ETag>"e${number}"</ETag><Size>5</Size></Part>`)
    .join("") +
  `<IsTruncated>${next !== null}</IsTruncated>` +
  (next === null ? "" : `<NextPartNumberMarker>${next}</NextPartNumberMarker>`) +
  "</ListPartsResult>";

/** Answers one page after the other, the last for ever. @returns the markers that were sent */
function answering(...pages: string[]): (string | null)[] {
  const asked: (string | null)[] = [];
  vi.stubGlobal("fetch", async (url: string) => {
    asked.push(new URL(url).searchParams.get("part-number-marker"));
    return new Response(pages[Math.min(asked.length, pages.length) - 1]);
  });
  return asked;
}

const listed = async () => {
  const { parts, isWhole } = await listParts(S3_OF_TEST, ADDRESS, "u");
  return { numbers: parts.map(({ partNumber }) => partNumber), isWhole };
};

describe("listParts()", () => {
  test("joins pages, and is whole at the end of the last", async () => {
    const asked = answering(page([2, 1], 2), page([3], null));
    expect(await listed()).toEqual({ numbers: [1, 2, 3], isWhole: true });
    expect(asked).toEqual([null, "2"]);
  });

  test.each([
    ["a store that ignores the marker", [page([1, 2], 2)], [1, 2]],
    ["a marker that does not move", [page([1, 2], 2), page([3], 2)], [1, 2, 3]],
    ["a marker that goes back", [page([1, 2], 2), page([3], 1)], [1, 2, 3]],
    ["no marker", [page([1, 2], null).replace("false", "true")], [1, 2]],
    ["markers that move while nothing comes", [page([1], 1), page([], 2), page([], 3)], [1]],
    ["a list that says to go on and has nothing", [page([], 5)], []],
  ])("ends with what is known, and is not whole: %s", async (_what, pages, numbers) => {
    const asked = answering(...pages);
    expect(await listed()).toEqual({ numbers, isWhole: false });
    expect(asked.length).toBeLessThanOrEqual(2);
  });
});
