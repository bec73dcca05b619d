// Two spellings of one bucket have one identity, and two buckets have two; an object as one text.
import { describe, expect, test } from "vitest";
import { bucketIdentity, formatObject, overlap, parseObjectText } from "../../../src/store/address.ts";
import { findStore } from "../../../src/store/stores.ts";

function identityOf(endpoint: string, bucket = "data"): string {
  const secret = JSON.stringify({ endpoint, region: "us-east-1", accessKeyId: "a", secretAccessKey: "s" });
  return bucketIdentity(findStore({ STORE_ONE: secret }, "one"), bucket);
}

describe("one bucket", () => {
  test.each([
    ["https://s3.example.com", "https://S3.Example.COM/"],
    ["https://s3.example.com", "https://s3.example.com:443"],
    ["https://s3.example.com", "https://s3.example.com."],
    ["https://s3.amazonaws.com", "https://s3.eu-west-1.amazonaws.com"],
    ["https://s3.eu-west-1.amazonaws.com", "https://s3.dualstack.us-east-1.amazonaws.com"],
    ["http://127.0.0.1:9000", "http://localhost:9000"],
    ["http://localhost:9000", "http://[::1]:9000"],
  ])("%s and %s", (left, right) => {
    expect(identityOf(left)).toBe(identityOf(right));
  });
});

describe("two buckets", () => {
  test.each([
    ["https://s3.example.com", "https://s3.example.org"],
    ["https://s3.example.com", "https://s3.example.com:9000"],
    ["https://s3.amazonaws.com", "https://s3.cn-north-1.amazonaws.com.cn"],
    ["http://127.0.0.1:9000", "http://127.0.0.1:9001"],
    // Only looks like AWS.
    ["https://s3.amazonaws.com", "https://s3.amazonaws.com.example.com"],
  ])("%s and %s", (left, right) => {
    expect(identityOf(left)).not.toBe(identityOf(right));
  });

  test("of one store", () => {
    expect(identityOf("https://s3.example.com", "a")).not.toBe(identityOf("https://s3.example.com", "b"));
  });
});

test.each([
  ["", "", true],
  ["", "a/", true],
  ["a/", "a/b/", true],
  ["a/b/", "a/", true],
  ["a", "ab/", true], // a prefix is a string
  ["a/", "b/", false],
  ["a/", "ab/", false],
])("the prefixes %j and %j overlap: %j", (left, right, expected) => {
  expect(overlap(left, right)).toBe(expected);
});

describe("parseObjectText()", () => {
  test.each([
    ["s:b/k", "s", "b", "k"],
    ["s:b//k", "s", "b", "/k"],
    ["s:b/a:b/c", "s", "b", "a:b/c"],
    ["s:b/ a\n", "s", "b", " a\n"],
    ["s:b/../x", "s", "b", "../x"],
  ])("%j: everything after the first slash is the key", (text, store, bucket, key) => {
    expect(parseObjectText(text)).toEqual({ store, bucket, key });
    expect(formatObject({ store, bucket, key })).toBe(text);
  });

  test.each(["", "s", "s:", "s:b", "s:b/", ":b/k", "s:/k", "s/b:k", "s://b/k"])("%j is none", (text) => {
    expect(parseObjectText(text)).toBeNull();
  });

  test("formatObject() names the version", () => {
    expect(formatObject({ store: "s", bucket: "b", key: "k", versionId: "v" })).toBe("s:b/k (version v)");
  });
});
