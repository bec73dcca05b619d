// How much of a key's history a destination has: the decision for every end that it may have.
import { describe, expect, test } from "vitest";
import {
  type HistoryVersion,
  type Reached,
  type Stretch,
  align,
  beginningFault,
  mayBeSame,
  NOTHING_REACHED,
  reachedWith,
} from "../../../src/object/history.ts";
import { copyMark, markedSourceEtag, markedVersion } from "../../../src/object/mark.ts";

/** `a` is an object, `-` a delete marker. */
function historyOf(text: string): HistoryVersion[] {
  return [...text].map((letter, n): HistoryVersion => {
    const version = { versionId: letter === "-" ? `marker ${n}` : letter, sizeBytes: n, etag: null };
    return letter === "-" ? { ...version, sizeBytes: 0, isDeleteMarker: true } : version;
  });
}

const stretch = (text: string, before: Reached = NOTHING_REACHED, isLast = true): Stretch => ({
  history: 1,
  versions: historyOf(text),
  before,
  isLast,
});

const end = (versionId: string | null, markers = 0): Reached => ({ versionId, markers });

describe("the end of what the destination has shows how much of a stretch is there", () => {
  test.each<[string, Stretch, Reached, ReturnType<typeof align>]>([
    ["nothing", stretch("ab-c"), end(null), { kind: "at", index: 0 }],
    ["an object", stretch("ab-c"), end("b"), { kind: "at", index: 2 }],
    ["the delete marker after it", stretch("ab-c"), end("b", 1), { kind: "at", index: 3 }],
    ["all", stretch("ab-c"), end("c"), { kind: "at", index: 4 }],
    ["markers alone, as the source begins", stretch("--a"), end(null, 2), { kind: "at", index: 2 }],
    ["what lies before", stretch("ab", end("z", 2)), end("z", 2), { kind: "at", index: 0 }],
    ["a marker more than before", stretch("-b", end("z", 2)), end("z", 3), { kind: "at", index: 1 }],
    [
      "more markers than the stretch has",
      stretch("a-", NOTHING_REACHED, false),
      end("a", 3),
      { kind: "at", index: 2 },
    ],
    ["an object of another stretch", stretch("ab"), end("z"), { kind: "elsewhere" }],
    ["nothing, though something was written", stretch("ab", end("z")), end(null), { kind: "elsewhere" }],
  ])("%s", (_name, given, found, expected) => {
    expect(align(given, found)).toEqual(expected);
  });

  test.each<[string, Stretch, Reached]>([
    ["a deletion that the source has not", stretch("abc"), end("b", 1)],
    ["a deletion after all of it", stretch("a-"), end("a", 2)],
    ["a marker that was written is gone", stretch("ab", end("z", 2)), end("z", 1)],
  ])("differs: %s", (_name, given, found) => {
    expect(align(given, found)).toMatchObject({ kind: "differs" });
  });

  test("every beginning of every history is found at its length", () => {
    for (const text of ["a", "-", "a-b--cd-", "--ab", "abc---"]) {
      const versions = historyOf(text);
      for (let length = 0; length <= versions.length; length++) {
        const reached = versions.slice(0, length).reduce(reachedWith, NOTHING_REACHED);
        expect(align(stretch(text), reached), `${text} ${length}`).toEqual({ kind: "at", index: length });
        for (let cut = 0; cut <= length; cut++) {
          const before = versions.slice(0, cut).reduce(reachedWith, NOTHING_REACHED);
          const rest = { ...stretch(text, before), versions: versions.slice(cut) };
          expect(align(rest, reached), `${text} ${cut} ${length}`).toEqual({
            kind: "at",
            index: length - cut,
          });
        }
      }
    }
  });
});

test("what is there must be the beginning, version by version, by size and deletion", () => {
  const versions = historyOf("ab-c");
  const shown = versions.map(({ sizeBytes, isDeleteMarker = false }) => ({ sizeBytes, isDeleteMarker }));
  const newestFirst = (count: number) => shown.slice(0, count).toReversed();
  for (const count of [0, 1, 2, 3, 4]) expect(beginningFault(versions, newestFirst(count), count)).toBeNull();
  expect(beginningFault(versions, newestFirst(2), 3)).toContain("2 versions");
  expect(beginningFault(versions, [{ sizeBytes: 9, isDeleteMarker: false }], 1)).toContain("version 1");
  expect(beginningFault(versions, [{ sizeBytes: 0, isDeleteMarker: true }], 1)).toContain("version 1");
  expect(mayBeSame({ sizeBytes: 1, isDeleteMarker: false }, { sizeBytes: 1, isDeleteMarker: true })).toBe(
    false,
  );
});

const headers = (mark: string) => new Headers({ "x-amz-meta-bucket-brigade-copy": mark });

test.each(["3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY_MTRCxf3vjVBH40Nr8X8gdRQBpUMLUo", "null", "a@b/c d%", "ü"])(
  "the mark names the version %j, and the ETag beside it as before",
  (versionId) => {
    const place = { bucket: "b", key: "k" };
    const mark = copyMark("0".repeat(26), '"etag-2"', place, versionId);
    expect(markedVersion(headers(mark), place)).toBe(versionId);
    expect(markedSourceEtag(headers(mark), place)).toBe("etag-2");
    expect(markedVersion(headers(mark), { ...place, key: "other" })).toBeNull();
    expect(markedVersion(headers(copyMark("0".repeat(26), '"e"', place)), place)).toBeNull();
    expect(markedVersion(new Headers(), place)).toBeNull();
  },
);
