// The mesh under test: the built bundle in real workerd, with its stores configured as secrets. Calls go in
// over HTTP as curl's would, and the bytes travel over real loopback HTTP to the test stores, through the
// stand-in for Cloudflare's network.
//
// Invariant: every answer matches the API's description, and no answer and no log contains a secret.

import { createHash } from "node:crypto";
import { Edge, type EdgeOptions } from "../edge/edge.ts";
import { checkAnswer } from "./api_answers.ts";
import { type Answer, MeshClient, READ_TOKEN, TOKEN } from "./mesh_client.ts";
import type { TestStore } from "../store/store.ts";
import { type QueueResult, Workerd, type WorkerdOptions } from "./workerd.ts";

export { MEMORY, textsBeside } from "./workerd.ts";
export {
  type Answer,
  digestOfToken,
  READ_TOKEN,
  type ReportLine,
  type Status,
  TOKEN,
} from "./mesh_client.ts";

export interface MeshOptions extends Omit<WorkerdOptions, "bindings" | "proxyPort"> {
  readonly stores?: Readonly<Record<string, TestStore>>;
  /** Fields of STORE_<NAME> beside endpoint and credentials. */
  readonly storeFields?: Readonly<Record<string, Record<string, unknown>>>;
  /** Bindings that override the default ones. Null removes one. */
  readonly bindings?: Readonly<Record<string, string | null>>;
  /** What stands between the mesh and the stores. Null: nothing. */
  readonly edge?: EdgeOptions | null;
}

/** The value of STORE_<NAME> for a test store. It tells how many tags an object has, as AWS and Ceph do. */
export function storeSecret(
  {
    endpoint,
    region,
    credentials,
    minPartBytes,
  }: Pick<TestStore, "endpoint" | "region" | "credentials"> & { readonly minPartBytes?: number },
  { profile = {}, ...fields }: Readonly<Record<string, unknown>> & { readonly profile?: object } = {},
): string {
  return JSON.stringify({
    endpoint,
    region,
    ...credentials,
    ...fields,
    profile: { tagCount: true, ...(minPartBytes === undefined ? {} : { minPartBytes }), ...profile },
  });
}

/** Each attempt waits for some seconds. */
const EVICTION_TRIES = 5;

export class Mesh extends MeshClient {
  readonly #workerd: Workerd;
  readonly #secrets: readonly string[];
  readonly #edge: Edge | null;
  /** What the Workers have logged, line by line. */
  readonly logged: readonly string[];

  private constructor(workerd: Workerd, edge: Edge | null, secrets: readonly string[]) {
    super(workerd.url);
    this.#workerd = workerd;
    this.#edge = edge;
    this.#secrets = secrets;
    this.logged = workerd.logged;
  }

  static async start({ stores = {}, storeFields = {}, edge = {}, ...options }: MeshOptions): Promise<Mesh> {
    const bindings: Record<string, string> = { API_TOKEN: TOKEN, API_TOKEN_READ: READ_TOKEN };
    for (const [name, store] of Object.entries(stores)) {
      bindings[`STORE_${name.toUpperCase()}`] = storeSecret(store, storeFields[name]);
    }
    for (const [name, value] of Object.entries(options.bindings ?? {})) {
      if (value === null) delete bindings[name];
      else bindings[name] = value;
    }
    const between = edge === null ? null : await Edge.start(edge);
    const proxy = between === null ? {} : { proxyPort: between.port };
    try {
      const workerd = await Workerd.start({ ...options, ...proxy, bindings });
      return new Mesh(workerd, between, secretsOf(bindings));
    } catch (error) {
      await between?.stop();
      throw error;
    }
  }

  /** Kills workerd as a power cut would. Afterwards call stop() and start a new one on the same directory. */
  kill(): void {
    this.#workerd.kill();
  }

  /** The stand-in for Cloudflare's network. @throws Error if it was switched off */
  get edge(): Edge {
    if (this.#edge === null) throw new Error("Nothing stands between this mesh and its stores");
    return this.#edge;
  }

  /** Of workerd. */
  get pid(): number {
    return this.#workerd.pid;
  }

  /** Evicts a Durable Object from memory once it is idle, which may take a while on a busy machine. */
  async evict(className: string, name: string): Promise<void> {
    for (let tries = 1; ; tries++) {
      const result = await this.#workerd.evict(className, name);
      // One that does not run has been evicted by the runtime, which takes ten seconds of rest.
      if (result === "ok" || result.includes("not currently running")) return;
      if (tries === EVICTION_TRIES || !result.includes("active references")) throw new Error(result);
    }
  }

  /** @throws Error if the log contains a secret of the configuration */
  async stop(): Promise<void> {
    await this.#workerd.stop();
    await this.#edge?.stop();
    for (const line of this.logged) this.#checkSecrets("The log", line);
  }

  /** A call. Fails unless the answer matches the API's description and contains no secret. */
  override async call<T = Record<string, unknown>>(
    method: string,
    path: string,
    request: { body?: unknown; headers?: Record<string, string> } = {},
  ): Promise<Answer<T>> {
    const answer = await super.call<T>(method, path, request);
    checkAnswer(method, path, answer);
    this.#checkSecrets(`${method} ${path}`, answer.text);
    return answer;
  }

  #checkSecrets(where: string, text: string): void {
    if (this.#secrets.some((secret) => text.includes(secret)) || SIGNATURE.test(text))
      throw new Error(`${where} tells a secret: ${text}`);
  }

  /** Delivers messages to the consumer of a Queue. @throws Error if its handler throws */
  async deliver(queue: string, bodies: readonly unknown[]): Promise<QueueResult> {
    const result = await this.#workerd.deliver(queue, bodies);
    if (result.outcome !== "ok") throw new Error(`The consumer of ${queue} ended with: ${result.outcome}`);
    return result;
  }

  /** @throws Error if the handler of the Cron Trigger throws */
  async fireCron(at: Date): Promise<void> {
    const outcome = await this.#workerd.fireCron(at, "* * * * *");
    if (outcome !== "ok") throw new Error(`The Cron Trigger of ${at.toISOString()} ended with: ${outcome}`);
  }
}

const SIGNATURE = /AWS4-HMAC-SHA256|Signature=[0-9a-f]{64}/;

/** Values that must never be readable anywhere: tokens, whatever signs, and the keys of data. */
function secretsOf(bindings: Readonly<Record<string, string>>): string[] {
  const found: string[] = [];
  for (const [name, value] of Object.entries(bindings)) {
    if (/^(?:API_TOKEN|API_TOKEN_READ)$/.test(name)) found.push(value);
    if (name.startsWith("NOTIFY")) found.push(...(value.match(/(?<=whsec_)[A-Za-z0-9+/=]+/g) ?? []));
    if (!name.startsWith("STORE_")) continue;
    for (const [, field, secret = ""] of value.matchAll(SECRET_FIELD)) {
      found.push(secret);
      if (field === "key")
        found.push(createHash("md5").update(Buffer.from(secret, "base64")).digest("base64"));
    }
  }
  return found.filter((secret) => secret.length >= 8);
}

const SECRET_FIELD = /"(accessKeyId|secretAccessKey|sessionToken|key|Authorization|query)":\s*"([^"]{8,})"/g;
