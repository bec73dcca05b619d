// What the Deploy to Cloudflare button takes from the repository: the secrets that it asks for, with a word
// on each (https://developers.cloudflare.com/workers/platform/deploy-buttons/). It fills in the values of the
// example, so none of them may work.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseEnv } from "node:util";
import { expect, test } from "vitest";
import { authorize } from "../../../src/front/auth.ts";
import { readStores } from "../../../src/store/stores.ts";

const read = (name: string) => readFileSync(join(import.meta.dirname, "../../..", name), "utf8");
const example = parseEnv(read(".dev.vars.example"));
const { cloudflare, scripts } = JSON.parse(read("package.json")) as {
  cloudflare: { bindings: Record<string, { description: string }> };
  scripts: Record<string, string>;
};
const [, variables = ""] = /^\[vars\]\n((?:.+\n)*)/m.exec(read("wrangler.toml")) ?? [];

test("every secret and every variable that is asked for is described, and nothing else", () => {
  const asked = [
    ...Object.keys(example),
    ...Array.from(variables.matchAll(/^(\w+) =/gm), ([, name]) => name),
  ];
  expect(Object.keys(cloudflare.bindings).toSorted()).toEqual(asked.toSorted());
  for (const { description } of Object.values(cloudflare.bindings)) expect(description).toMatch(/\w.*\.$/);
});

test("an example that is deployed as it is opens nothing", async () => {
  const request = new Request("https://mesh.example/copies", { headers: { authorization: "Bearer x" } });
  await expect(authorize(request, example)).rejects.toMatchObject({ code: "api_token_unset" });
  const stores = [...readStores(example).values()];
  expect(stores.map((entry) => entry.ok)).toEqual([false, false]);
});

test("it is deployed by the project's own script, which names the environment at the top", () => {
  expect(scripts["deploy"]).toBe("wrangler deploy --env=");
});
