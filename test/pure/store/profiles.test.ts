// What each kind of store can do, and by which hosts it is known.
import { describe, expect, test } from "vitest";
import { MIN_PART_BYTES, planCopy } from "../../../src/copy/plan.ts";
import { LOCAL_R2, profileOf, ProfileSchema, providerOf, PROVIDERS } from "../../../src/store/profiles.ts";

const GIB = 2 ** 30;
const TIB = 2 ** 40;

const having = (feature: (profile: ReturnType<typeof profileOf>) => boolean) =>
  PROVIDERS.filter((provider) => feature(profileOf(provider)));

describe("profileOf()", () => {
  test.each(PROVIDERS)("%s is complete, and its limits fit together", (provider) => {
    const profile = profileOf(provider);
    expect(ProfileSchema.parse(profile)).toEqual(profile);
    expect(profile.minPartBytes).toBe(MIN_PART_BYTES);
    expect(profile.maxPartBytes).toBeGreaterThan(profile.minPartBytes);
    expect(profile.maxKeyBytes).toBe(1024);
    if (profile.checksums.length > 0) expect(profile.checksumMode).toBe(true);
    // MinIO alone has larger objects than 10,000 parts of the 5 GiB that its documents promise.
    const largestBytes = Math.min(profile.maxObjectBytes, profile.maxPartBytes * profile.maxParts);
    expect(planCopy(largestBytes, null, profile).ok).toBe(true);
    expect(largestBytes < profile.maxObjectBytes).toBe(provider === "minio");
  });

  const limits: [
    provider: (typeof PROVIDERS)[number],
    object: number,
    part: number,
    put: number,
    parts: number,
  ][] = [
    ["aws", 53_687_091_200_000, 5 * GIB, 5 * GIB, 10_000],
    ["r2", 5_492_189_429_760, 5_363_466_240, 5_363_466_240, 10_000],
    ["gcs", 5 * TIB, 5 * GIB, 5 * GIB, 10_000],
    ["b2", 10e12, 5e9, 5e9, 10_000],
    ["wasabi", 5e12, 5e9, 5e9, 10_000],
    ["minio", 50 * TIB, 5 * GIB, 5 * GIB, 10_000],
    ["ceph", 5e12, 5 * GIB, 5 * GIB, 10_000],
    ["spaces", 5e12, 5e9, 5e9, 10_000],
    ["ibm", 10e12, 5e9, 5e9, 10_000],
    ["oracle", 10 * TIB, 50 * GIB, 50 * GIB, 10_000],
    ["scaleway", 5e12, 5e9, 5e9, 1000],
    ["linode", 5e12, 5e9, 5e9, 10_000],
    ["swift", 5000 * GIB, 5 * GIB, 5 * GIB, 1000],
  ];
  test.each(limits)(
    "%s: objects of %d bytes, parts of %d, one PUT of %d, %d parts",
    (provider, maxObjectBytes, maxPartBytes, maxPutBytes, maxParts) => {
      expect(profileOf(provider)).toMatchObject({ maxObjectBytes, maxPartBytes, maxPutBytes, maxParts });
    },
  );

  test("only stores that follow the rule have multipart ETags of MD5s", () => {
    expect(having(({ md5MultipartEtag }) => !md5MultipartEtag)).toEqual([
      "gcs",
      "ibm",
      "oracle",
      "alibaba",
      "tencent",
    ]);
  });

  test("only stores known for it tell checksums, take conditions or have no tags", () => {
    expect(having(({ checksums }) => checksums.length > 0)).toEqual(["aws", "r2"]);
    expect(having(({ conditionalComplete }) => conditionalComplete)).toEqual([
      "aws",
      "r2",
      "minio",
      "ibm",
      "scaleway",
      "swift",
    ]);
    expect(having(({ conditionalPut }) => conditionalPut)).toContain("ceph");
    expect(having(({ tagCount }) => tagCount)).toEqual(["aws", "ceph"]);
    expect(having(({ tags }) => !tags)).toEqual(["r2", "gcs", "b2", "alibaba", "garage", "swift"]);
  });

  test("no part copies at gcs, storj and swift, virtual hosts only at alibaba and tencent, raw paths at two", () => {
    expect(having(({ uploadPartCopy }) => !uploadPartCopy)).toEqual(["gcs", "storj", "swift"]);
    expect(having(({ style }) => style === "virtual")).toEqual(["alibaba", "tencent"]);
    expect(having(({ signedPath }) => signedPath === "raw")).toEqual(["garage", "seaweedfs"]);
  });

  test("r2 takes two storage classes and 8 KiB of metadata", () => {
    expect(profileOf("r2")).toMatchObject({
      storageClasses: ["STANDARD", "STANDARD_IA"],
      maxMetadataBytes: 8192,
    });
  });

  test("overrides win", () => {
    expect(profileOf("r2", { tags: true }).tags).toBe(true);
    expect(profileOf("r2", LOCAL_R2)).toMatchObject({ checksums: [], md5PartEtag: false, md5Etag: true });
  });
});

describe("providerOf()", () => {
  test.each([
    ["s3.eu-central-1.amazonaws.com", "aws"],
    ["s3.cn-north-1.amazonaws.com.cn", "aws"],
    ["account.r2.cloudflarestorage.com", "r2"],
    ["account.eu.r2.cloudflarestorage.com", "r2"],
    ["storage.googleapis.com", "gcs"],
    ["s3.us-west-004.backblazeb2.com", "b2"],
    ["s3.eu-central-1.wasabisys.com", "wasabi"],
    ["fra1.digitaloceanspaces.com", "spaces"],
    ["s3.eu-de.cloud-object-storage.appdomain.cloud", "ibm"],
    ["ns.compat.objectstorage.us-ashburn-1.oci.customer-oci.com", "oracle"],
    ["ns.compat.objectstorage.us-ashburn-1.oraclecloud.com", "oracle"],
    ["s3.oss-cn-hangzhou.aliyuncs.com", "alibaba"],
    ["cos.ap-guangzhou.myqcloud.com", "tencent"],
    ["gateway.storjshare.io", "storj"],
    ["t3.storage.dev", "tigris"],
    ["s3.fr-par.scw.cloud", "scaleway"],
    ["s3.gra.io.cloud.ovh.net", "ovh"],
    ["fsn1.your-objectstorage.com", "hetzner"],
    ["us-east-1.linodeobjects.com", "linode"],
    ["minio.example.com", "other"],
    ["localhost", "other"],
    ["s3.amazonaws.com.example.com", "other"],
    ["evilamazonaws.com", "other"],
    ["notscw.cloud", "other"],
    ["", "other"],
  ])("%s is %s", (host, provider) => {
    expect(providerOf(host)).toBe(provider);
  });
});
