// What people are shown of a failure.
import { describe, expect, test } from "vitest";
import { meshFailure } from "../../../src/s3/failure.ts";
import { publicCode } from "../../../src/view/failure.ts";
import { failure } from "../samples.ts";

describe("publicCode()", () => {
  test.each([
    ["NoSuchBucket", 404, "destination_bucket_not_found"],
    ["NoSuchKey", 404, "destination_not_found"],
    ["NoSuchUpload", 404, "destination_not_found"],
    ["AccessDenied", 403, "destination_access_denied"],
    ["AllAccessDisabled", 403, "destination_access_denied"],
    ["SomethingElse", 403, "destination_access_denied"],
    ["InvalidAccessKeyId", 403, "destination_credentials_refused"],
    ["SignatureDoesNotMatch", 403, "destination_credentials_refused"],
    ["ExpiredToken", 400, "destination_credentials_refused"],
    ["InvalidToken", 403, "destination_credentials_refused"],
    ["network", null, "destination_unreachable"],
    ["timeout", null, "destination_unreachable"],
    ["http_521", 521, "destination_unreachable"],
    ["http_530", 530, "destination_unreachable"],
    ["http_502", 502, "destination_error"],
    ["SlowDown", 503, "destination_throttled"],
    ["unknown", 429, "destination_throttled"],
    ["InternalError", 500, "destination_error"],
    ["MalformedXML", 400, "destination_error"],
  ])("%s %s of the destination is shown as %s", (code, status, shown) => {
    expect(publicCode(failure(code, status))).toBe(shown);
    expect(publicCode(failure(code, status, { side: "source" }))).toBe(
      shown.replace("destination", "source"),
    );
  });

  test("an object that is in the way is shown by one name, whoever found it", () => {
    expect(publicCode(failure("PreconditionFailed", 412))).toBe("destination_exists");
    expect(publicCode(failure("destination_exists", 412))).toBe("destination_exists");
    for (const code of ["InvalidStorageClass", "InvalidTag", "InvalidRedirectLocation"]) {
      expect(publicCode(failure(code, 400))).toBe("attribute_lost");
      expect(publicCode(failure(code, 400, { side: "source" }))).toBe("source_error");
    }
  });

  test("our own codes are shown as they are", () => {
    expect(publicCode(meshFailure("proof_impossible", "", "plan"))).toBe("proof_impossible");
    expect(publicCode(failure("source_changed", 412, { side: "source" }))).toBe("source_changed");
    expect(publicCode(failure("part_size_too_large", 413))).toBe("part_size_too_large");
  });
});
