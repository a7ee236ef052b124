import { encodeCommandBatch, logIndex } from '@quorate/consensus';
import { InvariantViolation } from '@quorate/foundation';
import { describe, expect, it } from 'vitest';
import {
  decodeResult,
  encodeCommand,
  type KvResult,
  KvStateMachine,
  NO_CONDITION,
} from './index.ts';

// Stories of stores that lost, repeated or reordered what their log said. The ids are those of
// docs/internals/bug-catalogue.md.

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

interface Asked {
  readonly key: string;
  readonly value?: string;
  readonly revision?: number;
  readonly session?: readonly [client: number, sequence: number];
}

/** Without a value a delete. */
function commandOf({ key, value, revision, session }: Asked): Uint8Array {
  return encodeCommand({
    operation: value === undefined ? 'delete' : 'put',
    key: text(key),
    value: text(value ?? ''),
    condition: revision === undefined ? NO_CONDITION : { kind: 'revision', revision },
    request:
      session === undefined
        ? null
        : {
            clientId: new Uint8Array(16).fill(session[0]),
            sequence: session[1],
            answeredThrough: 0,
          },
  });
}

/** Applies one entry with these commands at the next index. */
function apply(kv: KvStateMachine, ...asked: readonly Asked[]): KvResult[] {
  const batch = encodeCommandBatch({ proposedAtMicros: 1, commands: asked.map(commandOf) });
  return kv.apply(logIndex(kv.appliedIndex + 1), batch).map(decodeResult);
}

function slicesOf(kv: KvStateMachine, meanwhile: () => void = () => {}): Uint8Array[] {
  const reader = kv.snapshot();
  const slices: Uint8Array[] = [];
  for (let slice = reader.next(40); slice !== null; slice = reader.next(40)) {
    slices.push(slice);
    meanwhile();
  }
  return slices;
}

function restored(slices: readonly Uint8Array[]): KvStateMachine {
  const kv = new KvStateMachine();
  slices.forEach((slice, i) => {
    kv.restore(slice, i === slices.length - 1);
  });
  return kv;
}

const textAt = (kv: KvStateMachine, key: string): string | null => {
  const found = kv.get(text(key));
  return found === null ? null : new TextDecoder().decode(found.value);
};

describe('state and index', () => {
  it('KV-01: an image says which entry it ends with: replay skips none and repeats none', () => {
    const entries: Asked[] = [1, 2, 3, 4, 5].map((i) => ({ key: 'log', value: `${i}` }));
    const whole = new KvStateMachine();
    const images = entries.map((entry) => {
      apply(whole, entry);
      return slicesOf(whole);
    });
    images.forEach((image, i) => {
      const kv = restored(image);
      expect(kv.appliedIndex).toBe(i + 1);
      expect(textAt(kv, 'log')).toBe(`${i + 1}`);
      const again = encodeCommandBatch({ proposedAtMicros: 1, commands: [] });
      expect(() => kv.apply(logIndex(i + 1), again)).toThrow(InvariantViolation);
      for (const entry of entries.slice(i + 1)) apply(kv, entry);
      expect(kv.digest()).toBe(whole.digest());
    });
  });

  it('KV-05: the revision survives a compaction that leaves no key behind', () => {
    const kv = new KvStateMachine();
    for (let i = 2; i <= 8; i++) apply(kv, { key: `k${i % 3}`, value: `${i}` });
    for (const key of ['k0', 'k1', 'k2']) apply(kv, { key });
    expect([kv.keys, kv.revision]).toEqual([0, 10]);
    const again = restored(slicesOf(kv));
    expect([again.keys, again.revision]).toEqual([0, 10]);
    const [put] = apply(again, { key: 'k0', value: 'new' });
    expect(put?.revision).toBe(11);
    const [stale] = apply(again, { key: 'k0', value: 'stale', revision: 8 });
    expect(stale?.status).toBe('cas_mismatch');
  });

  it('ZB-24: an image cut while entries go on holds none of them, not even half of one', () => {
    const kv = new KvStateMachine();
    for (let i = 0; i < 20; i++) apply(kv, { key: `k${i}`, value: 'old', session: [1, i + 1] });
    const digest = kv.digest();
    const later: Asked[][] = [];
    const image = slicesOf(kv, () => {
      // A multi-operation entry that is not idempotent: a delete and puts that depend on it.
      const i = later.length % 20;
      const entry = [{ key: `k${i}` }, { key: `k${i}`, value: 'new' }, { key: `k${19 - i}` }];
      later.push(entry);
      apply(kv, ...entry);
    });
    expect(later.length).toBeGreaterThan(10);
    const again = restored(image);
    expect(again.digest()).toBe(digest);
    for (const entry of later) apply(again, ...entry);
    expect(again.digest()).toBe(kv.digest());
  });
});

describe('retries', () => {
  it('KV-18, MP-14: a command in two slots happens once, also behind a restored image', () => {
    const kv = new KvStateMachine();
    const asked: Asked = { key: 'counter', value: 'one', session: [7, 1] };
    const [first] = apply(kv, asked);
    apply(kv, { key: 'counter', value: 'two', session: [8, 1] });
    // The client asked the next leader too; its second slot comes behind somebody else's write.
    const [second] = apply(kv, asked);
    expect(second).toEqual({ ...first, replayed: true });
    expect(textAt(kv, 'counter')).toBe('two');
    const again = restored(slicesOf(kv));
    const [third] = apply(again, asked);
    expect(third).toEqual({ ...first, replayed: true });
    expect([textAt(again, 'counter'), again.revision]).toEqual(['two', 2]);
    // Even inside one entry.
    const twice: Asked = { key: 'counter', value: 'three', session: [7, 2] };
    expect(apply(again, twice, twice).map(({ replayed }) => replayed)).toEqual([false, true]);
    expect(again.revision).toBe(3);
  });
});
