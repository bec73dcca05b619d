// Most tests of this project believe about S3 what the test store does. Here the same client sends the same
// requests to the test store and to each server of others, and the answers must agree in everything that the
// mesh relies on. Where they may differ, DIFFERENCES has the answers of each.

import { createHash } from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import { type CurlRequest, type Reply, attemptApi, curl } from "./clients.ts";
import { completeBody, uploadIdOf } from "./multipart.ts";
import type { Facts, StoreAccess } from "./stores.ts";
import { MIB, stores } from "./world.ts";

const FOLDER = "conformance/";
const PART = "p".repeat(5 * MIB);
const TEN = "0123456789";
const TEN_ETAG = `"${createHash("md5").update(TEN).digest("hex")}"`;

/** One store, with the questions asked of it. Every answer is put in words that do not name the store. */
class Asked {
  readonly store: StoreAccess;

  constructor(store: StoreAccess) {
    this.store = store;
  }

  async send(method: string, name: string, more: Partial<CurlRequest> = {}): Promise<Reply> {
    return await curl(this.store, { method, name: name === "" ? "" : FOLDER + name, ...more });
  }

  async put(name: string, body: string, headers: readonly string[] = []): Promise<Reply> {
    return await this.send("PUT", name, { body, headers });
  }

  async begin(name: string): Promise<string> {
    return uploadIdOf(await this.send("POST", name, { query: "uploads=" }));
  }

  async part(name: string, id: string, number: number, body: string): Promise<Reply> {
    return await this.send("PUT", name, { query: `partNumber=${number}&uploadId=${id}`, body });
  }

  async complete(name: string, id: string, body: string): Promise<Reply> {
    return await this.send("POST", name, { query: `uploadId=${id}`, body });
  }

  /** An upload of two parts, not completed. */
  async upload(name: string): Promise<{ id: string; etags: string[] }> {
    const id = await this.begin(name);
    const replies = [await this.part(name, id, 1, PART), await this.part(name, id, 2, "last")];
    return { id, etags: replies.map(({ headers }) => headers.get("etag") ?? "") };
  }
}

/** The status, and S3's code if there is one. */
function said({ status, text }: Reply): string {
  const code = /<Code>(\w+)<\/Code>/.exec(text)?.[1];
  return code === undefined ? String(status) : `${status} ${code}`;
}

function md5(text: string): Buffer {
  return createHash("md5").update(text).digest();
}

/** The names in a listing that was requested with `encoding-type=url`. */
const keysOf = ({ text }: Reply) =>
  [...text.matchAll(/<Key>([^<]*)<\/Key>/g)].map(([, key]) =>
    decodeURIComponent((key ?? "").replaceAll("+", " "))
      .split(FOLDER)
      .at(-1),
  );

type Question = (asked: Asked) => Promise<unknown>;

const QUESTIONS: Readonly<Record<string, Question>> = {
  "an ETag is the quoted MD5 of the bytes": async (asked) => {
    const { headers } = await asked.put("ten", "0123456789");
    return headers.get("etag") === `"${md5("0123456789").toString("hex")}"`;
  },
  "HEAD tells the same ETag, the length, and that ranges are taken": async (asked) => {
    const { status, headers } = await asked.send("HEAD", "ten");
    const names = ["etag", "content-length", "accept-ranges"];
    return [status, ...names.map((name) => headers.get(name))];
  },
  "a range is answered with 206 and its place": async (asked) => {
    const { status, headers, text } = await asked.send("GET", "ten", { headers: ["range: bytes=2-4"] });
    return [status, headers.get("content-range"), headers.get("content-length"), text];
  },
  "a range that goes beyond the end is cut": async (asked) => {
    const { status, headers, text } = await asked.send("GET", "ten", { headers: ["range: bytes=8-99"] });
    return [status, headers.get("content-range"), text];
  },
  "a range behind the end is refused": async (asked) =>
    said(await asked.send("GET", "ten", { headers: ["range: bytes=10-"] })),
  "a range of another object than the one meant is refused": async (asked) =>
    said(await asked.send("GET", "ten", { headers: ["range: bytes=0-1", 'if-match: "other"'] })),
  "the object that is meant is given": async (asked) => {
    const condition = `if-match: "${md5("0123456789").toString("hex")}"`;
    return said(await asked.send("GET", "ten", { headers: [condition] }));
  },
  "what is not there is not found by GET": async (asked) => said(await asked.send("GET", "none")),
  "what is not there is not found by HEAD": async (asked) => said(await asked.send("HEAD", "none")),
  "a bucket that is not there is named": async (asked) => {
    const elsewhere = { ...asked.store, bucket: "no-such-bucket" };
    return said(await curl(elsewhere, { method: "GET", name: "none" }));
  },
  "bytes that do not fit their Content-MD5 are refused": async (asked) => {
    const refused = await asked.put("spoilt", "spoilt", [`content-md5: ${md5("x").toString("base64")}`]);
    return [said(refused), (await asked.send("HEAD", "spoilt")).status];
  },
  "If-None-Match: * keeps what is there": async (asked) => {
    const refused = await asked.put("ten", "another", ["if-none-match: *"]);
    return [said(refused), (await asked.send("GET", "ten")).text];
  },
  "an empty object has a length and an ETag": async (asked) => {
    const { headers } = await asked.put("empty", "");
    return [headers.get("etag"), (await asked.send("HEAD", "empty")).headers.get("content-length")];
  },
  "metadata and headers come back": async (asked) => {
    const sent = [
      "x-amz-meta-Owner: ada",
      "cache-control: no-store",
      "content-type: text/x",
      "content-language: de",
    ];
    await asked.put("described", "x", [...sent, "content-encoding: gzip"]);
    const { headers } = await asked.send("HEAD", "described");
    const names = [
      "x-amz-meta-owner",
      "cache-control",
      "content-type",
      "content-language",
      "content-encoding",
    ];
    return names.map((name) => headers.get(name));
  },
  "a metadata name with an underscore comes back": async (asked) => {
    await asked.put("underscore", "x", ["x-amz-meta-a_b: 1"]);
    return (await asked.send("HEAD", "underscore")).headers.get("x-amz-meta-a_b");
  },
  "tags come back": async (asked) => {
    await asked.put("tagged", "x", ["x-amz-tagging: k=v%201"]);
    const { text } = await asked.send("GET", "tagged", { query: "tagging=" });
    return /<Key>(.*?)<\/Key>\s*<Value>(.*?)<\/Value>/.exec(text)?.slice(1);
  },
  "GET says how many tags there are": async (asked) =>
    (await asked.send("GET", "tagged")).headers.get("x-amz-tagging-count"),
  "deleting what is not there succeeds": async (asked) => said(await asked.send("DELETE", "none")),
  "deleting another object than the one meant is refused": async (asked) => {
    await asked.put("kept", "x");
    const reply = await asked.send("DELETE", "kept", { headers: ['if-match: "other"'] });
    return [said(reply), (await asked.send("HEAD", "kept")).status];
  },
  "DeleteObjects deletes what it lists, there or not": async (asked) => {
    await asked.put("many", "x");
    const keys = ["many", "none"].map((name) => asked.store.prefix + FOLDER + name);
    const body = `<Delete>${keys.map((key) => `<Object><Key>${key}</Key></Object>`).join("")}</Delete>`;
    const headers = [`content-md5: ${md5(body).toString("base64")}`];
    const { status, text } = await asked.send("POST", "", { query: "delete=", body, headers });
    return [status, [...text.matchAll(/<Deleted>/g)].length, (await asked.send("HEAD", "many")).status];
  },
  "a multipart ETag is the MD5 of the parts' MD5s and their number": async (asked) => {
    const { id, etags } = await asked.upload("parts");
    const parts = [PART, "last"].map(md5);
    const { status } = await asked.complete("parts", id, completeBody(etags));
    const { headers } = await asked.send("HEAD", "parts");
    return [
      status,
      etags.map((etag, index) => etag === `"${parts[index]?.toString("hex")}"`),
      headers.get("etag") === `"${createHash("md5").update(Buffer.concat(parts)).digest("hex")}-2"`,
      headers.get("content-length"),
    ];
  },
  "HEAD with a part's number tells the part": async (asked) => {
    const { status, headers } = await asked.send("HEAD", "parts", { query: "partNumber=1" });
    return [status, headers.get("content-length"), headers.get("x-amz-mp-parts-count")];
  },
  "a second Complete of the same upload": async (asked) => {
    const { id, etags } = await asked.upload("twice");
    const first = await asked.complete("twice", id, completeBody(etags));
    return [said(first), said(await asked.complete("twice", id, completeBody(etags)))];
  },
  "Complete tells the ETag": async (asked) => {
    const { id, etags } = await asked.upload("told");
    const { text } = await asked.complete("told", id, completeBody(etags));
    return /<ETag>(?:"|&quot;|&#34;)?[0-9a-f]{32}-2/.test(text);
  },
  "a Complete that names a part with another ETag is refused": async (asked) => {
    const { id, etags } = await asked.upload("wrong");
    const refused = await asked.complete("wrong", id, completeBody([...etags].toReversed()));
    await asked.send("DELETE", "wrong", { query: `uploadId=${id}` });
    return [said(refused), (await asked.send("HEAD", "wrong")).status];
  },
  "a part but the last that is too small is refused at Complete": async (asked) => {
    const id = await asked.begin("small");
    const etags: string[] = [];
    for (const number of [1, 2]) {
      etags.push((await asked.part("small", id, number, "tiny")).headers.get("etag") ?? "");
    }
    const refused = await asked.complete("small", id, completeBody(etags));
    await asked.send("DELETE", "small", { query: `uploadId=${id}` });
    return said(refused);
  },
  "an upload may leave out part numbers": async (asked) => {
    const id = await asked.begin("gaps");
    const first = (await asked.part("gaps", id, 2, PART)).headers.get("etag") ?? "";
    const last = (await asked.part("gaps", id, 7, "last")).headers.get("etag") ?? "";
    const parts = completeBody([first, last]).replace(">2<", ">7<").replace(">1<", ">2<");
    return said(await asked.complete("gaps", id, parts));
  },
  "a part that is sent again replaces the first": async (asked) => {
    const id = await asked.begin("again");
    await asked.part("again", id, 1, "first");
    const etag = (await asked.part("again", id, 1, "second")).headers.get("etag") ?? "";
    await asked.complete("again", id, completeBody([etag]));
    return (await asked.send("GET", "again")).text;
  },
  "ListParts tells number, size and ETag of each": async (asked) => {
    const { id } = await asked.upload("listed");
    const { text } = await asked.send("GET", "listed", { query: `uploadId=${id}` });
    await asked.send("DELETE", "listed", { query: `uploadId=${id}` });
    const tell = (name: string) =>
      [
        ...text.matchAll(new RegExp(`<${name}>(?:"|&quot;|&#34;)?(.*?)(?:"|&quot;|&#34;)?</${name}>`, "g")),
      ].map(([, value]) => value);
    return [tell("PartNumber"), tell("Size"), tell("ETag")];
  },
  "an upload that is aborted is gone": async (asked) => {
    const { id } = await asked.upload("aborted");
    const abort = async () => (await asked.send("DELETE", "aborted", { query: `uploadId=${id}` })).status;
    const first = await abort();
    const listed = await asked.send("GET", "aborted", { query: `uploadId=${id}` });
    const sent = await asked.part("aborted", id, 3, "x");
    return [first, listed.status, sent.status];
  },
  "a Complete of an upload that is aborted": async (asked) => {
    const { id, etags } = await asked.upload("over");
    await asked.send("DELETE", "over", { query: `uploadId=${id}` });
    return said(await asked.complete("over", id, completeBody(etags)));
  },
  "aborting what is gone": async (asked) =>
    (await asked.send("DELETE", "none", { query: "uploadId=2~none" })).status,
  "an upload that nobody has begun is named at UploadPart": async (asked) =>
    said(await asked.part("none", "2~none", 1, "x")),
  "listings are in the order of bytes, and encoded when asked": async (asked) => {
    const names = ["list/a b", "list/a+b", "list/a&b", "list/%41", "list/é", "list/Ｚ", "list/😀", "list/~"];
    for (const name of names) await asked.put(name, "x");
    const prefix = encodeURIComponent(`${asked.store.prefix}${FOLDER}list/`);
    return keysOf(await asked.send("GET", "", { query: `encoding-type=url&list-type=2&prefix=${prefix}` }));
  },
  "a listing goes on where a page ended": async (asked) => {
    const prefix = encodeURIComponent(`${asked.store.prefix}${FOLDER}list/`);
    const query = `encoding-type=url&list-type=2&max-keys=3&prefix=${prefix}`;
    const first = await asked.send("GET", "", { query });
    const token = /<NextContinuationToken>(.*?)<\/NextContinuationToken>/.exec(first.text)?.[1] ?? "";
    const next = `continuation-token=${encodeURIComponent(decodeURIComponent(token.replaceAll("&amp;", "&")))}&${query}`;
    return [keysOf(first), keysOf(await asked.send("GET", "", { query: next }))];
  },
  "a listing begins behind a key": async (asked) => {
    const prefix = `${asked.store.prefix}${FOLDER}list/`;
    const after = encodeURIComponent(`${prefix}a+b`);
    const query = `encoding-type=url&list-type=2&prefix=${encodeURIComponent(prefix)}&start-after=${after}`;
    return keysOf(await asked.send("GET", "", { query }));
  },
  "a body without a length is refused or taken": async (asked) => {
    const reply = await asked.put("chunked", "x", ["transfer-encoding: chunked"]);
    return said(reply);
  },
  "a wrong secret is refused": async ({ store }) =>
    said(await curl({ ...store, secretAccessKey: "wrong" }, { method: "GET", name: `${FOLDER}ten` })),
  "an unknown access key is refused": async ({ store }) =>
    said(await curl({ ...store, accessKeyId: "UNKNOWN" }, { method: "GET", name: `${FOLDER}ten` })),
  "a copy of another object than the one meant is refused": async ({ store }) => {
    const source = ["--copy-source", `${store.bucket}/${store.prefix}${FOLDER}ten`];
    const condition = ["--copy-source-if-match", "other"];
    const { exitCode, stderr } = await attemptApi(
      store,
      "copy-object",
      `${FOLDER}copied`,
      ...source,
      ...condition,
    );
    return [exitCode === 0, /\((\w+)\)/.exec(stderr)?.[1]];
  },
};

/** What the test store answers, which does as AWS does, and what the others answer that do not. */
const DIFFERENCES: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  "HEAD tells the same ETag, the length, and that ranges are taken": {
    swift: [200, TEN_ETAG, "10", null],
    test: [200, TEN_ETAG, "10", "bytes"],
  },
  "If-None-Match: * keeps what is there": {
    swift: ["501 NotImplemented", TEN],
    test: ["412 PreconditionFailed", TEN],
  },
  "a metadata name with an underscore comes back": { ceph: null, test: "1" },
  "tags come back": { swift: undefined, test: ["k", "v 1"] },
  "GET says how many tags there are": { swift: null, test: "1" },
  "deleting another object than the one meant is refused": {
    ceph: ["204", 404],
    test: ["412 PreconditionFailed", 200],
  },
  "HEAD with a part's number tells the part": {
    ceph: [200, String(PART.length + 4), null],
    swift: [405, null, null],
    test: [206, String(PART.length), "2"],
  },
  "Complete tells the ETag": { ceph: false, test: true },
  "a Complete of an upload that is aborted": { ceph: "500 InternalError", test: "404 NoSuchUpload" },
  "a body without a length is refused or taken": { swift: "200", test: "411 MissingContentLength" },
  "an unknown access key is refused": {
    swift: "403 SignatureDoesNotMatch",
    test: "403 InvalidAccessKeyId",
  },
  "a copy of another object than the one meant is refused": {
    ceph: [true, undefined],
    test: [false, "PreconditionFailed"],
  },
};

const testStore = stores.find(({ name }) => name === "test");
/** The servers that others have written. Not a user's own: what it may answer is not known here. */
const OTHERS = stores.filter(({ name }) => name === "ceph" || name === "swift");

describe.each(testStore === undefined ? [] : OTHERS)("the test store beside $title", (other) => {
  const answers = new Map<string, Readonly<Record<string, unknown>>>();

  beforeAll(async () => {
    const [left, right] = [new Asked(other), new Asked(testStore ?? other)];
    // In this order: a question may ask about the object of one before.
    for (const [name, question] of Object.entries(QUESTIONS)) {
      const [theirs, ours] = await Promise.all([question(left), question(right)]);
      answers.set(name, { [other.name]: theirs, test: ours });
    }
  }, 400_000);

  test.each(Object.keys(QUESTIONS))("%s", (name) => {
    const answer = answers.get(name) ?? {};
    const known = DIFFERENCES[name] ?? { test: answer["test"] };
    const theirs = other.name in known ? known[other.name] : known["test"];
    expect(answer).toEqual({ test: known["test"], [other.name]: theirs });
  });
});

describe("what each store can do, as the table of pairs supposes", () => {
  const FACTS: Readonly<Record<string, Facts>> = {
    ceph: {
      conditionalPut: true,
      tags: true,
      listsParts: true,
      listsUploads: true,
      tellsParts: false,
      unequalParts: true,
      copiesInside: true,
      copiesPartsInside: true,
    },
    swift: {
      conditionalPut: false,
      tags: false,
      listsParts: true,
      listsUploads: true,
      tellsParts: false,
      unequalParts: true,
      copiesInside: true,
      copiesPartsInside: false,
    },
    r2: {
      conditionalPut: true,
      tags: false,
      listsParts: false,
      listsUploads: false,
      tellsParts: false,
      unequalParts: false,
      copiesInside: true,
      copiesPartsInside: false,
    },
    test: {
      conditionalPut: true,
      tags: true,
      listsParts: true,
      listsUploads: true,
      tellsParts: true,
      unequalParts: true,
      copiesInside: true,
      copiesPartsInside: true,
    },
  };

  test.each(stores.filter(({ name }) => FACTS[name] !== undefined))("$title", ({ name, facts }) => {
    expect(facts).toEqual(FACTS[name]);
  });
});
