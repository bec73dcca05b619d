/**
 * What kind of S3 a test store is: limits, dialect and missing features, each with AWS's behaviour as the
 * default.
 *
 * Options are fixed for the life of a store; what comes and goes during a test is a fault (`faults.ts`).
 * Every option stands for a real service's behaviour, so that a test reads "a store like R2", not "a store
 * with flag 17".
 */
import type { Credentials } from "./sigv4.ts";

export interface StoreOptions {
  /** Loopback address to listen on; default 127.0.0.1. */
  readonly host?: string;
  /** Default: an ephemeral port. */
  readonly port?: number;
  readonly region?: string;
  readonly credentials?: Credentials | readonly Credentials[];
  /** Buckets to create at start, in `region`. */
  readonly buckets?: readonly string[];
  /** Buckets that anybody may read and list without a signature, as open data sets are. */
  readonly publicBuckets?: readonly string[];
  /** Where bodies are kept; default: a temporary directory that `stop` removes. */
  readonly directory?: string;
  /** Server time in ms since the epoch; default `Date.now`. `headers`: of the request that asks. */
  readonly clock?: (headers?: Readonly<Record<string, string | undefined>>) => number;
  /** How long a restore of an archived object takes; Infinity: until a test ends it. */
  readonly restoreMs?: number;
  /** Seeds everything random: fault probabilities, upload ids, opaque ETags. */
  readonly seed?: string;

  readonly style?: "both" | "path" | "virtual";
  /**
   * Host names in front of which a bucket may stand, without port; default localhost, 127.0.0.1 and `host`.
   */
  readonly baseHosts?: readonly string[];
  /** "raw" signs the path as received, as Garage and SeaweedFS do. */
  readonly canonicalPath?: "decoded" | "raw";
  /** "raw" signs query values as received, so that `+` for a space fails even when AWS would forgive it. */
  readonly canonicalQuery?: "decoded" | "raw";
  /** "as sent" signs the values of headers with all their spaces, where AWS makes one of several. */
  readonly signedValues?: "squeezed" | "as sent";

  readonly minPartBytes?: number;
  readonly maxPartBytes?: number;
  readonly maxParts?: number;
  /** R2: all parts but the last have one length, the last none longer; found out at Complete. */
  readonly equalParts?: boolean;
  readonly metadataLimitBytes?: number;
  /** The largest XML body accepted, e.g. 1 MiB as Ceph RGW does. */
  readonly maxXmlBytes?: number;
  /** Answer to `Transfer-Encoding: chunked`: 411 as most do, 501 as AWS does, or take it. */
  readonly chunkedBodies?: "411" | "501" | "accept";

  /** "opaque": a random ETag per attempt, as with SSE-KMS; also spares hashing. */
  readonly etags?: "md5" | "opaque";
  /** "ignored": bytes that do not match their Content-MD5 are accepted, as by servers that never check it. */
  readonly contentMd5?: "honoured" | "ignored";
  /** "every write": no PutObject or UploadPart without one, as in a bucket with a default retention. */
  readonly digests?: "optional" | "every write";
  /** Beginnings of request headers that are taken and forgotten, as Swift does with SSE-C. */
  readonly forgets?: readonly string[];
  /** "unquoted-headers": bare in headers, quoted in XML. */
  readonly etagQuotes?: "quoted" | "unquoted" | "unquoted-headers";
  readonly etagCase?: "lower" | "upper";
  /** "empty": CompleteMultipartUpload's XML has an empty ETag, as some Ceph versions answer. */
  readonly completeEtag?: "normal" | "empty";
  /** "symbols": ids full of `+ / = ~`, as Ceph and R2 issue. */
  readonly uploadIds?: "plain" | "symbols";
  /** Whether a second Complete of a finished upload answers success again (AWS) or NoSuchUpload. */
  readonly idempotentComplete?: boolean;
  /** Spaces sent between the XML prolog and Complete's result, as AWS does to keep the connection alive. */
  readonly completeSpaces?: number;
  /** What happens to a part whose upload is aborted while it is being received. */
  readonly lateParts?: "refused" | "kept";
  /**
   * AWS computes a CRC64NVME for objects uploaded without a checksum. Slow here, hence off unless asked for.
   */
  readonly automaticChecksum?: "none" | "CRC64NVME";

  /** "unpacked": if its header asks for it, as by MinIO; "plainly": without its objects' attributes. */
  readonly archives?: "stored" | "unpacked" | "unpacked plainly";
  readonly conditionalWrites?: "honoured" | "ignored" | "501";
  readonly conditionalReads?: "honoured" | "ignored";
  /** "ignored": `x-amz-copy-source-if-…` is accepted but not honoured, as by Ceph RGW. */
  readonly conditionalCopies?: "honoured" | "ignored";
  /** "ignored": HEAD with partNumber answers 200 and the whole size, as SeaweedFS did. */
  readonly headPartNumber?: "honoured" | "ignored";
  readonly encodingType?: "honoured" | "ignored";
  /** "ignored": `list-type=2` is answered as V1, as servers that came before it do. */
  readonly listType?: "honoured" | "ignored";
  /**
   * "utf16": as Java sorts strings; "none": as directory buckets and Storj, where `start-after` is refused
   * too.
   */
  readonly listingOrder?: "utf8" | "utf16" | "none";
  /** The most keys on a page of a listing, whatever was requested. */
  readonly maxPageKeys?: number;
  /** The most parts on a page of ListParts, whatever was requested. */
  readonly maxPageParts?: number;
  /** "inclusive": `marker` and `start-after` return that key once more. */
  readonly markers?: "exclusive" | "inclusive";
  /** Features that are missing: requests for them answer 501. */
  readonly without?: readonly Feature[];

  /** Closed request records kept; counters stay exact beyond it. */
  readonly journalLimit?: number;
}

export type Feature =
  | "acl"
  | "attributes"
  | "checksums"
  | "copyObject"
  | "deleteObjects"
  | "listMultipartUploads"
  | "listObjectsV2"
  | "listParts"
  | "restore"
  | "storageClasses"
  | "tagging"
  | "uploadPartCopy";

export type ResolvedOptions = Required<Omit<StoreOptions, "directory" | "credentials" | "buckets" | "port">>;

const MiB = 1024 * 1024;
export const GiB = 1024 * MiB;

const AWS: Omit<ResolvedOptions, "baseHosts"> = {
  host: "127.0.0.1",
  region: "us-east-1",
  clock: () => Date.now(),
  restoreMs: Infinity,
  seed: "store",
  style: "both",
  canonicalPath: "decoded",
  canonicalQuery: "decoded",
  signedValues: "squeezed",
  minPartBytes: 5 * MiB,
  maxPartBytes: 5 * GiB,
  maxParts: 10_000,
  equalParts: false,
  metadataLimitBytes: 2048,
  maxXmlBytes: 8 * MiB,
  chunkedBodies: "411",
  etags: "md5",
  publicBuckets: [],
  contentMd5: "honoured",
  digests: "optional",
  forgets: [],
  etagQuotes: "quoted",
  etagCase: "lower",
  completeEtag: "normal",
  uploadIds: "plain",
  idempotentComplete: true,
  completeSpaces: 0,
  lateParts: "refused",
  automaticChecksum: "none",
  archives: "stored",
  conditionalWrites: "honoured",
  conditionalReads: "honoured",
  conditionalCopies: "honoured",
  headPartNumber: "honoured",
  encodingType: "honoured",
  listType: "honoured",
  listingOrder: "utf8",
  maxPageKeys: 1000,
  maxPageParts: 1000,
  markers: "exclusive",
  without: [],
  journalLimit: 100_000,
};

/** Fills in AWS's behaviour for every option that is not given. */
export function resolveOptions(options: StoreOptions): ResolvedOptions {
  const { host = AWS.host } = options;
  return { ...AWS, baseHosts: ["localhost", "127.0.0.1", host], ...options };
}
