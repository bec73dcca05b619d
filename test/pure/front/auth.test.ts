// Who calls, by the token: the rate limit of Workers, and the end of a token while it is in use.
import { afterEach, expect, test, vi } from "vitest";
import { sha256Of } from "../../../src/access/entries.ts";
import { authorize } from "../../../src/front/auth.ts";

const FULL = "full-token-of-many-letters";
const from = (address: string, token: string) =>
  new Request("https://mesh.example/copies", {
    headers: { authorization: `Bearer ${token}`, "cf-connecting-ip": address },
  });
const codeOf = async (request: Request, env: Record<string, unknown>) =>
  await authorize(request, { API_TOKEN: FULL, ...env }).then(
    ({ name }) => name,
    (error: { code?: string; message: string }) => error.code ?? error.message,
  );

afterEach(() => {
  vi.useRealTimers();
});

test("where the rate limit of Workers says that it is enough, the address waits at once; right tokens are not counted", async () => {
  const keys: string[] = [];
  const limit = async ({ key }: { key: string }) => ({ success: keys.push(key) < 2 });
  const env = { GUESSES: { limit } };
  expect(await codeOf(from("192.0.2.1", FULL), env)).toBe("full");
  expect(await codeOf(from("192.0.2.1", "wrong-1"), env)).toBe("token_wrong");
  expect(await codeOf(from("192.0.2.1", "wrong-2"), env)).toBe("token_wrong");
  expect(await codeOf(from("192.0.2.1", "wrong-3"), env)).toBe("too_many_guesses");
  expect(await codeOf(from("192.0.2.1", FULL), env)).toBe("full");
  expect(await codeOf(from("192.0.2.2", "wrong-4"), env)).toBe("token_wrong");
  expect(keys).toEqual(["192.0.2.1", "192.0.2.1", "192.0.2.2"]);
});

test("a rate limit that fails leaves the isolate's own count", async () => {
  const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
  const env = { GUESSES: { limit: async () => await Promise.reject(new Error("down")) } };
  const codes = [];
  for (let tries = 0; tries < 22; tries++) codes.push(await codeOf(from("192.0.2.3", `wrong-${tries}`), env));
  expect(codes.lastIndexOf("token_wrong")).toBe(19);
  expect(codes.at(-1)).toBe("too_many_guesses");
  expect(warn).toHaveBeenCalledTimes(20);
  warn.mockRestore();
});

test("a token ends when its time has come, though it was taken before", async () => {
  vi.useFakeTimers({ toFake: ["Date"], now: Date.parse("2027-01-31T23:59:59Z") });
  const entry = {
    name: "ci",
    sha256: await sha256Of("a-token-of-ci"),
    may: ["read"],
    notAfter: "2027-01-31",
  };
  const env = { API_TOKENS: JSON.stringify([entry]) };
  expect(await codeOf(from("192.0.2.4", "a-token-of-ci"), env)).toBe("ci");
  vi.setSystemTime(Date.parse("2027-02-01T00:00:00Z"));
  expect(await codeOf(from("192.0.2.4", "a-token-of-ci"), env)).toBe("token_expired");
});

test("while a token is rolled the old and the new one are taken, under one name", async () => {
  const entries = await Promise.all(
    ["old-token-of-ci", "new-token-of-ci"].map(async (token) => ({
      name: "ci",
      sha256: await sha256Of(token),
      may: ["read"],
    })),
  );
  const env = { API_TOKENS: JSON.stringify(entries) };
  expect(await codeOf(from("192.0.2.5", "old-token-of-ci"), env)).toBe("ci");
  expect(await codeOf(from("192.0.2.5", "new-token-of-ci"), env)).toBe("ci");
  const after = { API_TOKENS: JSON.stringify(entries.slice(1)) };
  expect(await codeOf(from("192.0.2.5", "old-token-of-ci"), after)).toBe("token_wrong");
});
