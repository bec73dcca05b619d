// What work has cost, may cost and would cost, in words.

import { formatBytes, formatSeconds } from "./dom.js";

/** @typedef {import("../view/answers.ts").CopyStatus} CopyStatus */
/** @typedef {NonNullable<import("../view/answers.ts").SyncStatus["quote"]>} Quote */

/** @param {CopyStatus["spent"]} spent */
export function spentWords({ source, destination, usd }) {
  const requests = [source, destination].flatMap((side) => Object.values(side.requests));
  return amounts({ usd, requests: sum(requests), bytes: source.bytes + destination.bytes });
}

/** @param {CopyStatus["budget"]} budget @param {CopyStatus["reason"]} reason */
export function budgetWords(budget, reason) {
  if (budget === undefined) return "";
  const { maxUsd, maxBytes, maxRequests, reserved } = budget;
  const most = [
    ...(maxUsd === undefined ? [] : [dollars(maxUsd)]),
    ...(maxRequests === undefined ? [] : [`${maxRequests.toLocaleString("en")} requests`]),
    ...(maxBytes === undefined ? [] : [`${formatBytes(maxBytes)} read`]),
  ];
  const held = reserved.requests + reserved.bytes === 0 ? "" : `; reserved: ${amounts(reserved)}`;
  return `${most.join(", ")}${held}${reason === undefined ? "" : "; it is reached"}`;
}

/**
 * What is sent to go on with twice the budget; null: it is not that which the work waits for.
 *
 * @param {CopyStatus["budget"]} budget @param {CopyStatus["reason"]} reason
 */
export function twiceTheBudget(budget, reason) {
  if (budget === undefined || reason === undefined) return null;
  const { maxUsd, maxBytes, maxRequests } = budget;
  const limits = Object.entries({ maxUsd, maxBytes, maxRequests });
  return Object.fromEntries(limits.flatMap(([name, most]) => (most === undefined ? [] : [[name, 2 * most]])));
}

/** @param {Quote | undefined} quote */
export function quoteWords(quote) {
  if (quote === undefined) return "";
  const off = `, within ${Math.round(quote.tolerance * 100)} % without failures`;
  const time = quote.seconds === null ? "" : `; ${formatSeconds(quote.seconds)} at the pace so far`;
  return `${spentWords(quote)}${off}${time}; stores ${formatBytes(quote.storedBytes)}`;
}

/** @param {{ usd: number | null, requests: number, bytes: number }} of */
function amounts({ usd, requests, bytes }) {
  const words = `${requests.toLocaleString("en")} requests, ${formatBytes(bytes)} read`;
  return usd === null ? words : `${dollars(usd)}: ${words}`;
}

/** @param {number} usd */
function dollars(usd) {
  return usd > 0 && usd < 0.01 ? "below $0.01" : `$${usd.toFixed(2)}`;
}

/** @param {readonly number[]} counts */
function sum(counts) {
  return counts.reduce((all, count) => all + count, 0);
}
