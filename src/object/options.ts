// The options for copying an object: attributes, tags, storage class, proof. Types and their zod schemas,
// shared by the requests for copies and syncs.

import { z } from "zod";
import { Flag, HeaderText } from "../http/fields.ts";

/** `preserve`: tags that cannot be read are a warning. `require`: they fail the copy. */
export type TagChoice = "preserve" | "require" | "none" | Readonly<Record<string, string>>;

/**
 * Attributes that the request sets itself. They override the source's or, with `metadata: "replace"`, replace
 * all of them.
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

const MAX_NAME_CHARACTERS = 256;

const AttributesSchema = z.strictObject({
  contentType: HeaderText.optional(),
  contentEncoding: HeaderText.optional(),
  contentDisposition: HeaderText.optional(),
  contentLanguage: HeaderText.optional(),
  cacheControl: HeaderText.optional(),
  expires: HeaderText.optional(),
  websiteRedirect: HeaderText.optional(),
  meta: z
    .record(
      z
        .string()
        .max(MAX_NAME_CHARACTERS)
        .regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/, "must be a valid header name"),
      HeaderText,
    )
    .optional(),
});

/** S3 allows 10 tags, with keys of 128 and values of 256 characters. */
const TagsSchema = z.union([
  z.enum(["preserve", "require", "none"]),
  z
    .record(z.string().min(1).max(128), z.string().max(256))
    .refine((tags) => Object.keys(tags).length <= 10, "must have at most 10 tags")
    .refine(
      (tags) =>
        Object.entries(tags)
          .flat()
          .every((text) => text.isWellFormed()),
      "must be valid Unicode: a tag has half of a surrogate pair",
    ),
]);

/** How an object is copied, for copies and syncs alike. */
export interface ObjectOptions {
  readonly verify: "auto" | "strict" | "off";
  readonly metadata: "preserve" | "replace";
  readonly attributes: AttributeChanges;
  /** Null: the source's. */
  readonly storageClass: string | null;
  readonly tags: TagChoice;
  /** What to do when the destination cannot keep an attribute. */
  readonly ifLossy: "warn" | "fail";
  /**
   * Write our mark into the destination's metadata: an ID and the source's ETag, from which a later sync
   * knows what was copied.
   */
  readonly markCopy: boolean;
}

/** The fields of a request that set these options. */
export const ObjectOptionFields = {
  verify: z.enum(["auto", "strict", "off"]).optional(),
  metadata: z.enum(["preserve", "replace"]).optional(),
  attributes: AttributesSchema.optional(),
  storageClass: HeaderText.optional(),
  tags: TagsSchema.optional(),
  ifLossy: z.enum(["warn", "fail"]).optional(),
  markCopy: Flag.optional(),
};

/** The options of a request, with their defaults. */
export function resolveOptions(request: z.infer<z.ZodObject<typeof ObjectOptionFields>>): ObjectOptions {
  return {
    verify: request.verify ?? "auto",
    metadata: request.metadata ?? "preserve",
    attributes: request.attributes ?? {},
    storageClass: request.storageClass ?? null,
    tags: request.tags ?? "preserve",
    ifLossy: request.ifLossy ?? "warn",
    markCopy: request.markCopy ?? true,
  };
}

/** Picks the options from a copy's or sync's spec. */
export function optionsOf(spec: ObjectOptions): ObjectOptions {
  const { verify, metadata, attributes, storageClass, tags, ifLossy, markCopy } = spec;
  return { verify, metadata, attributes, storageClass, tags, ifLossy, markCopy };
}
