// The dashboard as a person uses it, in Chromium against a real mesh.

import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { READ_TOKEN } from "../mesh/mesh.ts";
import { PART, openWorld } from "../workers/world.ts";
import { Visitor, picture, tellFrames, violations, watchFrames } from "./browser.ts";

const {
  mesh,
  stores: { east, west },
} = await openWorld({ east: { buckets: ["photos"] }, west: { buckets: ["backup"] } });
const visitor = await Visitor.arrive(mesh);

const phaseOf = (page: Page) => page.locator("main .phase").first();
const mapOf = (page: Page) => page.getByRole("img", { name: /^Map of/ });

/** An event as a mesh sends it, and a part in it. */
const event = (name: string, data: unknown) => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
const row = (part: number, state: string) => [part, state, (part % 250) + 1, part % 97 === 0 ? 1 : 0];

async function untilPhase(page: Page, phase: string): Promise<void> {
  await page
    .locator("main .phase", { hasText: new RegExp(`^${phase}$`) })
    .first()
    .waitFor();
}

test("a wrong token is refused with its reason, and a good one lets in and is forgotten at Sign out", async () => {
  const page = await visitor.open();
  await page.getByLabel("API token").fill("nonsense");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("alert").getByText("none of those configured").waitFor();
  visitor.forgive(/status of 401/);
  expect(await violations(page)).toEqual([]);
  await page.getByLabel("API token").fill(READ_TOKEN);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  expect(await page.evaluate("Object.keys(localStorage)")).toEqual([]);
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByLabel("API token").waitFor();
  expect(await page.evaluate("Object.keys(sessionStorage)")).toEqual([]);
});

test("a copy is started, paused, resumed and watched to its end, part by part", async () => {
  east.putGenerated("photos", "album/film.mov", { size: 12 * PART - 1 });
  const gates = [3, 7].map((partNumber) => west.hold({ operation: "UploadPart", partNumber }));
  west.fault(
    { operation: "UploadPart", partNumber: 2 },
    { kind: "answer", code: "InternalError" },
    { times: 1 },
  );
  const page = await visitor.signIn("#/new");
  const form = page.locator("form").first();
  await form.getByLabel("Source", { exact: true }).fill("east:photos/album/film.mov");
  await form.getByLabel("Destination", { exact: true }).fill("west:backup/film.mov");
  await form.getByLabel("Part size").fill(String(PART));
  await form.getByLabel("Parts at once").fill("4");
  expect(await violations(page)).toEqual([]);
  await form.getByRole("button", { name: "Start copy" }).click();
  await page.getByRole("heading", { name: "film.mov" }).waitFor();
  await page.getByRole("img", { name: /Map of 12 parts: .*2 in flight.*/ }).waitFor();
  await page.getByText("10 of 12 done, 2 in flight").waitFor();
  expect(await mapOf(page).getAttribute("aria-label")).toContain("1 done after a retry");
  expect(await violations(page)).toEqual([]);
  await picture(page, "copy");
  await page.getByRole("button", { name: "Pause" }).click();
  await untilPhase(page, "paused");
  await page.getByRole("button", { name: "Resume" }).click();
  await untilPhase(page, "uploading");
  for (const gate of gates) gate.release();
  await untilPhase(page, "completed");
  await page.getByRole("img", { name: "Map of 12 parts: 11 done, 1 done after a retry" }).waitFor();
  await page.getByText("part-md5").first().waitFor();
  expect(await page.getByRole("list", { name: "Timeline" }).getByText("part failed").count()).toBe(1);
  expect(west.objects("backup").map(({ key }) => key)).toEqual(["film.mov"]);
});

test("the parts can be gone through by keyboard, and each is told in words", async () => {
  east.putGenerated("photos", "keys.bin", { size: 3 * PART });
  const { id } = await mesh.copy({
    source: "east:photos/keys.bin",
    destination: "west:backup/keys.bin",
    partSize: PART,
  });
  const page = await visitor.signIn(`#/copies/${id}`);
  await page.getByRole("img", { name: "Map of 3 parts: 3 done" }).focus();
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowRight");
  await page.getByText(/^Part 2 of 3: done, lane \d+$/).waitFor();
  await page.getByLabel("Colour parts by").selectOption("lane");
});

test("cancelling asks first, and leaves the copy alone when told to", async () => {
  east.putGenerated("photos", "unwanted.bin", { size: 3 * PART });
  const [first, gate, last] = [1, 2, 3].map((partNumber) =>
    west.hold({ operation: "UploadPart", partNumber }),
  );
  const id = await mesh.startCopy({
    source: "east:photos/unwanted.bin",
    destination: "west:backup/unwanted.bin",
    partSize: PART,
  });
  const page = await visitor.signIn(`#/copies/${id}`);
  await page.getByRole("button", { name: "Cancel", exact: true }).waitFor();
  first?.release();
  await page.getByText("1.0 MiB of 3.0 MiB").waitFor();
  await page.getByRole("button", { name: "Cancel", exact: true }).click();
  await page.getByRole("dialog").getByText("Cancel this copy? Its upload is aborted, and 1.0 MiB").waitFor();
  expect(await page.evaluate("document.activeElement.textContent")).toBe("Go back");
  expect(await violations(page)).toEqual([]);
  await page.keyboard.press("Escape");
  await expect.poll(() => page.getByRole("dialog").count()).toBe(0);
  expect((await mesh.status(id)).phase).toBe("uploading");
  await page.getByRole("button", { name: "Cancel", exact: true }).click();
  await page.getByRole("button", { name: "Cancel the copy" }).click();
  await expect.poll(() => phaseOf(page).textContent()).toMatch(/aborting|cancelled/);
  gate?.release();
  last?.release();
  await untilPhase(page, "cancelled");
  await page.getByRole("button", { name: "Start again" }).waitFor();
});

test("a failed copy tells why in the store's own words, and is started again as it was asked for", async () => {
  const { id, options } = await mesh.copy({
    source: "east:photos/missing.bin",
    destination: "west:backup/missing.bin",
    partSize: "6MiB",
    ifExists: "skip",
    metadata: "replace",
    attributes: { contentType: "text/plain" },
    tags: { team: "blue" },
    verify: "strict",
  });
  const page = await visitor.signIn(`#/copies/${id}`);
  await untilPhase(page, "failed");
  await page.getByText("source_not_found").first().waitFor();
  await page.getByText("NoSuchKey").first().waitFor();
  await page.getByRole("status").getByText("The copy has failed").waitFor();
  // Nothing moves any more, and there is nothing to show of parts that never were.
  expect(await page.getByRole("progressbar").getAttribute("value")).toBe("0");
  expect(await page.getByRole("heading", { name: /^(Parts|Throughput)$/ }).count()).toBe(0);
  expect(await violations(page)).toEqual([]);
  east.put("photos", "missing.bin", "found");
  await page.getByRole("button", { name: "Start again" }).click();
  await page.getByRole("button", { name: "Copy it again" }).click();
  await untilPhase(page, "completed");
  const again = new URL(page.url()).hash.split("/").at(-1) ?? "";
  expect(again).not.toBe(id);
  expect((await mesh.status(again)).options).toEqual(options);
});

test("a dry run shows what would be copied and deleted, and is then done", async () => {
  for (const name of ["a", "b", "c"]) east.put("photos", `trip/${name}.jpg`, name);
  west.put("backup", "trip/c.jpg", "c");
  // Enough that one deletion is within the tenth that is allowed.
  for (let day = 1; day <= 12; day++) {
    for (const [store, bucket] of [
      [east, "photos"],
      [west, "backup"],
    ] as const) {
      store.put(bucket, `trip/day-${day}.jpg`, `${day}`);
    }
  }
  west.put("backup", "trip/old.jpg", "old");
  const page = await visitor.signIn("#/new");
  const form = page.locator("form").nth(1);
  await form.getByLabel("Source", { exact: true }).fill("east:photos/trip/");
  await form.getByLabel("Destination", { exact: true }).fill("west:backup/trip/");
  await form.getByLabel("Delete keys that only").check();
  await form.getByRole("button", { name: "Start sync" }).click();
  await untilPhase(page, "completed");
  const plan = page.getByRole("region", { name: "What would be done" });
  await plan.getByText("trip/a.jpg").waitFor();
  await expect.poll(() => plan.getByRole("row").count()).toBe(4); // with the head
  await plan.getByText("would delete").waitFor();
  expect(await violations(page)).toEqual([]);
  await picture(page, "sync");
  expect(west.objects("backup").map(({ key }) => key)).toContain("trip/old.jpg");
  await page.getByRole("button", { name: "Run it" }).click();
  await page.getByText("Copy 2 keys to west:backup/trip/ and delete 1?").waitFor();
  await page.getByRole("button", { name: "Run it" }).last().click();
  await page.getByRole("heading", { name: /^east:photos/ }).waitFor();
  await untilPhase(page, "completed");
  await page.getByText(/^2 keys, 2 B$/).waitFor();
  expect(west.objects("backup").map(({ key }) => key)).not.toContain("trip/old.jpg");
});

test("of a sync's failures the first are shown, and where the others are", async () => {
  const keys = Array.from({ length: 25 }, (_each, index) => `broken/${index}`);
  for (const key of keys) {
    east.put("photos", key, "x");
    west.fault({ operation: "PutObject", key }, { kind: "answer", code: "AccessDenied" });
  }
  const id = await mesh.startSync({ source: "east:photos/broken/", destination: "west:backup/broken/" });
  await mesh.syncEnded(id);
  const page = await visitor.signIn(`#/syncs/${id}`);
  await page.getByRole("status").getByText("The sync has finished with errors").waitFor();
  await page.getByText(`20 of 25; GET /syncs/${id}/report has all.`).waitFor();
  expect(await page.getByRole("region", { name: "Failed keys" }).getByRole("row").count()).toBe(21);
  expect(await violations(page)).toEqual([]);
});

test("a schedule is made, run and deleted", async () => {
  east.put("photos", "nightly.txt", "N");
  const page = await visitor.signIn("#/schedules");
  await page.getByLabel("Name").fill("nightly");
  await page.getByLabel("Cron").fill("0 3 * * *");
  await page.getByLabel("Source").fill("east:photos/nightly.txt");
  await page.getByLabel("Destination").fill("west:backup/nightly.txt");
  await page.getByRole("button", { name: "Save schedule" }).click();
  await page.getByText("0 3 * * * UTC").waitFor();
  await page.getByRole("button", { name: "Run now: nightly" }).click();
  await page.getByRole("link", { name: /^completed/ }).waitFor();
  expect(await violations(page)).toEqual([]);
  await page.getByRole("button", { name: "Delete: nightly" }).click();
  await page.getByRole("button", { name: "Delete it" }).click();
  await page.getByText("None yet.").waitFor();
  expect((await mesh.call("GET", "/schedules")).body["schedules"]).toEqual([]);
});

/** Is it on the screen, without scrolling? */
const onScreen = async (page: Page, text: RegExp | string) => {
  const box = await page.getByRole("alert").or(page.getByRole("status")).getByText(text).boundingBox();
  const height = page.viewportSize()?.height ?? 0;
  return box !== null && box.y >= 0 && box.y + box.height <= height;
};

test("what a form is refused for is on the screen, beside its button, and the field is gone to", async () => {
  for (let n = 0; n < 8; n++)
    await mesh.call("PUT", `/schedules/filler-${n}`, {
      body: { cron: "0 4 * * 1", copy: { source: "east:photos/x", destination: "west:backup/x" } },
    });
  const page = await visitor.signIn("#/schedules");
  await page.getByLabel("Name").fill("bad");
  await page.getByLabel("Cron").fill("0 3 * * 9");
  await page.getByLabel("Source").fill("east:photos/a");
  await page.getByLabel("Destination").fill("west:backup/a");
  await page.getByRole("button", { name: "Save schedule" }).click();
  await page.locator("form .form-error").getByText('"cron"').waitFor();
  expect(await onScreen(page, '"cron"')).toBe(true);
  expect(await page.evaluate("document.activeElement.name")).toBe("cron");
  expect(await page.getByLabel("Cron").getAttribute("aria-invalid")).toBe("true");
  expect(await violations(page)).toEqual([]);
  await page.getByLabel("Cron").fill("0 3 * * 1");
  await page.getByRole("button", { name: "Save schedule" }).click();
  await page.getByRole("status").getByText("bad was saved").waitFor();
  expect(await onScreen(page, "bad was saved")).toBe(true);
  expect(await page.locator(".form-error").count()).toBe(0);
  expect(await page.locator("[aria-invalid]").count()).toBe(0);
  visitor.forgive(/status of 400/);
  for (const name of ["bad", ...Array.from({ length: 8 }, (_, n) => `filler-${n}`)])
    await mesh.call("DELETE", `/schedules/${name}`);
});

test("a schedule that is changed keeps what the form cannot hold, and no other is replaced by its name", async () => {
  east.put("photos", "in/a.jpg", "A");
  const sync = {
    source: "east:photos/in/",
    destination: "west:backup/out/",
    include: ["**/*.jpg"],
    delete: true,
    maxDeletes: "5%",
  };
  await mesh.call("PUT", "/schedules/pictures", { body: { cron: "0 4 * * 1", sync, enabled: false } });
  const requestOf = async () => {
    const {
      cron,
      timezone,
      overlap,
      enabled,
      sync: work,
    } = (await mesh.call("GET", "/schedules/pictures")).body;
    return { cron, timezone, overlap, enabled, sync: work };
  };
  const page = await visitor.signIn("#/schedules");
  await page.getByText("include: **/*.jpg, delete, maxDeletes: 5%").first().waitFor();
  await page.getByLabel("Name").fill("pictures");
  await page.getByLabel("Cron").fill("0 5 * * *");
  await page.getByLabel("Source").fill("east:photos/x");
  await page.getByLabel("Destination").fill("west:backup/x");
  await page.getByRole("button", { name: "Save schedule" }).click();
  await page.getByRole("alert").getByText('There is a schedule "pictures" already').waitFor();
  visitor.forgive(/status of 412/);
  expect(await requestOf()).toMatchObject({ cron: "0 4 * * 1", sync });
  await page.getByRole("button", { name: "Edit: pictures" }).click();
  expect(await page.getByLabel("Source").inputValue()).toBe("east:photos/in/");
  expect(await violations(page)).toEqual([]);
  await page.getByLabel("Cron").fill("0 6 * * *");
  await page.getByLabel("If the previous run").selectOption("queue");
  await page.getByRole("button", { name: "Save schedule" }).click();
  await page.getByText("pictures was saved").waitFor();
  expect(await requestOf()).toEqual({
    cron: "0 6 * * *",
    timezone: "UTC",
    overlap: "queue",
    enabled: false,
    sync,
  });
  await page.getByRole("button", { name: "Enable: pictures" }).click();
  await page.getByText("pictures is enabled").waitFor();
  await page.getByRole("button", { name: "Run now: pictures" }).click();
  await page.getByRole("dialog").getByText("Delete every key under west:backup/out/").waitFor();
  await page.getByRole("button", { name: "Go back" }).click();
  expect((await mesh.call("GET", "/schedules/pictures")).body["runs"]).toEqual([]);
  await mesh.call("DELETE", "/schedules/pictures");
});

test("a copy that waits shows no rate, no pace and no bar that runs, and a filter names what it finds none of", async () => {
  east.put("photos", "waits.bin", "W");
  east.fault(
    { operation: ["HeadObject", "GetObject"], key: "waits.bin" },
    { kind: "answer", code: "AccessDenied" },
  );
  const { id } = await mesh.copy({ source: "east:photos/waits.bin", destination: "west:backup/waits.bin" });
  const page = await visitor.signIn(`#/copies/${id}`);
  await untilPhase(page, "blocked");
  expect(await page.getByRole("progressbar").getAttribute("value")).toBe("0");
  await page.getByRole("list", { name: "Timeline" }).getByText("blocked").first().waitFor();
  for (const text of [/^live$/, /transfers at once/, /\/s$/])
    expect(await page.getByText(text).count()).toBe(0);
  await page.goto(new URL("/#/copies", mesh.url).href);
  await page.getByLabel("Phase").selectOption("attention");
  await page.getByRole("link", { name: "east:photos/waits.bin" }).waitFor();
  await page.getByLabel("Phase").selectOption("paused");
  await page.getByText("None: paused.").waitFor();
  await mesh.cancel(id);
});

test("with the reading token everything is seen, and what may not be done is not offered", async () => {
  east.putGenerated("photos", "seen.bin", { size: 2 * PART });
  const gate = west.hold({ operation: "UploadPart" });
  const id = await mesh.startCopy({
    source: "east:photos/seen.bin",
    destination: "west:backup/seen.bin",
    partSize: PART,
  });
  const page = await visitor.signIn(`#/copies/${id}`, {}, READ_TOKEN);
  await untilPhase(page, "uploading");
  for (const name of ["Pause", "Cancel"]) expect(await page.getByRole("button", { name }).count()).toBe(0);
  await page.goto(new URL("/#/schedules", mesh.url).href);
  await page.getByText("None yet.").waitFor();
  expect(await page.locator("main form").count()).toBe(0);
  gate.release();
  await mesh.ended(id);
});

test("names of objects are text and nothing else", async () => {
  const key = `<img src=x onerror="document.title='gotcha'"><b>&amp;`;
  east.put("photos", key, "X");
  await mesh.copy({
    source: { store: "east", bucket: "photos", key },
    destination: { store: "west", bucket: "backup", key },
  });
  const page = await visitor.signIn();
  await page.getByRole("link", { name: `east:photos/${key}` }).click();
  await page.getByRole("heading", { name: key.split("/").at(-1) ?? "" }).waitFor();
  expect(await page.title()).not.toBe("gotcha");
  expect(await page.locator("main img").count()).toBe(0);
});

test("where no stream gets through, the page asks instead", async () => {
  east.putGenerated("photos", "asked.bin", { size: 3 * PART });
  const gate = west.hold({ operation: "UploadPart", partNumber: 2 });
  const id = await mesh.startCopy({
    source: "east:photos/asked.bin",
    destination: "west:backup/asked.bin",
    partSize: PART,
  });
  const page = await visitor.signIn();
  await page.route("**/events**", (route) => route.fulfill({ status: 502, body: "" }));
  await page.goto(new URL(`/#/copies/${id}`, mesh.url).href);
  await page.getByText("polling every 2 s").waitFor();
  await page.getByRole("img", { name: /Map of 3 parts: .*in flight/ }).waitFor();
  gate.release();
  await untilPhase(page, "completed");
  visitor.forgive(/status of 502/);
});

test("a list, dark and on a phone: readable by axe's rules", async () => {
  await mesh.call("PUT", "/schedules/weekly", {
    body: {
      cron: "0 4 * * 1",
      copy: { source: "east:photos/nightly.txt", destination: "west:backup/{yyyy}/weekly.txt" },
    },
  });
  east.putGenerated("photos", "running.bin", { size: 40 * PART });
  const gate = west.hold({ operation: "UploadPart", partNumber: 25 });
  const id = await mesh.startCopy({
    source: "east:photos/running.bin",
    destination: "west:backup/running.bin",
    partSize: PART,
    concurrency: 6,
  });
  for (const [name, options] of [
    ["light", {}],
    ["dark", { colorScheme: "dark" }],
    ["phone", { viewport: { width: 390, height: 844 }, colorScheme: "dark" }],
  ] as const) {
    const page = await visitor.signIn("#/copies", options);
    await page.getByRole("link", { name: "east:photos/running.bin" }).waitFor();
    expect(await violations(page), name).toEqual([]);
    if (name !== "phone") await picture(page, name === "light" ? "list" : "list-dark");
    // The phone is dark as well.
    const others = name === "dark" ? [] : ["overview", "syncs", "schedules", "stores", "new"];
    for (const section of others) {
      await page.getByRole("navigation").locator(`a[href="#/${section}"]`).click();
      await page.locator(`main h1`).waitFor();
      expect(await violations(page), `${name} ${section}`).toEqual([]);
    }
    await page.goto(new URL(`/#/copies/${id}`, mesh.url).href);
    await page.getByRole("img", { name: /Map of 40 parts: .*1 in flight/ }).waitFor();
    expect(await violations(page), `${name} copy`).toEqual([]);
    expect(await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name).toBe(true);
    if (name === "phone") await picture(page, "copy-phone");
  }
  gate.release();
  await mesh.ended(id);
});

interface Drawn {
  /** How many of the map were drawn, animation frame by animation frame. */
  readonly cells: readonly number[];
  /** Of the page's nodes. */
  readonly mutations: number;
}

const countDrawing = `
  globalThis.drawn = { cells: [], mutations: 0 };
  let cells = 0;
  const { fillRect } = CanvasRenderingContext2D.prototype;
  CanvasRenderingContext2D.prototype.fillRect = function (...where) {
    if (cells++ === 0) setTimeout(() => (drawn.cells.push(cells), (cells = 0)));
    fillRect.apply(this, where);
  };
  new MutationObserver((records) => (drawn.mutations += records.length)).observe(document, {
    subtree: true, childList: true, attributes: true, characterData: true,
  });
`;

test("10,000 parts: each update redraws the cells of its own parts, and touches a few nodes of the page", async () => {
  const total = 10_000;
  east.putGenerated("photos", "huge.bin", { size: total * PART });
  const gate = west.hold({ operation: "UploadPart" });
  const request = { source: "east:photos/huge.bin", destination: "west:backup/huge.bin", partSize: PART };
  const id = await mesh.startCopy({ ...request, concurrency: 2 });
  await west.waitFor(() => gate.waiting.length === 2);
  const { timeline: _, ...status } = await mesh.status(id);
  // What a mesh sends whose copy is half done and goes on at 40 parts a frame.
  const half = total / 2;
  const all = Array.from({ length: total }, (_each, index) =>
    row(index + 1, index < half ? "done" : "inFlight"),
  );
  const page = await visitor.signIn();
  await page.evaluate(countDrawing);
  await watchFrames(page);
  let frame = 0;
  await page.route("**/events**", async (route) => {
    const done = half + frame * 40;
    const parts = Array.from({ length: 40 }, (_each, index) => row(done + index + 1, "done"));
    const bytes = { done: done * PART, total: total * PART };
    const rate = { bytesPerSecond: done, etaSeconds: 9 };
    const shown = { ...status, bytes, parts: { ...status.parts, done }, rate };
    const reset = frame === 0;
    frame += 1;
    await route.fulfill({
      status: 200,
      contentType: "text/event-stream",
      body: `retry: 10\n\n${event("status", shown)}${event("parts", { total, reset, parts: reset ? all : parts })}`,
    });
  });
  await page.goto(new URL(`/#/copies/${id}`, mesh.url).href);
  await expect.poll(() => page.evaluate("drawn.cells.length")).toBeGreaterThan(60);
  const { cells, mutations } = await page.evaluate<Drawn>("drawn");
  const [whole, updates] = [cells.filter((count) => count >= total), cells.filter((count) => count < total)];
  // When it appears, when it finds its size, and with the first message.
  expect(whole.length).toBeLessThanOrEqual(5);
  // Messages that come together are drawn together.
  expect(updates.reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(40 * frame);
  expect(mutations).toBeLessThan(50 * frame);
  await tellFrames(page, "10,000 parts");
  await mapOf(page).scrollIntoViewIfNeeded();
  await picture(page, "parts");
  await page.context().close();
  const cancelled = mesh.cancel(id);
  gate.release();
  expect((await cancelled).phase).toBe("cancelled");
});
