// Turns a refusal into plain words and into what to do about it: the usual mistakes in a store's
// configuration. Pure.

import type { S3Error } from "../s3/errors.ts";

/** The permission of an AWS policy that an operation needs, where it differs from the operation's name. */
const PERMISSIONS: Readonly<Record<string, string>> = {
  HeadBucket: "s3:ListBucket",
  HeadObject: "s3:GetObject",
  ListObjects: "s3:ListBucket",
  ListObjectsV2: "s3:ListBucket",
  CreateMultipartUpload: "s3:PutObject",
  UploadPart: "s3:PutObject",
  CompleteMultipartUpload: "s3:PutObject",
  CopyObject: "s3:GetObject and s3:PutObject",
  UploadPartCopy: "s3:GetObject and s3:PutObject",
  ListParts: "s3:ListMultipartUploadParts",
  ListMultipartUploads: "s3:ListBucketMultipartUploads",
  DeleteObjects: "s3:DeleteObject",
};

type Refusal = Pick<S3Error, "operation" | "code" | "status" | "message">;

/**
 * The codes http_52x and http_530 are Cloudflare's own answers in the place of a store that it cannot reach
 * (https://developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-5xx-errors/).
 *
 * @param name of the store, which names the secret to change
 * @returns null if the refusal is not a mistake of the configuration
 */
export function adviceFor(name: string, { operation, code, status, message }: Refusal): string | null {
  const secret = `STORE_${name.toUpperCase()}`;
  switch (code) {
    case "InvalidAccessKeyId":
      return `The store does not know the access key: check "accessKeyId" of ${secret}, and that it belongs to this endpoint`;
    case "SignatureDoesNotMatch":
      return (
        `The store computes another signature: check "secretAccessKey" of ${secret} (a character cut off or added), ` +
        'and "accessKeyId", which some stores answer so too if they do not know it; ' +
        "if both are right, something on the way changes the request, or the endpoint is not the store itself"
      );
    case "RequestTimeTooSkewed":
      return "The store's clock differs from ours and its answer has no Date header: set the store's clock";
    case "ExpiredToken":
    case "ExpiredRequest":
    case "TokenRefreshRequired":
    case "InvalidToken":
      return `The temporary credentials have expired or are invalid: set new ones in ${secret}, all three values together`;
    case "NoSuchBucket":
      return "There is no such bucket at this endpoint: check its name, and that region and endpoint are those of its account";
    case "wrong_region":
    case "PermanentRedirect":
    case "AuthorizationHeaderMalformed":
    case "IllegalLocationConstraintException":
      return `The bucket is in another region: set "region" and "endpoint" of ${secret} to those of the bucket`;
    case "InvalidObjectState":
      return "The object is archived, which is no fault of the store: restore it there, or copy what is not archived";
    case "SecondLevelDomainForbidden":
    case "PathStyleDomainForbidden":
      return `The store accepts only virtual-hosted addresses: set "style": "virtual" in ${secret}`;
    case "head_refused":
      return (
        "The store answers GET but refuses HEAD: something in front of it blocks some methods, or is a cache that " +
        "asks by GET what came as HEAD, which breaks the signature: let the store's host name bypass the cache"
      );
    case "timeout":
    case "http_522":
    case "http_524":
      return "The store does not answer in time: is the endpoint reachable from the internet, and is a firewall in front of it?";
    case "network":
    case "http_520": // reset, or an answer that is no HTTP
    case "http_521": // connection refused
    case "http_523": // no route
    case "http_530": // with 1016: no such name
      return adviceOnNetwork(secret, message);
    case "http_525":
    case "http_526":
      return adviceOnTls(secret);
    case "bad_answer":
      return "What answers is not an S3 store: is the endpoint that of the S3 API, and not of a console or a website?";
  }
  if (code === "AccessDenied" || status === 403 || status === 401) {
    const permission = PERMISSIONS[operation] ?? `s3:${operation}`;
    return `The credentials are not allowed to do this: the key's policy needs ${permission} on this bucket`;
  }
  if (status === 301 || status === 307 || status === 308)
    return `The endpoint redirects: set the store's own address in ${secret}, with https://`;
  if (status === 400 && /https|plain http/i.test(message))
    return `The store accepts https only: begin "endpoint" of ${secret} with https://`;
  if (status === 404)
    return `There is no S3 API at this address: check "endpoint" and "style" of ${secret}; the bucket may be missing too`;
  return null;
}

function adviceOnNetwork(secret: string, message: string): string {
  if (/certificate|tls|ssl/i.test(message)) return adviceOnTls(secret);
  return (
    `No connection: check the host name and port of "endpoint" in ${secret}, and whether it is https:// or http://; ` +
    "a Worker reaches only what the internet reaches"
  );
}

const adviceOnTls = (secret: string): string =>
  `No TLS connection is possible: is the certificate valid for this host, and does it serve https? (${secret})`;
