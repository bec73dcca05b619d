// What takes part: patterns first, exclusion before inclusion, then what is known of the source object.
import { describe, expect, test } from "vitest";
import { type Filter, filterName, filterObject } from "../../../src/listing/filter.ts";
import { compileGlob } from "../../../src/listing/glob.ts";
import type { ListedObject } from "../../../src/s3/listing_xml.ts";

const globs = (...patterns: string[]) =>
  patterns.map((pattern) => {
    const compiled = compileGlob(pattern);
    if (!compiled.ok) throw new Error(compiled.message);
    return compiled.glob;
  });

const object = (changes: Partial<ListedObject> = {}): ListedObject => ({
  key: "p/k",
  sizeBytes: 100,
  etag: null,
  lastModifiedMs: 1000,
  storageClass: "STANDARD",
  isRestored: false,
  ...changes,
});

const NO_FILTER: Filter = {
  include: [],
  exclude: [],
  minSizeBytes: null,
  maxSizeBytes: null,
  modifiedFromMs: null,
  modifiedBeforeMs: null,
  storageClasses: null,
};

const filter = (changes: Partial<Filter>): Filter => ({ ...NO_FILTER, ...changes });

test("without a filter everything takes part", () => {
  for (const name of ["", "a", ".hidden", "a//b", "abc/"]) {
    expect(filterObject(NO_FILTER, name, object({ storageClass: null, lastModifiedMs: null }))).toBeNull();
  }
});

describe("patterns", () => {
  test("with includes, only what one of them matches", () => {
    const both = filter({ include: globs("*.jpg", "raw/**") });
    expect(["a.jpg", "raw/x/y", "raw/"].map((name) => filterName(both, name))).toEqual([null, null, null]);
    expect(filterName(both, "x/a.jpg")).toBe("not_included");
  });

  test("what is excluded is out, included or not", () => {
    const both = filter({ include: globs("**/*.jpg"), exclude: globs("**/private/**") });
    expect(filterName(both, "a.jpg")).toBeNull();
    expect(filterName(both, "x/private/a.jpg")).toBe("excluded");
    expect(filterName(both, "private/b.png")).toBe("excluded");
    expect(filterName(filter({ exclude: globs("tmp/**") }), "a")).toBeNull();
  });

  test("match the name below the prefix, not the key", () => {
    expect(filterObject(filter({ include: globs("k") }), "k", object())).toBeNull();
    expect(filterObject(filter({ include: globs("p/k") }), "k", object())).toBe("not_included");
  });
});

describe("the source object", () => {
  test.each<[string, Partial<Filter>, Partial<ListedObject>, string | null]>([
    ["as small as allowed", { minSizeBytes: 100 }, {}, null],
    ["smaller", { minSizeBytes: 101 }, {}, "too_small"],
    ["as large as allowed", { maxSizeBytes: 100 }, {}, null],
    ["larger", { maxSizeBytes: 99 }, {}, "too_large"],
    ["empty, of at most 0 bytes", { maxSizeBytes: 0 }, { sizeBytes: 0 }, null],
    ["as old as allowed", { modifiedFromMs: 1000 }, {}, null],
    ["older", { modifiedFromMs: 1001 }, {}, "too_old"],
    ["young enough to be left out", { modifiedBeforeMs: 1000 }, {}, "too_new"],
    ["just old enough", { modifiedBeforeMs: 1001 }, {}, null],
    ["of unknown age", { modifiedFromMs: 1001, modifiedBeforeMs: 1002 }, { lastModifiedMs: null }, null],
    ["of the class asked for", { storageClasses: ["STANDARD_IA"] }, { storageClass: "STANDARD_IA" }, null],
    ["of that class in other letters", { storageClasses: ["STANDARD"] }, { storageClass: "Standard" }, null],
    ["of another class", { storageClasses: ["STANDARD_IA"] }, {}, "storage_class"],
    [
      "of no told class, which is the standard one",
      { storageClasses: ["STANDARD"] },
      { storageClass: null },
      null,
    ],
    [
      "of no told class, when another is asked for",
      { storageClasses: ["X"] },
      { storageClass: null },
      "storage_class",
    ],
  ])("%s", (_what, changes, source, reason) => {
    expect(filterObject(filter(changes), "k", object(source))).toBe(reason);
  });

  test("patterns are asked first", () => {
    const both = filter({ exclude: globs("*"), minSizeBytes: 1000 });
    expect(filterObject(both, "k", object())).toBe("excluded");
  });
});
