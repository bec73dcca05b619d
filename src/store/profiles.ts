// What each kind of store can do, as data: addressing, limits, and which parts of S3 it supports. The profile
// is chosen by the store's `provider` or its host, overridden by its `profile`, and corrected during a copy
// by what the store refuses.
//
// Pure. The sources are the providers' own pages, 2026-11. Where they say nothing the value is the cautious
// one: leaving out a feature costs a cheaper proof or an attribute with a warning, trying a missing one costs
// a failed call.

import { z } from "zod";

const GIB = 2 ** 30;

const TIB = 2 ** 40;

export const PROVIDERS = [
  "aws",
  "r2",
  "gcs",
  "b2",
  "wasabi",
  "minio",
  "ceph",
  "spaces",
  "ibm",
  "oracle",
  "alibaba",
  "tencent",
  "storj",
  "tigris",
  "scaleway",
  "ovh",
  "hetzner",
  "linode",
  "garage",
  "seaweedfs",
  "swift",
  "other",
] as const;

export type Provider = (typeof PROVIDERS)[number];

export const CHECKSUMS = ["crc64nvme", "crc32c", "crc32"] as const;

export type ChecksumAlgorithm = (typeof CHECKSUMS)[number];

export const ProfileSchema = z.strictObject({
  /** The default addressing; some stores refuse the other one. */
  style: z.enum(["path", "virtual"]),
  /**
   * What the store's signature check canonicalises: the decoded path (AWS), or the path as received (Garage,
   * SeaweedFS).
   */
  signedPath: z.enum(["decoded", "raw"]),
  minPartBytes: z.int(),
  maxPartBytes: z.int(),
  maxParts: z.int(),
  /** All parts of an upload but the last have one size, and the last is not longer. */
  equalParts: z.boolean(),
  maxObjectBytes: z.int(),
  /** The largest PutObject and the largest source of a CopyObject. */
  maxPutBytes: z.int(),
  maxKeyBytes: z.int(),
  /** Names and values of user metadata together. */
  maxMetadataBytes: z.int(),
  /**
   * The ETag of a PutObject is the MD5 of its bytes; the ETag of a multipart object is the MD5 of the parts'
   * MD5s.
   */
  md5Etag: z.boolean(),
  md5MultipartEtag: z.boolean(),
  /** The ETag that UploadPart returns is the MD5 of the part. */
  md5PartEtag: z.boolean(),
  /** PutObject refuses bytes that do not match their Content-MD5. */
  contentMd5: z.boolean(),
  /**
   * Full-object checksums that a HEAD with `x-amz-checksum-mode` reports even if none was sent with the
   * upload.
   */
  checksums: z.array(z.enum(CHECKSUMS)),
  /** HEAD accepts `x-amz-checksum-mode`. B2 has refused it. */
  checksumMode: z.boolean(),
  /** `If-None-Match: *` on PutObject, and on CompleteMultipartUpload. */
  conditionalPut: z.boolean(),
  conditionalComplete: z.boolean(),
  tags: z.boolean(),
  /** GET and HEAD tell how many tags an object has, if it has any: without the number it has none. */
  tagCount: z.boolean(),
  /** Storage classes that it accepts. Null: any; it refuses what it does not know. */
  storageClasses: z.array(z.string()).nullable(),
  websiteRedirect: z.boolean(),
  copyObject: z.boolean(),
  /** `x-amz-copy-source-if-match` is honoured. Otherwise the source is checked again after each copy. */
  conditionalCopy: z.boolean(),
  /** CopyObject with the directive COPY keeps headers, user metadata and tags of the source. */
  copyKeeps: z.boolean(),
  uploadPartCopy: z.boolean(),
  /** PutObject of a TAR unpacks it if asked to, with the attributes of each object (s3/tar.ts). */
  unpacksTar: z.boolean(),
  /** DeleteObject honours `If-Match`, and DeleteObjects an `<ETag>` for each key. */
  conditionalDelete: z.boolean(),
});

export type Profile = z.infer<typeof ProfileSchema>;

/** What a check of a store can find out (facts.ts). Sizes are read in documents, not tried. */
export const FactsSchema = ProfileSchema.pick({
  maxParts: true,
  signedPath: true,
  md5Etag: true,
  md5MultipartEtag: true,
  md5PartEtag: true,
  contentMd5: true,
  checksums: true,
  checksumMode: true,
  conditionalPut: true,
  conditionalComplete: true,
  tags: true,
  tagCount: true,
  websiteRedirect: true,
  copyObject: true,
  conditionalCopy: true,
  copyKeeps: true,
  uploadPartCopy: true,
  unpacksTar: true,
}).partial();

export type Fact = keyof z.infer<typeof FactsSchema>;

export type Facts = Partial<Pick<Profile, Fact>>;

export const FACTS: readonly Fact[] = FactsSchema.keyof().options;

const S3: Profile = {
  style: "path",
  signedPath: "decoded",
  minPartBytes: 5 * 2 ** 20,
  maxPartBytes: 5 * GIB,
  maxParts: 10_000,
  equalParts: false,
  maxObjectBytes: 5 * TIB,
  maxPutBytes: 5 * GIB,
  maxKeyBytes: 1024,
  maxMetadataBytes: 2048,
  md5Etag: true,
  md5MultipartEtag: true,
  md5PartEtag: true,
  contentMd5: true,
  checksums: [],
  checksumMode: false,
  conditionalPut: false,
  conditionalComplete: false,
  tags: true,
  tagCount: false,
  storageClasses: null,
  websiteRedirect: true,
  copyObject: true,
  conditionalCopy: false,
  copyKeeps: false,
  uploadPartCopy: true,
  unpacksTar: false,
  conditionalDelete: false,
};

const DIFFERENCES: Readonly<Record<Provider, Partial<Profile>>> = {
  // https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html: 10,000 parts of 5 GiB = 48.8 TiB. AWS
  // computes a CRC64NVME itself for uploads without a checksum.
  // https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-deletes.html
  aws: {
    maxObjectBytes: 10_000 * 5 * GIB,
    checksums: ["crc64nvme"],
    checksumMode: true,
    conditionalPut: true,
    conditionalComplete: true,
    conditionalCopy: true,
    copyKeeps: true, // https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
    conditionalDelete: true,
    tagCount: true, // https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
  },
  // https://developers.cloudflare.com/r2/platform/limits/ and /r2/api/s3/api/
  r2: {
    maxPartBytes: 5 * GIB - 5 * 2 ** 20,
    maxPutBytes: 5 * GIB - 5 * 2 ** 20,
    maxObjectBytes: 5 * TIB - 5 * GIB,
    equalParts: true,
    maxMetadataBytes: 8192,
    checksums: ["crc64nvme"],
    checksumMode: true,
    conditionalPut: true,
    conditionalComplete: true,
    conditionalCopy: true,
    copyKeeps: true,
    tags: false,
    storageClasses: ["STANDARD", "STANDARD_IA"],
    websiteRedirect: false,
  },
  // https://cloud.google.com/storage/docs/multipart-uploads: no MD5 for multipart objects, no part copies.
  gcs: { md5MultipartEtag: false, tags: false, uploadPartCopy: false, websiteRedirect: false },
  // https://www.backblaze.com/docs/cloud-storage-s3-compatible-api: 10 TB, no tags, no conditions.
  b2: { maxObjectBytes: 10e12, maxPutBytes: 5e9, maxPartBytes: 5e9, tags: false, websiteRedirect: false },
  wasabi: { maxObjectBytes: 5e12, maxPutBytes: 5e9, maxPartBytes: 5e9 },
  minio: {
    maxObjectBytes: 50 * TIB,
    maxPartBytes: 5 * GIB,
    checksumMode: true,
    conditionalPut: true,
    conditionalComplete: true,
    websiteRedirect: false,
  },
  ceph: { maxObjectBytes: 5e12, conditionalPut: true, tagCount: true },
  spaces: { maxObjectBytes: 5e12, maxPutBytes: 5e9, maxPartBytes: 5e9 },
  ibm: {
    maxObjectBytes: 10e12,
    maxPutBytes: 5e9,
    maxPartBytes: 5e9,
    md5MultipartEtag: false,
    conditionalPut: true,
    conditionalComplete: true,
  },
  oracle: {
    maxObjectBytes: 10 * TIB,
    maxPutBytes: 50 * GIB,
    maxPartBytes: 50 * GIB,
    md5MultipartEtag: false,
  },
  alibaba: { style: "virtual", maxPutBytes: 5e9, maxPartBytes: 5e9, md5MultipartEtag: false, tags: false },
  tencent: { style: "virtual", maxPutBytes: 5e9, maxPartBytes: 5e9, md5MultipartEtag: false },
  storj: { uploadPartCopy: false, websiteRedirect: false },
  tigris: { maxObjectBytes: 5e12 },
  // https://www.scaleway.com/en/docs/object-storage/api-cli/object-operations/: 1,000 parts.
  scaleway: {
    maxParts: 1_000,
    maxObjectBytes: 5e12,
    maxPutBytes: 5e9,
    maxPartBytes: 5e9,
    checksumMode: true,
    conditionalPut: true,
    conditionalComplete: true,
  },
  ovh: { maxPutBytes: 5e9, maxPartBytes: 5e9 },
  hetzner: { maxObjectBytes: 5e12 },
  linode: { maxObjectBytes: 5e12, maxPutBytes: 5e9, maxPartBytes: 5e9 },
  // https://garagehq.deuxfleurs.fr/documentation/reference-manual/s3-compatibility/
  garage: { signedPath: "raw", checksumMode: true, tags: false, websiteRedirect: false },
  seaweedfs: { signedPath: "raw", checksumMode: true },
  // OpenStack Swift with s3api, 2.30, by its code and its answers. To the right ETag of a multipart object
  // its UploadPartCopy answers 412.
  swift: {
    maxParts: 1_000,
    maxObjectBytes: 1_000 * 5 * GIB,
    maxMetadataBytes: 4096,
    conditionalComplete: true,
    tags: false,
    storageClasses: ["STANDARD"],
    websiteRedirect: false,
    uploadPartCopy: false,
  },
  other: {},
};

/**
 * The R2 that `wrangler dev` serves from workerd: part ETags are opaque, there are no checksums, and
 * `If-None-Match: *` is honoured only on PutObject.
 */
export const LOCAL_R2: Partial<Profile> = {
  md5PartEtag: false,
  checksums: [],
  checksumMode: false,
  conditionalComplete: false,
  copyKeeps: false,
};

/** What a web server serves: of its ETags nothing is known, and it has nothing of S3 but bytes and ranges. */
export const WEB: Partial<Profile> = {
  md5Etag: false,
  md5MultipartEtag: false,
  md5PartEtag: false,
  contentMd5: false,
  tags: false,
  websiteRedirect: false,
  copyObject: false,
  uploadPartCopy: false,
};

const HOSTS: readonly (readonly [suffix: string, Provider])[] = [
  [".amazonaws.com", "aws"],
  [".amazonaws.com.cn", "aws"],
  [".r2.cloudflarestorage.com", "r2"],
  ["storage.googleapis.com", "gcs"],
  [".backblazeb2.com", "b2"],
  [".wasabisys.com", "wasabi"],
  [".digitaloceanspaces.com", "spaces"],
  [".cloud-object-storage.appdomain.cloud", "ibm"],
  [".oci.customer-oci.com", "oracle"],
  [".oraclecloud.com", "oracle"],
  [".aliyuncs.com", "alibaba"],
  [".myqcloud.com", "tencent"],
  ["gateway.storjshare.io", "storj"],
  [".storage.dev", "tigris"],
  [".scw.cloud", "scaleway"],
  [".cloud.ovh.net", "ovh"],
  [".your-objectstorage.com", "hetzner"],
  [".linodeobjects.com", "linode"],
];

/** The provider that a host belongs to; `other` if it is unknown. */
export function providerOf(host: string): Provider {
  return HOSTS.find(([suffix]) => host === suffix || host.endsWith(suffix))?.[1] ?? "other";
}

export function profileOf(provider: Provider, overrides: Partial<Profile> = {}): Profile {
  return { ...S3, ...DIFFERENCES[provider], ...overrides };
}
