// What happens for each field of an answer about many keys when it is missing, empty, spelled otherwise, of
// another type, repeated, or contradicted. Data, which the tests of pages and of deletions read.

/** What a page of a listing of `bucket` under `p/`, asked for two keys, comes to. */
export type ListingOutcome =
  /** Believed, and the last one. */
  | "end"
  /** Believed; the next page is asked for. */
  | "on"
  /** Asked again, and in the end a failure: never a complete listing. */
  | "refused";

interface Row {
  readonly field: string;
  readonly form: "right" | "missing" | "empty" | "respelled" | "other type" | "repeated" | "contradicted";
  readonly xml: string;
  readonly outcome: ListingOutcome;
}

const key = (name: string, more = "<Size>1</Size>") => `<Contents><Key>${name}</Key>${more}</Contents>`;
const ONE = key("p/a");
const NO = "<IsTruncated>false</IsTruncated>";
const YES = "<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>";

export const LISTING_FIELDS: readonly Row[] = [
  { field: "IsTruncated", form: "right", xml: NO + ONE, outcome: "end" },
  { field: "IsTruncated", form: "right", xml: YES + ONE, outcome: "on" },
  // What follows its last key is asked for, until nothing does.
  { field: "IsTruncated", form: "missing", xml: ONE, outcome: "on" },
  { field: "IsTruncated", form: "missing", xml: ONE + key("p/b"), outcome: "on" },
  { field: "IsTruncated", form: "missing", xml: `<NextMarker>p/a</NextMarker>${ONE}`, outcome: "on" },
  { field: "IsTruncated", form: "missing", xml: "", outcome: "end" },
  {
    field: "IsTruncated",
    form: "missing",
    xml: `<NextContinuationToken>t</NextContinuationToken>${ONE}`,
    outcome: "on",
  },
  { field: "IsTruncated", form: "empty", xml: `<IsTruncated/>${ONE}${key("p/b")}`, outcome: "on" },
  {
    field: "IsTruncated",
    form: "respelled",
    xml: `<IsTruncated> False </IsTruncated>${ONE}`,
    outcome: "end",
  },
  {
    field: "IsTruncated",
    form: "respelled",
    xml: `<IsTruncated>TRUE</IsTruncated><NextContinuationToken>t</NextContinuationToken>${ONE}`,
    outcome: "on",
  },
  { field: "IsTruncated", form: "other type", xml: `<IsTruncated>1</IsTruncated>${ONE}`, outcome: "refused" },
  {
    field: "IsTruncated",
    form: "other type",
    xml: `<IsTruncated>no</IsTruncated>${ONE}`,
    outcome: "refused",
  },
  { field: "IsTruncated", form: "repeated", xml: NO + NO + ONE, outcome: "refused" },
  { field: "IsTruncated", form: "contradicted", xml: NO + YES + ONE, outcome: "refused" },
  {
    field: "NextContinuationToken",
    form: "missing",
    xml: `<IsTruncated>true</IsTruncated>${ONE}`,
    outcome: "refused",
  },
  {
    field: "NextContinuationToken",
    form: "empty",
    xml: `<IsTruncated>true</IsTruncated><NextContinuationToken/>${ONE}`,
    outcome: "refused",
  },
  {
    field: "NextContinuationToken",
    form: "repeated",
    xml: `${YES}<NextContinuationToken>u</NextContinuationToken>${ONE}`,
    outcome: "refused",
  },
  {
    field: "NextContinuationToken",
    form: "contradicted",
    xml: `${NO}<NextContinuationToken>t</NextContinuationToken>${ONE}`,
    outcome: "on",
  },
  { field: "ContinuationToken", form: "empty", xml: `<ContinuationToken/>${NO}${ONE}`, outcome: "end" },
  {
    field: "ContinuationToken",
    form: "contradicted",
    xml: `<ContinuationToken>t</ContinuationToken>${NO}${ONE}`,
    outcome: "refused",
  },
  {
    field: "ContinuationToken",
    form: "repeated",
    xml: `<ContinuationToken/><ContinuationToken/>${NO}${ONE}`,
    outcome: "refused",
  },
  { field: "Name", form: "right", xml: `<Name>bucket</Name>${NO}${ONE}`, outcome: "end" },
  { field: "Name", form: "missing", xml: NO + ONE, outcome: "end" },
  { field: "Name", form: "empty", xml: `<Name/>${NO}${ONE}`, outcome: "end" },
  { field: "Name", form: "respelled", xml: `<Name>Bucket</Name>${NO}${ONE}`, outcome: "refused" },
  { field: "Name", form: "contradicted", xml: `<Name>other</Name>${NO}`, outcome: "refused" },
  { field: "Name", form: "repeated", xml: `<Name>bucket</Name><Name>bucket</Name>${NO}`, outcome: "refused" },
  { field: "Prefix", form: "right", xml: `<Prefix>p/</Prefix>${NO}${ONE}`, outcome: "end" },
  { field: "Prefix", form: "empty", xml: `<Prefix/>${NO}${ONE}`, outcome: "end" },
  {
    field: "Prefix",
    form: "respelled",
    xml: `<EncodingType>url</EncodingType><Prefix>p%2F</Prefix>${NO}${ONE}`,
    outcome: "end",
  },
  { field: "Prefix", form: "contradicted", xml: `<Prefix>q/</Prefix>${NO}`, outcome: "refused" },
  {
    field: "Prefix",
    form: "repeated",
    xml: `<Prefix>p/</Prefix><Prefix>q/</Prefix>${NO}`,
    outcome: "refused",
  },
  {
    field: "CommonPrefixes",
    form: "contradicted",
    xml: `${NO}${ONE}<CommonPrefixes><Prefix>p/x/</Prefix></CommonPrefixes>`,
    outcome: "refused",
  },
  { field: "KeyCount", form: "right", xml: `<KeyCount>1</KeyCount>${NO}${ONE}`, outcome: "end" },
  { field: "KeyCount", form: "empty", xml: `<KeyCount/>${NO}${ONE}`, outcome: "end" },
  { field: "KeyCount", form: "other type", xml: `<KeyCount>one</KeyCount>${NO}${ONE}`, outcome: "refused" },
  {
    field: "KeyCount",
    form: "repeated",
    xml: `<KeyCount>1</KeyCount><KeyCount>1</KeyCount>${NO}${ONE}`,
    outcome: "refused",
  },
  { field: "KeyCount", form: "contradicted", xml: `<KeyCount>2</KeyCount>${NO}${ONE}`, outcome: "refused" },
  { field: "EncodingType", form: "empty", xml: `<EncodingType/>${NO}${ONE}`, outcome: "end" },
  {
    field: "EncodingType",
    form: "respelled",
    xml: `<EncodingType>URL</EncodingType>${NO}${key("p%2Fa")}`,
    outcome: "end",
  },
  {
    field: "EncodingType",
    form: "other type",
    xml: `<EncodingType>base64</EncodingType>${NO}${ONE}`,
    outcome: "refused",
  },
  { field: "Key", form: "missing", xml: `${NO}<Contents><Size>1</Size></Contents>`, outcome: "refused" },
  { field: "Key", form: "empty", xml: NO + key(""), outcome: "refused" },
  {
    field: "Key",
    form: "repeated",
    xml: NO + key("p/a", "<Key>p/b</Key><Size>1</Size>"),
    outcome: "refused",
  },
  { field: "Key", form: "contradicted", xml: NO + key("q/a"), outcome: "refused" },
  { field: "Contents", form: "repeated", xml: NO + ONE + ONE, outcome: "refused" },
  { field: "Size", form: "missing", xml: NO + key("p/a", ""), outcome: "refused" },
  { field: "Size", form: "empty", xml: NO + key("p/a", "<Size/>"), outcome: "refused" },
  { field: "Size", form: "respelled", xml: NO + key("p/a", "<Size> 1 </Size>"), outcome: "end" },
  { field: "Size", form: "other type", xml: NO + key("p/a", "<Size>1 KB</Size>"), outcome: "refused" },
  { field: "Size", form: "other type", xml: NO + key("p/a", "<Size>0x10</Size>"), outcome: "refused" },
  { field: "Size", form: "other type", xml: NO + key("p/a", "<Size>-1</Size>"), outcome: "refused" },
  { field: "Size", form: "other type", xml: NO + key("p/a", `<Size>${2 ** 60}</Size>`), outcome: "refused" },
  {
    field: "Size",
    form: "repeated",
    xml: NO + key("p/a", "<Size>1</Size><Size>2</Size>"),
    outcome: "refused",
  },
];

/** What becomes of the keys `a` and `b`, which are both still there, after DeleteObjects has said this. */
export const DELETE_FIELDS: readonly {
  readonly what: string;
  readonly xml: string;
  readonly deleted: readonly string[] | "bad_answer";
}[] = [
  {
    what: "both named",
    xml: "<Deleted><Key>a</Key></Deleted><Deleted><Key>b</Key></Deleted>",
    deleted: ["a", "b"],
  },
  { what: "nothing said", xml: "", deleted: [] },
  { what: "one not named", xml: "<Deleted><Key>a</Key></Deleted>", deleted: ["a"] },
  {
    what: "one refused",
    xml: "<Deleted><Key>a</Key></Deleted><Error><Key>b</Key><Code>AccessDenied</Code></Error>",
    deleted: ["a"],
  },
  {
    what: "a refusal without a code",
    xml: "<Deleted><Key>a</Key></Deleted><Error><Key>b</Key></Error>",
    deleted: ["a"],
  },
  {
    what: "one deleted and refused",
    xml: "<Deleted><Key>a</Key></Deleted><Error><Key>a</Key><Code>InternalError</Code></Error>",
    deleted: [],
  },
  {
    what: "a key twice",
    xml: "<Deleted><Key>a</Key></Deleted><Deleted><Key>a</Key></Deleted>",
    deleted: ["a"],
  },
  {
    what: "another key",
    xml: "<Deleted><Key>a</Key></Deleted><Deleted><Key>c</Key></Deleted>",
    deleted: "bad_answer",
  },
  { what: "another spelling", xml: "<Deleted><Key>A</Key></Deleted>", deleted: "bad_answer" },
  { what: "a deletion without a key", xml: "<Deleted/>", deleted: "bad_answer" },
  { what: "two keys in one", xml: "<Deleted><Key>a</Key><Key>b</Key></Deleted>", deleted: "bad_answer" },
  { what: "a refusal without a key", xml: "<Error><Code>AccessDenied</Code></Error>", deleted: "bad_answer" },
];
