// A store of the user's own in the interop run: a real account, or any server. Two environment variables name
// it. It is used only below a prefix of this run, and left as it was found.

import { randomBytes } from "node:crypto";
import { attemptAws, aws } from "./clients.ts";
import { readStores } from "../../src/store/stores.ts";
import type { StoreAccess } from "./stores.ts";

export type OwnStore = Omit<StoreAccess, "facts">;

/** The settings that a StoreAccess has fields of its own for. */
const ACCESS: ReadonlySet<string> = new Set(["endpoint", "region", "accessKeyId", "secretAccessKey"]);

/** @returns null if none is named @throws if the one named cannot be used, without showing a secret */
export function ownStore(env: NodeJS.ProcessEnv): OwnStore | null {
  const { INTEROP_STORE: secret, INTEROP_BUCKET: location } = env;
  if (secret === undefined && location === undefined) return null;
  if (secret === undefined || location === undefined || location === "") {
    throw new Error(
      "Set both INTEROP_STORE, to what STORE_<NAME> would hold, and INTEROP_BUCKET, to bucket or bucket/prefix",
    );
  }
  const entry = readStores({ STORE_OWN: secret }).get("own");
  if (entry === undefined || !entry.ok) {
    throw new Error(entry?.error.replace("STORE_OWN", "INTEROP_STORE") ?? "INTEROP_STORE is not a store");
  }
  const fields = Object.entries(JSON.parse(secret) as object).filter(([name]) => !ACCESS.has(name));
  const slash = location.indexOf("/");
  const bucket = slash < 0 ? location : location.slice(0, slash);
  const folder = slash < 0 ? "" : location.slice(slash + 1).replace(/\/*$/, "/");
  return {
    name: "own",
    title: new URL(entry.store.endpoint).host,
    endpoint: entry.store.endpoint,
    region: entry.store.region,
    accessKeyId: entry.store.accessKeyId,
    secretAccessKey: entry.store.secretAccessKey,
    bucket,
    prefix: `${folder}bucket-brigade-interop-${randomBytes(6).toString("hex")}/`,
    fields: Object.fromEntries(fields),
  };
}

/** Deletes everything that the run has put there: objects and unfinished uploads. */
export async function clearOwnStore(store: StoreAccess): Promise<void> {
  await aws(store, ["s3", "rm", "--recursive", "--quiet", `s3://${store.bucket}/${store.prefix}`]);
  const options = ["--bucket", store.bucket, "--prefix", store.prefix];
  const listed = await attemptAws(store, ["s3api", "list-multipart-uploads", ...options]);
  if (listed.exitCode !== 0) {
    console.warn(`Unfinished uploads below ${store.prefix} cannot be listed: ${listed.stderr.trim()}`);
    return;
  }
  const { Uploads: uploads = [] } = JSON.parse(listed.stdout || "{}") as {
    Uploads?: { Key: string; UploadId: string }[];
  };
  for (const { Key, UploadId } of uploads) {
    const upload = ["--bucket", store.bucket, "--key", Key, "--upload-id", UploadId];
    await aws(store, ["s3api", "abort-multipart-upload", ...upload]);
  }
}
