// The keys under which parts of reports are stored. Pure.

/** Under the report's own prefix, which no sync lists, copies or deletes. */
export function reportKey(prefix: string, syncId: string, part: number): string {
  return `${prefix}${syncId}/report-${String(part).padStart(6, "0")}.ndjson`;
}

/** Is it a part of any sync's report? No sync copies or deletes such a key. */
export function isReportKey(key: string): boolean {
  return key.includes(REPORT_PREFIX) && /\/[0-9a-z]{26}\/report-\d{6,}\.ndjson$/.test(key);
}

/** Where reports go when the request names no other prefix; every sync leaves the keys under it alone. */
export const REPORT_PREFIX = ".bucket-brigade/syncs/";
