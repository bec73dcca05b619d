// The first page at 3 a.m., and the ways from it: what needs a person, what to do, and that it is done.

import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { openWorld } from "../workers/world.ts";
import { Visitor, picture, tellFrames, violations, watchFrames } from "./browser.ts";

const {
  mesh,
  stores: { east, west },
} = await openWorld({ east: { buckets: ["photos"] }, west: { buckets: ["backup"] } });
const visitor = await Visitor.arrive(mesh);

const goTo = async (page: Page, hash: string) => await page.goto(new URL(`/${hash}`, mesh.url).href);
const needs = (page: Page) => page.getByRole("region", { name: "Needs you" });

async function block(key: string): Promise<string> {
  east.put("photos", key, key);
  east.fault({ operation: ["HeadObject", "GetObject"], key }, { kind: "answer", code: "AccessDenied" });
  return (await mesh.copy({ source: `east:photos/${key}`, destination: `west:backup/${key}` })).id;
}

test("what is blocked is the first thing seen, with what to do, and is resumed from there, all of it", async () => {
  const ids = [await block("raw/2026-11-28/A001_C014.mov"), await block("raw/2026-11-28/A001_C015.mov")];
  await mesh.call("PUT", "/schedules/nightly", {
    body: { cron: "0 3 * * *", sync: { source: "east:photos/", destination: "west:backup/nightly/" } },
  });
  const page = await visitor.signIn("");
  const reason = needs(page).getByRole("listitem").first();
  await reason.getByText("A right is missing at the source").waitFor();
  await reason.getByText("it names the right").waitFor();
  await page.getByRole("region", { name: "Next runs" }).getByText("nightly").waitFor();
  expect(await page.title()).toBe("(2) Overview – Bucket Brigade");
  expect(await violations(page)).toEqual([]);
  await picture(page, "overview");
  east.clearFaults();
  await reason.getByRole("button", { name: "Resume all that east has blocked" }).click();
  await page.getByRole("status").getByText("2 resumed").waitFor();
  for (const id of ids) expect((await mesh.ended(id)).phase).toBe("completed");
  await needs(page).getByText("Nothing.").waitFor();
  await expect.poll(() => page.title()).toBe("Overview – Bucket Brigade");
});

test("the page of a blocked copy says what to do, and leads to the check of the store that has refused", async () => {
  const id = await block("blocked.bin");
  const page = await visitor.signIn(`#/copies/${id}`);
  await page.getByText("Nothing", { exact: true }).or(page.getByText("What to do: ")).first().waitFor();
  await page.getByText("The mesh by itself: ").waitFor();
  await page.getByText(id, { exact: true }).waitFor();
  expect(await page.title()).toContain("blocked.bin blocked");
  expect(await violations(page)).toEqual([]);
  await picture(page, "blocked");
  await page.getByRole("link", { name: "Check east" }).click();
  await page
    .getByRole("region", { name: "Check east" })
    .getByRole("button", { name: "Run the check" })
    .waitFor();
  await mesh.cancel(id);
});

test("a search and its filters are in the address, where a reload and the way back find them", async () => {
  for (const key of ["one.txt", "two.txt"]) {
    east.put("photos", key, key);
    await mesh.copy({ source: `east:photos/${key}`, destination: `west:backup/${key}` });
  }
  const page = await visitor.signIn("#/copies");
  await page.getByRole("link", { name: "east:photos/one.txt" }).waitFor();
  await page.keyboard.press("/");
  await page.keyboard.type("TWO");
  await page.getByLabel("Phase").selectOption("completed");
  await expect.poll(() => page.getByRole("row").count()).toBe(2); // with the head
  expect(new URL(page.url()).hash).toBe("#/copies?q=TWO&phase=completed");
  await page.reload();
  await page.getByRole("link", { name: "east:photos/two.txt" }).click();
  await page.getByRole("heading", { name: "two.txt" }).waitFor();
  await page.goBack();
  await expect.poll(() => page.getByLabel("Search").inputValue()).toBe("TWO");
  await expect.poll(() => page.getByRole("row").count()).toBe(2);
});

test("an id that nothing has is said to be unknown, with the way back", async () => {
  const page = await visitor.signIn("#/copies/01k00000000000000000000000");
  await page.getByRole("alert").getByText('There is no copy "01k00000000000000000000000"').waitFor();
  visitor.forgive(/status of 404/);
  await page.getByRole("heading", { name: "Not found" }).waitFor();
  // What is no id is not asked for: it would be a path.
  const asked: string[] = [];
  page.on("request", (request) => asked.push(request.url()));
  await page.goto(new URL("/#/copies/..\\\\stores", mesh.url).href);
  await page.getByRole("alert").getByText("No copy and no sync has the id").waitFor();
  expect(asked.filter((url) => url.includes("/stores"))).toEqual([]);
  await page.getByRole("heading", { name: "Not found" }).waitFor();
  expect(await violations(page)).toEqual([]);
  await page.getByRole("link", { name: "All copies" }).click();
  await page.getByRole("heading", { name: "Copies" }).waitFor();
});

test("a second tab is signed in by the first, and both are signed out by one", async () => {
  const page = await visitor.signIn("");
  const second = await page.context().newPage();
  second.setDefaultTimeout(6_000);
  await second.goto(new URL("/#/stores", mesh.url).href);
  await second.getByRole("cell", { name: "east", exact: true }).waitFor();
  expect(await second.evaluate("Object.keys(localStorage)")).toEqual([]);
  await second.getByRole("button", { name: "Sign out" }).click();
  await page.getByLabel("API token").waitFor();
});

test("a comparison is started, and shows what its keys have ended as", async () => {
  for (const [store, bucket] of [
    [east, "photos"],
    [west, "backup"],
  ] as const)
    store.put(bucket, "pair/a.txt", "A");
  east.put("photos", "pair/b.txt", "B");
  const page = await visitor.signIn("#/new?source=east:photos/pair/&destination=west:backup/pair/");
  await page.getByRole("button", { name: "Start comparison" }).click();
  await page.locator("main .phase", { hasText: "different" }).waitFor();
  const report = page.getByRole("region", { name: "Report" });
  await report
    .getByText("pair/b.txt")
    .or(report.getByText("b.txt", { exact: true }))
    .first()
    .waitFor();
  expect(await violations(page)).toEqual([]);
  await goTo(page, "#/comparisons");
  await page.getByRole("link", { name: "east:photos/pair/" }).waitFor();
});

test("a schedule shows when its expression is due next, and its last runs as dots", async () => {
  const page = await visitor.signIn("#/schedules");
  await page.getByLabel("Cron").fill("0 3 * * *");
  await page.getByText(/^Next: .* · .* · /).waitFor();
  await page.getByRole("button", { name: "Run now: nightly" }).click();
  await page.locator(".dot.completed").waitFor();
  expect(await violations(page)).toEqual([]);
  await picture(page, "schedules");
  await mesh.call("DELETE", "/schedules/nightly");
});

test("of 100,000 lines of a report only those in sight are nodes, and any is found", async () => {
  const id = await mesh.startSync({
    source: "east:photos/pair/",
    destination: "west:backup/pair/",
    dryRun: true,
  });
  await mesh.syncEnded(id);
  const lines = Array.from({ length: 100_000 }, (_, n) =>
    JSON.stringify({
      key: `film/${n}.dpx`,
      action: n % 9 === 0 ? "would_delete" : "would_copy",
      reason: "missing",
      size: n,
    }),
  );
  const page = await visitor.signIn("#/syncs");
  await page.route("**/report", (route) => route.fulfill({ status: 200, body: `${lines.join("\n")}\n` }));
  await watchFrames(page);
  await page.evaluate(`location.hash = "#/syncs/${id}"`);
  await page.getByText("100000 keys would change.").waitFor();
  const plan = page.getByRole("region", { name: "What would be done" });
  for (const to of [500_000, 1_400_000, 2_799_000]) {
    await plan.evaluate((node, top) => (node.scrollTop = top), to);
    await plan.getByText(`film/${Math.floor(to / 28) + 2}.dpx`, { exact: true }).waitFor();
  }
  expect(await plan.getByRole("row").count()).toBeLessThan(60);
  await page.getByLabel("Search keys").fill("77777");
  await plan.getByText("film/77777.dpx").waitFor();
  expect(await plan.getByRole("row").count()).toBe(2);
  await tellFrames(page, "a report of 100,000 lines");
  expect(await violations(page)).toEqual([]);
});

/** Copies whose list the page gets instead of the mesh's, with every call as they are by then. */
async function copiesOf(page: Page, count: number): Promise<Record<string, unknown>[]> {
  east.put("photos", "reel.mov", "R");
  await mesh.copy({ source: "east:photos/reel.mov", destination: "west:backup/reel.mov" });
  const { body } = await mesh.call("GET", "/copies?limit=1");
  const [row] = body["copies"] as Record<string, unknown>[];
  const all = Array.from({ length: count }, (_, n) => ({
    ...row,
    id: `01k${String(50_000 - n).padStart(23, "0")}`,
    source: `east:photos/reel/${n}.mov`,
  }));
  await page.route("**/copies?**", async (route) => {
    const cursor = new URL(route.request().url()).searchParams.get("cursor");
    const from = cursor === null ? 0 : all.findIndex(({ id }) => id === cursor) + 1;
    const copies = all.slice(from, from + 100);
    const next = from + 100 < all.length ? copies.at(-1)?.id : null;
    await route.fulfill({ status: 200, json: { copies, next } });
  });
  return all;
}

/** Keeps how many rows came on the page in each frame. */
const WATCH_ROWS = `
  globalThis.came = [0];
  new MutationObserver((all) => {
    for (const { addedNodes } of all)
      for (const node of addedNodes)
        if (node.nodeType === 1) came[came.length - 1] += node.matches("tr") ? 1 : node.querySelectorAll("tr").length;
  }).observe(document.querySelector("main"), { subtree: true, childList: true });
  const nextFrame = () => {
    came.push(0);
    requestAnimationFrame(nextFrame);
  };
  requestAnimationFrame(nextFrame);
`;

test("of 1,000 copies a few lines come in each frame, and one that has not changed is not drawn again", async () => {
  const page = await visitor.signIn("#/stores");
  await copiesOf(page, 1_000);
  await watchFrames(page);
  await goTo(page, "#/copies");
  const lines = page.locator("tbody tr");
  await expect.poll(() => lines.count()).toBe(100);
  await page.evaluate(WATCH_ROWS);
  for (let shown = 200; shown <= 1_000; shown += 100) {
    await page.getByRole("button", { name: "Show older" }).click();
    await expect.poll(() => lines.count()).toBe(shown);
  }
  // Ten a frame; between two looks of the counter there may be those of two.
  expect(await page.evaluate("Math.max(...came)")).toBeLessThanOrEqual(20);
  await page.evaluate(
    "globalThis.changed = 0; new MutationObserver((all) => (changed += all.length)).observe(document.querySelector('main table'), { subtree: true, childList: true, characterData: true, attributes: true })",
  );
  // The newest page, and one of the older ones.
  for (let poll = 0; poll < 4; poll++) await page.waitForResponse(/copies\?/);
  expect(await page.evaluate("changed")).toBe(0);
  await tellFrames(page, "1,000 copies");
  // What is far out of sight is text of the page as the rest is, for a screen reader and for a search.
  await page.getByRole("link", { name: "east:photos/reel/500.mov" }).waitFor();
  expect(await page.evaluate("find('reel/777.mov')")).toBe(true);
});

test("older lines that come twice, newer ones and changed ones leave the focus and make no line double", async () => {
  const page = await visitor.signIn("#/stores");
  const all = await copiesOf(page, 250);
  const oldest = () => page.locator("tbody tr").last().getByRole("link").textContent();
  await goTo(page, "#/copies");
  await expect.poll(oldest).toBe("east:photos/reel/99.mov");
  await page.getByRole("link", { name: "reel/99.mov" }).focus();
  await page.evaluate("globalThis.focused = document.activeElement");
  const press = `[...document.querySelectorAll("main button")].find((one) => one.textContent === "Show older").click();`;
  await page.evaluate(press + press);
  await expect.poll(oldest).toBe("east:photos/reel/199.mov");
  await page.evaluate(press + press);
  await expect.poll(oldest).toBe("east:photos/reel/249.mov");
  const [first] = all;
  // As many as push the focused line out of the newest page.
  for (let n = 1; n <= 5; n++)
    all.unshift({
      ...first,
      id: `01k${String(50_000 + n).padStart(23, "0")}`,
      source: `east:photos/new/${n}`,
    });
  const changed = all.find(({ source }) => source === "east:photos/reel/150.mov");
  Object.assign(changed ?? {}, { phase: "cancelled" });
  await page.getByRole("link", { name: "east:photos/new/5" }).waitFor();
  await page.getByRole("row", { name: "cancelled east:photos/reel/150.mov" }).waitFor();
  const names = await page.locator("tbody tr").getByRole("link").allTextContents();
  expect(names).toEqual(all.map(({ source }) => source));
  expect(await page.evaluate("document.activeElement === focused && focused.isConnected")).toBe(true);
  expect(await violations(page)).toEqual([]);
});

test("500 schedules come a few in each frame, all of them, and are found by name", async () => {
  const page = await visitor.signIn("#/stores");
  await mesh.call("PUT", "/schedules/nightly", {
    body: { cron: "0 3 * * *", sync: { source: "east:photos/", destination: "west:backup/nightly/" } },
  });
  const { body } = await mesh.call("GET", "/schedules");
  const [one] = body["schedules"] as Record<string, unknown>[];
  const runs = Array.from({ length: 10 }, (_, n) => ({
    dueAt: `2026-11-${10 + n}T03:00:00.000Z`,
    outcome: "skipped",
    detail: "the run before is still going",
    phase: null,
    copyId: null,
    syncId: null,
    comparisonId: null,
  }));
  const schedules = Array.from({ length: 500 }, (_, n) => ({ ...one, name: `nightly-${1000 + n}`, runs }));
  await page.route("**/schedules?**", (route) =>
    route.fulfill({ status: 200, json: { schedules, next: null } }),
  );
  await page.evaluate(WATCH_ROWS);
  await watchFrames(page);
  await goTo(page, "#/schedules");
  const lines = page.locator("tbody tr");
  await expect.poll(() => lines.count()).toBe(500);
  expect(await page.evaluate("Math.max(...came)")).toBeLessThanOrEqual(20);
  for (let poll = 0; poll < 2; poll++) await page.waitForResponse(/schedules\?/);
  await tellFrames(page, "500 schedules");
  await page.getByLabel("Search", { exact: true }).fill("nightly-1499");
  await expect.poll(() => lines.count()).toBe(1);
  await page.getByLabel("Search", { exact: true }).fill("");
  await expect.poll(() => lines.count()).toBe(500);
  const names = await lines.locator("td:first-child").allTextContents();
  expect(names).toEqual(schedules.map(({ name }) => name));
  await mesh.call("DELETE", "/schedules/nightly");
});

test("the overview on a phone, dark: by axe's rules, and no wider than the phone", async () => {
  const id = await block("raw/2026-11-28/A001_C016_with_a_long_name_for_a_phone.mov");
  for (const [name, options] of [
    ["overview-phone", { viewport: { width: 390, height: 844 }, colorScheme: "dark" }],
    ["overview-dark", { colorScheme: "dark" }],
  ] as const) {
    const page = await visitor.signIn("", options);
    await needs(page).getByText("A right is missing").waitFor();
    expect(await violations(page)).toEqual([]);
    expect(await page.evaluate("document.documentElement.scrollWidth <= innerWidth")).toBe(true);
    await picture(page, name);
    await goTo(page, "#/copies");
    await page.getByRole("link", { name: /A001_C016/ }).waitFor();
    expect(await violations(page)).toEqual([]);
    expect(await page.evaluate("document.documentElement.scrollWidth <= innerWidth")).toBe(true);
    if (name === "overview-phone") await picture(page, "list-phone");
  }
  await mesh.cancel(id);
});

/** What Tab may stop at, in the order of the page, each as a short text. */
const STOPS = `
  const words = (node) =>
    [node.tagName, node.name || node.id || node.getAttribute("href") || "", node.ariaLabel ?? node.textContent.slice(0, 40)].join(" ");
  const stops = () =>
    [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']")]
      .filter((node) => !node.disabled && node.type !== "hidden" && node.checkVisibility());
`;

/** Goes through a page by Tab, from its first stop. @returns where it stopped, and where it had to */
async function walk(page: Page): Promise<{ visited: string[]; wanted: string[] }> {
  const wanted = await page.evaluate<string[]>(
    `(() => { ${STOPS} stops()[0].focus(); return stops().map(words); })()`,
  );
  const visited = wanted.slice(0, 1);
  for (let presses = 0; presses < wanted.length + 5 && visited.length < wanted.length; presses++) {
    await page.keyboard.press("Tab");
    // A box that scrolls and has nothing else in it is a stop as well, of the browser's own.
    const at = await page.evaluate<string | null>(
      `(() => { ${STOPS} return stops().includes(document.activeElement) ? words(document.activeElement) : null; })()`,
    );
    if (at !== null) visited.push(at);
  }
  return { visited, wanted };
}

test("by keyboard: Tab goes through every page in its order and out again, and what has the focus keeps it", async () => {
  const id = await block("raw/2026-11-28/A001_C017.mov");
  const page = await visitor.signIn("");
  for (const [hash, last] of [
    ["#/overview", page.getByRole("button", { name: "Resume it" })],
    ["#/copies", page.getByRole("link", { name: /A001_C017/ })],
    [`#/copies/${id}`, page.getByRole("button", { name: "Resume all" }).or(page.getByText("Cancel"))],
    ["#/schedules", page.getByRole("button", { name: "Save schedule" })],
    ["#/replications", page.getByRole("button", { name: "Make it" })],
    ["#/stores?check=east", page.getByRole("button", { name: "Run the check" })],
    ["#/audit", page.getByRole("row").nth(1)],
    ["#/new", page.getByRole("button", { name: "Start comparison" })],
  ] as const) {
    await goTo(page, hash);
    await last.first().waitFor();
    const { visited, wanted } = await walk(page);
    expect([hash, visited]).toEqual([hash, wanted]);
    // It is no trap: the next one leaves the last.
    const end = await page.evaluate("document.activeElement.outerHTML");
    await page.keyboard.press("Tab");
    expect(await page.evaluate("document.activeElement.outerHTML")).not.toBe(end);
  }
  // The first stop leads past the head, and to no other page.
  await goTo(page, "#/stores");
  const check = page.getByRole("button", { name: "Check: west" });
  await check.waitFor();
  await page.getByRole("link", { name: "Skip to content" }).focus();
  await page.keyboard.press("Enter");
  expect(await page.evaluate("[document.activeElement.id, location.hash]")).toEqual(["main", "#/stores"]);
  // A refresh leaves the focus where it is.
  await check.focus();
  for (let refresh = 0; refresh < 2; refresh++) await page.waitForResponse(/\/stores$/);
  expect(await page.evaluate("document.activeElement.ariaLabel")).toBe("Check: west");
  // Enter opens, Escape closes, and the focus is back where it was.
  await goTo(page, "#/copies");
  await page.getByRole("link", { name: /A001_C017/ }).focus();
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "A001_C017.mov" }).waitFor();
  const cancel = page.getByRole("button", { name: "Cancel", exact: true });
  await cancel.focus();
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  await page.keyboard.press("Escape");
  await expect.poll(() => page.getByRole("dialog").count()).toBe(0);
  expect(await page.evaluate("document.activeElement.textContent")).toBe("Cancel");
  await mesh.cancel(id);
});

test("keys are named and renamed in the form of a sync, as the request has them", async () => {
  east.put("photos", "pair/2024-05/A.TXT", "A");
  const page = await visitor.signIn("#/new?source=east:photos/pair/&destination=west:backup/renamed/");
  const form = page.locator("form").nth(1);
  await form.getByText("More").click();
  await form.getByLabel("Only these keys").fill("pair/2024-05/A.TXT");
  await form.getByLabel("Rename, a rule each line").fill("^(\\d{4})-(\\d\\d)/(.*)$  $1/$2/${3:lower}");
  await form.getByLabel("Dry run").uncheck();
  await form.getByRole("button", { name: "Start sync" }).click();
  await page.locator("main .phase", { hasText: "completed" }).waitFor();
  expect(west.objects("backup").map(({ key }) => key)).toContain("renamed/2024/05/a.txt");
});
