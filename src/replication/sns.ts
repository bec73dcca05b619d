// Messages of Amazon SNS: what is signed, and which addresses in them may be called. Pure.
// https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
//
// The address of the certificate comes with the message. So it counts only where nobody but AWS can put a
// file: at SNS itself, over HTTPS.

import { z } from "zod";
import { parseWith } from "../http/fields.ts";
import { Problem } from "../http/problem.ts";

const Signed = {
  MessageId: z.string(),
  TopicArn: z.string(),
  Message: z.string(),
  Timestamp: z.string(),
  /** 1: SHA-1, 2: SHA-256. A topic has 1 unless it is told otherwise. */
  SignatureVersion: z.enum(["1", "2"]),
  Signature: z.string(),
  SigningCertURL: z.string(),
};

const SnsSchema = z.discriminatedUnion("Type", [
  z.object({ Type: z.literal("Notification"), Subject: z.string().nullish(), ...Signed }),
  z.object({
    Type: z.enum(["SubscriptionConfirmation", "UnsubscribeConfirmation"]),
    SubscribeURL: z.string(),
    Token: z.string(),
    ...Signed,
  }),
]);

export type SnsMessage = z.infer<typeof SnsSchema>;

/** @throws {Problem} 400 */
export function readSns(body: unknown): SnsMessage {
  return parseWith(SnsSchema, body);
}

/** What SNS has signed: names and values, each on a line of its own, in alphabetical order. */
export function signedText(message: SnsMessage): string {
  const { Message, MessageId, Timestamp, TopicArn, Type } = message;
  const pairs =
    message.Type === "Notification"
      ? { Message, MessageId, Subject: message.Subject, Timestamp, TopicArn, Type }
      : {
          Message,
          MessageId,
          SubscribeURL: message.SubscribeURL,
          Timestamp,
          Token: message.Token,
          TopicArn,
          Type,
        };
  return Object.entries(pairs)
    .filter(([, value]) => value !== undefined && value !== null)
    .map(([name, value]) => `${name}\n${value}\n`)
    .join("");
}

/** @throws {Problem} 401 for one that is not SNS's own */
export function certificateUrl({ SigningCertURL }: SnsMessage): URL {
  const url = snsUrl("SigningCertURL", SigningCertURL);
  if (/^\/SimpleNotificationService-[\w-]+\.pem$/.test(url.pathname) && url.search === "") return url;
  throw new Problem(401, "signature_wrong", `"SigningCertURL" is not the address of a certificate of SNS`);
}

/** Who opens it confirms the subscription. @throws {Problem} 401 for one that does not lead to SNS */
export function confirmationUrl(message: Extract<SnsMessage, { SubscribeURL: string }>): URL {
  const url = snsUrl("SubscribeURL", message.SubscribeURL);
  if (url.searchParams.get("Action") === "ConfirmSubscription") return url;
  throw new Problem(401, "signature_wrong", '"SubscribeURL" is not the address of a confirmation');
}

function snsUrl(field: string, text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  const isOwn =
    url?.protocol === "https:" &&
    url.port === "" &&
    url.username === "" &&
    url.password === "" &&
    /^sns\.[a-z0-9-]+\.amazonaws\.com$/.test(url.hostname);
  if (url !== null && isOwn) return url;
  throw new Problem(
    401,
    "signature_wrong",
    `"${field}" must be an https address at sns.<region>.amazonaws.com`,
  );
}
