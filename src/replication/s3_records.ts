// Events as S3 writes them, and those who copy it: `Records`, and the test that S3 sends when a notification
// is configured. Pure.
//
// - S3, versions 2.1 to 2.3. "The object key name value is URL encoded", as in a form: a space is `+`.
//   https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
// - MinIO, the same with `EventName` and `Key` around it; it encodes slashes as well. Reads are events, too:
//   https://min.io/docs/minio/linux/administration/monitoring/bucket-notifications.html
// - Ceph, `eventSource` "ceph:s3": https://docs.ceph.com/en/latest/radosgw/notifications/. Its gateway writes
//   the key as it is (`encode_json("key", …)` in rgw_pubsub.cc).

import { z } from "zod";
import { parseWith } from "../http/fields.ts";
import { Problem } from "../http/problem.ts";
import { type Events, hintOf } from "./event_fields.ts";

const RecordsSchema = z.object({
  Records: z.array(
    z.object({
      eventName: z.string().default(""),
      eventSource: z.string().default(""),
      eventTime: z.string().optional(),
      s3: z.object({
        bucket: z.object({ name: z.string().min(1) }),
        /** A bucket that is made or removed is an event of MinIO, too. */
        object: z.object({ key: z.string() }).optional(),
      }),
    }),
  ),
});

/** @throws {Problem} 400 */
export function readRecords(body: unknown): Events {
  const { Records: records } = parseWith(RecordsSchema, body);
  const hints = records.flatMap(({ eventName, eventSource, eventTime, s3 }, index) => {
    // A look of ours at the source would make an event that makes us look again.
    if (s3.object === undefined || /^(s3:)?ObjectAccessed\b/.test(eventName)) return [];
    const where = `"Records.${index}.s3.object.key"`;
    const key = eventSource === "ceph:s3" ? s3.object.key : decodeForm(where, s3.object.key);
    return [hintOf(where, s3.bucket.name, key, eventTime)];
  });
  return { hints, idle: records.length - hints.length };
}

function decodeForm(where: string, text: string): string {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    const shown = JSON.stringify(text.slice(0, 100));
    const rule = "a space is +, and the bytes of other characters are %XX, in UTF-8";
    throw new Problem(400, "invalid_key", `${where} is not encoded as in a form (${rule}): ${shown}`);
  }
}
