// One object of 5 GiB and a byte, more than any store accepts at once: put into Ceph by rclone, and copied
// out by the mesh.
//
// Its bytes are generated when rclone reads them and compared when they arrive, so only Ceph stores them. It
// stores them in memory, so this runs once and not between every two stores.

import { afterAll, describe, expect } from "vitest";
import { AT_REST } from "../mesh/mesh_client.ts";
import { startStore } from "../store/store.ts";
import { curl, head, rclone, remote } from "./clients.ts";
import { type StoreAccess, place, secretOf } from "./stores.ts";
import { feature } from "./table.ts";
import { MIB, expectAgreement, openMesh, stores } from "./world.ts";

const SIZE = 5 * 2 ** 30 + 1;
const PART_BYTES = 64 * MIB;
const PATTERN = { seed: "interop", size: SIZE };
/** On a busy machine rclone puts it at 20 MB/s, and the mesh takes as long. */
const COPY_LIMIT_MS = 500_000;
const LIMIT_MS = 1_000_000;

// Not at a user's own store, who would pay for it.
describe.each(stores.filter(({ name }) => name === "ceph"))("Ceph → test store", async (ceph) => {
  const maker = await startStore({ buckets: ["made"] });
  const checker = await startStore({ buckets: ["checked"] });
  afterAll(async () => {
    await maker.stop();
    await checker.stop();
  });
  maker.putGenerated("made", "huge", { ...PATTERN, parts: PART_BYTES });
  checker.swallow({ verifyAgainst: PATTERN });
  const own = { ...ceph, prefix: "", fields: {} };
  const made: StoreAccess = {
    ...own,
    ...maker.credentials,
    name: "made",
    bucket: "made",
    endpoint: maker.endpoint,
  };
  const checked = { ...made, name: "checked", bucket: "checked", endpoint: checker.endpoint };
  const mesh = await openMesh({ STORE_CHECKED: secretOf(checked) });

  feature(
    "5 GiB + 1 byte",
    "Ceph → test store",
    "what rclone has put arrives byte for byte, and keeps its ETag",
    async () => {
      const sizes = ["--s3-chunk-size", "64Mi", "--s3-upload-concurrency", "2"];
      await rclone([made, ceph], ["copyto", ...sizes, remote(made, "huge"), remote(ceph, "huge")]);
      const before = await head(ceph, "huge");
      const id = await mesh.startCopy({ source: place(ceph, "huge"), destination: place(checked, "huge") });
      const status = await mesh.until(id, ({ phase }) => AT_REST.has(phase), COPY_LIMIT_MS);
      const seen = await head(checked, "huge");
      expectAgreement(status, seen);
      // Both stores have computed it independently.
      expect(seen).toMatchObject({ sizeBytes: SIZE, etag: before?.etag });
      expect(status.proof).toBe("etag");
      expect(checker.mismatches).toEqual([]);
      await curl(ceph, { method: "DELETE", name: "huge" });
      return "ETag kept";
    },
    { timeout: LIMIT_MS },
  );
});
