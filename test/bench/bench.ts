// `npm run bench`: what the mesh costs, beside other tools, one benchmark after the other. USAGE says how it
// is called.
//
// Rounds are interleaved, and the median and the spread are printed, because a single time means little on a
// shared machine. Each benchmark ends with lines for machines: `RESULT {"name", "value", "unit", "ratio"?,
// "against"?}`, and with a line that says which of its targets (targets.ts) are missed. A tool that is not
// installed is reported as absent.

import { benchDigests } from "./digests.ts";
import { benchEvents } from "./events.ts";
import { benchLarge } from "./large.ts";
import { benchCompare, benchListing } from "./listing.ts";
import { benchManifest } from "./manifest.ts";
import { benchMemory } from "./memory.ts";
import { benchOverhead } from "./overhead.ts";
import { benchMixed } from "./mixed.ts";
import { benchProfile } from "./profile.ts";
import { benchReplication } from "./replication.ts";
import { benchSizes } from "./sizes.ts";
import { benchSmall } from "./small.ts";
import { benchSoak } from "./soak.ts";
import { benchStartup } from "./startup.ts";
import { benchStreams } from "./streams.ts";
import { outcomes } from "./contest.ts";
import { missed } from "./targets.ts";
import { benchThrottled } from "./throttled.ts";
import { checkName, countOf, readArguments } from "../command_line.ts";
import { machine, writePart } from "../results_page.ts";

const MIB = 2 ** 20;
const GIB = 2 ** 30;

const USAGE = `npm run bench [-- NAME... --quick --rounds 3 --write]

Measures what the mesh costs, beside other tools: all there is, or what is named.

  --quick     Less of everything, for a first impression
  --rounds N  How often each is measured; the median and the spread are printed
  --copies N  The copies of the benchmark "soak"
  --write     The tables go into test/bench/RESULTS*.md, with the command, the day and the machine
  --help      This text`;

const { values, positionals } = readArguments(USAGE, {
  allowPositionals: true,
  options: {
    quick: { type: "boolean", default: false },
    rounds: { type: "string" },
    copies: { type: "string" },
    write: { type: "boolean", default: false },
  },
});
const { quick, write } = values;
const rounds = countOf("--rounds", values.rounds ?? (quick ? "1" : "3"));
const copies = countOf("--copies", values.copies ?? (quick ? "500" : "5000"));

/** Each resolves to its table, as RESULTS.md has it. */
const MEASURES: Readonly<Record<string, () => Promise<string>>> = {
  large: async () =>
    await benchLarge({ sizeBytes: quick ? GIB : 4 * GIB, partBytes: 16 * MIB, parallel: 10, rounds }),
  memory: async () => await benchMemory(quick ? [8, 64] : [8, 64, 512]),
  digests: async () => await benchDigests(quick ? 2 * GIB : 4 * GIB, rounds),
  startup: async () => await benchStartup(quick ? 5 : 20),
  overhead: async () => await benchOverhead(),
  throttled: async () => await benchThrottled(500, quick ? 20 : 60, rounds),
  streams: async () => await benchStreams(rounds),
  small: async () => await benchSmall("small", quick ? 5_000 : 100_000, rounds),
  inside: async () => await benchSmall("inside", quick ? 5_000 : 20_000, rounds),
  sizes: async () => await benchSizes(quick, rounds),
  manifest: async () => await benchManifest(quick ? [100_000, 1_000_000] : [1_000_000, 10_000_000], rounds),
  mixed: async () => await benchMixed(quick ? 100 : 500, rounds),
  profile: async () =>
    await benchProfile(quick ? { small: 2_000, mixed: 100 } : { small: 20_000, mixed: 300 }),
  replication: async () => await benchReplication([50, 200, 500], quick ? 10 : 30),
  soak: async () => await benchSoak(copies),
  events: async () => await benchEvents(quick ? 2_000 : 10_000),
  listing: async () => await benchListing(quick ? [100_000] : [100_000, 1_000_000], 100, rounds),
  compare: async () => await benchCompare(quick ? 100_000 : 1_000_000, 100, rounds),
};

/** What has its part on the page of syncs. */
const ON_SYNCS: ReadonlySet<string> = new Set(["sizes", "mixed", "profile", "listing", "compare"]);

const names = positionals.length === 0 ? Object.keys(MEASURES) : positionals;
for (const name of names) checkName("benchmark", name, Object.keys(MEASURES));
console.log(`${machine()}; ${new Date().toISOString()}`);
for (const name of names) {
  console.log(`\n--- ${name}`);
  const before = outcomes.length;
  const table = (await MEASURES[name]?.()) ?? "";
  const misses = missed(outcomes.slice(before));
  const summary =
    misses === null ? "" : misses.length === 0 ? "Every target is met." : `Missed: ${misses.join("; ")}.`;
  const text = `${table}\n\n${summary}`;
  if (summary !== "") console.log(`\n${summary}`);
  const command = `npm run bench -- ${name}${quick ? " --quick" : ""} --rounds ${rounds} --write`;
  const page = ON_SYNCS.has(name) ? "bench/RESULTS_SYNCS.md" : "bench/RESULTS.md";
  if (write) await writePart({ page, name, command, text });
}
