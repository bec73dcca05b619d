// The programs that the interop run needs, checked before anything is started. Run by itself it prints what
// is missing and exits 1: `npm run interop` starts with that.

import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { CEPH_PROGRAMS } from "./ceph.ts";
import { CLIENT_PROGRAMS } from "./clients.ts";
import { SWIFT_PROGRAMS } from "./swift.ts";

/** Debian's packages of the programs whose names differ from their package's. */
const PACKAGES: Readonly<Record<string, string>> = {
  aws: "awscli",
  ceph: "ceph-common",
  "ceph-authtool": "ceph-common",
  monmaptool: "ceph-mon",
  promtool: "prometheus",
  "radosgw-admin": "radosgw",
  "swift-account-server": "swift-account",
  "swift-container-server": "swift-container",
  "swift-object-server": "swift-object",
  "swift-proxy-server": "swift-proxy",
  "swift-ring-builder": "swift",
};

/** Programs that judge the output of the mesh. */
const JUDGES = ["promtool"];

/** The programs that are not on the PATH, and how to get them. Null if there are none. */
export function missingPrograms(needs: { readonly servers: boolean }): string | null {
  const missing = [
    ...CLIENT_PROGRAMS,
    ...JUDGES,
    ...(needs.servers ? [...CEPH_PROGRAMS, ...SWIFT_PROGRAMS] : []),
  ].filter((name) => !isThere(name));
  if (missing.length === 0) return null;
  const packages = new Set(missing.map((name) => PACKAGES[name] ?? name));
  return (
    `Not installed: ${missing.join(", ")}. On Debian:\n` +
    `  apt-get install --no-install-recommends ${[...packages].join(" ")}`
  );
}

function isThere(name: string): boolean {
  return (process.env["PATH"] ?? "").split(delimiter).some((directory) => {
    try {
      accessSync(join(directory, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

if (import.meta.main) {
  const missing = missingPrograms({ servers: process.env["INTEROP_STORE"] === undefined });
  if (missing !== null) {
    console.error(missing);
    process.exitCode = 1;
  }
}
