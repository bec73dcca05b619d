// What a HEAD and a listing say of an archived object, and what a request may want done with one.
import { describe, expect, test } from "vitest";
import { Problem } from "../../../src/http/problem.ts";
import { parseWith } from "../../../src/http/fields.ts";
import { IfArchivedSchema, archiveAt, archiveOf, needsRestore } from "../../../src/object/archive.ts";
import type { ListedObject } from "../../../src/s3/listing_xml.ts";

const object = (changes: Partial<ListedObject>): ListedObject => ({
  key: "k",
  sizeBytes: 1,
  etag: null,
  lastModifiedMs: null,
  storageClass: null,
  isRestored: false,
  ...changes,
});

describe("archiveOf()", () => {
  const advice = "restore it, then resume this copy";
  test.each([
    ["aws", { "x-amz-storage-class": "GLACIER" }, `The source is archived (GLACIER): ${advice}`],
    ["aws", { "x-amz-storage-class": "DEEP_ARCHIVE" }, `The source is archived (DEEP_ARCHIVE): ${advice}`],
    [
      "aws",
      { "x-amz-storage-class": "INTELLIGENT_TIERING", "x-amz-archive-status": "ARCHIVE_ACCESS" },
      `The source is archived (INTELLIGENT_TIERING): ${advice}`,
    ],
    [
      "aws",
      { "x-amz-archive-status": "ARCHIVE_ACCESS" },
      `The source is archived (ARCHIVE_ACCESS): ${advice}`,
    ],
    [
      "aws",
      { "x-amz-storage-class": "GLACIER", "x-amz-restore": 'ongoing-request="true"' },
      `The source is being restored (GLACIER): ${advice}`,
    ],
    [
      "aws",
      {
        "x-amz-storage-class": "GLACIER",
        "x-amz-restore": 'ongoing-request="false", expiry-date="Fri, 21 Dec 2026 00:00:00 GMT"',
      },
      null,
    ],
    ["aws", { "x-amz-storage-class": "GLACIER_IR" }, null],
    ["aws", { "x-amz-storage-class": "STANDARD_IA" }, null],
    ["aws", {}, null],
    ["ibm", { "x-amz-storage-class": "ACCELERATED" }, `The source is archived (ACCELERATED): ${advice}`],
    ["oracle", { "x-amz-storage-class": "Archive" }, `The source is archived (Archive): ${advice}`],
    ["alibaba", { "x-amz-storage-class": "ColdArchive" }, `The source is archived (ColdArchive): ${advice}`],
    [
      "tencent",
      { "x-amz-storage-class": "ARCHIVE", "x-amz-restore": 'ongoing-request="true"' },
      `The source is being restored (ARCHIVE): ${advice}`,
    ],
    ["gcs", { "x-amz-storage-class": "ARCHIVE" }, null],
  ] as const)("at %s: %j", (provider, headers, reason) => {
    expect(archiveOf(new Headers(headers as Record<string, string>), provider)).toBe(reason);
  });
});

describe("needsRestore()", () => {
  test.each([
    ["GLACIER", "aws", true],
    ["DEEP_ARCHIVE", "aws", true],
    ["GLACIER_IR", "aws", false],
    ["INTELLIGENT_TIERING", "aws", false],
    ["STANDARD", "aws", false],
    [null, "aws", false],
    ["GLACIER", "scaleway", true],
    ["ACCELERATED", "ibm", true],
    ["Archive", "oracle", true],
    ["ColdArchive", "alibaba", true],
    ["ARCHIVE", "tencent", true],
    ["ARCHIVE", "gcs", false],
    ["COLDLINE", "gcs", false],
  ] as const)("%s at %s: %s", (storageClass, provider, expected) => {
    expect(needsRestore(object({ storageClass }), provider)).toBe(expected);
  });

  test("an object that has been restored can be read", () => {
    expect(needsRestore(object({ storageClass: "GLACIER", isRestored: true }), "aws")).toBe(false);
  });
});

describe("archiveAt()", () => {
  const tiered = { "x-amz-storage-class": "INTELLIGENT_TIERING", "x-amz-archive-status": "ARCHIVE_ACCESS" };
  test.each([
    [
      "a class",
      { "x-amz-storage-class": "GLACIER" },
      { kind: "archived", storageClass: "GLACIER", isTiered: false },
    ],
    ["a tier", tiered, { kind: "archived", storageClass: "INTELLIGENT_TIERING", isTiered: true }],
    [
      "a tier on its way back",
      { ...tiered, "x-amz-restore": 'ongoing-request="true"' },
      { kind: "ongoing", storageClass: "INTELLIGENT_TIERING", isTiered: true },
    ],
    [
      "a tier that is back",
      { "x-amz-storage-class": "INTELLIGENT_TIERING" },
      { kind: "readable", untilMs: null },
    ],
    [
      "a restored copy",
      {
        "x-amz-storage-class": "GLACIER",
        "x-amz-restore": 'ongoing-request="false", expiry-date="Mon, 21 Dec 2026 00:00:00 GMT"',
      },
      { kind: "readable", untilMs: Date.UTC(2026, 11, 21) },
    ],
    [
      "a restored copy whose end cannot be read",
      { "x-amz-storage-class": "GLACIER", "x-amz-restore": 'ongoing-request="false", expiry-date="soon"' },
      { kind: "readable", untilMs: null },
    ],
    [
      "a word that is not known",
      { "x-amz-storage-class": "GLACIER", "x-amz-restore": "yes" },
      { kind: "archived", storageClass: "GLACIER", isTiered: false },
    ],
  ])("%s", (_what, headers, archive) => {
    expect(archiveAt(new Headers(headers as Record<string, string>), "aws")).toEqual(archive);
  });
});

describe("ifArchived", () => {
  test.each([
    ["fail", "fail"],
    ["skip", "skip"],
    ["Bulk", { restore: "Bulk", days: 3 }],
    [{ restore: "Expedited" }, { restore: "Expedited", days: 3 }],
    [
      { restore: "Standard", days: "14" },
      { restore: "Standard", days: 14 },
    ],
  ])("%j", (given, wish) => {
    expect(parseWith(IfArchivedSchema, given)).toEqual(wish);
  });

  test.each([
    ["bulk", /must be one of fail, skip, Bulk, Standard, Expedited, not "bulk"/],
    [{ restore: "Fast" }, /"restore" must be one of Bulk, Standard, Expedited, not "Fast"/],
    [{ restore: "Bulk", days: 0 }, /"days" must be a whole number from 1 to 365, not 0/],
    [{ restore: "Bulk", days: 366 }, /"days" must be a whole number from 1 to 365, not 366/],
    [{ restore: "Bulk", hours: 1 }, /Unknown field "hours"/],
    [7, /must be one of fail, skip, Bulk, Standard, Expedited, not 7/],
  ])("%j is refused, and the text says what is allowed", (given, message) => {
    const parse = () => parseWith(IfArchivedSchema, given);
    expect(parse).toThrow(Problem);
    expect(parse).toThrow(message);
  });
});
