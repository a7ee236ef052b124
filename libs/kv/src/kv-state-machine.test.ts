import { encodeCommandBatch, logIndex } from '@quorate/consensus';
import { InvariantViolation, MalformedBytes } from '@quorate/foundation';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeResult,
  encodeCommand,
  type KvCommand,
  type KvCondition,
  type KvResult,
  KvStateMachine,
  NO_CONDITION,
} from './index.ts';

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const client = (n: number): Uint8Array => new Uint8Array(16).fill(n);

interface Asked {
  readonly key: string;
  readonly value?: string | null;
  readonly condition?: KvCondition;
  readonly session?: readonly [client: number, sequence: number, answeredThrough?: number];
}

/** `value: null` (or none) is a delete. */
function command(asked: Asked): KvCommand {
  const { key, value, condition, session } = asked;
  return {
    operation: typeof value === 'string' ? 'put' : 'delete',
    key: text(key),
    value: text(value ?? ''),
    condition: condition ?? NO_CONDITION,
    request:
      session === undefined
        ? null
        : { clientId: client(session[0]), sequence: session[1], answeredThrough: session[2] ?? 0 },
  };
}

const batch = (asked: readonly Asked[], proposedAtMicros = 1): Uint8Array =>
  encodeCommandBatch({ proposedAtMicros, commands: asked.map((a) => encodeCommand(command(a))) });

function apply(kv: KvStateMachine, ...asked: Asked[]): KvResult[] {
  return kv.apply(logIndex(kv.appliedIndex + 1), batch(asked)).map(decodeResult);
}

function snapshotOf(kv: KvStateMachine, sliceBytes = 1000): Uint8Array[] {
  const reader = kv.snapshot();
  const slices: Uint8Array[] = [];
  for (let slice = reader.next(sliceBytes); slice !== null; slice = reader.next(sliceBytes)) {
    slices.push(slice);
  }
  return slices;
}

function restored(slices: readonly Uint8Array[], kv = new KvStateMachine()): KvStateMachine {
  slices.forEach((slice, i) => {
    kv.restore(slice, i === slices.length - 1);
  });
  return kv;
}

describe('commands', () => {
  const cases: [string, Asked[], Asked, Partial<KvResult>, string | null][] = [
    ['put makes a key', [], { key: 'a', value: '1' }, { revision: 1, created: true }, '1'],
    [
      'put replaces',
      [{ key: 'a', value: '1' }],
      { key: 'a', value: '2' },
      { revision: 2, created: false },
      '2',
    ],
    [
      'delete removes',
      [{ key: 'a', value: '1' }],
      { key: 'a' },
      { revision: 2, deleted: true },
      null,
    ],
    ['deleting nothing is no error and no change', [], { key: 'a' }, { revision: 0 }, null],
    [
      'put if the revision matches',
      [{ key: 'a', value: '1' }],
      { key: 'a', value: '2', condition: { kind: 'revision', revision: 1 } },
      { revision: 2 },
      '2',
    ],
    [
      'no put if the revision differs',
      [
        { key: 'a', value: '1' },
        { key: 'b', value: '1' },
      ],
      { key: 'a', value: '2', condition: { kind: 'revision', revision: 2 } },
      { status: 'cas_mismatch', revision: 2, currentRevision: 1 },
      '1',
    ],
    [
      'no put by revision if the key is absent',
      [],
      { key: 'a', value: '2', condition: { kind: 'revision', revision: 0 } },
      { status: 'cas_mismatch', currentRevision: 0 },
      null,
    ],
    [
      'put if absent',
      [],
      { key: 'a', value: '2', condition: { kind: 'absent' } },
      { created: true, revision: 1 },
      '2',
    ],
    [
      'no put if present',
      [{ key: 'a', value: '1' }],
      { key: 'a', value: '2', condition: { kind: 'absent' } },
      { status: 'cas_mismatch', currentRevision: 1, revision: 1 },
      '1',
    ],
    [
      'put if the value matches',
      [{ key: 'a', value: '1' }],
      { key: 'a', value: '2', condition: { kind: 'value', value: text('1') } },
      { revision: 2 },
      '2',
    ],
    [
      'no put if the value differs',
      [{ key: 'a', value: '1' }],
      { key: 'a', value: '2', condition: { kind: 'value', value: text('10') } },
      { status: 'cas_mismatch', currentRevision: 1 },
      '1',
    ],
    [
      'an empty value is a value',
      [{ key: 'a', value: '' }],
      { key: 'a', value: '2', condition: { kind: 'value', value: text('') } },
      { revision: 2 },
      '2',
    ],
    [
      'no delete if the revision differs',
      [{ key: 'a', value: '1' }],
      { key: 'a', condition: { kind: 'revision', revision: 9 } },
      { status: 'cas_mismatch', currentRevision: 1, deleted: false },
      '1',
    ],
  ];

  it.each(cases)('%s', (_name, before, asked, expected, value) => {
    const kv = new KvStateMachine();
    apply(kv, ...before);
    expect(apply(kv, asked)[0]).toMatchObject({ status: 'ok', ...expected });
    const found = kv.get(text('a'));
    expect(found === null ? null : new TextDecoder().decode(found.value)).toBe(value);
  });

  it('names keys by all their bytes, __proto__ and high bytes included', () => {
    const kv = new KvStateMachine();
    const keys = [[0], [0, 0], [128], [0xc2, 0x80], [...text('__proto__')], [255, 254]];
    keys.forEach((key, i) => {
      const one = { ...command({ key: 'x', value: `${i}` }), key: Uint8Array.from(key) };
      const commands = [encodeCommand(one)];
      kv.apply(logIndex(i + 1), encodeCommandBatch({ proposedAtMicros: 1, commands }));
    });
    keys.forEach((key, i) => {
      expect(kv.get(Uint8Array.from(key))?.value).toEqual(text(`${i}`));
    });
    expect(kv.keys).toBe(keys.length);
  });

  it('gives a result to bytes that are no command', () => {
    const kv = new KvStateMachine();
    const commands = [Uint8Array.from([1, 2, 3]), encodeCommand(command({ key: 'a', value: '1' }))];
    const results = kv.apply(logIndex(1), encodeCommandBatch({ proposedAtMicros: 1, commands }));
    expect(results.map((r) => decodeResult(r).status)).toEqual(['invalid_command', 'ok']);
  });

  it('keeps no view into the batch', () => {
    const kv = new KvStateMachine();
    for (const bytes of [
      batch([{ key: 'a', value: 'kept' }]),
      Buffer.from(batch([{ key: 'a', value: 'kept' }])),
    ]) {
      kv.apply(logIndex(kv.appliedIndex + 1), bytes);
      bytes.fill(0);
      expect(kv.get(text('a'))?.value).toEqual(text('kept'));
    }
  });

  it('refuses an index twice', () => {
    const kv = new KvStateMachine();
    kv.apply(logIndex(3), batch([{ key: 'a', value: '1' }]));
    expect(() => kv.apply(logIndex(3), batch([]))).toThrow(InvariantViolation);
  });
});

describe('client sessions (Raft thesis, section 6.3)', () => {
  it('answer a repetition with the first result', () => {
    const kv = new KvStateMachine();
    const asked: Asked = { key: 'a', value: '1', session: [1, 1] };
    const [first] = apply(kv, asked);
    apply(kv, { key: 'a', value: '2' });
    expect(apply(kv, asked)[0]).toEqual({ ...first, replayed: true });
    expect(kv.get(text('a'))).toMatchObject({ value: text('2'), revision: 2 });
  });

  it('answer a failed condition with the same failure', () => {
    const kv = new KvStateMachine();
    const asked: Asked = {
      key: 'a',
      value: '1',
      condition: { kind: 'revision', revision: 7 },
      session: [1, 1],
    };
    expect(apply(kv, asked)[0]?.status).toBe('cas_mismatch');
    apply(kv, { key: 'a', value: '2' });
    expect(apply(kv, asked)[0]).toMatchObject({
      status: 'cas_mismatch',
      currentRevision: 0,
      replayed: true,
    });
  });

  it('refuse the same sequence with another body', () => {
    const kv = new KvStateMachine();
    const condition: KvCondition = { kind: 'absent' };
    apply(kv, { key: 'a', value: '1', session: [1, 1] });
    for (const other of [
      { key: 'a', value: '2', session: [1, 1] },
      { key: 'b', value: '1', session: [1, 1] },
      { key: 'a', session: [1, 1] },
      { key: 'a', value: '1', condition, session: [1, 1] },
    ] satisfies Asked[]) {
      expect(apply(kv, other)[0]).toMatchObject({ status: 'duplicate_request', replayed: false });
    }
    expect(kv.revision).toBe(1);
  });

  it('take requests out of order, each once', () => {
    const kv = new KvStateMachine();
    for (const sequence of [3, 1, 2, 3, 1, 2]) {
      apply(kv, { key: `k${sequence}`, value: 'v', session: [1, sequence] });
    }
    expect(kv.revision).toBe(3);
  });

  it('forget what the client says it has the answers to', () => {
    const kv = new KvStateMachine();
    apply(kv, { key: 'a', value: '1', session: [1, 1] }, { key: 'a', value: '2', session: [1, 2] });
    apply(kv, { key: 'a', value: '3', session: [1, 3, 2] });
    expect(apply(kv, { key: 'a', value: '2', session: [1, 2] })[0]?.status).toBe(
      'sequence_forgotten',
    );
    expect(apply(kv, { key: 'a', value: '3', session: [1, 3] })[0]?.replayed).toBe(true);
  });

  it('never execute a sequence that fell out of the window', () => {
    const kv = new KvStateMachine({ sessionsMax: 2, resultsPerSessionMax: 2 });
    for (const sequence of [2, 3, 4]) {
      apply(kv, { key: 'a', value: 'v', session: [1, sequence] });
    }
    for (const sequence of [1, 2]) {
      const [result] = apply(kv, { key: 'a', value: 'v', session: [1, sequence] });
      expect(result?.status).toBe('sequence_forgotten');
    }
    expect(kv.revision).toBe(3);
  });

  it('evict the least recently used session', () => {
    const kv = new KvStateMachine({ sessionsMax: 2, resultsPerSessionMax: 2 });
    const asked = (n: number): Asked => ({ key: `k${n}`, value: 'v', session: [n, 1] });
    apply(kv, asked(1), asked(2), asked(1), asked(3));
    expect(apply(kv, asked(1))[0]?.replayed).toBe(true);
    expect(apply(kv, asked(3))[0]?.replayed).toBe(true);
    expect(apply(kv, asked(2))[0]?.replayed).toBe(false);
  });
});

const askedArbitrary: fc.Arbitrary<Asked> = fc
  .record({
    key: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', '\u00e9'),
    value: fc.option(fc.string({ maxLength: 30 })),
    condition: fc.oneof(
      { weight: 3, arbitrary: fc.constant(NO_CONDITION) },
      { weight: 1, arbitrary: fc.constant<KvCondition>({ kind: 'absent' }) },
      {
        weight: 1,
        arbitrary: fc.nat(12).map((revision): KvCondition => ({ kind: 'revision', revision })),
      },
    ),
    session: fc.option(fc.tuple(fc.nat(4), fc.integer({ min: 1, max: 8 }), fc.nat(3))),
  })
  .map(({ session, ...rest }) => (session === null ? rest : { ...rest, session }));
const batches = fc.array(fc.array(askedArbitrary, { maxLength: 6 }), { maxLength: 25 });
const LIMITS = { sessionsMax: 3, resultsPerSessionMax: 3 };

/** What the store must be, kept the simplest way: one Map, no sessions. */
function applyToModel(model: Map<string, { value: string; revision: number }>, asked: Asked): void {
  const before = model.get(asked.key);
  const { condition } = asked;
  if (condition?.kind === 'absent' && before !== undefined) return;
  if (condition?.kind === 'revision' && before?.revision !== condition.revision) return;
  let revision = 0;
  for (const entry of model.values()) revision = Math.max(revision, entry.revision);
  const at = Math.max(revision, modelRevision.get(model) ?? 0) + 1;
  if (typeof asked.value === 'string') model.set(asked.key, { value: asked.value, revision: at });
  else if (!model.delete(asked.key)) return;
  modelRevision.set(model, at);
}
const modelRevision = new WeakMap<object, number>();

describe('properties', () => {
  it('without sessions the store is a Map with revisions', () => {
    fc.assert(
      fc.property(batches, (all) => {
        const kv = new KvStateMachine();
        const model = new Map<string, { value: string; revision: number }>();
        for (const asked of all) {
          const bare = asked.map(({ session: _, ...rest }) => rest);
          apply(kv, ...bare);
          for (const one of bare) applyToModel(model, one);
        }
        expect(kv.keys).toBe(model.size);
        expect(kv.revision).toBe(modelRevision.get(model) ?? 0);
        for (const [key, entry] of model) {
          expect(kv.get(text(key))).toMatchObject({
            value: text(entry.value),
            revision: entry.revision,
          });
        }
      }),
    );
  });

  it('apply is pure: same batches, same results, whatever the stamps and the buffers', () => {
    fc.assert(
      fc.property(batches, (all) => {
        const one = new KvStateMachine(LIMITS);
        const other = new KvStateMachine(LIMITS);
        all.forEach((asked, i) => {
          const padded = new Uint8Array(batch(asked, 77).length + 9).fill(7);
          padded.set(batch(asked, 77), 5);
          const view = padded.subarray(5, padded.length - 4);
          const results = other.apply(logIndex(i + 1), view);
          expect(results).toEqual(one.apply(logIndex(i + 1), batch(asked)));
          expect(one.digest()).toBe(other.digest());
        });
      }),
    );
  });

  it('each (client, sequence) changes the state at most once (C10)', () => {
    fc.assert(
      fc.property(batches, (all) => {
        const kv = new KvStateMachine();
        const changes = new Map<string, number>();
        for (const asked of all.flat()) {
          const before = kv.revision;
          const [result] = apply(kv, asked);
          if (kv.revision === before) continue;
          expect(kv.revision).toBe(before + 1); // K2
          expect(result).toMatchObject({ status: 'ok', replayed: false });
          if (asked.session === undefined) continue;
          const name = `${asked.session[0]}/${asked.session[1]}`;
          changes.set(name, (changes.get(name) ?? 0) + 1);
        }
        for (const count of changes.values()) expect(count).toBe(1);
      }),
    );
  });

  it('restore and replay of the rest equals replay of all (C8)', () => {
    fc.assert(
      fc.property(
        batches,
        fc.nat(25),
        fc.integer({ min: 1, max: 90 }),
        (all, cutAt, sliceBytes) => {
          const replayed = new KvStateMachine(LIMITS);
          let slices: Uint8Array[] = snapshotOf(replayed, sliceBytes);
          let cut = 0;
          all.forEach((asked, i) => {
            apply(replayed, ...asked);
            if (i !== cutAt) return;
            slices = snapshotOf(replayed, sliceBytes);
            cut = i + 1;
          });
          const kv = restored(slices, new KvStateMachine(LIMITS));
          for (const asked of all.slice(cut)) apply(kv, ...asked);
          expect(kv.digest()).toBe(replayed.digest());
        },
      ),
    );
  });
});

describe('snapshots', () => {
  it('stay cut while apply goes on', () => {
    fc.assert(
      fc.property(batches, batches, fc.integer({ min: 1, max: 60 }), (before, during, size) => {
        const kv = new KvStateMachine(LIMITS);
        for (const asked of before) apply(kv, ...asked);
        const digest = kv.digest();
        const reader = kv.snapshot();
        const slices: Uint8Array[] = [];
        const rest = [...during];
        for (let slice = reader.next(size); slice !== null; slice = reader.next(size)) {
          slices.push(slice);
          const asked = rest.shift();
          if (asked !== undefined) apply(kv, ...asked);
        }
        expect(restored(slices, new KvStateMachine(LIMITS)).digest()).toBe(digest);
      }),
      { numRuns: 300 },
    );
  });

  it('may be sliced anywhere on the way back', () => {
    const kv = new KvStateMachine();
    for (let i = 0; i < 40; i++) {
      apply(kv, { key: `key ${i}`, value: 'v'.repeat(i * 40), session: [i % 3, i + 1] });
    }
    const whole = Buffer.concat(snapshotOf(kv));
    for (const step of [1, 7, 129, whole.length]) {
      const slices: Uint8Array[] = [];
      for (let at = 0; at < whole.length; at += step) slices.push(whole.subarray(at, at + step));
      expect(restored(slices).digest()).toBe(kv.digest());
    }
  });

  it('are refused when cut short, lengthened or changed where it matters', () => {
    const kv = new KvStateMachine();
    apply(kv, { key: 'a', value: '1', session: [1, 1] }, { key: 'b', value: '2' });
    const whole = Buffer.concat(snapshotOf(kv));
    for (let length = 0; length < whole.length; length++) {
      expect(() => restored([whole.subarray(0, length)])).toThrow(MalformedBytes);
    }
    expect(() => restored([whole, whole])).toThrow(MalformedBytes);
    expect(() => restored([Buffer.concat([whole, Buffer.from([0x12])])])).toThrow(MalformedBytes);
    const other = new KvStateMachine({ sessionsMax: 1, resultsPerSessionMax: 1 });
    expect(() => restored([whole], other)).toThrow(/session limits/);
    for (let at = 0; at < whole.length; at++) {
      const flipped = Buffer.from(whole);
      flipped[at] = (flipped[at] as number) ^ 0x41;
      try {
        restored([flipped]);
      } catch (error) {
        expect(error).toBeInstanceOf(MalformedBytes);
      }
    }
  });

  it('leave a usable empty state behind when refused, and none may be read half-way', () => {
    const kv = new KvStateMachine();
    apply(kv, { key: 'a', value: '1' });
    const whole = Buffer.concat(snapshotOf(kv));
    kv.restore(whole.subarray(0, 10), false);
    expect(() => kv.get(text('a'))).toThrow(InvariantViolation);
    expect(() => kv.restore(Uint8Array.from([9, 9]), true)).toThrow(MalformedBytes);
    expect(kv.keys).toBe(0);
    expect(kv.get(text('a'))).toBeNull();
    kv.restore(whole, true);
    expect(kv.get(text('a'))?.value).toEqual(text('1'));
  });

  it('are read one at a time, and a closed one makes room', () => {
    const kv = new KvStateMachine();
    apply(kv, { key: 'a', value: '1' });
    const reader = kv.snapshot();
    expect(() => kv.snapshot()).toThrow(InvariantViolation);
    reader.close();
    expect(reader.next(10)).toBeNull();
    expect(restored(snapshotOf(kv)).digest()).toBe(kv.digest());
  });
});

describe('digest', () => {
  it('sees a value, a revision, a session and an index', () => {
    const digests = new Set<string>();
    const states: Asked[][][] = [
      [[{ key: 'a', value: '1' }]],
      [[{ key: 'a', value: '2' }]],
      [[{ key: 'b', value: '1' }]],
      [[{ key: 'a', value: '1', session: [1, 1] }]],
      [[{ key: 'a', value: '1', session: [1, 2] }]],
      [[{ key: 'a', value: '1', session: [2, 1] }]],
      [
        [
          { key: 'a', value: '0' },
          { key: 'a', value: '1' },
        ],
      ],
      [[{ key: 'a', value: '1' }], []],
      [[]],
    ];
    for (const state of states) {
      const kv = new KvStateMachine();
      for (const asked of state) apply(kv, ...asked);
      digests.add(kv.digest());
    }
    expect(digests.size).toBe(states.length);
  });
});
