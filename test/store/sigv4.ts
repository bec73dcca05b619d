/**
 * Signature Version 4 as S3 verifies it, from the raw request line and the raw headers.
 *
 * Pure: no clock, no I/O. `verify` either returns what the rest of the request needs (how the payload is
 * declared, and the key with which chunk signatures are checked) or throws the `StoreError` that S3 would
 * answer. Nothing is normalised first, because a client that signs one spelling and sends another is exactly
 * what tests must catch.
 *
 * The canonical path follows S3: decode once (a raw `+` is a space), encode strictly, `/` stays; hence wire
 * `/a/..%2Fb` is canonical `/a/../b`. `canonicalPath: "raw"` takes the wire text literally, as Garage and
 * SeaweedFS do. Comparison is not constant-time: this is a test store.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
 */
import { createHash, createHmac, createSecretKey, type KeyObject } from "node:crypto";
import { StoreError } from "./errors.ts";

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  /** When the session token expires, in ms since the epoch. */
  readonly expiresAt?: number;
}

export interface RawRequest {
  readonly method: string;
  /** Request target exactly as received, each byte one character. */
  readonly url: string;
  /** Names and values as received, in order, each byte one character. */
  readonly headers: readonly (readonly [name: string, value: string])[];
}

export interface VerifierOptions {
  readonly credentials: readonly Credentials[];
  /** Regions a scope may name; the first is the one an error advises. */
  readonly regions: readonly string[];
  /** Server time in ms since the epoch. */
  readonly now: number;
  readonly canonicalPath: "decoded" | "raw";
  readonly signedValues?: "squeezed" | "as sent";
  readonly canonicalQuery: "decoded" | "raw";
}

/** What `x-amz-content-sha256` promises about the body. */
type PayloadDeclaration =
  | { readonly kind: "unsigned" }
  | { readonly kind: "sha256"; readonly hex: string }
  | { readonly kind: "streaming"; readonly signed: boolean; readonly trailer: boolean };

export interface Verified {
  readonly accessKeyId: string;
  readonly region: string;
  readonly payload: PayloadDeclaration;
  /** Seeds the signature chain of a signed aws-chunked body. */
  readonly chain: SignatureChain;
}

export interface SignatureChain {
  readonly signingKey: KeyObject;
  readonly date: string;
  readonly scope: string;
  readonly signature: string;
}

const maximumSkewMilliseconds = 15 * 60 * 1000;
const maximumPresignSeconds = 604_800;
const algorithm = "AWS4-HMAC-SHA256";

interface Claim {
  readonly accessKeyId: string;
  readonly day: string;
  readonly region: string;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
  readonly date: string;
  readonly token: string | undefined;
  readonly payloadHash: string;
  readonly presigned: boolean;
}

/**
 * Verifies one request.
 * @throws StoreError with the code S3 answers for the first thing that is wrong.
 */
export function verify(request: RawRequest, options: VerifierOptions): Verified {
  const headers = foldHeaders(request.headers);
  const queryStart = request.url.indexOf("?");
  const rawPath = queryStart < 0 ? request.url : request.url.slice(0, queryStart);
  const rawQuery = queryStart < 0 ? "" : request.url.slice(queryStart + 1);
  const query = parseQuery(rawQuery);

  const authorization = headers.get("authorization");
  if (query.some(([name]) => name === "AWSAccessKeyId")) throw unsupportedMechanism();
  const presigned = query.some(([name]) => name === "X-Amz-Algorithm" || name === "X-Amz-Signature");
  if (authorization === undefined && !presigned) throw new StoreError("AccessDenied");
  if (authorization !== undefined && presigned) {
    throw new StoreError("InvalidArgument", "Only one auth mechanism allowed");
  }
  const claim =
    authorization === undefined
      ? claimFromQuery(query, options)
      : claimFromHeader(authorization, headers, options);

  const credentials = options.credentials.find((known) => known.accessKeyId === claim.accessKeyId);
  if (credentials === undefined) {
    throw new StoreError("InvalidAccessKeyId", undefined, {
      elements: { AWSAccessKeyId: claim.accessKeyId },
    });
  }
  checkToken(credentials, claim.token, options.now);
  checkSignedHeaders(headers, claim.signedHeaders);

  const canonicalRequest = [
    request.method,
    canonicalPath(rawPath, options.canonicalPath),
    canonicalQuery(rawQuery, options.canonicalQuery),
    ...claim.signedHeaders.map(
      (name) => `${name}:${canonicalValue(headers.get(name) ?? "", options.signedValues)}`,
    ),
    "",
    claim.signedHeaders.join(";"),
    claim.payloadHash,
  ].join("\n");
  const scope = `${claim.day}/${claim.region}/s3/aws4_request`;
  // Header bytes were read one per character, so "latin1" restores the very bytes the client signed.
  const hash = createHash("sha256").update(canonicalRequest, "latin1").digest("hex");
  const stringToSign = [algorithm, claim.date, scope, hash].join("\n");
  const key = signingKey(credentials.secretAccessKey, claim.day, claim.region);
  const expected = createHmac("sha256", key).update(stringToSign).digest("hex");
  if (expected !== claim.signature) {
    throw new StoreError("SignatureDoesNotMatch", undefined, {
      elements: {
        AWSAccessKeyId: claim.accessKeyId,
        StringToSign: stringToSign,
        SignatureProvided: claim.signature,
        CanonicalRequest: canonicalRequest,
      },
    });
  }
  return {
    accessKeyId: claim.accessKeyId,
    region: claim.region,
    payload: payloadDeclaration(claim.payloadHash),
    chain: { signingKey: key, date: claim.date, scope, signature: expected },
  };
}

function claimFromHeader(
  authorization: string,
  headers: ReadonlyMap<string, string>,
  options: VerifierOptions,
): Claim {
  if (!authorization.startsWith(`${algorithm} `)) {
    throw unsupportedMechanism();
  }
  const fields = new Map(
    authorization
      .slice(algorithm.length + 1)
      .split(",")
      .map((field): [string, string] => {
        const equals = field.indexOf("=");
        return [field.slice(0, equals).trim(), field.slice(equals + 1).trim()];
      }),
  );
  const credential = fields.get("Credential");
  const signedHeaders = fields.get("SignedHeaders");
  const signature = fields.get("Signature");
  if (credential === undefined || signedHeaders === undefined || signature === undefined) {
    throw new StoreError("AuthorizationHeaderMalformed");
  }
  const date = headers.get("x-amz-date");
  if (date === undefined) {
    throw new StoreError("AccessDenied", "AWS authentication requires a valid Date or x-amz-date header");
  }
  const scope = parseScope(credential, date, "AuthorizationHeaderMalformed", options);
  const signedAt = parseDate(date);
  if (Math.abs(signedAt - options.now) > maximumSkewMilliseconds) {
    throw new StoreError("RequestTimeTooSkewed", undefined, {
      elements: {
        RequestTime: date,
        ServerTime: new Date(options.now).toISOString(),
        MaxAllowedSkewMilliseconds: String(maximumSkewMilliseconds),
      },
    });
  }
  const payloadHash = headers.get("x-amz-content-sha256");
  if (payloadHash === undefined) {
    throw new StoreError("InvalidRequest", "Missing required header for this request: x-amz-content-sha256");
  }
  return {
    ...scope,
    signedHeaders: signedHeaders.split(";"),
    signature,
    date,
    token: headers.get("x-amz-security-token"),
    payloadHash,
    presigned: false,
  };
}

/** Signature Version 2 and anything else. */
function unsupportedMechanism(): StoreError {
  const message = `The authorization mechanism you have provided is not supported. Please use ${algorithm}.`;
  return new StoreError("InvalidRequest", message);
}

function claimFromQuery(query: readonly (readonly [string, string])[], options: VerifierOptions): Claim {
  const parameters = new Map(query);
  const credential = parameters.get("X-Amz-Credential");
  const date = parameters.get("X-Amz-Date");
  const expires = Number(parameters.get("X-Amz-Expires"));
  const signedHeaders = parameters.get("X-Amz-SignedHeaders");
  const signature = parameters.get("X-Amz-Signature");
  if (
    parameters.get("X-Amz-Algorithm") !== algorithm ||
    credential === undefined ||
    date === undefined ||
    signedHeaders === undefined ||
    signature === undefined ||
    !Number.isInteger(expires)
  ) {
    throw new StoreError(
      "AuthorizationQueryParametersError",
      "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.",
    );
  }
  if (expires < 0 || expires > maximumPresignSeconds) {
    throw new StoreError(
      "AuthorizationQueryParametersError",
      `X-Amz-Expires must be between 0 and ${maximumPresignSeconds} seconds`,
    );
  }
  const scope = parseScope(credential, date, "AuthorizationQueryParametersError", options);
  const signedAt = parseDate(date);
  if (signedAt - options.now > maximumSkewMilliseconds) {
    throw new StoreError("AccessDenied", "Request is not yet valid");
  }
  if (options.now > signedAt + expires * 1000) {
    throw new StoreError("AccessDenied", "Request has expired", {
      elements: { "X-Amz-Expires": String(expires), ServerTime: new Date(options.now).toISOString() },
    });
  }
  return {
    ...scope,
    signedHeaders: signedHeaders.split(";"),
    signature,
    date,
    token: parameters.get("X-Amz-Security-Token"),
    payloadHash: "UNSIGNED-PAYLOAD",
    presigned: true,
  };
}

function parseScope(
  credential: string,
  date: string,
  code: "AuthorizationHeaderMalformed" | "AuthorizationQueryParametersError",
  options: VerifierOptions,
): Pick<Claim, "accessKeyId" | "day" | "region"> {
  const pieces = credential.split("/");
  const [terminator, service, region, day, ...rest] = pieces.toReversed();
  const accessKeyId = rest.toReversed().join("/");
  if (terminator !== "aws4_request" || region === undefined || day === undefined || accessKeyId === "") {
    throw new StoreError(
      code,
      `The Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".`,
    );
  }
  if (service !== "s3") {
    throw new StoreError(
      code,
      `Error parsing the credential; incorrect service "${service}". This endpoint belongs to "s3".`,
    );
  }
  if (!options.regions.includes(region)) {
    const expected = options.regions[0] ?? "us-east-1";
    throw new StoreError(
      code,
      `The authorization is malformed; the region '${region}' is wrong; expecting '${expected}'`,
      {
        elements: { Region: expected },
      },
    );
  }
  if (day !== date.slice(0, 8)) {
    throw new StoreError(
      code,
      `Invalid credential date "${day}". This date is not the same as X-Amz-Date: "${date}".`,
    );
  }
  return { accessKeyId, day, region };
}

function parseDate(date: string): number {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(date);
  if (match === null)
    throw new StoreError("AccessDenied", "AWS authentication requires a valid Date or x-amz-date header");
  const [year, month, day, hour, minute, second] = match.slice(1).map(Number);
  return Date.UTC(year ?? 0, (month ?? 1) - 1, day, hour, minute, second);
}

function checkToken(credentials: Credentials, token: string | undefined, now: number): void {
  if (token !== credentials.sessionToken) throw new StoreError("InvalidToken");
  if (credentials.expiresAt !== undefined && now >= credentials.expiresAt)
    throw new StoreError("ExpiredToken");
}

/**
 * S3 refuses an `x-amz-*` header that the signature does not cover, and a signature that does not cover Host.
 */
function checkSignedHeaders(headers: ReadonlyMap<string, string>, signed: readonly string[]): void {
  const missing = [...headers.keys()].filter((name) => name.startsWith("x-amz-") && !signed.includes(name));
  if (!signed.includes("host")) missing.push("host");
  if (missing.length === 0) return;
  throw new StoreError("AccessDenied", "There were headers present in the request which were not signed", {
    elements: { HeadersNotSigned: missing.join(", ") },
  });
}

function payloadDeclaration(value: string): PayloadDeclaration {
  switch (value) {
    case "UNSIGNED-PAYLOAD":
      return { kind: "unsigned" };
    case "STREAMING-UNSIGNED-PAYLOAD-TRAILER":
      return { kind: "streaming", signed: false, trailer: true };
    case "STREAMING-AWS4-HMAC-SHA256-PAYLOAD":
      return { kind: "streaming", signed: true, trailer: false };
    case "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER":
      return { kind: "streaming", signed: true, trailer: true };
    default:
      break;
  }
  if (/^[0-9a-f]{64}$/i.test(value)) return { kind: "sha256", hex: value.toLowerCase() };
  throw new StoreError(
    "InvalidArgument",
    "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.",
  );
}

/** Lower-case names; repeated headers joined by a comma, in order. */
function foldHeaders(raw: readonly (readonly [string, string])[]): Map<string, string> {
  const folded = new Map<string, string>();
  for (const [name, value] of raw) {
    const lower = name.toLowerCase();
    const before = folded.get(lower);
    folded.set(lower, before === undefined ? value : `${before},${value}`);
  }
  return folded;
}

function canonicalValue(value: string, mode: "squeezed" | "as sent" = "squeezed"): string {
  return mode === "as sent" ? value.trim() : value.trim().replaceAll(/ +/g, " ");
}

const signingKeys = new Map<string, KeyObject>();

/**
 * The signing key: HMAC over day, region, service and terminator. Kept, because making keys is what costs
 * most.
 */
function signingKey(secret: string, day: string, region: string): KeyObject {
  const name = [secret, day, region].join("\n");
  const known = signingKeys.get(name);
  if (known !== undefined) return known;
  let key: Buffer = Buffer.from(`AWS4${secret}`);
  for (const step of [day, region, "s3", "aws4_request"])
    key = createHmac("sha256", key).update(step).digest();
  const made = createSecretKey(key);
  signingKeys.set(name, made);
  return made;
}

/** The canonical URI of a raw path. */
export function canonicalPath(rawPath: string, mode: "decoded" | "raw"): string {
  return mode === "raw" ? rawPath : encodeBytes(percentDecode(rawPath, "plus-is-space"), true);
}

/** The canonical query of a raw query: sorted, `X-Amz-Signature` left out, flag parameters as `name=`. */
export function canonicalQuery(rawQuery: string, mode: "decoded" | "raw"): string {
  if (rawQuery === "") return "";
  const pairs = rawQuery.split("&").map((pair): readonly [string, string] => {
    const equals = pair.indexOf("=");
    const [name, value] = equals < 0 ? [pair, ""] : [pair.slice(0, equals), pair.slice(equals + 1)];
    return [canonicalQueryText(name, mode), canonicalQueryText(value, mode)];
  });
  return pairs
    .filter(([name]) => name !== "X-Amz-Signature")
    .toSorted((a, b) => compare(a[0], b[0]) || compare(a[1], b[1]))
    .map(([name, value]) => `${name}=${value}`)
    .join("&");
}

function canonicalQueryText(text: string, mode: "decoded" | "raw"): string {
  // A raw `+` stays a plus here: a signer that meant a space by it signed `%20` and must fail.
  return mode === "raw" ? text : encodeBytes(percentDecode(text, "plus-is-plus"), false);
}

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

/** Names and values of a raw query, percent-decoded as UTF-8, in order. */
export function parseQuery(rawQuery: string): [name: string, value: string][] {
  if (rawQuery === "") return [];
  return rawQuery
    .split("&")
    .filter((pair) => pair !== "")
    .map((pair) => {
      const equals = pair.indexOf("=");
      const name = equals < 0 ? pair : pair.slice(0, equals);
      return [
        decodeText(name, "plus-is-plus"),
        equals < 0 ? "" : decodeText(pair.slice(equals + 1), "plus-is-plus"),
      ];
    });
}

type PlusMeaning = "plus-is-space" | "plus-is-plus";

/** Percent-decodes to bytes. @throws StoreError InvalidURI on a stray `%`. */
function percentDecode(text: string, plus: PlusMeaning): Buffer {
  const bytes = Buffer.allocUnsafe(text.length);
  let length = 0;
  for (let i = 0; i < text.length; i++) {
    let byte = text.charCodeAt(i);
    if (byte === 0x25) {
      const hex = text.slice(i + 1, i + 3);
      if (!/^[0-9a-fA-F]{2}$/.test(hex)) throw new StoreError("InvalidURI");
      byte = Number.parseInt(hex, 16);
      i += 2;
    } else if (byte === 0x2b && plus === "plus-is-space") {
      byte = 0x20;
    }
    bytes[length++] = byte;
  }
  return bytes.subarray(0, length);
}

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Percent-decodes to a string. @throws StoreError InvalidURI when the bytes are not UTF-8. */
export function decodeText(text: string, plus: PlusMeaning): string {
  try {
    return strictUtf8.decode(percentDecode(text, plus));
  } catch (error) {
    if (error instanceof StoreError) throw error;
    throw new StoreError("InvalidURI");
  }
}

const unreserved = /[A-Za-z0-9\-._~]/;

function encodeBytes(bytes: Buffer, keepSlash: boolean): string {
  let text = "";
  for (const byte of bytes) {
    const character = String.fromCharCode(byte);
    if (unreserved.test(character) || (keepSlash && byte === 0x2f)) text += character;
    else text += `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return text;
}
