// The routes of stores: GET /stores, POST and DELETE /stores/{name}/check, POST /probe. The front mounts them
// behind its token check. They hold no state: the registry keeps the results of checks.

import { Hono } from "hono";
import { type CheckResult, checkStore } from "../diagnose/check.ts";
import { checkAnswer, checkTable, resolveCheck } from "../diagnose/check_answer.ts";
import { checkServer } from "../diagnose/web_check.ts";
import { type ProbeAnswer, ProbeRequestSchema, probeTable, resolveProbe } from "../diagnose/probe_answer.ts";
import { describeEntries, readAccess } from "../access/entries.ts";
import { readTeam } from "../access/people.ts";
import { placesOfStore } from "../access/places.ts";
import { reaches, ruleOn, sees } from "../access/rights.ts";
import { type App, type Call, answerText, meshOf, registryAt, allow, allowKnown, wantsText } from "./call.ts";
import { parseWith } from "../http/fields.ts";
import { jsonResponse, Problem } from "../http/problem.ts";
import { readBody, readWait } from "../http/request.ts";
import { permitStore } from "./permission.ts";
import { describeReceivers, readReceivers } from "../registry/receivers.ts";
import { connect } from "../s3/request.ts";
import { configurationOf, describeChecks } from "../store/facts.ts";
import { isLoopback } from "../store/endpoint.ts";
import { type StoreEntry, describeStore, readStores } from "../store/stores.ts";
import { type TurnsAt, NoTurnError, withTurns } from "../throttle/shares.ts";

export const storeRoutes = new Hono<App>();

storeRoutes.get("/stores", async (call) => {
  const caller = call.get("caller");
  const kept = await registryAt(call).listChecks();
  const checks = kept.filter(({ store, bucket }) => reaches(caller, "read", store, bucket));
  const describe = (entry: StoreEntry) => ({
    ...describeStore(entry),
    ...(entry.ok ? { checked: describeChecks(entry.store, checks) } : {}),
  });
  const stores = [...readStores(call.env)]
    .filter(([name]) => reaches(caller, "read", name, null))
    .map(([, entry]) => describe(entry));
  const access = await readAccess(call.env);
  const team = readTeam(call.env);
  const entries = [
    ...(access.kind === "ready" ? access.entries : []),
    ...(team.kind === "misconfigured" ? [{ ok: false as const, error: team.error }] : []),
  ];
  return jsonResponse({
    stores,
    notify: describeReceivers(readReceivers(call.env)),
    ...(sees(caller, "mesh") ? { access: describeEntries(entries) } : {}),
  });
});

storeRoutes.post("/stores/:name/check", async (call) => {
  const text = await call.req.raw.clone().text();
  const body = text === "" ? {} : await readBody(call.req.raw);
  permitStore(call.get("caller"), "stores", call.req.param("name").toLowerCase());
  const { store, bucket, as, key } = resolveCheck(call.req.param("name"), body, call.env);
  allow(call, ["stores"], placesOfStore(store.name, bucket, [as]));
  const check = async (turnsAt: TurnsAt): Promise<CheckResult> => {
    const s3 = connect(store, "bucket-brigade check", turnsAt(store));
    const result =
      key === null
        ? await checkStore(s3, bucket, { writes: as === "destination", now: Date.now() })
        : await checkServer(s3, { bucket, key });
    if (result.reached) {
      const seen = {
        store: store.name,
        bucket,
        as,
        configuration: configurationOf(store),
        facts: result.facts,
      };
      await registryAt(call).keepCheck({ ...seen, ok: result.ok, checkedAtMs: Date.now() });
    }
    return result;
  };
  // The check runs beside copies and syncs and shares the store's cap with them.
  const job = `check ${crypto.randomUUID()}`;
  const checking = withTurns(async (requests) => await registryAt(call).share(job, requests), check);
  // The check cleans up and its result is kept even if the client disconnects.
  (call.executionCtx as ExecutionContext).waitUntil(checking.catch(() => undefined));
  const found = await checking.catch((error: unknown) => {
    if (!(error instanceof NoTurnError)) throw error;
    throw new Problem(503, "store_busy", `${error.message}; check it again later`);
  });
  const answer = checkAnswer(store, bucket, as, found);
  return wantsText(call) ? answerText(checkTable(answer)) : jsonResponse(answer);
});

// Works for a store that is no longer configured, too.
storeRoutes.delete("/stores/:name/check", async (call) => {
  const name = call.req.param("name").toLowerCase();
  const bucket = call.req.query("bucket") ?? null;
  allow(call, ["stores"], placesOfStore(name, bucket, ["source", "destination"]));
  if (await registryAt(call).forgetChecks(name, bucket)) return new Response(null, { status: 204 });
  const what = bucket === null ? `store "${name}"` : `bucket "${bucket}" of store "${name}"`;
  throw new Problem(
    404,
    "check_not_found",
    `No check of ${what} is kept; GET /stores lists the checks that are`,
  );
});

storeRoutes.post("/probe", async (call) => {
  const request = parseWith(ProbeRequestSchema, await readBody(call.req.raw));
  allow(call, ["stores"], placesOfStore(request.store, request.bucket, ["destination"]));
  const isLocal = isLoopback(new URL(call.req.url).hostname);
  const { kind, probe } = await theProbe(call).start(resolveProbe(request, call.env, isLocal));
  if (kind === "started") return answerProbe(call, probe, 202, { location: "/probe" });
  throw new Problem(
    409,
    "probe_running",
    `Probe ${probe.id} runs since ${probe.startedAt}, and two would measure each other: ` +
      "GET /probe?wait=300 answers when it has ended, POST /probe/cancel ends it",
  );
});

storeRoutes.get("/probe", async (call) => {
  const waitSeconds = readWait(new URL(call.req.url).searchParams);
  await permitProbe(call, "read");
  return answerProbe(call, (await theProbe(call).status(waitSeconds)) ?? noProbe());
});

storeRoutes.post("/probe/cancel", async (call) => {
  await permitProbe(call, "stores");
  return answerProbe(call, (await theProbe(call).cancel()) ?? noProbe());
});

/** The probe there is may be of a store that is none of the caller's. @throws {Problem} 404, 403 */
async function permitProbe(call: Call, right: "read" | "stores"): Promise<void> {
  if (ruleOn(call.get("caller"), [right], "mesh").kind === "allowed") return;
  const { store, bucket } = (await theProbe(call).status(0)) ?? noProbe();
  allowKnown(call, [right], placesOfStore(store, bucket, ["destination"]), probeNotFound());
}

function answerProbe(
  call: Call,
  probe: ProbeAnswer,
  status = 200,
  headers: Record<string, string> = {},
): Response {
  return wantsText(call)
    ? answerText(probeTable(probe), status, headers)
    : jsonResponse(probe, status, headers);
}

function noProbe(): never {
  throw probeNotFound();
}

function probeNotFound(): Problem {
  const detail = "No probe was ever started: POST /probe with -d store=… -d bucket=…";
  return new Problem(404, "probe_not_found", detail);
}

/** There is one per mesh: two at once would measure each other. */
function theProbe(call: Call) {
  return meshOf(call).Probe.getByName("probe");
}
