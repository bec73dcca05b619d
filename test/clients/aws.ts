// The real AWS CLI, run against a test store of its own for each test file, so that the store and this
// project's own client cannot share a misunderstanding of S3. Needs `aws` (1.x or 2.x) and `curl` on the PATH
// and fails without them.
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect } from "vitest";
import { type AwsOutcome, runAws } from "./resident_aws.ts";
import { generatedBytes, startStore, type TestStore } from "../store/store.ts";

export const MiB = 1024 * 1024;
export let store: TestStore;
export let directory: string;

export async function run(
  program: string,
  args: readonly string[],
  settings: Record<string, string> = {},
): Promise<AwsOutcome> {
  const {
    AWS_CA_BUNDLE: _bundle,
    AWS_PROFILE: _profile,
    AWS_SESSION_TOKEN: _token,
    ...inherited
  } = process.env;
  const env = {
    ...inherited,
    AWS_ACCESS_KEY_ID: store.credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: store.credentials.secretAccessKey,
    AWS_DEFAULT_REGION: store.region,
    AWS_CONFIG_FILE: join(directory, "config"),
    AWS_SHARED_CREDENTIALS_FILE: join(directory, "none"),
    AWS_EC2_METADATA_DISABLED: "true",
    AWS_PAGER: "",
    AWS_MAX_ATTEMPTS: "1",
    ...settings,
  };
  if (program === "aws") return await runAws({ args, env, cwd: directory });
  return new Promise((resolve, reject) => {
    execFile(program, args, { env, cwd: directory, maxBuffer: 64 * MiB }, (error, stdout, stderr) => {
      if (error === null) resolve({ exitCode: 0, stdout, stderr });
      else if (typeof error.code === "number") resolve({ exitCode: error.code, stdout, stderr });
      else if (error.code === "ENOENT") reject(new Error(`${program} is not installed: this suite needs it`));
      else reject(error);
    });
  });
}

/** Runs the CLI against the store; never throws for what the store answers. */
export async function attempt(
  args: readonly string[],
  settings: Record<string, string> = {},
): Promise<AwsOutcome> {
  return run("aws", ["--endpoint-url", store.endpoint, "--output", "json", ...args], settings);
}

/** Runs the CLI, which must succeed; returns what it printed. */
export async function aws(...args: readonly string[]): Promise<string> {
  const outcome = await attempt(args);
  if (outcome.exitCode !== 0) throw new Error(`aws ${args.join(" ")}: ${outcome.stderr}`);
  return outcome.stdout;
}

/** Runs an `s3api` command on the bucket and parses its JSON. */
export async function api(command: string, ...args: readonly string[]): Promise<Record<string, unknown>> {
  const text = await aws("s3api", command, "--bucket", "bucket", ...args);
  const parsed: unknown = text === "" ? {} : JSON.parse(text);
  return parsed as Record<string, unknown>;
}

export function file(name: string, bytes: Buffer): string {
  const path = join(directory, name);
  writeFileSync(path, bytes);
  return path;
}

export function configure(lines: readonly string[]): void {
  const s3 = lines.length === 0 ? [] : ["s3 =", ...lines.map((line) => `  ${line}`)];
  file("config", Buffer.from(["[default]", ...s3, ""].join("\n")));
}

export const md5 = (bytes: Buffer) => createHash("md5").update(bytes).digest();

export function multipartEtag(bytes: Buffer, partBytes: number): string {
  const digests: Buffer[] = [];
  for (let start = 0; start < bytes.length; start += partBytes)
    digests.push(md5(bytes.subarray(start, start + partBytes)));
  return `"${md5(Buffer.concat(digests)).toString("hex")}-${digests.length}"`;
}

/** Bytes drawn from the generator: neither compressible nor repeating. */
export const sample = (size: number) => generatedBytes("cli", 0, size);

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "aws-cli-test-"));
  store = await startStore({ buckets: ["bucket", "other"] });
  const version = await run("aws", ["--version"]);
  expect(version.stdout + version.stderr).toMatch(/^aws-cli\/[12]\./);
});

beforeEach(() => configure([]));

afterAll(async () => {
  expect(store.failures).toEqual([]);
  await store.stop();
  rmSync(directory, { recursive: true, force: true });
});
