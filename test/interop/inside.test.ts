// Copies within one store, made by the store: no byte passes through the mesh. If the store cannot, the bytes
// do pass.

import { randomBytes } from "node:crypto";
import { describe, expect } from "vitest";
import type { Status } from "../mesh/mesh.ts";
import { awsPut, head } from "./clients.ts";
import { feature } from "./table.ts";
import {
  MIB,
  PART,
  copyOf,
  expectAgreement,
  expectSameBytes,
  openMesh,
  openWorkshop,
  stores,
} from "./world.ts";

const mesh = await openMesh();
const workshop = openWorkshop();
const SMALL = workshop.file("small", randomBytes(MIB));
const LARGE = workshop.file("large", randomBytes(3 * PART + 1));

describe.each(stores)("$title", (store) => {
  const pair = { source: store, destination: store, title: store.title };
  const title = `${store.title} → itself`;

  async function copy(name: string): Promise<Status> {
    const status = await mesh.copy(copyOf(pair, `inside/source/${name}`, `inside/copied/${name}`));
    const seen = await head(store, `inside/copied/${name}`);
    expectAgreement(status, seen);
    expect(seen?.etag).toBe((await head(store, `inside/source/${name}`))?.etag);
    await expectSameBytes(pair, "inside/source/", "inside/copied/", [name]);
    return status;
  }

  const { copiesInside, copiesPartsInside } = store.facts;

  feature("copy inside the store", title, "an object is copied whole, with its metadata", async () => {
    const described = ["--content-type", "text/x-inside", "--metadata", "owner=ada"];
    await awsPut(store, SMALL, "inside/source/small", { args: described });
    const status = await copy("small");
    expect(status).toMatchObject({ via: copiesInside ? "server" : "stream", proof: "etag" });
    expect(await head(store, "inside/copied/small")).toMatchObject({
      contentType: "text/x-inside",
      metadata: { owner: "ada" },
    });
    return copiesInside ? "by `CopyObject`" : "the bytes pass the mesh";
  });

  // Local R2 copies parts, but not on condition that the source is unchanged, so the copy would not be safe.
  feature("copy inside the store", title, "an object of several parts keeps its ETag", async () => {
    await awsPut(store, LARGE, "inside/source/large", { partSizeBytes: PART });
    const status = await copy("large");
    expect(status).toMatchObject({ via: copiesPartsInside ? "server" : "stream", proof: "etag" });
    return copiesPartsInside ? "by `UploadPartCopy`" : "parts pass the mesh";
  });
});
