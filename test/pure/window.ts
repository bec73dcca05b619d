// The most events that fall into one second, wherever it begins.

export function mostInASecond(momentsMs: readonly number[]): number {
  // Half-open seconds; a thousandth of a millisecond stands for the rounding of sums.
  const sorted = momentsMs.toSorted((a, b) => a - b);
  let most = 0;
  for (let first = 0, last = 0; last < sorted.length; last++) {
    while ((sorted[last] ?? 0) - (sorted[first] ?? 0) >= 1000 - 1e-3) first += 1;
    most = Math.max(most, last - first + 1);
  }
  return most;
}
