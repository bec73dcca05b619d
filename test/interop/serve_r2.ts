// R2 as workerd serves it locally, on its own: one bucket over S3, without the mesh.
//
//     node test/interop/serve_r2.ts --port 9000 --directory /tmp/r2 --bucket interop
//
// Runs until it is killed. Started again on the same folder it has the same objects.

import { parseArgs } from "node:util";
import { Miniflare, convertV4MiniflareOptions } from "miniflare";

const { values } = parseArgs({
  options: {
    port: { type: "string" },
    directory: { type: "string" },
    bucket: { type: "string" },
    "access-key-id": { type: "string", default: "local" },
    "secret-access-key": { type: "string", default: "local-secret" },
  },
});
const { port, directory, bucket } = values;
if (port === undefined || directory === undefined || bucket === undefined) {
  throw new TypeError("serve_r2.ts wants --port, --directory and --bucket");
}
const s3Credentials = {
  accessKeyId: values["access-key-id"],
  secretAccessKey: values["secret-access-key"],
};
const miniflare = new Miniflare({
  ...convertV4MiniflareOptions({
    name: "local-r2",
    host: "127.0.0.1",
    port: Number(port),
    modules: true,
    script: "export default { fetch: () => new Response(null, { status: 404 }) };",
    compatibilityDate: "2026-11-02",
    r2Buckets: { BUCKET: { id: bucket, s3Credentials } },
  }),
  resourcePersistencePath: directory,
});
await miniflare.ready;
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void miniflare.dispose());
