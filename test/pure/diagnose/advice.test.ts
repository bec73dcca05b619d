// The usual mistakes with a store's configuration, each with the sentence that tells what to change.

import { expect, test } from "vitest";
import { adviceFor } from "../../../src/diagnose/advice.ts";

const refusal = (
  code: string,
  more: { operation?: string; status?: number | null; message?: string } = {},
) => ({
  operation: "PutObject",
  status: 400,
  message: "",
  ...more,
  code,
});

test.each([
  ["a key that the store does not know", refusal("InvalidAccessKeyId"), /"accessKeyId" of STORE_EAST/],
  ["a wrong secret", refusal("SignatureDoesNotMatch"), /"secretAccessKey" of STORE_EAST.*and "accessKeyId"/],
  ["a clock", refusal("RequestTimeTooSkewed"), /set the store's clock/],
  ["an expired token", refusal("ExpiredToken"), /temporary credentials have expired.*STORE_EAST/],
  [
    "an archived object",
    refusal("InvalidObjectState", { operation: "GetObject", status: 403 }),
    /archived.*restore it/,
  ],
  ["a missing bucket", refusal("NoSuchBucket"), /no such bucket/],
  [
    "a wrong region",
    refusal("PermanentRedirect", { status: 301 }),
    /set "region" and "endpoint" of STORE_EAST/,
  ],
  [
    "the wrong style",
    refusal("SecondLevelDomainForbidden", { status: 403 }),
    /"style": "virtual" in STORE_EAST/,
  ],
  [
    "a missing permission to write",
    refusal("AccessDenied", { status: 403 }),
    /needs s3:PutObject on this bucket/,
  ],
  [
    "a missing permission to list",
    refusal("AccessDenied", { operation: "ListObjectsV2", status: 403 }),
    /needs s3:ListBucket on this bucket/,
  ],
  [
    "http where https is spoken",
    refusal("http_400", { message: "The plain HTTP request was sent to HTTPS port" }),
    /begin "endpoint" of STORE_EAST with https:/,
  ],
  ["an endpoint that sends elsewhere", refusal("http_308", { status: 308 }), /set the store's own address/],
  ["a cache that turns HEAD into GET", refusal("head_refused", { status: 403 }), /bypass the cache/],
  ["a website in the store's place", refusal("bad_answer", { status: 200 }), /not an S3 store/],
  [
    "a host that is not there",
    refusal("network", { status: null, message: "connection refused" }),
    /No connection/,
  ],
  ["a certificate", refusal("network", { status: null, message: "TLS peer's certificate" }), /certificate/],
  ["a certificate that Cloudflare refuses", refusal("http_526", { status: 526 }), /certificate/],
  [
    "a store that Cloudflare waits for in vain",
    refusal("http_524", { status: 524 }),
    /does not answer in time/,
  ],
  ["a firewall", refusal("timeout", { status: null }), /reachable from the internet/],
  ["an address with nothing of S3", refusal("http_404", { status: 404 }), /no S3 API/],
])("%s", (_, error, sentence) => {
  expect(adviceFor("east", error)).toMatch(sentence);
});

test.each([520, 521, 523, 530])("Cloudflare's own %i in the store's place", (status) => {
  expect(adviceFor("east", refusal(`http_${status}`, { status }))).toMatch(/No connection/);
});

test("a store that only lacks a feature needs no advice", () => {
  expect(adviceFor("east", refusal("NotImplemented", { status: 501 }))).toBeNull();
});
