import type { WalRecord } from '@quorate/consensus';

/**
 * The identity of a transaction: the epoch of the primary that broadcast it and its place in that
 * epoch, from 1. Always two numbers: one 64-bit number would not fit a JavaScript number, and the
 * order of the pair is the protocol's own (DSN'11, section III).
 */
export interface Zxid {
  readonly epoch: number;
  readonly counter: number;
}

/** The zxid before the first transaction. */
export const NO_ZXID: Zxid = { epoch: 0, counter: 0 };

/** The last counter of an epoch: ZooKeeper keeps 32 bits for it. Beyond it a new epoch begins. */
export const COUNTER_MAX = 0xffff_ffff;

/** A bound on epochs taken from peers, far below 2^53, so that "one more" is always exact. */
export const EPOCH_MAX = 2 ** 48;

/** Orders zxids: by epoch, then by counter. Negative when `a` is earlier. */
export function compareZxid(a: Zxid, b: Zxid): number {
  return a.epoch === b.epoch ? a.counter - b.counter : a.epoch - b.epoch;
}

/** The zxid of a transaction as it stands in the log. */
export function zxidOf(record: WalRecord): Zxid {
  return { epoch: record.round, counter: record.counter };
}

/** `<epoch,counter>`, the notation of the paper and of the bug catalogue. */
export function formatZxid(zxid: Zxid): string {
  return `<${zxid.epoch},${zxid.counter}>`;
}

/**
 * True when `next` may stand directly behind `last` in a history: the next counter of the same
 * epoch, or the first counter of a later one (a primary numbers its transactions without a gap).
 */
export function succeeds(last: Zxid, next: Zxid): boolean {
  if (next.epoch === last.epoch) return next.counter === last.counter + 1;
  return next.epoch > last.epoch && next.counter === 1;
}
