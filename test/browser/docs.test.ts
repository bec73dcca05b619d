// The documents in a browser: read without a token, under a policy that runs nothing, and linked from a
// failure.

import { expect, test } from "vitest";
import { openWorld } from "../workers/world.ts";
import { Visitor, violations } from "./browser.ts";

const { mesh } = await openWorld({ east: { buckets: ["photos"] }, west: { buckets: ["backup"] } });
const visitor = await Visitor.arrive(mesh);

test.each([
  ["wide and light", { viewport: { width: 1280, height: 800 } }],
  ["narrow and dark", { viewport: { width: 390, height: 844 }, colorScheme: "dark" as const }],
])(
  "each page is readable, %s: no complaint of axe, and no page wider than its window",
  async (_name, options) => {
    const page = await visitor.open("/docs", options);
    await page.getByRole("heading", { level: 1, name: "Documents" }).waitFor();
    const titles = await page.getByRole("navigation", { name: "Pages" }).getByRole("link").allTextContents();
    expect(titles).toContain("Operate");
    for (const title of titles) {
      await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: title }).click();
      await page.getByRole("heading", { level: 1, name: title }).waitFor();
      expect([title, await violations(page)]).toEqual([title, []]);
      const overflow = await page.evaluate<number>("document.documentElement.scrollWidth - innerWidth");
      expect([title, overflow <= 0]).toEqual([title, true]);
    }
  },
);

test("a failure leads to the row that explains its code", async () => {
  const { id } = await mesh.copy({ source: "east:photos/none.bin", destination: "west:backup/none.bin" });
  const page = await visitor.signIn(`#/copies/${id}`);
  await page.getByRole("link", { name: "What it means, and what to do" }).click();
  const row = page.locator("#code-source_not_found");
  await row.getByText("The source has no such object").waitFor();
  await expect.poll(async () => (await row.boundingBox())?.y ?? -1).toBeGreaterThan(0);
  expect(await page.evaluate<string>("document.querySelector(':target').id")).toBe("code-source_not_found");
});
