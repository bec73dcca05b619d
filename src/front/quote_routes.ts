// POST /quotes: what work would ask of both stores, before it is started. The front mounts it behind its
// token check. It starts nothing. For a copy it sends one HEAD, to the source, and for a version of a time it
// lists the object's versions before; for a sync or a comparison it lists both sides, as far as a few pages
// go; for sizes that are given it asks nobody.

import { Hono } from "hono";
import { placesOfCopy, placesOfSync, withDelete } from "../access/places.ts";
import { type App, type Call, allow, registryAt } from "./call.ts";
import { planCopy } from "../copy/plan.ts";
import { type CopyRequest, type CopySpec, resolveCopy } from "../copy/spec.ts";
import { planLimits } from "../env.ts";
import { jsonResponse, Problem } from "../http/problem.ts";
import { readBody } from "../http/request.ts";
import { archiveAt, restoreWish } from "../object/archive.ts";
import { partCountOf } from "../s3/digest.ts";
import { versionAt } from "../listing/versions.ts";
import { FailureError, S3Error } from "../s3/errors.ts";
import { type Failure, meshFailure } from "../s3/failure.ts";
import { type SizedHead, headObject } from "../s3/read.ts";
import { connect } from "../s3/request.ts";
import { sizeOf } from "../s3/value.ts";
import { type QuoteRequest, parseQuoteRequest, quoteSizes } from "./quote.ts";
import { checkBucket } from "../store/address.ts";
import { type Store, findStore, pricesAt } from "../store/stores.ts";
import { type RunSpec, resolveComparison } from "../sync/comparison_spec.ts";
import { foretell } from "../sync/foretell.ts";
import { resolveSync } from "../sync/spec.ts";
import { checkAsOf } from "../sync/version_spec.ts";
import { NoTurnError, withTurns } from "../throttle/shares.ts";
import type { Pace } from "../view/pace.ts";
import { describeFailure } from "../view/failure.ts";
import { describeQuote } from "../view/spent.ts";
import {
  type Load,
  addObject,
  leastSecondsFor,
  meshUseFor,
  NO_LOAD,
  sentFor,
  toleranceOf,
} from "../work/load.ts";
import { sentForRestores, withRestores } from "../work/restore_cost.ts";
import { addSpent } from "../work/spent.ts";

export const quoteRoutes = new Hono<App>();

quoteRoutes.post("/quotes", async (call) => {
  const request = parseQuoteRequest(await readBody(call.req.raw));
  try {
    switch (request.kind) {
      case "copy":
        return await quoteCopy(call, request.copy);
      case "sizes":
        return await quoteOfSizes(call, request.sizes);
      case "sync":
        allow(call, withDelete("start", request.sync), placesOfSync(request.sync));
        return await quoteRun(call, resolveSync({ ...request.sync, dryRun: true }, call.env));
      case "comparison":
        allow(call, ["start"], placesOfSync(request.comparison));
        return await quoteRun(call, resolveComparison(request.comparison, call.env));
    }
  } catch (error) {
    if (error instanceof S3Error) return notQuoted(error.toFailure("source"));
    if (error instanceof FailureError) return notQuoted(error.failure);
    if (!(error instanceof NoTurnError)) throw error;
    throw new Problem(503, "store_busy", `${error.message}; ask again later`);
  }
});

async function quoteCopy(call: Call, request: CopyRequest): Promise<Response> {
  allow(call, ["start"], placesOfCopy(request));
  checkAsOf(request, Date.now());
  const spec = resolveCopy(request, call.env);
  const source = findStore(call.env, spec.source.store);
  const destination = findStore(call.env, spec.destination.store);
  const head = await headAt(call, source, spec);
  const load = loadOf(spec, head, destination, call);
  if (!("bytes" in load)) return notQuoted(load);
  const wish = restoreWish(spec);
  const archive = archiveAt(head.headers, source.provider);
  if (archive.kind !== "readable" && wish === null)
    return notQuoted(meshFailure("source_archived", ASK_RESTORE, "HeadObject"));
  const byClass =
    archive.kind === "archived" ? { [archive.storageClass]: { objects: 1, bytes: load.bytes } } : {};
  const sides = { source, destination };
  const tags = spec.tags === "preserve" || spec.tags === "require";
  const sent = sentFor(load, sides, { tags, asked: load.whole });
  const spent = wish === null ? sent : addSpent(sent, sentForRestores(byClass, wish));
  const expected = {
    spent,
    objects: 1,
    storedBytes: load.bytes,
    mesh: meshUseFor(load),
    tolerance: toleranceOf(sides),
    leastSeconds: leastSecondsFor(spent, sides, spec, Date.now()),
    pace: await paceAt(call, spec),
  };
  return jsonResponse(withRestores(describeQuote(expected, pricesAt(sides)), byClass, wish, source));
}

const ASK_RESTORE = 'The source is archived: "ifArchived" with a retrieval tier restores it first';

async function quoteOfSizes(
  call: Call,
  sizes: Extract<QuoteRequest, { readonly kind: "sizes" }>["sizes"],
): Promise<Response> {
  allow(call, ["start"], placesOfSync(sizes));
  const sides = {
    source: checkBucket("source", sizes.source, call.env),
    destination: checkBucket("destination", sizes.destination, call.env),
  };
  const { maxPartBytes } = planLimits(call.env);
  const pace = await paceAt(call, sizes);
  return jsonResponse(quoteSizes(sizes, sides, { maxPartBytes, pace, now: Date.now() }));
}

/** @throws {Problem} 422 where a few pages of both listings do not show it */
async function quoteRun(call: Call, spec: RunSpec): Promise<Response> {
  const names = ["rename", "keys", "manifest", "versions", "asOf"].filter(
    (name) => Reflect.get(spec, name) !== undefined,
  );
  if (names.length > 0) throw notListed(`"${names.join('", "')}" needs more than the listings`);
  const source = findStore(call.env, spec.source.store);
  const destination = findStore(call.env, spec.destination.store);
  const pace = await paceAt(call, spec);
  const job = `quote ${crypto.randomUUID()}`;
  const quote = await withTurns(
    async (requests) => await registryAt(call).share(job, requests),
    async (turnsAt) => {
      const at = (store: Store) => connect(store, "bucket-brigade quote", turnsAt(store));
      const { maxPartBytes } = planLimits(call.env);
      const sides = { source: at(source), destination: at(destination) };
      return await foretell(spec, sides, { maxPartBytes, pace, now: Date.now() });
    },
  );
  if (quote === null) throw notListed("There are more keys than are listed for a quote");
  return jsonResponse(quote);
}

/** How fast work between these two stores has been. */
async function paceAt(
  call: Call,
  { source, destination }: { readonly [Side in "source" | "destination"]: { readonly store: string } },
): Promise<Pace> {
  return await registryAt(call).paceBetween({ source: source.store, destination: destination.store });
}

function notListed(why: string): Problem {
  const message = `${why}: POST /syncs with "dryRun", or POST /comparisons, lists all and has a quote in its status; or send "objects" and "bytes"`;
  return new Problem(422, "not_quoted", message);
}

/** Beside copies and syncs, whose cap at the store it shares. */
async function headAt(call: Call, source: Store, spec: CopySpec): Promise<SizedHead> {
  const job = `quote ${crypto.randomUUID()}`;
  return await withTurns(
    async (requests) => await registryAt(call).share(job, requests),
    async (turnsAt) => {
      const s3 = connect(source, "bucket-brigade quote", turnsAt(source));
      const { asOf } = spec;
      if (asOf === undefined) return await headObject(s3, spec.source);
      return await headObject(s3, { ...spec.source, versionId: await versionAt(s3, spec.source, asOf) });
    },
  );
}

/** @returns why there can be no such copy, if there can be none */
function loadOf(
  { partSizeBytes }: CopySpec,
  { headers }: SizedHead,
  { profile }: Store,
  call: Call,
): Load | Failure {
  const sizeBytes = sizeOf(headers) ?? 0;
  const partCount = partCountOf(headers.get("etag") ?? "");
  const { minPartBytes, maxParts } = profile;
  const limits = { ...planLimits(call.env), minPartBytes, maxParts };
  const planned = planCopy(sizeBytes, typeof partSizeBytes === "number" ? partSizeBytes : null, limits);
  if (!planned.ok) return meshFailure(planned.refusal.code, planned.refusal.message, "plan");
  const { plan } = planned;
  const asked = plan.kind === "whole" ? sizeBytes : plan.partSizeBytes;
  return addObject(NO_LOAD, { sizeBytes, partCount: partSizeBytes === null ? partCount : null }, asked);
}

function notQuoted(failure: Failure): Response {
  const shown = describeFailure(failure);
  return new Problem(422, "not_quoted", `The copy would not begin: ${shown.message}`).toResponse({
    failure: shown,
  });
}
