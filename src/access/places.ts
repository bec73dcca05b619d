// What work reads and writes, as places that rights are held against. Pure.

import type { Place, Right, Touched } from "./rights.ts";

interface ObjectPlace {
  readonly store: string;
  readonly bucket: string;
  readonly key: string;
}

interface PrefixPlace {
  readonly store: string;
  readonly bucket: string;
  readonly prefix: string;
}

interface CopyPlaces {
  readonly source: ObjectPlace;
  readonly destination: ObjectPlace;
}

interface SyncPlaces {
  readonly source: PrefixPlace;
  readonly destination: PrefixPlace;
  readonly report?: PrefixPlace | null | undefined;
  readonly manifest?: ObjectPlace | undefined;
  readonly manifestFormat?: string | undefined;
}

/** Of a request or a spec: a folder that an object goes into counts as it is written. */
export function placesOfCopy({ source, destination }: CopyPlaces): Touched {
  return { source: [placeOfObject(source)], destination: [placeOfObject(destination)] };
}

/** A report is written as objects are, and a manifest read as they are. */
export function placesOfSync({ source, destination, report, manifest, manifestFormat }: SyncPlaces): Touched {
  const written = report === null || report === undefined ? [destination] : [destination, report];
  const named = manifest === undefined ? [] : [placeOfManifest(manifest, manifestFormat)];
  return { source: [placeOfPrefix(source), ...named], destination: written.map(placeOfPrefix) };
}

/** @param bucket null: all of them @param sides as which it is used */
export function placesOfStore(
  store: string,
  bucket: string | null,
  sides: readonly ("source" | "destination")[],
): Touched {
  const places = [{ store, bucket, name: "" }];
  return {
    source: sides.includes("source") ? places : [],
    destination: sides.includes("destination") ? places : [],
  };
}

/** `right`, and that to delete if the sync does. A dry run deletes nothing. */
export function withDelete(
  right: Right,
  {
    delete: deletes,
    versions,
    dryRun,
  }: {
    readonly delete?: boolean | undefined;
    readonly versions?: string | undefined;
    readonly dryRun?: boolean | undefined;
  },
): Right[] {
  // A history has delete markers, which hide what was written before.
  const hides = deletes === true || versions === "all";
  return hides && dryRun !== true ? [right, "delete"] : [right];
}

function placeOfObject({ store, bucket, key }: ObjectPlace): Place {
  return { store, bucket, name: key };
}

function placeOfPrefix({ store, bucket, prefix }: PrefixPlace): Place {
  return { store, bucket, name: prefix };
}

/**
 * A manifest.json names files, which are read as well: all of the folder that they must lie in, two names up
 * (listing/inventory.ts).
 */
function placeOfManifest({ store, bucket, key }: ObjectPlace, format: string | undefined): Place {
  const isInventory = format === "inventory" || /(^|\/)manifest\.json$/i.test(key);
  const folders = key.split("/").slice(0, -2);
  // With a part of a report, the parts that follow are read.
  const part = key.replace(/(\/report-)\d{6,}\.ndjson$/, "$1");
  return { store, bucket, name: isInventory ? folders.map((name) => `${name}/`).join("") : part };
}

/** A restore at the source is a write there: it costs money, and makes a copy for some days. */
export function withRestore(touched: Touched, request: object): Touched {
  const { ifArchived }: { readonly ifArchived?: unknown } = request;
  if (touched === "mesh" || typeof ifArchived !== "object" || ifArchived === null) return touched;
  const [from] = touched.source;
  return from === undefined ? touched : { ...touched, destination: [...touched.destination, from] };
}

/** In words: `from east:photos/a to west:backup/a`. */
export function describeTouched(touched: Touched): string {
  if (touched === "mesh") return "the whole mesh";
  return [
    ...(touched.source.length === 0 ? [] : [`from ${describePlaces(touched.source)}`]),
    ...(touched.destination.length === 0 ? [] : [`to ${describePlaces(touched.destination)}`]),
  ].join(" ");
}

function describePlaces(places: readonly Place[]): string {
  return places
    .map(({ store, bucket, name }) => (bucket === null ? store : `${store}:${bucket}/${name}`))
    .join(", ");
}
