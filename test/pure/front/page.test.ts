import { expect, test } from "vitest";
import { transportSecurity } from "../../../src/front/page.ts";

test("what has come by TLS is to come by TLS again, and a local mesh stays reachable without", () => {
  expect(transportSecurity("https://mesh.example/copies")).toBe("max-age=31536000");
  expect(transportSecurity("http://localhost:8787/copies")).toBeNull();
});
