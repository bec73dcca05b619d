// The demo as a terminal shows it. With WRITE_RESULTS=1 the picture in the README is taken anew, from what
// this run prints: ports, digests and rates are its own.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { recordDemo } from "../terminal/record.ts";
import { terminalSvg } from "../terminal/svg.ts";

test("the demo shows its request, how far it is, and that both objects are the same", async () => {
  const printed = await recordDemo();
  const texts = printed.map(({ text }) => text);
  expect(texts).toEqual(
    expect.arrayContaining([
      expect.stringMatching(/^\$ curl -H "\$auth" http\S+\/copies -d source=\S+ -d destination=\S+/),
      expect.stringMatching(/^\[#+\] 100% .* completed/),
    ]),
  );
  expect(texts.filter((text) => /^\[[#-]{16}\]/.test(text)).length).toBeGreaterThan(1);
  expect(texts.at(-1)).toMatch(/^Same size, same SHA-256\. 17 parts in/);
  if (process.env["WRITE_RESULTS"] !== undefined)
    writeFileSync(join(import.meta.dirname, "../terminal/demo.svg"), terminalSvg("npm run demo", printed));
});
