// The stores that the interop run copies between, as the mesh, the clients and the tests reach them. Pure.

/** One bucket of one store, and the prefix below which this run works. */
export interface StoreAccess {
  /** The mesh's name for it: STORE_<NAME>. */
  readonly name: string;
  /** The name for people. */
  readonly title: string;
  readonly endpoint: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly bucket: string;
  /** Empty, or ends in a slash. */
  readonly prefix: string;
  /** Fields of STORE_<NAME> beside endpoint, region and credentials. */
  readonly fields: Readonly<Record<string, unknown>>;
  readonly facts: Facts;
}

/** Everything needed to start another gateway of a store, even from another process. */
export interface GatewayPlace {
  readonly directory: string;
  /** One that always runs, or one that tests may kill. */
  readonly name: "steady" | "mortal";
}

/** What a store can do, as a client has found out before any test. */
export interface Facts {
  /** `If-None-Match: *` on PutObject keeps what is there. */
  readonly conditionalPut: boolean;
  readonly tags: boolean;
  readonly listsParts: boolean;
  readonly listsUploads: boolean;
  /** HEAD with `partNumber` reports the size of that part. */
  readonly tellsParts: boolean;
  /** Parts of one upload may differ in size. */
  readonly unequalParts: boolean;
  /** CopyObject and UploadPartCopy, on condition that the source has a certain ETag. */
  readonly copiesInside: boolean;
  readonly copiesPartsInside: boolean;
}

/** For a store that has not been asked yet. */
export const NO_FACTS: Facts = {
  conditionalPut: false,
  tags: false,
  listsParts: false,
  listsUploads: false,
  tellsParts: false,
  unequalParts: false,
  copiesInside: false,
  copiesPartsInside: false,
};

export interface Pair {
  readonly source: StoreAccess;
  readonly destination: StoreAccess;
  readonly title: string;
}

/** Every ordered pair of two different stores. */
export function pairsOf(stores: readonly StoreAccess[]): Pair[] {
  return stores.flatMap((source) =>
    stores
      .filter((destination) => destination !== source)
      .map((destination) => ({ source, destination, title: `${source.title} → ${destination.title}` })),
  );
}

/** The value of STORE_<NAME>. */
export function secretOf(store: StoreAccess, endpoint = store.endpoint): string {
  const { region, accessKeyId, secretAccessKey, fields } = store;
  return JSON.stringify({ ...fields, endpoint, region, accessKeyId, secretAccessKey });
}

/** An object or a prefix as a request to the mesh names it. */
export function place(
  store: StoreAccess,
  name: string,
  as = store.name,
): { store: string; bucket: string; key: string } {
  return { store: as, bucket: store.bucket, key: store.prefix + name };
}
