// What a HEAD says of the full-object checksums of an object.
import { describe, expect, test } from "vitest";
import { fullObjectChecksums } from "../../../src/object/checksum.ts";

const checksumsOf = (headers: Record<string, string>) => fullObjectChecksums(new Headers(headers));

describe("fullObjectChecksums()", () => {
  const CRC64 = { "x-amz-checksum-crc64nvme": "rosUhgp5mIg=" };

  test("reads each algorithm, the strongest first", () => {
    const all = { "x-amz-checksum-crc32": "y/Q5Jg==", "x-amz-checksum-crc32c": "4waSgw==", ...CRC64 };
    expect(checksumsOf({ ...all, "x-amz-checksum-type": "FULL_OBJECT" })).toEqual([
      { algorithm: "crc64nvme", hex: "ae8b14860a799888" },
      { algorithm: "crc32c", hex: "e3069283" },
      { algorithm: "crc32", hex: "cbf43926" },
    ]);
  });

  test.each([
    ["composite by its type", { "x-amz-checksum-crc32": "y/Q5Jg==", "x-amz-checksum-type": "COMPOSITE" }],
    ["composite by its form", { "x-amz-checksum-crc32": "y/Q5Jg==-5" }],
    ["of another length", { "x-amz-checksum-crc64nvme": "y/Q5Jg==" }],
    ["empty", { "x-amz-checksum-crc32": "" }],
    ["no base64", { "x-amz-checksum-crc32": "????" }],
    ["of another algorithm", { "x-amz-checksum-sha256": "y/Q5Jg==" }],
    ["an MD5 of Google's", { "x-goog-hash": "md5=XrY7u+Ae7tCTyyK7j1rNww==" }],
  ])("leaves out one that is %s", (_what, headers) => {
    expect(checksumsOf(headers as Record<string, string>)).toEqual([]);
  });

  test.each([
    "crc32c=4waSgw==",
    "crc32c=4waSgw==,md5=XrY7u+Ae7tCTyyK7j1rNww==",
    "md5=XrY7u+Ae7tCTyyK7j1rNww==, crc32c=4waSgw==",
  ])("reads Google's %s", (value) => {
    expect(checksumsOf({ "x-goog-hash": value })).toEqual([{ algorithm: "crc32c", hex: "e3069283" }]);
  });

  test("reads Google's two headers as one", () => {
    const headers = new Headers();
    headers.append("x-goog-hash", "crc32c=4waSgw==");
    headers.append("x-goog-hash", "md5=XrY7u+Ae7tCTyyK7j1rNww==");
    expect(fullObjectChecksums(headers)).toEqual([{ algorithm: "crc32c", hex: "e3069283" }]);
  });
});
