// Which pages are believed and what is asked for next; pages that lead nowhere end the listing with an error.
import { describe, expect, test } from "vitest";
import {
  type ListCursor,
  type ListRange,
  checkPage,
  emptyWaitMs,
  startOfListing,
} from "../../../src/listing/cursor.ts";
import { type ListedObject, type ListingPage, parseListing } from "../../../src/s3/listing_xml.ts";
import { type ListingOutcome, LISTING_FIELDS } from "../s3/fields.ts";

const RANGE: ListRange = { bucket: "b", prefix: "", afterKey: null, untilKey: null };

const listed = (key: string): ListedObject => ({
  key,
  sizeBytes: 1,
  etag: '"e"',
  lastModifiedMs: 0,
  storageClass: null,
  isRestored: false,
});

const answer = (keys: readonly string[], more: Partial<ListingPage> = {}): ListingPage => ({
  objects: keys.map(listed),
  unreadable: [],
  commonPrefixes: [],
  isTruncated: more.nextToken !== undefined && more.nextToken !== null,
  bucket: null,
  prefix: null,
  keyCount: null,
  token: null,
  nextToken: null,
  nextMarker: null,
  isV1: false,
  ...more,
});

const truncated = (keys: readonly string[], token: string) => answer(keys, { nextToken: token });

/** A page with groups was asked for them. */
const askedFor = ({ commonPrefixes }: ListingPage) => ({
  delimiter: commonPrefixes.length > 0 ? "/" : undefined,
});

/** Feeds pages until one is refused or the last one is read. */
function read(
  pages: readonly ListingPage[],
  range: ListRange = RANGE,
): { keys: string[]; order: string; end: "complete" | "open" | string } {
  let cursor: ListCursor | null = startOfListing("utf8");
  const keys: string[] = [];
  let order = "utf8";
  for (const page of pages) {
    if (cursor === null) break;
    const checked = checkPage(range, cursor, page, askedFor(page));
    if (checked.kind === "refused") return { keys, order, end: checked.detail };
    keys.push(...checked.page.objects.map(({ key }) => key));
    order = checked.page.order;
    cursor = checked.page.next;
  }
  return { keys, order, end: cursor === null ? "complete" : "open" };
}

describe("a listing ends", () => {
  test("with the first page that is not truncated, also after short and empty ones", () => {
    const pages = [truncated(["a", "b"], "1"), truncated([], "2"), truncated(["c"], "3"), answer(["d"])];
    expect(read(pages)).toEqual({ keys: ["a", "b", "c", "d"], order: "utf8", end: "complete" });
    expect(read(pages.slice(0, 3)).end).toBe("open");
  });

  test("with an error where it is truncated and there is no token", () => {
    const { keys, end } = read([answer(["a"], { isTruncated: true })]);
    expect(end).toBe("the list is truncated but has no NextContinuationToken to continue with");
    expect(keys).toEqual([]);
  });

  test("with an error where the next token is the one just sent", () => {
    const { end } = read([truncated(["a"], "t"), truncated(["b"], "t")]);
    expect(end).toBe('the list is truncated but its next token is the one just sent, "t"');
  });

  test.each([1, 2, 3, 5, 8, 13, 100])(
    "with an error where the tokens go in a circle of %i pages",
    (length) => {
      const pages = Array.from({ length: 1000 }, (_, index) =>
        truncated([], `lead-in ${index < 7 ? index : (index - 7) % length}`),
      );
      expect(read(pages).end).toMatch(/circle|just sent/);
    },
  );

  test("with an error where ever new tokens lead to the same page again", () => {
    const pages = Array.from({ length: 100 }, (_, index) => truncated(["a", "b"], `token ${index}`));
    const { end, keys } = read(pages);
    expect(end).toBe('the listing goes in a circle: page 2 is page 1 again, with "a" as its first key');
    expect(keys).toEqual(["a", "b"]);
  });

  test("with an error where ever new tokens lead round several pages, sorted or not", () => {
    const round = [["a", "b"], ["c"], ["z", "y"]];
    const pages = Array.from({ length: 100 }, (_, index) =>
      truncated(round[index % 3] ?? [], `token ${index}`),
    );
    expect(read(pages).end).toMatch(/^the listing goes in a circle/);
  });

  test("with an error where a key does not begin with the prefix", () => {
    const range = { ...RANGE, prefix: "p/" };
    expect(read([answer(["p/a", "q"])], range).end).toBe('asked for the prefix "p/", the store listed "q"');
    expect(read([answer([], { commonPrefixes: ["q/"] })], range).end).toMatch(/listed "q\/"$/);
  });

  test("long listings are no circle", () => {
    const pages = Array.from({ length: 5000 }, (_, index) =>
      truncated([String(index).padStart(5, "0")], `token ${index}`),
    );
    expect(read([...pages, answer(["x"])])).toMatchObject({ order: "utf8", end: "complete" });
  });
});

describe("order", () => {
  test.each([
    ["within a page", [["a", "c", "b"]]],
    ["between pages", [["b"], ["a"]]],
    ["UTF-16 order, within a page", [["😀a", "Ｚ"]]],
  ])("is seen to be missing %s", (_what, pages) => {
    const all = pages.map((keys, index) =>
      index < pages.length - 1 ? truncated(keys, `${index}`) : answer(keys),
    );
    expect(read(all)).toEqual({ keys: pages.flat(), order: "unsorted", end: "complete" });
  });

  test("once missing, stays missing", () => {
    const first = checkPage(RANGE, startOfListing("utf8"), truncated(["b", "a"], "1"));
    const next = first.kind === "page" ? first.page.next : null;
    expect(next?.order).toBe("unsorted");
    const second = next === null ? null : checkPage(RANGE, next, answer(["c", "d"]));
    expect(second).toMatchObject({ kind: "page", page: { order: "unsorted" } });
  });

  test("is UTF-8's: 😀 after Ｚ", () => {
    expect(read([answer(["Ｚ", "😀a"])]).order).toBe("utf8");
  });

  test("a page that begins with the last key of the one before gives it once", () => {
    expect(read([truncated(["a", "b"], "1"), answer(["b", "c"])])).toEqual({
      keys: ["a", "b", "c"],
      order: "utf8",
      end: "complete",
    });
  });
});

describe("a range", () => {
  const range = { ...RANGE, afterKey: "b", untilKey: "d" };

  test("that does not begin where it was asked to shows that the store has another order", () => {
    expect(read([truncated(["c"], "1"), truncated(["a", "d"], "2")], range).order).toBe("unsorted");
    expect(read([truncated(["a", "c"], "1")], range).order).toBe("unsorted");
    // One that took V2 for V1 has not heard where to begin.
    expect(read([answer(["a", "c"], { isV1: true, isTruncated: true })], range).order).toBe("utf8");
  });

  test("is cut at both ends, and ends early", () => {
    expect(read([truncated(["b", "c"], "1"), truncated(["d", "e"], "2")], range)).toEqual({
      keys: ["c", "d"],
      order: "utf8",
      end: "complete",
    });
  });

  test("ends with the key it ends with, without one page more", () => {
    expect(read([truncated(["c", "d"], "1")], range)).toMatchObject({ keys: ["c", "d"], end: "complete" });
    expect(read([truncated(["c"], "1")], range).end).toBe("open");
  });

  test("at a store without order is given in full", () => {
    const pages = [truncated(["e", "c"], "1"), answer(["d", "a"])];
    expect(read(pages, range)).toEqual({ keys: ["c", "d"], order: "unsorted", end: "complete" });
  });
});

const v1 = (keys: readonly string[], more: Partial<ListingPage> = {}) =>
  answer(keys, { isTruncated: true, isV1: true, ...more });
const nextOf = (page: ListingPage, range = RANGE, cursor: ListCursor = startOfListing("utf8")) => {
  const checked = checkPage(range, cursor, page, askedFor(page));
  return checked.kind === "page" ? checked.page.next : checked.detail;
};
const after = (key: string): ListCursor => ({
  ...startOfListing("utf8"),
  api: "v1",
  position: { kind: "after", key },
  lastKey: key,
});

describe("V1", () => {
  test("an answer to V2 that is V1's goes on as V1, after its last key", () => {
    expect(nextOf(v1(["a", "b"]))).toMatchObject({ api: "v1", position: { kind: "after", key: "b" } });
  });

  test("goes on with NextMarker where there is one, or after the last key or common prefix", () => {
    expect(nextOf(v1(["a"], { nextMarker: "a/" }))).toMatchObject({ position: { key: "a/" } });
    expect(nextOf(v1(["a"], { commonPrefixes: ["b/"] }))).toMatchObject({ position: { key: "b/" } });
    expect(nextOf(v1(["c"], { commonPrefixes: ["b/"] }))).toMatchObject({ position: { key: "c" } });
  });

  test("skips to the beginning of the range where the store has begun before it", () => {
    expect(nextOf(v1(["a"]), { ...RANGE, afterKey: "m" })).toMatchObject({ position: { key: "m" } });
  });

  test("is refused where it does not move on, or has nothing to go on with", () => {
    expect(nextOf(v1(["b"]), RANGE, after("b"))).toBe(
      'the list is truncated but does not move on: after "b" comes "b"',
    );
    expect(nextOf(v1([], { nextMarker: "a" }), RANGE, after("b"))).toMatch(/does not move on/);
    expect(nextOf(v1([]))).toBe("the list is truncated but empty, without a marker to continue with");
    expect(nextOf(v1(["b", "a"]))).toBe(
      "the list is unsorted and goes on, or may go on, without a marker to continue with",
    );
  });
});

test("pages without a key are asked for ever more slowly, and not for ever", () => {
  let cursor: ListCursor | null = startOfListing("utf8");
  const waits: number[] = [];
  let refused = "";
  for (let page = 1; cursor !== null && refused === ""; page++) {
    waits.push(emptyWaitMs(cursor));
    const checked = checkPage(RANGE, cursor, truncated([], `token ${page}`));
    if (checked.kind === "refused") refused = checked.detail;
    else cursor = checked.page.next;
  }
  expect(waits.slice(0, 10)).toEqual([0, 0, 0, 25, 50, 100, 200, 400, 800, 1000]);
  expect(refused).toBe("10000 pages in a row have no key");
  // A key in between, and they count anew.
  const some = checkPage(RANGE, { ...startOfListing("utf8"), emptyPages: 9 }, truncated(["a"], "t"));
  expect(some.kind === "page" && some.page.next !== null && emptyWaitMs(some.page.next)).toBe(0);
});

test("a cursor is plain data", () => {
  const checked = checkPage(RANGE, startOfListing("utf8"), truncated(["a"], "t"));
  const next = checked.kind === "page" ? checked.page.next : null;
  expect(JSON.parse(JSON.stringify(next))).toEqual(next);
});

function outcomeOf(xml: string): ListingOutcome {
  const parsed = parseListing(`<ListBucketResult>${xml}</ListBucketResult>`);
  if (parsed.kind !== "page") return "refused";
  const range = { ...RANGE, bucket: "bucket", prefix: "p/" };
  const checked = checkPage(range, startOfListing("utf8"), parsed.page);
  if (checked.kind === "refused") return "refused";
  return checked.page.next === null ? "end" : "on";
}

test.each(LISTING_FIELDS.map((row, index) => ({ index, ...row })))(
  "a page, $index: $field $form: $outcome",
  ({ xml, outcome }) => {
    expect(outcomeOf(xml)).toBe(outcome);
  },
);
