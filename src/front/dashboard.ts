// The dashboard as it is served: one page, assembled from the files in dashboard/.
//
// For readers and the type checker the scripts are modules. Here they become one script, in the order of
// their dependencies. Each gets a scope of its own that returns only its exports.

import api from "../dashboard/api.js";
import app from "../dashboard/app.js";
import audit from "../dashboard/audit.js";
import chart from "../dashboard/chart.js";
import copy from "../dashboard/copy.js";
import dom from "../dashboard/dom.js";
import lists from "../dashboard/lists.js";
import schedules from "../dashboard/schedules.js";
import map from "../dashboard/map.js";
import page from "../dashboard/page.html";
import stores from "../dashboard/stores.js";
import style from "../dashboard/style.css";
import sync from "../dashboard/sync.js";
import { pageHeaders } from "./page.ts";

interface Dashboard {
  readonly html: string;
  readonly headers: Readonly<Record<string, string>>;
}

let dashboard: Promise<Dashboard> | null = null;

/** @param isPerson whether Cloudflare Access has signed somebody in: then the page asks for no token */
export async function dashboardResponse(isPerson: boolean): Promise<Response> {
  dashboard ??= assemble();
  const { html, headers } = await dashboard;
  const shown = isPerson ? html.replace('<html lang="en">', '<html lang="en" data-person>') : html;
  return new Response(shown, { headers });
}

async function assemble(): Promise<Dashboard> {
  const order = [dom, api, map, chart, audit, copy, lists, schedules, stores, sync, app];
  const script = order.map(inScope).join("\n");
  // Functions as replacements, because replace() would interpret a "$&" in a string.
  const html = page.replace("/* style */", () => style).replace("/* script */", () => script);
  const inline = { script: contentOf(html, "script"), style: contentOf(html, "style") };
  return { html, headers: await pageHeaders(inline) };
}

function inScope(source: string): string {
  const declared = source.matchAll(/^export (?:async )?(?:function\*?|class|const) (\w+)/gm);
  const names = Array.from(declared, ([, name]) => name).join(", ");
  const body = source.replaceAll(/^import [^;]*;\n/gm, "").replaceAll(/^export /gm, "");
  return `const { ${names} } = (() => {\n${body}return { ${names} };\n})();`;
}

function contentOf(html: string, tag: "script" | "style"): string {
  const content = new RegExp(`<${tag}[^>]*>([^]*)</${tag}>`).exec(html)?.[1];
  if (content === undefined) throw new Error(`The page has no <${tag}>`);
  return content;
}
