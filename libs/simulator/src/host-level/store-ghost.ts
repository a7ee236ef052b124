import { decodeCommandBatch } from '@quorate/consensus';
import type { Crc32 } from '@quorate/foundation';
import { decodeCommand, decodeResult, type KvCommand, type KvResult } from '@quorate/kv';
import type { Fail } from '../engine-level/ghost-state.ts';
import type { ProbeCounts } from './probes.ts';
import { StoreModel } from './store-model.ts';

/** Where a written value took effect for the first time. */
interface Effect {
  readonly index: number;
  readonly revision: number;
}

/**
 * What the state machines of a run did, seen from outside: results by index, digests by index,
 * requests by session, values by the entry that wrote them.
 */
export class StoreGhost {
  /** Commands applied, each counted once however many replicas applied it. */
  commandsApplied = 0;
  private readonly results = new Map<number, number>();
  private readonly digests = new Map<number, string>();
  private readonly executed = new Map<string, string>();
  private readonly effects = new Map<string, Effect>();
  private readonly submitted = new Set<number>();
  private readonly never = new Set<string>();
  private readonly model = new StoreModel();
  private revision = 0;
  private readonly fail: Fail;
  private readonly crc32: Crc32;
  private readonly probes: ProbeCounts;
  /** One digest for so many applied indexes: a digest walks over the whole state. */
  private readonly digestEvery: number;

  constructor(parts: {
    readonly fail: Fail;
    readonly crc32: Crc32;
    readonly probes: ProbeCounts;
    readonly digestEvery: number;
  }) {
    this.fail = parts.fail;
    this.crc32 = parts.crc32;
    this.probes = parts.probes;
    this.digestEvery = parts.digestEvery;
  }

  /** A command arrived at a replica. */
  noteSubmitted(command: Uint8Array): void {
    this.submitted.add(this.crc32(command));
  }

  /** A replica applied a batch: C1 and K5 by the results, C7, C10, C13, K2. */
  applied(
    node: number,
    index: number,
    batch: Uint8Array,
    results: readonly Uint8Array[],
    digest: () => string,
  ): void {
    let mark = results.length;
    for (const result of results) mark = this.crc32(result, mark);
    const known = this.results.get(index);
    if (known === undefined) {
      this.results.set(index, mark);
      this.firstApplied(index, batch, results);
    } else if (known !== mark) {
      this.fail('K5', `node ${node}: other results at index ${index} than elsewhere`);
    }
    if (index % this.digestEvery === 0) this.compareDigest(node, index, digest());
  }

  /** C8: replicas at one index have one state; also after a restore from a snapshot. */
  compareDigest(node: number, index: number, digest: string): void {
    const known = this.digests.get(index);
    if (known === undefined) this.digests.set(index, digest);
    else if (known !== digest) {
      this.fail('C8', `node ${node} has another state at index ${index}: ${digest}, not ${known}`);
    }
  }

  /** C13: a write was answered with a definite failure; its value may never be seen. */
  failedForGood(value: string): void {
    this.probes.hit('definiteFailure');
    this.never.add(value);
    const effect = this.effects.get(value);
    if (effect !== undefined) {
      this.fail('C13', `"${value}" was refused for good and is applied at ${effect.index}`);
    }
  }

  /** K3, K4: an acknowledged write must have been applied, at the revision told. */
  acknowledged(value: string, revision: number): void {
    const effect = this.effects.get(value);
    if (effect === undefined) {
      this.fail('K3', `"${value}" was acknowledged and nobody has applied it`);
    } else if (effect.revision !== revision) {
      this.fail('K2', `"${value}" has revision ${effect.revision}, its client heard ${revision}`);
    }
  }

  /** K4: a value that was read must have been committed. */
  seen(value: string, revision: number): void {
    const effect = this.effects.get(value);
    if (effect === undefined) this.fail('K4', `"${value}" was read and never applied`);
    else if (effect.revision !== revision) {
      this.fail('K2', `"${value}" has revision ${effect.revision}, a read saw ${revision}`);
    }
  }

  /** True when some replica has applied the write of this value. */
  tookEffect(value: string): boolean {
    return this.effects.has(value);
  }

  private firstApplied(index: number, batch: Uint8Array, results: readonly Uint8Array[]): void {
    const { commands } = decodeCommandBatch(batch);
    if (commands.length !== results.length) {
      this.fail('C5', `index ${index}: ${commands.length} commands, ${results.length} results`);
    }
    if (commands.length > 1) this.probes.hit('batchOfSeveral');
    commands.forEach((bytes, i) => {
      this.commandsApplied++;
      if (!this.submitted.has(this.crc32(bytes))) {
        this.fail('C7', `nobody submitted command ${i} of index ${index}`);
      }
      const result = decodeResult(results[i] as Uint8Array);
      if (!result.replayed && result.revision < this.revision) {
        this.fail('K2', `index ${index}: revision ${this.revision} -> ${result.revision}`);
      }
      this.took(index, i, decodeCommand(bytes), result);
    });
  }

  private took(index: number, place: number, command: KvCommand, result: KvResult): void {
    if (result.replayed) this.probes.hit('retryAnsweredFromSession');
    if (result.status === 'cas_mismatch') this.probes.hit('casMismatch');
    if (result.replayed) return;
    if (result.status === 'sequence_forgotten') this.probes.hit('sequenceForgotten');
    if (result.status === 'ok' || result.status === 'cas_mismatch') {
      this.compareWithModel(index, command, result);
    }
    if (result.status !== 'ok') return;
    if (command.request !== null) {
      const { clientId, sequence } = command.request;
      const key = `${clientId.join('.')}/${sequence}`;
      const before = this.executed.get(key);
      if (before !== undefined) this.fail('C10', `request ${key} acted at ${before} and ${index}`);
      this.executed.set(key, `${index}/${place}`);
    }
    this.revision = result.revision;
    if (command.operation !== 'put') return;
    const value = textOf(command.value);
    if (this.never.has(value)) {
      this.fail('C13', `"${value}" was refused for good, then applied at ${index}`);
    }
    if (!this.effects.has(value)) this.effects.set(value, { index, revision: result.revision });
  }

  /** K1, K2: the answer is the one of the specification. */
  private compareWithModel(index: number, command: KvCommand, result: KvResult): void {
    const { status, revision, created, deleted } = result;
    const wanted = JSON.stringify(this.model.execute(command));
    const told = JSON.stringify({ status, revision, created, deleted });
    if (told !== wanted) {
      const what = `${command.operation} if ${command.condition.kind}`;
      this.fail('K2', `index ${index}: ${what} was answered ${told}, not ${wanted}`);
    }
  }
}

/** The part of a value that names it; the rest is padding. */
export function textOf(value: Uint8Array): string {
  let text = '';
  for (const byte of value) {
    if (byte === PADDING) break;
    text += String.fromCharCode(byte);
  }
  return text;
}

/** The byte that fills values up. */
export const PADDING = 0x2e;
