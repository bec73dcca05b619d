// What an object has besides its bytes: read from the source's HEAD, written on CreateMultipartUpload or PutObject.
// Pure. CompleteMultipartUpload cannot add any, so all of it is set at the beginning.

/** Headers that describe the object itself and are carried over as they are. */
const CARRIED = [
  "content-type",
  "content-encoding",
  "content-disposition",
  "content-language",
  "cache-control",
  "expires",
] as const;

const META = "x-amz-meta-";

/**
 * The one metadata name that is ours. A random copy ID under it tells our object from an older one of the same
 * name and size, which is the only way to find out whether a CompleteMultipartUpload without an answer took place.
 */
export const COPY_ID_HEADER = `${META}bucket-brigade-copy`;

/** S3 stores this type where none is sent; naming it keeps fetch from adding one of its own. */
const DEFAULT_CONTENT_TYPE = "binary/octet-stream";

/** Request headers that give a destination object the source's attributes and our copy ID. */
export function attributeHeaders(source: Headers, copyId: string): Record<string, string> {
  const headers: Record<string, string> = { "content-type": DEFAULT_CONTENT_TYPE };
  for (const name of CARRIED) {
    const value = source.get(name);
    if (value !== null) headers[name] = value;
  }
  for (const [name, value] of source) {
    if (name.startsWith(META)) headers[name] = value;
  }
  headers[COPY_ID_HEADER] = copyId;
  return headers;
}
