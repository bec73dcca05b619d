// The signature of a link, which is good for what was signed and for nothing else.
import { expect, test } from "vitest";
import { LinkRequestSchema, isSigned, signLink } from "../../../src/front/link.ts";

type Linked = Parameters<typeof signLink>[0];
const linked: Linked = { kind: "copy", id: "01jzzzzzzzzzzzzzzzzzzzzzzz", expiresS: 1_800_000_000 };
const halves = { salt: "a random half", token: "a token of the mesh" };

test("what was signed is, and needs no escape in an address", async () => {
  const sig = await signLink(linked, halves);
  expect(sig).toMatch(/^[A-Za-z0-9_-]{43}$/);
  expect(await isSigned(linked, sig, halves)).toBe(true);
});

test("another kind, id, end, salt or token is another signature", async () => {
  const sig = await signLink(linked, halves);
  const others: [Linked, typeof halves][] = [
    [{ ...linked, kind: "sync" }, halves],
    [{ ...linked, id: `${linked.id.slice(0, -1)}0` }, halves],
    [{ ...linked, expiresS: linked.expiresS + 1 }, halves],
    [linked, { ...halves, salt: "another half" }],
    [linked, { ...halves, token: "another token" }],
  ];
  for (const [other, key] of others) expect(await isSigned(other, sig, key)).toBe(false);
});

test("no changed character of a signature passes, and no other form of it", async () => {
  const sig = await signLink(linked, halves);
  // The last one carries two bits that no byte has: another spelling of the same bytes is no other signature.
  for (let index = 0; index < sig.length - 1; index++) {
    const changed = sig.slice(0, index) + (sig[index] === "A" ? "B" : "A") + sig.slice(index + 1);
    expect([index, await isSigned(linked, changed, halves)]).toEqual([index, false]);
  }
  for (const other of ["", sig.slice(1), `${sig}=`, `${sig}A`, " ".repeat(43), "é".repeat(43)])
    expect(await isSigned(linked, other, halves)).toBe(false);
});

test.each([
  [{}, 86_400],
  [{ expiresInSeconds: "60" }, 60],
  [{ expiresInSeconds: 604_800 }, 604_800],
  [{ expiresInSeconds: 59 }, null],
  [{ expiresInSeconds: 604_801 }, null],
  [{ expiresInSeconds: "1e3" }, null],
  [{ expires: 3600 }, null],
])("a request %j is good for %j seconds", (body, seconds) => {
  const parsed = LinkRequestSchema.safeParse(body);
  expect(parsed.success ? parsed.data.expiresInSeconds : null).toBe(seconds);
});
