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
