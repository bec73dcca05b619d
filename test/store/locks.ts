/**
 * What an object lock demands of a write, and what it forbids.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock-managing.html
 */
import type { Core } from "./core.ts";
import { StoreError } from "./errors.ts";
import type { Exchange } from "./exchange.ts";
import type { Bucket, Version } from "./state.ts";

const MODE = "x-amz-object-lock-mode";
const UNTIL = "x-amz-object-lock-retain-until-date";
const HOLD = "x-amz-object-lock-legal-hold";

/** @throws StoreError in AWS's words for a write whose lock the bucket cannot have, or that is none. */
export function checkLock(core: Core, exchange: Exchange, bucket: Bucket, needs: "digest" | "none"): void {
  const [mode, until, hold] = [MODE, UNTIL, HOLD].map((name) => exchange.header(name));
  if (mode === undefined && until === undefined && hold === undefined) return;
  if (!bucket.objectLock)
    throw new StoreError("InvalidRequest", "Bucket is missing Object Lock Configuration");
  if ((mode === undefined) !== (until === undefined))
    throw new StoreError("InvalidArgument", `${UNTIL} and ${MODE} must both be supplied`);
  if (mode !== undefined && mode !== "GOVERNANCE" && mode !== "COMPLIANCE")
    throw new StoreError("InvalidArgument", "Unknown wormMode directive.");
  if (hold !== undefined && hold !== "ON" && hold !== "OFF")
    throw new StoreError("InvalidArgument", "Legal Hold must be either of 'ON' or 'OFF'");
  if (until !== undefined && !(Date.parse(until) > core.options.clock()))
    throw new StoreError("InvalidArgument", "The retain until date must be in the future!");
  if (needs === "none" || exchange.hasDigest()) return;
  throw new StoreError(
    "InvalidRequest",
    "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters",
  );
}

/** @throws StoreError AccessDenied for the removal of a version that a lock protects. */
export function checkUnlocked(core: Core, version: Version | undefined): void {
  if (version?.kind !== "object") return;
  const { headers } = version.attributes;
  const isHeld = headers[HOLD] === "ON";
  const isRetained = headers[MODE] !== undefined && Date.parse(headers[UNTIL] ?? "") > core.options.clock();
  if (isHeld || isRetained)
    throw new StoreError("AccessDenied", "Access Denied because object protected by object lock.");
}
