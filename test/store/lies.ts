// What a liar makes of an honest answer, by dice: other numbers, other words, more of it, less of it, twice,
// broken. Each kind of lie stands for something that a store, a proxy or an attacker has said or could say.

import type { Dice } from "../chaos/dice.ts";
import type { Said, Told } from "./liar.ts";

interface Bait {
  readonly secrets: readonly string[];
  /** Where no request may go. */
  readonly elsewhere: string;
}

/** Whoever hears a lie that hides cannot know that there is something. */
export interface Lie {
  readonly name: string;
  /** Listings without a key that is there, written as well as any other; bytes that are others. */
  readonly misleads: boolean;
  tell(said: Said, dice: Dice, world: Bait): Told;
}

const whole = (said: Said): Told => ({ ...said, how: "whole" });

const NUMBERS = [
  "-1",
  "0",
  "1",
  "0x10",
  "1e3",
  "10.0",
  " 5 ",
  "",
  "abc",
  "5, 5",
  "9007199254740993",
  "1".repeat(400),
  "NaN",
];

const TIMES = [
  "Thu, 01 Jan 275760 00:00:00 GMT",
  "0",
  "yesterday",
  "2026-11-29",
  "Thu, 01 Jan 1970 00:00:00 GMT",
  "",
];

const WAITS = ["0", "-5", "1", "99999999", "1e9", "soon", "Fri, 31 Dec 9999 23:59:59 GMT", "1".repeat(400)];

const STATUSES = [
  200, 201, 204, 206, 301, 302, 307, 400, 401, 403, 404, 405, 409, 411, 412, 416, 429, 500, 501, 503, 504,
  599,
];

/** Headers whose values count, and what a liar writes there. */
const HEADERS: readonly (readonly [name: string, values: readonly string[]])[] = [
  [
    "etag",
    [
      "",
      '""',
      'W/"x"',
      '"a',
      `"${"e".repeat(5_000)}"`,
      '"x\u0007y"',
      "d41d8cd98f00b204e9800998ecf8427e-3",
      '"a", "b"',
    ],
  ],
  ["content-length", NUMBERS],
  [
    "content-range",
    [
      "bytes 0-9/10",
      "bytes 5-4/10",
      "bytes */10",
      "bytes 0-1/*",
      "items 0-1/2",
      "bytes -1--2/0",
      "x".repeat(3_000),
    ],
  ],
  ["date", TIMES],
  ["last-modified", TIMES],
  ["retry-after", WAITS],
  ["x-amz-mp-parts-count", NUMBERS],
  ["x-amz-tagging-count", NUMBERS],
  ["x-amz-missing-meta", NUMBERS],
  [
    "x-amz-bucket-region",
    ["mars", "", "us-east-1\u0000", "../..", "eu-west-1, us-east-1", "r".repeat(4_000)],
  ],
  ["x-amz-storage-class", ["GLACIER", "DEEP_ARCHIVE", "nonsense", "", "s".repeat(4_000)]],
  ["x-amz-restore", ['ongoing-request="true"', "x"]],
  ["x-amz-delete-marker", ["true"]],
  ["x-amz-version-id", ["null", "", "v".repeat(8_000), "a\tb"]],
  ["x-amz-checksum-crc64nvme", ["AAAAAAAAAAA=", "x", "", "=".repeat(300)]],
  ["x-amz-checksum-type", ["COMPOSITE", "FULL_OBJECT", "x"]],
  ["x-amz-server-side-encryption", ["aws:kms", "AES256", "x"]],
  ["content-encoding", ["gzip", "aws-chunked", "br"]],
  ["content-type", ["text/html", "", "multipart/byteranges; boundary=x", "caf\u00e9", "t".repeat(4_000)]],
  ["x-amz-meta-long", ["m".repeat(8_000), "\u001b]0;owned\u0007", "=?UTF-8?B?////?="]],
  ["accept-ranges", ["none"]],
  ["server", ["cloudflare", "nginx", "MinIO"]],
];

const CODES = [
  ..."SlowDown InternalError NoSuchKey NoSuchUpload NoSuchBucket AccessDenied InvalidPart BadDigest".split(
    " ",
  ),
  ..."PreconditionFailed ExpiredToken RequestTimeTooSkewed PermanentRedirect TemporaryRedirect".split(" "),
  ..."EntityTooLarge NotImplemented InvalidObjectState AuthorizationHeaderMalformed InvalidRange".split(" "),
  ..."cancelled platform_limit source_archived copy_blocked constructor __proto__".split(" "),
  "",
  "x".repeat(5_000),
];

const HTML = "<html><head><title>502</title></head><body><h1>Bad gateway</h1></body></html>";

const BOMB = `<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY f SYSTEM "file:///etc/passwd">]><x>&b;&f;</x>`;

/** What an element may say instead. */
function words(dice: Dice, { secrets, elsewhere }: Bait): string {
  return dice.pick([
    ...NUMBERS,
    ...TIMES,
    ...secrets,
    `${elsewhere}/trap`,
    "true",
    "false",
    "\u001b[31m\u0007\u009b2J\u202e",
    "&#xD800;",
    "&constructor;",
    "../../x",
    "w".repeat(dice.pick([70, 3_000, 80_000])),
    dice.fraction().toString(36),
  ]);
}

function setHeader({ headers }: Said, name: string, value: string): Said["headers"] {
  return [...headers.filter(([known]) => known !== name), [name, value]];
}

/** The length is that of the body, so that the client hears all of it. */
function withBody(said: Said, body: Buffer): Told {
  return whole({ ...said, body, headers: setHeader(said, "content-length", String(body.length)) });
}

function errorDocument(dice: Dice, world: Bait, code: string): Buffer {
  const message = dice.pick([...world.secrets, words(dice, world), JSON.stringify(world.secrets)]);
  const more = `<Endpoint>${world.elsewhere}</Endpoint><Region>${words(dice, world)}</Region><RequestId>${words(dice, world)}</RequestId>`;
  return Buffer.from(`<Error><Code>${code}</Code><Message>${message}</Message>${more}</Error>`);
}

/** The leaves of a document: from, to and name of each. */
function leavesOf(text: string): { from: number; to: number; name: string }[] {
  return Array.from(text.matchAll(/<(\w+)[^<>]*>([^<]*)<\/\1>/g), ({ 0: all, 1: name = "", index }) => ({
    from: index,
    to: index + all.length,
    name,
  }));
}

function changeLeaf(
  said: Said,
  dice: Dice,
  change: (name: string, all: string) => string,
  skip: RegExp | null,
): Told {
  const text = said.body.toString();
  const leaves = leavesOf(text).filter(({ name }) => skip?.test(name) !== true);
  if (leaves.length === 0) return withBody(said, Buffer.concat([said.body, Buffer.from("x")]));
  const { from, to, name } = dice.pick(leaves);
  return withBody(
    said,
    Buffer.from(text.slice(0, from) + change(name, text.slice(from, to)) + text.slice(to)),
  );
}

/** Elements of a listing that say which keys there are. */
const KEYS = /^(?:Key|Prefix|IsTruncated|EncodingType|Contents)$/;

const lie = (name: string, tell: Lie["tell"], misleads = false): Lie => ({ name, misleads, tell });

export const LIES: readonly (readonly [weight: number, Lie])[] = [
  [3, lie("another status", (said, dice) => whole({ ...said, status: dice.pick(STATUSES) }))],
  [
    4,
    lie("an error", (said, dice, world) => {
      const status = dice.pick([200, 400, 403, 404, 409, 412, 429, 500, 503]);
      const headers = dice.chance(0.3) ? setHeader(said, "retry-after", dice.pick(WAITS)) : said.headers;
      return withBody({ ...said, status, headers }, errorDocument(dice, world, dice.pick(CODES)));
    }),
  ],
  [
    2,
    lie("elsewhere", (said, dice, world) => {
      const headers = setHeader(said, "location", `${world.elsewhere}/trap`);
      return withBody(
        { ...said, status: dice.pick([301, 302, 307, 308]), headers },
        errorDocument(dice, world, "TemporaryRedirect"),
      );
    }),
  ],
  [
    6,
    lie("a header", (said, dice, { secrets }) => {
      const [name, values] = dice.pick(HEADERS);
      return whole({ ...said, headers: setHeader(said, name, dice.pick([...values, ...secrets])) });
    }),
  ],
  [
    2,
    lie("a header less", (said, dice) =>
      whole({
        ...said,
        headers: said.headers.filter((_, at) => at !== dice.whole(0, said.headers.length - 1)),
      }),
    ),
  ],
  [
    2,
    lie("a header twice", (said, dice) => {
      const [name, value] = dice.pick(said.headers);
      const [, others] = dice.pick(
        HEADERS.filter(([known]) => known === name).concat([["", [value, "other"]]]),
      );
      return whole({ ...said, headers: [...said.headers, [name, dice.pick(others)]] });
    }),
  ],
  [2, lie("half a body", (said) => ({ ...said, how: "cut" }))],
  [1, lie("no answer", (said) => ({ ...said, how: "nothing" }))],
  [0.3, lie("silence", (said) => ({ ...said, how: "silence" }))],
  [1, lie("drops", (said) => ({ ...said, how: "drip" }))],
  [
    2,
    lie("less", (said, dice) =>
      withBody(said, said.body.subarray(0, dice.whole(0, Math.max(0, said.body.length - 1)))),
    ),
  ],
  [
    2,
    lie("more", (said, dice) =>
      withBody(said, Buffer.concat([said.body, Buffer.alloc(dice.pick([1, 1_000, 2 ** 20]), 32)])),
    ),
  ],
  [
    1,
    lie(
      "another byte",
      (said, dice) => {
        const body = Buffer.from(said.body);
        const at = dice.whole(0, Math.max(0, body.length - 1));
        if (body.length > 0) body[at] = (body[at] ?? 0) ^ (1 << dice.whole(0, 7));
        return withBody(said, body);
      },
      true,
    ),
  ],
  [1, lie("nothing in it", (said) => withBody(said, Buffer.alloc(0)))],
  [
    1,
    lie("a page", (said) =>
      withBody({ ...said, headers: setHeader(said, "content-type", "text/html") }, Buffer.from(HTML)),
    ),
  ],
  [0.5, lie("a bomb", (said) => withBody(said, Buffer.from(BOMB)))],
  [
    5,
    lie("other words", (said, dice, world) =>
      changeLeaf(said, dice, (name) => `<${name}>${words(dice, world)}</${name}>`, KEYS),
    ),
  ],
  [
    2,
    lie(
      "other keys",
      (said, dice, world) =>
        changeLeaf(said, dice, (name) => `<${name}>${words(dice, world)}</${name}>`, null),
      true,
    ),
  ],
  [2, lie("an element less", (said, dice) => changeLeaf(said, dice, () => "", KEYS))],
  [1, lie("a key less", (said, dice) => changeLeaf(said, dice, () => "", null), true)],
  [2, lie("an element twice", (said, dice) => changeLeaf(said, dice, (_, all) => all + all, null))],
  [
    2,
    // A page that begins elsewhere than the one before has ended hides the keys between them.
    lie(
      "always more",
      (said, dice) => {
        const again = dice.chance(0.5) ? "same" : dice.fraction().toString(36);
        const markers = [
          "NextContinuationToken",
          "NextMarker",
          "NextKeyMarker",
          "NextUploadIdMarker",
          "NextPartNumberMarker",
        ];
        const text = said.body.toString().replace(/<IsTruncated>[^<]*<\/IsTruncated>/, "");
        const more = markers.map(
          (name) => `<${name}>${name === "NextPartNumberMarker" ? dice.whole(0, 20_000) : again}</${name}>`,
        );
        const end = text.lastIndexOf("</");
        return withBody(
          said,
          Buffer.from(
            `${text.slice(0, end)}<IsTruncated>true</IsTruncated>${more.join("")}${text.slice(Math.max(0, end))}`,
          ),
        );
      },
      true,
    ),
  ],
];
