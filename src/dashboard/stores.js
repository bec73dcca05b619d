// The stores as they are configured, and what is wrong with them.

import { call, repeat } from "./api.js";
import { h, keyedTable } from "./dom.js";

/** @typedef {import("./calls.ts").Store} Store */

/**
 * @param {HTMLElement} main
 * @param {AbortSignal} signal
 */
export async function showStores(main, signal) {
  const table = keyedTable(
    "Stores",
    [
      { title: "Name", cell: ({ name }) => name },
      {
        title: "State",
        cell: (store) => (store.ok ? "configured" : h("span", { class: "phase bad" }, store.error)),
      },
      { title: "Provider", cell: (store) => (store.ok ? store.provider : "") },
      { title: "Endpoint", cell: (store) => (store.ok ? store.endpoint : "") },
      { title: "Region", cell: (store) => (store.ok ? store.region : "") },
      { title: "Buckets", cell: (store) => (store.ok ? (store.buckets?.join(", ") ?? "all") : "") },
      {
        title: "Use",
        cell: (store) =>
          store.ok ? (store.readOnly === true ? "source only" : "source and destination") : "",
      },
    ],
    /** @param {Store} store */ (store) => store.name,
  );
  const webhooks = h("p", { class: "quiet" });
  main.replaceChildren(h("h1", {}, "Stores"), table.node, webhooks);
  await repeat(async () => {
    const { stores, notify } = await call("GET", "/stores", undefined, signal);
    table.show(stores);
    webhooks.textContent = `Webhooks: ${
      notify.state === "on" ? `to ${notify.host}` : notify.state === "off" ? "off" : notify.error
    }`;
  }, signal);
}
