// Objects that other clients have put are copied between every two stores and read back by those clients: the
// bytes, the ETag, the attributes, and the proof that the status claims.

import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { beforeAll, describe, expect, test } from "vitest";
import type { Status } from "../mesh/mesh.ts";
import {
  type Head,
  api,
  aws,
  awsPut,
  curl,
  head,
  isWithinReachOfS3cmd,
  listed,
  rclone,
  remote,
  s3cmd,
} from "./clients.ts";
import { completeBody, uploadIdOf } from "./multipart.ts";
import type { StoreAccess } from "./stores.ts";
import { feature } from "./table.ts";
import {
  MIB,
  PART,
  copyOf,
  expectAgreement,
  expectSameBytes,
  openMesh,
  openWorkshop,
  pairs,
  stores,
  withoutMark,
} from "./world.ts";

const mesh = await openMesh();
const workshop = openWorkshop();

const SEEDS = "seeds/";
const MEDIUM = workshop.file("medium", randomBytes(3 * MIB + 3));
const LARGE_BYTES = randomBytes(17_000_003);
const LARGE = workshop.file("large", LARGE_BYTES);
const SMALL = workshop.file("small", "Small is beautiful.\n");
const EMPTY = workshop.file("empty", "");
const GZIP_BYTES = gzipSync(Buffer.from("The same line again.\n".repeat(5000)));
const GZIP = workshop.file("text.gz", GZIP_BYTES);

const DESCRIPTION = {
  contentType: "text/csv; charset=utf-8",
  contentEncoding: undefined,
  contentLanguage: "de, en",
  contentDisposition: 'attachment; filename="a b.csv"',
  cacheControl: "public, max-age=60",
} as const;
const METADATA = { owner: "ada", "a-name.with_all": "a value, with = and +" } as const;
/** Ceph stores a name with `_` as one with `-`; so does Swift, of an object that came in parts. */
const METADATA_RENAMED = { owner: "ada", "a-name.with-all": "a value, with = and +" } as const;
// prettier-ignore
const DESCRIPTION_ARGS = [
  "--content-type", DESCRIPTION.contentType, "--content-language", DESCRIPTION.contentLanguage,
  "--content-disposition", DESCRIPTION.contentDisposition, "--cache-control", DESCRIPTION.cacheControl,
  "--metadata", JSON.stringify(METADATA),
];
const renames = ({ name: store }: StoreAccess, object: string) =>
  store === "ceph" || (store === "swift" && object === "described-large");
const TAGS = [
  { Key: "cost+centre", Value: "7/8" },
  { Key: "team", Value: "a b" },
];

/** Names that S3 allows and tools get wrong, and that a file can have, too. */
const FILE_KEYS = [
  "plain",
  "two words",
  "a+b",
  "a%2Bb",
  "100%",
  "a&b<c>",
  "q?x=1#y",
  "it's (a) [b] {c}!*~",
  "e\u0301 é",
  "Ｚ",
  "😀",
  "back\\slash",
  "tab\there",
] as const;
/** Names that no file can have. */
const OTHER_KEYS = ["folder/", "folder//x", "/leading"] as const;
/** Names that a server which parses the path as a URL, as local R2 does, never sees. */
const DOTTED_KEYS = ["a/../b", "./a"] as const;

const seesDots = ({ name }: StoreAccess) => name !== "r2";

function keysBetween(source: StoreAccess, destination: StoreAccess): string[] {
  const dotted = seesDots(source) && seesDots(destination) ? DOTTED_KEYS : [];
  return [...FILE_KEYS, ...OTHER_KEYS, ...dotted];
}

/** When local R2 returns an object that is gzipped, it gzips it once more, for any client. */
const packsAgain = ({ name }: StoreAccess) => name === "r2";

/** How clients put an object in equal parts, with sizes that can be guessed and one that nobody uses. */
const EQUAL_PARTS = {
  "by-aws": (store: StoreAccess, name: string) => awsPut(store, LARGE, name, { partSizeBytes: PART }),
  "by-rclone": async (store: StoreAccess, name: string) => {
    const sizes = ["--s3-upload-cutoff", "8Mi", "--s3-chunk-size", "8Mi"];
    await rclone([store], ["copyto", ...sizes, LARGE, remote(store, name)]);
  },
  "by-s3cmd": async (store: StoreAccess, name: string) => {
    await s3cmd(store, ["put", "--multipart-chunk-size-mb=7", LARGE, s3Url(store, name)]);
  },
};
type Uploader = keyof typeof EQUAL_PARTS;

/**
 * Local R2 does not recognise its parts by ETags as rclone writes them, with the quotes as numeric entities.
 */
function uploadersOf(store: StoreAccess): Uploader[] {
  return (Object.keys(EQUAL_PARTS) as Uploader[]).filter(
    (uploader) =>
      (uploader !== "by-rclone" || store.name !== "r2") &&
      (uploader !== "by-s3cmd" || isWithinReachOfS3cmd(store)),
  );
}

/** Sizes that no tool would choose, the last but one larger than the first if the store allows it. */
function oddPartsOf({ facts }: StoreAccess): number[] {
  return facts.unequalParts ? [PART + 1, 6 * MIB, PART + 77, 3] : [PART + 77, PART + 77, PART - 1];
}

function s3Url(store: StoreAccess, name: string): string {
  return `s3://${store.bucket}/${store.prefix}${name}`;
}

async function putInParts(store: StoreAccess, name: string, sizesBytes: readonly number[]): Promise<void> {
  const created = await curl(store, { method: "POST", name, query: "uploads=" });
  const uploadId = uploadIdOf(created);
  const etags: string[] = [];
  let start = 0;
  for (const [index, sizeBytes] of sizesBytes.entries()) {
    const query = `partNumber=${index + 1}&uploadId=${uploadId}`;
    const body = LARGE_BYTES.subarray(start, start + sizeBytes);
    const { headers } = await curl(store, { method: "PUT", name, query, body });
    etags.push(headers.get("etag") ?? "");
    start += sizeBytes;
  }
  const query = `uploadId=${uploadId}`;
  const { status, text } = await curl(store, { method: "POST", name, query, body: completeBody(etags) });
  if (status !== 200) throw new Error(`${store.title} answered ${status} to Complete: ${text}`);
}

async function putKeys(store: StoreAccess): Promise<void> {
  for (const key of FILE_KEYS) {
    const path = workshop.path(`keys-${store.name}/${key}`);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `The object "${key}"`);
  }
  const recursive = ["s3", "cp", "--recursive", "--no-progress"];
  await aws(store, [...recursive, workshop.path(`keys-${store.name}`), s3Url(store, `${SEEDS}keys/`)]);
  for (const key of [...OTHER_KEYS, ...(seesDots(store) ? DOTTED_KEYS : [])]) {
    const body = `The object "${key}"`;
    const { status } = await curl(store, { method: "PUT", name: `${SEEDS}keys/${key}`, body });
    if (status !== 200) throw new Error(`${store.title} answered ${status} to a PutObject of "${key}"`);
  }
}

const at = (name: string) => SEEDS + name;

async function seed(store: StoreAccess): Promise<void> {
  await api(store, "put-object", at("medium"), "--body", MEDIUM);
  for (const uploader of uploadersOf(store)) await EQUAL_PARTS[uploader](store, at(uploader));
  await putInParts(store, at("odd"), oddPartsOf(store));
  if (isWithinReachOfS3cmd(store)) await s3cmd(store, ["put", SMALL, s3Url(store, at("small"))]);
  else await awsPut(store, SMALL, at("small"));
  await rclone([store], ["copyto", EMPTY, remote(store, at("empty"))]);
  const coding = ["--content-encoding", "gzip", "--content-type", "text/plain"];
  await awsPut(store, GZIP, at("gzip"), { args: coding });
  await api(store, "put-object", at("described"), "--body", SMALL, ...DESCRIPTION_ARGS);
  await awsPut(store, LARGE, at("described-large"), { partSizeBytes: PART, args: DESCRIPTION_ARGS });
  const tagging = TAGS.map(({ Key, Value }) => `${encodeURIComponent(Key)}=${encodeURIComponent(Value)}`);
  const tags = store.facts.tags ? ["--tagging", tagging.join("&")] : [];
  await api(store, "put-object", at("tagged"), "--body", SMALL, ...tags);
  await putKeys(store);
}

const seeds = new Map<StoreAccess, Awaited<ReturnType<typeof listed>>>();
beforeAll(async () => {
  for (const store of stores) await seed(store);
  for (const store of stores) seeds.set(store, await listed(store, SEEDS));
}, 400_000);

describe.each(pairs)("$title", (pair) => {
  const { source, destination, title } = pair;
  const folder = `objects/${source.name}-${destination.name}/`;
  const uploaders = uploadersOf(source);
  const kinds = ["medium", "odd", "small", "empty", "described", "described-large", "tagged"];
  const keys = keysBetween(source, destination).map((key) => `keys/${key}`);
  const gzip = packsAgain(source) ? [] : ["gzip"];
  const names = [...kinds, ...uploaders, ...gzip, ...keys];
  const statuses = new Map<string, Status>();
  let seen: Awaited<ReturnType<typeof listed>>;

  beforeAll(async () => {
    const copies = names.map(async (name) => {
      // In parts, although it would fit in one.
      const inParts = name === "odd" ? { partSize: PART } : {};
      statuses.set(name, await mesh.copy({ ...copyOf(pair, SEEDS + name, folder + name), ...inParts }));
    });
    await Promise.all(copies);
    seen = await listed(destination, folder);
  }, 400_000);

  const statusOf = (name: string): Status => {
    const status = statuses.get(name);
    if (status === undefined) throw new Error(`${name} was not copied`);
    return status;
  };
  const etags = (name: string) => [seeds.get(source)?.get(name)?.etag, seen.get(name)?.etag];
  const headOf = async (name: string): Promise<Head> => {
    const found = await head(destination, folder + name);
    if (found === null) throw new Error(`${destination.title} has no ${name}`);
    return found;
  };

  test("the destination lists what was copied and nothing else, as the statuses say", () => {
    expect([...seen.keys()].toSorted()).toEqual(names.toSorted());
    for (const name of names) expectAgreement(statusOf(name), seen.get(name));
  });

  feature("one PutObject", title, "an object put by aws arrives whole, and keeps its ETag", async () => {
    await expectSameBytes(pair, SEEDS, folder, ["medium"]);
    const [original, copied] = etags("medium");
    expect(copied).toBe(original);
    return "ETag kept";
  });

  feature("multipart, equal parts", title, "objects of equal parts keep their ETags", async () => {
    await expectSameBytes(pair, SEEDS, folder, uploaders);
    const kept = uploaders.filter((name) => {
      const [original, copied] = etags(name);
      return original === copied;
    });
    // If the store does not report the size of a part, 7 MiB is as good a guess as 8.
    expect(kept).toEqual(uploaders.filter((name) => source.facts.tellsParts || name !== "by-s3cmd"));
    return kept.length === uploaders.length ? "ETag kept" : "ETag kept if the part size is a usual one";
  });

  feature("multipart, unequal parts", title, "an object of odd parts arrives whole", async () => {
    await expectSameBytes(pair, SEEDS, folder, ["odd"]);
    const [original, copied] = etags("odd");
    return original === copied ? "ETag kept" : "new ETag";
  });

  feature("small and empty", title, "a line of text and an empty object arrive whole", async () => {
    await expectSameBytes(pair, SEEDS, folder, ["small", "empty"]);
    expect(seen.get("empty")?.sizeBytes).toBe(0);
  });

  feature("awkward keys", title, "names that tools get wrong arrive as they are", async () => {
    const bare = keysBetween(source, destination);
    for (const key of bare) {
      const { status, text } = await curl(destination, { method: "GET", name: `${folder}keys/${key}` });
      expect([key, status, text]).toEqual([key, 200, `The object "${key}"`]);
    }
    if (!bare.includes("a/../b")) return "yes, but none with `..`";
    return undefined;
  });

  feature("gzip kept as it is", title, "gzipped bytes are neither unpacked nor packed again", async () => {
    if (packsAgain(source)) {
      const status = await mesh.copy(copyOf(pair, `${SEEDS}gzip`, `${folder}gzip`));
      expect(status).toMatchObject({ phase: "failed", failure: { storeCode: "wrong_length" } });
      expect((await curl(destination, { method: "HEAD", name: `${folder}gzip` })).status).toBe(404);
      return "fails: the source packs it again";
    }
    expect(await headOf("gzip")).toMatchObject({
      contentEncoding: "gzip",
      contentType: "text/plain",
      sizeBytes: GZIP_BYTES.length,
      etag: md5(GZIP_BYTES),
    });
    await api(destination, "get-object", `${folder}gzip`, workshop.path("back.gz"));
    const back = readFileSync(workshop.path("back.gz"));
    expect((packsAgain(destination) ? gunzipSync(back) : back).equals(GZIP_BYTES)).toBe(true);
    return "yes";
  });

  feature("metadata", title, "headers and user metadata arrive, whole or in parts", async () => {
    for (const name of ["described", "described-large"]) {
      const found = await headOf(name);
      expect(found).toMatchObject(DESCRIPTION);
      const [wasRenamed, isRenamed] = [source, destination].map((store) => renames(store, name));
      expect(withoutMark(found)).toEqual(wasRenamed || isRenamed ? METADATA_RENAMED : METADATA);
      const warning = 'The destination accepted "x-amz-meta-a-name.with_all" but does not return it';
      expect(statusOf(name).warnings).toEqual(isRenamed && !wasRenamed ? [warning] : []);
    }
    if (!renames(destination, "described-large")) return "yes";
    const which = renames(destination, "described") ? "" : " of an object in parts";
    return `yes, but \`_\` in a name${which} becomes \`-\`, with a warning`;
  });

  feature("tags", title, "tags arrive, or the status says that they are lost", async () => {
    const { warnings } = statusOf("tagged");
    if (!source.facts.tags) {
      expect(warnings).toEqual([]);
      return "the source has none";
    }
    if (!destination.facts.tags) {
      expect(warnings).toEqual([expect.stringContaining("tags")]);
      const strict = { ...copyOf(pair, `${SEEDS}tagged`, `${folder}untagged`), ifLossy: "fail" };
      expect(await mesh.copy(strict)).toMatchObject({ phase: "failed", failure: { code: "attribute_lost" } });
      expect(await head(destination, `${folder}untagged`)).toBeNull();
      return "lost, with a warning";
    }
    const told = await api(destination, "get-object-tagging", `${folder}tagged`);
    expect((told["TagSet"] as typeof TAGS).toSorted((a, b) => (a.Key < b.Key ? -1 : 1))).toEqual(TAGS);
    expect(warnings).toEqual([]);
    return undefined;
  });

  feature("proof, one PutObject", title, "equal MD5 ETags are the proof", async () => {
    const [original, copied] = etags("medium");
    expect([copied, original]).toEqual([md5(readFileSync(MEDIUM)), md5(readFileSync(MEDIUM))]);
    expect(statusOf("medium").proof).toBe("etag");
    return "`etag`";
  });

  feature("proof, equal parts", title, "equal ETags of MD5s are the proof", async () => {
    const [original, copied] = etags("by-aws");
    expect([copied, original]).toEqual([multipartEtag(LARGE_BYTES, PART), multipartEtag(LARGE_BYTES, PART)]);
    expect(statusOf("by-aws").proof).toBe("etag");
    return "`etag`";
  });

  const tellsPartMd5 = destination.name !== "r2";
  feature(
    "proof, unequal parts",
    title,
    "the parts' own MD5s are the proof, where the store tells them",
    async () => {
      const { proof } = statusOf("odd");
      expect(proof).toBe(tellsPartMd5 ? "part-md5" : "length");
      return `\`${proof}\``;
    },
  );

  feature(
    '`verify: "strict"`, unequal parts',
    title,
    "a copy that nothing could prove is refused before it is made",
    async () => {
      const strict = { ...copyOf(pair, `${SEEDS}odd`, `${folder}strict`), verify: "strict", partSize: PART };
      const status = await mesh.copy(strict);
      if (tellsPartMd5) {
        expectAgreement(status, await head(destination, `${folder}strict`));
        return `\`${status.proof}\``;
      }
      expect(status).toMatchObject({ phase: "failed", failure: { code: "proof_impossible" } });
      expect(await head(destination, `${folder}strict`)).toBeNull();
      return "refuses";
    },
  );
});

function md5(bytes: Uint8Array): string {
  return createHash("md5").update(bytes).digest("hex");
}

/** By S3's rule: the MD5 of the parts' MD5s. */
function multipartEtag(bytes: Buffer, partBytes: number): string {
  const count = Math.ceil(bytes.length / partBytes);
  const digests = Array.from({ length: count }, (_, index) => {
    const part = bytes.subarray(index * partBytes, (index + 1) * partBytes);
    return createHash("md5").update(part).digest();
  });
  return `${md5(Buffer.concat(digests))}-${count}`;
}
