// JSON that no terminal obeys and no line of which shows backwards. JSON.stringify() escapes the control
// characters below U+0020 alone. Some terminals take U+009B for the beginning of a command, and the controls
// of writing direction make a name look like another. Escaped, they are the same text to a parser. Pure.

/** DEL, the C1 controls, the controls of writing direction, line and paragraph separator, byte order mark. */
const UNSEEN = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

export function toJson(value: unknown, indent = 0): string {
  return JSON.stringify(value, null, indent).replace(UNSEEN, escaped);
}

/** A line with its end for each value. */
export function toJsonLines(values: readonly unknown[]): string {
  return values
    .map((value) => JSON.stringify(value) + "\n")
    .join("")
    .replace(UNSEEN, escaped);
}

/** A line for a terminal: nothing in it is a command, and it is one line. */
export function plainLine(text: string): string {
  return text
    .toWellFormed()
    .replace(/\p{Cc}/gu, escaped)
    .replace(UNSEEN, escaped);
}

/** The same of a text of several lines. */
export function plainText(text: string): string {
  return text.split("\n").map(plainLine).join("\n");
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
