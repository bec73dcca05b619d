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
