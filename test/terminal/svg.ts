// A terminal as a picture that moves: what a command has printed, each line when it was printed, as an SVG
// without a script. Lines of progress stand in one row, one after the other, as a terminal rewrites them. Who
// wants no motion sees the last state. Pure.

export interface Printed {
  /** Since the command began. */
  readonly atMs: number;
  readonly text: string;
}

const COLUMNS = 124;
const COLUMN_PX = 7.25;
const ROW_PX = 18;
const PADDING_PX = 14;
/** The picture begins again after this time. */
const LOOP_MS = 14_000;
/** For reading the end. */
const REST_MS = 5_000;

interface Shown {
  readonly row: number;
  readonly text: string;
  readonly fromPercent: number;
  /** 100: to the end. */
  readonly toPercent: number;
}

export function terminalSvg(command: string, printed: readonly Printed[]): string {
  const shown = shownOf([{ atMs: 0, text: `$ ${command}` }, ...printed]);
  const rows = Math.max(...shown.map(({ row }) => row)) + 1;
  const [width, height] = [COLUMNS * COLUMN_PX + 2 * PADDING_PX, rows * ROW_PX + 2 * PADDING_PX];
  const rules = shown.map(({ fromPercent, toPercent }, index) => keyframes(index, fromPercent, toPercent));
  const texts = shown.map(
    ({ row, text, toPercent }, index) =>
      `<text x="${PADDING_PX}" y="${PADDING_PX + row * ROW_PX + 13}" class="l${index}${toPercent < 100 ? " over" : ""}">${escapeText(text)}</text>`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeText(command)}">
<style>
rect { fill: #14171c }
text { fill: #e8eaee; font: 12px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; white-space: pre }
.over { visibility: hidden }
@media (prefers-reduced-motion: no-preference) {
.over { visibility: visible }
text { animation: ${LOOP_MS}ms step-end infinite }
${rules.join("\n")}
}
</style>
<rect width="${width}" height="${height}" rx="8"/>
${texts.join("\n")}
</svg>
`;
}

function shownOf(printed: readonly Printed[]): Shown[] {
  const lastMs = Math.max(1, printed.at(-1)?.atMs ?? 1);
  const percentOf = (atMs: number) => Math.round((atMs / lastMs) * 1000 * (1 - REST_MS / LOOP_MS)) / 10;
  let row = -1;
  return printed.flatMap(({ atMs, text }, index) => {
    const next = printed[index + 1];
    const isProgress = text.startsWith("[");
    const isRewritten = isProgress && next?.text.startsWith("[") === true;
    if (!(isProgress && printed[index - 1]?.text.startsWith("[") === true)) row += 1;
    const fromPercent = percentOf(atMs);
    const toPercent = isRewritten ? percentOf(next.atMs) : 100;
    return wrapped(text).map((part, line): Shown => {
      if (line > 0) row += 1;
      return { row, text: part, fromPercent, toPercent };
    });
  });
}

/** As a terminal breaks what is too long. */
function wrapped(text: string): string[] {
  const lines = Math.max(1, Math.ceil(text.length / COLUMNS));
  return Array.from({ length: lines }, (_, index) => text.slice(index * COLUMNS, (index + 1) * COLUMNS));
}

function keyframes(index: number, fromPercent: number, toPercent: number): string {
  const steps = [
    fromPercent > 0 ? "0% { opacity: 0 }" : "",
    `${fromPercent}% { opacity: 1 }`,
    toPercent < 100 ? `${toPercent}% { opacity: 0 }` : "",
    `100% { opacity: ${toPercent < 100 ? 0 : 1} }`,
  ];
  return `.l${index} { animation-name: k${index} } @keyframes k${index} { ${steps.filter(Boolean).join(" ")} }`;
}

function escapeText(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
