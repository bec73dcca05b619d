// How work ended, as the HTTP status of an answer, so that `curl --fail --retry` has it as its exit status:
// curl asks again after a 504, and ends with an error after a 409 or 422.

import { type Call, askWork, answerText, wantsText } from "./call.ts";
import { Problem, jsonResponse } from "../http/problem.ts";
import { readWait } from "../http/request.ts";
import type { WorkKind } from "../schedule/kinds.ts";
import { type WorkStatus, resultLines, statusLines } from "../view/lines.ts";

/** Where `wait` has let time pass already, curl need not wait once more. */
const RETRY_AFTER_S = { waited: "1", unwaited: "5" };

/** `GET /{copies,syncs,comparisons}/{id}/result?wait=` */
export function resultOf(kind: WorkKind): (call: Call) => Promise<Response> {
  return async (call) => {
    const answer = await askWork(call, kind, "read", "");
    if (!answer.ok) return answer;
    const status: WorkStatus = await answer.json();
    const waitSeconds = readWait(new URL(call.req.url).searchParams);
    const problem = problemOf(status, waitSeconds > 0);
    if (problem !== null) return problem.toResponse(membersOf(status));
    if (!wantsText(call)) return jsonResponse(status);
    return answerText(resultLines(status).join("\n"));
  };
}

/** Null: it is done. */
function problemOf(status: WorkStatus, waited: boolean): Problem | null {
  const said = resultLines(status).join("; ");
  switch (status.phase) {
    case "completed":
    case "equal":
      return null;
    case "different":
      return new Problem(422, "work_different", said);
    case "inconclusive":
      return new Problem(422, "work_inconclusive", said);
    case "blocked":
      return new Problem(409, "work_blocked", said);
    case "paused":
      return new Problem(409, "work_paused", said);
    case "failed":
      return new Problem(422, "work_failed", said);
    case "cancelled":
      return new Problem(422, "work_cancelled", said);
    case "finished_with_errors":
      return new Problem(422, "work_finished_with_errors", said);
    default:
      return new Problem(504, "work_goes_on", `Ask again: ${statusLines(status).join("; ")}`, {
        "retry-after": waited ? RETRY_AFTER_S.waited : RETRY_AFTER_S.unwaited,
      });
  }
}

function membersOf(status: WorkStatus): Record<string, unknown> {
  const { id, phase, failure } = status;
  return { id, phase, ...(failure === undefined ? {} : { failure }) };
}
