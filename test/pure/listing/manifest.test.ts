// Reads manifests from the HTTP test store: whole, and by readers that die after every page.

import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { afterEach, expect, test } from "vitest";
import { type Manifest, type ManifestCursor, ManifestReader } from "../../../src/listing/manifest.ts";
import { connectTo } from "../listed_store.ts";
import { open, stopAll } from "./walked.ts";

afterEach(stopAll);

const SOURCE = { store: "test", bucket: "photos", prefix: "p/" };

const manifest = (key: string, format: Extract<Manifest, { kind: "object" }>["format"]): Manifest => ({
  kind: "object",
  object: { store: "test", bucket: "bucket", key },
  format,
  actions: null,
});

type Store = Awaited<ReturnType<typeof open>>;

interface Whole {
  readonly keys: string[];
  readonly outside: number;
  readonly notCurrent: number;
  readonly bad: { readonly place: string; readonly why: string }[];
  readonly pages: number;
}

/** @param dies every page is read by a reader of its own, from the cursor as it was stored */
async function readAll(store: Store, asked: Manifest, dies: boolean): Promise<Whole> {
  const whole: Whole = { keys: [], outside: 0, notCurrent: 0, bad: [], pages: 0 };
  let [outside, notCurrent, pages] = [0, 0, 0];
  let reader = new ManifestReader(connectTo(store), asked, SOURCE);
  for (let cursor: ManifestCursor | null = null; ;) {
    const page = await reader.read(cursor);
    pages += 1;
    whole.keys.push(...page.keys.map(({ key }) => key));
    whole.bad.push(...page.bad);
    outside += page.outside.length;
    notCurrent += page.notCurrent.length;
    if (page.next === null) return { ...whole, outside, notCurrent, pages };
    cursor = JSON.parse(JSON.stringify(page.next)) as ManifestCursor;
    if (dies) reader = new ManifestReader(connectTo(store), asked, SOURCE);
  }
}

const names = Array.from({ length: 3_500 }, (_, n) => `p/${n} é+${"x".repeat(n % 700)}`);
const encoded = (key: string) => encodeURIComponent(key).replaceAll("%20", "+");
const csv = names.map((key) => `photos,"${encoded(key)}"\r\n`).join("");

test.each([
  ["list.csv", csv],
  ["list.csv.gz", gzipSync(csv)],
  ["keys.txt", `\ufeff${names.join("\n")}`],
  ["keys.ndjson", names.map((key) => JSON.stringify({ key })).join("\n")],
])("%s: every line once, in its order, by one reader or by one for each page", async (key, text) => {
  const store = await open();
  store.put("bucket", key, text);
  const format = key.includes("csv") ? "csv" : key.includes("ndjson") ? "ndjson" : "keys";
  for (const dies of [false, true]) {
    const whole = await readAll(store, manifest(key, format), dies);
    expect(whole.keys).toEqual(names);
    expect(whole.pages).toBe(4);
  }
});

test("a file that is not packed is read on at its byte, and no range is read twice", async () => {
  const store = await open();
  store.put("bucket", "keys.txt", names.join("\n"));
  await readAll(store, manifest("keys.txt", "keys"), false);
  const ranges = store.requests({ operation: "GetObject" }).map(({ headers }) => headers["range"]);
  expect(ranges).toEqual([...new Set(ranges)]);
  store.journal.clear();
  await readAll(store, manifest("keys.txt", "keys"), true);
  const starts = store
    .requests({ operation: "GetObject" })
    .map(({ headers }) => Number(/=(\d+)-/.exec(String(headers["range"]))?.[1]));
  expect(starts.filter((start) => start === 0)).toHaveLength(1);
});

const schema = "Bucket, Key, VersionId, IsLatest, IsDeleteMarker";

function putInventory(store: Store, files: Readonly<Record<string, Buffer>>, more: object = {}): void {
  for (const [name, bytes] of Object.entries(files))
    store.put("bucket", `inv/photos/daily/data/${name}`, bytes);
  const listed = Object.entries(files).map(([name, bytes]) => ({
    key: `inv/photos/daily/data/${name}`,
    size: bytes.length,
    MD5checksum: createHash("md5").update(bytes).digest("hex"),
  }));
  const json = { sourceBucket: "photos", fileFormat: "CSV", fileSchema: schema, files: listed, ...more };
  store.put("bucket", "inv/photos/daily/now/manifest.json", JSON.stringify(json));
}

const row = (key: string, isLatest = true) => `"photos","${encoded(key)}","v","${isLatest}","false"\n`;
const INVENTORY = manifest("inv/photos/daily/now/manifest.json", "inventory");

test("the files of an inventory come one after the other, packed or not", async () => {
  const store = await open();
  putInventory(store, {
    "a.csv.gz": gzipSync(
      names
        .slice(0, 1_500)
        .map((key) => row(key))
        .join(""),
    ),
    "b.csv": Buffer.from([...names.slice(1_500), "q/other"].map((key) => row(key)).join("")),
    "c.csv.gz": gzipSync(row("p/old", false)),
  });
  for (const dies of [false, true]) {
    const whole = await readAll(store, INVENTORY, dies);
    expect(whole.keys).toEqual(names);
    expect(whole).toMatchObject({ outside: 1, notCurrent: 1, bad: [] });
  }
});

test("an inventory's file with other bytes than its MD5 says ends the reading", async () => {
  const store = await open();
  const right = Buffer.from(row("p/a"));
  putInventory(store, { "a.csv": right });
  store.put("bucket", "inv/photos/daily/data/a.csv", row("p/b"));
  await expect(readAll(store, INVENTORY, false)).rejects.toMatchObject({
    failure: {
      code: "checksum_mismatch",
      message: expect.stringMatching(/a\.csv of the inventory has the MD5/),
    },
  });
});

test.each([true, false])("a manifest that changes while it is read ends the reading (%s)", async (dies) => {
  const store = await open();
  store.put("bucket", "keys.txt", names.join("\n"));
  const asked = manifest("keys.txt", "keys");
  const first = new ManifestReader(connectTo(store), asked, SOURCE);
  const { next } = await first.read(null);
  store.put("bucket", "keys.txt", names.toReversed().join("\n"));
  const reader = dies ? new ManifestReader(connectTo(store), asked, SOURCE) : first;
  const rest = async () => {
    for (let cursor = next; cursor !== null;) cursor = (await reader.read(cursor)).next;
  };
  await expect(rest()).rejects.toMatchObject({ failure: { code: "manifest_changed" } });
});

test("lines that name no key are told with their number, however long they are", async () => {
  const store = await open();
  const lines = [
    "photos,p/a",
    "nothing",
    "",
    `photos,${"x".repeat(3 * 2 ** 20)}`,
    "photos,p/%zz",
    "other,p/b",
    "photos,p/c",
  ];
  store.put("bucket", "list.csv", lines.join("\n"));
  const whole = await readAll(store, manifest("list.csv", "csv"), false);
  expect(whole).toMatchObject({ keys: ["p/a", "p/c"], outside: 1 });
  expect(whole.bad.map(({ place }) => place)).toEqual(
    [2, 4, 5].map((n) => `test:bucket/list.csv, line ${n}`),
  );
  expect(whole.bad[1]?.why).toMatch(/3145735 bytes, more than any key takes/);
});

test("bytes that are no UTF-8 spoil their own line alone", async () => {
  const store = await open();
  store.put(
    "bucket",
    "keys.txt",
    Buffer.concat([Buffer.from("p/a\np/"), Buffer.from([0xe9]), Buffer.from("\np/b")]),
  );
  const whole = await readAll(store, manifest("keys.txt", "keys"), false);
  expect(whole).toMatchObject({ keys: ["p/a", "p/b"], bad: [{ why: "it is not UTF-8" }] });
});

test.each([
  ["no gzip", Buffer.from("photos,p/a\n")],
  ["cut off", gzipSync(csv).subarray(0, 500)],
])("a packed file that is %s ends the reading", async (_what, bytes) => {
  const store = await open();
  store.put("bucket", "list.csv.gz", bytes);
  await expect(readAll(store, manifest("list.csv.gz", "csv"), false)).rejects.toMatchObject({
    failure: { code: "bad_manifest", message: expect.stringMatching(/is no gzip, or is cut off/) },
  });
});

const partOf = (n: number) => `reports/01jz/report-00000${n}.ndjson`;

test("a report in parts is read from the part that is named to its last one", async () => {
  const store = await open();
  const part = (from: number, until: number) =>
    names
      .slice(from, until)
      .map((key) => `${JSON.stringify({ key, action: "failed" })}\n`)
      .join("");
  store.put("bucket", partOf(1), part(0, 1_200));
  store.put("bucket", partOf(2), part(1_200, 1_300));
  store.put("bucket", partOf(3), `${part(1_300, 2_000)}oops\n`);
  for (const dies of [false, true]) {
    const whole = await readAll(store, manifest(partOf(1), "ndjson"), dies);
    expect(whole.keys).toEqual(names.slice(0, 2_000));
    expect(whole.bad).toMatchObject([{ place: `test:bucket/${partOf(3)}, line 701` }]);
  }
  expect((await readAll(store, manifest(partOf(2), "ndjson"), false)).keys).toEqual(
    names.slice(1_200, 2_000),
  );
});

test("a report that has lost a part is not taken for read", async () => {
  const store = await open();
  for (const n of [1, 2, 3]) store.put("bucket", partOf(n), `"p/${n}"`);
  const asked = manifest(partOf(1), "ndjson");
  const { next } = await new ManifestReader(connectTo(store), asked, SOURCE).read(null);
  store.delete("bucket", partOf(3));
  const again = new ManifestReader(connectTo(store), asked, SOURCE).read(next);
  await expect(again).rejects.toMatchObject({ failure: { code: "manifest_changed" } });
});

test("a list in the request is read as a file is", async () => {
  const store = await open();
  for (const dies of [false, true])
    expect((await readAll(store, { kind: "keys", keys: names }, dies)).keys).toEqual(names);
  expect(store.requests()).toEqual([]);
});

test("an empty object names nothing", async () => {
  const store = await open();
  store.put("bucket", "keys.txt", "");
  expect(await readAll(store, manifest("keys.txt", "keys"), false)).toMatchObject({ keys: [], pages: 1 });
});
