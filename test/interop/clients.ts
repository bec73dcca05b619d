// Other people's S3 clients: rclone, the AWS CLI, s3cmd and curl. They put what the mesh copies, and report
// what they find at the destination.
//
// What it needs: the programs in CLIENT_PROGRAMS. No setting of this machine reaches them: no profile, no
// configuration file, no bundle of certificates.

import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runAws } from "../clients/resident_aws.ts";
import type { StoreAccess } from "./stores.ts";

export const CLIENT_PROGRAMS = ["aws", "rclone", "s3cmd", "curl"] as const;

interface Outcome {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

const MAX_OUTPUT_BYTES = 64 * 2 ** 20;

/** Of a client. */
export const ownEnvironment = () => ({
  PATH: process.env["PATH"],
  HOME: process.env["HOME"],
  LANG: "C.UTF-8",
});

/** Runs a client until it ends, with whatever result. @throws if it cannot be started */
function run(
  program: Exclude<(typeof CLIENT_PROGRAMS)[number], "aws">,
  args: readonly string[],
  settings: Readonly<Record<string, string>>,
  input: string | Uint8Array = "",
): Promise<Outcome> {
  const env = { ...ownEnvironment(), ...settings };
  return new Promise((resolve, reject) => {
    const child = execFile(program, args, { env, maxBuffer: MAX_OUTPUT_BYTES }, (error, stdout, stderr) => {
      if (error === null) resolve({ exitCode: 0, stdout, stderr });
      else if (typeof error.code === "number") resolve({ exitCode: error.code, stdout, stderr });
      else reject(error);
    });
    // A client that ends before it has read everything reports why itself.
    child.stdin?.on("error", () => {}).end(input);
  });
}

/** The output of a client. @throws if it failed, with its own words */
function printed(what: string, { exitCode, stdout, stderr }: Outcome): string {
  if (exitCode !== 0) throw new Error(`${what} ended with ${exitCode}: ${stderr || stdout}`);
  return stdout;
}

/** A folder for what a test uploads and downloads. */
export class Workshop {
  readonly directory = mkdtempSync(join(tmpdir(), "bucket-brigade-interop-"));

  file(name: string, bytes: Uint8Array | string): string {
    const path = join(this.directory, name);
    writeFileSync(path, bytes);
    return path;
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

// --- aws ---------------------------------------------------------------------------------------------------

interface AwsSettings {
  /** Size of each part but the last. The AWS CLI takes it only from its configuration file. */
  readonly partSizeBytes?: number;
}

export async function attemptAws(
  store: StoreAccess,
  args: readonly string[],
  { partSizeBytes }: AwsSettings = {},
): Promise<Outcome> {
  const directory = partSizeBytes === undefined ? null : mkdtempSync(join(tmpdir(), "bucket-brigade-aws-"));
  const config = directory === null ? "/dev/null" : join(directory, "config");
  if (directory !== null) {
    const sizes = [`multipart_threshold = ${partSizeBytes}`, `multipart_chunksize = ${partSizeBytes}`];
    writeFileSync(config, ["[default]", "s3 =", ...sizes.map((line) => `  ${line}`), ""].join("\n"));
  }
  try {
    const env = {
      ...ownEnvironment(),
      AWS_ACCESS_KEY_ID: store.accessKeyId,
      AWS_SECRET_ACCESS_KEY: store.secretAccessKey,
      AWS_DEFAULT_REGION: store.region,
      AWS_CONFIG_FILE: config,
      AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
      AWS_EC2_METADATA_DISABLED: "true",
      AWS_PAGER: "",
      AWS_MAX_ATTEMPTS: "1",
      // Newer versions add checksums of their own, which many stores do not accept.
      AWS_REQUEST_CHECKSUM_CALCULATION: "when_required",
      AWS_RESPONSE_CHECKSUM_VALIDATION: "when_required",
    };
    return await runAws({ args: ["--endpoint-url", store.endpoint, "--output", "json", ...args], env });
  } finally {
    if (directory !== null) rmSync(directory, { recursive: true });
  }
}

export async function aws(
  store: StoreAccess,
  args: readonly string[],
  settings?: AwsSettings,
): Promise<string> {
  return printed(`aws ${args.slice(0, 2).join(" ")}`, await attemptAws(store, args, settings));
}

/** Runs an `s3api` command on an object of the run. @returns its JSON */
export async function api(
  store: StoreAccess,
  command: string,
  name: string,
  ...args: readonly string[]
): Promise<Record<string, unknown>> {
  return parsed(printed(`aws s3api ${command} ${name}`, await attemptApi(store, command, name, ...args)));
}

export async function attemptApi(
  store: StoreAccess,
  command: string,
  name: string,
  ...args: readonly string[]
): Promise<Outcome> {
  const object = ["--bucket", store.bucket, "--key", store.prefix + name];
  return await attemptAws(store, ["s3api", command, ...object, ...args]);
}

/** `aws s3 cp` of a file to an object of the run. */
export async function awsPut(
  store: StoreAccess,
  path: string,
  name: string,
  { partSizeBytes, args = [] }: AwsSettings & { readonly args?: readonly string[] } = {},
): Promise<void> {
  const url = `s3://${store.bucket}/${store.prefix}${name}`;
  const settings = partSizeBytes === undefined ? {} : { partSizeBytes };
  await aws(store, ["s3", "cp", "--no-progress", path, url, ...args], settings);
}

/** The output of `aws s3api head-object`. */
export interface Head {
  readonly etag: string;
  readonly sizeBytes: number;
  readonly contentType: string | undefined;
  readonly contentEncoding: string | undefined;
  readonly contentLanguage: string | undefined;
  readonly contentDisposition: string | undefined;
  readonly cacheControl: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
}

/** @returns null if there is no such object */
export async function head(store: StoreAccess, name: string): Promise<Head | null> {
  const outcome = await attemptApi(store, "head-object", name);
  if (outcome.exitCode !== 0 && outcome.stderr.includes("(404)")) return null;
  const told = parsed(printed(`aws s3api head-object ${name}`, outcome));
  const text = (field: string) => told[field] as string | undefined;
  return {
    etag: bare(text("ETag") ?? ""),
    sizeBytes: Number(told["ContentLength"]),
    contentType: text("ContentType"),
    contentEncoding: text("ContentEncoding"),
    contentLanguage: text("ContentLanguage"),
    contentDisposition: text("ContentDisposition"),
    cacheControl: text("CacheControl"),
    metadata: told["Metadata"] as Record<string, string>,
  };
}

/** What `aws s3api list-objects-v2` lists of the run's objects below a folder, by their names there. */
export async function listed(
  store: StoreAccess,
  folder: string,
): Promise<Map<string, Pick<Head, "etag" | "sizeBytes">>> {
  const prefix = store.prefix + folder;
  const list = ["s3api", "list-objects-v2", "--bucket", store.bucket, "--prefix", prefix];
  const { Contents: contents = [] } = parsed(await aws(store, list)) as {
    Contents?: { Key: string; ETag: string; Size: number }[];
  };
  return new Map(
    contents.map(({ Key, ETag, Size }) => [Key.slice(prefix.length), { etag: bare(ETag), sizeBytes: Size }]),
  );
}

/** An ETag without its quotes: stores differ in where they write them. */
export function bare(etag: string): string {
  return etag.replaceAll('"', "");
}

function parsed(text: string): Record<string, unknown> {
  return text.trim() === "" ? {} : (JSON.parse(text) as Record<string, unknown>);
}

// --- rclone ------------------------------------------------------------------------------------------------

/** Every store of `stores` is a remote, named in capitals. */
export function rcloneSettings(stores: readonly StoreAccess[]): Readonly<Record<string, string>> {
  const settings: Record<string, string> = { RCLONE_CONFIG: "/dev/null", RCLONE_RETRIES: "1" };
  for (const store of stores) {
    const option = (name: string, value: string) =>
      void (settings[`RCLONE_CONFIG_${store.name.toUpperCase()}_${name}`] = value);
    option("TYPE", "s3");
    option("PROVIDER", store.fields["provider"] === "ceph" ? "Ceph" : "Other");
    option("ENDPOINT", store.endpoint);
    option("REGION", store.region);
    option("ACCESS_KEY_ID", store.accessKeyId);
    option("SECRET_ACCESS_KEY", store.secretAccessKey);
    option("NO_CHECK_BUCKET", "true");
  }
  return settings;
}

async function attemptRclone(stores: readonly StoreAccess[], args: readonly string[]): Promise<Outcome> {
  return await run("rclone", args, rcloneSettings(stores));
}

export async function rclone(stores: readonly StoreAccess[], args: readonly string[]): Promise<string> {
  return printed(`rclone ${args.join(" ")}`, await attemptRclone(stores, args));
}

/** What rclone finds of each name by its bytes: `= same`, `* differ`, `+ only first`, `- only second`. */
export async function rcloneCheck(
  stores: readonly StoreAccess[],
  folders: readonly [string, string],
): Promise<string[]> {
  const args = ["check", "--download", "--combined", "-", ...folders];
  const outcome = await attemptRclone(stores, args);
  // It ends with 1 when it has found a difference.
  const isVerdict = outcome.exitCode === 1 && outcome.stdout !== "";
  const text = isVerdict ? outcome.stdout : printed(`rclone ${args.join(" ")}`, outcome);
  return text.split("\n").filter((line) => line !== "");
}

/** An object or a folder of the run as rclone names it. */
export function remote(store: StoreAccess, name: string): string {
  return `${store.name.toUpperCase()}:${store.bucket}/${store.prefix}${name}`;
}

// --- s3cmd -------------------------------------------------------------------------------------------------

/** s3cmd takes hosts, not endpoints, so it cannot reach a store whose S3 is below a path. */
export function isWithinReachOfS3cmd({ endpoint }: StoreAccess): boolean {
  return new URL(endpoint).pathname === "/";
}

export async function s3cmd(store: StoreAccess, args: readonly string[]): Promise<string> {
  const { protocol, host } = new URL(store.endpoint);
  const options = [
    "--config=/dev/null",
    `--access_key=${store.accessKeyId}`,
    `--secret_key=${store.secretAccessKey}`,
    `--region=${store.region}`,
    `--host=${host}`,
    `--host-bucket=${host}`,
    protocol === "http:" ? "--no-ssl" : "--ssl",
    "--no-progress",
  ];
  return printed(`s3cmd ${args[0]}`, await run("s3cmd", [...options, ...args], {}));
}

// --- curl --------------------------------------------------------------------------------------------------

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

export interface CurlRequest {
  readonly method: string;
  /** For an object of the run; empty for its bucket. */
  readonly name: string;
  /** Sorted by name and encoded, as curl signs it. */
  readonly query?: string;
  readonly headers?: readonly string[];
  readonly body?: string | Uint8Array;
}

/** As a signature needs it: every character but letters, digits, `-._~` and `/` is percent-encoded. */
function encodedKey(key: string): string {
  return encodeURIComponent(key)
    .replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll("%2F", "/");
}

/** One plain request, signed by curl. */
export async function curl(
  store: StoreAccess,
  { method, name, query, headers = [], body }: CurlRequest,
): Promise<Reply> {
  const path = name === "" ? "" : `/${encodedKey(store.prefix + name)}`;
  const target = `/${store.bucket}${path}${query === undefined ? "" : `?${query}`}`;
  const { endpoint, region, accessKeyId, secretAccessKey } = store;
  // Of `--user` the first colon ends the access key, and Swift's has one. In a URL it can be encoded.
  const [scheme, authority] = endpoint.split("://");
  const keys = [accessKeyId, secretAccessKey].map(encodeURIComponent).join(":");
  const url = `${scheme}://${keys}@${authority}${target}`;
  // prettier-ignore
  const options = [
    "--silent", "--show-error", "--include", "--path-as-is", "--max-time", "60",
    "--aws-sigv4", `aws:amz:${region}:s3`,
    "-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD",
  ];
  const sent = headers.flatMap((header) => ["-H", header]);
  const verb = method === "HEAD" ? ["--head"] : ["-X", method];
  const payload = body === undefined ? [] : ["--data-binary", "@-"];
  const outcome = await run("curl", [...options, ...sent, ...verb, ...payload, url], {}, body);
  const text = printed(`curl ${method} ${endpoint}${target}`, outcome);
  return replyOf(text);
}

/** The headers that curl prints before the body: the final ones, after those of any 100s. */
function replyOf(text: string): Reply {
  const end = text.indexOf("\r\n\r\n");
  const rest = text.slice(end + 4);
  const [first = "", ...lines] = text.slice(0, end).split("\r\n");
  const status = Number(first.split(" ")[1]);
  if (status >= 100 && status < 200) return replyOf(rest);
  const fields = lines.map((line): [string, string] => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon), line.slice(colon + 1).trim()];
  });
  return { status, headers: new Headers(fields), text: rest };
}
