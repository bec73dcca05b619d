// Events of clouds that have a form of their own, with keys as they are. Pure.

import { z } from "zod";
import { decodeBody, parseJson } from "../http/body.ts";
import { parseWith } from "../http/fields.ts";
import { Problem } from "../http/problem.ts";
import { type Events, hintOf } from "./event_fields.ts";

const Bucket = z.string().min(1);

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html */
const EventBridgeSchema = z.object({
  "detail-type": z.string(),
  time: z.string().optional(),
  detail: z.object({ bucket: z.object({ name: Bucket }), object: z.object({ key: z.string() }) }),
});

/** @throws {Problem} 400 */
export function readEventBridge(body: unknown): Events {
  const { time, detail } = parseWith(EventBridgeSchema, body);
  return { hints: [hintOf('"detail.object.key"', detail.bucket.name, detail.object.key, time)], idle: 0 };
}

/** https://developers.cloudflare.com/r2/buckets/event-notifications/#message-format */
const R2Schema = z.object({
  action: z.string(),
  bucket: Bucket,
  object: z.object({ key: z.string() }),
  eventTime: z.string().optional(),
});

/** A message of a Queue. @throws {Problem} 400 */
export function readR2(body: unknown): Events {
  const { bucket, object, eventTime } = parseWith(R2Schema, body);
  return { hints: [hintOf('"object.key"', bucket, object.key, eventTime)], idle: 0 };
}

/**
 * Pub/Sub wraps what Cloud Storage says, in attributes and, unless the payload is NONE, in the data.
 * https://cloud.google.com/storage/docs/pubsub-notifications#attributes
 * https://cloud.google.com/pubsub/docs/push#receive_push
 */
const PubSubSchema = z.object({
  message: z.object({
    attributes: z
      .object({
        bucketId: Bucket.optional(),
        objectId: z.string().optional(),
        eventTime: z.string().optional(),
      })
      .default({}),
    data: z.string().optional(),
    publishTime: z.string().optional(),
  }),
});

const StorageObjectSchema = z.object({ bucket: Bucket, name: z.string() });

/** @throws {Problem} 400 */
export function readPubSub(body: unknown): Events {
  const { attributes, data, publishTime } = parseWith(PubSubSchema, body).message;
  const { bucketId, objectId, eventTime = publishTime } = attributes;
  if (bucketId !== undefined && objectId !== undefined)
    return { hints: [hintOf('"message.attributes.objectId"', bucketId, objectId, eventTime)], idle: 0 };
  if (data === undefined || data === "") {
    const detail = '"message.attributes" has no "bucketId" and "objectId", and "message.data" is empty';
    throw new Problem(400, "invalid_request", `${detail}: this is no message of Cloud Storage`);
  }
  const object = parseWith(StorageObjectSchema, parseJson(decodeBody(bytesOf(data))));
  return { hints: [hintOf('"name" in "message.data"', object.bucket, object.name, eventTime)], idle: 0 };
}

function bytesOf(base64: string): Uint8Array {
  try {
    return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  } catch {
    throw new Problem(400, "invalid_request", '"message.data" is not base64');
  }
}

/** https://www.backblaze.com/docs/cloud-storage-event-notifications-reference-guide */
const B2Schema = z.object({
  events: z.array(
    z.object({
      eventType: z.string(),
      bucketName: Bucket.optional(),
      /** None in a test. */
      objectName: z.string().nullish(),
      eventTimestamp: z.number().nullish(),
    }),
  ),
});

/** @throws {Problem} 400 */
export function readB2(body: unknown): Events {
  const { events } = parseWith(B2Schema, body);
  const hints = events.flatMap(({ eventType, bucketName, objectName, eventTimestamp }, index) => {
    if (eventType === "b2:TestEvent") return [];
    if (bucketName === undefined || objectName === undefined || objectName === null) {
      const detail = `"events.${index}" is a ${JSON.stringify(eventType.slice(0, 100))} and has no "bucketName" and "objectName"`;
      throw new Problem(400, "invalid_request", detail);
    }
    return [hintOf(`"events.${index}.objectName"`, bucketName, objectName, eventTimestamp)];
  });
  return { hints, idle: events.length - hints.length };
}

const KeysSchema = z.strictObject({ keys: z.array(z.string()).min(1), bucket: Bucket.optional() });

/**
 * The form of this mesh, for programs of one's own.
 *
 * @param known the bucket where the request names none; null: it must
 * @throws {Problem} 400
 */
export function readKeys(body: unknown, known: string | null): Events {
  const { keys, bucket = known } = parseWith(KeysSchema, body);
  if (bucket === null)
    throw new Problem(400, "invalid_request", '"bucket" is missing: "keys" alone go to one replication');
  return { hints: keys.map((key, index) => hintOf(`"keys.${index}"`, bucket, key)), idle: 0 };
}
