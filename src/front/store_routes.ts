// The routes of stores: GET /stores, POST and DELETE /stores/{name}/check, POST /probe. The front mounts them
// behind its token check. They hold no state: the registry keeps the results of checks.

import { Hono } from "hono";
import { type CheckResult, checkStore } from "../diagnose/check.ts";
import { checkAnswer, checkTable, resolveCheck } from "../diagnose/check_answer.ts";
import {
  DEFAULT_LANES,
  DEFAULT_SIZES_MIB,
  probeAnswer,
  ProbeRequestSchema,
  probeTable,
} from "../diagnose/probe_answer.ts";
import type { Env } from "../env.ts";
import { meshOf } from "./call.ts";
import { parseWith } from "../http/fields.ts";
import { jsonResponse, Problem } from "../http/problem.ts";
import { readBody } from "../http/request.ts";
import { registryOf } from "../mesh.ts";
import { runProbe } from "../probe.ts";
import { describeReceiver, readReceiver } from "../registry/webhook.ts";
import { S3Error } from "../s3/errors.ts";
import { connect } from "../s3/request.ts";
import { checkBucket } from "../store/address.ts";
import { configurationOf, describeChecks } from "../store/facts.ts";
import { type StoreEntry, describeStore, isLoopback, readStores } from "../store/stores.ts";
import { type TurnsAt, NoTurnError, withTurns } from "../throttle/shares.ts";

export const storeRoutes = new Hono<{ Bindings: Env }>();

storeRoutes.get("/stores", async (call) => {
  const checks = await registryOf(meshOf(call)).listChecks();
  const describe = (entry: StoreEntry) => ({
    ...describeStore(entry),
    ...(entry.ok ? { checked: describeChecks(entry.store, checks) } : {}),
  });
  const stores = [...readStores(call.env).values()].map(describe);
  return jsonResponse({ stores, notify: describeReceiver(readReceiver(call.env)) });
});

storeRoutes.post("/stores/:name/check", async (call) => {
  const text = await call.req.raw.clone().text();
  const body = text === "" ? {} : await readBody(call.req.raw);
  const { store, bucket, as } = resolveCheck(call.req.param("name"), body, call.env);
  const check = async (turnsAt: TurnsAt): Promise<CheckResult> => {
    const s3 = connect(store, "bucket-brigade check", turnsAt(store));
    const result = await checkStore(s3, bucket, { writes: as === "destination", now: Date.now() });
    if (result.reached) {
      const seen = {
        store: store.name,
        bucket,
        as,
        configuration: configurationOf(store),
        facts: result.facts,
      };
      await registryOf(meshOf(call)).keepCheck({ ...seen, ok: result.ok, checkedAtMs: Date.now() });
    }
    return result;
  };
  // The check runs beside copies and syncs and shares the store's cap with them.
  const job = `check ${crypto.randomUUID()}`;
  const checking = withTurns(async (requests) => await registryOf(meshOf(call)).share(job, requests), check);
  // The check cleans up and its result is kept even if the client disconnects.
  (call.executionCtx as ExecutionContext).waitUntil(checking.catch(() => undefined));
  const found = await checking.catch((error: unknown) => {
    if (!(error instanceof NoTurnError)) throw error;
    throw new Problem(503, "store_busy", `${error.message}; check it again later`);
  });
  const answer = checkAnswer(store, bucket, as, found);
  const wantsText = call.req.header("accept")?.startsWith("text/plain") ?? false;
  return wantsText ? new Response(checkTable(answer)) : jsonResponse(answer);
});

// Works for a store that is no longer configured, too.
storeRoutes.delete("/stores/:name/check", async (call) => {
  const name = call.req.param("name");
  const bucket = call.req.query("bucket") ?? null;
  if (await registryOf(meshOf(call)).forgetChecks(name, bucket)) return new Response(null, { status: 204 });
  const what = bucket === null ? `store "${name}"` : `bucket "${bucket}" of store "${name}"`;
  throw new Problem(
    404,
    "check_not_found",
    `No check of ${what} is kept; GET /stores lists the checks that are`,
  );
});

storeRoutes.post("/probe", async (call) => {
  const request = parseWith(ProbeRequestSchema, await readBody(call.req.raw));
  const store = checkBucket("bucket", request, call.env);
  if (store.readOnly === true)
    throw new Problem(
      403,
      "store_read_only",
      `Cannot send anything to store "${store.name}": it is set readOnly`,
    );
  const { sizesMib = DEFAULT_SIZES_MIB, lanes = DEFAULT_LANES } = request;
  const isLocal = isLoopback(new URL(call.req.url).hostname);
  const probe = runProbe(call.env, meshOf(call), {
    ...request,
    sizesMib,
    lanes,
    isLocal,
  });
  // The probe aborts its upload even if the client disconnects.
  (call.executionCtx as ExecutionContext).waitUntil(probe.catch(() => undefined));
  const measured = await probe.catch((error: unknown) => {
    if (!(error instanceof S3Error)) throw error;
    throw new Problem(502, "store_refused", `${error.message}; POST /stores/${store.name}/check says more`);
  });
  const answer = probeAnswer(measured, isLocal);
  const wantsText = call.req.header("accept")?.startsWith("text/plain") ?? false;
  return wantsText ? new Response(probeTable(answer)) : jsonResponse(answer);
});
