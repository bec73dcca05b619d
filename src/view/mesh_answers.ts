// The answers of the HTTP API about the mesh itself, as schemas: stores, webhooks, checks, the probe. As
// answers.ts, which has those about work, says: they are strict, and the dashboard takes its types from here.

import { z } from "zod";
import { NOTIFICATION_STATES, RIGHTS } from "../http/vocabulary.ts";
import { FactsSchema, ProfileSchema, PROVIDERS } from "../store/profiles.ts";
import { Id, MaybeTime, Time, Whole } from "./answer_fields.ts";

const Learned = FactsSchema.describe("what differs from the provider's defaults and is used instead of them");

const Overruled = FactsSchema.describe("what differs from the secret's own profile, which takes precedence");

const Store = z.union([
  z.strictObject({ name: z.string(), ok: z.literal(false), error: z.string() }),
  z.strictObject({
    name: z.string(),
    ok: z.literal(true),
    kind: z.enum(["s3", "https"]).describe("https: a web server, a source alone"),
    endpoint: z.string(),
    region: z.string().optional().describe("of S3"),
    provider: z.enum(PROVIDERS),
    style: z.enum(["path", "virtual"]).optional().describe("of S3"),
    headers: z.array(z.string()).optional().describe("of https: the names of those that each request has"),
    redirects: z.array(z.string()).optional().describe("of https: the origins that it may redirect to"),
    profile: ProfileSchema.describe(
      "the provider's defaults, overridden by checks and those by the secret's own profile",
    ),
    temporaryCredentials: z.boolean(),
    encryption: z.enum(["AES256", "aws:kms", "customer"]).nullable(),
    buckets: z.array(z.string()).optional().describe("the only ones that may be used; absent: any"),
    readOnly: z.boolean().optional(),
    anonymous: z.boolean().optional(),
    allowInsecure: z.boolean().optional(),
    maxConcurrency: z.int().optional(),
    maxRequestsPerSecond: z.number().optional(),
    maxBytesPerSecond: Whole.optional(),
    limits: z.array(z.looseObject({})).optional().describe("by the hours of the week"),
    requesterPays: z.boolean().optional(),
    prices: z.record(z.string(), z.number()).optional().describe("its own; absent: the provider's list"),
    location: z.string().optional(),
    ownProfile: ProfileSchema.partial().describe("what the secret says"),
    checked: z.array(
      z.strictObject({
        bucket: z.string(),
        as: z.enum(["source", "destination"]),
        ok: z.boolean(),
        checkedAt: Time,
        applies: z
          .boolean()
          .describe("false: endpoint, provider or encryption has changed since; check it again"),
        profile: Learned,
        overruled: Overruled,
      }),
    ),
  }),
]);

export const Stores = z.strictObject({
  stores: z.array(Store),
  notify: z
    .array(
      z.discriminatedUnion("state", [
        z.strictObject({
          name: z.string(),
          state: z.literal("on"),
          host: z.string(),
          secrets: Whole.describe("how many sign"),
          events: z.array(z.string()),
        }),
        z.strictObject({ name: z.string(), state: z.literal("misconfigured"), error: z.string() }),
      ]),
    )
    .describe("the receivers of webhooks"),
  access: z
    .array(
      z.union([
        z.strictObject({ ok: z.literal(false), error: z.string() }),
        z.strictObject({
          ok: z.literal(true),
          name: z.string().optional(),
          email: z.string().optional(),
          group: z.string().optional(),
          may: z.array(z.enum(RIGHTS)),
          source: z.array(z.string()).nullable(),
          destination: z.array(z.string()).nullable(),
          notAfter: MaybeTime,
        }),
      ]),
    )
    .optional()
    .describe("the entries of API_TOKENS, for who sees all stores"),
});

export const Audit = z.strictObject({
  calls: z.array(
    z.strictObject({
      id: Id,
      at: Time,
      who: z.string().nullable().describe("the name of a token, or an address; null: not recognised"),
      method: z.string(),
      route: z.string().nullable(),
      target: z.string().nullable().describe("the id or name in the path, or of what was started"),
      places: z.string().nullable().describe("what it reads and writes"),
      address: z.string().nullable(),
      ray: z.string().nullable().describe("by which Cloudflare finds the request"),
      status: z.int(),
      code: z.string().nullable(),
      times: Whole.describe("of refusals: how often within a minute"),
    }),
  ),
  next: Id.nullable(),
});

/** A webhook to one receiver. */
export const Notification = z.strictObject({
  id: Id,
  webhookId: z.string().describe("the same for all receivers and attempts"),
  receiver: z.string(),
  type: z.string(),
  workId: Id.nullable().describe("of the copy or sync"),
  state: z.enum(NOTIFICATION_STATES),
  attempts: Whole,
  createdAt: Time,
  lastAttemptAt: MaybeTime,
  nextAttemptAt: MaybeTime,
  status: z.int().nullable().describe("what the receiver answered last"),
  problem: z.string().nullable().describe("why the last attempt does not count as a delivery"),
});

export type Notification = z.infer<typeof Notification>;

export const NotificationList = z.strictObject({
  notifications: z.array(Notification),
  next: Id.nullable(),
});

/** Whoever has it may watch one copy or sync. */
export const Link = z.strictObject({
  url: z.url().describe("of the status"),
  progress: z.url(),
  events: z.url(),
  expiresAt: Time,
});

export const Check = z.strictObject({
  store: z.string(),
  bucket: z.string(),
  as: z.enum(["source", "destination"]),
  ok: z.boolean().describe("everything a copy requires works"),
  findings: z.array(
    z.strictObject({
      check: z.string(),
      outcome: z.enum(["yes", "no", "ignored", "refused", "skipped"]),
      detail: z.string(),
    }),
  ),
  advice: z.array(z.string()).describe("what to do"),
  profile: Learned,
  overruled: Overruled,
  kept: z.boolean().describe("whether later work uses the result"),
  use: z.string().describe("what happens with the result, for people"),
  leftovers: z.array(z.string()).describe("keys that could not be deleted"),
});

const Sent = z.union([
  z.strictObject({ ok: z.literal(true), sizeMib: Whole, durationMs: Whole }),
  z.strictObject({ ok: z.literal(false), sizeMib: Whole, message: z.string() }),
]);

const Counted = z.strictObject({
  streams: Whole.describe("in flight at once, each in a call of its own"),
  asked: Whole,
  isolate: z.string().describe("random, one for each isolate; empty: not counted"),
  copierIsolates: z.array(z.string()).describe("that its calls were answered from"),
  machine: z.string().nullable(),
  refusal: z.string().nullable().describe("why a body was refused before the time was over"),
});

export const Probe = z.strictObject({
  id: Id,
  phase: z.enum(["creating", "measuring", "cleaning", "completed", "failed", "cancelled"]),
  store: z.string(),
  bucket: z.string(),
  isLocal: z.boolean().describe("true: none of this says anything about the platform"),
  startedAt: Time,
  endedAt: MaybeTime,
  doing: z.array(z.string()).describe("what the lanes are doing"),
  failure: z.string().nullable(),
  leftovers: z.array(z.string()).describe("what could not be deleted"),
  byCopier: z.array(Sent).describe("bodies sent like parts"),
  byLane: z.array(Sent).describe("bodies sent by a Durable Object"),
  keys: z.array(
    z.strictObject({
      name: z.string(),
      isUnchanged: z.boolean(),
      isCurrent: z.boolean().nullable().describe("after it was replaced"),
      detail: z.string(),
    }),
  ),
  lanes: z.array(Counted),
  megabytesPerSecond: z.number().nullable().describe("of one stream"),
  isolates: z.int().nullable(),
  machines: z.int().nullable(),
  findings: z.array(
    z.strictObject({
      question: z.string(),
      assumed: z.string().describe("by the design"),
      found: z.string(),
      holds: z
        .enum(["yes", "slower", "no", "unknown"])
        .describe("slower: copies are correct but take longer; no: copies fail until it is changed"),
      change: z.string().nullable().describe("what to do"),
    }),
  ),
  advice: z.strictObject({
    MAX_PART_MIB: z.int().nullable(),
    streamsPerLane: z.int().nullable(),
    LANES: z.int().nullable(),
    lanesWithDigests: z.int().nullable(),
  }),
  notes: z.array(z.string()),
});
