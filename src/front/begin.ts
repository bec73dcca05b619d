// How a request begins work: it is admitted once under its Idempotency-Key, created, and answered with 202.

import type { Admission } from "../registry/admission.ts";
import { type Call, accepted, keyReused, meshOf, registryAt, replayed, tooManyRunning } from "./call.ts";
import type { Problem } from "../http/problem.ts";
import { readIdempotency } from "../http/request.ts";
import { createWork } from "../schedule/create.ts";
import type { Work } from "../schedule/kinds.ts";

/**
 * @param request as it was parsed: one key with two of them is a mistake of the client
 * @param taken what is said where other work is in the way
 * @throws {Problem}
 */
export async function begin(
  call: Call,
  work: Work,
  request: object,
  taken: (id: string) => Problem,
): Promise<Response> {
  const idempotency = readIdempotency(call.req.raw, request, call.get("caller"));
  const admission: Admission = await registryAt(call).admit(work, idempotency);
  switch (admission.kind) {
    case "new":
      // If this call dies here, the registry creates it.
      await createWork(meshOf(call), admission.work, call.env);
      return await accepted(call, work.kind, admission.work.id);
    case "known":
      return await replayed(call, work.kind, admission.id);
    case "taken":
      throw taken(admission.id);
    case "full":
      throw tooManyRunning(admission.most);
    case "key_reused":
      throw keyReused(call);
  }
}
