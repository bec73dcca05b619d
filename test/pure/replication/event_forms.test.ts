// The forms of events, by what their senders' own documents show: what of them becomes a hint, what says
// nothing, and what is refused with which words.

import { describe, expect, test } from "vitest";
import { readSent, readWrapped } from "../../../src/replication/event_forms.ts";
import { Problem } from "../../../src/http/problem.ts";

/** As https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html shows it. */
const s3Record = (key: string, more: Record<string, unknown> = {}) => ({
  eventVersion: "2.1",
  eventSource: "aws:s3",
  awsRegion: "us-west-2",
  eventTime: "1970-01-01T00:00:00.000Z",
  eventName: "ObjectCreated:Put",
  userIdentity: { principalId: "AIDAJDPLRKLG7UEXAMPLE" },
  requestParameters: { sourceIPAddress: "127.0.0.1" },
  responseElements: {
    "x-amz-request-id": "C3D13FE58DE4C810",
    "x-amz-id-2": "FMyUVURIY8/IgAtTv8xRjskZQpcIZ9KG",
  },
  s3: {
    s3SchemaVersion: "1.0",
    configurationId: "testConfigRule",
    bucket: {
      name: "mybucket",
      ownerIdentity: { principalId: "A3NL1KOZZKExample" },
      arn: "arn:aws:s3:::mybucket",
    },
    object: {
      key,
      size: 1024,
      eTag: "d41d8cd98f00b204e9800998ecf8427e",
      versionId: "096fKKXTRTtl3on89fVO.nfljtsv6qko",
      sequencer: "0055AED6DCD90281E5",
    },
  },
  ...more,
});

const at = (time: string) => Date.parse(time);

/** What a body says, wherever the form puts it. */
function said(body: unknown, bucket: string | null = null) {
  const sent = readSent(body, bucket);
  if (sent.kind === "sns") throw new Error("a message of SNS");
  return sent.events;
}

function refusal(read: () => unknown): { status: number; code: string; message: string } {
  try {
    read();
  } catch (error) {
    if (error instanceof Problem) return { status: error.status, code: error.code, message: error.message };
    throw error;
  }
  throw new Error("it was not refused");
}

const FORMS: readonly (readonly [string, unknown, readonly (readonly [string, string, number | null])[]])[] =
  [
    ["S3", { Records: [s3Record("HappyFace.jpg")] }, [["mybucket", "HappyFace.jpg", 0]]],
    [
      "S3, with a key that is encoded as in a form",
      { Records: [s3Record("a+b/%2B+%25+%C3%A9.txt", { eventName: "ObjectRemoved:DeleteMarkerCreated" })] },
      [["mybucket", "a b/+ % é.txt", 0]],
    ],
    [
      "MinIO, which encodes slashes and says the key twice",
      {
        EventName: "s3:ObjectCreated:Put",
        Key: "images/test12/DG 0890.jpg",
        Records: [
          s3Record("test12%2FDG+0890.jpg", {
            eventVersion: "2.0",
            eventSource: "minio:s3",
            eventName: "s3:ObjectCreated:Put",
            eventTime: "2018-10-26T11:18:32Z",
            source: { host: "", port: "", userAgent: "" },
          }),
        ],
      },
      [["mybucket", "test12/DG 0890.jpg", at("2018-10-26T11:18:32Z")]],
    ],
    [
      "Ceph, which does not encode keys",
      {
        Records: [
          s3Record("a+b %41.jpg", {
            eventSource: "ceph:s3",
            eventName: "s3:ObjectCreated:CompleteMultipartUpload",
            eventTime: "2019-11-22T13:47:35.124724Z",
            eventId: "",
            opaqueData: "me@example.com",
          }),
        ],
      },
      [["mybucket", "a+b %41.jpg", at("2019-11-22T13:47:35.124Z")]],
    ],
    [
      "EventBridge, which does not encode keys",
      {
        version: "0",
        id: "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": "Object Created",
        source: "aws.s3",
        account: "111122223333",
        time: "2021-11-12T00:00:00Z",
        region: "ca-central-1",
        resources: ["arn:aws:s3:::amzn-s3-demo-bucket1"],
        detail: {
          version: "0",
          bucket: { name: "amzn-s3-demo-bucket1" },
          object: { key: "example+key %41", size: 5, etag: "b1946ac92492d2347c6235b4d2611184" },
          reason: "PutObject",
        },
      },
      [["amzn-s3-demo-bucket1", "example+key %41", at("2021-11-12T00:00:00Z")]],
    ],
    [
      "R2",
      {
        account: "3f4b7e3dcab231cbfdaa90a6a28bd548",
        action: "CopyObject",
        bucket: "my-bucket",
        object: { key: "my-new-object", size: 65536, eTag: "c846ff7a18f28c2e262116d6e8719ef0" },
        eventTime: "2024-05-24T19:36:44.379Z",
        copySource: { bucket: "my-bucket", object: "my-original-object" },
      },
      [["my-bucket", "my-new-object", at("2024-05-24T19:36:44.379Z")]],
    ],
    [
      "R2, of an object that is gone",
      {
        account: "3f4b7e3dcab231cbfdaa90a6a28bd548",
        action: "DeleteObject",
        bucket: "my-bucket",
        object: { key: "my-new-object" },
        eventTime: "2024-05-24T19:36:44.379Z",
      },
      [["my-bucket", "my-new-object", at("2024-05-24T19:36:44.379Z")]],
    ],
    [
      "Pub/Sub",
      {
        message: {
          attributes: {
            notificationConfig: "projects/_/buckets/my-bucket/notificationConfigs/1",
            eventType: "OBJECT_FINALIZE",
            payloadFormat: "JSON_API_V1",
            bucketId: "my-bucket",
            objectId: "a b/é",
            objectGeneration: "1510703000000000",
            eventTime: "2026-11-01T10:00:00.000000Z",
          },
          data: btoa(JSON.stringify({ kind: "storage#object", name: "ignored", bucket: "my-bucket" })),
          messageId: "136969346945",
          publishTime: "2026-11-01T10:00:01Z",
        },
        subscription: "projects/myproject/subscriptions/mysubscription",
      },
      [["my-bucket", "a b/é", at("2026-11-01T10:00:00Z")]],
    ],
    [
      "Pub/Sub, with what it says in the data alone",
      {
        message: {
          data: Buffer.from(JSON.stringify({ name: "a/é", bucket: "my-bucket" })).toString("base64"),
          messageId: "1",
          publishTime: "2026-11-01T10:00:01Z",
        },
        subscription: "s",
      },
      [["my-bucket", "a/é", at("2026-11-01T10:00:01Z")]],
    ],
    [
      "B2",
      {
        events: [
          {
            accountId: "e85c6a500333",
            bucketId: "aea8c5bc362ae55070130333",
            bucketName: "mySampleBucket",
            eventId: "3a5ba0b5f6ae2e3b",
            eventTimestamp: 1684793309123,
            eventType: "b2:ObjectCreated:Upload",
            eventVersion: 1,
            matchedRuleName: "mySampleRule1",
            objectName: "objectName.txt",
            objectSize: 10495842,
            objectVersionId:
              "4_zaea8c5bc362ae55070130333_f117c7bd5d6c6597c_d20230521_m235957_c001_v0001044_t0052_u01684713597235",
          },
          {
            bucketName: "mySampleBucket",
            eventTimestamp: 1684793309124,
            eventType: "b2:HideMarkerCreated:Hide",
            objectName: "gone.txt",
            objectSize: 0,
          },
        ],
      },
      [
        ["mySampleBucket", "objectName.txt", 1684793309123],
        ["mySampleBucket", "gone.txt", 1684793309124],
      ],
    ],
    [
      "keys",
      { bucket: "b", keys: ["a", "a b+c", "%41"] },
      [
        ["b", "a", null],
        ["b", "a b+c", null],
        ["b", "%41", null],
      ],
    ],
  ];

test.each(FORMS)("%s: a hint for each key", (_form, body, hints) => {
  expect(said(body)).toEqual({ hints: hints.map(([bucket, key, atMs]) => ({ bucket, key, atMs })), idle: 0 });
});

test("keys alone are of the bucket of the replication that they are sent to", () => {
  expect(said({ keys: ["a"] }, "source").hints).toEqual([{ bucket: "source", key: "a", atMs: null }]);
  expect(refusal(() => said({ keys: ["a"] }))).toMatchObject({
    status: 400,
    message: '"bucket" is missing: "keys" alone go to one replication',
  });
});

test.each<[string, unknown]>([
  [
    "the test of S3",
    {
      Service: "Amazon S3",
      Event: "s3:TestEvent",
      Time: "2014-10-13T15:57:02.089Z",
      Bucket: "bucketname",
      RequestId: "5582815E1AEA5ADF",
      HostId: "8cLeGAmw098X5cv4Zkwcmo8vvZa3eH3eKxsPzbB9wrR+YstdA6Knx4Ip8EXAMPLE",
    },
  ],
  [
    "the test of B2",
    {
      events: [
        {
          accountId: "e85c6a500333",
          bucketId: "aea8c5bc362ae55070130333",
          bucketName: "mySampleBucket",
          eventTimestamp: 1684793309123,
          eventType: "b2:TestEvent",
          eventVersion: 1,
          matchedRuleName: "mySampleRule1",
        },
      ],
    },
  ],
  ["a read at MinIO", { Records: [s3Record("a", { eventName: "s3:ObjectAccessed:Head" })] }],
  [
    "a new bucket at MinIO",
    { Records: [{ eventName: "s3:BucketCreated:*", s3: { bucket: { name: "b" } } }] },
  ],
])("%s is no hint", (_which, body) => {
  expect(said(body)).toEqual({ hints: [], idle: 1 });
});

const record = (key: string, second: number) =>
  s3Record(key, { eventTime: new Date(second * 1000).toISOString() });

test("events of one key are one hint, that of the last, however they arrive", () => {
  const { hints } = said({ Records: [record("a", 3), record("b", 1), record("a", 2), record("a", 3)] });
  expect(hints).toEqual([
    { bucket: "mybucket", key: "b", atMs: 1000 },
    { bucket: "mybucket", key: "a", atMs: 3000 },
  ]);
});

test("a time that cannot be read is none", () => {
  expect(said({ Records: [s3Record("a", { eventTime: "yesterday" })] }).hints[0]?.atMs).toBe(null);
});

const KNOWN =
  'Known are S3, MinIO and Ceph ("Records"), the test of S3 ("Event": "s3:TestEvent"), SNS ("Type", "TopicArn"), ' +
  'EventBridge ("detail-type"), R2 ("action", "bucket", "object"), Pub/Sub ("message"), B2 ("events"), {"keys": […]}';

test.each([{}, { hello: "world" }, [], [s3Record("a")], "Records", 1, null, { Event: "s3:Other" }])(
  "%j is of no form, and the refusal names all that there are",
  (body) => {
    expect(refusal(() => said(body))).toEqual({
      status: 400,
      code: "unknown_event_form",
      message: `This is no event of a form that is known. ${KNOWN}`,
    });
  },
);

describe("is refused by the field:", () => {
  test.each<[string, unknown, string, string]>([
    [
      "a key that is not encoded",
      { Records: [s3Record("a"), s3Record("100%")] },
      "invalid_key",
      '"Records.1.s3.object.key" is not encoded as in a form (a space is +, and the bytes of other characters are %XX, in UTF-8): "100%"',
    ],
    [
      "a key whose bytes are not UTF-8",
      { Records: [s3Record("%FF")] },
      "invalid_key",
      '"Records.0.s3.object.key" is not encoded as in a form (a space is +, and the bytes of other characters are %XX, in UTF-8): "%FF"',
    ],
    [
      "an empty key",
      { keys: [""], bucket: "b" },
      "invalid_key",
      '"keys.0" is empty; a key has 1 to 1,024 bytes: ""',
    ],
    [
      "a key that is too long",
      { keys: ["é".repeat(513)], bucket: "b" },
      "invalid_key",
      `"keys.0" has 1026 bytes; a key has 1 to 1,024: "${"é".repeat(100)}"`,
    ],
    [
      "half a character",
      { keys: ["a\ud800"], bucket: "b" },
      "invalid_key",
      String.raw`"keys.0" is no Unicode text: "a\ud800"`,
    ],
    ["keys that are no list", { keys: "a" }, "invalid_request", '"keys" must be a list, not "a"'],
    [
      "a record without a bucket",
      { Records: [{ s3: { object: { key: "a" } } }] },
      "invalid_request",
      '"Records.0.s3.bucket" is missing',
    ],
    [
      "a message that is none of Cloud Storage",
      { message: { attributes: {}, messageId: "1" } },
      "invalid_request",
      '"message.attributes" has no "bucketId" and "objectId", and "message.data" is empty: this is no message of Cloud Storage',
    ],
    [
      "data that is no base64",
      { message: { data: "***" } },
      "invalid_request",
      '"message.data" is not base64',
    ],
    [
      "an event of B2 without an object",
      { events: [{ eventType: "b2:ObjectCreated:Upload" }] },
      "invalid_request",
      '"events.0" is a "b2:ObjectCreated:Upload" and has no "bucketName" and "objectName"',
    ],
  ])("%s", (_which, body, code, message) => {
    expect(refusal(() => said(body))).toEqual({ status: 400, code, message });
  });
});

test("SNS is told apart, and what it wraps is of any form but its own", () => {
  const notification = {
    Type: "Notification",
    MessageId: "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
    TopicArn: "arn:aws:sns:us-west-2:123456789012:MyTopic",
    Message: JSON.stringify({ Records: [s3Record("a+b")] }),
    Timestamp: "2012-05-02T00:54:06.655Z",
    SignatureVersion: "1",
    Signature: "EXAMPLEw6JRN",
    SigningCertURL:
      "https://sns.us-west-2.amazonaws.com/SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52f.pem",
    UnsubscribeURL: "https://sns.us-west-2.amazonaws.com/?Action=Unsubscribe",
  };
  const sent = readSent(notification, null);
  expect(sent.kind).toBe("sns");
  expect(readWrapped(JSON.parse(notification.Message), null).hints).toEqual([
    { bucket: "mybucket", key: "a b", atMs: 0 },
  ]);
  expect(refusal(() => readWrapped(notification, null))).toMatchObject({ code: "unknown_event_form" });
  expect(refusal(() => readSent({ ...notification, SignatureVersion: "3" }, null)).message).toBe(
    '"SignatureVersion" must be one of 1, 2, not "3"',
  );
});
