// The verifier against the examples AWS publishes for S3:
// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html and …/sigv4-streaming-trailers.html
import { describe, expect, test } from "vitest";
import { AwsChunkedDecoder } from "../../store/chunked.ts";
import { StoreError } from "../../store/errors.ts";
import {
  canonicalPath,
  canonicalQuery,
  verify,
  type RawRequest,
  type VerifierOptions,
} from "../../store/sigv4.ts";

const options: VerifierOptions = {
  credentials: [
    { accessKeyId: "AKIAIOSFODNN7EXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY" },
  ],
  regions: ["us-east-1"],
  now: Date.UTC(2013, 4, 24),
  canonicalPath: "decoded",
  canonicalQuery: "decoded",
};
const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const scope = "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request";

function authorization(signedHeaders: string, signature: string): [string, string] {
  return [
    "Authorization",
    `AWS4-HMAC-SHA256 Credential=${scope},SignedHeaders=${signedHeaders},Signature=${signature}`,
  ];
}

function request(method: string, url: string, sha256: string, ...headers: [string, string][]): RawRequest {
  return {
    method,
    url,
    headers: [
      ["Host", "examplebucket.s3.amazonaws.com"],
      ["x-amz-content-sha256", sha256],
      ["x-amz-date", "20130524T000000Z"],
      ...headers,
    ],
  };
}

const getObject = request(
  "GET",
  "/test.txt",
  emptyHash,
  ["Range", "bytes=0-9"],
  authorization(
    "host;range;x-amz-content-sha256;x-amz-date",
    "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
  ),
);

function refusal(changed: RawRequest, changedOptions: Partial<VerifierOptions> = {}): StoreError {
  try {
    verify(changed, { ...options, ...changedOptions });
  } catch (error) {
    if (error instanceof StoreError) return error;
    throw error;
  }
  throw new Error("the request was accepted");
}

describe("verify() accepts AWS's published example", () => {
  test("GET object with a Range", () => {
    expect(verify(getObject, options).payload).toEqual({ kind: "sha256", hex: emptyHash });
  });

  test("PUT object with a dollar sign in its key", () => {
    const put = request(
      "PUT",
      "/test$file.text",
      "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
      ["Date", "Fri, 24 May 2013 00:00:00 GMT"],
      ["x-amz-storage-class", "REDUCED_REDUNDANCY"],
      authorization(
        "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
      ),
    );
    expect(verify(put, options).region).toBe("us-east-1");
  });

  test("GET bucket lifecycle, a flag without a value", () => {
    const signature = "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543";
    const lifecycle = request(
      "GET",
      "/?lifecycle",
      emptyHash,
      authorization("host;x-amz-content-sha256;x-amz-date", signature),
    );
    expect(verify(lifecycle, options).accessKeyId).toBe("AKIAIOSFODNN7EXAMPLE");
  });

  test("list objects with a sorted query", () => {
    const signature = "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7";
    const signed = authorization("host;x-amz-content-sha256;x-amz-date", signature);
    expect(() => verify(request("GET", "/?max-keys=2&prefix=J", emptyHash, signed), options)).not.toThrow();
    expect(() => verify(request("GET", "/?prefix=J&max-keys=2", emptyHash, signed), options)).not.toThrow();
  });

  test("presigned GET", () => {
    const query =
      `X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=${encodeURIComponent(scope)}&X-Amz-Date=20130524T000000Z` +
      "&X-Amz-Expires=86400&X-Amz-SignedHeaders=host" +
      "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
    const presigned: RawRequest = {
      method: "GET",
      url: `/test.txt?${query}`,
      headers: [["Host", "examplebucket.s3.amazonaws.com"]],
    };
    expect(verify(presigned, options).payload).toEqual({ kind: "unsigned" });
    const dayLater = options.now + 86_400_000;
    expect(verify(presigned, { ...options, now: dayLater }).payload).toEqual({ kind: "unsigned" });
    expect(refusal(presigned, { now: dayLater + 1 }).message).toBe("Request has expired");
  });

  test("PUT in signed chunks, each chunk's signature checked", () => {
    const put: RawRequest = {
      method: "PUT",
      url: "/examplebucket/chunkObject.txt",
      headers: [
        ["Host", "s3.amazonaws.com"],
        ["x-amz-date", "20130524T000000Z"],
        ["x-amz-storage-class", "REDUCED_REDUNDANCY"],
        ["x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"],
        ["Content-Encoding", "aws-chunked"],
        ["x-amz-decoded-content-length", "66560"],
        ["Content-Length", "66824"],
        authorization(
          "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class",
          "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
        ),
      ],
    };
    const { chain, payload } = verify(put, options);
    expect(payload).toEqual({ kind: "streaming", signed: true, trailer: false });
    const body = Buffer.from(
      `10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n${"a".repeat(65_536)}\r\n` +
        `400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n${"a".repeat(1024)}\r\n` +
        "0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n",
    );
    expect(body.length).toBe(66_824);
    for (const step of [1, 7, 1000, body.length]) {
      let size = 0;
      const decoder = new AwsChunkedDecoder(chain, false, (piece) => {
        size += piece.length;
      });
      for (let i = 0; i < body.length; i += step) decoder.push(body.subarray(i, i + step));
      decoder.finish(66_560);
      expect(size).toBe(66_560);
    }
    body[70_000 - 4000] = 0x62;
    const decoder = new AwsChunkedDecoder(chain, false, () => {});
    expect(() => decoder.push(body)).toThrow("The request signature we calculated does not match");
  });

  test("PUT in signed chunks with a signed trailer", () => {
    const put: RawRequest = {
      method: "PUT",
      url: "/examplebucket/chunkObject.txt",
      headers: [
        ["Host", "s3.amazonaws.com"],
        ["x-amz-date", "20130524T000000Z"],
        ["x-amz-storage-class", "REDUCED_REDUNDANCY"],
        ["x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"],
        ["Content-Encoding", "aws-chunked"],
        ["x-amz-decoded-content-length", "66560"],
        ["x-amz-trailer", "x-amz-checksum-crc32c"],
        authorization(
          "content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer",
          "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
        ),
      ],
    };
    const { chain } = verify(put, options);
    const decoder = new AwsChunkedDecoder(chain, true, () => {});
    decoder.push(
      Buffer.from(
        `10000;chunk-signature=b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2\r\n${"a".repeat(65_536)}\r\n` +
          `400;chunk-signature=1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7\r\n${"a".repeat(1024)}\r\n` +
          "0;chunk-signature=2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992\r\n" +
          "x-amz-checksum-crc32c:sOO8/Q==\r\n" +
          "x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n",
      ),
    );
    decoder.finish(66_560);
    expect(decoder.trailers.get("x-amz-checksum-crc32c")).toBe("sOO8/Q==");
  });
});

const without = (name: string): RawRequest => ({
  ...getObject,
  headers: getObject.headers.filter(([header]) => header.toLowerCase() !== name),
});

describe("verify() refuses", () => {
  test("a request without authorization", () => {
    expect(refusal(without("authorization")).code).toBe("AccessDenied");
  });

  test("an unknown key", () => {
    expect(refusal(getObject, { credentials: [] }).code).toBe("InvalidAccessKeyId");
  });

  test("another path than the signed one, showing what it calculated", () => {
    const error = refusal({ ...getObject, url: "/test2.txt" });
    expect(error.code).toBe("SignatureDoesNotMatch");
    expect(error.elements["CanonicalRequest"]).toMatch(/^GET\n\/test2\.txt\n\nhost:examplebucket/);
    expect(error.elements["StringToSign"]).toMatch(/^AWS4-HMAC-SHA256\n20130524T000000Z\n/);
  });

  test("an x-amz header that is not signed", () => {
    const error = refusal({ ...getObject, headers: [...getObject.headers, ["X-Amz-Meta-A", "b"]] });
    expect([error.code, error.elements["HeadersNotSigned"]]).toEqual(["AccessDenied", "x-amz-meta-a"]);
  });

  test("a signature that leaves out Host", () => {
    const signed = authorization("x-amz-content-sha256;x-amz-date", "00");
    expect(refusal(request("GET", "/test.txt", emptyHash, signed)).elements["HeadersNotSigned"]).toBe("host");
  });

  test("a clock more than 15 minutes off, either way", () => {
    const minutes = 60_000;
    expect(() => verify(getObject, { ...options, now: options.now + 15 * minutes })).not.toThrow();
    expect(refusal(getObject, { now: options.now + 15 * minutes + 1 }).code).toBe("RequestTimeTooSkewed");
    expect(refusal(getObject, { now: options.now - 15 * minutes - 1 }).code).toBe("RequestTimeTooSkewed");
  });

  test("another region, naming the right one", () => {
    const error = refusal(getObject, { regions: ["eu-west-1"] });
    expect([error.status, error.code, error.elements["Region"]]).toEqual([
      400,
      "AuthorizationHeaderMalformed",
      "eu-west-1",
    ]);
  });

  test("another service than s3", () => {
    const [name, value] = authorization("host", "00");
    const error = refusal(
      request("GET", "/test.txt", emptyHash, [name, value.replace("/s3/", "/execute-api/")]),
    );
    expect([error.code, error.message]).toEqual([
      "AuthorizationHeaderMalformed",
      expect.stringContaining('"execute-api"'),
    ]);
  });

  test("a missing x-amz-content-sha256", () => {
    expect([
      refusal(without("x-amz-content-sha256")).status,
      refusal(without("x-amz-content-sha256")).code,
    ]).toEqual([400, "InvalidRequest"]);
  });

  test("Signature Version 2", () => {
    expect(refusal(request("GET", "/", emptyHash, ["Authorization", "AWS AKID:c2ln"])).code).toBe(
      "InvalidRequest",
    );
  });
});

describe("canonicalPath()", () => {
  test.each([
    ["/a/..%2Fb", "/a/../b"],
    ["/a%2Fb", "/a/b"],
    ["//a//b", "//a//b"],
    ["/a+b", "/a%20b"],
    ["/a%2Bb", "/a%2Bb"],
    ["/a%7Eb~", "/a~b~"],
    ["/%c3%a9", "/%C3%A9"],
    ["/test$file*!'()", "/test%24file%2A%21%27%28%29"],
  ])("decodes %s once and encodes it to %s", (raw, canonical) => {
    expect(canonicalPath(raw, "decoded")).toBe(canonical);
  });

  test("takes the wire text literally for stores that do", () => {
    expect(canonicalPath("/a/..%2Fb+%7e", "raw")).toBe("/a/..%2Fb+%7e");
  });
});

describe("canonicalQuery()", () => {
  test("sorts by encoded name and value, and gives flags an equals sign", () => {
    expect(canonicalQuery("uploads&a=2&a=1&%2F=x&B=", "decoded")).toBe("%2F=x&B=&a=1&a=2&uploads=");
  });

  test("reads a raw plus as a plus, so that a signer who meant a space fails", () => {
    expect(canonicalQuery("prefix=my+dir", "decoded")).toBe("prefix=my%2Bdir");
  });

  test("leaves the signature out", () => {
    expect(canonicalQuery("X-Amz-Signature=aa&X-Amz-Date=b", "decoded")).toBe("X-Amz-Date=b");
  });
});
