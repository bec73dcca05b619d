// Turns what has come of stretches of histories into entries of the report, and into what is next for each
// key: the same stretch again from where it stands, the stretch after it, a large version as a copy of its
// own, or nothing, since a version has failed and a history has no holes. Pure.

import { type Reached, type Stretch, reachedWith } from "../object/history.ts";
import { type Failure, meshFailure } from "../s3/failure.ts";
import { MAX_ATTEMPTS } from "../s3/retry.ts";
import type { ObjectOutcome, ObjectWork, ReplayEnd } from "../work/batch_task.ts";
import { settleFailure } from "./outcome.ts";
import type { Entry } from "./report.ts";
import { failedVersions, replayedVersion, workOfVersion } from "./version_plan.ts";

type ReplayWork = ObjectWork & { readonly stretch: Stretch };

/** What is next for the key. */
export type NextOfHistory =
  | { readonly do: "again"; readonly work: ReplayWork; readonly notBeforeMs: number }
  /** All of the stretch is there, up to here. `absent`: nothing that follows is. */
  | { readonly do: "goOn"; readonly before: Reached; readonly absent: boolean }
  | { readonly do: "copyLarge"; readonly work: ReplayWork }
  /** The destination is further than this stretch: is this one of its history? */
  | { readonly do: "pass"; readonly versionId: string; readonly work: ReplayWork }
  | { readonly do: "end" }
  /** The run cannot go on, and the work stays. */
  | { readonly do: "endRun"; readonly work: ReplayWork; readonly failure: Failure };

interface SettledStretch {
  readonly entries: readonly Entry[];
  readonly next: NextOfHistory;
}

interface Times {
  readonly now: number;
  readonly random: number;
}

export function settleStretch(work: ReplayWork, outcome: ObjectOutcome, times: Times): SettledStretch {
  if (outcome.kind === "failed") return ended(work, [], { kind: "failed", failure: outcome.failure }, times);
  if (outcome.kind !== "replayed") return ended(work, [], { kind: "left" }, times);
  const { versions, before } = work.stretch;
  const entries = outcome.done.flatMap((replayed, place) => {
    const version = versions[place];
    return version === undefined ? [] : [replayedVersion(work, version, replayed)];
  });
  const absent = outcome.done.some(({ kind }) => kind === "absent");
  if (outcome.ends.kind === "all") {
    const reached = versions.reduce(reachedWith, before);
    return { entries, next: { do: "goOn", before: reached, absent } };
  }
  const done = versions.slice(0, outcome.done.length);
  // An attempt that has brought something over was none of the next version.
  const rest: ReplayWork = {
    ...restOf(work, done.length),
    failedAttempts: done.length > 0 ? 0 : work.failedAttempts,
  };
  return ended(rest, entries, outcome.ends, times);
}

/** Without its first versions. */
export function restOf(work: ReplayWork, done: number): ReplayWork {
  const { stretch } = work;
  const versions = stretch.versions.slice(done);
  const before = stretch.versions.slice(0, done).reduce(reachedWith, stretch.before);
  const sizeBytes = versions.reduce((sum, version) => sum + version.sizeBytes, 0);
  return { ...work, sizeBytes, stretch: { ...stretch, versions, before } };
}

function ended(
  work: ReplayWork,
  entries: readonly Entry[],
  ends: Exclude<ReplayEnd, { kind: "all" }>,
  times: Times,
): SettledStretch {
  switch (ends.kind) {
    case "left":
      return { entries, next: { do: "again", work, notBeforeMs: 0 } };
    case "large": {
      const [version] = work.stretch.versions;
      if (version === undefined) return { entries, next: { do: "end" } };
      const large = { ...workOfVersion(work, version), stretch: work.stretch };
      return { entries, next: { do: "copyLarge", work: large } };
    }
    case "ahead":
      return { entries, next: { do: "pass", versionId: ends.versionId, work } };
    case "failed":
      return failedAt(work, entries, ends.failure, times);
  }
}

function failedAt(
  work: ReplayWork,
  entries: readonly Entry[],
  failure: Failure,
  times: Times,
): SettledStretch {
  const settled = settleFailure(work, failure, { ...times, dryRun: false });
  if (settled.kind === "again") {
    const again = { ...work, failedAttempts: settled.work.failedAttempts };
    return { entries, next: { do: "again", work: again, notBeforeMs: settled.notBeforeMs } };
  }
  if (settled.kind === "run" && failure.code !== "source_archived")
    return { entries, next: { do: "endRun", work, failure } };
  const attempts = Math.min(MAX_ATTEMPTS, work.failedAttempts + 1);
  const { versions } = work.stretch;
  return { entries: [...entries, ...failedVersions(work, versions, failure, attempts)], next: { do: "end" } };
}

/** What the destination has was copied from a version that is not in the history as it was listed. */
export function unknownVersion({ to }: ObjectWork, versionId: string): Failure {
  const message = `The newest version of ${JSON.stringify(to)} at the destination is from the source's version ${versionId}, which is not in its history. It is left as it is`;
  return meshFailure("history_differs", message, "ListObjectVersions");
}
