// The stores in the dashboard, the check of one, and the audit, as a person uses them, in Chromium against a
// real mesh.

import type { Page } from "playwright-core";
import { afterAll, expect, test } from "vitest";
import { READ_TOKEN, storeSecret } from "../mesh/mesh.ts";
import { WebServer } from "../store/web_server.ts";
import { openWorld } from "../workers/world.ts";
import { Visitor, picture, violations } from "./browser.ts";

const server = await WebServer.start();
afterAll(async () => {
  await server.stop();
});
const {
  mesh,
  stores: { east, west },
} = await openWorld(
  { east: { buckets: ["photos", "films"] }, west: { buckets: ["backup"], conditionalWrites: "ignored" } },
  (stores) => ({
    storeFields: {
      east: { buckets: ["photos", "films"], readOnly: true },
      west: { buckets: ["backup"], maxConcurrency: 32, maxRequestsPerSecond: 200 },
    },
    bindings: {
      STORE_SPOILT: storeSecret(stores.west, { secretAccessKey: "cut-off" }),
      STORE_PUB: JSON.stringify({ kind: "https", endpoint: `${server.origin}/pub` }),
      STORE_TYPO: storeSecret(stores.west, { endpoint: "s3.example.com" }),
    },
  }),
);
const visitor = await Visitor.arrive(mesh);

const rowOf = (page: Page, name: string) =>
  page
    .getByRole("region", { name: "Stores" })
    .getByRole("row")
    .filter({ has: page.getByRole("cell", { name, exact: true }) });
const panelOf = (page: Page, name: string) => page.getByRole("region", { name: `Check ${name}` });

async function openCheck(page: Page, name: string) {
  await page.getByRole("button", { name: `Check: ${name}` }).click();
  return panelOf(page, name);
}

test("each store is shown as it is configured, and a bad one with what is wrong with it", async () => {
  const page = await visitor.signIn("#/stores");
  const good = rowOf(page, "west");
  await good.getByText("configured").waitFor();
  await good.getByText(west.endpoint).waitFor();
  await good.getByText("backup").waitFor();
  await good.getByText("32 transfers, 200 requests/s").waitFor();
  await rowOf(page, "east").getByText("source only").waitFor();
  const bad = rowOf(page, "typo");
  await bad.getByText("Cannot use STORE_TYPO").waitFor();
  expect(await bad.getByRole("button").count()).toBe(0);
  expect(await violations(page)).toEqual([]);
});

test("a check shows what the store can do, and is told to those who listen", async () => {
  const page = await visitor.signIn("#/stores");
  const panel = await openCheck(page, "west");
  // It has one bucket, so that only the role is asked.
  expect(await panel.getByLabel("Bucket").count()).toBe(0);
  expect(await page.evaluate("document.activeElement.name")).toBe("as");
  await panel.getByRole("button", { name: "Run the check" }).click();
  await panel.getByRole("heading", { name: "west:backup as a destination: works" }).waitFor();
  await page.getByRole("status").getByText("west:backup as a destination: works").waitFor();
  const findings = panel.getByRole("region", { name: "Findings" });
  await findings.getByRole("cell", { name: "multipart", exact: true }).waitFor();
  await findings.getByText("accepted, not done").first().waitFor();
  expect(await violations(page)).toEqual([]);
  await picture(page, "stores");
  expect(west.objects("backup")).toEqual([]);
  // What was seen is kept, and shown with the store until it is forgotten.
  const row = rowOf(page, "west");
  await row.getByText("backup as a destination: works").waitFor();
  await page.getByRole("button", { name: "Forget the checks: west" }).click();
  await page.getByRole("button", { name: "Forget it" }).click();
  await row.getByText("never").waitFor();
});

test("of several buckets one is chosen, and a store that is only read is checked as a source", async () => {
  east.put("films", "a.mov", "A");
  const page = await visitor.signIn("#/stores");
  const panel = await openCheck(page, "east");
  expect(await panel.getByLabel("Bucket").locator("option").allTextContents()).toEqual(["photos", "films"]);
  expect(await panel.getByLabel("Check it as a").locator("option").allTextContents()).toEqual(["source"]);
  await panel.getByLabel("Bucket").selectOption("films");
  await panel.getByRole("button", { name: "Run the check" }).click();
  await panel.getByRole("heading", { name: "east:films as a source: works" }).waitFor();
});

test("a web server is checked by a file that it serves, and copied from", async () => {
  server.put("/pub/2026/app.tar", "bytes");
  const page = await visitor.signIn("#/stores");
  const row = rowOf(page, "pub");
  await row.getByText("web server").waitFor();
  await row.getByText("source only").waitFor();
  const panel = await openCheck(page, "pub");
  expect(await panel.getByLabel("Bucket").count()).toBe(0);
  await panel.getByLabel("A file that it serves").fill("2026/app.tar");
  await panel.getByRole("button", { name: "Run the check" }).click();
  await panel.getByRole("heading", { name: "pub:. as a source: works" }).waitFor();
  await panel.getByText("a strong ETag").waitFor();
  expect(await violations(page)).toEqual([]);
  await row.getByRole("link", { name: "Copy from it" }).click();
  const source = page.getByLabel("Source").first();
  await source.waitFor();
  expect(await source.inputValue()).toBe("pub:./");
  await source.fill("pub:./2026/app.tar");
  await page.getByLabel("Destination").first().fill("west:backup/app.tar");
  await page.getByRole("button", { name: "Start copy" }).click();
  await page.getByText("completed").first().waitFor();
  expect(west.bytes("backup", "app.tar").toString()).toBe("bytes");
});

test("a wrong key is told in the store's words and in what is to be done", async () => {
  const page = await visitor.signIn("#/stores");
  const panel = await openCheck(page, "spoilt");
  await panel.getByLabel("Bucket").fill("backup");
  await panel.getByRole("button", { name: "Run the check" }).click();
  await panel.getByRole("heading", { name: "spoilt:backup as a destination: does not work" }).waitFor();
  await panel.getByText("SignatureDoesNotMatch").first().waitFor();
  await panel.getByRole("listitem").getByText('check "secretAccessKey" of STORE_SPOILT').waitFor();
  await page.getByRole("status").getByText("1 thing to do").waitFor();
  expect(await violations(page)).toEqual([]);
  await picture(page, "stores-refused");
});

test("with the reading token a check is not offered", async () => {
  const page = await visitor.signIn("#/stores", {}, READ_TOKEN);
  await rowOf(page, "west").getByText("configured").waitFor();
  expect(await page.getByRole("button", { name: /^Check/ }).count()).toBe(0);
});

test("the check of a store fits a phone, in the dark, by axe's rules", async () => {
  const options = { viewport: { width: 390, height: 844 }, colorScheme: "dark" } as const;
  const page = await visitor.signIn("#/stores", options);
  const panel = await openCheck(page, "west");
  await panel.getByRole("button", { name: "Run the check" }).click();
  await panel.getByRole("heading", { name: /works/ }).waitFor();
  expect(await violations(page)).toEqual([]);
  expect(await page.evaluate("document.documentElement.scrollWidth <= innerWidth")).toBe(true);
  await picture(page, "stores-phone");
});

test("the audit says who did what, and a name with markup in it stays text", async () => {
  const key = "<b>audited</b>.bin";
  east.put("photos", key, "A");
  const { id } = await mesh.copy({ source: `east:photos/${key}`, destination: `west:backup/${key}` });
  const page = await visitor.signIn("#/audit");
  const line = page.getByRole("row").filter({ hasText: id });
  await line.getByText("POST /copies").waitFor();
  await line.getByText(`from east:photos/${key} to west:backup/${key}`).waitFor();
  expect(await page.locator("main b").count()).toBe(0);
  expect(await violations(page)).toEqual([]);
  await page.getByLabel("Who").fill("nobody");
  await page.getByLabel("Who").press("Tab");
  await page.getByText("Nothing yet.").waitFor();
});
