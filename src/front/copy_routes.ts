// The routes of copies: POST /copies and everything under it. The front mounts them behind its token check.

import { Hono } from "hono";
import type { Job } from "../copy/phase.ts";
import { parseCopyRequest, resolveCopy } from "../copy/spec.ts";
import type { Env } from "../env.ts";
import { accepted, answeredBy, keyReused, meshOf, readPage, registryAt, replayed } from "./call.ts";
import { jsonResponse, Problem } from "../http/problem.ts";
import { readBody, readIdempotency, readSwitch } from "../http/request.ts";
import { COPY_PHASES } from "../http/vocabulary.ts";
import { createWork } from "../schedule/create.ts";
import { formatObject } from "../store/address.ts";

export const copyRoutes = new Hono<{ Bindings: Env }>();

copyRoutes.post("/copies", async (call) => {
  const request = parseCopyRequest(await readBody(call.req.raw));
  const spec = resolveCopy(request, call.env);
  const mesh = meshOf(call);
  const admission = await registryAt(call).admit(spec, readIdempotency(call.req.raw, request));
  switch (admission.kind) {
    case "new":
      await createWork(mesh, { kind: "copy", ...admission.copy }, call.env);
      return await accepted(call, "copy", admission.copy.id);
    case "known":
      return await replayed(call, "copy", admission.id);
    case "busy":
      throw new Problem(
        409,
        "destination_busy",
        `Copy ${admission.id} writes ${formatObject(spec.destination)} and has not ended; wait for it, cancel it, ` +
          `or send "ifBusy": "queue" to have this copy wait`,
      );
    case "key_reused":
      throw keyReused(call);
  }
});

copyRoutes.get("/copies", async (call) => {
  const phases = COPY_PHASES satisfies readonly (Job["phase"] | "admitted")[];
  const { phase, before, limit } = readPage(call, phases);
  const orphans = readSwitch(new URL(call.req.url).searchParams, "orphans");
  const page = await registryAt(call).list({ phase, orphans }, before, limit);
  const copies = page.copies.map(({ source, destination, ...rest }) => ({
    ...rest,
    source: formatObject(source),
    destination: formatObject(destination),
  }));
  return jsonResponse({ copies, next: page.next });
});

// The coordinator answers these itself, from its storage alone.
copyRoutes.on(
  ["GET"],
  ["/copies/:id", "/copies/:id/parts", "/copies/:id/events", "/copies/:id/progress"],
  answeredBy("copy"),
);

copyRoutes.on(
  ["POST"],
  ["/copies/:id/pause", "/copies/:id/resume", "/copies/:id/cancel"],
  answeredBy("copy"),
);
