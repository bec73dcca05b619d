// One call for many: `POST /copies/resume?phase=blocked&store=west`. It takes a page of the list, as the
// caller sees it, and steers each. What cannot be steered is named in the answer and holds up nothing.

import { type Call, noWork, readPage, registryAt, meshOf, wantsText, answerText } from "./call.ts";
import { permit } from "./permission.ts";
import { textTable } from "./text_table.ts";
import { jsonResponse, Problem } from "../http/problem.ts";
import { COMPARISON_PHASES, COPY_PHASES, PHASE_GROUPS, SYNC_PHASES } from "../http/vocabulary.ts";
import { log } from "../log.ts";
import type { RowsOf } from "../registry/work_rows.ts";
import { type WorkKind, PLURALS, objectsOf } from "../schedule/kinds.ts";

export const VERBS = ["pause", "resume", "cancel"] as const;

type Verb = (typeof VERBS)[number];

/** An event may wait for six answers at once. */
const AT_ONCE = 5;

const PHASES: Readonly<Record<WorkKind, readonly string[]>> = {
  copy: COPY_PHASES,
  sync: SYNC_PHASES,
  comparison: COMPARISON_PHASES,
};

/** Those on which the verb has an effect, where the call names no phase. */
const USUAL_PHASES: Readonly<Record<Verb, (phase: string) => boolean>> = {
  pause: (phase) => PHASE_GROUPS.active.includes(phase) && phase !== "paused",
  resume: (phase) => phase === "paused" || phase === "blocked",
  cancel: (phase) => PHASE_GROUPS.active.includes(phase),
};

type Outcome =
  | { readonly id: string; readonly outcome: "changed" | "unchanged" }
  | { readonly id: string; readonly outcome: "failed"; readonly code: string; readonly detail: string };

/** `POST /{copies,syncs,comparisons}/{pause,resume,cancel}?phase=&store=` */
export function steerMany(kind: WorkKind, verb: Verb): (call: Call) => Promise<Response> {
  return async (call) => {
    const { chosen, wanted, before, limit } = readPage(call, PHASES[kind]);
    if (chosen.length === 0 && Object.values(wanted).every((value) => value === null)) {
      const message = `Name a "phase", "store", "schedule" or "q": without any, this would ${verb} all ${PLURALS[kind]}`;
      throw new Problem(400, "invalid_request", message);
    }
    const phases = chosen.length > 0 ? chosen : PHASES[kind].filter(USUAL_PHASES[verb]);
    // What a sync has started is steered with the sync.
    const of: RowsOf = kind === "copy" ? "no-sync" : "anybody";
    const filter = { phases, of, ...wanted, caller: call.get("caller") };
    const { rows, next } = await registryAt(call).listPlaces(kind, filter, before, limit);
    const outcomes: Outcome[] = [];
    const left = [...rows];
    const steerSome = async () => {
      for (let row = left.shift(); row !== undefined; row = left.shift())
        outcomes.push(await steerOne(call, kind, verb, row, chosen.length > 0));
    };
    await Promise.all(Array.from({ length: AT_ONCE }, steerSome));
    // In the order of the list.
    const sorted = rows.flatMap(({ id }) => outcomes.filter((one) => one.id === id));
    if (wantsText(call)) return answerText(tableOf(sorted), 200, nextLink(call, next));
    return jsonResponse({
      changed: idsOf(sorted, "changed"),
      unchanged: idsOf(sorted, "unchanged"),
      failed: sorted.flatMap((one) =>
        one.outcome === "failed" ? [{ id: one.id, code: one.code, detail: one.detail }] : [],
      ),
      next,
    });
  };
}

async function steerOne(
  call: Call,
  kind: WorkKind,
  verb: Verb,
  { id, touched }: { readonly id: string; readonly touched: Parameters<typeof permit>[2] },
  isNamed: boolean,
): Promise<Outcome> {
  try {
    permit(call.get("caller"), ["steer"], touched);
    const url = `https://${kind}/${PLURALS[kind]}/${id}/${verb}`;
    const response = await objectsOf(meshOf(call), kind).getByName(id).fetch(url, { method: "POST" });
    const body: { changed?: boolean; code?: string; detail?: string } = await response.json();
    // What has stopped at its budget is left alone, unless the call names that phase.
    const isHeld = body.code === "budget_reached" && !isNamed;
    if (isHeld) return { id, outcome: "unchanged" };
    if (response.ok) return { id, outcome: body.changed === true ? "changed" : "unchanged" };
    // It has an id, and its object does not exist yet.
    const { code, message } = noWork(kind, id);
    return { id, outcome: "failed", code: body.code ?? code, detail: body.detail ?? message };
  } catch (error) {
    if (error instanceof Problem) return { id, outcome: "failed", code: error.code, detail: error.message };
    log("error", "not_steered", { [`${kind}Id`]: id, detail: String(error) });
    const detail = "Its object did not answer; the log has the details";
    return { id, outcome: "failed", code: "internal_error", detail };
  }
}

function idsOf(outcomes: readonly Outcome[], wanted: Outcome["outcome"]): string[] {
  return outcomes.filter(({ outcome }) => outcome === wanted).map(({ id }) => id);
}

function tableOf(outcomes: readonly Outcome[]): string {
  return textTable(
    ["id", "outcome", "detail"],
    outcomes.map((one) => [one.id, one.outcome, one.outcome === "failed" ? one.detail : ""]),
  );
}

/** Where a list in text goes on: it has no room for a cursor. */
export function nextLink(call: Call, next: string | null): Record<string, string> {
  if (next === null) return {};
  const url = new URL(call.req.url);
  url.searchParams.set("cursor", next);
  return { link: `<${url.pathname}${url.search}>; rel="next"` };
}
