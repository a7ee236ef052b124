import {
  EntryType,
  logIndex,
  type NodeId,
  nodeId,
  RecordKind,
  round,
  type SnapshotMeta,
  type WalRecord,
  walRecord,
} from '@quorate/consensus';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  commitRecord,
  encodeSnapshotEngine,
  entryRecord,
  promiseRecord,
  recover,
  snapshotRecord,
  truncateRecord,
} from './records.ts';

const promise = (term: number, vote = 0): WalRecord =>
  promiseRecord(round(term), vote as NodeId | 0);
const entry = (index: number, term: number): WalRecord =>
  entryRecord({
    term: round(term),
    index: logIndex(index),
    type: EntryType.command,
    payload: new Uint8Array([index, term]),
  });
const meta = (index: number, term: number): SnapshotMeta => ({
  index: logIndex(index),
  membership: {
    voters: [{ id: nodeId(1), disk: 'd', address: 'a' }],
    learners: [],
    witnesses: [],
  },
  digest: `digest of ${index}`,
  bytes: 10,
  engine: encodeSnapshotEngine(round(term)),
});
const snapshot = (index: number, term: number): WalRecord => snapshotRecord(meta(index, term));

/** The fold in short: term, vote, entries as index@term, snapshot, commit. */
function fold(records: WalRecord[], snap: SnapshotMeta | null = null): string {
  const r = recover(records, snap);
  const entries = r.entries.map((e) => `${e.index}@${e.round}`).join(' ');
  const base = `${r.snapshotIndex}@${r.snapshotTerm}`;
  return `T${r.term} vote=${r.votedFor} base=${base} [${entries}] commit=${r.commitIndex}`;
}

describe('recovery fold', () => {
  it.each([
    { name: 'nothing', records: [], result: 'T0 vote=0 base=0@0 [] commit=0' },
    {
      name: 'term and vote as one fact',
      records: [promise(1, 2), promise(2), promise(2, 3)],
      result: 'T2 vote=3 base=0@0 [] commit=0',
    },
    {
      name: 'truncation and rewriting',
      records: [
        promise(2),
        entry(1, 1),
        entry(2, 1),
        entry(3, 1),
        truncateRecord(logIndex(2)),
        entry(2, 2),
      ],
      result: 'T2 vote=0 base=0@0 [1@1 2@2] commit=0',
    },
    {
      name: 'a commit hint no higher than the log',
      records: [promise(1), entry(1, 1), commitRecord(logIndex(4))],
      result: 'T1 vote=0 base=0@0 [1@1] commit=1',
    },
  ])('$name', ({ records, result }) => {
    expect(fold(records)).toBe(result);
  });

  it('keeps entries above an own snapshot and drops a replaced log (RF-35)', () => {
    const logged = [promise(2), entry(1, 1), entry(2, 1), entry(3, 2)];
    expect(fold([...logged, snapshot(2, 1)], meta(2, 1))).toBe('T2 vote=0 base=2@1 [3@2] commit=2');
    const installed = [...logged, truncateRecord(logIndex(2)), snapshot(2, 2)];
    expect(fold(installed, meta(2, 2))).toBe('T2 vote=0 base=2@2 [] commit=2');
  });

  it('accepts entries above a snapshot that is recorded later, but no real gap', () => {
    const remaining = [promise(2), snapshot(3, 1), entry(6, 2), entry(7, 2), snapshot(5, 2)];
    expect(fold(remaining, meta(5, 2))).toBe('T2 vote=0 base=5@2 [6@2 7@2] commit=5');
    expect(() => fold([promise(1), entry(2, 1)])).toThrow('continue the snapshot');
    expect(() => fold([promise(1), entry(1, 1), entry(3, 1)])).toThrow('no gaps');
  });

  it('refuses records that contradict each other', () => {
    expect(() => fold([promise(2), promise(1)])).toThrow('never falls');
    expect(() => fold([promise(2, 1), promise(2, 3)])).toThrow('once a term');
    expect(() => fold([promise(2), snapshot(2, 1)])).toThrow('at hand');
    expect(() => fold([walRecord({ kind: RecordKind.chosen })])).toThrow('never writes');
  });

  it('fold(all) = fold(checkpoint + what remains), wherever the log is cut', () => {
    const step = fc.record({
      kind: fc.constantFrom('append', 'truncate', 'term', 'vote', 'snapshot', 'install', 'commit'),
      size: fc.integer({ min: 1, max: 4 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.nat(200), (steps, cut) => {
        const history = new History();
        for (const { kind, size } of steps) history.play(kind, size);
        const { records } = history;
        const at = records.length === 0 ? 0 : cut % (records.length + 1);
        // Only segments that the last snapshot covers may go.
        const covered = records.slice(0, at).every((r) => r.index <= history.base.index);
        if (!covered) return;
        const last = history.base.index === 0 ? null : meta(history.base.index, history.base.term);
        const before = records.slice(0, at);
        const restated = restate(before);
        expect(fold([...restated, ...records.slice(at)], last)).toBe(fold(records, last));
      }),
      { numRuns: 500 },
    );
  });
});

/** What `checkpoint` restates after these records. */
function restate(records: WalRecord[]): WalRecord[] {
  return [RecordKind.promise, RecordKind.snapshot, RecordKind.commit].flatMap((kind) =>
    records.filter((record) => record.kind === kind).slice(-1),
  );
}

/** Makes histories that a replica could have written. */
class History {
  readonly records: WalRecord[] = [promise(1)];
  base = { index: 0, term: 0 };
  private term = 1;
  private vote = 0;
  private commit = 0;
  private log: number[] = []; // Terms of entries 1, 2, ...

  play(kind: string, size: number): void {
    if (kind === 'append') {
      for (let i = 0; i < size; i++) {
        this.log.push(this.term);
        this.records.push(entry(this.log.length, this.term));
      }
    } else if (kind === 'truncate') {
      const from = Math.max(this.commit, this.log.length - size) + 1;
      if (from > this.log.length) return;
      this.log.length = from - 1;
      this.records.push(truncateRecord(logIndex(from)));
    } else if (kind === 'term') {
      this.term += size;
      this.vote = 0;
      this.records.push(promise(this.term));
    } else if (kind === 'vote' && this.vote === 0) {
      this.vote = size;
      this.records.push(promise(this.term, this.vote));
    } else if (kind === 'commit') {
      this.commit = Math.min(this.log.length, this.commit + size);
      this.records.push(commitRecord(logIndex(this.commit)));
    } else if (kind === 'snapshot' && this.commit > this.base.index) {
      this.cut(this.commit, this.log[this.commit - 1] as number);
    } else if (kind === 'install') {
      const index = this.commit + size;
      if (this.log.length > this.commit) {
        this.records.push(truncateRecord(logIndex(this.commit + 1)));
      }
      this.log = Array.from({ length: index }, () => this.term);
      this.commit = index;
      this.cut(index, this.term);
    }
  }

  private cut(index: number, term: number): void {
    this.base = { index, term };
    this.records.push(snapshot(index, term));
  }
}
