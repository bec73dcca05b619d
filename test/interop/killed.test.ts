// A store is killed in the middle of a copy, by SIGKILL, and started again. The copy continues by itself, and
// finished work is not repeated.

import { describe, expect } from "vitest";
import { head } from "./clients.ts";
import { HELD_BYTES, holdInMidCopy, lineBindings, putSource } from "./held_copy.ts";
import { type MortalStore, makeMortal } from "./mortal_stores.ts";
import { feature } from "./table.ts";
import { expectAgreement, expectSameBytes, openMesh, stores } from "./world.ts";

const mortals: readonly MortalStore[] = await Promise.all(stores.map(makeMortal));
const mesh = await openMesh(lineBindings(mortals));

interface PartsPage {
  readonly parts: readonly { readonly partNumber: number; readonly attempt: number }[];
}

const pairs = mortals.flatMap((source) =>
  mortals
    .filter((destination) => destination !== source)
    .map((destination) => ({
      source,
      destination,
      title: `${source.store.title} → ${destination.store.title}`,
    })),
);

describe.each(pairs)("$title", ({ source, destination, title }) => {
  const pair = { source: source.store, destination: destination.store, title };
  const folder = `killed/${source.store.name}-${destination.store.name}/`;

  for (const victim of ["destination", "source"] as const) {
    const mortal = victim === "source" ? source : destination;
    const { line } = mortal;
    if (line === null) continue;

    feature(
      "store killed in mid-copy",
      title,
      `the ${victim} is killed, and the copy goes on when it is back`,
      async () => {
        await putSource(source.store, folder + victim);
        const names = { from: folder + victim, to: folder + victim };
        const id = await holdInMidCopy(mesh, { source, destination, ...names, at: line });
        await mortal.kill();
        line.release();
        // The mesh has noticed: a part has failed, and others are waiting.
        await mesh.until(id, ({ parts }) => parts.failedAttempts > 0);
        await mortal.revive();
        const status = await mesh.ended(id);
        const seen = await head(destination.store, folder + victim);
        expectAgreement(status, seen);
        expect(seen?.sizeBytes).toBe(HELD_BYTES);
        await expectSameBytes(pair, folder, folder, [victim]);
        const { body } = await mesh.call<PartsPage>("GET", `/copies/${id}/parts`);
        expect(body.parts[0]).toMatchObject({ partNumber: 1, attempt: 1 });
        return "goes on";
      },
    );
  }
});
