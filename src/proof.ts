// How a copy knows that the destination is the source. Pure.

/**
 * `etag`: both ETags are the same MD5 of the content by S3's rule. `length`: ranges pinned by the source's ETag, every
 * byte counted; the stores gave nothing better.
 */
export type Proof = "etag" | "length";

export interface Evidence {
  readonly sourceEtag: string;
  readonly destinationEtag: string;
  /** Of either side's HEAD: with KMS or customer keys an ETag that looks like an MD5 is none. */
  readonly encryptedWithKey: boolean;
}

const MD5_ETAG = /^[0-9a-f]{32}(-\d+)?$/i;

/**
 * The proof that the two ETags give. Equal ETags prove equal objects only when they are MD5s of the content; different
 * ones prove nothing (another part size, another store's rule).
 */
export function proofOf({ sourceEtag, destinationEtag, encryptedWithKey }: Evidence): Proof {
  const etag = bareEtag(sourceEtag);
  const same = etag.toLowerCase() === bareEtag(destinationEtag).toLowerCase();
  return same && MD5_ETAG.test(etag) && !encryptedWithKey ? "etag" : "length";
}

/** An ETag without quotes and entity spelling, for comparing; requests echo the ETag as it was given. */
export function bareEtag(etag: string): string {
  return etag.replaceAll("&quot;", '"').replace(/^"|"$/g, "");
}
