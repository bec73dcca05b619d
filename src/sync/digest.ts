// The digest of a comparison's report: a statement with the Merkle root over its lines, signed with Ed25519
// by the key of the secret REPORT_KEY. Who has the public key, the statement and the report verifies all
// three, without this mesh and without trust in where the report was kept.

import { Problem } from "../http/problem.ts";
import { isoTime } from "../http/fields.ts";
import { formatPrefix } from "../store/address.ts";
import { keepSecrets } from "../store/secrets.ts";
import type { ReportDigest } from "../view/comparison_answers.ts";
import { NOTHING_FOUND, outcomesOf } from "./finding.ts";
import { type ReportTree, rootOf } from "./merkle.ts";
import { isSyncEnded } from "./phase.ts";
import type { SyncRow } from "./own_row.ts";

const KEY_HINT =
  "must be an Ed25519 private key, PKCS #8 in base64: openssl genpkey -algorithm ed25519 -outform DER | base64";

/** @throws {Problem} 409 before its end, 503 if the key is none */
export async function digestOf(
  { id, spec, job, counters, endedAtMs }: SyncRow,
  tree: ReturnType<ReportTree["load"]>,
  env: Readonly<Record<string, unknown>>,
): Promise<ReportDigest> {
  if (!isSyncEnded(job)) {
    const message = `Comparison ${id} is ${job.phase}: its report has a digest once it has ended`;
    throw new Problem(409, "work_running", message);
  }
  const root = rootOf(tree);
  const statement = JSON.stringify({
    comparison: id,
    source: formatPrefix(spec.source),
    destination: formatPrefix(spec.destination),
    phase: job.phase,
    endedAt: isoTime(endedAtMs),
    keys: outcomesOf(counters.found ?? NOTHING_FOUND, "objects"),
    lines: tree.lines,
    root,
  });
  return { root, lines: tree.lines, statement, ...(await signedBy(env, statement)) };
}

type Signed = Pick<ReportDigest, "algorithm" | "publicKey" | "signature">;

const UNSIGNED: Signed = { algorithm: null, publicKey: null, signature: null };

async function signedBy(env: Readonly<Record<string, unknown>>, statement: string): Promise<Signed> {
  const { REPORT_KEY: secret } = env;
  if (secret === undefined || secret === "") return UNSIGNED;
  const key = typeof secret === "string" ? await importKey(secret) : null;
  if (key === null) throw new Problem(503, "misconfigured", `The secret REPORT_KEY ${KEY_HINT}`);
  const bytes = await crypto.subtle.sign("Ed25519", key.signing, new TextEncoder().encode(statement));
  const signature = Buffer.from(bytes).toString("base64");
  return { algorithm: "Ed25519", publicKey: key.publicKey, signature };
}

interface SigningKey {
  readonly signing: CryptoKey;
  /** 32 bytes in base64url, as a JWK has them. */
  readonly publicKey: string;
}

/** Null: it is no such key. */
async function importKey(secret: string): Promise<SigningKey | null> {
  keepSecrets([secret.trim()]);
  try {
    const bytes = Uint8Array.from(atob(secret.replaceAll(/\s/g, "")), (character) => character.charCodeAt(0));
    const signing = await crypto.subtle.importKey("pkcs8", bytes, "Ed25519", true, ["sign"]);
    const { x } = (await crypto.subtle.exportKey("jwk", signing)) as JsonWebKey;
    return x === undefined ? null : { signing, publicKey: x };
  } catch {
    return null;
  }
}
