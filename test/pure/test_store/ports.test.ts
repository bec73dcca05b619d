// Ports that stay one's own: outside the range of outgoing connections, and claimed among processes.
import { execFile } from "node:child_process";
import { createServer } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { claim, claimPort, onOtherPorts, portsToClaim } from "../../store/ports.ts";
import { startStore } from "../../store/store.ts";

const run = promisify(execFile);

test.for([
  ["32768\t60999\n", { first: 10_000, last: 32_767 }],
  ["10240 20000", { first: 20_001, last: 65_535 }],
  ["49152 65535", { first: 10_000, last: 49_151 }],
  // Nothing is left beside it.
  ["1024 65535", { first: 10_000, last: 65_535 }],
] as const)("with outgoing connections from %j servers have the ports of %j", ([ephemeral, range]) => {
  expect(portsToClaim(ephemeral)).toEqual(range);
});

test("a claimed port is nobody else's until it is released, also of another process", async () => {
  const { port, release } = await claimPort();
  const { first, last } = portsToClaim();
  expect(port).toBeGreaterThanOrEqual(first);
  expect(port).toBeLessThanOrEqual(last);
  const module = join(import.meta.dirname, "../../store/ports.ts");
  const script = `console.log(await (await import(${JSON.stringify(module)})).claim(${port}))`;
  const another = async () => (await run(process.execPath, ["--input-type=module", "-e", script])).stdout;
  expect(await claim(port)).toBeNull();
  expect(await another()).toBe("null\n");
  release();
  expect(await another()).toContain(`port: ${port}`);
  // That process has ended, and its claim with it.
  const again = await claim(port);
  expect(again?.port).toBe(port);
  again?.release();
});

test("a port on which somebody listens cannot be claimed", async () => {
  const { port, release } = await claimPort();
  release();
  const server = createServer().listen(port, "127.0.0.1");
  await once(server, "listening");
  expect(await claim(port)).toBeNull();
  server.close();
});

test("a store keeps its port while it is down, and lets it go when it stops", async () => {
  const store = await startStore();
  await store.outage();
  expect(await claim(store.port)).toBeNull();
  await store.recover();
  await store.stop();
  const claimed = await claim(store.port);
  expect(claimed).not.toBeNull();
  claimed?.release();
});

/** A program that is told its port, and ends if somebody listens there. */
async function listen(port: number): Promise<number> {
  const server = createServer().listen(port, "127.0.0.1");
  await once(server, "listening");
  server.close();
  return port;
}

test("what finds its port taken by a stranger is started again on another one", async () => {
  const { port: taken, release } = await claimPort();
  release();
  const stranger = createServer().listen(taken, "127.0.0.1");
  await once(stranger, "listening");
  const ports = [taken];
  const start = async () => await listen(ports.shift() ?? (await claimPort()).port);
  expect(await onOtherPorts(start)).not.toBe(taken);
  await expect(onOtherPorts(async () => await listen(taken))).rejects.toThrow("EADDRINUSE");
  stranger.close();
});

test("what fails otherwise is not started again", async () => {
  let starts = 0;
  const start = async () => {
    starts += 1;
    throw new Error("no such program");
  };
  await expect(onOtherPorts(start)).rejects.toThrow("no such program");
  expect(starts).toBe(1);
});
