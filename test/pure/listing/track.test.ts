// One range of names under way, against the HTTP test store: its end may come nearer at any moment, and what
// lies beyond is another's.
import { afterEach, expect, test, vi } from "vitest";
import { ALL_NAMES, cutAt } from "../../../src/listing/ranges.ts";
import { listPage } from "../../../src/listing/listing.ts";
import { type ListAt, type TrackRange, Track, Permits } from "../../../src/listing/track.ts";
import { type TestStore, startStore } from "../../store/store.ts";
import { connectTo } from "../listed_store.ts";

vi.setConfig({ testTimeout: 60_000 });

const opened: TestStore[] = [];

afterEach(async () => {
  for (const store of opened.splice(0)) await store.stop();
});

const NAMES = Array.from({ length: 30 }, (_, n) => String(n).padStart(2, "0"));

async function makeTracks(mostPairs: number): Promise<(range: TrackRange) => Track> {
  const store = await startStore({ buckets: ["source", "destination"], maxPageKeys: 10 });
  opened.push(store);
  for (const name of NAMES) {
    store.put("source", `p/${name}`, "bytes");
    if (Number(name) % 2 === 0) store.put("destination", `q/${name}`, "bytes");
  }
  const [s3, permits] = [connectTo(store), new Permits(2)];
  const list: ListAt = async (_slot, range, cursor) => await listPage(s3, range, cursor);
  const source = { list, bucket: "source", prefix: "p/" };
  const destination = { list, bucket: "destination", prefix: "q/" };
  return (range) => new Track(range, source, destination, { permits, mostPairs });
}

async function rest(track: Track): Promise<string[]> {
  const names: string[] = [];
  for (;;) {
    const given = await track.give();
    if (given.kind === "unsorted") throw new Error("unsorted");
    names.push(...given.pairs.map(({ name }) => name));
    if (given.end !== null) return names;
  }
}

test("cut anywhere, at any time: each name is given by one of the two, what was listed and merged beyond it too", async () => {
  const track = await makeTracks(8);
  for (const pages of [0, 1, 2, 3]) {
    for (const isMerged of [true, false]) {
      for (const cut of ["00", "03", "07", "08", "12", "19", "20", "28"]) {
        const left = track({ ...ALL_NAMES, sourceAfter: null });
        const names: string[] = [];
        for (let page = 0; page < pages; page++) {
          const given = await left.give();
          if (given.kind === "pairs") names.push(...given.pairs.map(({ name }) => name));
        }
        if (isMerged) await left.ready();
        const halves = cutAt(left.range, cut);
        if (halves === null) {
          expect(names).toContain(cut);
        } else {
          left.endAt(cut);
          const right = track({ ...halves[1], sourceAfter: cut });
          names.push(...(await rest(left)));
          expect(names.at(-1)).toBe(cut);
          names.push(...(await rest(right)));
          expect(names).toEqual(NAMES);
        }
      }
    }
  }
});

test("its range is what has not been given, however much is listed and merged", async () => {
  const track = (await makeTracks(8))({ ...ALL_NAMES, sourceAfter: null });
  await track.ready();
  expect(track.range).toEqual({ afterName: null, untilName: null, sourceAfter: null });
  await track.give();
  await track.ready();
  expect(track.range).toEqual({ afterName: "07", untilName: null, sourceAfter: "07" });
});
