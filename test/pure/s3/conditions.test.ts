// Deleting exactly one object: what is asked of the store, and which answers count.

import { afterEach, expect, test, vi } from "vitest";
import { removeExactly } from "../../../src/s3/conditions.ts";
import { connect } from "../../../src/s3/request.ts";
import { findStore } from "../../../src/store/stores.ts";

const secret = JSON.stringify({
  endpoint: "https://store.test",
  region: "us-east-1",
  accessKeyId: "id",
  secretAccessKey: "secret",
});
const STORE = connect(findStore({ STORE_TEST: secret }, "test"), "test");
const ADDRESS = { bucket: "bucket", key: "key" };
const HEAD = { etag: '"e"', "content-length": "1" };

afterEach(() => vi.unstubAllGlobals());

/** Answers each request in turn, the last for ever. @returns what was asked */
function answering(...answers: (() => Response)[]): string[] {
  const asked: string[] = [];
  vi.stubGlobal("fetch", async (url: string, { method = "" }: { method?: string }) => {
    asked.push(`${method} ${new URL(url).search}`.trim());
    return (answers[asked.length - 1] ?? answers.at(-1))?.() ?? Response.error();
  });
  return asked;
}

const shown = (headers: Record<string, string> = {}) =>
  new Response(null, { headers: { ...HEAD, ...headers } });
const deleted = () => new Response(null, { status: 204 });
const missing = () => new Response(null, { status: 404 });

test("of a versioned object that version is deleted, and no delete marker made", async () => {
  const asked = answering(() => shown({ "x-amz-version-id": "v1" }), deleted);
  expect(await removeExactly(STORE, ADDRESS, '"e"')).toBe("removed");
  expect(asked).toEqual(["HEAD", "DELETE ?versionId=v1"]);
});

test("a version that is gone already leaves what is current now alone", async () => {
  const asked = answering(() => shown({ "x-amz-version-id": "v1" }), missing);
  expect(await removeExactly(STORE, ADDRESS, '"e"')).toBe("removed");
  expect(asked).toEqual(["HEAD", "DELETE ?versionId=v1"]);
});

test("a delete that is claimed and not done is an error", async () => {
  answering(shown, () => new Response("<html></html>"), shown);
  await expect(removeExactly(STORE, ADDRESS, '"e"')).rejects.toMatchObject({ code: "bad_answer" });
});

test("a delete that is answered in the store's own way, and done, is one", async () => {
  const asked = answering(shown, () => new Response(""), missing);
  expect(await removeExactly(STORE, ADDRESS, '"e"')).toBe("removed");
  expect(asked.slice(0, 3)).toEqual(["HEAD", "DELETE", "HEAD"]);
});

test("another object is left alone", async () => {
  const asked = answering(() => shown({ etag: '"other"' }));
  expect(await removeExactly(STORE, ADDRESS, '"e"')).toBe("removed");
  expect(asked).toEqual(["HEAD"]);
});
