// The output of GET /metrics, judged by Prometheus' own checker: its parser, and its rules for names, types
// and help. Needs `promtool` on the PATH and fails without it.

import { execFile } from "node:child_process";
import { expect, test } from "vitest";
import { PART, openWorld } from "../workers/world.ts";

const {
  mesh,
  stores: { east, west },
} = await openWorld({ east: { buckets: ["source"] }, west: { buckets: ["destination"] } });

/** Its complaints, on either output. Empty if there are none. */
async function complaintsAbout(text: string): Promise<string> {
  return await new Promise((resolve, reject) => {
    const child = execFile("promtool", ["check", "metrics"], (error, stdout, stderr) => {
      if (error !== null && typeof error.code !== "number")
        reject(new Error(`promtool is not installed: this suite needs it (${error.message})`));
      // 3: it could be read, and breaks a rule.
      else resolve(`${stdout}${stderr}${error === null ? "" : `exit code ${error.code}`}`);
    });
    child.stdin?.end(text);
  });
}

const request = (key: string) => ({
  source: `east:source/${key}`,
  destination: `west:destination/${key}`,
  partSize: PART,
});

test("a mesh that has done nothing yet tells metrics that promtool finds nothing wrong with", async () => {
  const { text } = await mesh.call("GET", "/metrics");
  expect(await complaintsAbout(text)).toBe("");
});

test("nor after copies and syncs that succeeded, failed, were throttled, and still run", async () => {
  east.putGenerated("source", "large", { size: 3 * PART });
  for (const key of ["a", "b", "c"]) east.put("source", `many/${key}`, key);
  west.fault({ operation: "UploadPart", partNumber: 2 }, { kind: "answer", code: "SlowDown" }, { times: 1 });
  west.fault({ operation: "PutObject", key: "many/b" }, { kind: "answer", code: "AccessDenied" });
  await mesh.copy(request("large"));
  await mesh.copy(request("missing"));
  await mesh.syncEnded(
    await mesh.startSync({ source: "east:source/many/", destination: "west:destination/many/" }),
  );
  await mesh.call("PUT", "/schedules/nightly", { body: { cron: "0 3 * * *", copy: request("large") } });
  west.clearFaults();
  const gate = west.hold({ operation: "UploadPart" });
  const running = await mesh.startCopy({ ...request("large"), destination: "west:destination/again" });
  await west.waitFor(() => gate.waiting.length > 0);
  const told = async () => (await mesh.call("GET", "/metrics")).text;
  await expect.poll(told).toContain('copies{phase="uploading"} 1');
  const text = await told();
  for (const sample of [
    'copies_ended_total{phase="completed"}',
    'copies_ended_total{phase="failed"}',
    'syncs_ended_total{phase="finished_with_errors"}',
    'throttled_total{side="destination"}',
    'failed_attempts_total{code="source_not_found"}',
    'schedules{enabled="true"}',
  ])
    expect(text).toContain(`bucket_brigade_${sample} `);
  expect(await complaintsAbout(text)).toBe("");
  gate.release();
  await mesh.ended(running);
});

test("promtool does complain of metrics that break its rules", async () => {
  expect(await complaintsAbout("# TYPE bytes counter\nbytes 1\n")).toContain("bytes");
});
