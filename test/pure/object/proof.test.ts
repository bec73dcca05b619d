// What a copy may claim: every combination of two stores, a golden table of the usual ones, and a world in
// which the bytes arrived or did not, where no mismatch may be found by mistake and no proof without
// evidence.
import { describe, expect, test } from "vitest";
import { type ChecksumAlgorithm, type Profile, LOCAL_R2, profileOf } from "../../../src/store/profiles.ts";
import {
  type Checksum,
  type Evidence,
  type ProofQuestion,
  canProve,
  concludeProof,
  planProof,
} from "../../../src/object/proof.ts";
import { bareEtag, isMd5Etag } from "../../../src/s3/digest.ts";

const MD5 = "9a0364b9e99bb480dd25e1f0284c8555";
const OTHER_MD5 = "ffffffffffffffffffffffffffffffff";
const CRC: Readonly<Record<ChecksumAlgorithm, string>> = {
  crc64nvme: "ae8b14860a799888",
  crc32c: "e3069283",
  crc32: "cbf43926",
};
const aws = profileOf("aws");
const r2 = profileOf("r2");
const gcs = profileOf("gcs");
const b2 = profileOf("b2");
const localR2 = profileOf("r2", LOCAL_R2);
const deaf = profileOf("other", { contentMd5: false });
const opaque = profileOf("other", { md5Etag: false, md5MultipartEtag: false, md5PartEtag: false });

function checksum(algorithm: ChecksumAlgorithm): Checksum {
  return { algorithm, hex: CRC[algorithm] };
}

function question(
  source: Profile,
  destination: Profile,
  changes: Partial<Omit<ProofQuestion, "source" | "destination">> & {
    etag?: string;
    checksums?: readonly Checksum[];
    sourceKey?: boolean;
    destinationKey?: boolean;
  } = {},
): ProofQuestion {
  const { etag, checksums = [], sourceKey = false, destinationKey = false, ...rest } = changes;
  const kind = rest.kind ?? "parts";
  return {
    verify: "auto",
    via: "stream",
    kind,
    boundaries: "chosen",
    source: {
      profile: source,
      encryptedWithKey: sourceKey,
      etag: etag ?? (kind === "whole" ? `"${MD5}"` : `"${MD5}-3"`),
      checksums,
    },
    destination: { profile: destination, encryptedWithKey: destinationKey },
    ...rest,
  };
}

describe("planProof()", () => {
  const crc64 = checksum("crc64nvme");
  const crc32 = checksum("crc32");
  const rows: [
    what: string,
    question: ProofQuestion,
    etag: string,
    contentMd5: string | null,
    digests: string,
  ][] = [
    ["aws whole → r2", question(aws, r2, { kind: "whole" }), "kept", MD5, ""],
    ["aws whole → b2", question(aws, b2, { kind: "whole" }), "kept", MD5, ""],
    ["whole → a store that heeds no Content-MD5", question(aws, deaf, { kind: "whole" }), "kept", null, ""],
    [
      "whole → one whose ETags are no MD5s either",
      question(aws, { ...opaque, contentMd5: false }, { kind: "whole" }),
      "not-comparable",
      null,
      "",
    ],
    ["gcs whole → gcs: single ETags are MD5s", question(gcs, gcs, { kind: "whole" }), "kept", MD5, ""],
    [
      "an upper-case ETag without quotes",
      question(aws, b2, { kind: "whole", etag: MD5.toUpperCase() }),
      "kept",
      MD5.toUpperCase(),
      "",
    ],
    ["whole, inside the service", question(aws, aws, { kind: "whole", via: "server" }), "kept", null, ""],
    [
      "whole, but the source has parts",
      question(aws, b2, { kind: "whole", etag: `"${MD5}-1"` }),
      "not-comparable",
      null,
      "md5",
    ],
    [
      "whole, source under a key",
      question(aws, b2, { kind: "whole", sourceKey: true }),
      "not-comparable",
      null,
      "md5",
    ],
    [
      "whole, destination under a key",
      question(aws, b2, { kind: "whole", destinationKey: true }),
      "not-comparable",
      MD5,
      "",
    ],
    [
      "whole, destination under a key but with a CRC",
      question(b2, aws, { kind: "whole", destinationKey: true }),
      "not-comparable",
      MD5,
      "",
    ],
    [
      "whole, source of opaque ETags",
      question(opaque, aws, { kind: "whole" }),
      "not-comparable",
      null,
      "md5",
    ],
    [
      "whole, an ETag that is no MD5",
      question(aws, b2, { kind: "whole", etag: '"abc"' }),
      "not-comparable",
      null,
      "md5",
    ],
    ["parts, kept", question(aws, r2, { boundaries: "kept" }), "kept", null, ""],
    [
      "parts, kept, inside the service",
      question(aws, aws, { boundaries: "kept", via: "server" }),
      "kept",
      null,
      "",
    ],
    [
      "parts, guessed: a guess alone is no proof",
      question(aws, b2, { boundaries: "guessed" }),
      "guessed",
      null,
      "md5",
    ],
    [
      "parts, guessed, inside the service",
      question(b2, b2, { boundaries: "guessed", via: "server" }),
      "guessed",
      null,
      "",
    ],
    [
      "parts, kept, gcs → aws: no MD5 rule at the source",
      question(gcs, aws, { boundaries: "kept" }),
      "not-comparable",
      null,
      "md5",
    ],
    [
      "parts, kept, aws → gcs: no MD5 rule at the destination",
      question(aws, gcs, { boundaries: "kept" }),
      "not-comparable",
      null,
      "md5",
    ],
    ["parts, chosen, no checksum", question(aws, b2), "not-comparable", null, "md5"],
    [
      "parts, chosen, both sides tell one CRC",
      question(aws, r2, { checksums: [crc64] }),
      "not-comparable",
      null,
      "",
    ],
    [
      "parts, chosen, only the source tells a CRC",
      question(aws, b2, { checksums: [crc64] }),
      "not-comparable",
      null,
      "crc64nvme md5",
    ],
    [
      "parts, chosen, the sides tell different CRCs",
      question(aws, aws, { checksums: [crc32] }),
      "not-comparable",
      null,
      "crc32 md5",
    ],
    [
      "parts, chosen, one of several CRCs fits",
      question(aws, r2, { checksums: [crc32, crc64] }),
      "not-comparable",
      null,
      "",
    ],
    [
      "parts, opaque destination that tells a CRC",
      question(b2, { ...r2, md5Etag: false }),
      "not-comparable",
      null,
      "crc64nvme",
    ],
    ["parts, destination of opaque part ETags", question(aws, localR2), "not-comparable", null, ""],
    [
      "parts, destination of nothing at all",
      question(aws, opaque, { checksums: [crc32] }),
      "not-comparable",
      null,
      "crc32",
    ],
    ["parts, chosen, inside the service", question(aws, b2, { via: "server" }), "not-comparable", null, ""],
    [
      "verify off",
      question(aws, aws, { verify: "off", boundaries: "kept", checksums: [crc64] }),
      "not-comparable",
      null,
      "",
    ],
    [
      "verify strict is planned like auto",
      question(aws, r2, { verify: "strict", kind: "whole" }),
      "kept",
      MD5,
      "",
    ],
  ];
  test.each(rows)("%s", (_what, asked, etag, contentMd5, digests) => {
    const plan = planProof(asked);
    expect([plan.etag, plan.contentMd5, plan.digests.join(" ")]).toEqual([etag, contentMd5, digests]);
  });

  test("picks the source's checksum that the destination tells too", () => {
    expect(planProof(question(aws, r2, { checksums: [crc32, crc64] })).sourceChecksum).toEqual(crc64);
    expect(planProof(question(aws, b2, { checksums: [crc32, crc64] })).sourceChecksum).toEqual(crc32);
    expect(planProof(question(aws, b2)).sourceChecksum).toBeNull();
  });
});

/** Every combination of what two sides may be; boundaries are known only of an ETag that counts its parts. */
function* everyQuestion(): Iterable<ProofQuestion> {
  const both = [false, true];
  const algorithms: readonly (readonly ChecksumAlgorithm[])[] = [[], ["crc64nvme"], ["crc32c", "crc64nvme"]];
  for (const verify of ["auto", "strict", "off"] as const)
    for (const via of ["stream", "server"] as const)
      for (const kind of ["whole", "parts"] as const)
        for (const boundaries of kind === "whole"
          ? (["chosen"] as const)
          : (["kept", "guessed", "chosen"] as const))
          for (const etag of boundaries === "chosen"
            ? [`"${MD5}"`, `"${MD5}-3"`, '"opaque"']
            : [`"${MD5}-3"`])
            for (const sourceKey of both)
              for (const destinationKey of both)
                for (const rule of both)
                  for (const single of both)
                    for (const multi of both)
                      for (const part of both)
                        for (const told of algorithms)
                          for (const tells of algorithms) {
                            const source = { ...b2, md5Etag: rule, md5MultipartEtag: rule };
                            const destination = {
                              ...b2,
                              md5Etag: single,
                              md5MultipartEtag: multi,
                              md5PartEtag: part,
                              checksums: [...tells],
                            };
                            yield question(source, destination, {
                              verify,
                              via,
                              kind,
                              boundaries,
                              etag,
                              sourceKey,
                              destinationKey,
                              checksums: told.map(checksum),
                            });
                          }
}

/** What stores of these properties answer when `bytes` arrived. A key makes every ETag a random one. */
function evidenceOf(asked: ProofQuestion, bytes: "same" | "other"): Evidence {
  const { source, destination, kind, boundaries } = asked;
  const plan = planProof(asked);
  const same = bytes === "same";
  const { profile, encryptedWithKey } = destination;
  const whole = kind === "whole";
  const followsRule = !encryptedWithKey && (whole ? profile.md5Etag : profile.md5MultipartEtag);
  const sourceIsMd5 =
    source.profile.md5Etag &&
    !source.encryptedWithKey &&
    isMd5Etag(source.etag) &&
    whole === !source.etag.includes("-");
  const sameBoundaries = whole || boundaries === "kept";
  const destinationEtag =
    followsRule && same && sourceIsMd5 && sameBoundaries ? source.etag : `"${OTHER_MD5}${whole ? "" : "-3"}"`;
  const partsAreMd5 = !encryptedWithKey && (whole ? profile.md5Etag : profile.md5Etag && profile.md5PartEtag);
  const [ours] = plan.digests.filter((digest) => digest !== "md5");
  return {
    plan,
    sourceEtag: source.etag,
    destinationEtag,
    destinationEncryptedWithKey: encryptedWithKey,
    destinationChecksums: plan.destinationChecksums.map((algorithm) =>
      same ? checksum(algorithm) : { algorithm, hex: "0".repeat(CRC[algorithm].length) },
    ),
    ourChecksum: ours === undefined ? null : checksum(ours),
    partsMatch: plan.digests.includes("md5") && partsAreMd5 && same,
  };
}

describe("planProof(), canProve() and concludeProof() over every combination of stores", () => {
  const questions = [...everyQuestion()];

  test("plan no proof at all when verify is off", () => {
    const planned = questions.filter(({ verify }) => verify === "off").map(planProof);
    expect(planned.filter((plan) => canProve(plan) || plan.digests.length > 0)).toEqual([]);
  });

  test("compare ETags only where both are MD5s by the same rule", () => {
    const wrong = questions.filter((asked) => {
      const { etag } = planProof(asked);
      if (etag === "not-comparable") return false;
      const { source, destination, kind } = asked;
      const rule = kind === "whole" ? "md5Etag" : "md5MultipartEtag";
      const keys = source.encryptedWithKey || destination.encryptedWithKey;
      return keys || !source.profile[rule] || !destination.profile[rule] || !isMd5Etag(source.etag);
    });
    expect(wrong).toEqual([]);
  });

  test("send a Content-MD5 only of a whole object that streams, and only the source's own", () => {
    for (const asked of questions) {
      const { contentMd5 } = planProof(asked);
      if (contentMd5 === null) continue;
      expect([asked.kind, asked.via, contentMd5]).toEqual(["whole", "stream", bareEtag(asked.source.etag)]);
      // The destination compares before it encrypts; the source's ETag has to be an MD5.
      expect([asked.source.encryptedWithKey, asked.source.profile.md5Etag]).toEqual([false, true]);
    }
  });

  test("compute nothing of bytes that do not pass, and no MD5 for a destination that tells none", () => {
    const wrong = questions.filter((asked) => {
      const { digests } = planProof(asked);
      const { profile, encryptedWithKey } = asked.destination;
      const md5 = profile.md5Etag && (asked.kind === "whole" || profile.md5PartEtag) && !encryptedWithKey;
      return (asked.via === "server" && digests.length > 0) || (digests.includes("md5") && !md5);
    });
    expect(wrong).toEqual([]);
  });

  test("find no mismatch when the bytes have arrived", () => {
    const wrong = questions.filter((asked) => !concludeProof(evidenceOf(asked, "same")).ok);
    expect(wrong).toEqual([]);
  });

  test("claim a proof beyond the length whenever one was promised, but for a guess", () => {
    const wrong = questions.filter((asked) => {
      const evidence = evidenceOf(asked, "same");
      const result = concludeProof(evidence);
      const proved = result.ok && result.proof !== "length";
      return canProve(evidence.plan) && !proved && evidence.plan.etag !== "guessed";
    });
    expect(wrong).toEqual([]);
  });

  test("claim no proof beyond the length when other bytes have arrived", () => {
    const wrong = questions.filter((asked) => {
      const evidence = evidenceOf(asked, "other");
      if (evidence.plan.contentMd5 !== null) return false; // the destination would have refused them
      const result = concludeProof(evidence);
      return result.ok && result.proof !== "length";
    });
    expect(wrong).toEqual([]);
  });

  test("claim no proof where nothing was promised", () => {
    const wrong = questions.filter((asked) => {
      const evidence = evidenceOf(asked, "same");
      const result = concludeProof(evidence);
      return !canProve(evidence.plan) && result.ok && result.proof !== "length";
    });
    expect(wrong).toEqual([]);
  });
});

describe("concludeProof()", () => {
  const bare: Evidence = {
    plan: planProof(question(aws, b2)),
    sourceEtag: `"${MD5}-3"`,
    destinationEtag: `"${OTHER_MD5}-2"`,
    destinationEncryptedWithKey: false,
    destinationChecksums: [],
    ourChecksum: null,
    partsMatch: false,
  };
  const kept = planProof(question(aws, b2, { boundaries: "kept" }));

  test("never calls objects different because their ETags are", () => {
    expect(concludeProof(bare)).toEqual({ ok: true, proof: "length" });
    expect(concludeProof({ ...bare, plan: kept })).toEqual({ ok: true, proof: "length" });
  });

  test.each([`"${MD5}-3"`, `${MD5}-3`, `"${MD5.toUpperCase()}-3"`, `&quot;${MD5}-3&quot;`, `W/"${MD5}-3"`])(
    "finds %s equal however it is written",
    (destinationEtag) => {
      expect(concludeProof({ ...bare, plan: kept, destinationEtag })).toEqual({ ok: true, proof: "etag" });
    },
  );

  test("claims no ETag that it did not plan to compare, that is under a key, or that is no MD5", () => {
    const equal = { ...bare, destinationEtag: bare.sourceEtag };
    expect(concludeProof(equal)).toEqual({ ok: true, proof: "length" });
    const encrypted = { ...equal, plan: kept, destinationEncryptedWithKey: true };
    expect(concludeProof(encrypted)).toEqual({ ok: true, proof: "length" });
    const odd = { ...equal, plan: kept, sourceEtag: '"opaque"', destinationEtag: '"opaque"' };
    expect(concludeProof(odd)).toEqual({ ok: true, proof: "length" });
  });

  test("names both values of checksums that differ", () => {
    const plan = planProof(question(aws, r2, { checksums: [checksum("crc64nvme")] }));
    const theirs = { algorithm: "crc64nvme", hex: "0000000000000000" } as const;
    expect(concludeProof({ ...bare, plan, destinationChecksums: [theirs] })).toEqual({
      ok: false,
      message: "crc64nvme is ae8b14860a799888 at the source and 0000000000000000 at the destination",
    });
  });

  test("finds a mismatch of our own checksum, and also where the ETags are equal", () => {
    const theirs = { algorithm: "crc32", hex: "00000000" } as const;
    const evidence = {
      ...bare,
      plan: kept,
      destinationEtag: bare.sourceEtag,
      ourChecksum: checksum("crc32"),
      destinationChecksums: [theirs],
    };
    expect(concludeProof(evidence).ok).toBe(false);
  });

  test("compares no checksums of different algorithms", () => {
    const evidence = { ...bare, ourChecksum: checksum("crc32"), destinationChecksums: [checksum("crc32c")] };
    expect(concludeProof(evidence)).toEqual({ ok: true, proof: "length" });
  });

  test("prefers etag to content-md5 to checksum to part-md5 to length", () => {
    const all = {
      ...bare,
      plan: { ...kept, contentMd5: MD5 },
      destinationEtag: bare.sourceEtag,
      ourChecksum: checksum("crc32"),
      destinationChecksums: [checksum("crc32")],
      partsMatch: true,
    };
    const proofs = [
      all,
      { ...all, destinationEtag: '"x"' },
      { ...all, plan: bare.plan },
      { ...all, plan: bare.plan, ourChecksum: null },
      bare,
    ].map(concludeProof);
    expect(proofs.map((verdict) => verdict.ok && verdict.proof)).toEqual([
      "etag",
      "content-md5",
      "checksum",
      "part-md5",
      "length",
    ]);
  });
});
