// The documents of DeleteObjects.
import { describe, expect, test } from "vitest";
import { deleteDocument, fitsXml, parseDeleteResult } from "../../../src/s3/delete_xml.ts";

const NS = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"';

const refusal = (key: string) =>
  `<Error><Key>${key}</Key><Code>AccessDenied</Code><Message>Access Denied</Message></Error>`;

describe("DeleteObjects", () => {
  test("writes the keys, escaped, with the ETag that each must have, and asks for an answer to each", () => {
    const objects = [
      { key: "a", etag: null },
      { key: "b&<c>", etag: '"e"' },
    ];
    expect(deleteDocument(objects)).toBe(
      "<Delete><Quiet>false</Quiet><Object><Key>a</Key></Object>" +
        "<Object><Key>b&amp;&lt;c&gt;</Key><ETag>&quot;e&quot;</ETag></Object></Delete>",
    );
  });

  test.each([
    ["a", true],
    ["é😀 \t\n&<", true],
    ["a\rb", false],
    ["\u0001", false],
    ["\uffff", false],
    ["\ud83d", false],
  ])("%j can stand in a document: %s", (key, fits) => {
    expect(fitsXml(key)).toBe(fits);
  });

  test("gives what is deleted and what is refused: none, one, several", () => {
    expect(parseDeleteResult(`<DeleteResult ${NS}/>`)).toEqual({ deleted: [], refused: [] });
    const gone = "<Deleted><Key> c</Key><VersionId>v</VersionId></Deleted>";
    expect(parseDeleteResult(`<DeleteResult>${gone}${refusal("a&amp;b")}</DeleteResult>`)).toEqual({
      deleted: [" c"],
      refused: [{ key: "a&b", code: "AccessDenied", message: "Access Denied" }],
    });
    const several = `<DeleteResult>${refusal("a")}${gone}${refusal("b")}${gone}</DeleteResult>`;
    expect(parseDeleteResult(several)?.refused).toHaveLength(2);
    expect(parseDeleteResult(several)?.deleted).toHaveLength(2);
    expect(parseDeleteResult("<Error><Code>SlowDown</Code></Error>")).toBeNull();
  });
});
