// A schedule that is due starts a copy between every two stores, without a request.

import { describe, expect } from "vitest";
import { curl } from "./clients.ts";
import { feature } from "./table.ts";
import { copyOf, openMesh, pairs } from "./world.ts";

const mesh = await openMesh();

interface Schedule {
  readonly lastRun: {
    readonly outcome: string;
    readonly phase: string | null;
    readonly endedAt: string | null;
  } | null;
}

describe.each(pairs)("$title", (pair) => {
  const { source, destination, title } = pair;
  const name = `${source.name}-${destination.name}`;

  feature("schedule", title, "the object is there after the minute in which it was due", async () => {
    await curl(source, { method: "PUT", name: `schedules/${name}`, body: "on time" });
    const schedule = { cron: "* * * * *", copy: copyOf(pair, `schedules/${name}`, `schedules/from-${name}`) };
    expect((await mesh.call("PUT", `/schedules/${name}`, { body: schedule })).status).toBe(201);
    await mesh.fireCron(new Date(Date.now() + 60_000));
    const lastRun = async () => (await mesh.call<Schedule>("GET", `/schedules/${name}`)).body.lastRun;
    await expect.poll(async () => (await lastRun())?.endedAt ?? null).not.toBeNull();
    expect(await lastRun()).toMatchObject({ outcome: "started", phase: "completed" });
    expect((await mesh.call("DELETE", `/schedules/${name}`)).status).toBe(204);
    const { text } = await curl(destination, { method: "GET", name: `schedules/from-${name}` });
    expect(text).toBe("on time");
  });
});
