// `npm run token`: the token fits the entry, and the entry is one that the mesh takes.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readAccess } from "../../../src/access/entries.ts";
import { UsageError, issue } from "../../token/issue.ts";

const RANDOM = new Uint8Array(32).fill(7);
const flags = (text: string) => text.split(" ");

test("the entry has the digest of the token, the rights, and the places of both sides", async () => {
  const issued = await issue(flags("--name ci --may start,read --stores east,west:backup/ci/"), RANDOM);
  expect(issued?.token).toMatch(/^bb_[\w-]{43}$/);
  expect(issued?.entry).toEqual({
    name: "ci",
    sha256: createHash("sha256")
      .update(issued?.token ?? "")
      .digest("hex"),
    may: ["start", "read"],
    source: ["east", "west:backup/ci/"],
    destination: ["east", "west:backup/ci/"],
  });
});

test("a side of its own, an end, and people instead of a token", async () => {
  const sides = "--name ci --may read --source east:photos/ --destination west --not-after 2027-06-30";
  expect((await issue(flags(sides), RANDOM))?.entry).toMatchObject({
    source: ["east:photos/"],
    destination: ["west"],
    notAfter: "2027-06-30",
  });
  expect(await issue(flags("--email *@example.com --may read"), RANDOM)).toEqual({
    token: null,
    entry: { email: "*@example.com", may: ["read"] },
  });
  expect(await issue(["--help"], RANDOM)).toBeNull();
});

test.each([
  ["--name ci", "--may is missing: rights, such as --may read,start"],
  ["--may read", 'API_TOKENS: "name" is missing'],
  ["--name full --may read", 'API_TOKENS: "name" must not be one of full, read, link'],
  [
    "--name ci --may read,fly",
    'API_TOKENS: "may.1" must be one of read, start, steer, delete, schedules, stores',
  ],
  ["--name ci --may read --stores east,", 'API_TOKENS: "source.1" must be "store", "store:bucket"'],
  ["--name ci --may read --stores east --source west", "--stores is short for --source and --destination"],
  ["--name ci --may read --not-after soon", 'API_TOKENS: "notAfter" must be a time such as'],
  ["--name ci --may read --email a@example.com", 'API_TOKENS: "name" goes with "sha256"'],
  ["--name ci --may read --token x", "Unknown option '--token'"],
])("%s: is refused", async (args, message) => {
  const refusal = await issue(flags(args), RANDOM).catch((error: unknown) => error);
  expect(refusal).toBeInstanceOf(UsageError);
  expect((refusal as UsageError).message).toContain(message);
});

test("the command prints a new token each time, and an entry that the mesh takes as it is", async () => {
  const script = join(import.meta.dirname, "../../token/token.ts");
  const run = (...args: string[]) => spawnSync(process.execPath, [script, ...args], { encoding: "utf8" });
  const printed = [1, 2].map(() => run("--name", "ci", "--may", "read", "--stores", "east").stdout);
  const tokens = printed.map((text) => /^ {2}(bb_[\w-]{43})$/m.exec(text)?.[1]);
  expect(tokens[0]).toBeDefined();
  expect(tokens[0]).not.toBe(tokens[1]);
  const entry = /^ {2}(\{.*\})$/m.exec(printed[0] ?? "")?.[1];
  const access = await readAccess({ API_TOKEN: "a-full-token-of-letters", API_TOKENS: `[${entry}]` });
  expect(access).toMatchObject({ entries: [{ ok: true, entry: { holder: { name: "ci" } } }] });
  const wrong = run("--name", "ci");
  expect([wrong.status, wrong.stdout, wrong.stderr]).toEqual([
    2,
    "",
    expect.stringMatching(/^--may is missing/),
  ]);
});
