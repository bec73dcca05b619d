// What POST /quotes takes: the fields of a copy; a sync or a comparison, as a schedule has them; or two
// places and the sizes of objects, about which no store is asked. Pure.

import { z } from "zod";
import { CopyRequestSchema } from "../copy/spec.ts";
import { planCopy } from "../copy/plan.ts";
import { Count, parseWith, Size } from "../http/fields.ts";
import { Problem } from "../http/problem.ts";
import { PrefixRefSchema } from "../store/address.ts";
import { type Store, pricesAt } from "../store/stores.ts";
import { NOTHING_SENT } from "../store/sent.ts";
import { ComparisonRequestSchema } from "../sync/comparison_spec.ts";
import { SyncRequestSchema } from "../sync/spec.ts";
import type { Pace } from "../view/pace.ts";
import { describeQuote } from "../view/spent.ts";
import {
  type Load,
  addLoads,
  addObject,
  leastSecondsFor,
  meshUseFor,
  NO_LOAD,
  sentFor,
  toleranceOf,
} from "../work/load.ts";
import { addSpent } from "../work/spent.ts";

const MOST_OBJECTS = 1e12;

const SizesSchema = z.strictObject({
  source: PrefixRefSchema,
  destination: PrefixRefSchema,
  objects: Count(MOST_OBJECTS).optional(),
  bytes: Size.optional(),
  sizes: z
    .array(z.strictObject({ objects: Count(MOST_OBJECTS), size: Size }))
    .min(1)
    .max(100)
    .optional(),
});

const RunSchema = z.strictObject({
  sync: SyncRequestSchema.optional(),
  comparison: ComparisonRequestSchema.optional(),
});

export const QuoteRequestSchema = z.union([CopyRequestSchema, SizesSchema, RunSchema]);

export type QuoteRequest =
  | { readonly kind: "copy"; readonly copy: z.infer<typeof CopyRequestSchema> }
  | { readonly kind: "sizes"; readonly sizes: z.infer<typeof SizesSchema> }
  | { readonly kind: "sync"; readonly sync: z.infer<typeof SyncRequestSchema> }
  | { readonly kind: "comparison"; readonly comparison: z.infer<typeof ComparisonRequestSchema> };

/** @throws {Problem} 400 */
export function parseQuoteRequest(body: unknown): QuoteRequest {
  const has = (...names: readonly string[]) =>
    typeof body === "object" && body !== null && names.some((name) => Object.hasOwn(body, name));
  if (has("sync", "comparison")) {
    const { sync, comparison } = parseWith(RunSchema, body);
    if (sync !== undefined && comparison === undefined) return { kind: "sync", sync };
    if (comparison !== undefined && sync === undefined) return { kind: "comparison", comparison };
    throw new Problem(400, "invalid_request", 'Send either "sync" or "comparison", not both');
  }
  if (!has("objects", "bytes", "sizes")) return { kind: "copy", copy: parseWith(CopyRequestSchema, body) };
  const sizes = parseWith(SizesSchema, body);
  const isSum = sizes.objects !== undefined && sizes.bytes !== undefined;
  const isNothing = sizes.objects === undefined && sizes.bytes === undefined;
  if (sizes.sizes === undefined ? isSum : isNothing) return { kind: "sizes", sizes };
  const message = 'Send both "objects" and "bytes", or "sizes" as [{"objects": 1000, "size": "4MiB"}, …]';
  throw new Problem(400, "invalid_request", message);
}

const KEYS_PER_PAGE = 1_000;

/** A sync of so many objects to a place where none of them is. @throws {Problem} 422 */
export function quoteSizes(
  { objects = 0, bytes = 0, sizes }: z.infer<typeof SizesSchema>,
  sides: { readonly source: Store; readonly destination: Store },
  { maxPartBytes, pace, now }: { readonly maxPartBytes: number; readonly pace: Pace; readonly now: number },
): ReturnType<typeof describeQuote> {
  const groups = sizes ?? [{ objects, size: Math.ceil(bytes / Math.max(1, objects)) }];
  const summed = groups
    .map((group) => loadOf(group.objects, group.size, sides.destination, maxPartBytes))
    .reduce(addLoads, NO_LOAD);
  const load = sizes === undefined ? { ...summed, bytes } : summed;
  const keys = groups.reduce((sum, group) => sum + group.objects, 0);
  const lists = {
    source: { ...NOTHING_SENT, list: Math.max(1, Math.ceil(keys / KEYS_PER_PAGE)) },
    destination: { ...NOTHING_SENT, list: 1 },
  };
  const spent = addSpent(lists, sentFor(load, sides, { tags: true, asked: 0 }));
  const expected = {
    spent,
    objects: keys,
    storedBytes: load.bytes,
    mesh: meshUseFor(load),
    tolerance: toleranceOf(sides),
    leastSeconds: leastSecondsFor(spent, sides, {}, now),
    pace,
  };
  return describeQuote(expected, pricesAt(sides));
}

function loadOf(objects: number, sizeBytes: number, { profile }: Store, maxPartBytes: number): Load {
  const { minPartBytes, maxParts, maxPutBytes } = profile;
  const planned = planCopy(sizeBytes, null, { maxPartBytes, minPartBytes, maxParts });
  if (!planned.ok) throw new Problem(422, "not_quoted", planned.refusal.message);
  const { plan } = planned;
  const asked = plan.kind === "whole" ? Math.min(sizeBytes, maxPutBytes) : plan.partSizeBytes;
  const { whole, large, parts, partPages, partHeads, bytes } = addObject(
    NO_LOAD,
    { sizeBytes, partCount: null },
    asked,
  );
  return {
    whole: whole * objects,
    large: large * objects,
    parts: parts * objects,
    partPages: partPages * objects,
    partHeads: partHeads * objects,
    bytes: bytes * objects,
  };
}
