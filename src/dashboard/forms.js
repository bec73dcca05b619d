// The fields of a copy and of a sync, as forms have them: for work that starts now, and for schedules. What a
// form cannot hold is kept as it was.

import { createElement } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { call } from "./api.js";
import { clearError, formatObject, showError } from "./dom.js";
import { Field } from "./ui.js";

/** @typedef {"copy" | "sync" | "comparison"} WorkName */
/** @typedef {Readonly<Record<string, unknown>>} Request */
/** @typedef {Readonly<Record<string, string | boolean>>} Values */
/**
 * @typedef {{
 *   name: string,
 *   label: string,
 *   choices?: readonly string[],
 *   input?: Record<string, unknown>,
 *   isSwitch?: boolean,
 *   isList?: boolean,
 *   isRules?: boolean,
 *   isRare?: boolean,
 * }} FieldOf
 */

const h = createElement;

const AS_OF = { placeholder: "2026-11-01T00:00:00Z" };

/** Of a restore, from the cheapest. */
const TIERS = ["Bulk", "Standard", "Expedited"];

const PLACE = { required: true, list: "places", autoComplete: "off", spellCheck: false };

/** @type {readonly FieldOf[]} */
const BUDGET = [
  { name: "maxUsd", label: "At most so many dollars", input: { placeholder: "5" }, isRare: true },
  { name: "maxBytes", label: "At most so many bytes read", input: { placeholder: "500GB" }, isRare: true },
  { name: "maxRequests", label: "At most so many requests", input: { inputMode: "numeric" }, isRare: true },
];

/** @type {readonly FieldOf[]} */
const OF_BOTH = [
  ...BUDGET,
  { name: "verify", label: "Proof", choices: ["auto", "strict", "off"] },
  { name: "lanes", label: "Lanes", input: { inputMode: "numeric" }, isRare: true },
  { name: "maxBytesPerSecond", label: "Most bytes per second", input: { placeholder: "50MB" }, isRare: true },
  { name: "storageClass", label: "Storage class", isRare: true },
  { name: "ifLossy", label: "If something of it would be lost", choices: ["warn", "fail"], isRare: true },
];

/** Which keys, and their names at the destination. @type {readonly FieldOf[]} */
const NAMES = [
  {
    name: "keys",
    label: "Only these keys, one each line",
    input: { placeholder: "folder/file" },
    isList: true,
    isRare: true,
  },
  {
    name: "manifest",
    label: "Only the keys of this list",
    input: { placeholder: "store:bucket/list.csv", list: "places", autoComplete: "off", spellCheck: false },
    isRare: true,
  },
  {
    name: "manifestFormat",
    label: "Its format",
    choices: ["by its ending", "csv", "keys", "ndjson", "inventory"],
    isRare: true,
  },
  {
    name: "rename",
    label: "Rename, a rule each line: a pattern, spaces, what it becomes",
    input: { placeholder: "^(\\d{4})-(\\d\\d)/(.*)$  $1/$2/${3:lower}", spellCheck: false },
    isRules: true,
    isRare: true,
  },
];

/** @type {Readonly<Record<WorkName, readonly FieldOf[]>>} */
const FIELDS = {
  copy: [
    { name: "source", label: "Source", input: { ...PLACE, placeholder: "store:bucket/key" } },
    { name: "destination", label: "Destination", input: { ...PLACE, placeholder: "store:bucket/key" } },
    { name: "partSize", label: "Part size", input: { placeholder: "64MiB, or source" } },
    { name: "concurrency", label: "Parts at once", input: { inputMode: "numeric" } },
    { name: "ifExists", label: "If the object is there", choices: ["overwrite", "skip", "fail"] },
    {
      name: "ifArchived",
      label: "If it lies in an archive",
      choices: ["wait for a person", "fail", "skip", ...TIERS],
      isRare: true,
    },
    { name: "asOf", label: "As it was at", input: AS_OF, isRare: true },
    { name: "ifBusy", label: "If another copy writes it", choices: ["fail", "queue"], isRare: true },
    { name: "ifSourceChanges", label: "If it changes meanwhile", choices: ["fail", "restart"], isRare: true },
    ...OF_BOTH,
  ],
  sync: [
    { name: "source", label: "Source", input: { ...PLACE, placeholder: "store:bucket/prefix" } },
    { name: "destination", label: "Destination", input: { ...PLACE, placeholder: "store:bucket/prefix" } },
    {
      name: "include",
      label: "Include, a pattern each line",
      input: { placeholder: "**/*.jpg" },
      isList: true,
    },
    { name: "exclude", label: "Exclude, a pattern each line", isList: true },
    { name: "compare", label: "Compare by", choices: ["auto", "size", "size+mtime", "etag", "checksum"] },
    { name: "delete", label: "Delete keys that only the other side has", isSwitch: true },
    { name: "maxDeletes", label: "At most so many deletions", input: { placeholder: "10%" } },
    { name: "dryRun", label: "Dry run: show what would be done", isSwitch: true },
    { name: "ifArchived", label: "Keys in an archive", choices: ["skip", "fail", ...TIERS], isRare: true },
    { name: "maxRestores", label: "At most so many restores", input: { inputMode: "numeric" }, isRare: true },
    { name: "versions", label: "Versions", choices: ["current", "all"], isRare: true },
    { name: "asOf", label: "As they were at", input: AS_OF, isRare: true },
    { name: "minSize", label: "Least size", input: { placeholder: "1MiB" }, isRare: true },
    { name: "maxSize", label: "Largest size", isRare: true },
    { name: "minAgeSeconds", label: "Least age in seconds", input: { inputMode: "numeric" }, isRare: true },
    { name: "maxAgeSeconds", label: "Largest age in seconds", input: { inputMode: "numeric" }, isRare: true },
    { name: "concurrency", label: "Transfers at once", input: { inputMode: "numeric" }, isRare: true },
    {
      name: "report",
      label: "Write the report to",
      input: { placeholder: "store:bucket/prefix" },
      isRare: true,
    },
    ...NAMES,
    ...OF_BOTH,
  ],
  comparison: [
    { name: "source", label: "Source", input: { ...PLACE, placeholder: "store:bucket/prefix" } },
    { name: "destination", label: "Destination", input: { ...PLACE, placeholder: "store:bucket/prefix" } },
    { name: "deep", label: "Deep: read what nothing else decides", isSwitch: true },
    { name: "include", label: "Include, a pattern each line", isList: true },
    { name: "exclude", label: "Exclude, a pattern each line", isList: true },
    { name: "compare", label: "Compare by", choices: ["auto", "size", "size+mtime", "etag", "checksum"] },
    { name: "asOf", label: "The source as it was at", input: AS_OF, isRare: true },
    { name: "minSize", label: "Least size", isRare: true },
    { name: "maxSize", label: "Largest size", isRare: true },
    ...BUDGET,
    ...NAMES,
  ],
};

/**
 * The values of a form that has a request in it.
 *
 * @param {WorkName} kind
 * @param {Request} request
 * @returns {Values}
 */
export function valuesFrom(kind, request) {
  return Object.fromEntries(
    FIELDS[kind].map(({ name, choices, isSwitch, isList, isRules }) => {
      const value = request[name];
      if (isSwitch === true) return [name, value === true];
      if (value === undefined || value === null) return [name, choices?.[0] ?? ""];
      if (isRules === true) return [name, Array.isArray(value) ? value.map(ruleText).join("\n") : ""];
      if (isList === true) return [name, (Array.isArray(value) ? value : [value]).join("\n")];
      return [name, typeof value === "object" ? placeText(value) : String(value)];
    }),
  );
}

/**
 * The request of a form. A field that says what it said before is sent as it was, which text may not be able
 * to say; what was left alone at its default is not sent.
 *
 * @param {WorkName} kind
 * @param {Values} values
 * @param {Request} before
 * @returns {Request}
 */
export function requestFrom(kind, values, before) {
  const was = valuesFrom(kind, before);
  /** @type {Record<string, unknown>} */
  const request = { ...before };
  for (const { name, choices, isList, isRules } of FIELDS[kind]) {
    const value = values[name] ?? "";
    if (value === was[name]) continue;
    const isDefault = value === "" || value === false || value === choices?.[0];
    if (isDefault) delete request[name];
    else if (isRules === true) request[name] = linesOf(String(value)).map(ruleOf);
    else request[name] = isList === true ? linesOf(String(value)) : value;
  }
  return request;
}

/**
 * A rule of `rename` in a line: the pattern, spaces, what it becomes. Where spaces belong to the pattern, or
 * stand at an end of what it becomes, the line is the rule as JSON.
 *
 * @param {{ match?: string, to?: string }} rule
 */
function ruleText({ match = "", to = "" }) {
  const isPlain = /^[^\s{]\S*$/.test(match) && to.trim() === to;
  return isPlain ? `${match}  ${to}`.trimEnd() : JSON.stringify({ match, to });
}

/** @param {string} line @returns {unknown} */
function ruleOf(line) {
  if (line.startsWith("{")) {
    try {
      return JSON.parse(line);
    } catch {
      // Then it is a pattern that begins so.
    }
  }
  const [, match = line, to = ""] = /^(\S+)\s*(.*)$/.exec(line) ?? [];
  return { match, to };
}

/** @param {string} text */
function linesOf(text) {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
}

/**
 * What a form does not show of a request, in words.
 *
 * @param {WorkName} kind
 * @param {Request} request
 */
export function hiddenWords(kind, request) {
  const shown = FIELDS[kind].map(({ name }) => name);
  return Object.entries(request)
    .filter(([name]) => !shown.includes(name))
    .map(([name, value]) => `${name}: ${JSON.stringify(value)}`)
    .join(", ");
}

/** A place as text; of a restore, its tier. @param {object} place */
function placeText(place) {
  if ("restore" in place) return String(place.restore);
  const { store = "", bucket = "", key, prefix = "" } = /** @type {Record<string, string>} */ (place);
  return formatObject({ store, bucket, key: key ?? prefix });
}

/**
 * @param {{
 *   kind: WorkName,
 *   values: Values,
 *   set: (name: string, value: string | boolean) => void,
 *   without?: readonly string[],
 * }} props
 */
export function WorkFields({ kind, values, set, without = [] }) {
  const fields = FIELDS[kind].filter(({ name }) => !without.includes(name));
  /** @param {FieldOf} field */
  const show = ({ name, label, choices, input, isList, isRules }) =>
    h(Field, {
      key: `${kind} ${name}`,
      name,
      label,
      value: values[name] ?? "",
      set: (value) => set(name, value),
      ...(choices === undefined ? {} : { choices }),
      ...(input === undefined ? {} : { input }),
      ...(isList === true || isRules === true ? { isLong: true } : {}),
    });
  return h(
    "div",
    {},
    h(Places, {}),
    fields.filter(({ isRare }) => isRare !== true).map(show),
    h("details", {}, h("summary", {}, "More"), fields.filter(({ isRare }) => isRare === true).map(show)),
  );
}

/** The stores and their buckets, to choose from. */
function Places() {
  const [places, setPlaces] = useState(/** @type {readonly string[]} */ ([]));
  useEffect(() => {
    void call("GET", "/stores").then(
      ({ stores }) => {
        const usable = stores.flatMap((store) => (store.ok ? [store] : []));
        setPlaces(
          usable.flatMap(
            ({ name, kind, buckets = kind === "https" ? ["."] : undefined }) =>
              buckets?.map((bucket) => `${name}:${bucket}/`) ?? [`${name}:`],
          ),
        );
      },
      () => {}, // then there is less to choose from
    );
  }, []);
  return h("datalist", { id: "places" }, ...places.map((value) => h("option", { value })));
}

/**
 * A form that sends itself, shows beside its button why it was refused, and goes to the field that the text
 * names.
 *
 * @param {{
 *   send: () => Promise<void>,
 *   button: string,
 *   children?: import("preact").ComponentChildren,
 *   others?: import("preact").ComponentChildren,
 * }} props
 */
export function Form({ send, button, children, others }) {
  const [state, setState] = useState({ busy: false, error: "" });
  const form = useRef(/** @type {HTMLFormElement | null} */ (null));
  const isBusy = useRef(false);
  useEffect(() => {
    const name = /"(?:\w+\.)*(\w+)"/.exec(state.error)?.[1] ?? "";
    for (const marked of form.current?.querySelectorAll("[aria-invalid]") ?? [])
      marked.removeAttribute("aria-invalid");
    const control = name === "" ? null : form.current?.elements.namedItem(name);
    if (!(control instanceof HTMLElement)) return;
    control.closest("details")?.setAttribute("open", "");
    control.setAttribute("aria-invalid", "true");
    control.focus();
  }, [state.error]);
  /** @param {Event} event */
  const onSubmit = async (event) => {
    event.preventDefault();
    if (isBusy.current) return;
    isBusy.current = true;
    clearError();
    setState({ busy: true, error: "" });
    try {
      await send();
      setState({ busy: false, error: "" });
    } catch (error) {
      // On the screen as well, wherever that is scrolled to when the field is gone to.
      showError(error);
      setState({ busy: false, error: error instanceof Error ? error.message : String(error) });
    } finally {
      isBusy.current = false;
    }
  };
  return h(
    "form",
    { ref: form, onSubmit: (event) => void onSubmit(event) },
    children,
    h(
      "div",
      { class: "actions" },
      h("button", { class: "main", "aria-disabled": state.busy }, button),
      others,
      state.error === "" ? null : h("p", { class: "form-error" }, state.error),
    ),
  );
}
