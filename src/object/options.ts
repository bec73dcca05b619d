// How an object is copied besides its bytes: attributes, tags, storage class, proof. Types and their zod
// schemas, which the requests for copies and syncs share.

import { z } from "zod";
import { HeaderText } from "../http/fields.ts";
import type { CompareMode } from "../http/vocabulary.ts";

/** `preserve`: tags that cannot be read are a warning; `require`: they fail the copy. */
export type TagChoice = "preserve" | "require" | "none" | Readonly<Record<string, string>>;

/**
 * Attributes that the request sets itself, over the source's or, with `metadata: "replace"`, instead of them.
 */
export interface AttributeChanges {
  readonly contentType?: string | undefined;
  readonly contentEncoding?: string | undefined;
  readonly contentDisposition?: string | undefined;
  readonly contentLanguage?: string | undefined;
  readonly cacheControl?: string | undefined;
  readonly expires?: string | undefined;
  readonly websiteRedirect?: string | undefined;
  readonly meta?: Readonly<Record<string, string>> | undefined;
}

export const AttributesSchema = z.strictObject({
  contentType: HeaderText.optional(),
  contentEncoding: HeaderText.optional(),
  contentDisposition: HeaderText.optional(),
  contentLanguage: HeaderText.optional(),
  cacheControl: HeaderText.optional(),
  expires: HeaderText.optional(),
  websiteRedirect: HeaderText.optional(),
  meta: z
    .record(
      z.string().regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/, "must be a name that a header can have"),
      HeaderText,
    )
    .optional(),
});

/** S3 allows 10 tags, keys of 128 and values of 256 characters. */
export const TagsSchema = z.union([
  z.enum(["preserve", "require", "none"]),
  z
    .record(z.string().min(1).max(128), z.string().max(256))
    .refine((tags) => Object.keys(tags).length <= 10, "must have at most 10 tags"),
]);

/** How the objects of a sync are copied; the words are those of a copy. */
export interface ObjectOptions {
  readonly verify: "auto" | "strict" | "off";
  readonly metadata: "preserve" | "replace";
  readonly attributes: AttributeChanges;
  readonly storageClass: string | null;
  readonly tags: TagChoice;
  readonly ifLossy: "warn" | "fail";
  /**
   * Write the source's ETag into the destination's metadata, so that the next run knows what it has copied.
   */
  readonly markCopy: boolean;
  /** By what an object at the destination is known to be the source's. */
  readonly compare: CompareMode;
}
