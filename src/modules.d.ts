// Modules that TypeScript does not find by itself.
//
// The two Node modules that workerd has natively and the mesh uses (nodejs_compat is on from compatibility
// date 2026-08-04). Declared here, since all of @types/node would offer globals that a Worker has not got.

declare module "node:crypto" {
  interface Hash {
    update(bytes: Uint8Array): Hash;
    digest(encoding: "hex"): string;
  }
  export function createHash(algorithm: "md5"): Hash;
}

declare module "node:zlib" {
  export function crc32(bytes: Uint8Array, value?: number): number;
}

// What wrangler takes as text (rules in wrangler.toml).
declare module "*.js" {
  const text: string;
  export default text;
}
declare module "*.css" {
  const text: string;
  export default text;
}
declare module "*.html" {
  const text: string;
  export default text;
}
