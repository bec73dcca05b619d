// What is known of a list that is read in pages, newest first, while it changes; and how its rows come on the
// screen, a few in each frame.

/**
 * @template {{ readonly id: string }} Row
 * @typedef {{ readonly rows: readonly Row[], readonly next: string | null }} Page `next`: the id after
 *   which the following page begins, or null
 */

/**
 * Everything down to the last row is known, without a gap. `isLong`: older pages were asked for.
 *
 * @template {{ readonly id: string }} Row
 * @typedef {Page<Row> & { readonly isLong: boolean }} Known
 */

/**
 * What is known after a page was read. The page decides which rows there are between its cursor and its
 * `next`; the others stay. A row that has not changed stays the same object, and so does the whole, so that
 * neither is rendered again.
 *
 * @template {{ readonly id: string }} Row
 * @param {Known<Row> | null} known
 * @param {string | null} cursor that the page was asked for with; null: it is the newest
 * @param {Page<Row>} page
 * @returns {Known<Row> | null}
 */
export function withPage(known, cursor, page) {
  if (known === null) return cursor === null ? { ...page, isLong: false } : null;
  // An answer that comes late, to a list that has become shorter: between both nothing is known.
  if (cursor !== null && known.next !== null && cursor < known.next) return known;
  const isLong = known.isLong || cursor !== null;
  const above = cursor === null ? [] : known.rows.filter(({ id }) => id >= cursor);
  const below = isLong && isJoined(known, cursor, page) ? rowsAfter(known, page.next) : [];
  const before = new Map(known.rows.map((row) => [row.id, row]));
  const read = page.rows.map((row) => kept(before.get(row.id), row));
  const rows = [...above, ...read, ...below];
  const next = below.length === 0 ? page.next : known.next;
  const isSame = rows.length === known.rows.length && rows.every((row, index) => row === known.rows[index]);
  return isSame && next === known.next && isLong === known.isLong ? known : { rows, next, isLong };
}

/**
 * Whether the page reaches down to what is known. A newest page does not if more has begun meanwhile than it
 * holds.
 *
 * @template {{ readonly id: string }} Row
 * @param {Known<Row>} known
 * @param {string | null} cursor
 * @param {Page<Row>} page
 */
function isJoined({ rows }, cursor, { next }) {
  return cursor !== null || next === null || next <= (rows[0]?.id ?? "");
}

/**
 * @template {{ readonly id: string }} Row
 * @param {Known<Row>} known
 * @param {string | null} next
 */
function rowsAfter({ rows }, next) {
  return next === null ? [] : rows.filter(({ id }) => id < next);
}

/**
 * What came now, made of what was there as far as both are equal. Rows are found again by their id or name.
 *
 * @template Value a value of JSON
 * @param {unknown} before
 * @param {Value} now
 * @returns {Value}
 */
export function kept(before, now) {
  if (before === now || typeof now !== "object" || now === null) return now;
  if (typeof before !== "object" || before === null || Array.isArray(before) !== Array.isArray(now))
    return now;
  const old = entriesOf(before);
  const known = new Map(old);
  const parts = entriesOf(now).map(
    ([name, part]) => /** @type {const} */ ([name, kept(known.get(name), part)]),
  );
  const isSame =
    parts.length === old.length &&
    parts.every(([name, part], index) => old[index]?.[0] === name && old[index][1] === part);
  if (isSame) return /** @type {Value} */ (before);
  const made = Array.isArray(now) ? parts.map(([, part]) => part) : Object.fromEntries(parts);
  return /** @type {Value} */ (made);
}

/**
 * @param {object} value
 * @returns {[name: string, part: unknown][]} of an array, by what its items are called
 */
function entriesOf(value) {
  if (!Array.isArray(value)) return Object.entries(value);
  return value.map((item, index) => [String(item?.id ?? item?.name ?? index), item]);
}

/** More than a screen has would be laid out for one row in sight; fewer would be too many groups. */
const ROWS_A_GROUP = 30;

/**
 * Rows that follow each other, under a parent of their own: what is out of sight is passed over as a whole.
 *
 * @template Row
 * @typedef {{ readonly number: number, readonly rows: readonly Row[] }} Group
 */

/**
 * The rows that are shown, and a few more. A row that is shown stays, and stays in its group: in another it
 * would be another node, and the focus would be lost.
 *
 * @template Row
 * @param {readonly Row[]} rows
 * @param {(row: Row) => string} keyOf
 * @param {ReadonlyMap<string, number>} shown the numbers of the groups of the rows that are shown
 * @param {number} most how many more
 * @returns {readonly Group<Row>[]}
 */
export function withMore(rows, keyOf, shown, most) {
  /** @type {{ number: number, rows: Row[] }[]} */
  const groups = [];
  /** @type {Map<number, number>} */
  const sizes = new Map();
  for (const number of shown.values()) sizes.set(number, (sizes.get(number) ?? 0) + 1);
  const below = groupsBelow(rows, keyOf, shown);
  const used = new Set();
  let fresh = Math.max(-1, ...sizes.keys()) + 1;
  let room = most;
  for (const [index, row] of rows.entries()) {
    const above = groups.at(-1);
    let number = shown.get(keyOf(row));
    if (number === undefined) {
      if (room === 0) continue;
      room -= 1;
      const neighbours = [above?.number, below[index]].filter((one) => one !== undefined);
      const isInside = neighbours.length === 2 && neighbours[0] === neighbours[1];
      number = neighbours.find((one) => isInside || (sizes.get(one) ?? 0) < ROWS_A_GROUP) ?? fresh;
      sizes.set(number, (sizes.get(number) ?? 0) + 1);
    }
    // What has changed its order, as no list by age does, is no group any more.
    if (number !== above?.number && used.has(number)) number = fresh;
    fresh = Math.max(fresh, number + 1);
    used.add(number);
    if (above?.number === number) above.rows.push(row);
    else groups.push({ number, rows: [row] });
  }
  return groups;
}

/**
 * For each row, the group of the first row that is shown below it.
 *
 * @template Row
 * @param {readonly Row[]} rows
 * @param {(row: Row) => string} keyOf
 * @param {ReadonlyMap<string, number>} shown
 */
function groupsBelow(rows, keyOf, shown) {
  /** @type {(number | undefined)[]} */
  const below = [];
  /** @type {number | undefined} */
  let last;
  for (let index = rows.length - 1; index >= 0; index--) {
    below[index] = last;
    const row = rows[index];
    last = (row === undefined ? undefined : shown.get(keyOf(row))) ?? last;
  }
  return below;
}
