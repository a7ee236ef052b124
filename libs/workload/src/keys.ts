import { assert, type Random, unreachable } from '@quorate/foundation';

/** How operations are spread over keys, which are numbers from 0 to `keyCount` - 1. */
export type KeyDistribution =
  | { readonly kind: 'uniform' }
  /** Key k with weight 1 / (k + 1)^exponent; 0.99 is YCSB's usual choice. */
  | { readonly kind: 'zipf'; readonly exponent: number }
  /** `hotShare` of the operations go to the first `hotKeys` keys, the rest to the others. */
  | { readonly kind: 'hot'; readonly hotKeys: number; readonly hotShare: number }
  /** Each client walks through all keys in order, from a place of its own. */
  | { readonly kind: 'sequential' }
  /** `share` of the keys are common to all clients; each other key belongs to one client. */
  | { readonly kind: 'overlap'; readonly share: number };

/** The names that a scenario may use. */
export const KEY_DISTRIBUTIONS: readonly KeyDistribution['kind'][] = [
  'uniform',
  'zipf',
  'hot',
  'sequential',
  'overlap',
];

/** Keys of one workload; a zipf table takes 8 bytes for each. */
export const KEY_COUNT_MAX = 4_194_304;

/** What {@link createKeyChooser} needs. */
export interface KeyChooserOptions {
  readonly distribution: KeyDistribution;
  readonly keyCount: number;
  /** This client, from 0, of `clients`; only `sequential` and `overlap` ask. */
  readonly client: number;
  readonly clients: number;
  readonly random: Random;
}

/** Gives the key of the next operation. */
export type KeyChooser = () => number;

/** Opens a stream of keys for one client; equal options and streams give equal keys. */
export function createKeyChooser(options: KeyChooserOptions): KeyChooser {
  const { distribution, keyCount, client, clients, random } = options;
  assert(Number.isInteger(keyCount) && keyCount >= 1, 'there is at least one key');
  assert(keyCount <= KEY_COUNT_MAX, `at most ${KEY_COUNT_MAX} keys`);
  assert(client >= 0 && client < clients, 'the client is one of the clients');
  switch (distribution.kind) {
    case 'uniform':
      return () => random.below(keyCount);
    case 'zipf':
      return zipfKeys(distribution.exponent, keyCount, random);
    case 'hot':
      return hotKeys(distribution.hotKeys, distribution.hotShare, keyCount, random);
    case 'sequential':
      return sequentialKeys(Math.floor((client * keyCount) / clients), keyCount);
    case 'overlap':
      return overlapKeys(distribution.share, options);
    default:
      return unreachable(distribution, 'unknown key distribution');
  }
}

/** The name of a key in stores and histories. */
export function keyName(key: number): string {
  return `k${key}`;
}

const zipfTables = new Map<string, Float64Array>();
const ZIPF_TABLES_MAX = 8;

function zipfKeys(exponent: number, keyCount: number, random: Random): KeyChooser {
  assert(exponent >= 0 && Number.isFinite(exponent), 'a zipf exponent is 0 or more');
  const cumulative = zipfTable(exponent, keyCount);
  const total = cumulative[keyCount - 1] as number;
  return () => {
    const drawn = random.fraction() * total;
    let low = 0;
    let high = keyCount - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((cumulative[middle] as number) > drawn) high = middle;
      else low = middle + 1;
    }
    return low;
  };
}

// All clients of a workload share one table: it depends on nothing but these two numbers.
function zipfTable(exponent: number, keyCount: number): Float64Array {
  const name = `${exponent} ${keyCount}`;
  const known = zipfTables.get(name);
  if (known !== undefined) return known;
  const cumulative = new Float64Array(keyCount);
  let sum = 0;
  for (let key = 0; key < keyCount; key++) {
    sum += 1 / (key + 1) ** exponent;
    cumulative[key] = sum;
  }
  if (zipfTables.size >= ZIPF_TABLES_MAX) zipfTables.clear();
  zipfTables.set(name, cumulative);
  return cumulative;
}

function hotKeys(hot: number, hotShare: number, keyCount: number, random: Random): KeyChooser {
  assert(Number.isInteger(hot) && hot >= 1 && hot <= keyCount, 'hot keys are some of the keys');
  assert(hotShare >= 0 && hotShare <= 1, 'a share is 0 to 1');
  const cold = keyCount - hot;
  return () => {
    if (cold === 0 || random.fraction() < hotShare) return random.below(hot);
    return hot + random.below(cold);
  };
}

function sequentialKeys(start: number, keyCount: number): KeyChooser {
  let next = start;
  return () => {
    const key = next;
    next = (next + 1) % keyCount;
    return key;
  };
}

function overlapKeys(share: number, options: KeyChooserOptions): KeyChooser {
  const { keyCount, client, clients, random } = options;
  assert(share >= 0 && share <= 1, 'a share is 0 to 1');
  const common = Math.round(share * keyCount);
  const own = keyCount - common;
  const from = common + Math.floor((client * own) / clients);
  const ownCount = common + Math.floor(((client + 1) * own) / clients) - from;
  assert(common + ownCount >= 1, 'each client has a key: fewer clients, more keys or more overlap');
  return () => {
    const drawn = random.below(common + ownCount);
    return drawn < common ? drawn : from + (drawn - common);
  };
}
