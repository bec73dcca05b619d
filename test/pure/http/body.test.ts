// What a request's body and query are refused for, because a lenient reader would take them for something
// else.

import { describe, expect, test } from "vitest";
import { checkEncoding, decodeBody, parseForm, parseJson } from "../../../src/http/body.ts";

describe("bytes", () => {
  test("that are UTF-8 are the text, without a byte order mark", () => {
    expect(decodeBody(new TextEncoder().encode("\ufeff{}ü日"))).toBe("{}ü日");
  });

  test.each([[[0xff, 0xfe]], [[0x22, 0xc3]], [[0xed, 0xa0, 0x80]]])("%j are refused", (bytes) => {
    expect(() => decodeBody(Uint8Array.from(bytes))).toThrow(/The body is not UTF-8/);
  });

  test.each(["%C3%BC", "100%", "%zz", "a%2Fb%c3%bc%41", ""])("%j in an address are taken", (text) => {
    expect(() => checkEncoding("The address", text)).not.toThrow();
  });

  test.each(["%FF", "a%c3b", "%C3%BC%80"])("%j in an address are refused", (text) => {
    expect(() => checkEncoding("The address", text)).toThrow(/The address has %\S+, which is not UTF-8/);
  });
});

describe("a form", () => {
  test("has its fields, and lists where it may", () => {
    expect(parseForm("a=%C3%BC+x&b=1&b=2&c=100%", ["b"])).toEqual({ a: "ü x", b: ["1", "2"], c: "100%" });
  });

  test.each([
    ["a=1&a=2", /"a" is given twice/],
    ["source=east:b/%FF%FE", /The form has %FF%FE, which is not UTF-8/],
    ["__proto__=1", /"__proto__"/],
  ])("%s is refused", (text, message) => {
    expect(() => parseForm(text, ["b"])).toThrow(message);
  });
});

describe("JSON", () => {
  test.each([
    '{"a":1,"b":{"a":1},"c":[{"a":1},{"a":2}]}',
    String.raw`{"a":"{\"a\":1,","b":"}","c":"\\","d":"\"a\":"}`,
    '["a","a"]',
    "null",
    '"a"',
  ])("%s is taken as it is", (text) => {
    expect(parseJson(text)).toEqual(JSON.parse(text));
  });

  test.each([
    ['{"source":1,"source":2}', /"source" is given twice/],
    ['{"a":{"x":1}, "b":{"x":1, "y":{"x":{}}, "x" :2}}', /"x" is given twice/],
    [String.raw`{"a":1,"\u0061":2}`, /"a" is given twice/],
    ['{"tags":{"__proto__":"x"}}', /"__proto__"/],
    ['{"attributes":{"meta":{"\\u005f_proto__":"x"}}}', /"__proto__"/],
    ["{", /neither JSON nor a form/],
  ])("%s is refused", (text, message) => {
    expect(() => parseJson(text)).toThrow(message);
  });
});
