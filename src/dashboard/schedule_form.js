// The form that makes a schedule, or changes one that was loaded into it. What it cannot hold is kept.

import { createElement } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { call } from "./api.js";
import { announce, formatTime } from "./dom.js";
import { Form, WorkFields, hiddenWords, requestFrom, valuesFrom } from "./forms.js";
import { Field } from "./ui.js";

/** @typedef {import("./calls.ts").Schedule} Schedule */
/** @typedef {import("./forms.js").WorkName} WorkName */

const h = createElement;

/** After the last change of the expression. */
const TYPED_MS = 300;

/** @param {Schedule} schedule @returns {WorkName} */
export function kindOf({ copy, sync }) {
  if (copy !== undefined) return "copy";
  return sync === undefined ? "comparison" : "sync";
}

/**
 * What a schedule asks for.
 *
 * @param {Schedule} schedule
 * @returns {Readonly<Record<string, unknown>>}
 */
export function workOf({ copy, sync, comparison }) {
  return { ...(copy ?? sync ?? comparison) };
}

const EMPTY = { name: "", cron: "", timezone: "UTC", overlap: "skip" };

/**
 * What the form has in it.
 *
 * @param {Schedule | null} schedule
 * @param {boolean} asNew
 */
function useValues(schedule, asNew) {
  const [kind, setKind] = useState(/** @type {WorkName} */ (schedule === null ? "copy" : kindOf(schedule)));
  const [rule, setRule] = useState(() => {
    if (schedule === null) return EMPTY;
    const { name, cron, timezone, overlap } = schedule;
    return { name: asNew ? "" : name, cron, timezone, overlap };
  });
  // What is known of one kind of work says nothing of the other.
  /** @param {WorkName} chosen */
  const keptOf = (chosen) => (schedule !== null && chosen === kindOf(schedule) ? workOf(schedule) : {});
  const [values, setValues] = useState(() => valuesFrom(kind, keptOf(kind)));
  return {
    kind,
    rule,
    values,
    kept: keptOf(kind),
    /** @param {string} name @param {string | boolean} value */
    setRule: (name, value) => setRule((was) => ({ ...was, [name]: value })),
    /** @param {string} name @param {string | boolean} value */
    set: (name, value) => setValues((was) => ({ ...was, [name]: value })),
    /** @param {WorkName} chosen */
    choose: (chosen) => {
      const { source = "", destination = "" } = values;
      setKind(chosen);
      setValues({ ...valuesFrom(chosen, keptOf(chosen)), source, destination });
    },
    clear: () => {
      setRule(EMPTY);
      setValues(valuesFrom(kind, {}));
    },
  };
}

/**
 * @param {{ schedule: Schedule | null, asNew: boolean, done: () => void, again: () => Promise<void> }} props
 *   `asNew`: what is loaded becomes another schedule
 */
export function ScheduleForm({ schedule, asNew, done, again }) {
  const { kind, rule, values, kept, setRule, set, choose, clear } = useValues(schedule, asNew);
  const place = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => {
    if (schedule === null) return;
    place.current?.scrollIntoView({ block: "nearest" });
    /** @type {HTMLElement | null | undefined} */ (place.current?.querySelector("[name=cron]"))?.focus();
  }, []);
  const send = async () => {
    const { name, ...rest } = rule;
    const path = /** @type {const} */ (`/schedules/${encodeURIComponent(name)}`);
    const body = { ...rest, [kind]: requestFrom(kind, values, kept) };
    if (asNew) await call("PUT", path, body, undefined, { "if-none-match": "*" });
    else await call("PATCH", path, body);
    announce(`${name} was saved`);
    done();
    clear();
    await again();
  };
  /** @param {keyof typeof rule} name @param {string} label @param {object} [more] */
  const field = (name, label, more = {}) =>
    h(Field, { name, label, value: rule[name], set: (value) => setRule(name, value), ...more });
  const hidden = hiddenWords(kind, kept);
  const other = h("button", { type: "button", onClick: done }, "Make a new one instead");
  const nameRules = { required: true, pattern: "[A-Za-z0-9][A-Za-z0-9._\\-]{0,62}", readOnly: !asNew };
  return h(
    "section",
    { class: "panel spaced", ref: place },
    h("h2", {}, schedule === null || asNew ? "New schedule" : `Change ${schedule.name}`),
    h(
      Form,
      { send, button: "Save schedule", others: schedule === null ? null : other },
      field("name", "Name", { input: nameRules }),
      field("cron", "Cron, five fields", { input: { required: true, placeholder: "0 3 * * *" } }),
      h(NextTimes, { cron: rule.cron, timezone: rule.timezone }),
      field("timezone", "Time zone"),
      h(Field, {
        name: "kind",
        label: "Starts a",
        value: kind,
        choices: ["copy", "sync", "comparison"],
        set: (value) => choose(value === "sync" || value === "comparison" ? value : "copy"),
      }),
      h(WorkFields, { kind, values, set }),
      h("p", { class: "quiet" }, "A destination may hold {yyyy}, {mm}, {dd}, {HH} and {MM}."),
      field("overlap", "If the previous run has not ended", { choices: ["skip", "queue"] }),
      hidden === "" ? null : h("p", { class: "quiet" }, `Kept as they are: ${hidden}`),
    ),
  );
}

/**
 * When the expression is due next, or what is wrong with it.
 *
 * @param {{ cron: string, timezone: string }} props
 */
function NextTimes({ cron, timezone }) {
  const [words, setWords] = useState("");
  useEffect(() => {
    if (cron.trim() === "") {
      setWords("");
      return;
    }
    const leave = new AbortController();
    const timer = setTimeout(() => {
      const query = new URLSearchParams({ expression: cron, timezone }).toString();
      void call("GET", `/cron?${query}`, undefined, leave.signal).then(
        ({ next }) => setWords(`Next: ${next.map(formatTime).join(" · ")}`),
        (error) => leave.signal.aborted || setWords(error instanceof Error ? error.message : String(error)),
      );
    }, TYPED_MS);
    return () => {
      clearTimeout(timer);
      leave.abort();
    };
  }, [cron, timezone]);
  return h("p", { class: "quiet" }, words);
}
