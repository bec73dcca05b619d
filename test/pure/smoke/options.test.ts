import { expect, test } from "vitest";
import { readFlags, readOptions, UsageError, withSecrets } from "../../smoke/options.ts";

const secret = (endpoint: string, more: Record<string, unknown> = {}) =>
  JSON.stringify({ endpoint, region: "r", accessKeyId: "AK", secretAccessKey: "never-shown", ...more });
const ENV = {
  STORE_EAST: secret("https://s3.eu-central-1.amazonaws.com"),
  STORE_WEST: secret("https://acct.r2.cloudflarestorage.com"),
};
const FLAGS = {
  mesh: "https://m.example.workers.dev",
  token: "t",
  source: "east:photos/a",
  destination: "west:backup/",
};

const options = (flags: Record<string, string | undefined> = {}, env: Record<string, string> = {}) =>
  readOptions({ ...FLAGS, ...flags }, { ...ENV, ...env });

/** The one line that is said to a mistake. */
function complaint(flags: Record<string, string | undefined>, env: Record<string, string> = {}): string {
  try {
    options(flags, env);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    return error.message;
  }
  throw new Error("nothing was wrong");
}

test("what is not said has its default; a prefix is a folder", () => {
  expect(options()).toMatchObject({
    mesh: new URL("https://m.example.workers.dev"),
    token: "t",
    source: { bucket: "photos", prefix: "a/", store: { name: "east", provider: "aws" } },
    destination: { bucket: "backup", prefix: "", store: { name: "west", provider: "r2" } },
    largeBytes: 2 ** 30,
    lanes: 40,
    keys: 500,
    skip: new Set(),
    isLocal: false,
  });
});

test("mesh, token and stores may come from the environment or a file, a flag goes before both", () => {
  const env = withSecrets(
    `API_TOKEN=from-file\nMESH=https://file.example\nSTORE_EAST='${ENV.STORE_EAST}'\n`,
    {
      STORE_WEST: ENV.STORE_WEST,
      MESH: "https://environment.example",
    },
  );
  const found = readOptions({ ...FLAGS, mesh: undefined, token: undefined }, env);
  expect([found.mesh.hostname, found.token]).toEqual(["environment.example", "from-file"]);
  expect(readOptions(FLAGS, env).mesh.hostname).toBe("m.example.workers.dev");
});

test.for([
  [{ mesh: undefined }, "The mesh is missing: pass --mesh https://bucket-brigade.<you>.workers.dev"],
  [
    { mesh: "m.example" },
    '--mesh is no address: "m.example"; pass one like https://bucket-brigade.<you>.workers.dev',
  ],
  [
    { mesh: "http://m.example" },
    "--mesh is http, and the token would be read on the way: use https://m.example",
  ],
  [{ mesh: "https://m.example/stores" }, "--mesh must be the address alone: use https://m.example"],
  [{ token: undefined }, "The token is missing: pass --token, or set API_TOKEN to what the mesh has"],
  [{ source: undefined }, "--source is missing: pass --source store:bucket/prefix, as copies name it"],
  [{ source: "photos" }, '--source must be store:bucket/prefix, not "photos"'],
  [
    { source: "north:photos" },
    "STORE_NORTH is not set: what is copied is read back over S3, so put the mesh's secret of that name there",
  ],
  [{ large: "1MiB" }, '--large must be a size from 16MiB to 1TiB, such as 1GiB, not "1MiB"'],
  [{ large: "much" }, '--large must be a size from 16MiB to 1TiB, such as 1GiB, not "much"'],
  [{ lanes: "0" }, '--lanes must be a whole number from 1 to 250, not "0"'],
  [{ keys: "many" }, '--keys must be a whole number from 1 to 10000, not "many"'],
  [{ skip: "probe,dance" }, '--skip knows probe, checks, copies, large, sync, cancel, schedule, not "dance"'],
  [
    { source: "west:backup/a" },
    '--source and --destination overlap in bucket "backup": name two prefixes, neither within the other',
  ],
] as const)("%j: one line that says what to do", ([flags, line]) => {
  expect(complaint(flags)).toBe(line);
});

test("a store at an IP address is not reached by a Worker", () => {
  expect(complaint({}, { STORE_EAST: secret("https://203.0.113.7:9000") })).toBe(
    'Cannot use STORE_EAST: "endpoint" is the IP address 203.0.113.7, and a Worker reaches none (error 1003): give the store a host name',
  );
});

test("a store on this machine is for a mesh on this machine", () => {
  const env = { STORE_EAST: secret("http://127.0.0.1:9000") };
  expect(complaint({}, env)).toMatch(
    /^"endpoint" of STORE_EAST is 127\.0\.0\.1, which the mesh at another place/,
  );
  expect(options({ mesh: "http://localhost:8787" }, env).isLocal).toBe(true);
});

test("a bad secret is named without its value", () => {
  const line = complaint({}, { STORE_EAST: '{"secretAccessKey":"never-shown"}' });
  expect(line).toMatch(/^Cannot use STORE_EAST: /);
  expect(line).not.toContain("never-shown");
});

test("flags are known ones", () => {
  expect(readFlags(["--local", "--large", "32MiB"])).toMatchObject({
    local: true,
    values: { large: "32MiB" },
  });
  expect(() => readFlags(["--bucket", "x"])).toThrow(/--bucket.*--help lists the flags/);
});
