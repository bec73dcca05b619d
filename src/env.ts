// The Worker's environment. Stores are STORE_<NAME> secrets whose names are the operator's choice, so the env is read
// by name at run time (stores.ts, api.ts) and typed as what it is: unknown values.

export type Env = Readonly<Record<string, unknown>>;

// Types ctx.exports: this Worker's own classes, callable with no binding to configure.
declare global {
  namespace Cloudflare {
    interface GlobalProps {
      mainModule: typeof import("./front.ts");
      durableNamespaces: "Coordinator" | "Lane" | "Probe" | "Registry" | "Sync";
    }
  }
}
