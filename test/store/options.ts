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
  /** Where bodies are kept; default: a temporary directory that `stop` removes. */
  readonly directory?: string;
  /** Server time in ms since the epoch; default `Date.now`. */
  readonly clock?: () => number;
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
  | "storageClasses"
  | "tagging"
  | "uploadPartCopy";

export type ResolvedOptions = Required<Omit<StoreOptions, "directory" | "credentials" | "buckets" | "port">>;

const MiB = 1024 * 1024;
export const GiB = 1024 * MiB;

/** Fills in AWS's behaviour for every option that is not given. */
export function resolveOptions(options: StoreOptions): ResolvedOptions {
  const host = options.host ?? "127.0.0.1";
  return {
    host,
    region: options.region ?? "us-east-1",
    clock: options.clock ?? Date.now,
    seed: options.seed ?? "store",
    style: options.style ?? "both",
    baseHosts: options.baseHosts ?? ["localhost", "127.0.0.1", host],
    canonicalPath: options.canonicalPath ?? "decoded",
    canonicalQuery: options.canonicalQuery ?? "decoded",
    signedValues: options.signedValues ?? "squeezed",
    minPartBytes: options.minPartBytes ?? 5 * MiB,
    maxPartBytes: options.maxPartBytes ?? 5 * GiB,
    maxParts: options.maxParts ?? 10_000,
    equalParts: options.equalParts ?? false,
    metadataLimitBytes: options.metadataLimitBytes ?? 2048,
    maxXmlBytes: options.maxXmlBytes ?? 8 * MiB,
    chunkedBodies: options.chunkedBodies ?? "411",
    etags: options.etags ?? "md5",
    contentMd5: options.contentMd5 ?? "honoured",
    digests: options.digests ?? "optional",
    forgets: options.forgets ?? [],
    etagQuotes: options.etagQuotes ?? "quoted",
    etagCase: options.etagCase ?? "lower",
    completeEtag: options.completeEtag ?? "normal",
    uploadIds: options.uploadIds ?? "plain",
    idempotentComplete: options.idempotentComplete ?? true,
    completeSpaces: options.completeSpaces ?? 0,
    lateParts: options.lateParts ?? "refused",
    automaticChecksum: options.automaticChecksum ?? "none",
    conditionalWrites: options.conditionalWrites ?? "honoured",
    conditionalReads: options.conditionalReads ?? "honoured",
    conditionalCopies: options.conditionalCopies ?? "honoured",
    headPartNumber: options.headPartNumber ?? "honoured",
    encodingType: options.encodingType ?? "honoured",
    listType: options.listType ?? "honoured",
    listingOrder: options.listingOrder ?? "utf8",
    maxPageKeys: options.maxPageKeys ?? 1000,
    maxPageParts: options.maxPageParts ?? 1000,
    markers: options.markers ?? "exclusive",
    without: options.without ?? [],
    journalLimit: options.journalLimit ?? 100_000,
  };
}
