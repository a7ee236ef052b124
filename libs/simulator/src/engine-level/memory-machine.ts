import { type CommittedEntry, EntryType, type LogIndex } from '@quorate/consensus';
import { assert } from '@quorate/foundation';

/** A snapshot's content: the key of every entry up to its index. */
export interface MachineImage {
  readonly index: LogIndex;
  readonly keys: readonly string[];
}

const DECODER = new TextDecoder();

/** Names an entry by type and payload, never by its round: what two replicas must agree on. */
export function entryKey(type: EntryType, payload: Uint8Array): string {
  if (type === EntryType.command) return `command:${DECODER.decode(payload)}`;
  return type === EntryType.noop ? 'noop:' : `membership:${DECODER.decode(payload)}`;
}

/** The state machine of engine-level runs: it remembers which entries were applied, in order. */
export class MemoryMachine {
  private keys: string[] = [];

  /** The last applied index. */
  get applied(): LogIndex {
    return this.keys.length as LogIndex;
  }

  /** Applies the next entry. */
  apply(entry: CommittedEntry): void {
    assert(entry.index === this.keys.length + 1, 'entries are applied in order, without gaps');
    this.keys.push(entryKey(entry.type, entry.payload));
  }

  /** Cuts a snapshot at the applied index. */
  image(): MachineImage {
    return { index: this.applied, keys: this.keys.slice() };
  }

  /** Replaces the state by a snapshot's. */
  restore(image: MachineImage): void {
    this.keys = image.keys.slice();
  }

  /** The keys of all applied entries; the one of index i stands at i - 1. */
  appliedKeys(): readonly string[] {
    return this.keys;
  }
}

/** 64 hexadecimal digits that stand for the SHA-256 of a snapshot's file. */
export function imageDigest(image: MachineImage): string {
  let digest = '';
  for (let lane = 0; lane < 8; lane++) {
    let hash = 0x811c9dc5 ^ lane;
    for (const key of image.keys) {
      for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
      hash = Math.imul(hash ^ 0xff, 0x01000193);
    }
    digest += (hash >>> 0).toString(16).padStart(8, '0');
  }
  return digest;
}
