import { assert, type Random } from '@quorate/foundation';

/** The operations of a workload; the place of a kind in this list is its code in typed arrays. */
export const OPERATION_KINDS = ['put', 'get', 'delete', 'cas'] as const;

/** One of {@link OPERATION_KINDS}. */
export type OperationKind = (typeof OPERATION_KINDS)[number];

/** Weights by kind, in any unit; absent is 0. */
export type OperationMix = { readonly [kind in OperationKind]?: number };

/** Code of `put` in typed arrays. */
export const PUT = 0;
/** Code of `get` in typed arrays. */
export const GET = 1;
/** Code of `delete` in typed arrays. */
export const DELETE = 2;
/** Code of `cas` in typed arrays. */
export const CAS = 3;

/** Opens a stream of operation codes with the shares of `mix`. */
export function createKindChooser(mix: OperationMix, random: Random): () => number {
  const cumulative: number[] = [];
  let total = 0;
  for (const kind of OPERATION_KINDS) {
    const weight = mix[kind] ?? 0;
    assert(weight >= 0 && Number.isFinite(weight), 'a weight is 0 or more');
    total += weight;
    cumulative.push(total);
  }
  assert(total > 0, 'a mix has at least one operation');
  return () => {
    const drawn = random.fraction() * total;
    return cumulative.findIndex((bound) => drawn < bound);
  };
}

/** True for operations that carry a new value and so a write number. */
export function writesValue(kindCode: number): boolean {
  return kindCode === PUT || kindCode === CAS;
}
