// POST /stores/{name}/check behind Cloudflare's network: what of a store's answers does not come as the store
// gave it is found by the check, with what to do; and so is what comes all the same.

import { beforeEach, expect, test } from "vitest";
import { storeSecret } from "../../mesh/mesh.ts";
import { openWorld } from "../world.ts";

let caches = false;
let packs = false;

const {
  mesh,
  stores: { east },
} = await openWorld({ east: { buckets: ["source"] } }, ({ east: store }) => ({
  edge: { caching: () => caches, packing: () => packs },
  bindings: { STORE_LOCKED: storeSecret(store, { readOnly: true }) },
}));

beforeEach(() => {
  caches = false;
  packs = false;
  mesh.edge.forget();
});

interface Check {
  readonly ok: boolean;
  readonly findings: readonly { readonly check: string; readonly outcome: string; readonly detail: string }[];
  readonly advice: readonly string[];
}

const ASKED = ["cacheable key", "stored encoding", "pinned ranges"];

async function check(name: string) {
  const { body } = await mesh.call<Check>("POST", `/stores/${name}/check`, { body: { bucket: "source" } });
  const asked = body.findings.filter((finding) => ASKED.includes(finding.check));
  const outcomes = Object.fromEntries(asked.map(({ check: question, outcome }) => [question, outcome]));
  return { ...body, outcomes, details: asked.map(({ detail }) => detail).join("\n") };
}

test("a store that is reached through Cloudflare's network, and not behind its proxy, answers for itself", async () => {
  const { ok, outcomes, advice } = await check("east");
  expect(outcomes).toEqual({ "cacheable key": "yes", "stored encoding": "yes", "pinned ranges": "yes" });
  expect([ok, advice]).toEqual([true, []]);
});

test("a proxy that compresses on the fly changes nothing, since objects are asked for as they are stored", async () => {
  packs = true;
  expect((await check("east")).outcomes).toEqual({
    "cacheable key": "yes",
    "stored encoding": "yes",
    "pinned ranges": "yes",
  });
});

test("a store behind a zone that caches does not work, and the check says what to do", async () => {
  caches = true;
  const { ok, outcomes, details, advice } = await check("east");
  expect(outcomes).toEqual({ "cacheable key": "no", "stored encoding": "yes", "pinned ranges": "no" });
  // What was put first is what is still answered: a copy would take the old object for the present one.
  expect(details).toMatch(/after it was replaced HEAD reports 10 bytes of 11/);
  expect(advice.join("\n")).toMatch(
    /if its host is proxied by Cloudflare, make it DNS-only, or add a Cache Rule/,
  );
  expect(ok).toBe(false);
});

test("a source that must not be written to is asked by what it has", async () => {
  expect((await check("locked")).outcomes).toEqual({
    "cacheable key": "skipped",
    "stored encoding": "skipped",
    "pinned ranges": "skipped",
  });
  east.put("source", "photos/a.JPG", "0123456789");
  const open = await check("locked");
  expect(open.outcomes).toEqual({
    "cacheable key": "yes",
    "stored encoding": "skipped",
    "pinned ranges": "yes",
  });
  // A range is not what is wrong with it then: the HEAD is.
  east.fault(
    { operation: "HeadObject", key: /JPG$/ },
    { kind: "header", name: "ETag", value: '"00000000000000000000000000000000"' },
  );
  const stale = await check("locked");
  expect(stale.outcomes).toMatchObject({ "cacheable key": "no" });
  expect(stale.details).toMatch(/HEAD reports the ETag "0{32}", not "/);
  expect(stale.advice.join()).toMatch(/A cache answers in the store's place/);
  expect(east.objects("source").map(({ key }) => key)).toEqual(["photos/a.JPG"]);
});

test("an object whose compressed bytes do not come as they are stored is found by its length or its bytes", async () => {
  east.fault({ operation: "GetObject", key: /gzip\.txt$/ }, { kind: "flip", direction: "out", at: 1 });
  const flipped = await check("east");
  expect(flipped.outcomes).toEqual({
    "cacheable key": "yes",
    "stored encoding": "no",
    // Of an object that comes as it is stored.
    "pinned ranges": "yes",
  });
  expect(flipped.details).toMatch(/GetObject returned \d+ bytes, which differ from the \d+ stored/);
  expect(flipped.advice.join("\n")).toMatch(/compresses or decompresses/);
  expect(flipped.advice.join("\n")).not.toMatch(/Ranges or conditions do not reach/);
});
