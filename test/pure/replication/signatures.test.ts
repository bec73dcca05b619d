// Who has sent events: messages of SNS by the certificate that AWS publishes, events of B2 by their secret.

import { createHmac, createSign } from "node:crypto";
import { describe, expect, test } from "vitest";
import { CERTIFICATE, PRIVATE_KEY } from "./certificate.ts";
import { Problem } from "../../../src/http/problem.ts";
import { checkB2, checkSns, confirm } from "../../../src/replication/signatures.ts";
import { type SnsMessage, readSns, signedText } from "../../../src/replication/sns.ts";

type Confirmation = Extract<SnsMessage, { SubscribeURL: string }>;

/** Each has an address of its own: what was fetched once is kept. */
let certificates = 0;

const HOST = "https://sns.us-west-2.amazonaws.com";

/** As https://docs.aws.amazon.com/sns/latest/dg/http-notification-json.html shows them. */
const base = (more: Record<string, unknown>) => ({
  MessageId: "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
  TopicArn: "arn:aws:sns:us-west-2:123456789012:MyTopic",
  Message: "Hello world!",
  Timestamp: "2012-05-02T00:54:06.655Z",
  SignatureVersion: "2",
  Signature: "",
  SigningCertURL: `${HOST}/SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52${++certificates}.pem`,
  ...more,
});

const notification = (more: Record<string, unknown> = {}) =>
  readSns(base({ Type: "Notification", Subject: "My First Message", ...more }));

const confirmation = (more: Record<string, unknown> = {}) =>
  readSns(
    base({
      Type: "SubscriptionConfirmation",
      Token: "2336412f37",
      SubscribeURL: `${HOST}/?Action=ConfirmSubscription&TopicArn=arn:aws:sns:us-west-2:123456789012:MyTopic&Token=2336412f37`,
      ...more,
    }),
  ) as Confirmation;

function signed<Message extends SnsMessage>(message: Message): Message {
  const signer = createSign(message.SignatureVersion === "1" ? "RSA-SHA1" : "RSA-SHA256");
  return { ...message, Signature: signer.update(signedText(message)).sign(PRIVATE_KEY, "base64") };
}

/** Amazon as it would answer, and what it was asked. */
function amazon(answer: () => Response = () => new Response(CERTIFICATE)) {
  const asked: string[] = [];
  const fetchFrom = async (url: URL, init: RequestInit) => {
    asked.push(url.href);
    expect(init.redirect).toBe("manual");
    return await Promise.resolve(answer());
  };
  return { asked, fetchFrom };
}

const dead = async () => await Promise.reject(new TypeError("fetch failed"));

async function refusal(call: Promise<unknown>): Promise<string> {
  const error: unknown = await call.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (error instanceof Problem) return `${error.status} ${error.code}: ${error.message}`;
  throw new Error(`it was not refused but ${String(error)}`);
}

const WRONG = "401 signature_wrong: The signature is not that of SNS over this message";

test("what is signed: names and values in alphabetical order, a subject only if there is one", () => {
  expect(signedText(notification())).toBe(
    "Message\nHello world!\nMessageId\n22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324\nSubject\nMy First Message\n" +
      "Timestamp\n2012-05-02T00:54:06.655Z\nTopicArn\narn:aws:sns:us-west-2:123456789012:MyTopic\nType\nNotification\n",
  );
  expect(signedText(notification({ Subject: undefined }))).not.toContain("Subject");
  expect(signedText(confirmation())).toBe(
    "Message\nHello world!\nMessageId\n22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324\n" +
      `SubscribeURL\n${confirmation().SubscribeURL}\nTimestamp\n2012-05-02T00:54:06.655Z\nToken\n2336412f37\n` +
      "TopicArn\narn:aws:sns:us-west-2:123456789012:MyTopic\nType\nSubscriptionConfirmation\n",
  );
});

describe.each(["1", "2"])("SNS, signature version %s", (SignatureVersion) => {
  test("a signed message is good, and its certificate is fetched once", async () => {
    const { asked, fetchFrom } = amazon();
    const message = signed(notification({ SignatureVersion }));
    await checkSns(message, fetchFrom);
    await checkSns(message, fetchFrom);
    expect(asked).toEqual([message.SigningCertURL]);
    await checkSns(signed(confirmation({ SignatureVersion })), fetchFrom);
  });

  test("a message of which anything was changed is not", async () => {
    const { fetchFrom } = amazon();
    const message = signed(notification({ SignatureVersion }));
    for (const change of [
      { Message: "Hello worlds!" },
      { Subject: undefined },
      { TopicArn: "arn:aws:sns:us-west-2:123456789012:Other" },
      { Timestamp: "2026-05-02T00:54:06.655Z" },
      { SignatureVersion: SignatureVersion === "1" ? "2" : "1" },
      { Signature: "" },
      { Signature: "***" },
    ])
      expect(await refusal(checkSns({ ...message, ...change } as SnsMessage, fetchFrom))).toBe(WRONG);
  });
});

describe("a certificate counts only at SNS itself:", () => {
  test.each([
    "http://sns.us-west-2.amazonaws.com/SimpleNotificationService-1.pem",
    "https://sns.us-west-2.amazonaws.com.example.com/SimpleNotificationService-1.pem",
    "https://example.com/SimpleNotificationService-1.pem",
    "https://sns.us-west-2.amazonaws.com@example.com/SimpleNotificationService-1.pem",
    "https://sns.us-west-2.amazonaws.com:8443/SimpleNotificationService-1.pem",
    "https://bucket.s3.amazonaws.com/SimpleNotificationService-1.pem",
    "https://s3.us-west-2.amazonaws.com/SimpleNotificationService-1.pem",
    "https://sns.a.b.amazonaws.com/SimpleNotificationService-1.pem",
    "https://sns.us-west-2.amazonaws.com/other.pem",
    "https://sns.us-west-2.amazonaws.com/SimpleNotificationService-1.pem?x=1",
    "https://sns.us-west-2.amazonaws.com/a/../b/SimpleNotificationService-1.pem",
    "SimpleNotificationService-1.pem",
  ])("%s is not fetched", async (SigningCertURL) => {
    const { asked, fetchFrom } = amazon();
    const text = await refusal(checkSns(signed(notification({ SigningCertURL })), fetchFrom));
    expect(text).toMatch(/^401 signature_wrong: "SigningCertURL" (must be an https|is not the address)/);
    expect(asked).toEqual([]);
  });
});

test("without the certificate nothing is decided, and the next message asks again", async () => {
  const message = signed(notification());
  const { asked, fetchFrom: refusing } = amazon(() => new Response("<Error/>", { status: 403 }));
  const host = "sns.us-west-2.amazonaws.com";
  expect(await refusal(checkSns(message, refusing))).toBe(
    `503 sender_unreachable: ${host} has answered 403; the sender will try again`,
  );
  const { fetchFrom: redirecting } = amazon(() => new Response(null, { status: 302 }));
  expect(await refusal(checkSns(message, redirecting))).toContain(`${host} has answered 302`);
  const { fetchFrom: odd } = amazon(() => new Response("no certificate"));
  expect(await refusal(checkSns(message, odd))).toContain(`${host} has answered with what is no certificate`);
  expect(await refusal(checkSns(message, dead))).toContain(`${host} could not be reached (TypeError)`);
  await checkSns(message, amazon().fetchFrom);
  expect(asked.length).toBe(1);
});

describe("a confirmation", () => {
  test("is answered at the address that SNS gives", async () => {
    const { asked, fetchFrom } = amazon(() => new Response("<ConfirmSubscriptionResponse/>"));
    await confirm(confirmation(), fetchFrom);
    expect(asked).toEqual([confirmation().SubscribeURL]);
  });

  test.each([
    "https://example.com/?Action=ConfirmSubscription&Token=1",
    "http://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription&Token=1",
    "https://sns.us-west-2.amazonaws.com/?Action=Unsubscribe&Token=1",
  ])("is not sent to %s", async (SubscribeURL) => {
    const { asked, fetchFrom } = amazon();
    expect(await refusal(confirm(confirmation({ SubscribeURL }), fetchFrom))).toMatch(/^401 signature_wrong/);
    expect(asked).toEqual([]);
  });

  test("that SNS does not take is no success, and its token is not told", async () => {
    const { fetchFrom } = amazon(() => new Response("<Error/>", { status: 400 }));
    const text = await refusal(confirm(confirmation(), fetchFrom));
    expect(text).toMatch(/^503 sender_unreachable/);
    expect(text).not.toContain("2336412f37");
  });
});

describe("B2", () => {
  const body = new TextEncoder().encode('{"events":[]}');
  const headerOf = (secret: string) => `v1=${createHmac("sha256", secret).update(body).digest("hex")}`;
  const secret = "abcdefghijklmnopqrstuvwxyz012345";

  test("what one of the secrets has signed is good", async () => {
    await checkB2(headerOf(secret), body, [secret]);
    await checkB2(headerOf(secret).toUpperCase().replace("V1", "v1"), body, ["another", secret]);
  });

  test("another secret, another body, another version and no signature are not", async () => {
    const other = new TextEncoder().encode('{"events": []}');
    const wrong = /^401 signature_wrong: The signature is not that of BACKBLAZE_EVENTS_SECRET over this body/;
    const missing = /^401 signature_wrong: Events of B2 need the header/;
    expect(await refusal(checkB2(headerOf("another"), body, [secret]))).toMatch(wrong);
    expect(await refusal(checkB2(headerOf(secret), other, [secret]))).toMatch(wrong);
    expect(await refusal(checkB2(null, body, [secret]))).toMatch(missing);
    expect(await refusal(checkB2(headerOf(secret).replace("v1", "v2"), body, [secret]))).toMatch(missing);
    expect(await refusal(checkB2("v1=00", body, [secret]))).toMatch(missing);
  });
});
