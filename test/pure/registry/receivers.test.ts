// Who is told of what: the secrets of the configuration, and what is said of those that are wrong.
import { expect, test } from "vitest";
import { checkNotify, describeReceivers, readReceivers } from "../../../src/registry/receivers.ts";
import { WEBHOOK_TYPES } from "../../../src/http/vocabulary.ts";

const SECRET = "whsec_dGhpcyBpcyBhIHNlY3JldCBvZiAzMiBieXRlcyEhIQ==";
const OTHER = "whsec_bmV4dCBzZWNyZXQgb2YgdGhpcnR5LXR3byBieXRlcyEh";
const URL_WITH_TOKEN = "https://hooks.example.com/token-in-path";
const ops = { name: "ops", url: URL_WITH_TOKEN, secrets: [SECRET] };

const shown = (env: Record<string, unknown>) => describeReceivers(readReceivers(env));
const listed = (...receivers: unknown[]) => shown({ NOTIFY: JSON.stringify(receivers) });

test("nothing is configured: nobody is told", () => {
  expect(shown({})).toEqual([]);
  expect(shown({ NOTIFY_URL: "", NOTIFY: "" })).toEqual([]);
});

test("NOTIFY_URL is told of everything, signed with each of its secrets", () => {
  expect(shown({ NOTIFY_URL: URL_WITH_TOKEN, NOTIFY_SECRET: ` ${SECRET}\n${OTHER} ` })).toEqual([
    { name: "default", state: "on", host: "hooks.example.com", secrets: 2, events: WEBHOOK_TYPES },
  ]);
});

test.each<[events: string[], types: string[]]>([
  [["copy.failed"], ["copy.failed"]],
  [["*.failed"], ["copy.failed", "sync.failed", "comparison.failed"]],
  [
    ["copy.*", "sync.blocked"],
    ["copy.completed", "copy.failed", "copy.blocked", "copy.budget_reached", "sync.blocked"],
  ],
  [["*.*"], [...WEBHOOK_TYPES]],
])("events %j are %j", (events, types) => {
  expect(listed({ ...ops, events })).toMatchObject([{ name: "ops", state: "on", events: types }]);
});

test("all receivers of the list stand beside that of NOTIFY_URL, and a wrong one keeps none from being told", () => {
  const env = {
    NOTIFY_URL: URL_WITH_TOKEN,
    NOTIFY_SECRET: SECRET,
    NOTIFY: JSON.stringify([
      { ...ops, secrets: [] },
      { ...ops, name: "audit" },
    ]),
  };
  expect(shown(env).map(({ name, state }) => [name, state])).toEqual([
    ["default", "on"],
    ["ops", "misconfigured"],
    ["audit", "on"],
  ]);
});

test.each<[name: string, env: Record<string, string>, error: string]>([
  ["http", { NOTIFY_URL: "http://hooks.example.com/" }, "NOTIFY_URL must begin with https://"],
  ["an address", { NOTIFY_URL: "https://203.0.113.7/hook" }, "a Worker reaches no IP address"],
  ["a password", { NOTIFY_URL: "https://me:pass@hooks.example.com/" }, "must not contain a user name"],
  ["no URL", { NOTIFY_URL: "hooks" }, "NOTIFY_URL is not a URL"],
  ["no secret", { NOTIFY_URL: URL_WITH_TOKEN, NOTIFY_SECRET: "" }, "NOTIFY_SECRET must be"],
  [
    "a short secret",
    { NOTIFY_URL: URL_WITH_TOKEN, NOTIFY_SECRET: "whsec_c2hvcnQ=" },
    "24 to 64 random bytes",
  ],
  [
    "one of two secrets is wrong",
    { NOTIFY_URL: URL_WITH_TOKEN, NOTIFY_SECRET: `${SECRET} whsec_c2hvcnQ=` },
    "24 to 64 random bytes",
  ],
  ["six secrets", { NOTIFY_URL: URL_WITH_TOKEN, NOTIFY_SECRET: `${SECRET} `.repeat(6) }, "5 at most"],
  ["no JSON", { NOTIFY: `[{"url": "${URL_WITH_TOKEN}"` }, "NOTIFY must be a JSON list"],
  ["no list", { NOTIFY: JSON.stringify(ops) }, "NOTIFY must be a JSON list"],
  ["no name", { NOTIFY: JSON.stringify([{ ...ops, name: "" }]) }, 'NOTIFY[0]: "name" must have'],
  ["a text", { NOTIFY: JSON.stringify([URL_WITH_TOKEN]) }, "NOTIFY must be a JSON list"],
  [
    "another field",
    { NOTIFY: JSON.stringify([{ ...ops, secret: SECRET }]) },
    "a receiver has name, url, secrets",
  ],
  [
    "a secret of the list",
    { NOTIFY: JSON.stringify([{ ...ops, secrets: [3] }]) },
    'NOTIFY "ops": each of "secrets"',
  ],
  [
    "an unknown event",
    { NOTIFY: JSON.stringify([{ ...ops, events: ["copy.done"] }]) },
    'NOTIFY "ops": "events" must be a list of "copy.*", "*.failed" and the like, or copy.completed, ',
  ],
  ["no event", { NOTIFY: JSON.stringify([{ ...ops, events: [] }]) }, '"events" must be a list'],
])("what is wrong is said, without what is secret: %s", (_name, env, error) => {
  const wrong = shown({ NOTIFY_SECRET: SECRET, ...env });
  expect(wrong).toMatchObject([{ state: "misconfigured", error: expect.stringContaining(error) as string }]);
  const text = JSON.stringify(wrong);
  for (const secret of ["token-in-path", "me:pass", SECRET.slice(6), "c2hvcnQ"])
    expect(text).not.toContain(secret);
});

test("a name is given once, and there are ten receivers at most", () => {
  expect(listed(ops, ops)).toMatchObject([
    { name: "ops", state: "on" },
    { name: "NOTIFY[1]", error: 'NOTIFY[1]: there is another receiver "ops"' },
  ]);
  const many = Array.from({ length: 11 }, (_, index) => ({ ...ops, name: `ops-${index}` }));
  expect(listed(...many)).toMatchObject([
    { name: "NOTIFY", error: "NOTIFY has 11 receivers; 10 are allowed" },
  ]);
});

test.each<[names: string[], refused: RegExp | null]>([
  [[], null],
  [["default", "ops"], null],
  [["ops", "nobody"], /there is no receiver "nobody"; configured are: default, ops, copies/],
  [["copies"], /"copies" wants no event of this kind: add "replication\.\*" to its "events" in NOTIFY/],
])("work that names %j as its receivers is refused: %s", (names, refused) => {
  const env = {
    NOTIFY_URL: URL_WITH_TOKEN,
    NOTIFY_SECRET: SECRET,
    NOTIFY: JSON.stringify([
      { ...ops, events: ["*.blocked"] },
      { ...ops, name: "copies", events: ["copy.*"] },
    ]),
  };
  const check = () => checkNotify(names, "replication", env);
  if (refused === null) expect(check).not.toThrow();
  else expect(check).toThrow(refused);
});

test("without a receiver in the configuration, none can be named", () => {
  expect(() => checkNotify(["ops"], "replication", {})).toThrow(
    '"notify": there is no receiver "ops"; none is configured: set NOTIFY_URL or NOTIFY',
  );
});
