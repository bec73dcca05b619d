// What the log says of anything that is thrown.
import { expect, test, vi } from "vitest";
import { log } from "../../src/log.ts";
import { keepSecrets } from "../../src/store/secrets.ts";

test("a line has no secret, no raw control and no end without end", () => {
  const lines: string[] = [];
  const printed = vi.spyOn(console, "error").mockImplementation((line: string) => void lines.push(line));
  keepSecrets(["AKIAINTHELOG01234567"]);
  log("error", "step_crashed", {
    copyId: "c-1",
    count: 3,
    detail: `Invalid header "AKIAINTHELOG01234567" \u001b[2J\u009b ${"x".repeat(1e6)}`,
  });
  printed.mockRestore();
  const [line = ""] = lines;
  expect(JSON.parse(line)).toMatchObject({ level: "error", event: "step_crashed", copyId: "c-1", count: 3 });
  expect(line).toContain(String.raw`Invalid header \"…\" \u001b[2J\u009b xxx`);
  expect(line.length).toBeLessThan(3_000);
});
