// What src/s3 puts on the wire, in Node: `fetch` is replaced by one that parses its URL by the same
// rules and then sends exactly that request line, so that thousands of keys and published signatures can be
// tried in no time.

import { request } from "node:http";
import { afterAll, afterEach, expect, test, vi } from "vitest";
import { startStore } from "../../store/store.ts";
import { seededRandom } from "./fidelity.ts";

// The module is written for the types of Workers, which these tests do not have.
const path = new URL("../../../src/s3/s3.ts", import.meta.url).href;
const reads = new URL("../../../src/s3/read.ts", import.meta.url).href;
const requests = new URL("../../../src/s3/request.ts", import.meta.url).href;
const s3 = { ...(await import(path)), ...(await import(reads)), ...(await import(requests)) } as {
  connect(store: object, userAgent: string): unknown;
  putObject(s3: unknown, address: Address, request: object): Promise<{ etag: string }>;
  getObject(s3: unknown, address: Address, request: object): Promise<Response>;
};
const { send } = (await import(requests)) as {
  send(s3: unknown, operation: string, address: object, request: object): Promise<Response>;
};

interface Address {
  readonly bucket: string;
  readonly key: string;
}

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

/** A `fetch` that takes every host for this machine. */
async function fetchHere(url: string, init: RequestInit): Promise<Response> {
  const { host, port, pathname, search } = new URL(url);
  const { promise, resolve, reject } = Promise.withResolvers<Response>();
  const outgoing = request(
    {
      host: "127.0.0.1",
      port,
      path: pathname + search,
      method: init.method ?? "GET",
      headers: { ...Object.fromEntries(new Headers(init.headers)), host },
    },
    (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () =>
        resolve(
          new Response(Buffer.concat(chunks), {
            status: response.statusCode ?? 0,
            headers: Object.entries(response.headers).map(([name, value]): [string, string] => [
              name,
              String(value),
            ]),
          }),
        ),
      );
    },
  );
  outgoing.on("error", reject);
  outgoing.end(init.body);
  return await promise;
}

const profile = { signedPath: "decoded", checksumMode: false };
const store = await startStore({ buckets: ["bucket", "other"], canonicalQuery: "raw" });
const raw = await startStore({ buckets: ["bucket", "other"], canonicalQuery: "raw", canonicalPath: "raw" });
afterAll(async () => {
  await Promise.all([store.stop(), raw.stop()]);
});

function connections(to: typeof store, signedPath: "decoded" | "raw") {
  const base = {
    name: "s",
    provider: "other",
    region: to.region,
    ...to.credentials,
    profile: { ...profile, signedPath },
  };
  return {
    path: s3.connect({ ...base, endpoint: to.endpoint, style: "path" }, "test"),
    virtual: s3.connect({ ...base, endpoint: to.virtualEndpoint, style: "virtual" }, "test"),
  };
}

function anyKeys(count: number, seed: number): string[] {
  const random = seededRandom(seed);
  const keys = new Set<string>();
  while (keys.size < count) {
    const ascii = random() < 0.7;
    const most = ascii ? 0x80 : 0x110000;
    const length = 1 + Math.floor(random() * (random() < 0.02 ? 1000 : 9));
    let key = "";
    while (key.length < length) {
      const code = Math.floor(random() * most);
      const draw = random();
      if (draw < 0.2) key += "/";
      else if (draw < 0.4) key += ".";
      else if (code < 0xd800 || code > 0xdfff) key += String.fromCodePoint(code);
    }
    if (Buffer.byteLength(key) <= 1024) keys.add(key);
  }
  return [...keys];
}

test.for([
  ["decodes the path", store, "decoded"],
  ["takes the path as it came", raw, "raw"],
] as const)(
  "400 keys, written in one style and read in the other, at a verifier that %s",
  async ([, to, signedPath]) => {
    vi.stubGlobal("fetch", fetchHere);
    const { path: byPath, virtual } = connections(to, signedPath);
    const keys = anyKeys(400, 7);
    const signal = new AbortController().signal;
    const rest = keys.entries();
    const work = async () => {
      for (const [index, key] of rest) {
        const isBare = key === "." || key === "..";
        const [writer, reader] = index % 2 === 0 || isBare ? [byPath, virtual] : [virtual, byPath];
        const body = Buffer.from(key);
        const { etag } = await s3.putObject(writer, { bucket: "bucket", key }, { body, headers: {}, signal });
        if (isBare) continue;
        const answer = await s3.getObject(
          reader,
          { bucket: "bucket", key },
          { range: null, ifMatch: etag, signal },
        );
        expect(Buffer.from(await answer.arrayBuffer()).equals(body)).toBe(true);
      }
    };
    await Promise.all(Array.from({ length: 16 }, work));
    expect(
      to
        .objects("bucket")
        .map(({ key }) => key)
        .toSorted(),
    ).toEqual(keys.toSorted());
    expect(to.objects("other")).toEqual([]);
    expect(to.requests().filter(({ status }) => status !== 200)).toEqual([]);
    expect(new Set(to.requests().map(({ bucket }) => bucket))).toEqual(new Set(["bucket"]));
  },
);

test("values of a query are signed as they are sent, whatever is in them", async () => {
  vi.stubGlobal("fetch", fetchHere);
  for (const to of [store, raw]) {
    to.journal.clear();
    const { path: byPath, virtual } = connections(to, to === raw ? "raw" : "decoded");
    const values = ["2~XlNd+M+261dHJobVe9J/iszJktw==", "a!'()*b %~#?&=;,:@$[]{}|^`\\\"<>\r\n\t", "日本 😀"];
    for (const uploadId of values) {
      for (const connection of [byPath, virtual]) {
        const sent = send(
          connection,
          "ListParts",
          { bucket: "bucket", key: "k" },
          { method: "GET", query: { uploadId } },
        );
        await expect(sent).rejects.toMatchObject({ code: "NoSuchUpload" });
      }
    }
    expect(to.requests().map(({ uploadId }) => uploadId)).toEqual(values.flatMap((value) => [value, value]));
  }
});

// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html, "Examples: Signature
// calculations". The first of them signs Range, which the signer never does.
const published = [
  {
    name: "PUT Object",
    key: "test$file.text",
    request: {
      method: "PUT",
      headers: { date: "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY" },
      body: new TextEncoder().encode("Welcome to Amazon S3."),
    },
    signedHeaders: "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
    signature: "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
  },
  {
    name: "GET Bucket Lifecycle",
    key: null,
    request: { method: "GET", query: { lifecycle: "" } },
    signedHeaders: "host;x-amz-content-sha256;x-amz-date",
    signature: "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
  },
  {
    name: "GET Bucket (List Objects)",
    key: null,
    request: { method: "GET", query: { "max-keys": 2, prefix: "J" } },
    signedHeaders: "host;x-amz-content-sha256;x-amz-date",
    signature: "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
  },
] as const;

test.for(published)(
  "$name is signed as Amazon's own example",
  async ({ key, request: asked, signedHeaders, signature }) => {
    vi.useFakeTimers({ now: Date.UTC(2013, 4, 24), toFake: ["Date"] });
    let authorization: string | null = null;
    vi.stubGlobal("fetch", async (_url: string, init: RequestInit) => {
      authorization = new Headers(init.headers).get("authorization");
      return new Response("");
    });
    const amazon = s3.connect(
      {
        name: "amazon",
        provider: "aws",
        endpoint: "https://s3.amazonaws.com",
        style: "virtual",
        region: "us-east-1",
        accessKeyId: "AKIAIOSFODNN7EXAMPLE",
        secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        profile,
      },
      "test",
    );
    await send(amazon, "Example", { bucket: "examplebucket", key }, asked);
    expect(authorization).toBe(
      "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, " +
        `SignedHeaders=${signedHeaders}, Signature=${signature}`,
    );
  },
);

test("a bucket with dots is addressed by path over https and may stand in the host over http", async () => {
  const urls: string[] = [];
  vi.stubGlobal("fetch", async (url: string) => {
    urls.push(url);
    return new Response("");
  });
  for (const endpoint of ["https://s3.example.com:9000", "http://s3.example.com:9000"]) {
    const base = {
      name: "s",
      provider: "other",
      region: "r",
      accessKeyId: "a",
      secretAccessKey: "s",
      profile,
    };
    const to = s3.connect({ ...base, endpoint, style: "virtual" }, "test");
    for (const bucket of ["my.dotted.bucket", "plain"])
      await send(to, "HeadObject", { bucket, key: "k" }, { method: "HEAD" });
  }
  expect(urls).toEqual([
    "https://s3.example.com:9000/my.dotted.bucket/k",
    "https://plain.s3.example.com:9000/k",
    "http://my.dotted.bucket.s3.example.com:9000/k",
    "http://plain.s3.example.com:9000/k",
  ]);
});

test.for([
  ["https://s3.amazonaws.com", "https://s3.eu-central-1.amazonaws.com/b/k"],
  ["https://s3.us-west-2.amazonaws.com", "https://s3.eu-central-1.amazonaws.com/b/k"],
  ["https://s3-us-west-2.amazonaws.com", "https://s3.eu-central-1.amazonaws.com/b/k"],
  ["https://s3.cn-north-1.amazonaws.com.cn", "https://s3.eu-central-1.amazonaws.com.cn/b/k"],
  ["https://minio.example.com", "https://minio.example.com/b/k"],
  ["https://s3.amazonaws.com.example.com", "https://s3.amazonaws.com.example.com/b/k"],
])("a region learned at %s is asked for at %s", async ([endpoint, expected]) => {
  const urls: string[] = [];
  vi.stubGlobal("fetch", async (url: string) => {
    urls.push(url);
    const headers = { "x-amz-bucket-region": "eu-central-1", location: "https://elsewhere.example.com/b/k" };
    return urls.length === 1 ? new Response(null, { status: 301, headers }) : new Response("");
  });
  const base = {
    name: "s",
    provider: "aws",
    region: "us-west-2",
    accessKeyId: "a",
    secretAccessKey: "s",
    profile,
  };
  const to = s3.connect({ ...base, endpoint, style: "path" }, "test");
  await send(to, "HeadObject", { bucket: "b", key: "k" }, { method: "HEAD" });
  expect(urls).toEqual([`${endpoint}/b/k`, expected]);
});

test.for(["evil.example.com/", "..", "a b", "@evil", ""])(
  "a region called %j is not believed",
  async (region) => {
    const urls: string[] = [];
    vi.stubGlobal("fetch", async (url: string) => {
      urls.push(url);
      return new Response(null, { status: 301, headers: { "x-amz-bucket-region": region } });
    });
    const base = {
      name: "s",
      provider: "aws",
      region: "us-west-2",
      accessKeyId: "a",
      secretAccessKey: "s",
      profile,
    };
    const to = s3.connect({ ...base, endpoint: "https://s3.amazonaws.com", style: "path" }, "test");
    const refused = send(to, "HeadObject", { bucket: "unbelieved", key: "k" }, { method: "HEAD" });
    await expect(refused).rejects.toThrow(/set the bucket's region for store "s"/);
    expect(urls).toHaveLength(1);
  },
);
