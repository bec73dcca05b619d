// The keys of a repair: what a comparison has found not equal, page by page out of its report, in the shape
// of what a walk over two listings finds.
//
// The report is as old as the comparison. So what it says of the destination decides nothing here: its keys
// are copied as the source has them now, and what only the destination had is deleted only if the source
// still does not have it (steps.ts).

import type { FoundPage } from "../listing/lookup.ts";
import { nameOf } from "../listing/prefix.ts";
import { meshError } from "../s3/errors.ts";
import type { ListedObject } from "../s3/listing_xml.ts";
import type { PrefixRef } from "../store/address.ts";

/** A line in a part of a report, both counted from 0. */
export interface ReportPlace {
  readonly part: number;
  readonly line: number;
}

export interface ReportCursor {
  readonly kind: "report";
  readonly at: ReportPlace;
}

export const FIRST_LINE: ReportCursor = { kind: "report", at: { part: 0, line: 0 } };

/** A line that is not equal, as far as a repair needs it. */
export interface ReportedKey {
  readonly key: string;
  /** Of a comparison whose rules change names: what it has become by them. */
  readonly to?: string;
  /** Which of the source was compared; absent: the current one. */
  readonly versionId?: string;
  readonly isExtra: boolean;
  readonly sizeBytes: number;
  readonly etag: string | null;
  readonly modifiedMs: number | null;
}

export interface ReportedPage {
  readonly keys: readonly ReportedKey[];
  /** Null: it was the last. */
  readonly next: ReportPlace | null;
}

/** Null: there is no such comparison any more. */
export type ReadReported = (at: ReportPlace) => Promise<ReportedPage | null>;

export class RepairWalk {
  readonly #sides: { readonly source: PrefixRef; readonly destination: PrefixRef };
  readonly #read: ReadReported;
  #at: ReportPlace;

  constructor(
    sides: { readonly source: PrefixRef; readonly destination: PrefixRef },
    read: ReadReported,
    { at }: ReportCursor,
  ) {
    this.#sides = sides;
    this.#read = read;
    this.#at = at;
  }

  /** @throws {FailureError} if the comparison is gone */
  async next(): Promise<FoundPage<ReportCursor> & { readonly isWaiting?: undefined }> {
    const page = await this.#read(this.#at);
    if (page === null) {
      const message =
        "The comparison whose keys are repaired was forgotten: start a sync of the whole prefix";
      throw meshError("report_gone", message, "repair");
    }
    const { source, destination } = this.#sides;
    const pairs = page.keys.map((reported) => {
      const object = listedAs(reported);
      return reported.isExtra
        ? { name: nameOf(object.key, destination.prefix), source: null, destination: object }
        : {
            name: nameOf(object.key, source.prefix),
            source: object,
            destination: null,
            ...(reported.to === undefined ? {} : { to: reported.to }),
            ...(reported.versionId === undefined ? {} : { versionId: reported.versionId }),
          };
    });
    if (page.next !== null) this.#at = page.next;
    const cursor = page.next === null ? null : ({ kind: "report", at: page.next } as const);
    return { pairs, known: [], unreadable: [], cursor };
  }
}

function listedAs({ key, sizeBytes, etag, modifiedMs }: ReportedKey): ListedObject {
  return { key, sizeBytes, etag, lastModifiedMs: modifiedMs, storageClass: null, isRestored: false };
}
