/**
 * A store on its own, for trying tools against it:
 *
 *     node test/store/serve.ts --port 9000 --bucket source --bucket dest
 *
 * Prints one JSON line with endpoint and credentials once it listens, and runs until interrupted. Objects
 * named `fault=…` misbehave (`--faults` lists how). `--generate bucket/key=size` adds objects of any size,
 * and `--fill bucket/prefix=count` many small ones, of 1 to 64 KiB, or `=count:size` all of one size.
 * `--mix bucket/prefix=count:seed` adds such as a data lake has (`mixed_sizes.ts`).
 * `--delay-ms` delays every answer, and `--bytes-per-second` limits each connection in each direction, like a
 * store far away. Requests above `--requests-per-second` are answered with SlowDown. For each message that a
 * parent sends over its channel to this process, it gets the number of requests so far, by operation, and of
 * those refused for their rate.
 */
import { parseArgs } from "node:util";
import { mixedSizes } from "./mixed_sizes.ts";
import { namedFaults } from "./named_faults.ts";
import { startStore } from "./store.ts";

const { values } = parseArgs({
  options: {
    port: { type: "string", default: "0" },
    host: { type: "string", default: "127.0.0.1" },
    dir: { type: "string" },
    region: { type: "string", default: "us-east-1" },
    bucket: { type: "string", multiple: true, default: [] },
    generate: { type: "string", multiple: true, default: [] },
    fill: { type: "string", multiple: true, default: [] },
    mix: { type: "string", multiple: true, default: [] },
    /** Discard what is written. */
    swallow: { type: "boolean", default: false },
    /** Unpack archives, as MinIO does. */
    unpack: { type: "boolean", default: false },
    etags: { type: "string", default: "md5" },
    faults: { type: "boolean", default: false },
    "min-part-bytes": { type: "string" },
    "delay-ms": { type: "string" },
    "requests-per-second": { type: "string" },
    "bytes-per-second": { type: "string" },
  },
});

if (values.faults) {
  for (const [name, { means }] of Object.entries(namedFaults)) console.log(`${name.padEnd(28)}${means}`);
  process.exit(0);
}

const generated = values.generate.map((text) => {
  const match = /^([^/]+)\/(.+)=(\d+)$/.exec(text);
  if (match === null) throw new TypeError(`--generate wants bucket/key=bytes: ${text}`);
  return { bucket: match[1] ?? "", key: match[2] ?? "", size: Number(match[3]) };
});

const fills = [...values.fill, ...values.mix].map((text) => {
  const match = /^([^/]+)\/(.*)=(\d+)(?::(\d+))?$/.exec(text);
  if (match === null)
    throw new TypeError(`--fill and --mix want bucket/prefix=count or =count:number: ${text}`);
  const count = Number(match[3]);
  const own = match[4] === undefined ? null : Number(match[4]);
  // A prime step spreads the sizes evenly.
  const small = (n: number) => own ?? 1024 + ((n * 7919) % (63 * 1024));
  const sizes = values.mix.includes(text)
    ? mixedSizes(count, own ?? 0)
    : Array.from({ length: count }, (_, n) => small(n));
  return { bucket: match[1] ?? "", prefix: match[2] ?? "", sizes };
});

const store = await startStore({
  port: Number(values.port),
  host: values.host,
  region: values.region,
  buckets: [...new Set([...values.bucket, ...[...generated, ...fills].map(({ bucket }) => bucket)])],
  etags: values.etags === "opaque" ? "opaque" : "md5",
  archives: values.unpack ? "unpacked" : "stored",
  ...(values["min-part-bytes"] === undefined ? {} : { minPartBytes: Number(values["min-part-bytes"]) }),
  ...(values.dir === undefined ? {} : { directory: values.dir }),
});
for (const { bucket, key, size } of generated) store.putGenerated(bucket, key, { size });
for (const { bucket, prefix, sizes } of fills) {
  for (const [n, size] of sizes.entries()) {
    // A key has a folder, as real keys do.
    const key = `${prefix}${String(n % 100).padStart(2, "0")}/${String(n).padStart(7, "0")}`;
    store.putGenerated(bucket, key, { size, computeEtag: true });
  }
}
if (values.swallow) store.swallow();
if (values["delay-ms"] !== undefined)
  store.fault({}, { kind: "delay", milliseconds: Number(values["delay-ms"]) });
if (values["bytes-per-second"] !== undefined) {
  const bytesPerSecond = Number(values["bytes-per-second"]);
  // Few pieces: a fast network has full buffers, and the cost of small ones is not what is measured.
  store.fault({}, { kind: "throttle", direction: "in", bytesPerSecond });
  store.fault({}, { kind: "throttle", direction: "out", bytesPerSecond, piecesPerSecond: 4 });
}

const { accessKeyId, secretAccessKey } = store.credentials;
console.log(JSON.stringify({ endpoint: store.endpoint, region: store.region, accessKeyId, secretAccessKey }));
const perSecond = values["requests-per-second"];
const limit = perSecond === undefined ? null : store.limitRate(Number(perSecond), Number(perSecond) / 10);
process.on("message", () => process.send?.({ ...store.counts(), refused: limit?.refused ?? 0 }));
process.channel?.unref(); // a channel must not keep a stopped store alive
process.once("SIGINT", () => void store.stop());
process.once("SIGTERM", () => void store.stop());
