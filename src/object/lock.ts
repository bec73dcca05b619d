// The Object Lock of an object: a retention with its mode and its end, and a legal hold. Both are set where
// the object begins (https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock-managing.html,
// 2026-11). Pure.
//
// A retention that is over protects nothing, and no store takes one: it is left out, and that is no loss.

const PREFIX = "x-amz-object-lock-";

const MODE = `${PREFIX}mode`;

const UNTIL = `${PREFIX}retain-until-date`;

const HOLD = `${PREFIX}legal-hold`;

type HeaderTexts = Readonly<Record<string, string>>;

/**
 * The headers that give another object the lock which is in force.
 *
 * @param shown the headers of a HEAD or GET; a store shows the lock only to who may read it
 */
export function lockInForce(shown: Headers, now: number): HeaderTexts {
  const [mode, until] = [shown.get(MODE), shown.get(UNTIL)];
  const isRetained = mode !== null && until !== null && Date.parse(until) > now;
  return {
    ...(isRetained ? { [MODE]: mode, [UNTIL]: until } : {}),
    ...(shown.get(HOLD) === "ON" ? { [HOLD]: "ON" } : {}),
  };
}

/** The headers of an object as if it had no lock: most have none, and a copy of them takes its time. */
export function withoutLock(shown: Headers): Headers {
  const names = [MODE, UNTIL, HOLD].filter((name) => shown.has(name));
  if (names.length === 0) return shown;
  const others = new Headers(shown);
  for (const name of names) others.delete(name);
  return others;
}

/** Such a write needs a digest, at every bucket. */
export function hasLock(headers: HeaderTexts): boolean {
  return [MODE, UNTIL, HOLD].some((name) => headers[name] !== undefined);
}

/** Without a header that was refused. A retention without its end is none, so a lock goes as a whole. */
export function withoutHeader(headers: HeaderTexts, name: string): HeaderTexts {
  const isLock = name.startsWith(PREFIX);
  return Object.fromEntries(
    Object.entries(headers).filter(([other]) => other !== name && !(isLock && other.startsWith(PREFIX))),
  );
}

/**
 * The headers of a lock that an object was to have and does not show: some stores take them and set none, and
 * some hide them from who may not read them.
 */
export function missingLock(sent: HeaderTexts, shown: Headers): string[] {
  return [MODE, UNTIL, HOLD].filter((name) => {
    const asked = sent[name];
    const has = shown.get(name);
    if (asked === undefined) return false;
    return name === UNTIL ? Date.parse(has ?? "") !== Date.parse(asked) : has !== asked;
  });
}

/** The lock, if a store has refused it. */
export function refusedLock(
  headers: HeaderTexts,
  { code, message }: { readonly code: string; readonly message: string },
): { name: string; loss: string } | null {
  const name = [MODE, HOLD].find((lock) => headers[lock] !== undefined);
  if (name === undefined) return null;
  // Setting a lock needs a permission of its own.
  const isNamed = /object.?lock|retain.?until|legal.?hold/i.test(message) || code === "AccessDenied";
  return isNamed ? { name, loss: `The destination does not accept the object lock (${code})` } : null;
}
