// The routes of webhooks: which were delivered, and one of them again. The front mounts them behind its token
// check. They hold no state: the registry keeps and sends them.

import { Hono } from "hono";
import { type App, readCursor, readWord, registryAt } from "./call.ts";
import { listResponse } from "./lists.ts";
import { jsonResponse, Problem } from "../http/problem.ts";
import { readLimit } from "../http/request.ts";
import { NOTIFICATION_STATES } from "../http/vocabulary.ts";
import { isId } from "../http/id.ts";

export const notificationRoutes = new Hono<App>();

notificationRoutes.get("/notifications", async (call) => {
  const query = new URL(call.req.url).searchParams;
  const filter = { state: readWord(query, "state", NOTIFICATION_STATES), receiver: query.get("receiver") };
  const page = await registryAt(call).listNotifications(filter, readCursor(query), readLimit(query));
  return listResponse(call, "notifications", page.notifications, page.next);
});

notificationRoutes.post("/notifications/:id/redeliver", async (call) => {
  const id = call.req.param("id");
  const found = isId(id) ? await registryAt(call).redeliver(id) : null;
  if (found === null)
    throw new Problem(404, "notification_not_found", `There is no notification "${id}": it may be too old`);
  if (found === "no_receiver") {
    const message = "Its receiver is not configured any more; GET /stores lists those that are";
    throw new Problem(409, "no_receiver", message);
  }
  return jsonResponse(found, 202);
});
