// The check of a store of kind https. It has no listing and takes no object, so one key that it serves is
// asked, by GETs of a byte. What that shows holds for the key: another may be served by other
// rules.
//
// What it needs: a configured store, and a key. It sends at most eight requests and writes nothing.
//
// Invariant: a finding states what an answer showed, and names what no answer can show.

import type { CheckResult } from "./check.ts";
import { Findings } from "./findings.ts";
import { S3Error } from "../s3/errors.ts";
import { type SizedHead, getObject, headObject } from "../s3/read.ts";
import type { ObjectAddress, S3 } from "../s3/request.ts";
import { isUnreachable } from "../s3/retry.ts";
import { rangeHeader } from "../s3/url.ts";
import { etagOf, sizeOf } from "../s3/value.ts";
import { timeOfTag } from "../s3/web.ts";

const CALL_LIMIT_MS = 60_000;

/** Another version than any that a server has: its ETag, and a time before all that count as known. */
const OTHER_VERSION = {
  etag: '"00000000000000000000000000000000"',
  time: '"last-modified-1979-01-01T00:00:00Z"',
};

export async function checkServer(s3: S3, address: ObjectAddress): Promise<CheckResult> {
  const findings = new Findings(s3.store.name);
  const { head, reached } = await askFile(s3, address, findings);
  if (head !== null) {
    const etag = etagOf(head.headers) ?? "";
    askValidator(etag, findings);
    await findings.attempt("range", async () => await askRange(s3, address, etag, sizeOf(head.headers)));
    await findings.attempt("condition", async () => await askCondition(s3, address, etag));
    const coding = head.headers.get("content-encoding");
    findings.found(
      "encoding",
      coding === null ? "yes" : "ignored",
      coding === null
        ? "the bytes come as they are"
        : `without being asked to, the server sends them as ${coding}: so they are copied, with that Content-Encoding`,
    );
  }
  if (findings.outcomeOf("range") === "ignored")
    findings.advise(
      "The server ignores ranges: only what fits one request is copied, and anew after each break",
    );
  findings.found(
    "list",
    "skipped",
    'web servers have no listing: name the keys of a sync with "keys" or "manifest"',
  );
  findings.found(
    "other keys",
    "skipped",
    "what was seen holds for this key; others may be served by other rules",
  );
  const needed = ["get", "validator"];
  return {
    ok: needed.every((check) => findings.outcomeOf(check) === "yes"),
    findings: findings.list(),
    advice: findings.advice(),
    reached,
    facts: findings.facts,
    leftovers: [],
  };
}

async function askFile(
  s3: S3,
  address: ObjectAddress,
  findings: Findings,
): Promise<{ head: SizedHead | null; reached: boolean }> {
  try {
    const head = await headObject(s3, address);
    const sizeBytes = sizeOf(head.headers);
    findings.found(
      "get",
      sizeBytes === null ? "no" : "yes",
      sizeBytes === null
        ? "no answer tells the length, without which nothing is copied"
        : `${sizeBytes} bytes`,
    );
    return { head, reached: true };
  } catch (error) {
    if (!(error instanceof S3Error)) throw error;
    const { code, status, message } = error;
    const advice = adviceOn(s3.store.name, status);
    if (status === null || isUnreachable(error)) findings.refused("get", error);
    else findings.found(code === "source_without_validator" ? "validator" : "get", "refused", message);
    if (advice !== null) findings.advise(advice);
    return { head: null, reached: error.status !== null && !isUnreachable(error) };
  }
}

function adviceOn(name: string, status: number | null): string | null {
  const secret = `STORE_${name.toUpperCase()}`;
  if (status === 401 || status === 403)
    return `The server lets nobody in without more: put what it wants into "headers" or "query" of ${secret}`;
  return status === 404
    ? `There is no such file below the base URL: check the key, and "endpoint" of ${secret}`
    : null;
}

function askValidator(etag: string, findings: Findings): void {
  const isTime = timeOfTag(etag) !== null;
  findings.found(
    "validator",
    "yes",
    isTime
      ? "Last-Modified, and no strong ETag: two changes within one second are one to it"
      : `a strong ETag, ${etag}`,
  );
}

async function askRange(
  s3: S3,
  address: ObjectAddress,
  etag: string,
  sizeBytes: number | null,
): Promise<["yes" | "no" | "ignored" | "skipped", string]> {
  if (sizeBytes === 0) return ["skipped", "an empty file has no range"];
  const { status, headers } = await getAndLeave(s3, address, {
    range: { offset: 0, length: 1 },
    ifMatch: etag,
  });
  const range = headers.get("content-range") ?? "";
  if (status !== 206)
    return [
      "ignored",
      `${rangeHeader(0, 1)} was answered with ${status}: the server sends a file whole, or not at all`,
    ];
  return range === `bytes 0-0/${sizeBytes}`
    ? ["yes", range]
    : ["no", `${rangeHeader(0, 1)} was answered with "${range}"`];
}

async function askCondition(
  s3: S3,
  address: ObjectAddress,
  etag: string,
): Promise<["yes" | "ignored", string]> {
  const isTime = timeOfTag(etag) !== null;
  const name = isTime ? "If-Unmodified-Since" : "If-Match";
  try {
    await getAndLeave(s3, address, {
      range: null,
      ifMatch: isTime ? OTHER_VERSION.time : OTHER_VERSION.etag,
    });
  } catch (error) {
    if (!(error instanceof S3Error) || error.status !== 412) throw error;
    return ["yes", `${name} of another version is refused`];
  }
  return [
    "ignored",
    `${name} of another version was answered with the file: a change shows in the next answer alone`,
  ];
}

async function getAndLeave(
  s3: S3,
  address: ObjectAddress,
  request: { range: { offset: number; length: number } | null; ifMatch: string },
): Promise<Response> {
  const unread = new AbortController();
  const timer = setTimeout(() => unread.abort(), CALL_LIMIT_MS);
  try {
    return await getObject(s3, address, { ...request, signal: unread.signal });
  } finally {
    clearTimeout(timer);
    unread.abort();
  }
}
