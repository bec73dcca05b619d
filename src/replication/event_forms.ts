// The forms in which stores tell of changes, recognised by what each has and no other: the fields at the top.
// Pure.
//
// Events come at least once, in any order, late, and whoever has the secret can forge them. So nothing of an
// event is believed but that a key is worth a look: neither what happened to it, nor its size or ETag.

import { Problem } from "../http/problem.ts";
import { readB2, readEventBridge, readKeys, readPubSub, readR2 } from "./cloud_events.ts";
import { type Events, coalesce } from "./event_fields.ts";
import { readRecords } from "./s3_records.ts";
import { readSns, type SnsMessage } from "./sns.ts";

type Fields = Readonly<Record<string, unknown>>;

/** What a body is, before anything in it is believed. */
type Sent =
  /** Good once its signature is. */
  | { readonly kind: "sns"; readonly message: SnsMessage }
  /** To be held against the signature in its header, where a secret for that is configured. */
  | { readonly kind: "b2"; readonly events: Events }
  | { readonly kind: "events"; readonly events: Events };

interface Form {
  /** As the error lists it. */
  readonly name: string;
  readonly has: (body: Fields) => boolean;
  /** @param bucket that of `keys`; null: each request must name one */
  readonly read: (body: Fields, bucket: string | null) => Sent;
}

const events = (read: (body: Fields, bucket: string | null) => Events): Form["read"] => {
  return (body, bucket) => ({ kind: "events", events: coalesced(read(body, bucket)) });
};

const FORMS: readonly Form[] = [
  { name: 'S3, MinIO and Ceph ("Records")', has: hasAll("Records"), read: events(readRecords) },
  {
    name: 'the test of S3 ("Event": "s3:TestEvent")',
    has: ({ Event }) => Event === "s3:TestEvent",
    read: events(() => ({ hints: [], idle: 1 })),
  },
  {
    name: 'SNS ("Type", "TopicArn")',
    has: hasAll("Type", "TopicArn"),
    read: (body) => ({ kind: "sns", message: readSns(body) }),
  },
  {
    name: 'EventBridge ("detail-type")',
    has: hasAll("detail-type", "detail"),
    read: events(readEventBridge),
  },
  {
    name: 'R2 ("action", "bucket", "object")',
    has: hasAll("action", "bucket", "object"),
    read: events(readR2),
  },
  { name: 'Pub/Sub ("message")', has: hasAll("message"), read: events(readPubSub) },
  {
    name: 'B2 ("events")',
    has: hasAll("events"),
    read: (body) => ({ kind: "b2", events: coalesced(readB2(body)) }),
  },
  { name: '{"keys": […]}', has: hasAll("keys"), read: events(readKeys) },
];

/**
 * @param body as JSON has it
 * @param bucket that of a `keys` that names none; null: it must name one
 * @throws {Problem} 400
 */
export function readSent(body: unknown, bucket: string | null): Sent {
  if (typeof body === "object" && body !== null && !Array.isArray(body)) {
    const fields = body as Fields;
    const form = FORMS.find(({ has }) => has(fields));
    if (form !== undefined) return form.read(fields, bucket);
  }
  const known = FORMS.map(({ name }) => name).join(", ");
  const detail = `This is no event of a form that is known. Known are ${known}`;
  throw new Problem(400, "unknown_event_form", detail);
}

/** The message in a notification of SNS whose signature is good. @throws {Problem} 400 */
export function readWrapped(text: unknown, bucket: string | null): Events {
  const sent = readSent(text, bucket);
  if (sent.kind !== "sns") return sent.events;
  throw new Problem(400, "unknown_event_form", "The message in this notification of SNS is one of SNS again");
}

function hasAll(...names: readonly string[]): Form["has"] {
  return (body) => names.every((name) => Object.hasOwn(body, name));
}

function coalesced({ hints, idle }: Events): Events {
  return { hints: coalesce(hints), idle };
}
