// Nodes, texts and numbers for the dashboard. Nodes are made from text, never from HTML.

/**
 * An element with attributes and children. `class` and `aria-…` are attributes; a function is an event
 * listener.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string | boolean | EventListener>} [attributes]
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (typeof value === "boolean") element.toggleAttribute(name, value);
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/**
 * @param {string} id
 * @returns {HTMLElement}
 */
export function byId(id) {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`The page has no #${id}`);
  return element;
}

/**
 * Sets a text only if it differs, so as not to disturb a selection or a screen reader.
 *
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** @param {number | null} sizeBytes */
export function formatBytes(sizeBytes) {
  if (sizeBytes === null) return "unknown";
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let value = sizeBytes;
  let power = 0;
  while (value >= 1024 && power < units.length - 1) {
    value /= 1024;
    power += 1;
  }
  return `${power === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[power]}`;
}

/** @param {number | null} seconds */
export function formatSeconds(seconds) {
  if (seconds === null) return "unknown";
  if (seconds < 60) return `${Math.ceil(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.ceil(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.ceil((seconds % 3600) / 60)} min`;
}

/** @param {string | null} iso */
export function formatTime(iso) {
  return iso === null ? "" : new Date(iso).toLocaleString();
}

/**
 * An object as answers have it.
 *
 * @param {string | { store: string, bucket: string, key: string, versionId?: string | undefined }} ref
 */
export function formatObject(ref) {
  if (typeof ref === "string") return ref;
  const { store, bucket, key, versionId } = ref;
  return `${store}:${bucket}/${key}${versionId === undefined ? "" : ` (version ${versionId})`}`;
}

/**
 * Shows a phase in words, and whether it is good or bad.
 *
 * @param {Element} node
 * @param {string} phase
 */
export function setPhase(node, phase) {
  const bad = ["failed", "blocked", "finished_with_errors"].includes(phase);
  node.className = `phase${bad ? " bad" : phase === "completed" ? " good" : ""}`;
  setText(node, phase.replaceAll("_", " "));
}

/**
 * A list of terms whose values change. A term without a value is hidden.
 *
 * @param {readonly string[]} names
 * @returns {{ node: HTMLElement, set: (name: string, value: string) => void }}
 */
export function terms(names) {
  const rows = new Map(
    names.map((name) => [name, { term: h("dt", { hidden: true }, name), value: h("dd", { hidden: true }) }]),
  );
  const node = h("dl");
  for (const { term, value } of rows.values()) node.append(term, value);
  return {
    node,
    set: (name, text) => {
      const row = rows.get(name);
      if (row === undefined) return;
      setText(row.value, text);
      row.term.hidden = row.value.hidden = text === "";
    },
  };
}

/**
 * A table whose rows are identified by a key: a row that remains keeps its place and its focus.
 *
 * @template Item
 * @param {string} caption for screen readers
 * @param {readonly { title: string, cell: (item: Item) => Node | string }[]} columns
 * @param {(item: Item) => string} keyOf
 */
export function keyedTable(caption, columns, keyOf) {
  const body = h("tbody");
  const node = h(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    h(
      "table",
      { class: "cards" },
      h("thead", {}, h("tr", {}, ...columns.map(({ title }) => h("th", { scope: "col" }, title)))),
      body,
    ),
  );
  /** @type {Map<string, { row: HTMLElement, text: string }>} */
  let rows = new Map();
  return {
    node,
    /** @param {readonly Item[]} items */
    show(items) {
      /** @type {Map<string, { row: HTMLElement, text: string }>} */
      const next = new Map();
      for (const item of items) {
        const key = keyOf(item);
        const text = JSON.stringify(item);
        const known = rows.get(key);
        const row =
          known?.text === text
            ? known.row
            : h(
                "tr",
                {},
                // A phone shows a row as a card, each cell with its title in front.
                ...columns.map(({ title, cell }) => h("td", { "data-title": title }, cell(item))),
              );
        if (known !== undefined && known.row !== row) known.row.replaceWith(row);
        next.set(key, { row, text });
      }
      for (const [key, { row }] of rows) if (!next.has(key)) row.remove();
      let place = body.firstElementChild;
      for (const { row } of next.values()) {
        if (row === place) place = place.nextElementSibling;
        else body.insertBefore(row, place);
      }
      rows = next;
    },
  };
}

/**
 * A labelled field of a form.
 *
 * @param {string} label
 * @param {Record<string, string | boolean>} attributes
 * @param {readonly string[] | null} [choices]
 */
export function field(label, attributes, choices = null) {
  const control =
    choices === null
      ? h("input", attributes)
      : h("select", attributes, ...choices.map((choice) => h("option", {}, choice)));
  if (attributes["type"] === "checkbox") return h("label", { class: "check" }, control, label);
  return h("label", {}, label, control);
}

/**
 * The filled fields of a form by their names.
 *
 * @param {HTMLFormElement} form
 * @returns {Record<string, string>}
 */
export function valuesOf(form) {
  const entries = [...new FormData(form)].map(
    ([name, value]) => /** @type {const} */ ([name, String(value).trim()]),
  );
  return Object.fromEntries(entries.filter(([, value]) => value !== ""));
}

/** @param {unknown} error */
export function showError(error) {
  setText(byId("alert"), error instanceof Error ? error.message : String(error));
}

export function clearError() {
  setText(byId("alert"), "");
}

/**
 * Shows why a form was refused, beside its button, and goes to the field that the text names.
 *
 * @param {HTMLFormElement} form
 * @param {unknown} error
 */
export function showFormError(form, error) {
  showError(error);
  const text = byId("alert").textContent ?? "";
  form.querySelector(".actions")?.append(h("p", { class: "form-error" }, text));
  const name = /"(?:\w+\.)*(\w+)"/.exec(text)?.[1] ?? "";
  const control = form.elements.namedItem(name);
  if (!(control instanceof HTMLElement)) return;
  control.setAttribute("aria-invalid", "true");
  control.focus();
}

/** @param {HTMLFormElement} form */
export function clearFormError(form) {
  clearError();
  form.querySelector(".form-error")?.remove();
  for (const control of form.querySelectorAll("[aria-invalid]")) control.removeAttribute("aria-invalid");
}

const SAID_MS = 10_000;

/** @type {ReturnType<typeof setTimeout> | undefined} */
let saidTimer;

/**
 * Shows a message for a while, wherever the page is scrolled to, and has screen readers say it.
 *
 * @param {string} text
 */
export function announce(text) {
  clearTimeout(saidTimer);
  setText(byId("live"), text);
  saidTimer = setTimeout(() => setText(byId("live"), ""), SAID_MS);
}

/**
 * Asks before something is lost.
 *
 * @param {string} question
 * @param {string} yes the label of the confirming button
 * @returns {Promise<boolean>}
 */
export async function confirmed(question, yes) {
  const dialog = /** @type {HTMLDialogElement} */ (byId("confirm"));
  setText(byId("confirm-text"), question);
  setText(byId("confirm-yes"), yes);
  dialog.returnValue = "no";
  dialog.showModal();
  byId("confirm-no").focus();
  await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  return dialog.returnValue === "yes";
}

/**
 * A button that runs an action and shows its error. While it runs the button does nothing more, but it is not
 * disabled: that would take the focus away, and a dialog could not give it back.
 *
 * @param {string} label
 * @param {() => Promise<void>} act
 * @param {string} [kind]
 */
export function actionButton(label, act, kind = "") {
  const button = h("button", { type: "button", ...(kind === "" ? {} : { class: kind }) }, label);
  button.addEventListener("click", async () => {
    if (button.ariaDisabled === "true") return;
    clearError();
    button.ariaDisabled = "true";
    try {
      await act();
    } catch (error) {
      showError(error);
    } finally {
      button.ariaDisabled = null;
    }
  });
  return button;
}

const shownTitle = { page: "", count: "" };

/** @param {string} page what the page is of */
export function setTitle(page) {
  shownTitle.page = page;
  showTitle();
}

/** @param {string} count of what needs a person; empty: nothing does */
export function setCount(count) {
  shownTitle.count = count;
  setText(byId("count"), count);
  byId("count").hidden = count === "";
  showTitle();
}

function showTitle() {
  const { page, count } = shownTitle;
  document.title = `${count === "" ? "" : `(${count}) `}${page} – Bucket Brigade`;
}
