// Modules that TypeScript cannot resolve by itself.
//
// First the two Node modules that the mesh uses. workerd provides them natively: nodejs_compat is on by
// default from compatibility date 2026-08-04. They are declared here, because @types/node would also declare
// globals that a Worker does not have.

declare module "node:crypto" {
  interface Hash {
    update(bytes: Uint8Array | string): Hash;
    digest(encoding: "hex"): string;
    digest(): Uint8Array;
  }
  export function createHash(algorithm: "md5" | "sha256"): Hash;
}

declare module "node:zlib" {
  export function crc32(bytes: Uint8Array, value?: number): number;
}

// Files that wrangler imports as text (rules in wrangler.toml).
declare module "*.js" {
  const text: string;
  export default text;
}
declare module "*?text" {
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
declare module "*.md" {
  const text: string;
  export default text;
}
