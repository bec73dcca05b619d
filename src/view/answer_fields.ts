// The fields that answers of the HTTP API share, as schemas.

import { z } from "zod";

export const Time = z.iso.datetime();

export const MaybeTime = Time.nullable();

export const Whole = z.int().min(0);

export const Bytes = Whole.describe("bytes");

export const Id = z
  .string()
  .regex(/^[0-7][0-9a-hjkmnp-tv-z]{25}$/)
  .describe("sorts by time");

export const ObjectRef = z
  .union([
    z.string(),
    z.strictObject({
      store: z.string(),
      bucket: z.string(),
      key: z.string(),
      versionId: z.string().optional(),
    }),
  ])
  .describe("`store:bucket/key`; an object for a version, and for a key at the destination that ends with /");
