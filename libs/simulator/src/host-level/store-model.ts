import type { KvCommand, KvResult } from '@quorate/kv';

/** What a key holds, and since which revision. */
interface ModelEntry {
  readonly value: Uint8Array;
  readonly revision: number;
}

/**
 * The key-value store as a specification of a few lines: no sessions, no snapshots, no encoded
 * bytes. What a replica answered to a command that took effect is compared with it (K1, K2).
 */
export class StoreModel {
  private readonly entries = new Map<string, ModelEntry>();
  private revision = 0;

  /** Executes a command that was neither refused by its session nor a repetition. */
  execute(command: KvCommand): Pick<KvResult, 'status' | 'revision' | 'created' | 'deleted'> {
    const key = String.fromCharCode(...command.key);
    const before = this.entries.get(key);
    if (!holds(command, before)) return this.result('cas_mismatch', false, false);
    if (command.operation === 'put') {
      this.revision++;
      this.entries.set(key, { value: command.value, revision: this.revision });
      return this.result('ok', before === undefined, false);
    }
    if (before !== undefined) this.revision++;
    return this.result('ok', false, this.entries.delete(key));
  }

  private result(status: KvResult['status'], created: boolean, deleted: boolean) {
    return { status, revision: this.revision, created, deleted };
  }
}

function holds({ condition }: KvCommand, entry: ModelEntry | undefined): boolean {
  switch (condition.kind) {
    case 'none':
      return true;
    case 'absent':
      return entry === undefined;
    case 'revision':
      return entry?.revision === condition.revision;
    case 'value':
      return entry !== undefined && sameBytes(entry.value, condition.value);
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
