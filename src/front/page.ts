// An HTML page as it is served. Its policy allows its own script and style and requests to this mesh, and
// nothing else. Scripts and styles are named by their digests, so anything else that gets into a page has no
// effect.

/** The content of a page's <script> and <style>. */
interface Inline {
  /** Null: it has none, and none can run. */
  readonly script: string | null;
  readonly style: string;
}

export async function pageHeaders({ script, style }: Inline): Promise<Record<string, string>> {
  const policy = [
    "default-src 'none'",
    `script-src ${script === null ? "'none'" : `'${await digestOf(script)}'`}`,
    `style-src '${await digestOf(style)}'`,
    "img-src data:",
    `connect-src ${script === null ? "'none'" : "'self'"}`,
    "form-action 'none'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ];
  return {
    "content-type": "text/html; charset=utf-8",
    "cache-control": "no-cache",
    "content-security-policy": policy.join("; "),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "no-referrer",
    vary: "accept",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
  };
}

/** A browser that came by TLS once does not come without it. Null: this answer has not come by it. */
export function transportSecurity(url: string): string | null {
  return new URL(url).protocol === "https:" ? "max-age=31536000" : null;
}

/** Whether the client wants a page rather than text. */
export function isBrowser(request: Request): boolean {
  return /\btext\/html\b/.test(request.headers.get("accept") ?? "");
}

/** In the form that a Content-Security-Policy takes. */
async function digestOf(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return `sha256-${btoa(String.fromCharCode(...new Uint8Array(digest)))}`;
}
