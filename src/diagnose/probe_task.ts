// What a probe and its lanes exchange: plain data, as between a copy and its lanes. A lane always reports a
// result and calls nobody else.

/** The upload that the zeros go to, and the folder for the probe's objects. */
export interface ProbeTarget {
  readonly probeId: string;
  readonly lane: number;
  readonly store: string;
  readonly bucket: string;
  /** Of the upload, which is aborted in the end. */
  readonly uploadKey: string;
  readonly uploadId: string;
  /** Objects put under it are deleted in the end. */
  readonly prefix: string;
}

export type ProbeWork =
  /**
   * Send one body of that size, as part copies are sent (`copier`), or from the Durable Object itself
   * (`lane`).
   */
  | { readonly kind: "send"; readonly from: "copier" | "lane"; readonly sizeMib: number }
  /** Put an object with that name, read it, replace it and read it again. */
  | { readonly kind: "read"; readonly name: string }
  /** Start this many bodies at once and hold them until then. Those in flight are counted. */
  | {
      readonly kind: "count";
      readonly streams: number;
      readonly firstPartNumber: number;
      readonly untilMs: number;
      /** Ask Cloudflare which machine this runs on. */
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

/** How a store answered about one key. */
export interface KeyRead {
  readonly name: string;
  /** HEAD and a ranged GET with If-Match returned what was put. */
  readonly isUnchanged: boolean;
  /** After a replacement they returned the new object. Null: not asked. */
  readonly isCurrent: boolean | null;
  readonly detail: string;
}

export interface Counted {
  /** Bodies in flight when the time was over, each in a call of its own. */
  readonly streams: number;
  readonly asked: number;
  /** Random, one per isolate: the lane's own, and those that answered its calls. */
  readonly isolate: string;
  readonly copierIsolates: readonly string[];
  /** Machine and data centre from Cloudflare's own trace. Null where it cannot be asked. */
  readonly machine: string | null;
  /** Why a body was refused before the time was over. Null: none was. */
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
