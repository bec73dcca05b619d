// Equal, different, or worth a HEAD: by mode, and by what ETags, marks and checksums can prove.
import { describe, expect, test } from "vitest";
import { type ObjectHead, compareHeads, compareListed, judgeHeads } from "../../../src/object/compare.ts";
import { COPY_ID_HEADER } from "../../../src/object/attributes.ts";
import { copyMark, markedSourceEtag } from "../../../src/object/mark.ts";
import { type CompareMode, COMPARE_MODES } from "../../../src/http/vocabulary.ts";
import type { ListedObject } from "../../../src/s3/listing_xml.ts";

const MD5_STORE = { md5Etag: true, md5MultipartEtag: true };
const PLAIN_STORE = { md5Etag: false, md5MultipartEtag: false };
const STORES = { source: MD5_STORE, destination: MD5_STORE };

const A = '"0cc175b9c0f1b6a831c399e269772661"';
const B = '"92eb5ffee6ae2fec3ad71c777531578f"';
const MULTIPART = '"0cc175b9c0f1b6a831c399e269772661-3"';

const object = (changes: Partial<ListedObject> = {}): ListedObject => ({
  key: "k",
  sizeBytes: 100,
  etag: A,
  lastModifiedMs: 1000,
  storageClass: null,
  isRestored: false,
  ...changes,
});

/** As a copy writes it and a sync reads it back. */
const PLACE = { bucket: "b", key: "k" };
const markOf = (etag: string, readAt = PLACE) =>
  markedSourceEtag(new Headers({ [COPY_ID_HEADER]: copyMark("id", etag, PLACE) }), readAt);

const head = (changes: Partial<ObjectHead> = {}): ObjectHead => ({
  etag: A,
  sizeBytes: 100,
  isEncryptedWithKey: false,
  checksums: [],
  mark: null,
  ...changes,
});

describe("compareListed()", () => {
  test.each(COMPARE_MODES)(
    "%s: absent, and of another size, is different; what is listed as empty under another ETag is asked",
    (mode) => {
      expect(compareListed(mode, STORES, object(), null)).toEqual({ kind: "different", reason: "absent" });
      const larger = object({ sizeBytes: 101 });
      // A listing's size is a hint, unless nothing else is compared.
      const bySize = mode === "size" || mode === "size+mtime";
      expect(compareListed(mode, STORES, object(), larger)).toEqual(
        bySize ? { kind: "different", reason: "size" } : { kind: "undecided" },
      );
      const [one, other] = [object({ sizeBytes: 0 }), object({ sizeBytes: 0, etag: B, lastModifiedMs: 1 })];
      const empty = { kind: "equal", proof: "size" };
      expect(compareListed(mode, STORES, one, other)).toEqual(bySize ? empty : { kind: "undecided" });
      expect(compareListed(mode, STORES, one, { ...other, etag: one.etag })).toEqual(empty);
      const [own, held] = [head({ sizeBytes: 0 }), head({ sizeBytes: 0, etag: B })];
      expect(compareHeads(mode, STORES, own, held)).toEqual({ kind: "different", reason: "unproved" });
    },
  );

  test("size: nothing else counts", () => {
    expect(compareListed("size", STORES, object(), object({ etag: B }))).toEqual({
      kind: "equal",
      proof: "size",
    });
  });

  test.each<[number | null, number | null, string]>([
    [1000, 1000, "equal"],
    [1000, 2000, "equal"],
    [2000, 1000, "different"],
    [null, 1000, "different"],
    [1000, null, "different"],
  ])("size+mtime: changed at %s, written at %s is %s", (source, destination, kind) => {
    const comparison = compareListed(
      "size+mtime",
      STORES,
      object({ lastModifiedMs: source }),
      object({ lastModifiedMs: destination }),
    );
    expect(comparison).toEqual(kind === "equal" ? { kind, proof: "size+mtime" } : { kind, reason: "mtime" });
  });

  test.each<[string, string | null, string | null, keyof typeof sides, string]>([
    ["equal MD5s", A, A, "both", "equal"],
    ["equal MD5s, one without quotes", A, A.slice(1, -1), "both", "equal"],
    ["equal MD5s, one in capitals", A, A.toUpperCase(), "both", "equal"],
    ["equal multipart ETags", MULTIPART, MULTIPART, "both", "equal"],
    ["other MD5s, which may be encryption", A, B, "both", "undecided"],
    ["a multipart ETag and an MD5", MULTIPART, A, "both", "undecided"],
    ["equal ETags that are no MD5s", '"x"', '"x"', "both", "undecided"],
    ["equal ETags where the destination's mean nothing", A, A, "source", "undecided"],
    ["equal ETags where the source's mean nothing", A, A, "destination", "undecided"],
    ["no ETag on either side", null, null, "both", "undecided"],
  ])("auto and etag: %s: %s", (_what, source, destination, md5, kind) => {
    for (const mode of ["auto", "etag"] as const) {
      const comparison = compareListed(
        mode,
        sides[md5],
        object({ etag: source }),
        object({ etag: destination }),
      );
      expect(comparison).toEqual(kind === "equal" ? { kind, proof: "etag" } : { kind });
    }
  });

  const sides = {
    both: STORES,
    source: { source: MD5_STORE, destination: PLAIN_STORE },
    destination: { source: PLAIN_STORE, destination: MD5_STORE },
  };

  test("checksum: a HEAD must tell whether the ETag is an MD5 at all", () => {
    expect(compareListed("checksum", STORES, object(), object())).toEqual({ kind: "undecided" });
  });

  test("no ETag ever makes a difference by itself", () => {
    for (const mode of COMPARE_MODES) {
      for (const etag of [B, MULTIPART, '"x"', null]) {
        const comparison = compareListed(mode, STORES, object(), object({ etag }));
        expect(comparison.kind).not.toBe("different");
      }
    }
  });
});

const crc = (hex: string) => [{ algorithm: "crc32c", hex } as const];
const decide = (mode: CompareMode, source: ObjectHead, destination: ObjectHead | null) =>
  compareHeads(mode, STORES, source, destination);

describe("compareHeads()", () => {
  test("gone or grown since it was listed is different", () => {
    expect(decide("auto", head(), null)).toEqual({ kind: "different", reason: "absent" });
    expect(decide("auto", head(), head({ sizeBytes: 1 }))).toEqual({ kind: "different", reason: "size" });
  });

  test.each(["auto", "etag"] as const)("%s: the mark of the source's ETag is equality", (mode) => {
    for (const etag of [A, MULTIPART, '"opaque"', "bare", 'W/"weak"', "&quot;escaped&quot;"]) {
      const destination = head({ etag: '"other"', mark: markOf(etag) });
      expect(decide(mode, head({ etag }), destination)).toEqual({ kind: "equal", proof: "record" });
    }
  });

  test("the mark of another source ETag proves nothing", () => {
    const destination = head({ etag: '"other"', mark: markOf(B) });
    expect(decide("auto", head(), destination)).toEqual({ kind: "different", reason: "unproved" });
    expect(decide("auto", head({ etag: null }), head({ etag: null, mark: "" }))).toEqual({
      kind: "different",
      reason: "unproved",
    });
  });

  test("a mark that has come along to another place proves nothing", () => {
    expect(markOf(A)).not.toBeNull();
    for (const place of [
      { ...PLACE, key: "l" },
      { ...PLACE, bucket: "c" },
    ])
      expect(markOf(A, place)).toBeNull();
    expect(markedSourceEtag(new Headers({ [COPY_ID_HEADER]: `id/${A}` }), PLACE)).toBeNull();
  });

  test("an empty ETag and an empty mark prove nothing", () => {
    expect(decide("auto", head({ etag: '""' }), head({ etag: '"other"', mark: "" }))).toEqual({
      kind: "different",
      reason: "unproved",
    });
  });

  test("full-object checksums of one algorithm decide both ways, against any mark", () => {
    const source = head({ etag: '"s"', checksums: crc("01020304") });
    const mark = markOf('"s"');
    for (const mode of ["auto", "checksum"] as const) {
      const same = head({ etag: '"d"', checksums: crc("01020304") });
      expect(decide(mode, source, same)).toEqual({ kind: "equal", proof: "checksum" });
      const other = head({ etag: '"d"', checksums: crc("99999999"), mark });
      expect(decide(mode, source, other)).toEqual({ kind: "different", reason: "checksum" });
    }
  });

  test("checksums of two algorithms say nothing", () => {
    const source = head({ etag: '"s"', checksums: [{ algorithm: "crc32", hex: "01020304" }] });
    const destination = head({ etag: '"d"', checksums: crc("01020304") });
    expect(decide("checksum", source, destination)).toEqual({ kind: "different", reason: "unproved" });
  });

  test("checksum: the mark does not count, an MD5 does, a multipart ETag does not", () => {
    const marked = head({ etag: '"d"', mark: markOf(A) });
    expect(decide("checksum", head(), marked)).toEqual({ kind: "different", reason: "unproved" });
    expect(decide("checksum", head(), head())).toEqual({ kind: "equal", proof: "etag" });
    const multipart = head({ etag: MULTIPART });
    expect(decide("checksum", multipart, multipart)).toEqual({ kind: "different", reason: "unproved" });
    expect(decide("auto", multipart, multipart)).toEqual({ kind: "equal", proof: "etag" });
  });

  test("an ETag under a key's encryption proves nothing, even when it looks like the other one", () => {
    const encrypted = head({ isEncryptedWithKey: true });
    for (const mode of ["auto", "etag", "checksum"] as const) {
      expect(decide(mode, head(), encrypted)).toEqual({ kind: "different", reason: "unproved" });
      expect(decide(mode, encrypted, head())).toEqual({ kind: "different", reason: "unproved" });
    }
    expect(decide("auto", head(), { ...encrypted, mark: markOf(A) })).toMatchObject({
      proof: "record",
    });
  });
});

describe("judgeHeads() calls only what is known equal or different", () => {
  const PLAIN = { source: MD5_STORE, destination: PLAIN_STORE };

  test.each<[what: string, source: Partial<ObjectHead>, destination: Partial<ObjectHead>, verdict: string[]]>(
    [
      ["one MD5", {}, {}, ["equal", "etag"]],
      ["two MD5s", {}, { etag: B }, ["different", "etag"]],
      [
        "two MD5s, one of them encrypted",
        {},
        { etag: B, isEncryptedWithKey: true },
        ["unknown", "encrypted"],
      ],
      ["an MD5 and parts", {}, { etag: MULTIPART }, ["unknown", "parts"]],
      [
        "parts and one checksum",
        { checksums: crc("01") },
        { etag: MULTIPART, checksums: crc("01") },
        ["equal", "checksum"],
      ],
      [
        "parts and two checksums",
        { checksums: crc("01") },
        { etag: MULTIPART, checksums: crc("02") },
        ["different", "checksum"],
      ],
      [
        "two MD5s and one checksum",
        { checksums: crc("01") },
        { etag: B, checksums: crc("01") },
        ["equal", "checksum"],
      ],
      ["two sizes", {}, { sizeBytes: 99 }, ["different", "size"]],
      ["an unknown size", { sizeBytes: Number.NaN }, {}, ["unknown", "no_length"]],
      ["two unknown sizes", { sizeBytes: Number.NaN }, { sizeBytes: Number.NaN }, ["unknown", "no_length"]],
      ["no ETag", { etag: null }, {}, ["unknown", "no_common_value"]],
      ["no bytes", { sizeBytes: 0 }, { sizeBytes: 0, etag: B }, ["equal", "size"]],
      ["the mark of a copy", {}, { etag: B, mark: A.replaceAll('"', "") }, ["equal", "record"]],
    ],
  )("%s", (_what, source, destination, [outcome, why]) => {
    const verdict = judgeHeads("auto", STORES, head(source), head(destination));
    expect([verdict.outcome, "proof" in verdict ? verdict.proof : verdict.reason]).toEqual([outcome, why]);
  });

  test("one MD5 proves nothing where a store's ETags are none", () => {
    expect(judgeHeads("auto", PLAIN, head(), head())).toEqual({
      outcome: "unknown",
      reason: "no_common_value",
    });
    expect(judgeHeads("auto", PLAIN, head(), head({ etag: B }))).toMatchObject({ outcome: "unknown" });
  });
});
