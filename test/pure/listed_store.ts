// A test store as the mesh's own S3 modules see it, for tests of what needs no Worker: they sign and fetch in
// Node.

import { type S3, connect } from "../../src/s3/request.ts";
import { findStore } from "../../src/store/stores.ts";
import { storeSecret } from "../mesh/mesh.ts";
import type { TestStore } from "../store/store.ts";

/** @param fields of STORE_<NAME> beside endpoint and credentials */
export function connectTo(store: TestStore, fields: Readonly<Record<string, unknown>> = {}): S3 {
  return connect(findStore({ STORE_TEST: storeSecret(store, fields) }, "test"), "bucket-brigade test");
}
