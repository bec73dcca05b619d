// The documentation of the running version: GET /docs and GET /docs/{page}, without a token. Markdown for
// curl, an HTML page for a browser. The pages are the files of docs/, which the bundle contains as text.

import api from "../docs/api.md";
import changelog from "../docs/changelog.md";
import compare from "../docs/compare.md";
import cost from "../docs/cost.md";
import events from "../docs/events.md";
import manifest from "../docs/manifest.md";
import operate from "../docs/operate.md";
import proof from "../docs/proof.md";
import rename from "../docs/rename.md";
import replicate from "../docs/replicate.md";
import restore from "../docs/restore.md";
import scripts from "../docs/scripts.md";
import security from "../docs/security.md";
import stores from "../docs/stores.md";
import sync from "../docs/sync.md";
import trouble from "../docs/trouble.md";
import web from "../docs/web.md";
import versions from "../docs/versions.md";
import style from "../dashboard/style.css";
import { Problem } from "../http/problem.ts";
import { VERSION } from "../http/version.ts";
import { escapeHtml, htmlOf } from "./markdown.ts";
import { isBrowser, pageHeaders } from "./page.ts";

/** In the order in which to read them. */
const PAGES: ReadonlyMap<string, string> = new Map(
  Object.entries({
    trouble,
    api,
    stores,
    web,
    sync,
    events,
    manifest,
    rename,
    restore,
    versions,
    compare,
    replicate,
    scripts,
    cost,
    proof,
    operate,
    security,
    changelog,
  }),
);

/** @throws {Problem} 404 */
export async function docsResponse(request: Request, name: string | null): Promise<Response> {
  // Links have this ending in the repository, and in what curl gets.
  const markdown = name === null ? INDEX : PAGES.get(name.replace(/\.md$/, ""));
  if (markdown === undefined) {
    const names = [...PAGES.keys()].join(", ");
    throw new Problem(404, "no_such_page", `There is no page ${JSON.stringify(name)}; there are: ${names}`);
  }
  if (isBrowser(request)) return new Response(pageOf(markdown), { headers: await pageHeaders(INLINE) });
  return new Response(markdown, {
    headers: { "content-type": "text/markdown; charset=utf-8", "cache-control": "no-cache", vary: "accept" },
  });
}

const INLINE = { script: null, style };

/** Each page by its title and its first sentence, which says what question it answers. */
const INDEX = `# Documents

These pages describe version ${VERSION}, which answers; a test compares them with the code.

${Array.from(PAGES, ([name, page]) => `- [${titleOf(page)}](/docs/${name}): ${leadOf(page)}`).join("\n")}
`;

function titleOf(markdown: string): string {
  return /^# (.*)$/m.exec(markdown)?.[1] ?? "Bucket Brigade";
}

function leadOf(markdown: string): string {
  return (markdown.split("\n\n")[1] ?? "").replaceAll("\n", " ").trim();
}

function pageOf(markdown: string): string {
  const links = Array.from(PAGES, ([name, page]) => {
    const current = page === markdown ? ' aria-current="page"' : "";
    return `<a href="/docs/${name}"${current}>${escapeHtml(titleOf(page))}</a>`;
  });
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="color-scheme" content="light dark" />
    <title>${escapeHtml(titleOf(markdown))} – Bucket Brigade</title>
    <link rel="icon" href="data:," />
    <style>${style}</style>
  </head>
  <body>
    <a class="skip" href="#main">Skip to content</a>
    <header>
      <a class="brand" href="/">Bucket Brigade</a>
      <nav aria-label="Pages">${links.join("\n")}</nav>
    </header>
    <main id="main" tabindex="-1" class="prose">
${htmlOf(markdown)}
    </main>
  </body>
</html>
`;
}
