// The dashboard as it is served: one page, assembled from the files in dashboard/, from two libraries, and
// from the table in docs/trouble.md.
//
// For readers and the type checker the scripts are modules. Here they become one script, in the order of
// their dependencies. Each gets a scope of its own that returns only its exports.

import preact from "../../node_modules/preact/dist/preact.mjs?text";
import hooks from "../../node_modules/preact/hooks/dist/hooks.mjs?text";
import parserErrors from "../../node_modules/eventsource-parser/dist/errors.js?text";
import parser from "../../node_modules/eventsource-parser/dist/parse.js?text";
import api from "../dashboard/api.js";
import app from "../dashboard/app.js";
import audit from "../dashboard/audit.js";
import chart from "../dashboard/chart.js";
import comparison from "../dashboard/comparison.js";
import copy from "../dashboard/copy.js";
import cost from "../dashboard/cost.js";
import dom from "../dashboard/dom.js";
import forms from "../dashboard/forms.js";
import lists from "../dashboard/lists.js";
import lagChart from "../dashboard/lag_chart.js";
import map from "../dashboard/map.js";
import overview from "../dashboard/overview.js";
import page from "../dashboard/page.html";
import paging from "../dashboard/paging.js";
import replication from "../dashboard/replication.js";
import replications from "../dashboard/replications.js";
import report from "../dashboard/report.js";
import rowStyle from "../dashboard/rows.css";
import scheduleForm from "../dashboard/schedule_form.js";
import schedules from "../dashboard/schedules.js";
import session from "../dashboard/session.js";
import start from "../dashboard/start.js";
import stores from "../dashboard/stores.js";
import style from "../dashboard/style.css";
import sync from "../dashboard/sync.js";
import table from "../dashboard/table.js";
import trouble from "../dashboard/trouble.js";
import ui from "../dashboard/ui.js";
import work from "../dashboard/work.js";
import troubleDocument from "../docs/trouble.md";
import { pageHeaders } from "./page.ts";
import { readTrouble } from "./trouble.ts";

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
  const libraries = [inScope(parserErrors), inScope(parser), minifiedInScope(preact), minifiedInScope(hooks)];
  // "</script>" in a text would end the script.
  const rows = JSON.stringify(readTrouble(troubleDocument)).slice(1, -1).replaceAll("<", "\\u003c");
  const told = trouble.replace("/* rows */", () => rows);
  const scripts = {
    dom,
    cost,
    session,
    api,
    paging,
    ui,
    table,
    map,
    chart,
    trouble: told,
    audit,
    work,
    copy,
    report,
    sync,
    comparison,
  };
  const pages = {
    lists,
    overview,
    forms,
    stores,
    lag_chart: lagChart,
    replication,
    replications,
    schedule_form: scheduleForm,
    schedules,
    start,
    app,
  };
  const order = Object.values({ ...scripts, ...pages });
  const script = [...libraries, ...order.map(inScope)].join("\n");
  // Functions as replacements, because replace() would interpret a "$&" in a string.
  const html = page
    .replace("/* style */", () => `${style}\n${rowStyle}`)
    .replace("/* script */", () => script);
  const inline = { script: contentOf(html, "script"), style: contentOf(html, "style") };
  return { html, headers: await pageHeaders(inline) };
}

function inScope(source: string): string {
  const declared = source.matchAll(/^export (?:async )?(?:function\*?|class|const) (\w+)/gm);
  const names = Array.from(declared, ([, name]) => name).join(", ");
  const body = source
    .replaceAll(/^import [^;]*;\n/gm, "")
    .replaceAll(/^export /gm, "")
    .replaceAll(/^\/\/# sourceMappingURL=.*$/gm, "");
  return `const { ${names} } = (() => {\n${body}\nreturn { ${names} };\n})();`;
}

/**
 * A module in one line, which imports and exports under names of its own:
 * `import{options as n}from"preact";`, `export{x as Component};`. Its `h` is createElement, and that of
 * dom.js is another one.
 */
function minifiedInScope(source: string): string {
  const exported = /export\{([^}]*)\};/.exec(source)?.[1] ?? "";
  const pairs = exported.split(",").map((pair) => pair.split(" as "));
  const names = pairs.flatMap(([own, name = own]) => (name === "h" ? [] : [name]));
  const returned = pairs.map(([own, name = own]) => `${name}: ${own}`).join(", ");
  const body = source
    .replace(
      /^import\{([^}]*)\}from"preact";/,
      (_whole, imported: string) => `const {${imported.replaceAll(" as ", ": ")}} = { options };`,
    )
    .replace(/export\{[^}]*\};/, "")
    .replaceAll(/^\/\/# sourceMappingURL=.*$/gm, "");
  return `const { ${names.join(", ")} } = (() => {\n${body}\nreturn { ${returned} };\n})();`;
}

function contentOf(html: string, tag: "script" | "style"): string {
  const content = new RegExp(`<${tag}[^>]*>([^]*)</${tag}>`).exec(html)?.[1];
  if (content === undefined) throw new Error(`The page has no <${tag}>`);
  return content;
}
