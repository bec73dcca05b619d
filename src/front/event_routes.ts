// The routes of events: POST /replications/{name}/events, POST /events for all replications of a bucket, and
// POST /replications/{name}/secret. An answer of 202 means that each key is stored and will be looked at.

import { Hono } from "hono";
import { sha256Of } from "../access/entries.ts";
import { sees } from "../access/rights.ts";
import { type App, type Call, allowKnown, meshOf, registryAt } from "./call.ts";
import { forgetAccepted, knownReplication } from "./event_senders.ts";
import { noReplication, theReplication } from "./replication_routes.ts";
import { SecretRequestSchema } from "./secret_request.ts";
import { decodeBody, parseJson } from "../http/body.ts";
import { isoTime, parseWith } from "../http/fields.ts";
import { jsonResponse } from "../http/problem.ts";
import { readOptionalBody } from "../http/request.ts";
import { type Replication, placesOfReplication } from "../registry/replication_rows.ts";
import type { Events } from "../replication/event_fields.ts";
import { readSent, readWrapped } from "../replication/event_forms.ts";
import { spread } from "../replication/fan_in.ts";
import { makeSecret } from "../replication/secrets.ts";
import { b2Secrets, checkB2, checkSns, confirm } from "../replication/signatures.ts";
import type { SnsMessage } from "../replication/sns.ts";

export const eventRoutes = new Hono<App>();

eventRoutes.post("/replications/:name/events", async (call) => await takeEvents(call));

eventRoutes.post("/replications/:name/events/:secret", async (call) => await takeEvents(call));

eventRoutes.post("/events", async (call) => {
  const { hints, idle } = await eventsOf(call, null);
  const all = (await registryAt(call).listReplications()) as Replication[];
  const seen = all.filter((one) => reaches(call, one));
  const { replications, ignored } = await spread(meshOf(call), seen, hints);
  return jsonResponse({ replications, ignored, idle }, 202);
});

async function takeEvents(call: Call): Promise<Response> {
  const name = call.req.param("name") ?? "";
  const replication = await knownReplication(call, name);
  if (replication === null) throw noReplication(name);
  allowKnown(call, ["events"], placesOfReplication(replication), noReplication(name));
  const { hints, idle } = await eventsOf(call, replication.spec.sync.source.bucket);
  const taken = hints.length === 0 ? { taken: 0, ignored: 0 } : await takeAt(call, name, hints);
  return jsonResponse({ ...taken, idle }, 202);
}

async function takeAt(call: Call, name: string, hints: Events["hints"]) {
  const taken = await meshOf(call).Replicator.getByName(name).take(hints);
  if (taken === null) throw noReplication(name);
  return { taken: taken.taken, ignored: taken.ignored };
}

/** What a request says, once it is known who has sent it. @throws {Problem} 400, 401, 503 */
async function eventsOf(call: Call, bucket: string | null): Promise<Events> {
  const bytes = await call.req.raw.arrayBuffer();
  const sent = readSent(parseJson(decodeBody(bytes)), bucket);
  if (sent.kind === "sns") return await eventsInSns(sent.message, bucket);
  const secrets = b2Secrets(call.env);
  if (sent.kind === "b2" && secrets.length > 0) {
    const header = call.req.header("x-bz-event-notification-signature") ?? null;
    await checkB2(header, new Uint8Array(bytes), secrets);
  }
  return sent.events;
}

async function eventsInSns(message: SnsMessage, bucket: string | null): Promise<Events> {
  await checkSns(message);
  if (message.Type === "Notification") return readWrapped(parseJson(message.Message), bucket);
  if (message.Type === "SubscriptionConfirmation") await confirm(message);
  return { hints: [], idle: 1 };
}

/** Others do not exist for the caller. */
function reaches(call: Call, replication: Replication): boolean {
  const { grants, name } = call.get("caller");
  const sending = grants.filter(({ may }) => may.includes("events"));
  const readable = sending.map((grant) => ({ ...grant, may: ["read" as const] }));
  return sees({ name, grants: readable }, placesOfReplication(replication));
}

eventRoutes.post("/replications/:name/secret", async (call) => {
  const { name } = await theReplication(call, ["start"]);
  const { overlapSeconds } = parseWith(SecretRequestSchema, await readOptionalBody(call.req.raw));
  const secret = makeSecret();
  const formerUntilMs = Date.now() + overlapSeconds * 1000;
  const hadOne = await meshOf(call)
    .Replicator.getByName(name)
    .putSecret(await sha256Of(secret), formerUntilMs);
  forgetAccepted();
  if (hadOne === null) throw noReplication(name);
  const url = new URL(`/replications/${name}/events/${secret}`, call.req.url).href;
  return jsonResponse({ secret, url, formerUntil: hadOne ? isoTime(formerUntilMs) : null }, 201);
});
