// LOCATION places the registry with the first call to it, so a value that is no place must not be overlooked
// by any of them.

import { expect, inject, test } from "vitest";
import { Mesh } from "../../mesh/mesh.ts";

test("a mesh with a LOCATION answers, and fires its schedules", async () => {
  const mesh = await Mesh.start({ bundlePath: inject("bundlePath"), bindings: { LOCATION: "weur" } });
  try {
    await mesh.fireCron(new Date());
    expect((await mesh.call("GET", "/schedules")).body).toEqual({ schedules: [], next: null });
  } finally {
    await mesh.stop();
  }
});

test("one that is no place is named by every call that the registry answers, and no schedule is fired before it is right", async () => {
  const mesh = await Mesh.start({ bundlePath: inject("bundlePath"), bindings: { LOCATION: "mars" } });
  try {
    for (const path of ["/copies", "/syncs", "/schedules", "/stores", "/metrics"]) {
      const { status, body } = await mesh.call("GET", path);
      expect([path, status, body["code"]]).toEqual([path, 503, "misconfigured"]);
      expect(body["detail"]).toMatch(/^The variable LOCATION must be one of wnam, .* or empty, not "mars"$/);
    }
    await expect(mesh.fireCron(new Date())).rejects.toThrow("exception");
    expect((await mesh.call("GET", "/healthz")).status).toBe(200);
  } finally {
    await mesh.stop();
  }
});
