// Which hosts a 307 may lead to.

import { describe, expect, test } from "vitest";
import { hostWithinService } from "../../../src/s3/redirect.ts";

const BUCKET = "photos";

describe("hostWithinService()", () => {
  test.each([
    ["https://s3.example.com", "https://node7.example.com/photos/a", "https://node7.example.com", "path"],
    ["https://s3.example.com", "https://n1.s3.example.com/photos/a", "https://n1.s3.example.com", "path"],
    ["https://example.com", "https://s3.example.com/photos/a", "https://s3.example.com", "path"],
    ["https://s3.example.com", "https://photos.n1.example.com/a", "https://n1.example.com", "virtual"],
    [
      "https://s3.example.com:9000",
      "https://n1.example.com:9000/photos/a",
      "https://n1.example.com:9000",
      "path",
    ],
    [
      "https://s3.amazonaws.com",
      "https://photos.s3-us-west-2.amazonaws.com/a",
      "https://s3-us-west-2.amazonaws.com",
      "virtual",
    ],
    [
      "https://s3.us-east-1.amazonaws.com",
      "https://s3.dualstack.eu-central-1.amazonaws.com/photos/a?partNumber=1",
      "https://s3.dualstack.eu-central-1.amazonaws.com",
      "path",
    ],
    ["https://s3.firm.co.uk", "https://n1.firm.co.uk/photos/a", "https://n1.firm.co.uk", "path"],
  ])("%s → %s", (endpoint, location, expected, style) => {
    expect(hostWithinService(endpoint, BUCKET, location)).toEqual({ endpoint: expected, style });
  });

  test.each([
    ["https://s3.example.com", null],
    ["https://s3.example.com", "/photos/a"],
    ["https://s3.example.com", "https://s3.example.org/photos/a"],
    ["https://s3.example.com", "https://evilexample.com/photos/a"],
    ["https://s3.example.com", "https://example.com.evil.net/photos/a"],
    ["https://s3.example.com", "http://n1.example.com/photos/a"],
    ["https://s3.example.com", "https://n1.example.com:8443/photos/a"],
    ["https://s3.example.com", "https://user:pass@n1.example.com/photos/a"],
    ["https://s3.example.com", "https://n1.example.com/another/a"],
    ["https://example.com", "https://other.com/photos/a"],
    ["https://firm.co.uk", "https://other.co.uk/photos/a"],
    ["https://s3.amazonaws.com", "https://ec2-1-2-3-4.compute-1.amazonaws.com/photos/a"],
    ["https://s3.amazonaws.com", "https://evil.execute-api.us-east-1.amazonaws.com/photos/a"],
    ["https://s3.us-east-1.amazonaws.com", "https://x.us-east-1.amazonaws.com/photos/a"],
    ["http://127.0.0.1:9000", "http://128.0.0.1:9000/photos/a"],
    ["http://[::1]:9000", "http://[::2]:9000/photos/a"],
  ])("not %s → %s", (endpoint, location) => {
    expect(hostWithinService(endpoint, BUCKET, location)).toBeNull();
  });
});
