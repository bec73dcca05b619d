// A status as one line for a terminal: a bar, what is done, how fast, and in the end the outcome. The lines
// of `GET …/progress` and of the demo. Pure.
//
// Invariant: no line is longer than the width given, because a terminal cannot rewrite a line that it has
// wrapped.

import type { CopyStatus, SyncStatus } from "./answers.ts";

export const DEFAULT_WIDTH = 79;

const BAR_WIDTH = 16;

const KIB = 1024;

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"] as const;

/** A copy in progress. Fields that do not fit the width are left out. */
export function copyLine(
  { phase, bytes, parts, rate, queuedBehind }: CopyStatus,
  width = DEFAULT_WIDTH,
): string {
  const fields = [
    bar(bytes.total === null ? null : bytes.total === 0 ? 1 : bytes.done / bytes.total),
    formatDone(bytes.done, bytes.total),
    `${parts.done}/${parts.total ?? "?"} parts`,
  ];
  if (parts.inFlight > 0) fields.push(`${parts.inFlight} running`);
  if (rate.bytesPerSecond !== null) fields.push(`${formatBytes(rate.bytesPerSecond)}/s`);
  if (phase !== "uploading") fields.push(phase);
  else if (rate.etaSeconds !== null) fields.push(`ETA ${formatSeconds(rate.etaSeconds)}`);
  if (queuedBehind !== undefined) fields.push(`behind ${queuedBehind}`);
  return fit(fields, width);
}

/** The outcome of a copy, or what it waits for. */
export function copyResult(status: CopyStatus): string[] {
  const { id, phase, bytes, proof, skipped, failure, warnings } = status;
  const lines: string[] = [];
  if (phase === "completed" && skipped === true)
    lines.push("skipped: the destination already has an object with this key");
  else if (phase === "completed") {
    lines.push(
      `completed: ${formatBytes(bytes.done)}${during(status, bytes.done)}, proof ${proof ?? "none"}`,
    );
  } else if (failure !== undefined) lines.push(`${phase}: ${failure.code}: ${failure.message}`);
  else lines.push(phase);
  lines.push(...next(phase, `/copies/${id}`));
  return [...lines, ...warnings.map((text) => `warning: ${text}`)];
}

/** A sync in progress. */
export function syncLine(
  { phase, dryRun, objects, bytes, deletes, rate }: SyncStatus,
  width = DEFAULT_WIDTH,
): string {
  const { listed, underWay, failed } = objects;
  const fields = [
    bar(listed === 0 ? null : (listed - underWay) / listed),
    `${listed - underWay}/${listed} objects`,
    `${formatBytes(bytes.copied)} ${dryRun ? "" : "copied"}`.trim(),
  ];
  if (dryRun) fields.splice(2, 1, `${objects.wouldCopy} to copy`);
  if (failed > 0) fields.push(`${failed} failed`);
  if (deletes.deleted > 0) fields.push(`${deletes.deleted} deleted`);
  if (rate.objectsPerSecond !== null && !dryRun) fields.push(`${rate.objectsPerSecond} objects/s`);
  if (rate.etaSeconds !== null) fields.push(`ETA ${formatSeconds(rate.etaSeconds)}`);
  fields.push(phase);
  return fit(fields, width);
}

/** The outcome of a sync, or what it waits for. */
export function syncResult(status: SyncStatus): string[] {
  const { id, phase, dryRun, objects, bytes, deletes, failure, warnings } = status;
  const lines: string[] = [];
  if (failure !== undefined) lines.push(`${phase}: ${failure.code}: ${failure.message}`);
  const sums = dryRun
    ? [`would copy ${objects.wouldCopy}`, `would delete ${deletes.wouldDelete ?? 0}`]
    : [`copied ${objects.copied} (${formatBytes(bytes.copied)})`, `deleted ${deletes.deleted}`];
  const counted = [...sums, `skipped ${objects.skipped}`, `failed ${objects.failed + deletes.failed}`];
  lines.push(`${phase}: ${counted.join(", ")}${during(status, null)}`);
  if (phase === "finished_with_errors") {
    lines.push(`next: GET /syncs/${id}/report says why, POST /syncs/${id}/retry retries what failed`);
  }
  lines.push(...next(phase, `/syncs/${id}`));
  return [...lines, ...warnings.map((text) => `warning: ${text}`)];
}

/** `1.5 GiB`: a number of at most four characters, so that columns align. */
export function formatBytes(sizeBytes: number): string {
  const power = sizeBytes < KIB ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log2(sizeBytes) / 10));
  return `${inUnit(sizeBytes, power)} ${UNITS[power] ?? "B"}`;
}

/** `59 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`. */
export function formatSeconds(seconds: number): string {
  const whole = Math.ceil(seconds);
  const [small, large, size] =
    whole < 60
      ? ["s", "", 60]
      : whole < 3600
        ? ["s", "min", 60]
        : whole < 86_400
          ? ["min", "h", 60]
          : ["h", "d", 24];
  const inSmall = Math.floor(whole / (small === "s" ? 1 : small === "min" ? 60 : 3600));
  if (large === "") return `${inSmall} ${small}`;
  const rest = inSmall % size;
  return `${Math.floor(inSmall / size)} ${large}${rest === 0 ? "" : ` ${rest} ${small}`}`;
}

export function bar(fraction: number | null): string {
  const done = Math.max(0, Math.min(1, fraction ?? 0));
  const filled = Math.floor(done * BAR_WIDTH);
  const percent = fraction === null ? "  ?" : String(Math.floor(done * 100)).padStart(3);
  return `[${"#".repeat(filled)}${"-".repeat(BAR_WIDTH - filled)}] ${percent}%`;
}

/** Both in the unit of the total: `48/128 MiB`. */
function formatDone(doneBytes: number, totalBytes: number | null): string {
  if (totalBytes === null) return formatBytes(doneBytes);
  const power = totalBytes < KIB ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log2(totalBytes) / 10));
  return `${inUnit(doneBytes, power)}/${inUnit(totalBytes, power)} ${UNITS[power] ?? "B"}`;
}

function inUnit(sizeBytes: number, power: number): string {
  const value = sizeBytes / KIB ** power;
  return power === 0 || value >= 99.95 ? String(Math.round(value)) : value.toFixed(1).replace(/\.0$/, "");
}

export function fit([first = "", ...fields]: readonly string[], width: number): string {
  let line = first.slice(0, width);
  for (const field of fields) {
    const longer = `${line}  ${field}`;
    if (longer.length <= width) line = longer;
  }
  return line;
}

export function during(
  { startedAt, endedAt }: { startedAt: string | null; endedAt: string | null },
  bytes: number | null,
) {
  if (startedAt === null || endedAt === null) return "";
  const seconds = Math.max(0.001, (Date.parse(endedAt) - Date.parse(startedAt)) / 1000);
  const took = seconds < 60 ? `${seconds.toFixed(1)} s` : formatSeconds(seconds);
  return ` in ${took}${bytes === null ? "" : `, ${formatBytes(Math.round(bytes / seconds))}/s`}`;
}

export function next(phase: string, path: string): string[] {
  if (phase === "blocked") return [`next: put that right, then POST ${path}/resume; or POST ${path}/cancel`];
  if (phase === "queued") return [`next: it starts automatically; check with GET ${path}/progress`];
  if (phase === "paused") return [`next: POST ${path}/resume; or POST ${path}/cancel`];
  return [];
}
