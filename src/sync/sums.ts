// Sums of keys and bytes, and of what is restored. Pure.

export interface Sum {
  readonly objects: number;
  readonly bytes: number;
}

export const NO_SUM: Sum = { objects: 0, bytes: 0 };

export function addTo(sum: Sum, objects: number, bytes: number): Sum {
  return { objects: sum.objects + objects, bytes: sum.bytes + bytes };
}

/** Without these keys. */
export function takenFrom(sum: Sum, keys: readonly { readonly sizeBytes: number }[]): Sum {
  return addTo(sum, -keys.length, -keys.reduce((bytes, { sizeBytes }) => bytes + sizeBytes, 0));
}

/** `asked`: taken in to be restored, in a dry run too. `readable`: of these, so many could be read. */
export interface Restores {
  readonly asked: number;
  readonly readable: number;
  readonly byClass: Readonly<Record<string, Sum>>;
}

export const NO_RESTORES: Restores = { asked: 0, readable: 0, byClass: {} };

/** One more that is restored. */
export function addRestore(restores: Restores, storageClass: string, sizeBytes: number): Restores {
  const sum = addTo(restores.byClass[storageClass] ?? NO_SUM, 1, sizeBytes);
  return { ...restores, asked: restores.asked + 1, byClass: { ...restores.byClass, [storageClass]: sum } };
}
