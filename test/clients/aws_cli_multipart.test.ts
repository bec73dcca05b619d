// The test store judged by the AWS CLI: uploads part by part.
import { generatedBytes } from "../store/store.ts";
import { describe, expect, test } from "vitest";
import { MiB, api, attempt, file, md5, sample, store } from "./aws.ts";

describe("aws s3api", () => {
  test("uploads unequal parts, lists them page by page and completes", async () => {
    const bytes = sample(11 * MiB + 4);
    const created = await api(
      "create-multipart-upload",
      "--key",
      "m/p art",
      "--metadata",
      "k=v",
      "--content-type",
      "text/x",
      "--tagging",
      "t=1",
    );
    const id = String(created["UploadId"]);
    const cuts = [0, 5 * MiB + 1, 11 * MiB + 1, 11 * MiB + 4];
    const etags: string[] = [];
    for (let n = 1; n <= 3; n++) {
      const body = file("part", bytes.subarray(cuts[n - 1], cuts[n]));
      const part = await api(
        "upload-part",
        "--key",
        "m/p art",
        "--upload-id",
        id,
        "--part-number",
        String(n),
        "--body",
        body,
      );
      etags.push(String(part["ETag"]));
    }
    const uploads = await api("list-multipart-uploads", "--prefix", "m/");
    expect(uploads["Uploads"]).toMatchObject([{ Key: "m/p art", UploadId: id }]);
    const listed = await api("list-parts", "--key", "m/p art", "--upload-id", id, "--page-size", "2");
    expect(listed["Parts"]).toMatchObject([
      { PartNumber: 1, Size: 5 * MiB + 1, ETag: etags[0] },
      { PartNumber: 2, Size: 6 * MiB, ETag: etags[1] },
      { PartNumber: 3, Size: 3, ETag: etags[2] },
    ]);
    const structure = JSON.stringify({
      Parts: etags.map((ETag, index) => ({ PartNumber: index + 1, ETag })),
    });
    const completed = await api(
      "complete-multipart-upload",
      "--key",
      "m/p art",
      "--upload-id",
      id,
      "--multipart-upload",
      structure,
    );
    const digests = [1, 2, 3].map((n) => md5(bytes.subarray(cuts[n - 1], cuts[n])));
    expect(completed["ETag"]).toBe(`"${md5(Buffer.concat(digests)).toString("hex")}-3"`);
    expect(store.bytes("bucket", "m/p art").equals(bytes)).toBe(true);
    expect(await api("get-object-tagging", "--key", "m/p art")).toMatchObject({
      TagSet: [{ Key: "t", Value: "1" }],
    });
    const second = await api("head-object", "--key", "m/p art", "--part-number", "2");
    expect(second).toMatchObject({
      ContentLength: 6 * MiB,
      PartsCount: 3,
      Metadata: { k: "v" },
      ContentType: "text/x",
    });
    const attributes = await api(
      "get-object-attributes",
      "--key",
      "m/p art",
      "--object-attributes",
      "ETag",
      "ObjectSize",
      "ObjectParts",
    );
    expect(attributes).toMatchObject({ ObjectSize: bytes.length, ObjectParts: { TotalPartsCount: 3 } });
  });

  test("copies ranges as parts under a condition, and aborts", async () => {
    store.putGenerated("bucket", "range source", { size: 12 * MiB, seed: "cli", computeEtag: true });
    const etag = store.get("bucket", "range source")?.etag ?? "";
    const id = String((await api("create-multipart-upload", "--key", "ranges"))["UploadId"]);
    const part = [
      "--key",
      "ranges",
      "--upload-id",
      id,
      "--part-number",
      "1",
      "--copy-source",
      "bucket/range source",
    ];
    const copied = await api(
      "upload-part-copy",
      ...part,
      "--copy-source-range",
      `bytes=1-${6 * MiB}`,
      "--copy-source-if-match",
      etag,
    );
    const expected = md5(generatedBytes("cli", 1, 6 * MiB + 1)).toString("hex");
    expect(copied["CopyPartResult"]).toMatchObject({ ETag: `"${expected}"` });
    const refused = await attempt([
      "s3api",
      "upload-part-copy",
      "--bucket",
      "bucket",
      ...part,
      "--copy-source-if-match",
      "other",
    ]);
    expect(refused.stderr).toContain("(PreconditionFailed)");
    await api("abort-multipart-upload", "--key", "ranges", "--upload-id", id);
    const gone = await attempt([
      "s3api",
      "list-parts",
      "--bucket",
      "bucket",
      "--key",
      "ranges",
      "--upload-id",
      id,
    ]);
    expect(gone.stderr).toContain("(NoSuchUpload)");
  });

  test("is told which list of parts is wrong", async () => {
    const id = String((await api("create-multipart-upload", "--key", "small parts"))["UploadId"]);
    const body = file("tiny", Buffer.from("tiny"));
    const etags: string[] = [];
    for (const n of ["1", "2"]) {
      etags.push(
        String(
          (
            await api(
              "upload-part",
              "--key",
              "small parts",
              "--upload-id",
              id,
              "--part-number",
              n,
              "--body",
              body,
            )
          )["ETag"],
        ),
      );
    }
    const complete = async (numbers: readonly number[]) =>
      attempt([
        "s3api",
        "complete-multipart-upload",
        "--bucket",
        "bucket",
        "--key",
        "small parts",
        "--upload-id",
        id,
        "--multipart-upload",
        JSON.stringify({ Parts: numbers.map((n) => ({ PartNumber: n, ETag: etags[0] })) }),
      ]);
    expect((await complete([1, 2])).stderr).toContain("(EntityTooSmall)");
    expect((await complete([2, 1])).stderr).toContain("(InvalidPartOrder)");
    expect((await complete([1, 3])).stderr).toContain("(InvalidPart)");
    await api("abort-multipart-upload", "--key", "small parts", "--upload-id", id);
  });
});
