// What passes between the probe and the lanes that measure for it: plain data, as between a copy and its
// lanes. A lane reports a result in every case, and calls nobody back.

/** The upload that the zeros go to, and the folder that the objects of the probe are in. */
export interface ProbeTarget {
  readonly store: string;
  readonly bucket: string;
  /** Of the upload. It is aborted in the end. */
  readonly uploadKey: string;
  readonly uploadId: string;
  /** Objects that are put under it are deleted in the end. */
  readonly prefix: string;
}

export type ProbeWork =
  /** One body of that size, sent as part copies are (`copier`), or by the Durable Object itself (`lane`). */
  | { readonly kind: "send"; readonly from: "copier" | "lane"; readonly sizeMib: number }
  /** An object of that name is put, read, replaced and read again. */
  | { readonly kind: "read"; readonly name: string }
  /** So many bodies are begun at once and held until then; those in flight are counted. */
  | {
      readonly kind: "count";
      readonly streams: number;
      readonly firstPartNumber: number;
      readonly untilMs: number;
      /** Ask Cloudflare for the machine that this runs on. */
      readonly asksMachine: boolean;
    };

export interface ProbeTask {
  readonly name: string;
  readonly attempt: number;
  readonly target: ProbeTarget;
  readonly work: ProbeWork;
}

export type Sent =
  | { readonly ok: true; readonly sizeMib: number; readonly durationMs: number }
  | { readonly ok: false; readonly sizeMib: number; readonly message: string };

/** How a store's answers about one key came back. */
export interface KeyRead {
  readonly name: string;
  /** HEAD and a ranged GET with If-Match gave what was put. */
  readonly isUnchanged: boolean;
  /** After it was replaced they gave the new object; null: not asked. */
  readonly isCurrent: boolean | null;
  readonly detail: string;
}

export interface Counted {
  /** So many bodies were in flight when the time was over, each in a call of its own. */
  readonly streams: number;
  readonly asked: number;
  /** Random, one for each isolate: that of the lane, and those that its calls were answered from. */
  readonly isolate: string;
  readonly copierIsolates: readonly string[];
  /** Of Cloudflare's own trace: machine and data centre; null where it cannot be asked. */
  readonly machine: string | null;
  /** Why a body was refused before the time was over; null: none was. */
  readonly refusal: string | null;
}

export type ProbeOutcome =
  | { readonly kind: "sent"; readonly sent: Sent }
  | { readonly kind: "read"; readonly read: KeyRead }
  | { readonly kind: "counted"; readonly counted: Counted }
  /** It could not be measured at all. */
  | { readonly kind: "failed"; readonly message: string };

export interface ProbeReport {
  readonly name: string;
  readonly attempt: number;
  readonly outcome: ProbeOutcome;
}

export type ProbeAttempt = Pick<ProbeTask, "name" | "attempt">;
