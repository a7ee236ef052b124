import {
  type LogIndex,
  logIndex,
  readCommandBatch,
  type SnapshotReader,
  type StateMachine,
} from '@quorate/consensus';
import { assert, MalformedBytes } from '@quorate/foundation';
import { CommandScan } from './command-scan.ts';
import { EntryTable, type KvEntry } from './entry-table.ts';
import { lanesToHex, StateHash } from './hash.ts';
import { latin1FromBytes, latin1FromRange } from './latin1.ts';
import { encodeResult, type KvResult, type KvStatus } from './result.ts';
import {
  fingerprintOf,
  hashSession,
  KV_SESSION_LIMITS_DEFAULT,
  type KvSessionLimits,
  SessionTable,
} from './sessions.ts';
import { SnapshotRestorer } from './snapshot-restorer.ts';
import { SnapshotWriter } from './snapshot-writer.ts';
import { ValueSlabs } from './value-slabs.ts';

/** What `get` finds: the value (not to be changed) and the revision at which it was written. */
export interface KvFound {
  readonly value: Uint8Array;
  readonly revision: number;
}

/**
 * The replicated key-value store: byte-string keys and values, a revision that grows by one with
 * each command that changes a key, compare-and-set, and client sessions that make a repeated
 * request change the state at most once. The outcome of a command depends on the state and the
 * command alone: not on time, memory, settings or the replica's role.
 */
export class KvStateMachine implements StateMachine {
  private entries = new EntryTable();
  private sessions: SessionTable;
  private readonly values = new ValueSlabs();
  private readonly scan = new CommandScan();
  private restorer: SnapshotRestorer | null = null;
  private lastApplied: LogIndex = logIndex(0);
  private currentRevision = 0;

  constructor(limits: KvSessionLimits = KV_SESSION_LIMITS_DEFAULT) {
    this.sessions = new SessionTable(limits);
  }

  /** The index of the last batch applied or restored; entries without commands do not count. */
  get appliedIndex(): LogIndex {
    return this.lastApplied;
  }

  /** The number of changes so far. */
  get revision(): number {
    return this.currentRevision;
  }

  /** The number of keys. */
  get keys(): number {
    return this.entries.size;
  }

  /** The key's current state, or null when it does not exist. */
  get(key: Uint8Array): KvFound | null {
    assert(this.restorer === null, 'nothing is read from half a state');
    return this.entries.get(latin1FromBytes(key)) ?? null;
  }

  apply(index: LogIndex, batch: Uint8Array): readonly Uint8Array[] {
    assert(this.restorer === null, 'nothing is applied to half a state');
    assert(index > this.lastApplied, 'batches are applied once, in order');
    this.lastApplied = index;
    const results: Uint8Array[] = [];
    readCommandBatch(batch, (start, end) => {
      results.push(encodeResult(this.applyBytes(batch, start, end)));
    });
    return results;
  }

  /** Cuts a snapshot; at most one may be open. */
  snapshot(): SnapshotReader {
    assert(this.restorer === null, 'half a state has no snapshot');
    const header = {
      appliedIndex: this.lastApplied,
      revision: this.currentRevision,
      limits: this.sessions.limits,
    };
    const cut = this.entries.openCut(this.currentRevision);
    return new SnapshotWriter(header, cut, this.sessions.images());
  }

  /**
   * Takes the next slice of a snapshot. Throws `MalformedBytes` on bytes that no snapshot holds and
   * leaves an empty state behind, to which the next call starts a new restore.
   */
  restore(slice: Uint8Array, last: boolean): void {
    if (this.restorer === null) this.clear();
    const restorer = this.restorer ?? new SnapshotRestorer(this.sessions.limits);
    this.restorer = null; // What throws below leaves no half-built state to go on with.
    restorer.take(slice);
    if (!last) {
      this.restorer = restorer;
      return;
    }
    const restored = restorer.finish();
    this.entries = restored.entries;
    this.sessions = restored.sessions;
    this.lastApplied = logIndex(restored.appliedIndex);
    this.currentRevision = restored.revision;
  }

  /**
   * 16 hexadecimal digits over the whole state: keys, values, revisions, sessions and the applied
   * index. Replicas that have applied the same entries give the same digits, also when one restored
   * a snapshot and the other replayed all. It walks over the state, so it is for checks only.
   */
  digest(): string {
    let first = 0;
    let second = 0;
    // Maps of replicas may stand in different orders after a restore; a sum does not see order.
    for (const entry of this.entries.values()) {
      const lanes = new StateHash()
        .latin1(entry.key)
        .bytes(entry.value)
        .number(entry.revision)
        .lanes();
      first = (first + lanes[0]) >>> 0;
      second = (second + lanes[1]) >>> 0;
    }
    const hash = new StateHash().number(this.lastApplied).number(this.currentRevision);
    hash.number(this.entries.size).number(first).number(second);
    for (const image of this.sessions.images()) hashSession(hash, image);
    return lanesToHex(hash.lanes());
  }

  private clear(): void {
    this.entries = new EntryTable();
    this.sessions = new SessionTable(this.sessions.limits);
    this.lastApplied = logIndex(0);
    this.currentRevision = 0;
  }

  /** A committed command must have an outcome whatever its bytes are; throwing would stop all. */
  private applyBytes(batch: Uint8Array, start: number, end: number): KvResult {
    const { scan } = this;
    try {
      scan.read(batch, start, end);
    } catch (error) {
      if (error instanceof MalformedBytes) return this.refusal('invalid_command', 0);
      throw error;
    }
    return scan.hasRequest ? this.applyOnce(scan) : this.execute(scan);
  }

  private applyOnce(scan: CommandScan): KvResult {
    const { sequence } = scan;
    const session = this.sessions.touch(scan.bytes, scan.clientStart);
    const fingerprint = fingerprintOf(scan);
    const first = session.find(sequence);
    if (first !== undefined) {
      if (first.fingerprint !== fingerprint) return this.refusal('duplicate_request', 0);
      return { ...first.result, replayed: true };
    }
    if (sequence <= session.forgottenThrough) return this.refusal('sequence_forgotten', 0);
    session.forgetAnswered(Math.min(scan.answeredThrough, sequence - 1));
    const result = this.execute(scan);
    session.remember({ sequence, fingerprint, result }, this.sessions.limits.resultsPerSessionMax);
    return result;
  }

  private execute(scan: CommandScan): KvResult {
    const key = latin1FromRange(scan.bytes, scan.keyStart, scan.keyEnd);
    const before = this.entries.get(key);
    if (!holds(scan, before)) {
      return this.refusal('cas_mismatch', before === undefined ? 0 : before.revision);
    }
    if (scan.isPut) {
      this.currentRevision++;
      const value = this.values.keep(scan.bytes, scan.valueStart, scan.valueEnd);
      this.entries.set(key, value, this.currentRevision, before);
      return this.done(before === undefined, false);
    }
    if (before === undefined) return this.done(false, false);
    this.currentRevision++;
    this.entries.delete(before);
    return this.done(false, true);
  }

  private done(created: boolean, deleted: boolean): KvResult {
    const revision = this.currentRevision;
    return { status: 'ok', revision, created, deleted, currentRevision: 0, replayed: false };
  }

  private refusal(status: KvStatus, currentRevision: number): KvResult {
    const revision = this.currentRevision;
    return { status, revision, created: false, deleted: false, currentRevision, replayed: false };
  }
}

function holds(scan: CommandScan, entry: KvEntry | undefined): boolean {
  switch (scan.condition) {
    case 'none':
      return true;
    case 'absent':
      return entry === undefined;
    case 'revision':
      return entry !== undefined && entry.revision === scan.conditionRevision;
    case 'value':
      return entry !== undefined && isExpected(entry.value, scan);
  }
}

function isExpected(value: Uint8Array, scan: CommandScan): boolean {
  const { bytes, expectedStart } = scan;
  if (value.length !== scan.expectedEnd - expectedStart) return false;
  for (let i = 0; i < value.length; i++) if (value[i] !== bytes[expectedStart + i]) return false;
  return true;
}
