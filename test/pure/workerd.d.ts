// What the pure modules mention of workerd's own types, so that they can be checked for Node, which runs
// these tests.

interface SqlStorage {
  exec(
    query: string,
    ...bindings: unknown[]
  ): Iterable<Record<string, unknown>> & {
    one(): Record<string, unknown>;
    toArray(): Record<string, unknown>[];
    readonly rowsWritten: number;
  };
  readonly databaseSize: number;
}

interface DurableObjectStorage {
  readonly sql: SqlStorage;
  readonly kv: {
    get<T>(key: string): T | undefined;
    put(key: string, value: unknown): void;
    delete(key: string): boolean;
  };
  transactionSync<T>(change: () => T): T;
  sync(): Promise<void>;
  getAlarm(): Promise<number | null>;
  setAlarm(atMs: number): Promise<void>;
}

interface DurableObjectState {
  readonly storage: DurableObjectStorage;
  readonly exports: Cloudflare.Exports;
}

interface Replicating {
  create(row: unknown): Promise<void>;
  update(spec: unknown): Promise<void>;
  take(hints: unknown): Promise<{ readonly taken: number; readonly ignored: number } | null>;
  remove(name: string, id: string): Promise<void>;
  keepAwake(): Promise<void>;
}

declare namespace Cloudflare {
  interface Named<Part> {
    getByName(name: string, place?: object): Part;
  }

  interface Work {
    create(id: string, spec: unknown, createdAtMs: number): Promise<void>;
    forget(): Promise<boolean>;
    keepAwake(): Promise<void>;
    recheckQueue(): Promise<void>;
  }

  interface Exports {
    readonly Coordinator: Named<Work>;
    readonly Replicator: Named<Replicating>;
    readonly Sync: Named<Work>;
    readonly Registry: Named<import("../../src/registry.ts").Registry>;
  }
}

interface RequestInit {
  encodeResponseBody?: "automatic" | "manual";
}

declare module "cloudflare:workers" {
  export class WorkerEntrypoint<Env> {
    protected readonly env: Env;
  }

  export class DurableObject<Env> {
    protected readonly ctx: DurableObjectState;
    protected readonly env: Env;
    constructor(ctx: DurableObjectState, env: Env);
    alarm?(): Promise<void>;
  }
}

declare class FixedLengthStream extends TransformStream<Uint8Array, Uint8Array> {
  constructor(length: number);
}

declare class IdentityTransformStream extends TransformStream<Uint8Array, Uint8Array> {}

declare module "stream/web" {
  interface ReadableStreamBYOBReader {
    readAtLeast<T extends ArrayBufferView>(bytes: number, view: T): Promise<ReadableStreamReadResult<T>>;
  }
}

declare module "crypto" {
  namespace webcrypto {
    interface Crypto {
      readonly DigestStream: new (
        algorithm: string,
      ) => WritableStream<Uint8Array> & { readonly digest: Promise<ArrayBuffer> };
    }
  }
}

interface ReadableStreamReadResult<T> {
  readonly done: boolean;
  readonly value: T | undefined;
}
