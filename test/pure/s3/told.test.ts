// What a store says, as a person gets to see it.
import { beforeAll, describe, expect, test } from "vitest";
import { plainText, toJson } from "../../../src/http/json.ts";
import { S3Error } from "../../../src/s3/errors.ts";
import { answerFailure } from "../../../src/s3/failure.ts";
import { named, sentence, told, toldId } from "../../../src/s3/told.ts";
import { parseDeleteResult } from "../../../src/s3/delete_xml.ts";
import { knownEtag, knownId } from "../../../src/s3/value.ts";
import { parseError, parseInitiate } from "../../../src/s3/xml.ts";
import { readStores } from "../../../src/store/stores.ts";

const KEY = Buffer.alloc(32, 7).toString("base64");
const FIELDS = {
  accessKeyId: "AKIAECHOED0123456789",
  secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYzEXAMPLEKEY",
  sessionToken: "IQoJb3JpZ2luX2Vj//////////wEaCXVzLWVhc3QtMSJHMEUCIQD=",
  encryption: { kind: "customer", key: KEY },
};
const SECRETS = [FIELDS.accessKeyId, FIELDS.secretAccessKey, FIELDS.sessionToken, KEY];
const SIGNED =
  "AWS4-HMAC-SHA256 Credential=AKIAECHOED0123456789/20261129/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-date, " +
  `Signature=${"0123456789abcdef".repeat(4)}`;

beforeAll(() => {
  const entry = readStores({
    STORE_TOLD: JSON.stringify({ endpoint: "https://s3.example.com", region: "r", ...FIELDS }),
  }).get("told");
  if (entry?.ok !== true) throw new Error("The store of this test is no store");
});

describe("told()", () => {
  test.each(SECRETS)("takes out %s, in any spelling", (secret) => {
    for (const spelled of [secret, secret.toLowerCase(), encodeURIComponent(secret), `x${secret}x`])
      expect(told(`you sent ${spelled}.`).toLowerCase()).not.toContain(
        spelled.replace(/^x|x$/g, "").toLowerCase(),
      );
  });

  test.each([
    SIGNED,
    JSON.stringify({ authorization: SIGNED }),
    `X-Amz-Signature=${"ab".repeat(32)}&x=1`,
    `AWS AKIASOMEBODY:${"c2lnbmF0dXJl".repeat(3)}=`,
    `the signature ${"0f".repeat(32)} does not match`,
  ])("takes out a signature: %s", (text) => {
    const shown = told(text);
    expect(shown).toContain("…");
    expect(shown).not.toMatch(/[0-9a-f]{32}|c2lnbmF0/);
  });

  test("leaves what is no secret as it is", () => {
    for (const text of ["Access Denied", "Key “ä” has “…”", "ETag 781e5e245d69b566979b86e28d23f2c7", "AKIA"])
      expect(told(text)).toBe(text);
  });

  test("is one line, in which nothing is a command or runs backwards", () => {
    const text = "\u001b]0;owned\u0007\u001b[31mx\r\ncompleted: 10 B\u009b2J\u202egpj.exe\u0000\u2028\ud800";
    expect(told(text)).toBe(
      String.raw`\u001b]0;owned\u0007\u001b[31mx completed: 10 B\u009b2J\u202egpj.exe\u0000\u2028` + "\ufffd",
    );
  });

  test("is bounded, and a secret on the bound is not cut in half", () => {
    expect(told("M".repeat(60_000))).toBe(`${"M".repeat(500)}…`);
    expect(told("😀".repeat(500)).isWellFormed()).toBe(true);
    for (let before = 480; before < 502; before++) {
      const shown = told("M".repeat(before) + FIELDS.accessKeyId);
      expect(shown, String(before)).toMatch(/^M+…?…?$/);
    }
  });

  test("bounds what names an answer more tightly", () => {
    expect(toldId("r".repeat(1000))).toBe(`${"r".repeat(128)}…`);
    expect(toldId(null)).toBeNull();
  });
});

test("sentence() leaves the name of an object that is a digest, and no secret", () => {
  const key = `sha256/${"0f".repeat(32)}`;
  expect(sentence(`PutObject of "bucket/${key}"`)).toContain(key);
  expect(sentence(`it said ${SIGNED}`)).toBe("it said …");
  expect(sentence("x".repeat(1e6)).length).toBeLessThan(3_000);
});

test("named() takes out the secrets alone", () => {
  expect(named(`a\n${FIELDS.accessKeyId}/b`)).toBe("a\n…/b");
});

describe("every way in", () => {
  const said = `${SIGNED} ${SECRETS.join(" ")} \u001b[2J`;
  const escaped = said.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replace("\u001b", "&#27;");
  const clean = (value: unknown) => {
    const text = JSON.stringify(value);
    for (const secret of SECRETS) expect(text).not.toContain(secret);
    expect(text).not.toMatch(/Signature=|AWS4/);
    expect(text.length).toBeLessThan(4_000);
  };

  test("an error document", () => {
    const document = parseError(
      `<Error><Code>AccessDenied</Code><Message>${escaped}</Message><RequestId>${escaped}</RequestId></Error>`,
    );
    expect(document?.code).toBe("AccessDenied");
    clean({ message: document?.message, requestId: document?.requestId });
  });

  test("the refusals of DeleteObjects", () => {
    clean(
      parseDeleteResult(
        `<DeleteResult><Error><Key>k</Key><Code>AccessDenied</Code><Message>${escaped}</Message></Error></DeleteResult>`,
      ),
    );
  });

  test("an error of an operation, whatever it quotes", () => {
    const error = new S3Error(
      "HeadObject",
      { bucket: "b", key: `k\u009b\u202e${"k".repeat(5_000)}` },
      { code: "AccessDenied", detail: said.repeat(50), requestId: said },
    );
    clean(error.toFailure("source"));
    expect(error.message).not.toMatch(/[\u009b\u202e]/);
    clean(answerFailure("source", "wrong_range", `the answer has "${said}"`, "GetObject"));
  });

  test("an ETag or the id of an upload that repeats a secret is none", () => {
    for (const secret of SECRETS) {
      expect(knownEtag(`"${secret}"`)).toBeNull();
      expect(knownId(`2~${secret}`)).toBeNull();
      expect(
        parseInitiate(
          `<InitiateMultipartUploadResult><UploadId>${secret}</UploadId></InitiateMultipartUploadResult>`,
        ),
      ).toBeNull();
    }
    expect(knownEtag('"781e5e245d69b566979b86e28d23f2c7"')).not.toBeNull();
    expect(knownId("VXBsb2FkIElE")).toBe("VXBsb2FkIElE");
  });
});

test("no code of a store can be one of the mesh's own, nor the other way round", () => {
  for (const code of [
    "cancelled",
    "platform_limit",
    "source_made_up",
    "store_misconfigured",
    "constructor",
    "http_502",
  ])
    expect(parseError(`<Error><Code>${code}</Code><Message>x</Message></Error>`), code).toBeNull();
});

test("what is shown as JSON or as text has no raw control, and is still the same to a parser", () => {
  const value = { key: "a\u0085\u009b\u202e\u2066\ufeff\u007fb", n: 1 };
  expect(toJson(value)).toBe(String.raw`{"key":"a\u0085\u009b\u202e\u2066\ufeff\u007fb","n":1}`);
  expect(JSON.parse(toJson(value, 2))).toEqual(value);
  expect(plainText("one\u001b[2J\r\ntwo\u009b")).toBe("one\\u001b[2J\\u000d\ntwo\\u009b");
});
