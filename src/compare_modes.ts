// By what an object at the destination of a sync is known to be the source's: the words of the API, whose rules are in
// compare.ts. It imports nothing, as phases.ts.

/**
 * `size`: size alone. `size+mtime`: and the destination was written after the source was last changed. `etag`: ETag or
 * record. `checksum`: only what is computed of the bytes counts (checksums; single-part MD5 ETags), so that objects without any
 * are copied in every run. `auto`: ETag, record, checksum, whichever proves it.
 */
export const COMPARE_MODES = ["auto", "size", "size+mtime", "etag", "checksum"] as const;
export type CompareMode = (typeof COMPARE_MODES)[number];
