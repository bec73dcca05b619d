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
}

interface DurableObjectStorage {
  readonly sql: SqlStorage;
  transactionSync<T>(change: () => T): T;
  sync(): Promise<void>;
}

interface RequestInit {
  encodeResponseBody?: "automatic" | "manual";
}

declare module "cloudflare:workers" {
  export class WorkerEntrypoint<Env> {
    protected readonly env: Env;
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
