// `POST /comparisons/{id}/repair`: the sync of the keys that a comparison has found not equal. It begins
// once: the same call again finds the sync that it began.

import { placesOfSync, withDelete, withRestore } from "../access/places.ts";
import { type Call, accepted, allow, allowKnown, findWork, meshOf } from "./call.ts";
import { noWork, registryAt, replayed, tooManyRunning } from "./call.ts";
import { parseWith } from "../http/fields.ts";
import { Problem } from "../http/problem.ts";
import { readOptionalBody } from "../http/request.ts";
import { createWork } from "../schedule/create.ts";
import { formatPrefix } from "../store/address.ts";
import type { RepairBasis } from "../sync/repair.ts";
import { RepairRequestSchema, resolveSync } from "../sync/spec.ts";

export async function repair(call: Call): Promise<Response> {
  const id = call.req.param("id") ?? "";
  const { touched } = await findWork(call, "comparison", id);
  allowKnown(call, ["read"], touched, noWork("comparison", id));
  const request = parseWith(RepairRequestSchema, await readOptionalBody(call.req.raw));
  const comparison = meshOf(call).Sync.getByName(id);
  const basis = (await comparison.repairBasis()) as RepairBasis | null;
  if (basis === null) throw noWork("comparison", id);
  const { source, destination, compare, rename, sourceKeys, destinationKeys } = basis;
  const places = placesOfSync({ source, destination, report: request.report });
  allow(call, withDelete("start", request), withRestore(places, request));
  const text = JSON.stringify(request);
  if (basis.repair !== null) {
    if (basis.repair.request !== text) throw otherRepair(id, basis.repair.syncId);
    return await replayed(call, "sync", basis.repair.syncId);
  }
  checkRepairable(id, basis, request.delete ?? false);
  if (rename !== undefined && request.delete === true)
    throw new Problem(
      400,
      "invalid_request",
      '"delete" cannot be used here: a renamed key does not tell whether the source has it again; start a sync with the same "rename"',
    );
  const repairs = { comparison: id, sourceKeys, destinationKeys };
  const resolved = resolveSync(
    { ...request, source, destination, compare, ...(rename === undefined ? {} : { rename: [...rename] }) },
    call.env,
    "comparison",
  );
  const spec = { ...resolved, repairs, startedBy: call.get("caller").name };
  // No client's key has a space. A call that dies before the comparison knows of its repair finds it again.
  const key = { caller: null, key: `repair ${id}`, digest: text };
  const admission = await registryAt(call).admit({ kind: "sync", spec }, key);
  switch (admission.kind) {
    case "new":
      await comparison.keepRepair({ syncId: admission.work.id, request: text });
      await createWork(meshOf(call), admission.work, call.env);
      return await accepted(call, "sync", admission.work.id);
    case "known":
      await comparison.keepRepair({ syncId: admission.id, request: text });
      return await replayed(call, "sync", admission.id);
    case "full":
      throw tooManyRunning(admission.most);
    case "key_reused":
      throw otherRepair(id, null);
    case "taken":
      throw new Problem(
        409,
        "destination_in_use",
        `Sync ${admission.id} is running and its destination overlaps ${formatPrefix(destination)}: ` +
          "wait for it to end, or cancel it",
      );
  }
}

/** @throws {Problem} 409 */
function checkRepairable(id: string, { phase, unequal, extra }: RepairBasis, deletes: boolean): void {
  if (phase !== "different" && phase !== "inconclusive") {
    const why = phase === "equal" ? "every key is equal" : "only one that has judged every key is repaired";
    throw nothingTo(`Comparison ${id} is ${phase}: ${why}`);
  }
  if (unequal > 0 || (deletes && extra > 0)) return;
  const hint = extra === 0 ? "" : `; "delete": true deletes the ${extra} that only the destination has`;
  throw nothingTo(`Comparison ${id} has no key that is missing, different or unknown${hint}`);
}

function nothingTo(message: string): Problem {
  return new Problem(409, "nothing_to_repair", message);
}

function otherRepair(id: string, syncId: string | null): Problem {
  const by = syncId === null ? "" : ` by sync ${syncId}`;
  const message = `Comparison ${id} is repaired${by}, with other options: start another comparison for another repair`;
  return new Problem(409, "repair_exists", message);
}
