// Local R2 as a daemon: serve_r2.ts, started, waited for and described as a store.

import { join } from "node:path";
import { Daemon } from "./daemon.ts";
import type { StoreAccess } from "./stores.ts";

/** One folder and one port: started again on them, it is the same store. */
interface LocalR2Place {
  readonly directory: string;
  readonly port: number;
  readonly bucket: string;
}

const CREDENTIALS = { accessKeyId: "interop-r2", secretAccessKey: "interop-r2-secret" } as const;
const START_LIMIT_MS = 60_000;

export async function startLocalR2({ directory, port, bucket }: LocalR2Place): Promise<Daemon> {
  const daemon = new Daemon({
    program: process.execPath,
    // prettier-ignore
    args: [
      join(import.meta.dirname, "serve_r2.ts"),
      "--port", String(port), "--directory", directory, "--bucket", bucket,
      "--access-key-id", CREDENTIALS.accessKeyId, "--secret-access-key", CREDENTIALS.secretAccessKey,
    ],
    directory,
  });
  try {
    await daemon.until("answering", START_LIMIT_MS, () =>
      // An unsigned request is refused, which shows that it is there.
      fetch(endpointOf(port)).then(
        ({ status }) => status >= 400,
        () => false,
      ),
    );
  } catch (error) {
    await daemon.kill();
    throw error;
  }
  return daemon;
}

export function localR2Store({ port, bucket }: LocalR2Place): Omit<StoreAccess, "facts"> {
  return {
    name: "r2",
    title: "local R2",
    endpoint: endpointOf(port),
    region: "auto",
    ...CREDENTIALS,
    bucket,
    prefix: "",
    fields: { provider: "r2" },
  };
}

function endpointOf(port: number): string {
  return `http://127.0.0.1:${port}/cdn-cgi/local/r2/s3`;
}
