// `npm run bench -- streams`: many parts in flight at stores that are far away, beside the ideal.
//
// 1,229 parts, as in the demonstration that this project started from, go between two stores that delay each
// answer by 50 ms and limit the bytes per second of one connection. What a store grants one stream is a small
// part of what this machine can move, so the ideal time is that of a part times the number of waves at the
// given concurrency. The time of a part is measured on a few parts, one after the other. One stream for the
// whole object takes that time × 1,229, which is not waited for.

import { complete, measureWorkerd, result } from "./contest.ts";
import { median, spread } from "./measure.ts";
import { Stage } from "./stage.ts";
import { printTable } from "../results_page.ts";
import { storeSecret } from "../mesh/mesh.ts";

const KIB = 1024;
const PART_BYTES = 1024 * KIB;
const PARTS = 1229;
const LONE_PARTS = 2;
const DELAY_MS = 50;
/** 1,000 streams at this rate are less than a third of what curl moves between these stores. */
const STREAM_BYTES_PER_SECOND = 80_000;
const CONCURRENCIES = [40, 200, 1000];

export async function benchStreams(rounds: number): Promise<string> {
  await using stage = new Stage();
  const far = [
    "--etags",
    "opaque",
    "--delay-ms",
    String(DELAY_MS),
    "--bytes-per-second",
    String(STREAM_BYTES_PER_SECOND),
  ];
  const objects = [
    ["--generate", `source/lone=${LONE_PARTS * PART_BYTES}`],
    ["--generate", `source/object=${PARTS * PART_BYTES}`],
  ].flat();
  const source = await stage.store([...far, ...objects]);
  const least = ["--bucket", "destination", "--swallow", "--min-part-bytes", String(PART_BYTES)];
  const destination = await stage.store([...far, ...least]);
  const mesh = await stage.mesh({
    STORE_EAST: storeSecret(source),
    STORE_WEST: storeSecret(destination, { profile: { minPartBytes: PART_BYTES } }),
  });
  const copy = async (key: string, concurrency: number): Promise<number> => {
    const request = {
      source: `east:source/${key}`,
      destination: `west:destination/${key}`,
      partSize: PART_BYTES,
      lanes: Math.ceil(concurrency / 5),
      concurrency,
      verify: "off",
    };
    return (await measureWorkerd(mesh, () => complete(mesh, "/copies", request))).seconds;
  };
  const what =
    `${PARTS} parts of ${PART_BYTES / KIB} KiB between stores that answer after ${DELAY_MS} ms and move ` +
    `${STREAM_BYTES_PER_SECOND} bytes/s on a connection`;
  console.log(`\n${what}\n`);
  const times = new Map<number, number[]>();
  const lone: number[] = [];
  for (let round = 1; round <= rounds; round++) {
    lone.push((await copy("lone", 1)) / LONE_PARTS);
    console.log(`round ${round}  a lone part: ${(lone.at(-1) ?? 0).toFixed(2)} s`);
    for (const concurrency of CONCURRENCIES) {
      const seconds = await copy("object", concurrency);
      times.set(concurrency, [...(times.get(concurrency) ?? []), seconds]);
      console.log(`round ${round}  ${concurrency} streams: ${seconds.toFixed(1)} s`);
    }
  }
  return `${what}:\n\n${report(times, median(lone))}`;
}

function report(times: ReadonlyMap<number, readonly number[]>, loneSeconds: number): string {
  const alone = PARTS * loneSeconds;
  const rows = Array.from(times, ([concurrency, seconds]) => ({
    concurrency,
    seconds,
    ideal: Math.ceil(PARTS / concurrency) * loneSeconds,
    value: median(seconds),
  }));
  const table = printTable(
    ["streams", "seconds (min to max)", "ideal", "of the ideal", "less time than one stream"],
    [
      [1, `${alone.toFixed(0)}, computed`, alone.toFixed(0), "", ""],
      ...rows.map(({ concurrency, seconds, ideal, value }) => [
        concurrency,
        spread(seconds, 1),
        ideal.toFixed(1),
        (ideal / value).toFixed(3),
        `${(100 * (1 - value / alone)).toFixed(1)} %`,
      ]),
    ],
  );
  for (const { concurrency, ideal, value } of rows) {
    // The ratio is one of speeds: 1 is the best possible.
    result({ name: `streams: ${concurrency}`, value, unit: "s", ratio: ideal / value, against: "the ideal" });
  }
  return table;
}
