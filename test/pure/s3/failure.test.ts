// A failure as data.
import { expect, test } from "vitest";
import { meshFailure } from "../../../src/s3/failure.ts";

test("meshFailure() is of the mesh and bears no status of a store", () => {
  expect(meshFailure("object_too_large", "too large", "plan")).toEqual({
    side: "mesh",
    code: "object_too_large",
    message: "too large",
    operation: "plan",
    status: null,
    requestId: null,
    retryAfterMs: null,
  });
});
