// The documents as the mesh serves them: without a token, as text and as a page, of the version that runs.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { Page, ROOT, codesIn } from "../../pure/docs/page.ts";
import { openWorld } from "../world.ts";

const { mesh } = await openWorld({ east: { buckets: ["source"] }, west: { buckets: ["destination"] } });

const files = readdirSync(join(ROOT, "src/docs")).filter((name) => name.endsWith(".md"));
const pages = files.map((name) => name.replace(".md", ""));

async function get(path: string, accept = "*/*") {
  return await mesh.call("GET", path, { headers: { accept, authorization: "" } });
}

test("GET /docs names every page, with its question, without a token", async () => {
  const { status, headers, text } = await get("/docs");
  expect([status, headers.get("content-type")]).toEqual([200, "text/markdown; charset=utf-8"]);
  const lines = text.split("\n").filter((line) => line.startsWith("- "));
  expect(lines.map((line) => /^- \[.+\]\(\/docs\/(.+)\): .+\?$/.exec(line)?.[1]).toSorted()).toEqual(
    pages.toSorted(),
  );
});

test.each(pages)("GET /docs/%s is the file for curl, also by its name in the repository", async (page) => {
  const file = readFileSync(join(ROOT, "src/docs", `${page}.md`), "utf8");
  for (const path of [`/docs/${page}`, `/docs/${page}.md`]) {
    const { status, headers, text } = await get(path);
    expect([status, headers.get("content-type")]).toEqual([200, "text/markdown; charset=utf-8"]);
    expect([headers.get("vary"), headers.get("x-content-type-options")]).toEqual(["accept", "nosniff"]);
    expect(text).toBe(file);
  }
});

test.each(["", ...pages.map((page) => `/${page}`)])("GET /docs%s is a page for a browser", async (path) => {
  const { status, headers, text } = await get(`/docs${path}`, "text/html,application/xhtml+xml;q=0.9");
  expect([status, headers.get("content-type")]).toEqual([200, "text/html; charset=utf-8"]);
  expect(text).toMatch(/<h1 id="[a-z-]+">/);
  for (const page of pages) expect(text).toContain(`<a href="/docs/${page}"`);
  const current = [...text.matchAll(/<a href="\/docs([^"]*)" aria-current="page">/g)].map(([, own]) => own);
  expect(current).toEqual(path === "" ? [] : [path]);
});

test("a page for a browser runs no script, loads nothing, and stands in no frame", async () => {
  const { headers, text } = await get("/docs/api", "text/html");
  const policy = headers.get("content-security-policy")?.split("; ") ?? [];
  expect(policy).toEqual(
    expect.arrayContaining([
      "default-src 'none'",
      "script-src 'none'",
      "connect-src 'none'",
      "form-action 'none'",
      "base-uri 'none'",
      "frame-ancestors 'none'",
      "require-trusted-types-for 'script'",
      "trusted-types 'none'",
    ]),
  );
  const [, style = ""] = /<style>([^]*)<\/style>/.exec(text) ?? [];
  const digest = Buffer.from(await crypto.subtle.digest("SHA-256", Buffer.from(style))).toString("base64");
  expect(policy).toContain(`style-src 'sha256-${digest}'`);
  expect(text).not.toMatch(/<script| on\w+=| style=|<img/);
  expect(headers.get("x-frame-options")).toBe("DENY");
});

test("a page that there is not: 404, with the names of those that there are", async () => {
  const { status, body } = await get("/docs/pricing");
  expect(status).toBe(404);
  expect(body).toMatchObject({ code: "no_such_page", type: "/docs/api#code-no_such_page" });
  for (const page of pages) expect(body["detail"]).toContain(page);
});

describe("the type of an error", () => {
  test.each([
    ["GET", "/copies", {}, "token_missing"],
    ["GET", "/nothing", undefined, "no_such_route"],
    ["GET", "/copies/none", undefined, "copy_not_found"],
    ["GET", "/copies?phase=none", undefined, "invalid_request"],
  ])("%s %s leads to the row that explains it", async (method, path, headers, code) => {
    const { body } = await mesh.call(
      method,
      path,
      headers === undefined ? {} : { headers: { authorization: "" } },
    );
    expect(body["code"]).toBe(code);
    const [page = "", anchor = ""] = String(body["type"]).split("#");
    const { text } = await get(page, "text/html");
    const [row] = new RegExp(`<tr id="${anchor}">.*</tr>`).exec(text) ?? [""];
    expect(row).toContain(`<code>${code}</code>`);
  });
});

test("the table of metrics has what GET /metrics has, with its type and words", async () => {
  const { text } = await mesh.call("GET", "/metrics");
  const types = new Map(
    Array.from(text.matchAll(/^# TYPE (\S+) (\S+)$/gm), ([, name, type]) => [name, type]),
  );
  const helps = Array.from(text.matchAll(/^# HELP (\S+) (.*)$/gm), ([, name, help]) => [
    name,
    types.get(name),
    help,
  ]);
  const { rows } = new Page("src/docs/operate.md").table("metrics", "metric");
  expect(rows.map(([cell = "", ...others]) => [codesIn(cell)[0], ...others])).toEqual(helps);
});
