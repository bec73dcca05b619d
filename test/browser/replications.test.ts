// Replications in the dashboard, as a person uses them: one is made, its sender set up, watched, held, cut
// over and deleted.

import { expect, test } from "vitest";
import { openWorld } from "../workers/world.ts";
import { Visitor, picture, violations } from "./browser.ts";

const {
  mesh,
  stores: { east, west },
} = await openWorld({ east: { buckets: ["photos"] }, west: { buckets: ["backup"] } }, () => ({
  bindings: {
    NOTIFY_URL: "http://127.0.0.1:9/",
    NOTIFY_SECRET: "whsec_dGhpcyBpcyBhIHNlY3JldCBvZiAzMiBieXRlcyEhIQ==",
  },
}));
const visitor = await Visitor.arrive(mesh);

test("a replication is made, gets a secret for its sender, follows, is cut over and deleted", async () => {
  east.put("photos", "raw/one", "1");
  const page = await visitor.signIn("#/replications");
  await page.getByText("None yet.").waitFor();
  await page.getByLabel("Name", { exact: true }).fill("photos");
  await page.getByLabel("Source", { exact: true }).fill("east:photos/raw/");
  await page.getByLabel("Destination", { exact: true }).fill("west:backup/raw/");
  await page.getByLabel("Tell these receivers of webhooks").fill("default");
  await page.getByRole("button", { name: "Make it" }).click();
  await page.getByRole("heading", { name: "photos", exact: true }).waitFor();
  await page.getByText("to default", { exact: true }).waitFor();
  await page.getByText("following", { exact: true }).waitFor();
  expect(west.bytes("backup", "raw/one").toString()).toBe("1");

  const sender = page.getByRole("region", { name: "Sender of events" });
  await sender.getByRole("button", { name: "Make a secret" }).click();
  await page.getByRole("button", { name: "Make it" }).click();
  const url =
    (await sender.getByText(`${mesh.url.href}replications/photos/events/bbev_`).textContent()) ?? "";
  east.put("photos", "raw/two", "22");
  const sent = await fetch(url, { method: "POST", body: JSON.stringify({ keys: ["raw/two"] }) });
  expect(sent.status).toBe(202);
  const keys = page.getByRole("region", { name: "Keys so far" });
  await keys.getByText("1, 2 B").waitFor();
  await page.getByRole("region", { name: "The last day" }).getByRole("img").first().waitFor();
  expect(await violations(page)).toEqual([]);
  // The form that has made it was left, with its list.
  expect(await page.locator("#alert").textContent()).toBe("");
  await picture(page, "replication");

  await page.getByRole("button", { name: "Pause" }).click();
  await page.getByText("paused", { exact: true }).waitFor();
  await page.getByRole("button", { name: "Resume" }).click();
  await page.getByText("following", { exact: true }).waitFor();
  await page.getByRole("button", { name: "Cut over" }).click();
  await page.getByRole("button", { name: "They have stopped: cut over" }).click();
  await page.getByRole("heading", { name: "Cutover: ready" }).waitFor();
  // A secret is shown once.
  await page.reload();
  await page.getByRole("heading", { name: "Cutover: ready" }).waitFor();
  expect(await page.getByText("bbev_").count()).toBe(0);

  await page.getByRole("link", { name: "Replications" }).click();
  const row = page.getByRole("region", { name: "Replications" }).getByRole("row").last();
  await row.getByText("cut over").waitFor();
  expect(await violations(page)).toEqual([]);
  await row.getByRole("link", { name: "photos" }).click();
  await page.getByRole("button", { name: "Delete" }).click();
  await page.getByRole("button", { name: "Delete it" }).click();
  await page.getByText("None yet.").waitFor();
});

test("an address that can be none of a replication calls nobody, and is told so", async () => {
  const page = await visitor.signIn("#/replications/..%2Fstores");
  await page.getByRole("heading", { name: "Not found" }).waitFor();
  await page.getByRole("link", { name: "All replications" }).waitFor();
});
