// Event notifications of the test store: what is sent, and that lost, doubled and late ones are counted.
import { createServer, type Server } from "node:http";
import { once } from "node:events";
import { afterEach, expect, test } from "vitest";
import { startStore } from "../../store/store.ts";

const open: { stop(): Promise<unknown> }[] = [];

afterEach(async () => {
  for (const one of open.splice(0)) await one.stop();
});

interface Record {
  readonly eventName: string;
  readonly s3: { readonly bucket: { readonly name: string }; readonly object: { readonly key: string } };
}

/** A receiver that answers with these statuses first, and with 202 afterwards. */
async function receiver(...first: number[]): Promise<{ url: string; received: string[]; server: Server }> {
  const received: string[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const status = first.shift() ?? 202;
      const { Records: records } = JSON.parse(Buffer.concat(chunks).toString()) as { Records: Record[] };
      if (status === 202)
        received.push(
          ...records.map(({ eventName, s3 }) => `${eventName} ${s3.bucket.name} ${s3.object.key}`),
        );
      response.writeHead(status).end();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  open.push({ stop: async () => await new Promise((resolve) => server.close(resolve)) });
  return { url: `http://127.0.0.1:${address.port}`, received, server };
}

async function storeOf(bucket: string) {
  const store = await startStore({ buckets: [bucket] });
  open.push(store);
  return store;
}

test("each change is an event, with its key as a form encodes it", async () => {
  const { url, received } = await receiver();
  const store = await storeOf("source");
  const sender = store.sendEvents("source", { url, perRequest: 1, requestsAtOnce: 1 });
  store.put("source", "a b/é+%", "1");
  store.put("source", "a b/é+%", "2");
  store.delete("source", "a b/é+%");
  await sender.flush();
  const key = "a+b/%C3%A9%2B%25";
  expect(received).toEqual([
    `ObjectCreated:Put source ${key}`,
    `ObjectCreated:Put source ${key}`,
    `ObjectRemoved:Delete source ${key}`,
  ]);
});

test("what is not acknowledged is sent again", async () => {
  const { url, received } = await receiver(503, 401);
  const store = await storeOf("source");
  const sender = store.sendEvents("source", { url });
  store.put("source", "a", "1");
  await sender.flush();
  expect(received).toEqual(["ObjectCreated:Put source a"]);
});

test("lost, doubled and late events are about as many as were asked for", async () => {
  const { url, received } = await receiver();
  const store = await storeOf("source");
  const sender = store.sendEvents("source", { url, lost: 0.1, doubled: 0.2, late: 0.3, requestsAtOnce: 1 });
  for (let index = 0; index < 1000; index++) store.put("source", String(index).padStart(4, "0"), "");
  await sender.flush();
  const { made, lost, doubled, late, acknowledged } = sender.counts;
  expect(made).toBe(1000);
  expect(acknowledged).toBe(made - lost + doubled);
  expect(received.length).toBe(acknowledged);
  for (const [count, fraction] of [
    [lost, 0.1],
    [doubled, 0.2],
    [late, 0.3],
  ] as const)
    expect(Math.abs(count / made - fraction)).toBeLessThan(0.06);
  expect(new Set(received).size).toBe(made - lost);
  expect(received).not.toEqual(received.toSorted());
});
