// The README and the documents, as their readers use them: every block of sh, and the steps of the CI job,
// run by bash against the mesh of `npm run dev`. A block of `console` needs an account or minutes, and is not
// run: which ones, a list says.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AwsClient } from "aws4fetch";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type LocalStore, LocalMesh, S3_PATH, localStores } from "../mesh/local_mesh.ts";
import { claim, onOtherPorts } from "../store/ports.ts";
import { WebServer } from "../store/web_server.ts";

const ROOT = join(import.meta.dirname, "../..");
const TOKEN = "token-of-the-shell-blocks";
const PAGES = [
  "README.md",
  ...readdirSync(join(ROOT, "src/docs"))
    .toSorted()
    .map((name) => `src/docs/${name}`),
];
/** The first word or words of each block that is not run. */
const NOT_RUN: Readonly<Record<string, readonly string[]>> = {
  "README.md": ["npm install"],
  "src/docs/compare.md": ["openssl genpkey"],
  "src/docs/events.md": [
    "aws s3api",
    "aws sns",
    "mc admin",
    "aws --endpoint-url",
    "npx wrangler",
    "gcloud pubsub",
    "b2 bucket",
  ],
  "src/docs/operate.md": ["curl -H", "npm run"],
  "src/docs/stores.md": ["npx wrangler"],
  "src/docs/versions.md": ["curl -H", "curl -H"],
  "src/docs/web.md": ["npx wrangler"],
};
const REPORT_KEY = generateKeyPairSync("ed25519");
/** What the pages speak of, at the source. */
const OBJECTS = ["a.mov", "2026/one", "2026/two", "latest/app", "logs/2024-05/a.txt"];
const { east, west } = localStores();
const server = await WebServer.start();
const directory = mkdtempSync(join(tmpdir(), "bucket-brigade-blocks-"));

let mesh: LocalMesh;

beforeAll(async () => {
  const { privateKey } = REPORT_KEY;
  const variables = {
    REPORT_KEY: privateKey.export({ format: "der", type: "pkcs8" }).toString("base64"),
    STORE_PUB: JSON.stringify({ kind: "https", endpoint: `${server.origin}/releases` }),
  };
  // wrangler looks for further ports by itself, and another program may take one meanwhile.
  mesh = await onOtherPorts(async () => {
    const port = await freePort();
    return await LocalMesh.start({ port, apiToken: TOKEN, variables }, new AbortController().signal);
  });
  for (const key of OBJECTS) await put(east, key, `bytes of ${key}`);
  await put(east, "lists/list.csv", "source,logs/2024-05/a.txt\nsource,logs/gone\n");
  server.put("/releases/2026/app.tar", "bytes of app", { etag: '"v1"' });
  server.put("/releases/2026/notes.txt", "and notes", { etag: null });
  // Where a page asks for what fails, it says so itself.
  writeFileSync(join(directory, ".curlrc"), "fail\n");
});

afterAll(async () => {
  await mesh.stop();
  await server.stop();
  rmSync(directory, { recursive: true, force: true });
});

async function freePort(): Promise<number> {
  for (let port = 18_787; ; port++) if ((await claim(port)) !== null) return port;
}

const ask = async ({ bucket, ...keys }: LocalStore, key: string, init: RequestInit = {}) => {
  const client = new AwsClient({ ...keys, service: "s3", region: "auto" });
  const response = await client.fetch(`${mesh.origin}${S3_PATH}/${bucket}/${key}`, init);
  return { ok: response.ok, text: await response.text() };
};

async function put(store: LocalStore, key: string, body: string): Promise<void> {
  const { ok, text } = await ask(store, key, { method: "PUT", body });
  if (!ok) throw new Error(text);
}

/** @returns the id of a copy, for the pages that speak of one */
async function copied(): Promise<string> {
  const response = await fetch(`${mesh.origin}/copies`, {
    method: "POST",
    headers: { authorization: `Bearer ${TOKEN}`, accept: "text/plain" },
    body: new URLSearchParams({
      source: `east:${east.bucket}/a.mov`,
      destination: `west:${west.bucket}/copied`,
    }),
  });
  const id = (await response.text()).trim();
  const result = `${mesh.origin}/copies/${id}/result?wait=60`;
  await (await fetch(result, { headers: { authorization: `Bearer ${TOKEN}` } })).text();
  return id;
}

interface Block {
  readonly language: string;
  readonly code: string;
}

/** Fenced blocks. */
function blocksOf(page: string): Block[] {
  const text = readFileSync(join(ROOT, page), "utf8");
  return Array.from(text.matchAll(/^```(\w*)\n(.*?)^```$/gms), ([, language = "", code = ""]) => ({
    language,
    code,
  }));
}

/** What bash is given of a block: all of `sh`, the steps of a job. */
function commandsOf({ language, code }: Block): string[] {
  if (language === "sh") return [code];
  if (language !== "yaml") return [];
  return Array.from(code.matchAll(/^( *)run: \|\n((?:\1 {2}.*\n|\n)+)/gm), ([, indent = "", lines = ""]) =>
    lines.replaceAll(new RegExp(`^${indent}  `, "gm"), ""),
  );
}

/** Runs in one shell, as a reader's does: what a block sets, the next ones have. Ends at the first error. */
async function run(
  commands: readonly string[],
  beside: Readonly<Record<string, string>> = {},
): Promise<{ code: number; output: string }> {
  const script = commands.map((code, n) => `echo "# block ${n + 1}"\n${code}`).join("\n");
  const bash = spawn("bash", ["-euo", "pipefail", "-c", script], {
    cwd: directory,
    env: {
      PATH: process.env["PATH"],
      mesh: mesh.origin,
      auth: `Authorization: Bearer ${TOKEN}`,
      from: `east:${east.bucket}`,
      to: `west:${west.bucket}`,
      once: "run-1",
      ...beside,
    },
  });
  let output = "";
  for (const stream of [bash.stdout, bash.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => (output += text));
  const [code] = (await once(bash, "close")) as [number];
  return { code, output };
}

test.each(PAGES)("of %s no block is of a kind that is neither run nor known", (page) => {
  const known = ["sh", "yaml", "console", "json", "js", "md", "text", ""];
  expect(blocksOf(page).filter(({ language }) => !known.includes(language))).toEqual([]);
  const kept = blocksOf(page).filter(({ language }) => language === "console");
  expect(kept.map(({ code }) => /^\$ (\S+ \S+)/.exec(code)?.[1])).toEqual(NOT_RUN[page] ?? []);
});

const RUN = PAGES.filter((page) => blocksOf(page).flatMap(commandsOf).length > 0);

test("most pages have something to run", () => {
  expect(RUN.length).toBeGreaterThanOrEqual(9);
});

test.each(RUN)("every command of %s does what the page says, in the order of the page", async (page) => {
  await put(east, `2026/${page.replaceAll("/", "-")}`, "not at the destination yet");
  for (const { language, code } of blocksOf(page))
    if (language === "js") writeFileSync(join(directory, "verify.mjs"), code);
  const { code, output } = await run(blocksOf(page).flatMap(commandsOf), {
    id: await copied(),
    key: REPORT_KEY.publicKey.export({ format: "jwk" }).x ?? "",
    ...(readFileSync(join(ROOT, page), "utf8").includes("--fail") ? {} : { CURL_HOME: directory }),
  });
  expect(code, output).toBe(0);
  if (page === "src/docs/compare.md") expect(output).toContain('"phase":"different"');
  if (page === "src/docs/rename.md")
    expect(output).toContain('"key":"logs/2024-05/a.txt","to":"old/2024/05/a.txt"');
  if (page === "src/docs/versions.md")
    expect(output.replaceAll("\\", "")).toContain(
      '"versions": "all" cannot be used here: the source store "east" (r2) keeps no versions',
    );
  if (["src/docs/cost.md", "src/docs/web.md"].includes(page))
    for (const { language, code: said } of blocksOf(page))
      if (language === "text") expect(output).toContain(said);
  if (page === "src/docs/manifest.md") expect(output).toContain('"key":"logs/gone","action":"failed"');
  if (page === "README.md") expect((await ask(west, "a.mov")).text).toBe("bytes of a.mov");
  if (page !== "src/docs/scripts.md") return;
  const said = output.split(/^# block \d+\n/m);
  const of = (words: string) =>
    said[
      blocksOf(page)
        .flatMap(commandsOf)
        .findIndex((one) => one.includes(words)) + 1
    ];
  expect(of("Idempotency-Key: nightly")).toMatch(/^1\n/);
  expect(of("awk")).toMatch(/^ID +PHASE[^]*completed/);
  expect(of("copies/resume")).toContain('"changed": []');
  expect(of("not-there")).toMatch(/it has failed\n[^]*source_not_found/);
  expect((await ask(west, "latest/app")).text).toBe("bytes of latest/app");
});

describe("the exit status of the two lines", () => {
  const [start = "", result = ""] = (
    blocksOf("src/docs/scripts.md")
      .flatMap(commandsOf)
      .find((code) => code.includes("/copies/$id/result")) ?? ""
  ).split("\n");

  test.each([
    ["0 when the copy is done", "a.mov", 0],
    ["22 when it has failed, with the reason in the body", "absent.mov", 22],
  ])("is %s", async (_words, key, status) => {
    const { code, output } = await run([start.replaceAll("a.mov", key), result]);
    expect(code, output).toBe(status);
    expect(output).toContain(status === 0 ? '"phase": "completed"' : '"code": "source_not_found"');
  });
});
