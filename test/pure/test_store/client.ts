/**
 * A bare S3 client for testing the store: signs with aws4fetch, sends over Node's own HTTP client.
 *
 * Paths and queries are written by the test, encoded, and go out exactly so: `node:http` rewrites nothing,
 * where `fetch` would normalise them. The signer is one this project did not write. Nothing is retried or
 * followed.
 */
import { AwsV4Signer } from "aws4fetch";
import { Agent, request as httpRequest, type IncomingHttpHeaders } from "node:http";
import type { Credentials, TestStore } from "../../store/store.ts";

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: Buffer;
  readonly text: string;
  /** The `<Code>` of an error document. */
  readonly code: string | undefined;
}

interface CallOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** Headers that are sent and not signed. */
  readonly unsigned?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  readonly credentials?: Credentials;
  readonly region?: string;
  /** Signing time, `YYYYMMDDTHHMMSSZ`. */
  readonly datetime?: string;
  readonly host?: string;
  /** Sign this instead of the path that is sent. */
  readonly signedPath?: string;
}

/** Signed headers for a request to `store`. */
export async function signedHeaders(
  store: TestStore,
  method: string,
  path: string,
  options: CallOptions = {},
): Promise<Record<string, string>> {
  const { accessKeyId, secretAccessKey, sessionToken } = options.credentials ?? store.credentials;
  const signer = new AwsV4Signer({
    method,
    url: `http://${options.host ?? new URL(store.endpoint).host}${options.signedPath ?? path}`,
    headers: { ...options.headers },
    accessKeyId,
    secretAccessKey,
    ...(sessionToken === undefined ? {} : { sessionToken }),
    ...(options.datetime === undefined ? {} : { datetime: options.datetime }),
    service: "s3",
    region: options.region ?? store.region,
  });
  const { headers } = await signer.sign();
  return Object.fromEntries(headers);
}

const agent = new Agent({ keepAlive: true });

/** Sends one signed request. @throws Error when the connection breaks before the answer has ended. */
export async function call(
  store: TestStore,
  method: string,
  path: string,
  options: CallOptions = {},
): Promise<Answer> {
  const headers = await signedHeaders(store, method, path, options);
  return send(store, method, path, { ...headers, ...options.unsigned }, options.body, options.host);
}

/** Sends one request as it is. */
export async function send(
  store: TestStore,
  method: string,
  path: string,
  headers: Readonly<Record<string, string>>,
  body?: string | Buffer,
  host?: string,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(
      {
        agent,
        host: "127.0.0.1",
        port: store.port,
        method,
        path,
        setHost: false,
        headers: {
          host: host ?? new URL(store.endpoint).host,
          ...(headers["transfer-encoding"] === undefined && body !== undefined
            ? { "content-length": String(Buffer.byteLength(body)) }
            : {}),
          ...headers,
        },
      },
      (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
        incoming.on("error", reject);
        incoming.on("end", () => {
          const bytes = Buffer.concat(chunks);
          const text = bytes.toString();
          resolve({
            status: incoming.statusCode ?? 0,
            headers: incoming.headers,
            bytes,
            text,
            code: /<Error>.*<Code>([^<]*)</s.exec(text)?.[1],
          });
        });
      },
    );
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

/** The text of the first element called `name`, entities left alone. */
export function tagText(xml: string, name: string): string | undefined {
  return new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1];
}

/** The texts of all elements called `name`. */
export function tagTexts(xml: string, name: string): string[] {
  return Array.from(xml.matchAll(new RegExp(`<${name}>([^<]*)</${name}>`, "g")), (match) => match[1] ?? "");
}

/** Begins an upload and returns its id. */
export async function createUpload(
  store: TestStore,
  path: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<string> {
  const answer = await call(store, "POST", `${path}?uploads=`, { headers });
  const id = tagText(answer.text, "UploadId");
  if (id === undefined) throw new Error(`no upload id: ${answer.status} ${answer.text}`);
  return id;
}

/** Query string naming a part of an upload. */
export function partQuery(uploadId: string, partNumber: number): string {
  return `?partNumber=${partNumber}&uploadId=${encodeURIComponent(uploadId)}`;
}

/** Uploads one part and returns its ETag as answered. */
export async function putPart(
  store: TestStore,
  path: string,
  uploadId: string,
  partNumber: number,
  body: string | Buffer,
  headers: Readonly<Record<string, string>> = {},
): Promise<string> {
  const answer = await call(store, "PUT", path + partQuery(uploadId, partNumber), { body, headers });
  if (answer.status !== 200) throw new Error(`part ${partNumber}: ${answer.status} ${answer.text}`);
  return answer.headers.etag ?? "";
}

/** Body of CompleteMultipartUpload. */
function completeXml(parts: readonly (readonly [partNumber: number, etag: string])[]): string {
  const list = parts.map(
    ([n, etag]) => `<Part><PartNumber>${n}</PartNumber><ETag>${etag.replaceAll('"', "&quot;")}</ETag></Part>`,
  );
  return `<CompleteMultipartUpload>${list.join("")}</CompleteMultipartUpload>`;
}

export async function complete(
  store: TestStore,
  path: string,
  uploadId: string,
  parts: readonly (readonly [partNumber: number, etag: string])[],
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const query = `?uploadId=${encodeURIComponent(uploadId)}`;
  return call(store, "POST", path + query, { body: completeXml(parts), headers });
}
